//! Upkeep: what the engine does between requests. Late deliveries are carried out, events of the audit trail are linked,
//! and what had its time is removed.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::delivery::{Delivery, DueDelivery, Parcel};
use crate::engine::{Engine, Inner};
use crate::error::Fault;
use crate::invitation::Invitation;
use crate::session::Session;
use crate::store::{Change, CommitError, Retention, Write};

const EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: u32 = 60;
const CHECKPOINT_EVERY: u32 = 300;
const SLICE: usize = 1_000;
const BATCH: usize = 64;

/// Who does the upkeep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// A thread of the engine's own, once a second; it ends with the last handle.
    OwnThread,
    /// The host, by calling [`Engine::upkeep`]; in tests, so that nothing happens by itself.
    ByHost,
}

/// Wakes the upkeep thread.
#[derive(Debug, Default)]
pub(crate) struct UpkeepThread {
    bell: Arc<Bell>,
}

#[derive(Debug, Default)]
struct Bell {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(rung, EVERY, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl UpkeepThread {
    pub(crate) fn start(&self, inner: &Arc<Inner>) -> Result<(), Fault> {
        let (bell, inner) = (self.bell.clone(), Arc::downgrade(inner));
        std::thread::Builder::new()
            .name("doorwarden-upkeep".to_owned())
            .spawn(move || run(&bell, &inner))
            .map(drop)
            .map_err(|source| Fault::new("starting thread", "doorwarden-upkeep", source))
    }

    pub(crate) fn wake(&self) {
        self.bell.ring();
    }
}

impl Drop for UpkeepThread {
    fn drop(&mut self) {
        self.bell.ring();
    }
}

fn run(bell: &Bell, inner: &Weak<Inner>) {
    let mut round: u32 = 0;
    let mut links = Links::default();
    while let Some(inner) = inner.upgrade() {
        let engine = Engine::of(inner);
        note(futures_executor::block_on(engine.deliver_due()).map(drop));
        futures_executor::block_on(links.keep(&engine, round));
        if round.is_multiple_of(SWEEP_EVERY) {
            note(futures_executor::block_on(engine.sweep()));
        }
        drop(engine);
        round = round.wrapping_add(1);
        bell.wait();
    }
}

/// A fault costs nothing but time: what wasn't done now is due again in a second.
fn note(outcome: Result<(), Fault>) {
    if let Err(fault) = outcome {
        tracing::warn!(%fault, "upkeep failed and will be tried again");
    }
}

/// The linking of the audit trail, and what is said about it.
#[derive(Debug, Default)]
struct Links {
    pending: u64,
    complained: Option<u32>,
}

impl Links {
    async fn keep(&mut self, engine: &Engine, round: u32) {
        match engine.link_audit().await {
            Ok(linked) => (self.pending, self.complained) = (self.pending.saturating_add(linked), None),
            // A chain that somebody changed stays so: once a minute is enough.
            Err(fault) if self.complained.is_none_or(|at| round.wrapping_sub(at) >= SWEEP_EVERY) => {
                self.complained = Some(round);
                tracing::error!(%fault, "the audit trail is not carried on");
            }
            Err(_) => {}
        }
        if self.pending > 0 && round.is_multiple_of(CHECKPOINT_EVERY) {
            // A log that is kept elsewhere shows what was cut off the trail here.
            if let Ok(Some(checkpoint)) = engine.audit_checkpoint().await {
                tracing::info!(%checkpoint, "audit trail");
                self.pending = 0;
            }
        }
    }
}

impl Engine {
    /// Carries out late deliveries, links the audit trail and removes what had its time, once. Returns how many
    /// deliveries were done.
    ///
    /// # Errors
    /// A store's fault; nothing is lost by it.
    pub async fn upkeep(&self) -> Result<usize, Fault> {
        self.link_audit().await?;
        self.sweep().await?;
        self.deliver_due().await
    }

    pub(crate) async fn deliver_due(&self) -> Result<usize, Fault> {
        let mut done = 0;
        let mut due = Vec::new();
        for delivery in self.directory().due_deliveries(self.now(), BATCH).await? {
            match delivery {
                DueDelivery::Readable(delivery) => due.push(delivery),
                DueDelivery::Unreadable { id, fault } => self.set_aside(id, &fault).await?,
            }
        }
        // A mail server that is slow to answer keeps no session alive.
        due.sort_by_key(|delivery| matches!(delivery.parcel, Parcel::Mail(_)));
        for delivery in due {
            let claimed = delivery.claimed(self.now());
            match self.directory().commit(&[Change::Delivery(Write::Update(claimed.clone()))]).await {
                Ok(()) => {
                    let revision = claimed.revision.next();
                    done += usize::from(self.carry_out(Delivery { revision, ..claimed }).await?);
                }
                // Another process was quicker.
                Err(CommitError::Stale) => {}
                Err(other) => return Err(crate::engine::unexpected(other)),
            }
        }
        Ok(done)
    }

    async fn sweep(&self) -> Result<(), Fault> {
        let (now, policy) = (self.now(), self.policy());
        let retention = Retention {
            registrations_before: now,
            // A registration that holds a use may outlive the invitation's own time by its link's.
            invitations_before: now.before(Invitation::REMEMBERED.saturating_add(policy.sign_up.verify_link)),
        };
        while self.directory().sweep(&retention, SLICE).await? == SLICE {}
        while self.sessions().sweep(now.before(Session::REMEMBERED), SLICE).await? == SLICE {}
        while self.lockouts().sweep(now, SLICE).await? == SLICE {}
        self.begin_to_remember_nonces().await?;
        while self.tickets().sweep(now, SLICE).await? == SLICE {}
        self.sweep_audit(now.before(self.policy().audit.keep)).await
    }
}
