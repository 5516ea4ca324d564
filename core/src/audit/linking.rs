//! Links committed events into the chain, and removes those that the policy keeps no longer.
//!
//! A commit isn't held up by the chain: the upkeep links what was committed, shortly after, in the order of positions.
//! Several processes may try; the chain's revision lets one through.

use crate::audit::chain::{AuditChain, AuditLink, AuditRecord, ChainPoint};
use crate::audit::{AuditPosition, Checkpoint};
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::Fault;
use crate::seal::OpenRefused;
use crate::store::{Change, CommitError, Write};
use crate::time::Timestamp;

/// Records linked, or removed, in one commit.
const SLICE: usize = 256;
/// Commits in one round, so that the upkeep gets to its other duties.
const ROUNDS: usize = 64;
const DOING: &str = "linking";
const TRAIL: &str = "the audit trail";

/// Why the chain isn't carried on. What is there is left as it is, for who looks into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Suspicious {
    #[error("its head was changed by somebody else ({0}): see `doorwarden audit verify`")]
    Head(OpenRefused),
    #[error("its head was put back or removed: see `doorwarden audit verify`")]
    PutBack,
    #[error("record {0} was changed by somebody else and isn't removed: see `doorwarden audit verify`")]
    Record(u64),
}

fn suspicious(why: Suspicious) -> Fault {
    Fault::lasting(DOING, TRAIL, why)
}

impl Engine {
    /// Links the events that aren't yet; returns how many it linked. The upkeep does it once a second.
    ///
    /// # Errors
    /// The store's fault, or a chain that somebody else has changed: it isn't carried on.
    pub async fn link_audit(&self) -> Result<u64, Fault> {
        let mut linked = 0;
        for _ in 0..ROUNDS {
            match self.link_slice().await? {
                0 => break,
                some => linked += some,
            }
        }
        Ok(linked)
    }

    /// Signs the trail's ends by the current key, with all events linked.
    pub(crate) async fn reseal_audit(&self) -> Result<(), Fault> {
        for _ in 0..DECISIONS {
            self.link_audit().await?;
            if self.directory().audit_chain().await?.is_none_or(|chain| chain.is_current(self.keys())) {
                return Ok(());
            }
        }
        Err(overtaken("signing", TRAIL))
    }

    /// A signed line that says how far the trail is linked; `None` before its first event.
    ///
    /// # Errors
    /// The store's fault, or a head that somebody else has changed.
    pub async fn audit_checkpoint(&self) -> Result<Option<Checkpoint>, Fault> {
        let Some(chain) = self.signed_chain().await? else { return Ok(None) };
        Ok((chain.head.number > 0).then(|| Checkpoint::sign(chain.head, self.now(), self.keys())))
    }

    /// The ends of the chain, if there is one, as one of our keys signed them.
    async fn signed_chain(&self) -> Result<Option<AuditChain>, Fault> {
        let stored = self.directory().audit_chain().await?;
        if let Some(chain) = &stored {
            chain.verify(self.keys()).map_err(|refused| suspicious(Suspicious::Head(refused)))?;
        }
        Ok(stored)
    }

    async fn link_slice(&self) -> Result<u64, Fault> {
        let now = self.now();
        // Before the store is read: what another task sees meanwhile may be newer than what is read here.
        let seen = self.chain_memory().seen();
        let stored = self.signed_chain().await?;
        self.chain_memory().note(seen, stored.as_ref()).map_err(suspicious)?;
        let is_current = stored.as_ref().is_some_and(|chain| chain.is_current(self.keys()));
        let (chain, write): (_, fn(AuditChain) -> Write<AuditChain>) = match stored {
            Some(chain) => (chain, Write::Update),
            None => (AuditChain::begin(now, self.random())?, Write::Create),
        };
        let records = self.directory().audit_records(Some(chain.head.position), SLICE).await?;
        if records.is_empty() && is_current {
            return Ok(0);
        }
        if records.iter().any(|record| record.link.is_some()) {
            // Linked behind the head: by another process since the head was read, or the head was put back.
            let moved = self.directory().audit_chain().await?.is_some_and(|now| now.head != chain.head);
            return if moved { Ok(0) } else { Err(suspicious(Suspicious::PutBack)) };
        }
        let (links, head) = self.links(&records, chain.head);
        let count = u64::try_from(records.len()).unwrap_or_default();
        let chain = chain.linked_to(head, now).signed(self.keys());
        let mut changes = vec![Change::AuditChain(write(chain))];
        changes.extend(links.into_iter().map(|(position, link)| Change::AuditLink { position, link }));
        match self.directory().commit(&changes).await {
            Ok(()) => Ok(count),
            // Another process links too: it goes on.
            Err(CommitError::Stale) => Ok(0),
            Err(other) => Err(unexpected(other)),
        }
    }

    fn links(&self, records: &[AuditRecord], mut head: ChainPoint) -> (Vec<(AuditPosition, AuditLink)>, ChainPoint) {
        let mut links = Vec::with_capacity(records.len());
        for record in records {
            head = head.then_record(record);
            links.push((record.position, AuditLink { number: head.number, tag: head.tag(self.keys()) }));
        }
        (links, head)
    }

    /// Removes the records that were decided before `before`, from the oldest on; those behind them stay verifiable.
    ///
    /// Only what is linked is removed, and nothing that was changed. A record whose clock was ahead holds back those
    /// behind it until its own time is over.
    pub(crate) async fn sweep_audit(&self, before: Timestamp) -> Result<(), Fault> {
        loop {
            let Some(chain) = self.signed_chain().await? else { return Ok(()) };
            let records = self.directory().audit_records(Some(chain.anchor.position), SLICE).await?;
            let mut anchor = chain.anchor;
            for record in &records {
                let Some(link) = record.link else { break };
                if record.time() >= before || record.position > chain.head.position {
                    break;
                }
                let next = anchor.then_record(record);
                let vouched = match next.is_vouched_for(&link.tag, self.keys()) {
                    // The tags behind it vouch for it.
                    Ok(()) | Err(OpenRefused::UnknownKey) => record.agrees() && link.number == next.number,
                    Err(OpenRefused::Damaged | OpenRefused::Forged) => false,
                };
                if !vouched {
                    return Err(suspicious(Suspicious::Record(next.number)));
                }
                anchor = next;
            }
            let removed = anchor.number.saturating_sub(chain.anchor.number);
            if removed == 0 {
                return Ok(());
            }
            let swept = chain.swept_to(anchor, self.now()).signed(self.keys());
            let changes = [Change::AuditChain(Write::Update(swept)), Change::AuditForget { through: anchor.position }];
            match self.directory().commit(&changes).await {
                Ok(()) if removed < SLICE as u64 => return Ok(()),
                Ok(()) | Err(CommitError::Stale) => {}
                Err(other) => return Err(unexpected(other)),
            }
        }
    }
}

/// What this process has seen of the chain: when it was begun and how far it went. It never goes back by itself.
#[derive(Debug, Default)]
pub(crate) struct ChainMemory(std::sync::Mutex<Option<(Timestamp, u64)>>);

impl ChainMemory {
    fn seen(&self) -> Option<(Timestamp, u64)> {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Compares a chain with what had been seen before it was read, and remembers the furthest.
    fn note(&self, before: Option<(Timestamp, u64)>, chain: Option<&AuditChain>) -> Result<(), Suspicious> {
        let chain = match (before, chain) {
            (None, None) => return Ok(()),
            (Some(_), None) => return Err(Suspicious::PutBack),
            (Some((begun_at, number)), Some(chain)) if chain.begun_at != begun_at || chain.head.number < number => {
                return Err(Suspicious::PutBack);
            }
            (_, Some(chain)) => chain,
        };
        let mut seen = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *seen = (*seen).max(Some((chain.begun_at, chain.head.number)));
        Ok(())
    }
}
