//! Deletion of an account: with it goes, in one commit, all that the directory holds of it.

use crate::administration::{Act, Actor, AdministrationRefusal};
use crate::audit::AuditName;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Failure;
use crate::session::EndReason;
use crate::store::{UserKey, Write};
use crate::user::{User, UserId};

impl Engine {
    /// Deletes an account: its sessions and tickets have ended when this returns, its address and name are free.
    ///
    /// What stays is the trail, which names it by its id. Returns the account as it was.
    ///
    /// # Errors
    /// [`AdministrationRefusal::LastAdministrator`], [`NotFound`](AdministrationRefusal::NotFound),
    /// [`NotAdministrator`](AdministrationRefusal::NotAdministrator),
    /// [`ProofRequired`](AdministrationRefusal::ProofRequired).
    pub async fn delete_user(&self, id: UserId, by: impl Into<Actor>) -> Result<User, Failure<AdministrationRefusal>> {
        let by = by.into();
        // A counter of what is made meanwhile holds nothing worth forgetting.
        let counters = match self.directory().user(UserKey::Id(id)).await? {
            Some(user) => self.counters_of(&user).await?,
            None => Vec::new(),
        };
        let decide = |user: User| {
            self.demand_proof_of(&by).map_err(Failure::Refused)?;
            let event = self.event_by(AuditName::UserDeleted, &by)?.of_user(id).with("role", user.role.name());
            let (now, random) = (self.now(), self.random());
            let deliveries = vec![
                self.ending(id, EndReason::AccountClosed)?,
                Delivery::of_void_tickets(id, now, random)?,
                Delivery::of_forgotten_failures(counters.clone(), now, random)?,
            ];
            Ok(Act { write: Some(Write::Delete(user)), events: vec![event], deliveries })
        };
        self.administer(&by, id, AuditName::UserDeleted, decide).await
    }
}
