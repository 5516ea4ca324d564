//! Orders of calls that no dialog makes: tickets at other steps, two tabs, two browsers, two users, steps repeated and
//! steps after the account has changed.

use std::time::Duration;

use axum::http::StatusCode;
use doorwarden_core::client::Client;
use doorwarden_core::session::OnConflict;
use doorwarden_core::totp::TotpMode;
use doorwarden_core::user::UserStatus;
use serde_json::{Value, json};

use crate::world::{Authenticator, Call, PASSWORD, Reply, World};

pub(crate) const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const NEW: &str = "another horse 2?";

/// A step that waits for its ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Otp,
    TotpSetup,
    Password,
    Terms,
    Takeover,
    /// Of a set-up in a session, not of a login.
    Confirm,
}

pub(crate) const STEPS: [Step; 6] =
    [Step::Otp, Step::TotpSetup, Step::Password, Step::Terms, Step::Takeover, Step::Confirm];

impl Step {
    const fn path(self) -> &'static str {
        match self {
            Self::Otp => "/login/otp",
            Self::TotpSetup => "/login/totp-setup",
            Self::Password => "/login/password",
            Self::Terms => "/login/terms",
            Self::Takeover => "/login/takeover",
            Self::Confirm => "/totp/confirm",
        }
    }
}

/// An account with a ticket for a step, and with all that every step asks for.
pub(crate) struct Waiting {
    pub(crate) world: World,
    pub(crate) step: Step,
    pub(crate) ticket: String,
    /// The account's, or that of the set-up that waits.
    pub(crate) authenticator: Authenticator,
    /// A session of the same account.
    session: String,
}

impl Waiting {
    pub(crate) async fn at(step: Step) -> Self {
        let world = World::with(|policy| policy.session.on_conflict = OnConflict::Allow).await;
        let session = world.logged_in(ADA).await;
        let waiting =
            |world, ticket, authenticator| Self { world, step, ticket, authenticator, session: session.clone() };
        match step {
            Step::Confirm => {
                let shown = world.post("/totp/setup", json!({ "password": PASSWORD })).cookie(&session).send().await;
                return waiting(world, shown.ticket(), Authenticator::of(&shown));
            }
            Step::TotpSetup => {
                change_policy(&world, |policy| policy.totp.mode = TotpMode::Required).await;
                let asked = world.login(ADA, PASSWORD).send().await;
                assert_step(&asked, "totp_setup_required");
                return waiting(world, asked.ticket(), Authenticator::of(&asked));
            }
            Step::Otp | Step::Password | Step::Terms | Step::Takeover => {}
        }
        let (authenticator, _) = world.authenticator(&session).await;
        let user = world.engine.find_user(ADA).await.unwrap().unwrap().id;
        let expected = match step {
            Step::Password => {
                world.engine.demand_password_change(user, &Client::default()).await.unwrap();
                "password_change_required"
            }
            Step::Terms => {
                change_policy(&world, |policy| in_force(policy, "1")).await;
                "terms_required"
            }
            Step::Takeover => {
                change_policy(&world, |policy| policy.session.on_conflict = OnConflict::Ask).await;
                "session_conflict"
            }
            Step::Otp | Step::TotpSetup | Step::Confirm => "otp_required",
        };
        let asked = world.login(ADA, PASSWORD).send().await;
        assert_step(&asked, "otp_required");
        let mut waiting = waiting(world, asked.ticket(), authenticator);
        if step != Step::Otp {
            let passed = waiting.show(Step::Otp, &waiting.ticket).send().await;
            assert_step(&passed, expected);
            waiting.ticket = passed.ticket();
        }
        waiting.world.clock.advance(Duration::from_secs(30));
        waiting
    }

    /// A ticket at a step, with all that is right beside it.
    pub(crate) fn show(&self, at: Step, ticket: &str) -> Call {
        let code = self.authenticator.code(&self.world);
        let body = match at {
            Step::Otp | Step::TotpSetup | Step::Confirm => json!({ "ticket": ticket, "code": code }),
            Step::Password => json!({ "ticket": ticket, "new_password": NEW }),
            Step::Terms => json!({ "ticket": ticket, "accept": { "terms": "1", "privacy": null } }),
            Step::Takeover => json!({ "ticket": ticket, "proceed": true }),
        };
        let call = self.world.post(at.path(), body);
        if at == Step::Confirm { call.cookie(&self.session) } else { call }
    }

    /// Its own ticket with another code.
    pub(crate) fn show_code(&self, code: &str) -> Call {
        let call = self.world.post(self.step.path(), json!({ "ticket": self.ticket, "code": code }));
        if self.step == Step::Confirm { call.cookie(&self.session) } else { call }
    }

    /// How old its ticket is.
    pub(crate) const fn age(&self) -> Duration {
        Duration::from_secs(if matches!(self.step, Step::TotpSetup | Step::Confirm) { 0 } else { 30 })
    }

    /// The ticket at its own step.
    pub(crate) async fn go_on(&self) -> Reply {
        self.show(self.step, &self.ticket).send().await
    }
}

pub(crate) async fn change_policy(world: &World, change: impl FnOnce(&mut doorwarden_core::policy::Policy)) {
    let mut policy = (*world.engine.policy()).clone();
    change(&mut policy);
    world.engine.set_policy(policy).await.unwrap();
}

pub(crate) fn in_force(policy: &mut doorwarden_core::policy::Policy, version: &str) {
    policy.sign_up.terms.version = version.to_owned();
    policy.sign_up.terms.url = "https://example.org/terms".to_owned();
}

pub(crate) fn assert_step(reply: &Reply, status: &str) {
    assert_eq!(reply.json()["status"], status, "{}", reply.text());
    assert_eq!(reply.set_cookie().is_some(), status == "logged_in", "se2: {status}");
}

async fn live(world: &World, token: &str) -> bool {
    world.get("/session").cookie(token).send().await.status == StatusCode::OK
}

#[tokio::test]
async fn se5_a_ticket_works_at_its_own_step_alone_and_once() {
    for step in STEPS {
        let waiting = Waiting::at(step).await;
        for other in STEPS.into_iter().filter(|other| *other != step) {
            let case = format!("a ticket of {step:?} at {other:?}");
            let reply = waiting.show(other, &waiting.ticket).send().await;
            reply.assert_problem(410, "ticket_invalid", &case);
            assert_eq!(reply.set_cookie(), None, "{case}");
        }
        let done = waiting.go_on().await;
        assert_eq!(done.status, StatusCode::OK, "{step:?} after all the others: {}", done.text());
        for again in STEPS {
            let reply = waiting.show(again, &waiting.ticket).send().await;
            // These steps have ended the session of the set-up.
            let (status, code) = match (step, again) {
                (Step::Password, Step::Confirm) => (401, "session_ended"),
                (Step::Takeover, Step::Confirm) => (401, "session_ended_elsewhere"),
                _ => (410, "ticket_invalid"),
            };
            reply.assert_problem(status, code, &format!("a used ticket of {step:?} at {again:?}"));
            assert_eq!(reply.set_cookie(), None, "{step:?}");
        }
    }
}

#[tokio::test]
async fn se5_a_ticket_is_no_link_no_session_and_no_invitation_and_a_link_is_no_ticket() {
    for step in STEPS {
        let waiting = Waiting::at(step).await;
        let (world, ticket) = (&waiting.world, waiting.ticket.trim_end_matches(".token"));
        let link = ticket.replace("dwt_", "dwl_");
        let unused = |body: &str| serde_json::from_str::<Value>(&body.replace("TOKEN", ticket)).unwrap();
        for (path, body) in [
            ("/verify-email", r#"{"token":"TOKEN"}"#),
            ("/verify-email/decline", r#"{"token":"TOKEN"}"#),
            ("/email/confirm", r#"{"token":"TOKEN"}"#),
            ("/email/undo", r#"{"token":"TOKEN"}"#),
            ("/password/reset", r#"{"token":"TOKEN","new_password":"another horse 2?"}"#),
            ("/first-administrator", r#"{"token":"TOKEN","email":"root@example.org","password":"another horse 2?"}"#),
        ] {
            world.post(path, unused(body)).send().await.assert_problem(410, "link_invalid", path);
            let renamed = serde_json::from_str(&body.replace("TOKEN", &link)).unwrap();
            world.post(path, renamed).send().await.assert_problem(410, "link_invalid", path);
        }
        for text in [ticket, &ticket.replace("dwt_", "dws_")] {
            world.get("/session").cookie(text).send().await.assert_problem(401, "session_required", "as a cookie");
            world.get("/session").bearer(text).send().await.assert_problem(401, "session_required", "as a bearer");
        }
        let invited = json!({ "email": BOB, "password": PASSWORD, "invitation": ticket.replace("dwt_", "dwi_") });
        let reply = world.post("/sign-up", invited).send().await;
        assert!(reply.set_cookie().is_none() && reply.json().get("user").is_none(), "{}", reply.text());
        assert_eq!(waiting.go_on().await.status, StatusCode::OK, "{step:?}");
    }
    let waiting = Waiting::at(Step::Otp).await;
    waiting.world.post("/password/forgot", json!({ "email": ADA })).send().await;
    let reset = waiting.world.mailed_token();
    for text in [reset.clone(), reset.replace("dwl_", "dwt_"), waiting.session.replace("dws_", "dwt_")] {
        for step in STEPS {
            waiting.show(step, &text).send().await.assert_problem(410, "ticket_invalid", "no ticket");
        }
    }
}

#[tokio::test]
async fn se5_the_first_administrators_link_is_a_ticket_of_no_step() {
    let world = World::new().await;
    let link = world.engine.first_administrator_link().await.unwrap().unwrap();
    let token = link.split_once("token=").unwrap().1.to_owned();
    let waiting = Waiting::at(Step::Confirm).await;
    for step in STEPS {
        let Waiting { authenticator, session, .. } = &waiting;
        let elsewhere = Waiting {
            world: World::new().await,
            step,
            ticket: token.clone(),
            authenticator: authenticator.clone(),
            session: session.clone(),
        };
        let shown = Waiting { world: World { app: world.app.clone(), ..elsewhere.world }, ..elsewhere };
        let reply = shown.go_on().await;
        let expected = if step == Step::Confirm { (401, "session_required") } else { (410, "ticket_invalid") };
        reply.assert_problem(expected.0, expected.1, &format!("{step:?}"));
    }
    let form = json!({ "token": token, "email": ADA, "password": PASSWORD });
    assert_eq!(world.post("/first-administrator", form).send().await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn two_tabs_with_one_code_are_one_login() {
    let waiting = Waiting::at(Step::Otp).await;
    let other = waiting.world.login(ADA, PASSWORD).send().await.ticket();
    assert_step(&waiting.go_on().await, "logged_in");
    let replayed = waiting.show(Step::Otp, &other).send().await;
    replayed.assert_problem(422, "invalid_code", "ot1: the code of the other tab");
    waiting.world.clock.advance(Duration::from_secs(30));
    assert_step(&waiting.show(Step::Otp, &other).send().await, "logged_in");
}

#[tokio::test]
async fn two_tabs_that_set_up_codes_leave_one_secret() {
    let waiting = Waiting::at(Step::TotpSetup).await;
    let other = waiting.world.login(ADA, PASSWORD).send().await;
    let mixed = waiting.show(Step::TotpSetup, &other.ticket()).send().await;
    mixed.assert_problem(422, "invalid_code", "the secret of one tab with the ticket of the other");
    assert_step(&waiting.go_on().await, "logged_in");
    let late = Waiting { authenticator: Authenticator::of(&other), ticket: other.ticket(), ..waiting };
    late.go_on().await.assert_problem(410, "ticket_invalid", "set up in the first tab");
    assert_step(&late.world.login(ADA, PASSWORD).send().await, "otp_required");
}

#[tokio::test]
async fn two_tabs_that_demand_a_password_take_one() {
    let waiting = Waiting::at(Step::Password).await;
    let asked = waiting.world.login(ADA, PASSWORD).send().await.ticket();
    let passed = waiting.show(Step::Otp, &asked).send().await;
    assert_step(&passed, "password_change_required");
    assert_step(&waiting.go_on().await, "logged_in");
    let body = json!({ "ticket": passed.ticket(), "new_password": "a third horse 3!" });
    let late = waiting.world.post("/login/password", body).send().await;
    late.assert_problem(410, "ticket_invalid", "the password that it had proved is gone");
    waiting.world.login(ADA, "a third horse 3!").send().await.assert_problem(401, "invalid_credentials", "never set");
    assert_step(&waiting.world.login(ADA, NEW).send().await, "otp_required");
}

#[tokio::test]
async fn se4_two_browsers_end_only_the_sessions_that_they_were_shown() {
    let waiting = Waiting::at(Step::Takeover).await;
    let asked = waiting.world.login(ADA, PASSWORD).send().await.ticket();
    let second = waiting.show(Step::Otp, &asked).send().await;
    assert_step(&second, "session_conflict");
    let first = waiting.go_on().await;
    assert_step(&first, "logged_in");
    let again = waiting.show(Step::Takeover, &second.ticket()).send().await;
    assert_step(&again, "session_conflict");
    let listed = again.json()["sessions"].clone();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["id"]), (1, &first.json()["session"]["id"]));
    assert!(live(&waiting.world, &first.cookie()).await, "not shown, so not ended");
    waiting.show(Step::Takeover, &second.ticket()).send().await.assert_problem(410, "ticket_invalid", "used");
    let cancel = json!({ "ticket": again.ticket(), "proceed": false });
    let cancelled = waiting.world.post("/login/takeover", cancel).cookie(&first.cookie()).send().await;
    assert_eq!((cancelled.status, cancelled.set_cookie()), (StatusCode::NO_CONTENT, None));
    assert!(live(&waiting.world, &first.cookie()).await, "cancelled in a browser that is logged in");
    waiting.show(Step::Takeover, &again.ticket()).send().await.assert_problem(410, "ticket_invalid", "cancelled");
}

#[tokio::test]
async fn the_tickets_of_two_users_never_mix() {
    let waiting = Waiting::at(Step::Otp).await;
    let world = &waiting.world;
    let bob = world.logged_in(BOB).await;
    let (of_bob, _) = world.authenticator(&bob).await;
    let bobs = world.login(BOB, PASSWORD).send().await.ticket();
    let enter = |ticket: &str, code: String| world.post("/login/otp", json!({ "ticket": ticket, "code": code }));

    let foreign = enter(&waiting.ticket, of_bob.code(world)).send().await;
    foreign.assert_problem(422, "invalid_code", "bob's code with ada's ticket");
    let logged_in = enter(&bobs, of_bob.code(world)).send().await;
    assert_step(&logged_in, "logged_in");
    assert_eq!(logged_in.json()["user"]["email"], BOB, "the foreign try spent nothing of bob's");
    enter(&bobs, waiting.authenticator.code(world)).send().await.assert_problem(410, "ticket_invalid", "used");

    // In bob's browser ada's login stays ada's, and the cookie that it overwrites stands for nothing any more.
    let body = json!({ "ticket": waiting.ticket, "code": waiting.authenticator.code(world) });
    let reply = world.post("/login/otp", body).cookie(&logged_in.cookie()).send().await;
    assert_eq!(reply.json()["user"]["email"], ADA, "the ticket says who, not the cookie");
    assert!(!live(world, &logged_in.cookie()).await && live(world, &bob).await);

    for _ in 0..10 {
        let ticket = world.login(ADA, PASSWORD).send().await.ticket();
        enter(&ticket, of_bob.code(world)).send().await.assert_problem(422, "invalid_code", "counted for ada");
    }
    let ticket = world.login(ADA, PASSWORD).send().await.ticket();
    enter(&ticket, "000000".to_owned()).send().await.assert_problem(422, "invalid_code", "the eleventh");
    enter(&ticket, "000000".to_owned()).send().await.assert_problem(429, "locked_out", "ada's ticket");
    assert_step(&world.login(BOB, PASSWORD).send().await, "otp_required");
}

#[tokio::test]
async fn a_set_up_is_confirmed_in_its_own_session_alone() {
    let waiting = Waiting::at(Step::Confirm).await;
    let world = &waiting.world;
    let bob = world.logged_in(BOB).await;
    let another = world.login(ADA, PASSWORD).send().await.cookie();
    let confirm = || json!({ "ticket": waiting.ticket, "code": waiting.authenticator.code(world) });
    for (session, whose) in [(&bob, "bob's"), (&another, "another of ada's")] {
        let reply = world.post("/totp/confirm", confirm()).cookie(session).send().await;
        reply.assert_problem(410, "ticket_invalid", whose);
    }
    world.post("/totp/confirm", confirm()).send().await.assert_problem(401, "session_required", "without a session");
    assert_eq!(world.get("/totp").cookie(&bob).send().await.json()["enabled"], false);
    assert_eq!(waiting.go_on().await.status, StatusCode::OK);
    assert_step(&world.login(BOB, PASSWORD).send().await, "logged_in");
}

#[tokio::test]
async fn two_logins_of_one_user_at_different_steps_go_on_by_themselves() {
    let waiting = Waiting::at(Step::Terms).await;
    let earlier = waiting.world.login(ADA, PASSWORD).send().await.ticket();
    for step in STEPS.into_iter().filter(|step| *step != Step::Terms) {
        waiting.show(step, &waiting.ticket).send().await.assert_problem(410, "ticket_invalid", "of the later step");
    }
    waiting.show(Step::Terms, &earlier).send().await.assert_problem(410, "ticket_invalid", "of the earlier step");
    assert_step(&waiting.go_on().await, "logged_in");
    let reply = waiting.show(Step::Otp, &earlier).send().await;
    assert_step(&reply, "logged_in");
}

/// What happens to an account while a login waits, and what each step answers then.
#[tokio::test]
async fn se12_a_step_after_its_account_has_changed_opens_nothing() {
    #[derive(Debug, Clone, Copy)]
    enum Happening {
        Disabled,
        Deleted,
        Reset,
        Changed,
        TotpReset,
    }
    use Happening::{Changed, Deleted, Disabled, Reset, TotpReset};
    for step in STEPS {
        for happening in [Disabled, Deleted, Reset, Changed, TotpReset] {
            let waiting = Waiting::at(step).await;
            let (world, client) = (&waiting.world, Client::default());
            let user = world.engine.find_user(ADA).await.unwrap().unwrap().id;
            match happening {
                Disabled => drop(world.engine.set_status(user, UserStatus::Disabled, &client).await.unwrap()),
                Deleted => drop(world.engine.delete_user(user, &client).await.unwrap()),
                Reset => {
                    world.post("/password/forgot", json!({ "email": ADA })).send().await;
                    let form = json!({ "token": world.mailed_token(), "new_password": "a third horse 3!" });
                    assert_eq!(world.post("/password/reset", form).send().await.status, StatusCode::NO_CONTENT);
                }
                Changed => {
                    let form = json!({ "current_password": PASSWORD, "new_password": "a third horse 3!" });
                    let own = world.post("/password/change", form).cookie(&waiting.session).send().await;
                    assert_eq!(own.status, StatusCode::NO_CONTENT);
                }
                TotpReset => drop(world.engine.reset_totp(user, &client).await.unwrap()),
            }
            let case = format!("{step:?} after {happening:?}");
            let reply = waiting.go_on().await;
            let expected = match (step, happening) {
                (Step::Confirm, TotpReset) => continue,
                (Step::Confirm, _) => Some((401, "session_ended")),
                (_, Disabled) => Some((403, "account_disabled")),
                (_, Deleted | Reset | Changed) | (Step::Otp, TotpReset) => Some((410, "ticket_invalid")),
                // What a login asks for now is asked for, and a code isn't.
                (_, TotpReset) => None,
            };
            match expected {
                Some((status, code)) => {
                    reply.assert_problem(status, code, &case);
                    assert_eq!(reply.set_cookie(), None, "{case}");
                }
                None => assert_step(&reply, "logged_in"),
            }
        }
    }
}

#[tokio::test]
async fn a_login_outlives_the_log_out_of_other_sessions_and_asks_no_more_about_them() {
    let waiting = Waiting::at(Step::Takeover).await;
    let out = waiting.world.call(axum::http::Method::POST, "/logout").cookie(&waiting.session).send().await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let reply = waiting.go_on().await;
    assert_step(&reply, "logged_in");
    assert!(live(&waiting.world, &reply.cookie()).await);
    let gone = waiting.world.get("/session").cookie(&waiting.session).send().await;
    gone.assert_problem(401, "session_ended", "logged out, not taken over");
}
