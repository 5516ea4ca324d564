//! Rows PW3, PW4, NA1 and FA1 for accounts that are taken over from another system.

use doorwarden_core::audit::AuditName;
use doorwarden_core::client::Client;
use doorwarden_core::error::Failure;
use doorwarden_core::import::{ForeignHash, ImportRefusal, Imported, ImportedUser};
use doorwarden_core::sign_up::FieldPolicy;
use doorwarden_core::store::{Change, Directory, UserKey, Write};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::{User, UserStatus};
use futures_executor::block_on;

use crate::faults::at_every_call;
use crate::world::{World, refusal};

/// Of `correct horse 1!`, as Devise writes it.
const HASH: &str = "$2a$04$PcS6nhSWZbDtbBKXl/Vedekv3obVNa5v5f3Kn9XQQStFzBgnrK5HG";

fn ada() -> ImportedUser {
    ImportedUser {
        username: Some("ada".to_owned()),
        password_hash: Some(ForeignHash::new(HASH.to_owned(), false)),
        ..ImportedUser::new("Ada@Example.org")
    }
}

fn import(world: &World, form: &ImportedUser) -> Result<Imported, ImportRefusal> {
    let checked = block_on(world.engine.check_import(form)).map_err(refusal);
    let done = block_on(world.engine.import_user(form, &Client::default())).map_err(refusal);
    let kind = |answer: &Result<Imported, ImportRefusal>| match answer {
        Ok(Imported::New(_)) => "new".to_owned(),
        Ok(_) => "already there".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    assert_eq!(kind(&checked), kind(&done), "the check foretells the import");
    done
}

fn by_email(world: &World, key: &str) -> Option<User> {
    block_on(world.store.user(UserKey::Email(key))).unwrap()
}

#[test]
fn pw3_an_account_is_taken_over_whole_and_once() {
    let world = World::new(|policy| {
        let text = r#"{ "name": "team", "label": "Team" }"#;
        policy.sign_up.fields = vec![serde_json::from_str::<FieldPolicy>(text).unwrap()];
    });
    let made = Timestamp::from_millis(1_500_000_000_000);
    let form = ImportedUser {
        full_name: Some(" Ada Byron ".to_owned()),
        role: Some("team-lead".to_owned()),
        must_change_password: true,
        fields: [("team".to_owned(), "blue".to_owned())].into(),
        created_at: Some(made),
        ..ada()
    };
    let Imported::New(told) = import(&world, &form).unwrap() else { panic!("it is new") };
    let user = by_email(&world, "ada@example.org").unwrap();
    assert_eq!(*told, user);
    assert_eq!((user.full_name.as_deref(), user.role.name()), (Some("Ada Byron"), "team-lead"));
    assert_eq!((user.created_at, user.must_change_password), (made, true));
    assert_eq!((user.fields["team"].as_str(), user.status), ("blue", UserStatus::Active));
    assert!(user.email_verified_at.is_some() && user.password.is_some());
    assert_eq!(import(&world, &form), Ok(Imported::AlreadyThere));
    assert_eq!(world.trail(), ["user.imported success"]);
    let events = block_on(world.engine.audit(&Default::default(), 9)).unwrap();
    assert_eq!((events[0].1.name, events[0].1.user), (AuditName::UserImported, Some(user.id)));
    assert!(!format!("{events:?} {form:?}").contains("PcS6nhSWZ"));
}

#[test]
fn pw7_what_became_of_an_imported_account_stands_when_it_comes_again() {
    let world = World::new(|_| {});
    import(&world, &ada()).unwrap();
    let user = by_email(&world, "ada@example.org").unwrap();
    assert_eq!(world.code("ada@example.org", "correct horse 1!"), "logged_in");
    block_on(world.engine.set_status(user.id, UserStatus::Disabled, &Client::default())).unwrap();
    let stored = by_email(&world, "ada@example.org").unwrap();
    assert_eq!(import(&world, &ada()), Ok(Imported::AlreadyThere));
    assert_eq!(by_email(&world, "ada@example.org"), Some(stored.clone()));

    block_on(world.store.commit(&[Change::User(Write::Delete(stored))])).unwrap();
    assert_eq!(import(&world, &ada()), Ok(Imported::AlreadyThere));
    assert_eq!(by_email(&world, "ada@example.org"), None, "a deleted account came back");
}

#[test]
fn na1_an_address_or_name_that_another_account_has_is_refused() {
    let world = World::new(|_| {});
    import(&world, &ada()).unwrap();
    let other = |email: &str, username: Option<&str>| {
        let form = ImportedUser { username: username.map(str::to_owned), ..ImportedUser::new(email) };
        import(&world, &form).map_err(|refusal| (refusal.field().to_owned(), refusal.code()))
    };
    assert_eq!(other("ADA@example.org", None), Err(("email".to_owned(), "email_taken")));
    assert_eq!(other("eve@example.org", Some("\u{430}da")), Err(("username".to_owned(), "username_taken")));
    let cut = ImportedUser { password_hash: Some(ForeignHash::new(HASH.to_owned(), true)), ..ada() };
    assert_eq!(import(&world, &cut).unwrap_err().code(), "email_taken", "it isn't the same account");
    assert_eq!(world.trail(), ["user.imported success"]);
}

#[test]
fn pw4_what_breaks_a_rule_is_refused_by_field_and_reason_without_the_hash() {
    let world = World::new(|policy| policy.sign_up.domains = vec!["example.org".to_owned()]);
    let hash = |text: &str| Some(ForeignHash::new(text.to_owned(), false));
    let plain = || ImportedUser::new("eve@example.org");
    for (form, field, code) in [
        (ImportedUser::new("eve"), "email", "invalid_email"),
        (ImportedUser::new("eve@example.com"), "email", "sign_up_refused"),
        (ImportedUser { username: Some("a b".to_owned()), ..plain() }, "username", "invalid_username"),
        (ImportedUser { full_name: Some("a\u{202e}b".to_owned()), ..plain() }, "full_name", "invalid_request"),
        (ImportedUser { full_name: Some("a".repeat(201)), ..plain() }, "full_name", "invalid_request"),
        (ImportedUser { role: Some("Chief Guard".to_owned()), ..plain() }, "role", "invalid_request"),
        (ImportedUser { fields: [("x".to_owned(), "y".to_owned())].into(), ..plain() }, "fields.x", "invalid_request"),
        (
            ImportedUser { created_at: Some(Timestamp::from_millis(1_900_000_000_000)), ..plain() },
            "created_at",
            "invalid_request",
        ),
        (ImportedUser { created_at: Some(Timestamp::from_millis(-1)), ..plain() }, "created_at", "invalid_request"),
        (ImportedUser { password_hash: hash("canary-hash"), ..plain() }, "password_hash", "hash_unsupported"),
        (ImportedUser { password_hash: hash("$2b$04$canary"), ..plain() }, "password_hash", "hash_malformed"),
        (
            ImportedUser { password_hash: hash(&HASH.replace("$04$", "$31$")), ..plain() },
            "password_hash",
            "hash_out_of_bounds",
        ),
    ] {
        let refusal = import(&world, &form).unwrap_err();
        assert_eq!((refusal.field(), refusal.code()), (field, code), "{refusal}");
        assert!(!refusal.to_string().contains("canary") && !refusal.to_string().contains("PcS6"), "{refusal}");
        assert!(refusal.to_string().starts_with(field), "{refusal}");
    }
    assert!(!block_on(world.store.has_users()).unwrap());
    assert_eq!(world.trail(), [""; 0]);
    assert_eq!(world.engine.hash_evaluations(), 0, "an import evaluates nothing");
}

#[test]
fn ph1_a_sign_up_that_waits_lapses_when_its_address_is_imported() {
    let world = World::new(|_| {});
    world.sign_up("ada@example.org").unwrap();
    import(&world, &ada()).unwrap();
    let link = world.links().remove(0);
    assert!(block_on(world.engine.verify_email(&link, &Client::default())).is_err());
}

#[test]
fn fa1_an_account_is_imported_whole_or_not_and_never_called_taken() {
    at_every_call(
        |_| (),
        |broken, ()| match block_on(broken.engine.import_user(&ada(), &Client::default())) {
            Ok(Imported::New(user)) => Some(*user),
            Ok(other) => panic!("{other:?}"),
            Err(Failure::Fault(_)) => None,
            Err(Failure::Refused(refusal)) => panic!("{refusal}"),
        },
        |broken, (), told, at| {
            let before = broken.user("ada@example.org");
            assert!(told.is_none() || told == before, "{at}");
            let again = block_on(broken.engine.import_user(&ada(), &Client::default())).unwrap();
            assert_eq!(again == Imported::AlreadyThere, before.is_some(), "{at}");
            let events = block_on(broken.engine.audit(&Default::default(), 9)).unwrap();
            assert_eq!(events.len(), 1, "{at}");
        },
    );
}

#[test]
fn fa1_one_account_imported_a_hundred_times_at_once_is_one() {
    let world = World::new(|_| {});
    let new = std::thread::scope(|scope| {
        let import = || block_on(world.engine.import_user(&ada(), &Client::default())).unwrap();
        let callers: Vec<_> = (0..100).map(|_| scope.spawn(import)).collect();
        let answers = callers.into_iter().map(|caller| caller.join().unwrap());
        answers.filter(|answer| *answer != Imported::AlreadyThere).count()
    });
    assert_eq!(new, 1);
}
