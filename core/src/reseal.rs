//! After a rotation of the seal key: what the store keeps sealed is rewritten under the current one, and the old one
//! is dropped when nothing needs it any more.
//!
//! | sealed | what becomes of it |
//! |---|---|
//! | seeds of one-time passwords, secret keys, mails of the outbox | rewritten |
//! | mails that a process may be sending, sign-ups that wait for their link | waited for |
//! | the ends of the audit trail | signed anew |
//! | canaries of other keys | removed, last of all |

use crate::audit::AuditName;
use crate::canary::Canaries;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, StartError, overtaken, unexpected};
use crate::error::Fault;
use crate::id::UserId;
use crate::keypair::Keypair;
use crate::store::{Change, CommitError, UserKey, UserPage, Write};
use crate::time::Timestamp;
use crate::user::User;

const PAGE: usize = 64;

/// What a run of [`Engine::reseal`] did, and what it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Resealed {
    /// Seeds of one-time passwords that were rewritten.
    pub seeds: u64,
    /// Secret keys of keypairs that were rewritten.
    pub keypairs: u64,
    /// Mails of the outbox that were rewritten.
    pub mails: u64,
    /// Values of an old key that can't be rewritten and go by themselves.
    pub waiting: u64,
    /// When the last of those is gone.
    pub waiting_until: Option<Timestamp>,
    /// Old keys that nothing needs any more, since this run.
    pub dropped_keys: usize,
}

impl Resealed {
    /// Whether the store holds nothing more of an old key: those may be removed.
    pub fn is_done(&self) -> bool {
        self.waiting == 0
    }

    fn wait(&mut self, until: Timestamp) {
        self.waiting = self.waiting.saturating_add(1);
        self.waiting_until = self.waiting_until.max(Some(until));
    }
}

impl Engine {
    /// Rewrites what is sealed with an old key under the current one. Each value is rewritten by a commit of its own, so
    /// a run that was interrupted is carried on by the next. Logins go on meanwhile.
    ///
    /// Every process must seal with the current key before.
    ///
    /// # Errors
    /// The store's fault, or a value that opens with no key.
    pub async fn reseal(&self) -> Result<Resealed, Fault> {
        let mut resealed = Resealed::default();
        self.reseal_users(&mut resealed).await?;
        self.reseal_outbox(&mut resealed).await?;
        self.wait_for_registrations(&mut resealed).await?;
        self.reseal_audit().await?;
        self.drop_canaries(&mut resealed).await?;
        Ok(resealed)
    }

    async fn reseal_users(&self, resealed: &mut Resealed) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let page = UserPage { after, limit: PAGE, ..UserPage::default() };
            let users = self.directory().users(&page).await?;
            let Some(last) = users.last() else { return Ok(()) };
            after = Some(last.id);
            for user in users {
                let id = user.id;
                resealed.seeds += u64::from(self.reseal_seed(user).await?);
                resealed.keypairs += self.reseal_keypairs(id).await?;
            }
        }
    }

    async fn reseal_seed(&self, mut user: User) -> Result<bool, Fault> {
        for _ in 0..DECISIONS {
            let Some(totp) = &user.totp else { return Ok(false) };
            let Some(totp) = totp.resealed(user.id, self.keys(), self.random())? else { return Ok(false) };
            let id = user.id;
            let update = Write::Update(User { totp: Some(totp), ..user });
            if self.rewritten(Change::User(update)).await? {
                return Ok(true);
            }
            let Some(now) = self.directory().user(UserKey::Id(id)).await? else { return Ok(false) };
            user = now;
        }
        Err(overtaken("resealing the seed of user", user.id))
    }

    async fn reseal_keypairs(&self, owner: UserId) -> Result<u64, Fault> {
        let (mut done, mut after) = (0, None);
        loop {
            let keypairs = self.directory().keypairs_of(owner, after, PAGE).await?;
            let Some(last) = keypairs.last() else { return Ok(done) };
            after = Some(last.id);
            for keypair in keypairs {
                done += u64::from(self.reseal_keypair(keypair).await?);
            }
        }
    }

    async fn reseal_keypair(&self, mut keypair: Keypair) -> Result<bool, Fault> {
        for _ in 0..DECISIONS {
            let Some(anew) = keypair.resealed(self.keys(), self.random())? else { return Ok(false) };
            if self.rewritten(Change::Keypair(Write::Update(anew))).await? {
                return Ok(true);
            }
            let Some(now) = self.directory().keypair(&keypair.access_key).await? else { return Ok(false) };
            keypair = now;
        }
        Err(overtaken("resealing keypair", keypair.id))
    }

    async fn reseal_outbox(&self, resealed: &mut Resealed) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let deliveries = self.directory().deliveries(after, PAGE).await?;
            let Some(last) = deliveries.last() else { return Ok(()) };
            after = Some(last.id);
            for delivery in deliveries {
                self.reseal_delivery(delivery, resealed).await?;
            }
        }
    }

    async fn reseal_delivery(&self, delivery: Delivery, resealed: &mut Resealed) -> Result<(), Fault> {
        let Some(anew) = delivery.resealed(self.keys(), self.random())? else { return Ok(()) };
        let now = self.now();
        // Who sends it now takes it out of the outbox on the revision that it has.
        if let Some(until) = delivery.leased_until(now) {
            resealed.wait(until);
        } else if self.rewritten(Change::Delivery(Write::Update(anew))).await? {
            resealed.mails += 1;
        } else {
            resealed.wait(now.after(Delivery::LEASE));
        }
        Ok(())
    }

    /// Their fingerprints can't be made anew without their passwords.
    async fn wait_for_registrations(&self, resealed: &mut Resealed) -> Result<(), Fault> {
        let (mut after, now) = (None, self.now());
        loop {
            let registrations = self.directory().registrations(after, PAGE).await?;
            let Some(last) = registrations.last() else { return Ok(()) };
            after = Some(last.id);
            for registration in registrations {
                if now < registration.expires_at && !self.keys().is_sealed_anew(&registration.sealed_link) {
                    resealed.wait(registration.expires_at);
                }
            }
        }
    }

    async fn drop_canaries(&self, resealed: &mut Resealed) -> Result<(), Fault> {
        for _ in 0..DECISIONS {
            let canaries = Canaries::load(self.directory()).await.map_err(|error| match error {
                StartError::Fault(fault) => fault,
                other => Fault::lasting("reading", "the seal canaries", other),
            })?;
            let others = if resealed.is_done() { canaries.others(self.keys()) } else { 0 };
            if others == 0 && resealed.seeds + resealed.keypairs + resealed.mails == 0 {
                return Ok(());
            }
            let event = self.event(AuditName::StoreResealed, &Client::default())?;
            let event = event.with("seeds", resealed.seeds).with("keypairs", resealed.keypairs);
            let event = event.with("mails", resealed.mails).with("waiting", resealed.waiting);
            let mut changes = vec![Change::Audit(event.with("dropped_keys", others))];
            if others > 0 {
                changes.push(canaries.without_others(self.keys())?);
            }
            if self.rewritten_all(&changes).await? {
                resealed.dropped_keys = others;
                return Ok(());
            }
        }
        Err(overtaken("dropping", "the canaries of old keys"))
    }

    async fn rewritten(&self, change: Change) -> Result<bool, Fault> {
        self.rewritten_all(&[change]).await
    }

    /// `false` if somebody else's commit came first.
    async fn rewritten_all(&self, changes: &[Change]) -> Result<bool, Fault> {
        match self.directory().commit(changes).await {
            Ok(()) => Ok(true),
            Err(CommitError::Stale) => Ok(false),
            Err(other) => Err(unexpected(other)),
        }
    }
}
