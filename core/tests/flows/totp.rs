//! Rows L6, L7, F3–F5, OT1–OT4, SE5, SE8 and the guesses at codes.

use doorwarden_core::Timestamp;
use doorwarden_core::client::Client;
use doorwarden_core::engine::Engine;
use doorwarden_core::error::Failure;
use doorwarden_core::login::{LoggedIn, LoginRefusal, LoginStep, SetUp, TakeOver};
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::Password;
use doorwarden_core::policy::Policy;
use doorwarden_core::session::OnConflict;
use doorwarden_core::sign_up::{AcceptedVersions, DocumentPolicy};
use doorwarden_core::token::TicketToken;
use doorwarden_core::totp::{RecoveryCode, TotpMode, TotpRefusal, TotpSetup, TypedCode};
use doorwarden_core::user::Role;
use futures_executor::block_on;

use crate::faults::{Broken, at_every_call};
use crate::races::{Crowd, at_once};
use crate::world::{PASSWORD, WRONG, World, add, login, policy, refusal, start};

pub(crate) const EMAIL: &str = "ada@example.org";

/// An authenticator application, which knows what the set-up showed.
#[derive(Clone)]
pub(crate) struct Authenticator(String);

impl Authenticator {
    pub(crate) fn of(setup: &TotpSetup) -> Self {
        Self(setup.secret().to_owned())
    }

    /// The code that it shows at a moment.
    pub(crate) fn code(&self, at: Timestamp) -> String {
        let secret = totp_rs::Secret::try_from_base32(&self.0).unwrap();
        let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
        totp.generate(u64::try_from(at.as_millis()).unwrap() / 1_000).to_string()
    }
}

pub(crate) fn typed(code: impl Into<String>) -> TypedCode {
    TypedCode::new(code.into())
}

fn password(text: &str) -> Option<Password> {
    Some(Password::new(text.to_owned()))
}

/// An account with one-time passwords, logged in.
pub(crate) struct Member {
    pub(crate) login: LoggedIn,
    authenticator: Authenticator,
    recovery_codes: Vec<RecoveryCode>,
}

pub(crate) fn allowing(change: impl FnOnce(&mut Policy)) -> World {
    World::new(|policy| {
        policy.session.on_conflict = OnConflict::Allow;
        change(policy);
    })
}

impl World {
    pub(crate) fn set(&self, change: impl FnOnce(&mut Policy)) {
        let mut policy = policy();
        policy.session.on_conflict = OnConflict::Allow;
        change(&mut policy);
        block_on(self.engine.set_policy(policy)).unwrap();
    }

    /// Sets up one-time passwords and waits until the next code.
    pub(crate) fn member(&self) -> Member {
        self.add(EMAIL, None);
        let login = self.log_in(EMAIL);
        let (authenticator, recovery_codes) = self.set_up(&login);
        self.mailer.take_mails();
        Member { login, authenticator, recovery_codes }
    }

    fn set_up(&self, login: &LoggedIn) -> (Authenticator, Vec<RecoveryCode>) {
        let (authenticator, codes) = set_up(&self.engine, login);
        self.pass(30);
        (authenticator, codes)
    }

    pub(crate) fn otp_ticket(&self) -> TicketToken {
        match self.login(EMAIL, PASSWORD) {
            Ok(LoginStep::OtpRequired { ticket }) => ticket,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn enter(&self, ticket: &TicketToken, code: impl Into<String>) -> Result<LoginStep, LoginRefusal> {
        block_on(self.engine.enter_code(ticket, &typed(code), &Client::default())).map_err(refusal)
    }

    pub(crate) fn answer(&self, ticket: &TicketToken, code: impl Into<String>) -> &'static str {
        match self.enter(ticket, code) {
            Ok(LoginStep::LoggedIn(_)) => "logged_in",
            Ok(other) => panic!("{other:?}"),
            Err(refusal) => refusal.code(),
        }
    }

    fn disable(&self, by: &LoggedIn, secret: &str, code: impl Into<String>) -> Result<(), &'static str> {
        let disabled =
            block_on(self.engine.totp_disable(&by.session, password(secret), &typed(code), &Client::default()));
        disabled.map_err(|failure| refusal(failure).code())
    }

    fn codes_left(&self) -> Option<usize> {
        let user = block_on(self.engine.find_user(EMAIL)).unwrap().unwrap();
        user.totp.map(|totp| totp.recovery_codes_left())
    }

    pub(crate) fn mailed(&self) -> Vec<MailKind> {
        self.mailer.take_mails().iter().map(|mail| mail.kind).collect()
    }
}

impl Member {
    pub(crate) fn code(&self, world: &World) -> String {
        self.authenticator.code(world.engine.now())
    }
}

pub(crate) fn set_up(engine: &Engine, login: &LoggedIn) -> (Authenticator, Vec<RecoveryCode>) {
    let (ticket, setup) = block_on(engine.totp_setup(&login.session, password(PASSWORD), &Client::default())).unwrap();
    let authenticator = Authenticator::of(&setup);
    let code = typed(authenticator.code(engine.now()));
    let codes = block_on(engine.totp_confirm(&login.session, &ticket, &code, &Client::default())).unwrap();
    (authenticator, codes)
}

fn forced(engine: &Engine) -> (TicketToken, Authenticator) {
    match login(engine, EMAIL, PASSWORD) {
        Ok(LoginStep::TotpSetupRequired { ticket, setup }) => (ticket, Authenticator::of(&setup)),
        other => panic!("{other:?}"),
    }
}

fn document(version: &str) -> DocumentPolicy {
    DocumentPolicy { version: version.to_owned(), url: "https://example.org/terms".to_owned() }
}

#[test]
fn l6_a_login_asks_for_a_code_once_it_is_set_up() {
    let world = allowing(|_| {});
    let member = world.member();
    let ticket = world.otp_ticket();
    let Ok(LoginStep::LoggedIn(login)) = world.enter(&ticket, member.code(&world)) else { panic!("not logged in") };
    assert_eq!(login.session.proved_at, world.engine.now());
    assert_eq!(world.answer(&ticket, member.code(&world)), "ticket_invalid", "used");
    assert!(world.trail().contains(&"totp.enabled success".to_owned()));
}

#[test]
fn ot1_a_code_works_once_and_the_set_up_code_isnt_the_first_login_code() {
    let world = allowing(|_| {});
    let member = world.member();
    let now = world.engine.now();
    let set_up_code = member.authenticator.code(now.before(std::time::Duration::from_secs(30)));
    let ticket = world.otp_ticket();
    assert_eq!(world.answer(&ticket, set_up_code), "invalid_code");
    assert_eq!(world.answer(&ticket, member.code(&world)), "logged_in");
    let ticket = world.otp_ticket();
    assert_eq!(world.answer(&ticket, member.code(&world)), "invalid_code", "replayed");
    world.pass(30);
    assert_eq!(world.answer(&ticket, member.code(&world)), "logged_in");
}

#[test]
fn ot2_everything_else_is_a_wrong_code_that_is_charged_and_leaves_the_ticket() {
    let world = allowing(|_| {});
    let member = world.member();
    let ticket = world.otp_ticket();
    let right = member.code(&world);
    let wide: String = right.chars().map(|c| char::from_u32(u32::from(c) - 48 + 0xff10).unwrap()).collect();
    let (short, long) = (right[..5].to_owned(), format!("{right}0"));
    for code in ["", "abcdef", &*wide, &*short, &*long, &"1".repeat(50_000), "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF"] {
        assert_eq!(world.answer(&ticket, code), "invalid_code", "{code:.20}");
    }
    assert_eq!(world.trail().iter().filter(|line| *line == "login.failed refusal invalid_code").count(), 7);
    assert_eq!(world.answer(&ticket, format!(" {} {} ", &right[..3], &right[3..])), "logged_in", "spaces are ignored");
}

#[test]
fn gu3_every_door_that_tests_a_code_charges_the_same_counter() {
    let world = allowing(|_| {});
    let member = world.member();
    let ticket = world.otp_ticket();
    let (session, token) = (&member.login.session, &member.login.token);
    let prove = |code: String| {
        block_on(world.engine.prove_by_code(token, &typed(code), &Client::default())).map_err(|f| refusal(f).code())
    };
    let begin = |secret: &str| {
        let begun = block_on(world.engine.totp_setup(session, password(secret), &Client::default()));
        begun.map(drop).map_err(|failure| refusal(failure).code())
    };
    assert_eq!(world.answer(&ticket, "000000"), "invalid_code");
    assert_eq!(prove("000000".to_owned()), Err("invalid_code"));
    assert_eq!(begin(WRONG), Err("invalid_credentials"));
    assert_eq!(world.disable(&member.login, WRONG, member.code(&world)), Err("invalid_credentials"));
    assert_eq!(world.disable(&member.login, PASSWORD, "000000"), Err("invalid_code"));
    world.fail(EMAIL, 6);
    let recovery_code = member.recovery_codes[0].expose().to_string();
    assert_eq!(world.answer(&ticket, member.code(&world)), "locked_out", "the right code isn't heard");
    assert_eq!(world.answer(&ticket, recovery_code), "locked_out");
    assert_eq!(prove(member.code(&world)), Err("locked_out"));
    assert_eq!(begin(PASSWORD), Err("locked_out"));
    assert_eq!(world.disable(&member.login, PASSWORD, member.code(&world)), Err("locked_out"));
    assert_eq!(world.codes_left(), Some(10));
}

#[test]
fn gu3_the_codes_of_a_set_up_are_charged_too() {
    let world = allowing(|policy| policy.totp.mode = TotpMode::Required);
    world.add(EMAIL, None);
    let (ticket, authenticator) = forced(&world.engine);
    let enter = |code: String| {
        let entered = block_on(world.engine.enter_setup_code(&ticket, &typed(code), &Client::default()));
        entered.map(drop).map_err(|failure| refusal(failure).code())
    };
    for _ in 0..11 {
        assert_eq!(enter("000000".to_owned()), Err("invalid_code"));
    }
    assert_eq!(enter(authenticator.code(world.engine.now())), Err("locked_out"));

    let world = allowing(|_| {});
    world.add(EMAIL, None);
    let login = world.log_in(EMAIL);
    let (ticket, _) =
        block_on(world.engine.totp_setup(&login.session, password(PASSWORD), &Client::default())).unwrap();
    let confirm = || {
        let confirmed =
            block_on(world.engine.totp_confirm(&login.session, &ticket, &typed("000000"), &Client::default()));
        refusal(confirmed.unwrap_err()).code()
    };
    for _ in 0..11 {
        assert_eq!(confirm(), "invalid_code");
    }
    assert_eq!(confirm(), "locked_out");
}

#[test]
fn gu4_a_right_password_before_wrong_codes_never_clears_the_count_and_a_complete_login_does() {
    let world = allowing(|_| {});
    let member = world.member();
    for round in 0..11 {
        let ticket = world.otp_ticket();
        assert_eq!(world.answer(&ticket, "000000"), "invalid_code", "{round}");
    }
    assert_eq!(world.code(EMAIL, PASSWORD), "locked_out");
    world.pass(20 * 60);
    for _ in 0..10 {
        assert_eq!(world.answer(&world.otp_ticket(), "000000"), "invalid_code");
    }
    assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in");
    world.pass(30);
    for _ in 0..10 {
        assert_eq!(world.answer(&world.otp_ticket(), "000000"), "invalid_code");
    }
    assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in");
}

#[test]
fn gu4_a_right_code_of_a_login_that_isnt_complete_clears_nothing() {
    let world = World::new(|policy| policy.totp.max_failures = 20);
    let member = world.member();
    for _ in 0..10 {
        assert_eq!(world.answer(&world.otp_ticket(), "000000"), "invalid_code");
    }
    let conflict = world.enter(&world.otp_ticket(), member.code(&world));
    assert!(matches!(conflict, Ok(LoginStep::SessionConflict { .. })), "{conflict:?}");
    assert_eq!(world.answer(&world.otp_ticket(), "000000"), "invalid_code");
    assert_eq!(world.code(EMAIL, PASSWORD), "locked_out");
}

#[test]
fn l6_ot4_a_recovery_code_works_once_is_audited_and_mailed() {
    let world = allowing(|_| {});
    let member = world.member();
    assert_eq!(world.codes_left(), Some(10));
    let code = member.recovery_codes[3].expose().to_lowercase().replace('-', " ");
    assert_eq!(world.answer(&world.otp_ticket(), code.clone()), "logged_in");
    assert_eq!((world.codes_left(), world.mailed()), (Some(9), vec![MailKind::RecoveryCodeUsed]));
    assert!(world.trail().contains(&"recovery_code.used success".to_owned()));
    assert_eq!(world.answer(&world.otp_ticket(), code), "invalid_code");
    assert_eq!(world.answer(&world.otp_ticket(), &*member.recovery_codes[4].expose()), "logged_in");
}

#[test]
fn f3_no_seed_and_no_recovery_code_is_stored_readably() {
    let world = allowing(|_| {});
    let member = world.member();
    let user = block_on(world.engine.find_user(EMAIL)).unwrap().unwrap();
    let stored = serde_json::to_string(&user).unwrap();
    assert!(!stored.contains(&member.authenticator.0));
    for code in &member.recovery_codes {
        assert!(!stored.contains(&*code.expose()) && !stored.contains(&code.expose().replace('-', "")));
    }
}

#[test]
fn l7_forced_set_up_gives_a_new_secret_each_time_and_a_right_code_completes_the_login() {
    let world = allowing(|policy| policy.totp.mode = TotpMode::Required);
    world.add(EMAIL, None);
    let (former, old) = forced(&world.engine);
    let (ticket, authenticator) = forced(&world.engine);
    assert_ne!(old.0, authenticator.0);
    let enter = |ticket: &TicketToken, code: String| {
        block_on(world.engine.enter_setup_code(ticket, &typed(code), &Client::default())).map_err(refusal)
    };
    let now = world.engine.now();
    assert_eq!(enter(&ticket, old.code(now)).unwrap_err(), LoginRefusal::InvalidCode, "of the other secret");
    let SetUp { step, recovery_codes } = enter(&ticket, authenticator.code(now)).unwrap();
    let step = step.map_err(refusal).unwrap();
    assert!(matches!(step, LoginStep::LoggedIn(_)));
    assert_eq!((recovery_codes.len(), world.mailed()), (10, vec![MailKind::TotpEnabled]));
    assert_eq!(enter(&ticket, authenticator.code(now)).unwrap_err(), LoginRefusal::TicketInvalid, "used");
    assert_eq!(enter(&former, old.code(now)).unwrap_err(), LoginRefusal::TicketInvalid, "set up already");

    let otp = world.otp_ticket();
    assert_eq!(world.answer(&otp, authenticator.code(now)), "invalid_code", "ot1");
    world.pass(30);
    assert_eq!(world.answer(&otp, authenticator.code(world.engine.now())), "logged_in");
}

#[test]
fn l7_only_the_roles_that_are_named_are_forced() {
    for (roles, expected) in
        [(vec![], "totp_setup_required"), (vec!["user"], "totp_setup_required"), (vec!["admin"], "logged_in")]
    {
        let world = allowing(|policy| {
            policy.totp.mode = TotpMode::Required;
            policy.totp.roles = roles.iter().map(|role: &&str| (*role).to_owned()).collect();
        });
        assert_eq!(world.add(EMAIL, None).role, Role::user());
        assert_eq!(world.code(EMAIL, PASSWORD), expected, "{roles:?}");
    }
}

#[test]
fn se12_the_policy_of_the_moment_decides_at_each_step() {
    let world = allowing(|policy| policy.sign_up.terms = document("1"));
    world.add(EMAIL, None);
    let Ok(LoginStep::TermsRequired { ticket, .. }) = world.login(EMAIL, PASSWORD) else { panic!("no terms") };
    world.set(|policy| {
        policy.sign_up.terms = document("1");
        policy.totp.mode = TotpMode::Required;
    });
    let accepted = AcceptedVersions { terms: Some("1".to_owned()), privacy: None };
    let step = block_on(world.engine.accept_terms(&ticket, &accepted, &Client::default())).unwrap();
    assert!(matches!(step, LoginStep::TotpSetupRequired { .. }), "{step:?}");
}

#[test]
fn se12_a_proof_of_a_set_up_that_was_replaced_is_none() {
    let world = allowing(|policy| policy.sign_up.terms = document("1"));
    world.set(|_| {});
    let member = world.member();
    world.set(|policy| policy.sign_up.terms = document("1"));
    let asked = world.enter(&world.otp_ticket(), member.code(&world));
    let Ok(LoginStep::TermsRequired { ticket, .. }) = asked else { panic!("{asked:?}") };
    world.pass(30);
    world.disable(&member.login, PASSWORD, member.code(&world)).unwrap();
    world.set_up(&member.login);
    let accepted = AcceptedVersions { terms: Some("1".to_owned()), privacy: None };
    let step = block_on(world.engine.accept_terms(&ticket, &accepted, &Client::default())).unwrap();
    assert!(matches!(step, LoginStep::OtpRequired { .. }), "{step:?}");
}

#[test]
fn totp_max_failures_closes_the_second_factor_until_an_administrator_opens() {
    for unlock in [true, false] {
        let world = allowing(|policy| policy.totp.max_failures = 3);
        let member = world.member();
        let ticket = world.otp_ticket();
        for _ in 0..3 {
            assert_eq!(world.answer(&ticket, "000000"), "invalid_code");
        }
        assert_eq!(world.enter(&ticket, member.code(&world)).unwrap_err(), LoginRefusal::CodesSpent);
        assert_eq!(world.enter(&ticket, &*member.recovery_codes[0].expose()).unwrap_err(), LoginRefusal::CodesSpent);
        world.pass(24 * 3_600);
        assert_eq!(world.login(EMAIL, PASSWORD).unwrap_err(), LoginRefusal::CodesSpent);
        let id = member.login.user.id;
        if unlock {
            block_on(world.engine.unlock(id, &Client::default())).unwrap();
            assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in");
        } else {
            assert!(block_on(world.engine.reset_totp(id, &Client::default())).unwrap());
            assert_eq!(world.code(EMAIL, PASSWORD), "logged_in");
        }
    }
}

#[test]
fn totp_max_failures_begins_anew_with_a_complete_login() {
    let world = allowing(|policy| policy.totp.max_failures = 3);
    let member = world.member();
    for _ in 0..5 {
        let ticket = world.otp_ticket();
        for _ in 0..2 {
            assert_eq!(world.answer(&ticket, "000000"), "invalid_code");
        }
        assert_eq!(world.answer(&ticket, member.code(&world)), "logged_in");
        world.pass(30);
    }
}

#[test]
fn each_key_of_the_policy_changes_an_outcome() {
    for (drift, late, expected) in
        [(0, 29, "logged_in"), (0, 30, "invalid_code"), (1, 59, "logged_in"), (1, 60, "invalid_code")]
    {
        let world = allowing(|policy| policy.totp.drift = drift);
        let member = world.member();
        let code = member.code(&world);
        world.pass(late);
        assert_eq!(world.answer(&world.otp_ticket(), code), expected, "totp.drift = {drift}, {late} s");
    }
    for count in [0, 3] {
        let world = allowing(|policy| policy.totp.recovery_codes = count);
        assert_eq!(world.member().recovery_codes.len(), count as usize, "totp.recovery_codes");
    }
    let world = allowing(|policy| policy.totp.issuer = "Corp".to_owned());
    world.add(EMAIL, None);
    let login = world.log_in(EMAIL);
    let begin = || block_on(world.engine.totp_setup(&login.session, password(PASSWORD), &Client::default()));
    let uri = begin().unwrap().1.otpauth_uri().to_owned();
    assert!(uri.starts_with("otpauth://totp/Corp:ada%40example.org?secret="), "{uri}");
    world.set(|policy| policy.totp.mode = TotpMode::Off);
    assert_eq!(refusal(begin().unwrap_err()), TotpRefusal::Forbidden, "totp.mode");
}

#[test]
fn who_has_it_is_asked_though_nobody_can_set_it_up_any_more() {
    let world = allowing(|_| {});
    let member = world.member();
    world.set(|policy| policy.totp.mode = TotpMode::Off);
    assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in");
    world.pass(30);
    assert_eq!(world.disable(&member.login, PASSWORD, member.code(&world)), Ok(()));
    assert_eq!(world.code(EMAIL, PASSWORD), "logged_in");
}

#[test]
fn se8_a_set_up_asks_for_the_password_and_belongs_to_its_session() {
    let world = allowing(|_| {});
    world.add(EMAIL, None);
    world.add("bob@example.org", None);
    let (own, elsewhere, bob) = (world.log_in(EMAIL), world.log_in(EMAIL), world.log_in("bob@example.org"));
    for secret in [None, password(WRONG)] {
        let begun = block_on(world.engine.totp_setup(&own.session, secret, &Client::default()));
        assert_eq!(refusal(begun.unwrap_err()), TotpRefusal::InvalidCredentials);
    }
    let (ticket, setup) =
        block_on(world.engine.totp_setup(&own.session, password(PASSWORD), &Client::default())).unwrap();
    let code = typed(Authenticator::of(&setup).code(world.engine.now()));
    for other in [&elsewhere, &bob] {
        let confirmed = block_on(world.engine.totp_confirm(&other.session, &ticket, &code, &Client::default()));
        assert_eq!(refusal(confirmed.unwrap_err()), TotpRefusal::TicketInvalid);
    }
    assert!(block_on(world.engine.totp_confirm(&own.session, &ticket, &code, &Client::default())).is_ok());
    let again = block_on(world.engine.totp_setup(&own.session, password(PASSWORD), &Client::default()));
    assert_eq!(refusal(again.unwrap_err()), TotpRefusal::AlreadyEnabled);
    assert_eq!(world.mailed(), [MailKind::TotpEnabled]);
}

#[test]
fn f6_a_set_up_waits_five_minutes_for_its_code() {
    for (seconds, expected) in [(299, None), (300, Some(TotpRefusal::TicketInvalid))] {
        let world = allowing(|_| {});
        world.add(EMAIL, None);
        let login = world.log_in(EMAIL);
        let begun = block_on(world.engine.totp_setup(&login.session, password(PASSWORD), &Client::default()));
        let (ticket, setup) = begun.unwrap();
        world.pass(seconds);
        let code = typed(Authenticator::of(&setup).code(world.engine.now()));
        let confirmed = block_on(world.engine.totp_confirm(&login.session, &ticket, &code, &Client::default()));
        assert_eq!(confirmed.err().map(refusal), expected, "{seconds}");
    }
}

#[test]
fn ot4_switching_off_needs_password_and_code_ends_other_sessions_and_is_mailed() {
    let world = allowing(|_| {});
    let member = world.member();
    let Ok(LoginStep::LoggedIn(other)) = world.enter(&world.otp_ticket(), member.code(&world)) else { panic!("no") };
    world.pass(30);
    assert_eq!(world.disable(&member.login, WRONG, member.code(&world)), Err("invalid_credentials"));
    assert_eq!(world.disable(&member.login, PASSWORD, "000000"), Err("invalid_code"));
    assert_eq!((world.codes_left(), world.mailed()), (Some(10), vec![]));
    assert_eq!(world.disable(&member.login, PASSWORD, member.code(&world)), Ok(()));
    assert!(block_on(world.engine.check(&member.login.token)).is_ok(), "the own session stays");
    assert_eq!(refusal(block_on(world.engine.check(&other.token)).unwrap_err()).code(), "session_ended");
    assert_eq!((world.codes_left(), world.mailed()), (None, vec![MailKind::TotpDisabled]));
    assert!(world.trail().contains(&"totp.disabled success".to_owned()));
    assert_eq!(world.code(EMAIL, PASSWORD), "logged_in");
    assert_eq!(world.disable(&member.login, PASSWORD, member.code(&world)), Err("invalid_code"), "there is none");
}

#[test]
fn ot4_a_new_set_up_voids_the_old_secret_and_recovery_codes() {
    let world = allowing(|_| {});
    let old = world.member();
    world.disable(&old.login, PASSWORD, &*old.recovery_codes[0].expose()).unwrap();
    let (authenticator, recovery_codes) = world.set_up(&old.login);
    let ticket = world.otp_ticket();
    assert_eq!(world.answer(&ticket, old.code(&world)), "invalid_code");
    assert_eq!(world.answer(&ticket, &*old.recovery_codes[1].expose()), "invalid_code");
    assert_eq!(world.answer(&ticket, &*recovery_codes[0].expose()), "logged_in");
    assert_eq!(world.answer(&world.otp_ticket(), authenticator.code(world.engine.now())), "logged_in");
}

#[test]
fn ot3_an_administrators_reset_ends_sessions_and_is_mailed() {
    let world = allowing(|_| {});
    let member = world.member();
    let ticket = world.otp_ticket();
    let reset = || block_on(world.engine.reset_totp(member.login.user.id, &Client::default())).unwrap();
    assert!(reset());
    assert_eq!(refusal(block_on(world.engine.check(&member.login.token)).unwrap_err()).code(), "session_ended");
    assert_eq!(world.mailed(), [MailKind::TotpReset]);
    assert!(world.trail().contains(&"totp.reset success".to_owned()));
    assert_eq!(world.answer(&ticket, member.code(&world)), "ticket_invalid", "there is no code any more: begin anew");
    assert_eq!(world.code(EMAIL, PASSWORD), "logged_in");
    assert!(!reset(), "there is nothing to reset");
}

#[test]
fn a_code_is_a_fresh_proof() {
    let world = allowing(|_| {});
    let member = world.member();
    assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in");
    world.pass(3_600);
    let token = &member.login.token;
    let end_others = || {
        let session = block_on(world.engine.check(token)).unwrap();
        block_on(world.engine.end_other_sessions(&session, &Client::default())).map_err(|f| refusal(f).code())
    };
    assert_eq!(end_others(), Err("proof_required"));
    let prove = |code: String| {
        block_on(world.engine.prove_by_code(token, &typed(code), &Client::default())).map_err(|f| refusal(f).code())
    };
    assert_eq!(prove("000000".to_owned()), Err("invalid_code"));
    assert_eq!(prove(member.code(&world)), Ok(()));
    assert_eq!(prove(member.code(&world)), Err("invalid_code"), "ot1: used");
    assert_eq!(end_others(), Ok(1));
}

/// What a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Otp,
    LoginSetup,
    OwnSetup,
    Password,
    Terms,
    Conflict,
}

#[test]
fn se5_every_ticket_is_refused_at_every_other_steps_endpoint() {
    const ALL: [For; 6] = [For::Otp, For::LoginSetup, For::OwnSetup, For::Password, For::Terms, For::Conflict];
    for kind in ALL {
        let world = World::new(|_| {});
        world.add(EMAIL, None);
        let own = world.log_in(EMAIL);
        let own_setup =
            block_on(world.engine.totp_setup(&own.session, password(PASSWORD), &Client::default())).unwrap();
        let mut authenticator = Authenticator::of(&own_setup.1);
        let ticket = match kind {
            For::OwnSetup => own_setup.0,
            For::Otp => {
                authenticator = world.set_up(&own).0;
                world.otp_ticket()
            }
            For::LoginSetup => {
                world.set(|policy| policy.totp.mode = TotpMode::Required);
                let (ticket, shown) = forced(&world.engine);
                authenticator = shown;
                ticket
            }
            For::Password => {
                block_on(world.engine.demand_password_change(own.user.id, &Client::default())).unwrap();
                let Ok(LoginStep::PasswordChangeRequired { ticket }) = world.login(EMAIL, PASSWORD) else {
                    panic!("{kind:?}")
                };
                ticket
            }
            For::Terms => {
                world.set(|policy| policy.sign_up.terms = document("1"));
                let Ok(LoginStep::TermsRequired { ticket, .. }) = world.login(EMAIL, PASSWORD) else {
                    panic!("{kind:?}")
                };
                ticket
            }
            For::Conflict => {
                let Ok(LoginStep::SessionConflict { ticket, .. }) = world.login(EMAIL, PASSWORD) else {
                    panic!("{kind:?}")
                };
                ticket
            }
        };
        let (engine, client) = (&world.engine, Client::default());
        let accepted = AcceptedVersions { terms: (kind == For::Terms).then(|| "1".to_owned()), privacy: None };
        // Its own endpoint comes last, since it uses the ticket up.
        for endpoint in ALL.into_iter().filter(|other| *other != kind).chain([kind]) {
            let code = typed(authenticator.code(engine.now()));
            let refused = match endpoint {
                For::Otp => block_on(engine.enter_code(&ticket, &code, &client)).err().map(|f| refusal(f).code()),
                For::LoginSetup => {
                    block_on(engine.enter_setup_code(&ticket, &code, &client)).err().map(|f| refusal(f).code())
                }
                For::OwnSetup => {
                    let confirmed = block_on(engine.totp_confirm(&own.session, &ticket, &code, &client));
                    confirmed.err().map(|f| refusal(f).code())
                }
                For::Password => {
                    let new = "another horse 2?".to_owned().into();
                    block_on(engine.change_due_password(&ticket, new, &client)).err().map(|f| refusal(f).code())
                }
                For::Terms => {
                    block_on(engine.accept_terms(&ticket, &accepted, &client)).err().map(|f| refusal(f).code())
                }
                For::Conflict => {
                    block_on(engine.take_over(&ticket, TakeOver::Proceed)).err().map(|f| refusal(f).code())
                }
            };
            assert_eq!(
                refused,
                (endpoint != kind).then_some("ticket_invalid"),
                "a ticket for {kind:?} at {endpoint:?}"
            );
        }
        let trail = world.trail();
        assert!(!trail.iter().any(|line| line.ends_with("invalid_code")), "nothing was evaluated: {kind:?}");
    }
}

#[test]
fn ot1_one_code_and_20_tickets_at_once_are_one_login_in_any_number_of_processes() {
    let crowd = Crowd::new(|policy| {
        policy.session.on_conflict = OnConflict::Allow;
        policy.lockout.max_failures = 100;
    });
    let mut policy = (*crowd.engine.policy()).clone();
    policy.mail.transport = "none".to_owned();
    let other = start(Engine::builder().store(crowd.store.clone()), policy);
    add(&crowd.engine, EMAIL, None);
    let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, EMAIL, PASSWORD) else { panic!("no login") };
    let (authenticator, recovery_codes) = set_up(&crowd.engine, &own);
    let engines = [&crowd.engine, &other];
    let ticket = || match login(&crowd.engine, EMAIL, PASSWORD) {
        Ok(LoginStep::OtpRequired { ticket }) => ticket,
        step => panic!("{step:?}"),
    };
    let later = crowd.engine.now().after(std::time::Duration::from_secs(30));
    for code in [authenticator.code(later), recovery_codes[0].expose().to_string()] {
        let tickets: Vec<_> = (0..20).map(|_| ticket()).collect();
        let answers = at_once(20, |n| {
            let entered = block_on(engines[n % 2].enter_code(&tickets[n], &typed(&*code), &Client::default()));
            entered.map_or_else(|failure| refusal(failure).code(), |_| "logged_in")
        });
        assert_eq!(answers.iter().filter(|answer| **answer == "logged_in").count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| **answer == "invalid_code").count(), 19, "{answers:?}");
    }
}

#[test]
fn a_set_up_confirmed_20_times_at_once_gives_one_set_of_recovery_codes() {
    let crowd = Crowd::new(|policy| policy.totp.mode = TotpMode::Required);
    add(&crowd.engine, EMAIL, None);
    let (ticket, authenticator) = forced(&crowd.engine);
    let code = authenticator.code(crowd.engine.now());
    let answers =
        at_once(20, |_| block_on(crowd.engine.enter_setup_code(&ticket, &typed(&*code), &Client::default())).is_ok());
    assert_eq!(answers.iter().filter(|ok| **ok).count(), 1);
}

#[test]
fn gu1_of_100_wrong_codes_at_once_exactly_eleven_are_evaluated() {
    let crowd = Crowd::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    add(&crowd.engine, EMAIL, None);
    let Ok(LoginStep::LoggedIn(own)) = login(&crowd.engine, EMAIL, PASSWORD) else { panic!("no login") };
    set_up(&crowd.engine, &own);
    let Ok(LoginStep::OtpRequired { ticket }) = login(&crowd.engine, EMAIL, PASSWORD) else { panic!("no code asked") };
    let answers = at_once(100, |_| {
        let entered = block_on(crowd.engine.enter_code(&ticket, &typed("nothing"), &Client::default()));
        refusal(entered.unwrap_err()).code()
    });
    assert_eq!(answers.iter().filter(|answer| **answer == "invalid_code").count(), 11, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| **answer == "locked_out").count(), 89, "{answers:?}");
}

/// Sets up one-time passwords on a store that can fail; returns what a later step needs.
fn enrolled(broken: &Broken) -> (LoggedIn, Authenticator, Vec<RecoveryCode>) {
    add(&broken.engine, EMAIL, None);
    let Ok(LoginStep::LoggedIn(own)) = login(&broken.engine, EMAIL, PASSWORD) else { panic!("no login") };
    let (authenticator, codes) = set_up(&broken.engine, &own);
    broken.clock.advance(std::time::Duration::from_secs(30));
    (own, authenticator, codes)
}

/// What a flow came to on a store that failed once: its answer, or nothing.
fn unless_fault<T, R: std::fmt::Display>(answer: Result<T, Failure<R>>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(Failure::Fault(_)) => None,
        Err(Failure::Refused(refusal)) => panic!("{refusal}"),
    }
}

#[test]
fn fa1_a_right_code_is_never_called_wrong_works_once_and_the_next_one_gets_in() {
    at_every_call(
        |broken| {
            let (_, authenticator, _) = enrolled(broken);
            let Ok(LoginStep::OtpRequired { ticket }) = login(&broken.engine, EMAIL, PASSWORD) else { panic!("no") };
            (ticket, authenticator)
        },
        |broken, (ticket, authenticator)| {
            let code = typed(authenticator.code(broken.engine.now()));
            unless_fault(block_on(broken.engine.enter_code(ticket, &code, &Client::default())))
        },
        |broken, (_, authenticator), step, at| {
            let enter = || {
                let Ok(LoginStep::OtpRequired { ticket }) = login(&broken.engine, EMAIL, PASSWORD) else {
                    panic!("{at}")
                };
                let code = typed(authenticator.code(broken.engine.now()));
                block_on(broken.engine.enter_code(&ticket, &code, &Client::default()))
            };
            if let Some(LoginStep::LoggedIn(login)) = step {
                assert!(block_on(broken.engine.check(&login.token)).is_ok(), "{at}");
                assert_eq!(refusal(enter().unwrap_err()), LoginRefusal::InvalidCode, "{at}");
            }
            broken.clock.advance(std::time::Duration::from_secs(61));
            assert!(matches!(enter(), Ok(LoginStep::LoggedIn(_))), "{at}");
        },
    );
}

#[test]
fn fa1_a_wrong_code_never_gets_in_and_no_fault_gives_a_guess() {
    at_every_call(
        |broken| {
            enrolled(broken);
            let Ok(LoginStep::OtpRequired { ticket }) = login(&broken.engine, EMAIL, PASSWORD) else { panic!("no") };
            ticket
        },
        |broken, ticket| match block_on(broken.engine.enter_code(ticket, &typed("000000"), &Client::default())) {
            Err(Failure::Fault(_)) => {}
            Err(Failure::Refused(refusal)) => assert_eq!(refusal, LoginRefusal::InvalidCode),
            Ok(step) => panic!("{step:?}"),
        },
        |broken, ticket, (), at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            let wrong = |_| block_on(broken.engine.enter_code(ticket, &typed("000000"), &Client::default()));
            let answers: Vec<_> = (0..15).map(wrong).map(|answer| refusal(answer.unwrap_err()).code()).collect();
            assert!(answers.iter().filter(|answer| **answer == "invalid_code").count() <= 11, "{at}: {answers:?}");
        },
    );
}

#[test]
fn fa1_a_recovery_code_is_spent_with_its_mail_or_not_at_all() {
    at_every_call(
        |broken| {
            let (_, _, codes) = enrolled(broken);
            let Ok(LoginStep::OtpRequired { ticket }) = login(&broken.engine, EMAIL, PASSWORD) else { panic!("no") };
            broken.mailer.take_mails();
            (ticket, codes)
        },
        |broken, (ticket, codes)| {
            let code = typed(&*codes[0].expose());
            unless_fault(block_on(broken.engine.enter_code(ticket, &code, &Client::default()))).is_some()
        },
        |broken, _, logged_in, at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let user = block_on(broken.engine.find_user(EMAIL)).unwrap().unwrap();
            let spent = user.totp.unwrap().recovery_codes_left() == 9;
            let kinds: Vec<_> = broken.mailer.take_mails().iter().map(|mail| mail.kind).collect();
            assert_eq!(spent, kinds.contains(&MailKind::RecoveryCodeUsed), "{at}");
            assert!(spent || !logged_in, "{at}");
        },
    );
}

#[test]
fn fa1_a_set_up_is_whole_or_begins_anew() {
    at_every_call(
        |broken| {
            add(&broken.engine, EMAIL, None);
            let mut policy = (*broken.engine.policy()).clone();
            policy.totp.mode = TotpMode::Required;
            block_on(broken.engine.set_policy(policy)).unwrap();
            forced(&broken.engine)
        },
        |broken, (ticket, authenticator)| {
            let code = typed(authenticator.code(broken.engine.now()));
            unless_fault(block_on(broken.engine.enter_setup_code(ticket, &code, &Client::default())))
        },
        |broken, (_, authenticator), set_up, at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            if let Some(SetUp { recovery_codes, .. }) = &set_up {
                assert_eq!(recovery_codes.len(), 10, "{at}");
            }
            match login(&broken.engine, EMAIL, PASSWORD).unwrap() {
                LoginStep::OtpRequired { ticket } => {
                    let code = typed(authenticator.code(broken.engine.now()));
                    let step = block_on(broken.engine.enter_code(&ticket, &code, &Client::default()));
                    assert!(matches!(step, Ok(LoginStep::LoggedIn(_))), "{at}: {step:?}");
                }
                LoginStep::TotpSetupRequired { .. } => assert!(set_up.is_none(), "{at}"),
                other => panic!("{at}: {other:?}"),
            }
        },
    );
}

#[test]
fn fa1_a_reset_that_was_acknowledged_has_ended_the_sessions_and_mails_in_the_end() {
    at_every_call(
        |broken| {
            let (own, ..) = enrolled(broken);
            broken.mailer.take_mails();
            own
        },
        |broken, own| block_on(broken.engine.reset_totp(own.user.id, &Client::default())).is_ok(),
        |broken, own, acknowledged, at| {
            let live = || block_on(broken.engine.check(&own.token)).is_ok();
            assert!(!(acknowledged && live()), "{at}");
            broken.clock.advance(std::time::Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let user = block_on(broken.engine.find_user(EMAIL)).unwrap().unwrap();
            let mailed = broken.mailer.take_mails().iter().any(|mail| mail.kind == MailKind::TotpReset);
            assert_eq!((user.totp.is_none(), user.totp.is_none()), (mailed, !live()), "{at}");
        },
    );
}

#[test]
fn fa1_switching_off_is_whole_or_not_done() {
    at_every_call(
        |broken| {
            let (own, authenticator, _) = enrolled(broken);
            broken.mailer.take_mails();
            (own, authenticator)
        },
        |broken, (own, authenticator)| {
            let code = typed(authenticator.code(broken.engine.now()));
            let disabled =
                block_on(broken.engine.totp_disable(&own.session, password(PASSWORD), &code, &Client::default()));
            unless_fault(disabled).is_some()
        },
        |broken, (own, _), acknowledged, at| {
            broken.clock.advance(std::time::Duration::from_secs(61));
            block_on(broken.engine.upkeep()).unwrap();
            let user = block_on(broken.engine.find_user(EMAIL)).unwrap().unwrap();
            let mailed = broken.mailer.take_mails().iter().any(|mail| mail.kind == MailKind::TotpDisabled);
            assert_eq!(user.totp.is_none(), mailed, "{at}");
            assert!(user.totp.is_none() || !acknowledged, "{at}");
            assert!(block_on(broken.engine.check(&own.token)).is_ok(), "{at}: the own session stays");
        },
    );
}

#[test]
fn secrets_are_shown_by_no_debug_output() {
    let world = allowing(|policy| policy.totp.mode = TotpMode::Required);
    world.add(EMAIL, None);
    let step = world.login(EMAIL, PASSWORD).unwrap();
    let LoginStep::TotpSetupRequired { setup, .. } = &step else { panic!("{step:?}") };
    assert!(!format!("{step:?}").contains(setup.secret()), "{step:?}");
}

#[test]
fn ot3_neither_a_demanded_change_nor_a_reset_by_mail_leads_round_the_code() {
    let world = allowing(|_| {});
    let user = world.add("ada@example.org", None);
    let login = world.log_in("ada@example.org");
    set_up(&world.engine, &login);
    block_on(world.engine.demand_password_change(user.id, &Client::default())).unwrap();
    assert_eq!(world.code("ada@example.org", PASSWORD), "otp_required", "it comes before the change of the password");
    block_on(world.engine.forgot_password("ada@example.org", &Client::default())).unwrap();
    let new = "another horse 2?";
    let link = world.links().remove(0);
    block_on(world.engine.reset_password(&link, Password::new(new.to_owned()), &Client::default())).unwrap();
    assert_eq!(world.code("ada@example.org", new), "otp_required", "and a reset leaves it on");
}

#[test]
fn ot3_p2_a_reset_by_mail_leaves_the_second_factor_and_its_wrong_codes_and_lets_one_more_through() {
    let world = allowing(|policy| policy.totp.max_failures = 3);
    let member = world.member();
    let ticket = world.otp_ticket();
    for _ in 0..3 {
        assert_eq!(world.answer(&ticket, "000000"), "invalid_code");
    }
    assert_eq!(world.login(EMAIL, PASSWORD).unwrap_err(), LoginRefusal::CodesSpent);
    block_on(world.engine.forgot_password(EMAIL, &Client::default())).unwrap();
    let link = world.links().remove(0);
    let new = "another horse 2?";
    block_on(world.engine.reset_password(&link, Password::new(new.to_owned()), &Client::default())).unwrap();
    let Ok(LoginStep::OtpRequired { ticket }) = world.login(EMAIL, new) else { panic!("no code is asked for") };
    assert_eq!(world.answer(&ticket, "000000"), "invalid_code", "who has the mailbox alone has one guess");
    assert_eq!(world.login(EMAIL, new).unwrap_err(), LoginRefusal::CodesSpent);
    block_on(world.engine.forgot_password(EMAIL, &Client::default())).unwrap();
    let link = world.links().remove(0);
    block_on(world.engine.reset_password(&link, Password::new(PASSWORD.to_owned()), &Client::default())).unwrap();
    let Ok(LoginStep::OtpRequired { ticket }) = world.login(EMAIL, PASSWORD) else { panic!("no code is asked for") };
    assert_eq!(world.answer(&ticket, member.code(&world)), "logged_in");
}

#[test]
fn p2_a_reset_clears_failed_passwords_and_not_failed_codes() {
    let world = allowing(|_| {});
    let member = world.member();
    let ticket = world.otp_ticket();
    for _ in 0..9 {
        assert_eq!(world.answer(&ticket, "000000"), "invalid_code");
    }
    world.fail(EMAIL, 2);
    assert_eq!(world.code(EMAIL, PASSWORD), "locked_out");
    block_on(world.engine.forgot_password(EMAIL, &Client::default())).unwrap();
    let link = world.links().remove(0);
    block_on(world.engine.reset_password(&link, Password::new(PASSWORD.to_owned()), &Client::default())).unwrap();
    let ticket = world.otp_ticket();
    for _ in 0..2 {
        assert_eq!(world.answer(&ticket, "000000"), "invalid_code", "nine of eleven were codes");
    }
    assert_eq!(world.answer(&ticket, member.code(&world)), "locked_out");
    block_on(world.engine.unlock(member.login.user.id, &Client::default())).unwrap();
    assert_eq!(world.answer(&world.otp_ticket(), member.code(&world)), "logged_in", "an administrator forgives both");
}

#[test]
fn l7_a_set_up_gives_its_recovery_codes_though_the_login_is_refused_behind_it() {
    let world = World::new(|policy| policy.totp.mode = TotpMode::Required);
    world.add(EMAIL, None);
    let (ticket, authenticator) = forced(&world.engine);
    let (other, second) = forced(&world.engine);
    let code = |of: &Authenticator| typed(of.code(world.engine.now()));
    let set_up = block_on(world.engine.enter_setup_code(&ticket, &code(&authenticator), &Client::default())).unwrap();
    assert!(matches!(set_up.step, Ok(LoginStep::LoggedIn(_))));
    let late = block_on(world.engine.enter_setup_code(&other, &code(&second), &Client::default()));
    assert_eq!(refusal(late.unwrap_err()).code(), "ticket_invalid", "nothing was set up by that one");

    let world = World::new(|policy| {
        policy.totp.mode = TotpMode::Required;
        policy.session.on_conflict = OnConflict::Refuse;
    });
    world.add(EMAIL, None);
    let (ticket, authenticator) = forced(&world.engine);
    world.set(|policy| policy.totp.mode = TotpMode::Optional);
    world.log_in(EMAIL);
    world.set(|policy| policy.session.on_conflict = OnConflict::Refuse);
    let code = typed(authenticator.code(world.engine.now()));
    let set_up = block_on(world.engine.enter_setup_code(&ticket, &code, &Client::default())).unwrap();
    assert_eq!(set_up.step.map(drop).map_err(|f| refusal(f).code()), Err("session_limit"));
    assert_eq!(set_up.recovery_codes.len(), 10);
    assert_eq!(world.codes_left(), Some(10));
}

#[test]
fn fa1_a_confirmed_set_up_is_whole_or_the_ticket_or_a_new_one_confirms_it() {
    at_every_call(
        |broken| {
            add(&broken.engine, EMAIL, None);
            let Ok(LoginStep::LoggedIn(own)) = login(&broken.engine, EMAIL, PASSWORD) else { panic!() };
            let begun = block_on(broken.engine.totp_setup(&own.session, password(PASSWORD), &Client::default()));
            let (ticket, setup) = begun.unwrap();
            (own, ticket, Authenticator::of(&setup))
        },
        |broken, (own, ticket, authenticator)| {
            let code = typed(authenticator.code(broken.engine.now()));
            unless_fault(block_on(broken.engine.totp_confirm(&own.session, ticket, &code, &Client::default())))
        },
        |broken, (own, _, authenticator), codes, at| {
            let on = broken.user(EMAIL).unwrap().totp.is_some();
            assert!(on || codes.is_none(), "{at}");
            broken.clock.advance(std::time::Duration::from_secs(61));
            match login(&broken.engine, EMAIL, PASSWORD) {
                Ok(LoginStep::OtpRequired { ticket }) => {
                    assert!(on, "{at}");
                    let code = match &codes {
                        Some(codes) => codes[0].expose().to_string(),
                        None => authenticator.code(broken.engine.now()),
                    };
                    let step = block_on(broken.engine.enter_code(&ticket, &typed(code), &Client::default()));
                    assert!(matches!(step, Ok(LoginStep::LoggedIn(_))), "{at}: {step:?}");
                }
                Ok(LoginStep::LoggedIn(_)) => {
                    assert!(!on, "{at}");
                    let again =
                        block_on(broken.engine.totp_setup(&own.session, password(PASSWORD), &Client::default()));
                    assert!(again.is_ok(), "{at}: {again:?}");
                }
                other => panic!("{at}: {other:?}"),
            }
        },
    );
}

#[test]
fn fa1_a_proof_by_code_is_never_called_wrong_and_no_fault_proves_for_nothing() {
    at_every_call(
        |broken| {
            let member = enrolled(broken);
            broken.clock.advance(std::time::Duration::from_secs(660));
            member
        },
        |broken, (own, authenticator, _)| {
            let code = typed(authenticator.code(broken.engine.now()));
            unless_fault(block_on(broken.engine.prove_by_code(&own.token, &code, &Client::default()))).is_some()
        },
        |broken, (own, authenticator, _), acknowledged, at| {
            let fresh = |broken: &Broken| {
                let session = block_on(broken.engine.check(&own.token)).unwrap();
                block_on(broken.engine.end_other_sessions(&session, &Client::default())).is_ok()
            };
            assert!(fresh(broken) || !acknowledged, "{at}");
            broken.clock.advance(std::time::Duration::from_secs(660));
            let code = typed(authenticator.code(broken.engine.now()));
            let again = block_on(broken.engine.prove_by_code(&own.token, &code, &Client::default()));
            assert!(again.is_ok() && fresh(broken), "{at}: {again:?}");
        },
    );
}
