//! `audit verify`: walks the whole trail, a page at a time, and names the first record that isn't as it was linked.

use crate::audit::AuditPosition;
use crate::audit::chain::{AuditChain, AuditRecord, ChainPoint};
use crate::audit::checkpoint::Checkpoint;
use crate::audit::walk::{Break, Walk};
use crate::engine::{Engine, overtaken};
use crate::error::Fault;
use crate::time::Timestamp;

/// Records read at once.
const SLICE: usize = 1_000;
/// How often it begins again because retention removed the beginning meanwhile.
const BEGINNINGS: usize = 8;

/// What a walk along the whole trail has found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The first record that isn't as it was linked, if there is one.
    pub broken: Option<Break>,
    /// Both ends of the chain; `None` before the first record.
    pub ends: Option<ChainEnds>,
    /// How many records were found as they were linked.
    pub verified: u64,
    /// How many of them were linked with a key that isn't configured any more: the tags behind them vouch for them.
    pub by_lost_keys: u64,
    /// How many aren't linked yet: nothing vouches for them.
    pub unlinked: u64,
    /// When the oldest of those was decided.
    pub unlinked_since: Option<Timestamp>,
    /// How many checkpoints were reached.
    pub checkpoints: usize,
    /// How many checkpoints lie before what retention has removed: they say nothing any more.
    pub checkpoints_outlived: usize,
}

/// Both ends of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnds {
    /// When it was begun.
    pub begun_at: Timestamp,
    /// The last record that retention removed; number 0 if none.
    pub anchor: ChainPoint,
    /// When it was removed.
    pub swept_at: Option<Timestamp>,
    /// The last linked record.
    pub head: ChainPoint,
}

impl Verification {
    /// Whether every record was found as it was linked.
    pub fn is_whole(&self) -> bool {
        self.broken.is_none()
    }

    fn broken(broken: Break) -> Self {
        let broken = Some(broken);
        Self {
            broken,
            ends: None,
            verified: 0,
            by_lost_keys: 0,
            unlinked: 0,
            unlinked_since: None,
            checkpoints: 0,
            checkpoints_outlived: 0,
        }
    }
}

impl Engine {
    /// Walks the audit trail from its oldest record to its newest. `kept` are checkpoints kept elsewhere.
    ///
    /// It reads a page at a time and changes nothing; events may be recorded, linked and removed meanwhile.
    ///
    /// # Errors
    /// The store's fault. A trail that was changed is no fault: see [`Verification`].
    pub async fn verify_audit(&self, kept: &[Checkpoint]) -> Result<Verification, Fault> {
        if let Some(forged) = kept.iter().find(|checkpoint| checkpoint.verify(self.keys()).is_err()) {
            let says = format!("the checkpoint of {} wasn't made with this seal key", forged.made_at);
            return Ok(Verification::broken(Break::of_head(says)));
        }
        for _ in 0..BEGINNINGS {
            let chain = match self.directory().audit_chain().await {
                Err(damaged) if !damaged.retryable() => {
                    return Ok(Verification::broken(Break::of_head(damaged.to_string())));
                }
                read => read?,
            };
            let found = match &chain {
                None => self.verify_without_chain(kept).await?,
                Some(chain) => match chain.verify(self.keys()) {
                    Err(refused) => {
                        Verification::broken(Break::of_head(format!("the signed head was changed: {refused}")))
                    }
                    Ok(()) => self.walk(chain.clone(), kept).await?,
                },
            };
            let anchor = |chain: &Option<AuditChain>| chain.as_ref().map(|chain| chain.anchor);
            if found.is_whole() || anchor(&self.directory().audit_chain().await?) == anchor(&chain) {
                return Ok(found);
            }
        }
        Err(overtaken("verifying", "the audit trail"))
    }

    async fn verify_without_chain(&self, kept: &[Checkpoint]) -> Result<Verification, Fault> {
        let chain = AuditChain::begin(self.now(), self.random())?;
        let mut found = self.walk(chain, kept).await?;
        found.ends = None;
        Ok(found)
    }

    async fn walk(&self, chain: AuditChain, kept: &[Checkpoint]) -> Result<Verification, Fault> {
        let mut walk = Walk::begin(chain, kept, self.keys());
        let mut last_read = None;
        loop {
            if let Some(broken) = self.walk_to_head(&mut walk, &mut last_read).await? {
                let verified = walk.at.number - walk.chain().anchor.number;
                return Ok(Verification { verified, ..Verification::broken(broken) });
            }
            // What was linked meanwhile is walked as well.
            match self.directory().audit_chain().await? {
                Some(moved) if moved.head != walk.chain().head && moved.verify(self.keys()).is_ok() => {
                    walk.extend(moved)
                }
                Some(_) | None => break,
            }
        }
        let chain = walk.chain();
        let checkpoints_outlived = kept.iter().filter(|kept| kept.point.number < chain.anchor.number).count();
        let AuditChain { begun_at, anchor, swept_at, head, .. } = *chain;
        let mut found = Verification {
            broken: None,
            ends: Some(ChainEnds { begun_at, anchor, swept_at, head }),
            verified: head.number - anchor.number,
            by_lost_keys: walk.by_lost_keys,
            unlinked: 0,
            unlinked_since: None,
            checkpoints: kept.len() - checkpoints_outlived,
            checkpoints_outlived,
        };
        self.count_unlinked(chain, &mut found).await?;
        Ok(found)
    }

    /// Walks to the chain's head; what stops it is looked into with the records that follow.
    async fn walk_to_head(
        &self,
        walk: &mut Walk<'_>,
        last_read: &mut Option<AuditPosition>,
    ) -> Result<Option<Break>, Fault> {
        let (anchor, head) = (walk.chain().anchor.position, walk.chain().head.position);
        if let Some(contradiction) = walk.contradiction() {
            return Ok(Some(contradiction));
        }
        loop {
            // From the very first on: what stands before the anchor was put there.
            let page = self.directory().audit_records(*last_read, SLICE).await?;
            for record in &page {
                if walk.is_at_head() && record.position > head {
                    return Ok(walk.end().err());
                }
                if record.position <= anchor || walk.step(record).is_err() {
                    let following = self.directory().audit_records(*last_read, SLICE).await?;
                    return Ok(Some(walk.diagnose(&following)));
                }
                if let Some(contradiction) = walk.contradiction() {
                    return Ok(Some(contradiction));
                }
                *last_read = Some(record.position);
            }
            if page.len() < SLICE {
                return Ok(if walk.is_at_head() { walk.end().err() } else { Some(walk.diagnose(&[])) });
            }
        }
    }

    /// Counts what isn't linked yet behind the head; a link there is nothing that the head vouches for.
    async fn count_unlinked(&self, chain: &AuditChain, found: &mut Verification) -> Result<(), Fault> {
        let mut after = chain.head.position;
        loop {
            let page = self.directory().audit_records(Some(after), SLICE).await?;
            let stays = |now: Option<AuditChain>| now.is_none_or(|now| now.head == chain.head);
            if page.iter().any(is_linked) && stays(self.directory().audit_chain().await?) {
                found.broken =
                    Some(Break::of_head("the signed head was put back or removed: records behind it are linked"));
                return Ok(());
            }
            let unlinked = page.iter().filter(|record| !is_linked(record));
            found.unlinked += u64::try_from(unlinked.count()).unwrap_or_default();
            found.unlinked_since = found.unlinked_since.or_else(|| page.first().map(AuditRecord::time));
            match page.last() {
                Some(last) if page.len() == SLICE => after = last.position,
                _ => return Ok(()),
            }
        }
    }
}

fn is_linked(record: &AuditRecord) -> bool {
    record.link.is_some()
}
