//! The first administrator: while no user exists, whoever can read the process's console may make one.

use std::time::Duration;

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::{Engine, unexpected};
use crate::error::{Failure, Fault};
use crate::store::{Change, CommitError, Marker, UniqueRule, Write};
use crate::ticket::{Grant, Ticket, TicketKey};
use crate::token::TicketToken;
use crate::user::{Role, User};

use crate::administration::{NewUser, NewUserRefusal};

const LINK_WORKS_FOR: Duration = Duration::from_secs(3_600);
const MARKER: &str = "first-administrator";

impl Engine {
    /// A link, single use and valid for one hour, whose page makes the first administrator; `None` once a user exists.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn first_administrator_link(&self) -> Result<Option<String>, Fault> {
        if self.directory().has_users().await? {
            return Ok(None);
        }
        let (now, token) = (self.now(), TicketToken::generate([0; 16], self.random())?);
        let ticket = Ticket::new(Grant::FirstAdministrator, now, now.after(LINK_WORKS_FOR));
        self.tickets().put(&TicketKey::from(&token), &ticket).await?;
        Ok(Some(self.policy().public_url.link("first-administrator", &token.expose())))
    }

    /// Makes the first administrator. A form that is refused leaves the link for another try.
    ///
    /// # Errors
    /// [`NewUserRefusal::LinkInvalid`] if the link was used, is too old, or a user exists by now; else what is wrong
    /// with the form.
    pub async fn create_first_administrator(
        &self,
        token: &TicketToken,
        form: NewUser,
        client: &Client,
    ) -> Result<User, Failure<NewUserRefusal>> {
        const INVALID: Failure<NewUserRefusal> = Failure::Refused(NewUserRefusal::LinkInvalid);
        let (key, now) = (TicketKey::from(token), self.now());
        let peeked = self.tickets().peek(&key, now).await?.ok_or(INVALID)?;
        if peeked.grant != Grant::FirstAdministrator || self.directory().has_users().await? {
            return Err(INVALID);
        }
        let form = NewUser { role: Role::admin(), ..form };
        let user = self.check_new_user(&form, client).await?;
        // Whatever can be refused is refused before the link is used up.
        let mut changes = self.make_room(&user).await?;
        self.tickets().take(&key, now).await?.ok_or(INVALID)?;
        let event = self.event(AuditName::UserChanged, client)?.of_user(user.id).with("role", user.role.name());
        let marker = Marker { name: MARKER.into(), value: user.id.to_string() };
        changes.extend([Change::Mark(marker), Change::User(Write::Create(user.clone())), Change::Audit(event)]);
        match self.directory().commit(&changes).await {
            Ok(()) => Ok(user),
            Err(CommitError::Taken(UniqueRule::Username)) => Err(Failure::Refused(NewUserRefusal::UsernameTaken)),
            Err(CommitError::Stale | CommitError::Taken(_)) => Err(INVALID),
            Err(other) => Err(unexpected(other).into()),
        }
    }
}
