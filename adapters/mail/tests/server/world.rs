//! An engine whose mails go to a server.

use std::sync::Arc;
use std::time::Duration;

use doorwarden_core::Timestamp;
use doorwarden_core::audit::{AuditFilter, AuditName};
use doorwarden_core::client::Client;
use doorwarden_core::delivery::OutboxSize;
use doorwarden_core::engine::Engine;
use doorwarden_core::password::Password;
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::sign_up::SignUpForm;
use doorwarden_core::store::Directory;
use doorwarden_core::testing::{ManualClock, MemoryStore};
use doorwarden_core::upkeep::Upkeep;
use doorwarden_mail::{SmtpConfig, SmtpMailer};
use futures_executor::block_on;

pub(crate) struct World {
    pub(crate) engine: Engine,
    store: Arc<MemoryStore>,
    clock: ManualClock,
}

impl World {
    /// One whose mailer waits for half a second at most where the server says nothing.
    pub(crate) fn of(config: &SmtpConfig) -> Self {
        Self::with(SmtpMailer::patient(config, Duration::from_millis(500), Duration::from_secs(2)).unwrap())
    }

    pub(crate) fn with(mailer: SmtpMailer) -> Self {
        let mut policy = Policy::default();
        policy.password.bcrypt_cost = 4;
        let (store, clock) =
            (Arc::new(MemoryStore::default()), ManualClock::skipping_sleeps(Timestamp::from_millis(1_800_000_000_000)));
        let builder = Engine::builder().store(store.clone()).mailer(Arc::new(mailer)).clock(Arc::new(clock.clone()));
        let builder = builder.policy(policy).seal_keys(SealKeys::new(&[7; 32], &[])).upkeep(Upkeep::ByHost);
        Self { engine: block_on(builder.start()).unwrap(), store, clock }
    }

    /// A mail to this address is in the outbox.
    pub(crate) fn write_to(&self, email: &str) {
        let password = Password::new("correct horse 1!".to_owned());
        block_on(self.engine.sign_up(SignUpForm::new(email, password, Client::default()))).unwrap();
    }

    /// Tries what is due; how many mails are left in the outbox.
    pub(crate) fn deliver(&self) -> u32 {
        block_on(self.engine.upkeep()).unwrap();
        let OutboxSize { waiting, .. } = block_on(self.store.outbox_size()).unwrap();
        waiting
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// By which rules mails were given up.
    pub(crate) fn given_up(&self) -> Vec<String> {
        let filter = AuditFilter { name: Some(AuditName::MailGivenUp), ..AuditFilter::default() };
        let events = block_on(self.engine.audit(&filter, 10)).unwrap();
        events.into_iter().map(|(_, event)| event.rule.unwrap()).collect()
    }
}
