//! What an account's owner is told when a second factor changes or a recovery code is used.

use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Fault;
use crate::mail::{RecoveryCodeUsed, TotpDisabled, TotpEnabled, TotpReset};
use crate::user::User;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occasion {
    Enabled,
    Disabled,
    Reset,
    RecoveryCodeUsed { left: usize },
}

impl Engine {
    /// The mail to the owner, to be committed with what it tells; none where no mails are sent.
    pub(crate) fn tell_of_totp(&self, user: &User, what: Occasion, client: &Client) -> Result<Option<Delivery>, Fault> {
        let from_address = client.address;
        match what {
            Occasion::Enabled => self.mail_to_owner(user, &TotpEnabled { from_address }),
            Occasion::Disabled => self.mail_to_owner(user, &TotpDisabled { from_address }),
            Occasion::Reset => self.mail_to_owner(user, &TotpReset { from_address }),
            Occasion::RecoveryCodeUsed { left } => self.mail_to_owner(user, &RecoveryCodeUsed { from_address, left }),
        }
    }
}
