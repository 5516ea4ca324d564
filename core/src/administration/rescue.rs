//! What an administrator does for somebody who is locked out, or whose session is in wrong hands.

use crate::administration::{Act, Actor, AdministrationRefusal};
use crate::audit::AuditName;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::{Failure, Fault};
use crate::lockout::{LockoutSubject, Restriction};
use crate::session::EndReason;
use crate::store::Which;
use crate::user::UserId;

impl Engine {
    /// Lifts the restriction of an account's login, by failures or by wrong codes, with a password or with any of its
    /// keypairs; whether one by failures stood.
    ///
    /// # Errors
    /// [`AdministrationRefusal::NotFound`] or [`NotAdministrator`](AdministrationRefusal::NotAdministrator).
    pub async fn unlock(&self, id: UserId, by: impl Into<Actor>) -> Result<bool, Failure<AdministrationRefusal>> {
        let (by, name) = (by.into(), AuditName::LoginUnlocked);
        let decide = |_| Ok(Act { events: vec![self.event_by(name, &by)?.of_user(id)], ..Act::default() });
        self.administer(&by, id, name, decide).await?;
        self.forgive_wrong_codes(id).await?;
        Ok(self.lift_everywhere(id).await?)
    }

    /// What failures have brought on an account's login, if that stands now.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn restriction_of(&self, id: UserId) -> Result<Option<Restriction>, Fault> {
        self.lockouts().restriction(&LockoutSubject::Account(id), self.now()).await
    }

    /// Ends all sessions of an account before this returns.
    ///
    /// # Errors
    /// [`AdministrationRefusal::NotFound`] or [`NotAdministrator`](AdministrationRefusal::NotAdministrator).
    pub async fn end_sessions(&self, id: UserId, by: impl Into<Actor>) -> Result<(), Failure<AdministrationRefusal>> {
        let (by, name) = (by.into(), AuditName::SessionEnded);
        let decide = |_| {
            let events = vec![self.event_by(name, &by)?.of_user(id).with("sessions", "all")];
            Ok(Act { events, deliveries: vec![self.ending(id, EndReason::Revoked)?], ..Act::default() })
        };
        self.administer(&by, id, name, decide).await.map(drop)
    }

    pub(crate) fn ending(&self, id: UserId, reason: EndReason) -> Result<Delivery, Fault> {
        Delivery::of_ended_sessions(id, Which::All, reason, self.now(), self.random())
    }
}
