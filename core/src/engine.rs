//! The engine: policy, ports and hashing threads in one cheap handle. The flows are its methods, each in its own file.

use std::sync::{Arc, PoisonError, RwLock};

use crate::audit::{AuditEvent, AuditName, ChainMemory, EventId, RefusalMemory};
use crate::canary::Canaries;
use crate::client::{Browser, Client};
use crate::error::Fault;
use crate::guess::Doorstep;
use crate::hashing::HashingPool;
use crate::mail::{MailSetup, MailTemplates, Mailer};
use crate::metrics::Meter;
use crate::password::PasswordRule;
use crate::policy::{Policy, PolicyProblem};
use crate::random::{SecureRandom, SystemRandom};
use crate::seal::{OpenRefused, SealKeys};
use crate::sign_up::SignUpGate;
use crate::signature::{HttpMessageSignature, RequestSignature};
use crate::store::{Change, CommitError, Directory, LockoutStore, SessionStore, TicketStore};
use crate::time::{Clock, SystemClock, Timestamp};
use crate::upkeep::{Upkeep, UpkeepThread};

/// How often a decision is made anew because somebody else's commit came first, before the flow gives up as a fault.
pub(crate) const DECISIONS: usize = 256;

/// The authentication engine. Cloning gives another handle on the same engine.
///
/// All methods are `async` and need no particular runtime. Dropping a future half-way never leaves half a change
/// behind, but a guess that was charged for it counts as failed.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    policy: RwLock<Arc<Policy>>,
    mail: RwLock<MailSetup>,
    ports: Ports,
    meter: Arc<Meter>,
    keys: SealKeys,
    hashing: HashingPool,
    doorstep: Doorstep,
    chain: ChainMemory,
    refusals: RefusalMemory,
    thread: UpkeepThread,
}

#[derive(Debug, Clone)]
struct Ports {
    directory: Arc<dyn Directory>,
    sessions: Arc<dyn SessionStore>,
    lockouts: Arc<dyn LockoutStore>,
    tickets: Arc<dyn TicketStore>,
    gate: Option<Arc<dyn SignUpGate>>,
    password_rules: Vec<Arc<dyn PasswordRule>>,
    signature: Arc<dyn RequestSignature>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
}

/// Why an engine doesn't start. Nothing is listening and nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port wasn't given to the builder.
    #[error("the engine has no {0}: give the builder one")]
    Missing(&'static str),
    /// The policy is impossible or contradicts itself.
    #[error("the policy can't be followed: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Policy(Vec<PolicyProblem>),
    /// What the store holds was sealed with another key.
    #[error("the seal key doesn't fit the data: {0}; restore the key that this store was made with")]
    SealKey(#[source] OpenRefused),
    /// The store may hold values of a key that isn't among those given.
    #[error(
        "a seal key is missing: the store may still hold values sealed with it; give it back in store.seal_keys_old, \
         run `doorwarden reseal`, and remove it when that says so"
    )]
    SealKeyMissing,
    /// The store or the system failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Collects what an engine needs; see [`Engine::builder`].
#[derive(Debug)]
pub struct EngineBuilder {
    policy: Policy,
    keys: Option<SealKeys>,
    directory: Option<Arc<dyn Directory>>,
    sessions: Option<Arc<dyn SessionStore>>,
    lockouts: Option<Arc<dyn LockoutStore>>,
    tickets: Option<Arc<dyn TicketStore>>,
    mailer: Option<Arc<dyn Mailer>>,
    mail_templates: MailTemplates,
    gate: Option<Arc<dyn SignUpGate>>,
    password_rules: Vec<Arc<dyn PasswordRule>>,
    signature: Arc<dyn RequestSignature>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn SecureRandom>,
    upkeep: Upkeep,
}

impl EngineBuilder {
    /// One store for all four storage ports.
    #[must_use]
    pub fn store<S>(self, store: Arc<S>) -> Self
    where
        S: Directory + SessionStore + LockoutStore + TicketStore + 'static,
    {
        self.directory(store.clone()).sessions(store.clone()).lockouts(store.clone()).tickets(store)
    }

    /// Where users, audit trail and outbox are.
    #[must_use]
    pub fn directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    /// Where sessions are.
    #[must_use]
    pub fn sessions(self, sessions: Arc<dyn SessionStore>) -> Self {
        Self { sessions: Some(sessions), ..self }
    }

    /// Where failures are counted.
    #[must_use]
    pub fn lockouts(self, lockouts: Arc<dyn LockoutStore>) -> Self {
        Self { lockouts: Some(lockouts), ..self }
    }

    /// Where tickets are.
    #[must_use]
    pub fn tickets(self, tickets: Arc<dyn TicketStore>) -> Self {
        Self { tickets: Some(tickets), ..self }
    }

    /// Who carries mails; without one, `mail.transport` must be `none`.
    #[must_use]
    pub fn mailer(self, mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer: Some(mailer), ..self }
    }

    /// What mails are written with; the built-in templates if not given.
    #[must_use]
    pub fn mail_templates(self, templates: MailTemplates) -> Self {
        Self { mail_templates: templates, ..self }
    }

    /// The keys that secrets at rest are sealed with.
    #[must_use]
    pub fn seal_keys(self, keys: SealKeys) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// The rules; [`Policy::default`] if not given.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The host's own yes or no on each sign-up.
    #[must_use]
    pub fn sign_up_gate(self, gate: Arc<dyn SignUpGate>) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// A password rule of the host's own, beside the policy's; may be called several times.
    #[must_use]
    pub fn password_rule(mut self, rule: Arc<dyn PasswordRule>) -> Self {
        self.password_rules.push(rule);
        self
    }

    /// How requests are signed; [`HttpMessageSignature`] if not given.
    #[must_use]
    pub fn request_signature(self, signature: Arc<dyn RequestSignature>) -> Self {
        Self { signature, ..self }
    }

    /// Where the time is read; the machine's clock if not given.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Where chance comes from; the operating system if not given.
    #[must_use]
    pub fn random(self, random: Arc<dyn SecureRandom>) -> Self {
        Self { random, ..self }
    }

    /// Who retries deliveries and sweeps what had its time; an own thread if not given.
    #[must_use]
    pub fn upkeep(self, upkeep: Upkeep) -> Self {
        Self { upkeep, ..self }
    }

    /// Checks policy and seal key against the store and starts the hashing threads.
    ///
    /// # Errors
    /// [`StartError`] says what is missing, impossible or broken.
    pub async fn start(self) -> Result<Engine, StartError> {
        let problems = self.policy.problems();
        if !problems.is_empty() {
            return Err(StartError::Policy(problems));
        }
        if self.mailer.is_none() && self.policy.mail.is_on() {
            return Err(StartError::Missing("mailer (or set mail.transport to \"none\")"));
        }
        let meter = Arc::new(Meter::default());
        let ports = Ports {
            directory: meter.directory(self.directory.ok_or(StartError::Missing("directory"))?),
            sessions: meter.sessions(self.sessions.ok_or(StartError::Missing("session store"))?),
            lockouts: meter.lockouts(self.lockouts.ok_or(StartError::Missing("lockout store"))?),
            tickets: meter.tickets(self.tickets.ok_or(StartError::Missing("ticket store"))?),
            gate: self.gate,
            password_rules: self.password_rules,
            signature: self.signature,
            clock: self.clock,
            random: self.random,
        };
        let keys = self.keys.ok_or(StartError::Missing("seal key"))?;
        Canaries::check(&*ports.directory, &keys, &*ports.random).await?;
        let hashing = HashingPool::start(&self.policy.hashing, ports.clock.clone())?;
        let thread = UpkeepThread::default();
        let (policy, doorstep) = (RwLock::new(Arc::new(self.policy)), Doorstep::default());
        let (chain, refusals) = (ChainMemory::default(), RefusalMemory::default());
        let mail = RwLock::new(MailSetup { mailer: self.mailer, templates: self.mail_templates });
        let inner = Arc::new(Inner { policy, mail, ports, meter, keys, hashing, doorstep, chain, refusals, thread });
        if self.upkeep == Upkeep::OwnThread {
            inner.thread.start(&inner)?;
        }
        Ok(Engine { inner })
    }
}

impl Engine {
    /// Starts collecting what an engine needs.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            policy: Policy::default(),
            keys: None,
            directory: None,
            sessions: None,
            lockouts: None,
            tickets: None,
            mailer: None,
            mail_templates: MailTemplates::default(),
            gate: None,
            password_rules: Vec::new(),
            signature: Arc::new(HttpMessageSignature),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            upkeep: Upkeep::OwnThread,
        }
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// The rules in force now.
    pub fn policy(&self) -> Arc<Policy> {
        self.inner.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a new policy in force, whole or not at all. A step that is under way may still see the old one.
    ///
    /// # Errors
    /// [`StartError::Policy`] with every problem; the old policy stays.
    pub async fn set_policy(&self, policy: Policy) -> Result<(), StartError> {
        let mail = self.mail();
        self.set_policy_and_mail(policy, mail).await
    }

    /// Puts a new policy in force with the mailer and templates that it asks for, whole or not at all. The next mail is
    /// written with these templates, and what waits in the outbox goes by this mailer.
    ///
    /// # Errors
    /// [`StartError::Policy`] with every problem, [`StartError::Missing`]; all stays as it was.
    pub async fn set_policy_and_mail(&self, policy: Policy, mail: MailSetup) -> Result<(), StartError> {
        let problems = policy.problems();
        if !problems.is_empty() {
            return Err(StartError::Policy(problems));
        }
        if mail.mailer.is_none() && policy.mail.is_on() {
            return Err(StartError::Missing("mailer (or set mail.transport to \"none\")"));
        }
        let event = self.event(AuditName::PolicyChanged, &Client::default())?;
        self.directory().commit(&[Change::Audit(event)]).await.map_err(unexpected)?;
        self.hashing().set_policy(&policy.hashing);
        *self.inner.mail.write().unwrap_or_else(PoisonError::into_inner) = mail;
        *self.inner.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
        Ok(())
    }

    /// How mails are written and carried now.
    pub(crate) fn mail(&self) -> MailSetup {
        self.inner.mail.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// The store's fault.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.directory().ping().await
    }

    /// The present moment on the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// How many password hashes were computed since the start.
    pub fn hash_evaluations(&self) -> u64 {
        self.hashing().evaluations()
    }

    pub(crate) fn directory(&self) -> &dyn Directory {
        &*self.inner.ports.directory
    }

    pub(crate) fn sessions(&self) -> &dyn SessionStore {
        &*self.inner.ports.sessions
    }

    pub(crate) fn lockouts(&self) -> &dyn LockoutStore {
        &*self.inner.ports.lockouts
    }

    pub(crate) fn tickets(&self) -> &dyn TicketStore {
        &*self.inner.ports.tickets
    }

    pub(crate) fn gate(&self) -> Option<&dyn SignUpGate> {
        self.inner.ports.gate.as_deref()
    }

    pub(crate) fn password_rules(&self) -> &[Arc<dyn PasswordRule>] {
        &self.inner.ports.password_rules
    }

    pub(crate) fn request_signature(&self) -> &dyn RequestSignature {
        &*self.inner.ports.signature
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.inner.ports.clock
    }

    pub(crate) fn random(&self) -> &dyn SecureRandom {
        &*self.inner.ports.random
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    pub(crate) fn keys(&self) -> &SealKeys {
        &self.inner.keys
    }

    /// Lets the upkeep carry out what was just committed.
    pub(crate) fn wake_upkeep(&self) {
        self.inner.thread.wake();
    }

    pub(crate) fn doorstep(&self) -> &Doorstep {
        &self.inner.doorstep
    }

    pub(crate) fn chain_memory(&self) -> &ChainMemory {
        &self.inner.chain
    }

    pub(crate) fn refusal_memory(&self) -> &RefusalMemory {
        &self.inner.refusals
    }

    pub(crate) fn hashing(&self) -> &HashingPool {
        &self.inner.hashing
    }

    /// A new audit event at the present moment.
    pub(crate) fn event(&self, name: AuditName, client: &Client) -> Result<AuditEvent, Fault> {
        let now = self.now();
        let client = client.clone().with_browser(Browser::default());
        Ok(AuditEvent::new(EventId::generate(now, self.random())?, name, now, client))
    }
}

/// A commit that nothing can contend with failed all the same.
pub(crate) fn unexpected(error: CommitError) -> Fault {
    match error {
        CommitError::Fault(fault) => fault,
        other @ (CommitError::Stale | CommitError::Taken(_) | CommitError::Unmet(_)) => {
            Fault::new("committing to", "the directory", other)
        }
    }
}

/// The decision was overtaken by others every time.
pub(crate) fn overtaken(doing: &'static str, subject: impl std::fmt::Display) -> Fault {
    Fault::new(doing, subject, "other commits came first every time; try again")
}
