//! What an account's owner is told of failures, where the policy says so.

use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Fault;
use crate::mail::{LoginAfterFailures, LoginRestricted, WrongCodes};
use crate::user::User;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// Somebody who has the password has given this many wrong codes.
    WrongCodes(u32),
    /// A login is complete that followed this many failures.
    LoginAfterFailures(u32),
    /// The login is restricted, and whoever tries isn't told.
    Restricted,
}

impl Engine {
    /// The mail to the owner; none where no mails are sent. It isn't counted with those that strangers ask for, or they
    /// could silence it.
    pub(crate) fn alarm(&self, user: &User, what: Alarm, client: &Client) -> Result<Option<Delivery>, Fault> {
        let from_address = client.address;
        match what {
            Alarm::WrongCodes(count) => self.mail_to_owner(user, &WrongCodes { from_address, count }),
            Alarm::LoginAfterFailures(count) => self.mail_to_owner(user, &LoginAfterFailures { from_address, count }),
            Alarm::Restricted => self.mail_to_owner(user, &LoginRestricted { from_address }),
        }
    }
}
