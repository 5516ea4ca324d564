//! A small world to log in to.

use std::sync::Arc;
use std::time::Duration;

use doorwarden_core::administration::NewUser;
use doorwarden_core::client::Client;
use doorwarden_core::engine::{Engine, EngineBuilder};
use doorwarden_core::error::Failure;
use doorwarden_core::login::{LoggedIn, LoginRefusal, LoginRequest, LoginStep};
use doorwarden_core::mail::Promptness;
use doorwarden_core::password::Password;
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::sign_up::{SignUpForm, SignUpOutcome, SignUpRefusal};
use doorwarden_core::testing::{ManualClock, MemoryMailer, MemoryStore, SeededRandom};
use doorwarden_core::time::Timestamp;
use doorwarden_core::token::LinkToken;
use doorwarden_core::upkeep::Upkeep;
use doorwarden_core::user::{Role, User};
use futures_executor::block_on;

pub(crate) const PASSWORD: &str = "correct horse 1!";
pub(crate) const WRONG: &str = "incorrect horse 1!";

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) mailer: Arc<MemoryMailer>,
    pub(crate) clock: ManualClock,
}

/// The default policy with the cheapest hash.
pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.password.bcrypt_cost = 4;
    policy
}

pub(crate) fn start(builder: EngineBuilder, policy: Policy) -> Engine {
    let builder = builder.seal_keys(SealKeys::new(&[7; 32], &[])).policy(policy).upkeep(Upkeep::ByHost);
    block_on(builder.start()).unwrap()
}

impl World {
    pub(crate) fn new(change: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = policy();
        change(&mut policy);
        let store = Arc::new(MemoryStore::default());
        let mailer = Arc::new(MemoryMailer::new(Promptness::BeforeReply));
        let clock = ManualClock::skipping_sleeps(Timestamp::from_millis(1_800_000_000_000));
        let builder = Engine::builder()
            .store(store.clone())
            .mailer(mailer.clone())
            .clock(Arc::new(clock.clone()))
            .random(Arc::new(SeededRandom::new(1)));
        Self { engine: start(builder, policy), store, mailer, clock }
    }

    pub(crate) fn add(&self, email: &str, username: Option<&str>) -> User {
        add(&self.engine, email, username)
    }

    pub(crate) fn login(&self, identifier: &str, password: &str) -> Result<LoginStep, LoginRefusal> {
        login(&self.engine, identifier, password)
    }

    pub(crate) fn log_in(&self, identifier: &str) -> LoggedIn {
        match self.login(identifier, PASSWORD) {
            Ok(LoginStep::LoggedIn(logged_in)) => logged_in,
            other => panic!("{identifier} should be logged in: {other:?}"),
        }
    }

    pub(crate) fn code(&self, identifier: &str, password: &str) -> &'static str {
        match self.login(identifier, password) {
            Ok(LoginStep::LoggedIn(_)) => "logged_in",
            Ok(LoginStep::OtpRequired { .. }) => "otp_required",
            Ok(LoginStep::TotpSetupRequired { .. }) => "totp_setup_required",
            Ok(LoginStep::PasswordChangeRequired { .. }) => "password_change_required",
            Ok(LoginStep::TermsRequired { .. }) => "terms_required",
            Ok(LoginStep::SessionConflict { .. }) => "session_conflict",
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => refusal.code(),
        }
    }

    pub(crate) fn fail(&self, identifier: &str, times: usize) {
        for _ in 0..times {
            assert_eq!(self.code(identifier, WRONG), "invalid_credentials");
        }
    }

    pub(crate) fn sign_up(&self, email: &str) -> Result<SignUpOutcome, SignUpRefusal> {
        self.sign_up_with(form(email))
    }

    pub(crate) fn sign_up_with(&self, form: SignUpForm) -> Result<SignUpOutcome, SignUpRefusal> {
        block_on(self.engine.sign_up(form)).map_err(refusal)
    }

    /// The links of the mails sent since the last look, in order.
    pub(crate) fn links(&self) -> Vec<LinkToken> {
        self.mailer.take_mails().iter().flat_map(|mail| links(&mail.text)).collect()
    }

    /// Milliseconds on the world's clock.
    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.engine.now().as_millis()).unwrap()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The trail's events as `name outcome rule`, oldest first.
    pub(crate) fn trail(&self) -> Vec<String> {
        let events = block_on(self.engine.audit(&Default::default(), 200)).unwrap();
        let line = |event: &doorwarden_core::audit::AuditEvent| {
            let rule = event.rule.as_deref().map(|rule| format!(" {rule}")).unwrap_or_default();
            format!("{} {}{rule}", event.name.name(), event.outcome.name())
        };
        events.iter().map(|(_, event)| line(event)).collect()
    }
}

pub(crate) fn add(engine: &Engine, email: &str, username: Option<&str>) -> User {
    let form = NewUser {
        email: email.to_owned(),
        username: username.map(str::to_owned),
        password: Some(Password::new(PASSWORD.to_owned())),
        role: Role::user(),
        email_verified: true,
    };
    block_on(engine.add_user(form, &Client::default())).unwrap()
}

pub(crate) fn login(engine: &Engine, identifier: &str, password: &str) -> Result<LoginStep, LoginRefusal> {
    block_on(engine.login(request(identifier, password))).map_err(refusal)
}

pub(crate) fn request(identifier: &str, password: &str) -> LoginRequest {
    LoginRequest {
        identifier: identifier.to_owned(),
        password: Password::new(password.to_owned()),
        client: Client::new(Some("203.0.113.9".parse().unwrap()), Some("tests")),
    }
}

pub(crate) fn form(email: &str) -> SignUpForm {
    let client = Client::new(Some("203.0.113.9".parse().unwrap()), Some("tests"));
    SignUpForm::new(email, Password::new(PASSWORD.to_owned()), client)
}

pub(crate) fn links(text: &str) -> Vec<LinkToken> {
    let tokens = text.split("token=").skip(1);
    tokens.map(|rest| LinkToken::parse(rest.split_whitespace().next().unwrap()).unwrap()).collect()
}

pub(crate) fn refusal<R: std::fmt::Debug>(failure: Failure<R>) -> R {
    match failure {
        Failure::Refused(refusal) => refusal,
        Failure::Fault(fault) => panic!("{fault}"),
    }
}
