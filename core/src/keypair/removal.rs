//! What goes with a keypair that is removed: its event, and the failures that were counted against its access key.

use crate::audit::AuditName;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::Engine;
use crate::error::Fault;
use crate::keypair::Keypair;
use crate::store::{Change, Write};

impl Engine {
    /// Removes keypairs in the commit of another act, or by a rule, which their events name. The sessions that were
    /// logged in with them are that act's to end.
    pub(crate) fn removing(
        &self,
        keypairs: Vec<Keypair>,
        by: &str,
        client: &Client,
    ) -> Result<(Vec<Change>, Option<Delivery>), Fault> {
        let forgotten = self.forgetting(&keypairs)?;
        let mut changes = Vec::new();
        for keypair in keypairs {
            let event = self.keypair_event(AuditName::KeypairDeleted, &keypair, client)?;
            changes.extend([Change::Audit(event.with("by", by)), Change::Keypair(Write::Delete(keypair))]);
        }
        Ok((changes, forgotten))
    }

    /// Forgets the failures that were counted against keypairs that go.
    pub(super) fn forgetting(&self, keypairs: &[Keypair]) -> Result<Option<Delivery>, Fault> {
        if keypairs.is_empty() {
            return Ok(None);
        }
        let counters = keypairs.iter().map(|keypair| self.counter_of(&keypair.access_key)).collect();
        Delivery::of_forgotten_failures(counters, self.now(), self.random()).map(Some)
    }
}
