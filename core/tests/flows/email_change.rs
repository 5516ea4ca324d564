//! RE3 and what belongs to it: change of address, proved by the new one and undone by the former one.

use std::time::Duration;

use doorwarden_core::administration::NewUser;
use doorwarden_core::audit::{AuditFilter, AuditName};
use doorwarden_core::client::Client;
use doorwarden_core::error::Failure;
use doorwarden_core::keypair::NewKeypair;
use doorwarden_core::login::{LoggedIn, LoginStep};
use doorwarden_core::mail::MailKind;
use doorwarden_core::password::Password;
use doorwarden_core::password_change::{Continuation, PasswordChange};
use doorwarden_core::policy::Policy;
use doorwarden_core::session::OnConflict;
use doorwarden_core::store::{Directory, UserKey};
use doorwarden_core::token::{LinkToken, TicketToken};
use doorwarden_core::user::{Role, User, UserStatus};
use futures_executor::block_on;

use crate::faults::{Broken, at_every_call};
use crate::races::{Crowd, at_once};
use crate::world::{PASSWORD, WRONG, World, add, links, refusal, request};

const ADA: &str = "ada@example.org";
const NEW: &str = "Ada.L@example.com";
const NEW_KEY: &str = "ada.l@example.com";
const OTHER: &str = "another horse 2?";
const WEEK: u64 = 7 * 86_400;

fn client() -> Client {
    Client::new(Some("203.0.113.9".parse().unwrap()), Some("tests"))
}

fn world(change: impl FnOnce(&mut Policy)) -> World {
    World::new(|policy| {
        policy.session.on_conflict = OnConflict::Allow;
        policy.mail.per_hour = 100;
        change(policy);
    })
}

impl World {
    fn ask(&self, by: &LoggedIn, new: &str, password: &str) -> Result<(), &'static str> {
        let password = Password::new(password.to_owned());
        block_on(self.engine.change_email(&by.token, new, password, &client())).map_err(|f| refusal(f).code())
    }

    fn confirm(&self, link: &LinkToken) -> Result<(), &'static str> {
        block_on(self.engine.confirm_email(link, &client())).map(drop).map_err(|f| refusal(f).code())
    }

    fn undo(&self, link: &LinkToken) -> Result<(), &'static str> {
        block_on(self.engine.undo_email(link, &client())).map(drop).map_err(|f| refusal(f).code())
    }

    fn reset(&self, link: &LinkToken, password: &str) -> Result<(), &'static str> {
        let password = Password::new(password.to_owned());
        let reset = block_on(self.engine.reset_password(link, password, &client()));
        reset.map(drop).map_err(|f| refusal(f).code())
    }

    /// Asks for an address and reads its link.
    fn link_to(&self, by: &LoggedIn, new: &str, password: &str) -> LinkToken {
        self.mailer.take_mails();
        self.ask(by, new, password).unwrap();
        self.links().remove(0)
    }

    /// Changes the address; the link to undo it.
    fn changed_to(&self, by: &LoggedIn, new: &str, password: &str) -> LinkToken {
        let link = self.link_to(by, new, password);
        self.confirm(&link).unwrap();
        self.links().remove(0)
    }

    fn mails_to(&self) -> Vec<(MailKind, String)> {
        self.mailer.take_mails().into_iter().map(|mail| (mail.kind, mail.to.typed().to_owned())).collect()
    }

    fn of(&self, key: &str) -> Option<User> {
        block_on(self.store.user(UserKey::Email(key))).unwrap()
    }

    fn lives(&self, login: &LoggedIn) -> bool {
        block_on(self.engine.check(&login.token)).is_ok()
    }
}

#[test]
fn re3_the_new_address_is_proved_before_anything_changes() {
    let world = world(|_| {});
    world.add(ADA, None);
    let login = world.log_in(ADA);
    let link = world.link_to(&login, NEW, PASSWORD);
    assert!(world.of(ADA).is_some() && world.of(NEW_KEY).is_none());
    let shown = block_on(world.engine.show_email_change(&link)).unwrap();
    assert_eq!((shown.email.typed(), &*shown.replaces), (NEW, "a…@example.org"));
    assert_eq!(shown.client, Some(client()));
    assert_eq!(world.confirm(&link), Ok(()));
    let user = world.of(NEW_KEY).unwrap();
    assert_eq!((user.email.typed(), user.email_verified_at.is_some()), (NEW, true));
    assert!(world.of(ADA).is_none());
    assert_eq!(world.code(ADA, PASSWORD), "invalid_credentials");
    assert_eq!(world.code(NEW, PASSWORD), "logged_in");
    assert!(world.lives(&login), "the session goes on");
    assert_eq!(world.mails_to(), [(MailKind::EmailChanged, ADA.to_owned())], "na3: the stored address");
}

#[test]
fn re3_undoing_restores_the_address_and_voids_all_that_was_had_since() {
    let world = world(|_| {});
    let id = world.add(ADA, None).id;
    let thief = world.log_in(ADA);
    let undo = world.changed_to(&thief, NEW, PASSWORD);
    block_on(world.engine.forgot_password(NEW, &client())).unwrap();
    let by_new = world.links().remove(0);
    world.reset(&by_new, OTHER).unwrap();
    let thief = match world.login(NEW, OTHER) {
        Ok(LoginStep::LoggedIn(login)) => login,
        other => panic!("{other:?}"),
    };
    block_on(world.engine.demand_password_change(id, &client())).unwrap();
    let ticket = asked_to_change(&world, NEW, OTHER);
    let pending = world.link_to(&thief, "third@example.org", OTHER);
    block_on(world.engine.forgot_password(NEW, &client())).unwrap();
    let waiting = world.links().remove(0);

    let shown = block_on(world.engine.show_email_undo(&undo)).unwrap();
    assert_eq!((shown.email.typed(), &*shown.replaces), (ADA, "a…@example.com"));
    assert_eq!(world.undo(&undo), Ok(()));
    assert!(world.of(ADA).is_some_and(|user| user.id == id) && world.of(NEW_KEY).is_none());
    assert!(!world.lives(&thief));
    for (identifier, password) in [(ADA, OTHER), (ADA, PASSWORD), (NEW, OTHER)] {
        assert_eq!(world.code(identifier, password), "invalid_credentials", "{identifier} {password}");
    }
    let due =
        block_on(world.engine.change_due_password(&ticket, Password::new("third horse 3?".to_owned()), &client()));
    assert_eq!(refusal(due.unwrap_err()).code(), "ticket_invalid");
    assert_eq!(world.confirm(&pending), Err("link_invalid"));
    assert_eq!(world.reset(&waiting, OTHER), Err("link_invalid"));
    assert_eq!(world.undo(&undo), Err("link_invalid"), "it works once");

    let mails = world.mailer.take_mails();
    let to: Vec<_> = mails.iter().map(|mail| (mail.kind, mail.to.typed())).collect();
    assert_eq!(to, [(MailKind::EmailRestored, ADA), (MailKind::EmailRestored, NEW)]);
    assert!(links(&mails[1].text).is_empty(), "the removed address gets no link");
    let reset = links(&mails[0].text).remove(0);
    assert_eq!(world.reset(&reset, "third horse 3?"), Ok(()));
    assert_eq!(world.code(ADA, "third horse 3?"), "logged_in");
}

fn asked_to_change(world: &World, identifier: &str, password: &str) -> TicketToken {
    match world.login(identifier, password) {
        Ok(LoginStep::PasswordChangeRequired { ticket }) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn re3_where_nothing_is_recovered_by_mail_only_an_administrator_sets_the_voided_password() {
    let world = world(|policy| policy.recovery.enabled = false);
    world.add(ADA, None);
    let undo = world.changed_to(&world.log_in(ADA), NEW, PASSWORD);
    world.mailer.take_mails();
    assert_eq!(world.undo(&undo), Ok(()));
    assert!(world.links().is_empty());
    assert!(world.of(ADA).is_some_and(|user| user.password.is_none() && user.reset.is_none()));
}

#[test]
fn re3_f6_the_link_to_undo_lives_seven_days() {
    for (seconds, outcome) in [(WEEK - 1, Ok(())), (WEEK, Err("link_invalid"))] {
        let world = world(|_| {});
        world.add(ADA, None);
        let login = world.log_in(ADA);
        let link = world.link_to(&login, NEW, PASSWORD);
        let confirmed_at = world.millis();
        world.confirm(&link).unwrap();
        let undo = world.links().remove(0);
        world.clock.advance(Duration::from_millis(seconds * 1_000 - (world.millis() - confirmed_at)));
        assert_eq!(world.undo(&undo), outcome, "{seconds}");
    }
}

#[test]
fn re3_f6_the_link_to_confirm_lives_like_that_of_a_sign_up() {
    for (policy, seconds, outcome) in
        [(86_400, 86_399, Ok(())), (86_400, 86_400, Err("link_invalid")), (60, 60, Err("link_invalid"))]
    {
        let world = world(|to| to.sign_up.verify_link = Duration::from_secs(policy));
        world.add(ADA, None);
        let login = world.log_in(ADA);
        world.ask(&login, NEW, PASSWORD).unwrap();
        let (link, user) = (world.links().remove(0), world.of(ADA).unwrap());
        let asked_at = u64::try_from(user.pending_email.unwrap().asked_at.as_millis()).unwrap();
        world.clock.advance(Duration::from_millis(seconds * 1_000 - (world.millis() - asked_at)));
        assert_eq!(world.confirm(&link), outcome, "{seconds} of {policy}");
    }
}

#[test]
fn re3_the_link_to_undo_outlives_later_changes_and_takes_them_back() {
    let world = world(|_| {});
    let id = world.add(ADA, None).id;
    let login = world.log_in(ADA);
    let first = world.changed_to(&login, "b@example.org", PASSWORD);
    let [current, new] = [PASSWORD, OTHER].map(|typed| Password::new(typed.to_owned()));
    let change = PasswordChange { current, new, session: Continuation::WithSameToken, client: client() };
    block_on(world.engine.change_password(&login.token, change)).unwrap();
    let second = world.changed_to(&login, "c@example.org", OTHER);
    let third = world.changed_to(&login, "d@example.org", OTHER);

    assert_eq!(world.undo(&second), Ok(()), "the reader of b takes b back");
    assert!(world.of("b@example.org").is_some_and(|user| user.id == id));
    assert_eq!(world.undo(&third), Err("link_invalid"), "c came after it");
    assert_eq!(world.undo(&first), Ok(()), "and the first owner is not cut off by that");
    assert!(world.of(ADA).is_some_and(|user| user.id == id));
}

#[test]
fn re3_no_number_of_changes_displaces_the_first_undo() {
    let world = world(|_| {});
    world.add(ADA, None);
    let login = world.log_in(ADA);
    let first = world.changed_to(&login, "a1@example.org", PASSWORD);
    for n in 2..=8 {
        world.changed_to(&login, &format!("a{n}@example.org"), PASSWORD);
    }
    assert_eq!(world.ask(&login, "a9@example.org", PASSWORD), Err("too_many_requests"));
    assert_eq!(world.undo(&first), Ok(()));
}

#[test]
fn re3_another_password_voids_a_pending_change() {
    for by_mail in [true, false] {
        let world = world(|_| {});
        world.add(ADA, None);
        let login = world.log_in(ADA);
        let link = world.link_to(&login, NEW, PASSWORD);
        if by_mail {
            block_on(world.engine.forgot_password(ADA, &client())).unwrap();
            let reset = world.links().remove(0);
            world.reset(&reset, OTHER).unwrap();
        } else {
            let [current, new] = [PASSWORD, OTHER].map(|typed| Password::new(typed.to_owned()));
            let change = PasswordChange { current, new, session: Continuation::WithSameToken, client: client() };
            block_on(world.engine.change_password(&login.token, change)).unwrap();
        }
        assert_eq!(world.confirm(&link), Err("link_invalid"), "{by_mail}");
        assert!(block_on(world.engine.show_email_change(&link)).is_err());
    }
}

#[test]
fn re1_a_link_works_once_for_its_kind_and_a_newer_one_or_a_disabled_account_voids_it() {
    let world = world(|_| {});
    let id = world.add(ADA, None).id;
    let login = world.log_in(ADA);
    block_on(world.engine.forgot_password(ADA, &client())).unwrap();
    let reset = world.links().remove(0);
    let older = world.link_to(&login, "older@example.org", PASSWORD);
    let link = world.link_to(&login, NEW, PASSWORD);
    assert_eq!(world.confirm(&older), Err("link_invalid"));
    assert_eq!(world.confirm(&reset), Err("link_invalid"));
    assert_eq!(world.undo(&link), Err("link_invalid"));
    assert_eq!(world.reset(&link, OTHER), Err("link_invalid"));
    assert_eq!(world.confirm(&link), Ok(()));
    assert_eq!(world.confirm(&link), Err("link_invalid"));
    assert_eq!(world.reset(&reset, OTHER), Err("link_invalid"), "it was mailed to the former address");
    let undo = world.links().remove(0);
    assert_eq!(world.confirm(&undo), Err("link_invalid"));
    assert_eq!(world.reset(&undo, OTHER), Err("link_invalid"));

    let link = world.link_to(&login, "third@example.org", PASSWORD);
    for status in [UserStatus::Disabled, UserStatus::Active] {
        block_on(world.engine.set_status(id, status, &client())).unwrap();
        assert_eq!(world.confirm(&link), Err("link_invalid"), "{status:?}");
    }
    assert_eq!(world.undo(&undo), Ok(()), "that one stays its owner's");
}

#[test]
fn ex2_the_answer_is_the_same_for_a_taken_address_whose_owner_is_told() {
    let outcomes = [NEW, "bob@example.org"].map(|new| {
        let world = world(|_| {});
        world.add(ADA, None);
        world.add("bob@example.org", None);
        let login = world.log_in(ADA);
        let (began, evaluated) = (world.millis(), world.engine.hash_evaluations());
        let answer = world.ask(&login, new, PASSWORD);
        let took = world.millis() - began;
        let pending = world.of(ADA).unwrap().pending_email.is_some();
        (answer, took, world.engine.hash_evaluations() - evaluated, pending, world.mails_to())
    });
    let [free, taken] = &outcomes;
    assert_eq!((free.0, free.1, free.2, free.3), (taken.0, taken.1, taken.2, taken.3));
    assert_eq!((free.0, free.2), (Ok(()), 1));
    assert_eq!(free.4, [(MailKind::ConfirmEmail, NEW.to_owned())]);
    assert_eq!(taken.4, [(MailKind::AddressInUse, "bob@example.org".to_owned())]);
}

#[test]
fn na6_of_two_accounts_that_prove_one_address_one_gets_it() {
    let world = world(|_| {});
    let ada = world.add(ADA, None).id;
    world.add("bob@example.org", None);
    let of_ada = world.link_to(&world.log_in(ADA), NEW, PASSWORD);
    let of_bob = world.link_to(&world.log_in("bob@example.org"), NEW, PASSWORD);
    assert_eq!(world.confirm(&of_ada), Ok(()));
    assert_eq!(world.confirm(&of_bob), Err("link_invalid"));
    assert!(world.of(NEW_KEY).is_some_and(|user| user.id == ada));
    assert_eq!(world.trail().last().unwrap(), "email.changed refusal email_taken");
}

#[test]
fn ph1_a_proved_address_lapses_its_registrations_and_one_never_proved_takes_nothing_back() {
    let world = world(|_| {});
    let form = NewUser {
        email: ADA.to_owned(),
        username: None,
        password: Some(Password::new(PASSWORD.to_owned())),
        role: Role::user(),
        email_verified: false,
    };
    block_on(world.engine.add_user(form, &client())).unwrap();
    world.sign_up(NEW).unwrap();
    let squatter = world.links().remove(0);
    let link = world.link_to(&world.log_in(ADA), NEW, PASSWORD);
    world.confirm(&link).unwrap();
    assert!(block_on(world.engine.verify_email(&squatter, &client())).is_err());
    let mails = world.mailer.take_mails();
    assert_eq!(mails.iter().map(|mail| mail.kind).collect::<Vec<_>>(), [MailKind::EmailChanged]);
    assert!(links(&mails[0].text).is_empty(), "whoever reads it may be anybody");
    assert!(world.of(NEW_KEY).unwrap().former_emails.is_empty());
}

#[test]
fn se8_gu3_each_change_asks_for_the_password_and_its_guess_is_charged() {
    let world = world(|_| {});
    world.add(ADA, None);
    let login = world.log_in(ADA);
    for _ in 0..11 {
        assert_eq!(world.ask(&login, NEW, WRONG), Err("invalid_credentials"));
    }
    let evaluated = world.engine.hash_evaluations();
    assert_eq!(world.ask(&login, NEW, PASSWORD), Err("locked_out"), "gu6: unheard");
    assert_eq!(world.engine.hash_evaluations(), evaluated);
    assert_eq!(world.code(ADA, PASSWORD), "locked_out", "one counter");
    assert!(world.mailer.take_mails().is_empty());
}

#[test]
fn f12_nobody_floods_an_address_with_links_and_the_notice_of_a_change_is_never_held_back() {
    let world = world(|policy| policy.mail.per_hour = 2);
    world.add(ADA, None);
    let login = world.log_in(ADA);
    for _ in 0..3 {
        assert_eq!(world.ask(&login, NEW, PASSWORD), Ok(()), "the answer is the same");
    }
    let links = world.links();
    assert_eq!(links.len(), 2);
    world.pass(3_600);
    let link = world.link_to(&login, NEW, PASSWORD);
    for _ in 0..10 {
        block_on(world.engine.forgot_password(ADA, &client())).unwrap();
    }
    world.mailer.take_mails();
    world.confirm(&link).unwrap();
    assert_eq!(world.mails_to(), [(MailKind::EmailChanged, ADA.to_owned())]);
}

#[test]
fn each_rule_on_addresses_changes_the_outcome() {
    let ask = |change: &dyn Fn(&mut Policy), new: &str| {
        let world = world(change);
        world.add(ADA, None);
        let answer = world.ask(&world.log_in(ADA), new, PASSWORD);
        (answer, world.trail().last().unwrap().clone())
    };
    assert_eq!(ask(&|_| {}, NEW).0, Ok(()));
    let listed = |domains: &[&str]| domains.iter().map(|domain| (*domain).to_owned()).collect::<Vec<_>>();
    let (answer, trail) = ask(&|policy| policy.sign_up.domains = listed(&["example.org"]), NEW);
    assert_eq!(answer, Err("sign_up_refused"));
    assert_eq!(trail, "email.change_requested refusal sign_up.domains");
    assert_eq!(ask(&|policy| policy.sign_up.domains = listed(&["Example.com"]), NEW).0, Ok(()));
    assert_eq!(ask(&|policy| policy.mail.transport = "none".to_owned(), NEW).0, Err("forbidden"));
    assert_eq!(ask(&|_| {}, "ADA@example.org").0, Err("invalid_email"), "it is the account's already");
    for new in ["ada", "a@b@example.org", &format!("{}@example.org", "a".repeat(243))] {
        assert_eq!(ask(&|_| {}, new).0, Err("invalid_email"), "{new}");
    }
}

#[test]
fn re3_each_step_and_refusal_is_on_the_trail_without_an_address_or_token() {
    let world = world(|_| {});
    let id = world.add(ADA, None).id;
    let login = world.log_in(ADA);
    let before = world.trail().len();
    world.ask(&login, NEW, WRONG).unwrap_err();
    let undo = world.changed_to(&login, NEW, PASSWORD);
    world.undo(&undo).unwrap();
    world.undo(&undo).unwrap_err();
    assert_eq!(
        world.trail()[before..],
        [
            "email.change_requested refusal invalid_credentials",
            "email.change_requested success",
            "email.changed success",
            "session.ended success",
            "email.restored success",
            "email.restored refusal link_invalid",
        ]
    );
    let changed = AuditFilter { user: Some(id), name: Some(AuditName::EmailChanged), ..AuditFilter::default() };
    let (_, event) = block_on(world.engine.audit(&changed, 1)).unwrap().remove(0);
    assert_eq!((&event.facts["from"], &event.facts["to"]), (&"a…@example.org".into(), &"a…@example.com".into()));
    let nobody = LinkToken::generate([9; 16], &doorwarden_core::random::SystemRandom).unwrap();
    let lines = world.trail().len();
    world.undo(&nobody).unwrap_err();
    assert_eq!(world.trail().len(), lines, "strangers don't fill the trail");
}

#[test]
fn re5_the_mail_to_an_unproved_address_holds_nothing_that_the_asker_typed() {
    let world = world(|_| {});
    world.add(ADA, Some("buy-cheap-pills"));
    world.ask(&world.log_in(ADA), NEW, PASSWORD).unwrap();
    let mail = world.mailer.take_mails().remove(0);
    for typed in ["buy-cheap-pills", ADA, "tests"] {
        assert!(!mail.text.contains(typed) && !mail.html.contains(typed), "{typed}: {}", mail.text);
    }
    assert!(mail.text.contains("203.0.113.9") && mail.text.contains("works for 24 h"), "{}", mail.text);
}

#[test]
fn re1_a_link_confirmed_or_undone_100_times_at_once_works_once() {
    let crowd = Crowd::new(|_| {});
    add(&crowd.engine, ADA, None);
    let Ok(LoginStep::LoggedIn(login)) = block_on(crowd.engine.login(request(ADA, PASSWORD))) else { panic!() };
    let password = Password::new(PASSWORD.to_owned());
    block_on(crowd.engine.change_email(&login.token, NEW, password, &client())).unwrap();
    let link = crowd.links().remove(0);
    let confirmed = at_once(100, |_| match block_on(crowd.engine.confirm_email(&link, &client())) {
        Ok(_) => "done",
        Err(failure) => refusal(failure).code(),
    });
    assert_eq!(confirmed.iter().filter(|answer| **answer == "done").count(), 1, "{confirmed:?}");
    assert_eq!(confirmed.iter().filter(|answer| **answer == "link_invalid").count(), 99);
    let undo = crowd.links();
    assert_eq!(undo.len(), 1, "one mail to the former address");
    let undone = at_once(100, |_| block_on(crowd.engine.undo_email(&undo[0], &client())).is_ok());
    assert_eq!(undone.iter().filter(|done| **done).count(), 1);
}

fn logged_in(broken: &Broken) -> LoggedIn {
    add(&broken.engine, ADA, None);
    let Ok(LoginStep::LoggedIn(login)) = block_on(broken.engine.login(request(ADA, PASSWORD))) else { panic!() };
    login
}

fn ask(broken: &Broken, login: &LoggedIn) -> bool {
    let (password, client) = (Password::new(PASSWORD.to_owned()), client());
    done(block_on(broken.engine.change_email(&login.token, NEW, password, &client)))
}

fn done<T, R: std::fmt::Display>(answer: Result<T, Failure<R>>) -> bool {
    match answer {
        Ok(_) => true,
        Err(Failure::Fault(_)) => false,
        Err(Failure::Refused(refusal)) => panic!("{refusal}"),
    }
}

fn settle_down(broken: &Broken) {
    broken.clock.advance(Duration::from_secs(61));
    block_on(broken.engine.upkeep()).unwrap();
}

fn mailed_links(broken: &Broken) -> Vec<LinkToken> {
    broken.mailer.take_mails().iter().flat_map(|mail| links(&mail.text)).collect()
}

#[test]
fn fa1_a_pending_change_was_mailed_and_nothing_else_is_touched() {
    at_every_call(logged_in, ask, |broken, login, acknowledged, at| {
        settle_down(broken);
        let (user, mailed) = (broken.user(ADA).unwrap(), mailed_links(broken));
        assert!(!acknowledged || user.pending_email.is_some(), "{at}");
        match user.pending_email {
            Some(pending) => assert!(mailed.iter().any(|link| link.digest() == pending.token), "{at}"),
            None => assert!(mailed.is_empty(), "{at}"),
        }
        assert!(ask(broken, login), "{at}: it can be asked for again");
    });
}

#[test]
fn fa1_a_confirmed_address_is_told_to_the_former_one_or_the_link_stays() {
    at_every_call(
        |broken| {
            assert!(ask(broken, &logged_in(broken)));
            mailed_links(broken).remove(0)
        },
        |broken, link| done(block_on(broken.engine.confirm_email(link, &client()))),
        |broken, link, acknowledged, at| {
            settle_down(broken);
            let changed = broken.user(NEW_KEY).is_some();
            assert!(changed || !acknowledged, "{at}");
            assert_eq!(broken.user(ADA).is_some(), !changed, "{at}");
            assert_eq!(mailed_links(broken).is_empty(), !changed, "{at}");
            assert_eq!(block_on(broken.engine.confirm_email(link, &client())).is_ok(), !changed, "{at}");
        },
    );
}

#[test]
fn fa1_an_undone_change_is_whole_and_opens_no_door_or_the_link_stays() {
    at_every_call(
        |broken| {
            let login = logged_in(broken);
            assert!(ask(broken, &login));
            let link = mailed_links(broken).remove(0);
            assert!(done(block_on(broken.engine.confirm_email(&link, &client()))));
            block_on(broken.engine.create_keypair(&login.session, NewKeypair::default(), &client())).unwrap();
            (login, mailed_links(broken).remove(0))
        },
        |broken, (_, undo)| done(block_on(broken.engine.undo_email(undo, &client()))),
        |broken, (login, undo), acknowledged, at| {
            let restored = broken.user(ADA).is_some();
            assert!(restored || !acknowledged, "{at}");
            assert!(!acknowledged || block_on(broken.engine.check(&login.token)).is_err(), "{at}");
            settle_down(broken);
            assert_eq!(block_on(broken.engine.check(&login.token)).is_err(), restored, "{at}");
            let keypairs = block_on(broken.engine.keypairs(login.session.user, None, 9)).unwrap();
            assert_eq!(keypairs.is_empty(), restored, "{at}: what was made since");
            for identifier in [ADA, NEW] {
                let entered = block_on(broken.engine.login(request(identifier, PASSWORD))).is_ok();
                assert_eq!(entered, !restored && identifier == NEW, "{at}: {identifier}");
            }
            assert_eq!(mailed_links(broken).is_empty(), !restored, "{at}: the link to set a password");
            assert_eq!(block_on(broken.engine.undo_email(undo, &client())).is_ok(), !restored, "{at}");
        },
    );
}
