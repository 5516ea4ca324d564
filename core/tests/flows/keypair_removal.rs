//! What becomes of keypairs, and of what was counted against them, when something else about their account changes.

use doorwarden_core::client::Client;
use doorwarden_core::keypair::{IssuedKeypair, Keypair, NewKeypair};
use doorwarden_core::lockout::{LockoutSubject, Restriction};
use doorwarden_core::mail::{Mail, MailKind};
use doorwarden_core::password::Password;
use doorwarden_core::policy::Policy;
use doorwarden_core::seal::SealKeys;
use doorwarden_core::session::{OnConflict, Session};
use doorwarden_core::store::{Change, Directory, LockoutStore, UserKey, Write};
use doorwarden_core::token::LinkToken;
use doorwarden_core::user::UserId;
use futures_executor::block_on;

use crate::keypairs::{API, code, code_of, create};
use crate::world::{PASSWORD, World, refusal};

const ADA: &str = "ada@example.org";
const NEW: &str = "another horse 2?";

fn world(change: impl FnOnce(&mut Policy)) -> World {
    World::new(|policy| {
        API(policy);
        policy.session.on_conflict = OnConflict::Allow;
        change(policy);
    })
}

fn labelled(world: &World, session: &Session, label: &str) -> IssuedKeypair {
    let form = NewKeypair { label: Some(label.to_owned()), ..NewKeypair::default() };
    block_on(world.engine.create_keypair(session, form, &Client::default())).unwrap()
}

fn of(world: &World, user: UserId) -> Vec<Keypair> {
    block_on(world.store.keypairs_of(user, None, 100)).unwrap()
}

fn reset(world: &World, link: &LinkToken, password: &str) {
    let password = Password::new(password.to_owned());
    block_on(world.engine.reset_password(link, password, &Client::default())).unwrap();
}

/// Resets the password by mail; the notice of it.
fn forgotten_and_reset(world: &World, password: &str) -> Mail {
    world.mailer.take_mails();
    block_on(world.engine.forgot_password(ADA, &Client::default())).unwrap();
    reset(world, &world.links().remove(0), password);
    let mails = world.mailer.take_mails();
    mails.into_iter().find(|mail| mail.kind == MailKind::PasswordChanged).unwrap()
}

fn login_session(world: &World, password: &str) -> Session {
    match world.login(ADA, password).unwrap() {
        doorwarden_core::login::LoginStep::LoggedIn(login) => login.session,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ph1_the_first_proof_of_an_address_by_a_reset_removes_an_earlier_claimants_keypairs() {
    let world = world(|policy| policy.sign_up.verify_email = false);
    world.sign_up(ADA).unwrap();
    let claimant = world.log_in(ADA).session;
    let claimed = create(&world, &claimant).unwrap();
    assert_eq!(code_of(&world, &claimed), "logged_in");

    let notice = forgotten_and_reset(&world, NEW);
    assert!(of(&world, claimant.user).is_empty());
    assert_eq!(code_of(&world, &claimed), "invalid_credentials");
    assert!(!notice.text.contains("keypairs"), "none is left to tell of: {}", notice.text);
    assert!(world.trail().contains(&"keypair.deleted success".to_owned()), "{:?}", world.trail());

    // From now on the address is proved: what its owner makes stays.
    world.pass(1);
    let own = create(&world, &login_session(&world, NEW)).unwrap();
    forgotten_and_reset(&world, PASSWORD);
    assert_eq!(code_of(&world, &own), "logged_in");
}

#[test]
fn re4_the_notice_lists_the_keypairs_that_go_on_working_in_both_languages_and_parts() {
    for (locale, says, when) in [
        (None, "go on working", ", made on 2027-01-15 08:00 UTC"),
        (Some("ko"), "계속 유효합니다", ", 생성 2027-01-15 08:00 UTC"),
    ] {
        let world = world(|_| {});
        let mut user = world.add(ADA, None);
        user.locale = locale.map(str::to_owned);
        block_on(world.store.commit(&[Change::User(Write::Update(user))])).unwrap();
        let session = world.log_in(ADA).session;
        let [nightly, off] = ["nightly <b>", "off"].map(|label| labelled(&world, &session, label));
        let unnamed = create(&world, &session).unwrap();
        let (access_key, client) = (&off.keypair.access_key, Client::default());
        block_on(world.engine.set_keypair_active(&session, access_key, false, &client)).unwrap();

        let notice = forgotten_and_reset(&world, NEW);
        let begins = |issued: &IssuedKeypair| format!("{}...", &issued.keypair.access_key.as_str()[..6]);
        let told = [format!("{} \"nightly <b>\"{when}", begins(&nightly)), format!("{}{when}", begins(&unnamed))];
        assert!(notice.text.contains(says) && notice.html.contains(says), "{}", notice.text);
        for line in told {
            assert!(notice.text.contains(&format!("\n{line}\n")), "{line}: {}", notice.text);
            let escaped = line.replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
            let literal = line.replace('<', "&lt;").replace('>', "&gt;");
            assert!(notice.html.contains(&escaped) || notice.html.contains(&literal), "{line}: {}", notice.html);
        }
        for part in [&notice.text, &notice.html] {
            assert!(!part.contains(&begins(&off)), "one that is switched off doesn't work: {part}");
            assert!(!part.contains(nightly.keypair.access_key.as_str()), "no whole access key: {part}");
            assert!(!part.contains(nightly.secret_key.expose()), "no secret: {part}");
        }
        assert_eq!(code_of(&world, &nightly), "logged_in", "it does go on working");
    }
}

#[test]
fn re4_twenty_keypairs_are_told_of_and_the_others_counted() {
    let world = world(|policy| policy.keypairs.per_user = 30);
    world.add(ADA, None);
    let session = world.log_in(ADA).session;
    (0..23).for_each(|_| drop(create(&world, &session).unwrap()));
    let notice = forgotten_and_reset(&world, NEW);
    assert_eq!(notice.text.matches(", made on ").count(), 20, "{}", notice.text);
    assert!(notice.text.contains("\nand 3 more\n"), "{}", notice.text);
}

#[test]
fn re3_undoing_a_change_of_address_removes_the_keypairs_made_since() {
    let world = world(|_| {});
    world.add(ADA, None);
    let login = world.log_in(ADA);
    let before = create(&world, &login.session).unwrap();
    world.pass(1);
    world.mailer.take_mails();
    let (password, client) = (Password::new(PASSWORD.to_owned()), Client::default());
    block_on(world.engine.change_email(&login.token, "eve@example.com", password, &client)).unwrap();
    block_on(world.engine.confirm_email(&world.links().remove(0), &client)).unwrap();
    let undo = world.links().remove(0);
    let at_that_moment = create(&world, &login.session).unwrap();
    world.pass(1);
    let since = create(&world, &login.session).unwrap();
    let rotated = block_on(world.engine.rotate_keypair(&login.session, &before.keypair.access_key, &client)).unwrap();

    block_on(world.engine.undo_email(&undo, &client)).unwrap();
    let left: Vec<_> = of(&world, login.session.user).into_iter().map(|keypair| keypair.access_key).collect();
    assert_eq!(left, std::slice::from_ref(&before.keypair.access_key));
    for gone in [&at_that_moment, &since, &rotated] {
        assert_eq!(code_of(&world, gone), "invalid_credentials");
    }
    assert_eq!(code_of(&world, &before), "logged_in", "the owner's own, until the overlap of the rotation ends");
    let removed = world.trail().iter().filter(|event| *event == "keypair.deleted success").count();
    assert_eq!(removed, 3, "{:?}", world.trail());
}

/// The counter of an access key, as the engine's seal key makes it.
fn counter(issued: &IssuedKeypair) -> LockoutSubject {
    let access_key = issued.keypair.access_key.as_str().as_bytes();
    LockoutSubject::AccessKey(SealKeys::new(&[7; 32], &[]).fingerprint("access key", &[access_key]))
}

fn restriction(world: &World, subject: &LockoutSubject) -> Option<Restriction> {
    block_on(world.store.restriction(subject, world.engine.now())).unwrap()
}

/// An account with a keypair whose count is closed: no time opens it.
fn closed() -> (World, Session, IssuedKeypair) {
    let world = world(|policy| {
        policy.lockout.escalate = true;
        policy.keypairs.rotation_overlap = std::time::Duration::ZERO;
    });
    world.add(ADA, None);
    let issued = create(&world, &world.log_in(ADA).session).unwrap();
    for _ in 0..100 {
        code(&world, issued.keypair.access_key.as_str(), "wrong");
        world.pass(86_400);
    }
    assert_eq!(restriction(&world, &counter(&issued)), Some(Restriction::Closed));
    let session = world.log_in(ADA).session;
    (world, session, issued)
}

#[test]
fn gu7_a_count_that_is_closed_goes_with_its_keypair() {
    let client = Client::default();
    let (world, session, issued) = closed();
    block_on(world.engine.delete_keypair(&session, &issued.keypair.access_key, &client)).unwrap();
    assert_eq!(restriction(&world, &counter(&issued)), None, "deleted");
    let (world, session, issued) = closed();
    block_on(world.engine.rotate_keypair(&session, &issued.keypair.access_key, &client)).unwrap();
    assert_eq!(restriction(&world, &counter(&issued)), None, "rotated, and nothing is left of the old one");
}

#[test]
fn gu7_every_count_of_an_account_goes_with_it_whoever_deletes_it() {
    for by_owner in [true, false] {
        let (world, session, issued) = closed();
        let token = world.log_in(ADA).token;
        for _ in 0..100 {
            world.login(ADA, "wrong").unwrap_err();
            world.pass(86_400);
        }
        let account = LockoutSubject::Account(session.user);
        assert_eq!(restriction(&world, &account), Some(Restriction::Closed));
        if by_owner {
            // The owner is let in to give the password, as an administrator would.
            block_on(world.store.lift(&account, doorwarden_core::lockout::Forgiven::All, world.engine.now())).unwrap();
            let token = world.log_in(ADA).token;
            let password = Some(Password::new(PASSWORD.to_owned()));
            block_on(world.engine.delete_account(&token, password, None, &Client::default())).map_err(refusal).unwrap();
        } else {
            block_on(world.engine.delete_user(session.user, &Client::default())).unwrap();
        }
        assert!(block_on(world.engine.check(&token)).is_err());
        assert!(block_on(world.store.user(UserKey::Id(session.user))).unwrap().is_none());
        assert_eq!(restriction(&world, &account), None, "by its owner: {by_owner}");
        assert_eq!(restriction(&world, &counter(&issued)), None, "by its owner: {by_owner}");
        assert!(of(&world, session.user).is_empty());
        assert_eq!(code_of(&world, &issued), "invalid_credentials");
    }
}

#[test]
fn gu7_an_administrators_unlock_opens_the_accounts_access_keys_too() {
    let (world, session, issued) = closed();
    assert_eq!(code_of(&world, &issued), "locked_out");
    assert!(block_on(world.engine.unlock(session.user, &Client::default())).unwrap(), "something stood");
    assert_eq!(code_of(&world, &issued), "logged_in");
    assert!(!block_on(world.engine.unlock(session.user, &Client::default())).unwrap(), "nothing stands any more");
}

#[test]
fn an_export_lists_keypairs_and_a_deletion_removes_them() {
    let world = world(|_| {});
    world.add(ADA, None);
    let login = world.log_in(ADA);
    let issued = labelled(&world, &login.session, "nightly");
    let export = block_on(world.engine.export_account(&login.session, None, 10)).unwrap();
    assert_eq!((export.keypairs.as_slice(), export.more_keypairs), (&[issued.keypair.clone()][..], None));
    assert!(!format!("{export:?}").contains(issued.secret_key.expose()));
    let password = Some(Password::new(PASSWORD.to_owned()));
    block_on(world.engine.delete_account(&login.token, password, None, &Client::default())).unwrap();
    assert!(of(&world, login.session.user).is_empty());
    assert_eq!(code_of(&world, &issued), "invalid_credentials");
}
