//! Rows P1 to P4: recovery by mail and change of password, and what must stay true of both.

use std::time::Duration;

use doorwarden_core::audit::{AuditFilter, AuditName};
use doorwarden_core::client::Client;
use doorwarden_core::login::{LoginStep, TakeOver};
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::{Password, UnmetRule};
use doorwarden_core::password_change::{Continuation, PasswordChange, PasswordChangeRefusal};
use doorwarden_core::recovery::RecoveryRefusal;
use doorwarden_core::session::SessionRefusal;
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::token::{LinkToken, SessionToken, TicketToken};
use doorwarden_core::user::{User, UserStatus};
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, World, refusal};

const ADA: &str = "ada@example.org";
const NEW: &str = "another horse 2?";

fn client() -> Client {
    Client::new(Some("203.0.113.9".parse().unwrap()), Some("tests"))
}

fn forgot(world: &World, email: &str) -> Result<(), &'static str> {
    block_on(world.engine.forgot_password(email, &client())).map_err(|f| refusal(f).code())
}

fn reset(world: &World, link: &LinkToken, password: &str) -> Result<(), RecoveryRefusal> {
    let password = Password::new(password.to_owned());
    block_on(world.engine.reset_password(link, password, &client())).map(drop).map_err(refusal)
}

fn reset_code(world: &World, link: &LinkToken) -> &'static str {
    reset(world, link, NEW).map_or_else(|refusal| refusal.code(), |()| "reset")
}

/// Asks for a link and reads it in the mail.
fn link(world: &World) -> LinkToken {
    world.mailer.take_mails();
    forgot(world, ADA).unwrap();
    world.links().remove(0)
}

fn ada(world: &World) -> User {
    block_on(world.store.user(UserKey::Email(ADA))).unwrap().unwrap()
}

fn change(
    world: &World,
    token: &SessionToken,
    current: &str,
    new: &str,
    session: Continuation,
) -> Result<Option<SessionToken>, PasswordChangeRefusal> {
    let [current, new] = [current, new].map(|typed| Password::new(typed.to_owned()));
    let change = PasswordChange { current, new, session, client: client() };
    block_on(world.engine.change_password(token, change)).map_err(refusal)
}

fn alive(world: &World, token: &SessionToken) -> Result<(), SessionRefusal> {
    block_on(world.engine.check(token)).map(drop).map_err(refusal)
}

fn due(world: &World, ticket: &TicketToken, password: &str) -> Result<LoginStep, Vec<UnmetRule>> {
    use doorwarden_core::login::LoginRefusal;
    match block_on(world.engine.change_due_password(ticket, Password::new(password.to_owned()), &client())) {
        Ok(step) => Ok(step),
        Err(failure) => match refusal(failure) {
            LoginRefusal::PasswordTooWeak(unmet) => Err(unmet),
            other => panic!("{other}"),
        },
    }
}

fn asked_to_change(world: &World, password: &str) -> TicketToken {
    match world.login(ADA, password) {
        Ok(LoginStep::PasswordChangeRequired { ticket }) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn p1_the_mailed_link_sets_another_password_once_and_does_not_log_in() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let link = link(&world);
    assert_eq!(world.code(ADA, PASSWORD), "logged_in", "asking changes nothing");
    assert_eq!(reset(&world, &link, NEW), Ok(()));
    assert_eq!(reset_code(&world, &link), "link_invalid");
    assert_eq!(world.code(ADA, PASSWORD), "invalid_credentials");
    assert_eq!(world.code(ADA, NEW), "logged_in");
}

#[test]
fn p1_f6_the_link_lives_as_long_as_the_policy_says() {
    for (policy, seconds, outcome) in
        [(1_800, 1_799, "reset"), (1_800, 1_800, "link_invalid"), (60, 59, "reset"), (60, 60, "link_invalid")]
    {
        let world = World::new(|to| to.recovery.link = Duration::from_secs(policy));
        world.add(ADA, None);
        let asked_at = world.millis();
        let link = link(&world);
        world.clock.advance(Duration::from_millis(seconds * 1_000 - (world.millis() - asked_at)));
        assert_eq!(reset_code(&world, &link), outcome, "{seconds} of {policy}");
    }
}

#[test]
fn p1_a_newer_link_voids_the_older() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let (older, newer) = (link(&world), link(&world));
    assert_eq!(reset_code(&world, &older), "link_invalid");
    assert_eq!(reset_code(&world, &newer), "reset");
}

#[test]
fn p1_f12_at_most_so_many_mails_an_hour_go_to_one_address_and_the_last_link_stays() {
    for per_hour in [1, 3] {
        let world = World::new(|policy| policy.recovery.per_hour = per_hour);
        world.add(ADA, None);
        for _ in 0..per_hour {
            forgot(&world, ADA).unwrap();
        }
        let links = world.links();
        assert_eq!(links.len(), usize::try_from(per_hour).unwrap());
        assert_eq!(forgot(&world, ADA), Ok(()), "the answer is the same");
        assert!(world.mailer.take_mails().is_empty());
        world.pass(3_600);
        forgot(&world, ADA).unwrap();
        let newest = world.links().remove(0);
        assert_eq!(reset_code(&world, links.last().unwrap()), "link_invalid");
        assert_eq!(reset_code(&world, &newest), "reset");
    }
}

#[test]
fn f12_mails_of_all_kinds_count_together_and_a_notice_is_never_held_back() {
    let world = World::new(|policy| policy.recovery.per_hour = 100);
    world.add(ADA, None);
    let sent = |world: &World| world.mailer.take_mails().into_iter().map(|mail| mail.kind).collect::<Vec<_>>();
    for _ in 0..3 {
        world.sign_up(ADA).unwrap();
    }
    assert_eq!(sent(&world), [MailKind::AlreadyRegistered; 3]);
    for _ in 0..3 {
        forgot(&world, ADA).unwrap();
    }
    let link = world.links().pop().unwrap();
    forgot(&world, ADA).unwrap();
    assert_eq!(sent(&world), [], "six of all kinds an hour");
    reset(&world, &link, NEW).unwrap();
    assert_eq!(sent(&world), [MailKind::PasswordChanged]);
}

#[test]
fn ex2_known_unknown_and_disabled_addresses_are_one_answer_at_one_moment() {
    let mut took = Vec::new();
    for (email, mails) in [(ADA, 1), ("nobody@example.org", 0), ("off@example.org", 0)] {
        let world = World::new(|_| {});
        world.add(ADA, None);
        let off = world.add("off@example.org", None);
        block_on(world.engine.set_status(off.id, UserStatus::Disabled, &client())).unwrap();
        let before = world.millis();
        assert_eq!(forgot(&world, email), Ok(()));
        took.push(world.millis() - before);
        assert_eq!(world.mailer.take_mails().len(), mails, "{email}");
    }
    assert!(took.iter().all(|seconds| *seconds == took[0]), "{took:?}");
}

#[test]
fn p1_the_policy_switches_it_off() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let link = link(&world);
    let mut policy = (*world.engine.policy()).clone();
    policy.recovery.enabled = false;
    block_on(world.engine.set_policy(policy.clone())).unwrap();
    assert_eq!((forgot(&world, ADA), reset_code(&world, &link)), (Err("recovery_disabled"), "recovery_disabled"));
    (policy.recovery.enabled, policy.mail.transport) = (true, "none".to_owned());
    block_on(world.engine.set_policy(policy)).unwrap();
    assert_eq!(forgot(&world, ADA), Err("recovery_disabled"), "no mail, no recovery");
}

#[test]
fn f13_one_client_asks_only_so_often() {
    let world = World::new(|policy| policy.per_address_hour = 2);
    assert_eq!(forgot(&world, "x"), Err("invalid_email"));
    for answer in [Ok(()), Ok(()), Err("too_many_requests")] {
        assert_eq!(forgot(&world, "nobody@example.org"), answer);
    }
}

#[test]
fn p2_se3_re4_a_reset_ends_all_sessions_and_tickets_and_mails_a_notice() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let session = world.log_in(ADA);
    let Ok(LoginStep::SessionConflict { ticket, .. }) = world.login(ADA, PASSWORD) else { panic!() };
    let link = link(&world);
    reset(&world, &link, NEW).unwrap();
    assert_eq!(alive(&world, &session.token), Err(SessionRefusal::Ended));
    let code = block_on(world.engine.take_over(&ticket, TakeOver::Proceed)).map_err(|f| refusal(f).code());
    assert_eq!(code.map(drop), Err("ticket_invalid"));
    let mails = world.mailer.take_mails();
    assert_eq!(mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::PasswordChanged]);
    assert!(mails[0].text.contains("UTC from 203.0.113.9") && !mails[0].text.contains("token="), "{}", mails[0].text);
    assert_eq!(world.code(ADA, NEW), "logged_in", "and no session is in the way");
}

#[test]
fn p2_gu5_gu14_a_reset_lifts_the_restriction_and_that_is_on_the_trail() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    world.fail(ADA, 11);
    assert_eq!(world.code(ADA, PASSWORD), "locked_out");
    let link = link(&world);
    assert_eq!(world.code(ADA, PASSWORD), "locked_out", "a link that isn't used lifts nothing");
    reset(&world, &link, NEW).unwrap();
    let unlocked = |world: &World| world.trail().iter().filter(|line| *line == "login.unlocked success").count();
    assert_eq!(unlocked(&world), 1);
    world.fail(ADA, 10);
    assert_eq!(world.code(ADA, NEW), "logged_in", "the count began anew");
    let link = self::link(&world);
    reset(&world, &link, PASSWORD).unwrap();
    assert_eq!(unlocked(&world), 1, "where nothing was locked nothing is unlocked");
}

#[test]
fn p4_re1_the_link_is_built_from_the_public_url() {
    let world = World::new(|policy| {
        policy.public_url = doorwarden_core::policy::PublicUrl::parse("https://id.example.org").unwrap();
    });
    world.add(ADA, None);
    forgot(&world, ADA).unwrap();
    let mail = world.mailer.take_mails().remove(0);
    assert_eq!(mail.kind, MailKind::ResetPassword);
    assert!(mail.text.contains("\nhttps://id.example.org/reset-password?token=dwl_"), "{}", mail.text);
    assert!(mail.text.contains("from 203.0.113.9; works for 30 min"), "{}", mail.text);
    assert!(!format!("{:?}", ada(&world)).contains("dwl_"), "only its digest is kept");
}

#[test]
fn re1_links_of_another_kind_and_links_that_were_overtaken_are_invalid() {
    let world = World::new(|_| {});
    world.sign_up("bob@example.org").unwrap();
    let verification = world.links().remove(0);
    assert_eq!(reset_code(&world, &verification), "link_invalid");
    world.add(ADA, None);
    let own = link(&world);
    let verified = block_on(world.engine.verify_email(&own, &client())).map_err(|f| refusal(f).code());
    assert_eq!(verified.map(drop), Err("link_invalid"));

    let session = world.log_in(ADA);
    change(&world, &session.token, PASSWORD, "third horse 3!", Continuation::WithSameToken).unwrap();
    assert_eq!(reset_code(&world, &own), "link_invalid", "overtaken by a change of password");

    let own = link(&world);
    for status in [UserStatus::Disabled, UserStatus::Active] {
        block_on(world.engine.set_status(ada(&world).id, status, &client())).unwrap();
        assert_eq!(reset_code(&world, &own), "link_invalid", "{status:?}: a disabled account's link is gone for good");
    }
}

#[test]
fn pw10_a_reset_tells_all_unmet_rules_at_once_and_never_compares_with_the_old() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let link = link(&world);
    let unmet = vec![UnmetRule::MinLength, UnmetRule::Digit, UnmetRule::Special];
    assert_eq!(reset(&world, &link, "abc"), Err(RecoveryRefusal::PasswordTooWeak(unmet)));
    let before = world.engine.hash_evaluations();
    assert_eq!(reset(&world, &link, PASSWORD), Ok(()), "the link is left, and the old password is as good as any");
    assert_eq!(world.engine.hash_evaluations() - before, 1, "hashed, not compared");
}

#[test]
fn a_reset_proves_the_address_and_sets_a_first_password() {
    let world = World::new(|policy| policy.sign_up.verify_email = false);
    world.sign_up(ADA).unwrap();
    assert_eq!(ada(&world).email_verified_at, None);
    let link = link(&world);
    reset(&world, &link, NEW).unwrap();
    assert!(ada(&world).email_verified_at.is_some());
}

#[test]
fn p3_se2_a_change_ends_the_other_sessions_and_goes_on_under_a_new_token() {
    let world = World::new(|policy| policy.session.max_concurrent = 3);
    world.add(ADA, None);
    let (other, own) = (world.log_in(ADA), world.log_in(ADA));
    world.pass(60);
    let token = change(&world, &own.token, PASSWORD, NEW, Continuation::WithNewToken).unwrap().unwrap();
    assert_eq!(alive(&world, &other.token), Err(SessionRefusal::Ended));
    assert_eq!(alive(&world, &own.token), Err(SessionRefusal::Ended));
    let session = block_on(world.engine.check(&token)).unwrap();
    assert_ne!(session.id, own.session.id);
    let times = (session.started_at, session.expires_at);
    assert_eq!(times, (own.session.started_at, own.session.expires_at), "it ends when it would have");
    assert_eq!(world.mailer.take_mails()[0].kind, MailKind::PasswordChanged);
    assert_eq!((world.code(ADA, PASSWORD), world.code(ADA, NEW)), ("invalid_credentials", "logged_in"));
}

#[test]
fn p3_se2_a_program_keeps_its_token() {
    let world = World::new(|policy| policy.session.max_concurrent = 3);
    world.add(ADA, None);
    let (other, own) = (world.log_in(ADA), world.log_in(ADA));
    assert!(change(&world, &own.token, PASSWORD, NEW, Continuation::WithSameToken).unwrap().is_none());
    assert_eq!((alive(&world, &other.token), alive(&world, &own.token)), (Err(SessionRefusal::Ended), Ok(())));
}

#[test]
fn p3_gu3_the_current_password_is_a_charged_guess() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let own = world.log_in(ADA);
    let code = |current| match change(&world, &own.token, current, NEW, Continuation::WithNewToken) {
        Ok(_) => "changed",
        Err(refusal) => refusal.code(),
    };
    for n in 1..=11 {
        assert_eq!(code(WRONG), "invalid_credentials", "{n}");
    }
    let before = world.engine.hash_evaluations();
    assert_eq!((code(PASSWORD), world.engine.hash_evaluations()), ("locked_out", before));
    assert_eq!(world.code(ADA, PASSWORD), "locked_out", "one counter for all doors");
    assert_eq!(alive(&world, &own.token), Ok(()), "gu5: a restriction ends no session");
    assert!(world.trail().contains(&"password.changed refusal invalid_credentials".to_owned()));
}

#[test]
fn pw10_same_as_old_is_told_with_all_else_and_only_to_who_gave_the_old_one() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let own = world.log_in(ADA);
    let weaker = |policy: &mut doorwarden_core::policy::Policy| policy.password.min_length = 20;
    let mut policy = (*world.engine.policy()).clone();
    weaker(&mut policy);
    block_on(world.engine.set_policy(policy)).unwrap();
    let tried = |current| change(&world, &own.token, current, PASSWORD, Continuation::WithNewToken).unwrap_err();
    let unmet = vec![UnmetRule::MinLength, UnmetRule::SameAsOld];
    assert_eq!(tried(PASSWORD), PasswordChangeRefusal::PasswordTooWeak(unmet));
    assert_eq!(tried(WRONG).code(), "invalid_credentials");
    assert_eq!(alive(&world, &own.token), Ok(()), "nothing has changed");
}

#[test]
fn a_change_needs_a_live_session() {
    let world = World::new(|_| {});
    world.add(ADA, None);
    let own = world.log_in(ADA);
    block_on(world.engine.log_out(&own.token, &client())).unwrap();
    let refused = change(&world, &own.token, PASSWORD, NEW, Continuation::WithNewToken).unwrap_err();
    assert_eq!(refused.code(), "session_ended");
}

#[test]
fn without_a_mailer_a_change_sends_no_notice_and_works() {
    let world = World::new(|policy| policy.mail.transport = "none".to_owned());
    world.add(ADA, None);
    let own = world.log_in(ADA);
    assert!(change(&world, &own.token, PASSWORD, NEW, Continuation::WithNewToken).is_ok());
    assert!(world.mailer.take_mails().is_empty());
}

#[test]
fn l13_an_old_password_must_be_changed_and_not_to_itself() {
    let world = World::new(|policy| policy.password.max_age = Some(Duration::from_secs(90 * 86_400)));
    world.add(ADA, None);
    world.pass(90 * 86_400 - 1);
    let session = world.log_in(ADA);
    world.pass(1);
    assert_eq!(alive(&world, &session.token), Ok(()), "asked for at a login alone");
    let ticket = asked_to_change(&world, PASSWORD);
    assert_eq!(due(&world, &ticket, PASSWORD).unwrap_err(), [UnmetRule::SameAsOld]);
    let unmet = [UnmetRule::MinLength, UnmetRule::Digit, UnmetRule::Special];
    assert_eq!(due(&world, &ticket, "abc").unwrap_err(), unmet, "the ticket is left");
    let Ok(LoginStep::LoggedIn(logged_in)) = due(&world, &ticket, NEW) else { panic!() };
    assert_eq!(alive(&world, &logged_in.token), Ok(()));
    let again = block_on(world.engine.change_due_password(&ticket, Password::new(NEW.to_owned()), &client()));
    assert_eq!(refusal(again.unwrap_err()).code(), "ticket_invalid");
    assert_eq!(world.code(ADA, PASSWORD), "invalid_credentials");
    assert_eq!(world.mailer.take_mails()[0].kind, MailKind::PasswordChanged);
}

#[test]
fn l13_pw7_an_administrator_demands_a_change_and_sessions_elsewhere_end_by_it() {
    let world = World::new(|_| {});
    let user = world.add(ADA, None);
    let elsewhere = world.log_in(ADA);
    let demanded = block_on(world.engine.demand_password_change(user.id, &client())).unwrap();
    assert!(demanded.must_change_password);
    assert_eq!(alive(&world, &elsewhere.token), Ok(()), "asked for at the next login");
    let ticket = asked_to_change(&world, PASSWORD);
    let Ok(LoginStep::LoggedIn(_)) = due(&world, &ticket, NEW) else { panic!() };
    assert_eq!(alive(&world, &elsewhere.token), Err(SessionRefusal::Ended));
    assert_eq!(world.code(ADA, NEW), "session_conflict", "asked for once");
}

#[test]
fn l13_a_reset_meets_the_demand_and_a_ticket_from_before_it_changes_nothing() {
    let world = World::new(|_| {});
    let user = world.add(ADA, None);
    block_on(world.engine.demand_password_change(user.id, &client())).unwrap();
    let ticket = asked_to_change(&world, PASSWORD);
    let link = link(&world);
    reset(&world, &link, NEW).unwrap();
    let late = block_on(world.engine.change_due_password(&ticket, Password::new("third 3!".to_owned()), &client()));
    assert_eq!(refusal(late.unwrap_err()).code(), "ticket_invalid");
    assert_eq!(world.code(ADA, NEW), "logged_in");
}

#[test]
fn every_change_is_on_the_trail_and_no_line_holds_a_secret() {
    let world = World::new(|_| {});
    let user = world.add(ADA, None);
    let own = world.log_in(ADA);
    change(&world, &own.token, PASSWORD, "third horse 3!", Continuation::WithNewToken).unwrap();
    let link = link(&world);
    reset(&world, &link, NEW).unwrap();
    forgot(&world, "nobody@example.org").unwrap();
    let events = block_on(world.engine.audit(&AuditFilter::default(), 200)).unwrap();
    let of = |name| events.iter().filter(|(_, event)| event.name == name).map(|(_, event)| event).collect::<Vec<_>>();
    for name in [AuditName::PasswordChanged, AuditName::PasswordReset] {
        assert_eq!(of(name).iter().map(|event| event.user).collect::<Vec<_>>(), [Some(user.id)], "{name:?}");
    }
    let requested: Vec<_> = of(AuditName::PasswordResetRequested)
        .iter()
        .map(|event| (event.user, event.subject.clone(), event.facts["mailed"].clone()))
        .collect();
    let nobody = (None, Some("nobody@example.org".to_owned()), false.into());
    assert_eq!(requested, [(Some(user.id), None, true.into()), nobody]);
    assert_eq!(of(AuditName::SessionEnded).len(), 2, "the one that was renewed, and the one that renewed it");
    let trail = serde_json::to_string(&events.iter().map(|(_, event)| event).collect::<Vec<_>>()).unwrap();
    for secret in ["dwl_", "dws_", "dwt_", "horse", "$2b$"] {
        assert!(!trail.contains(secret), "{secret}");
    }
}
