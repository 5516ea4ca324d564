//! Rows L4, PW3, PW5, EX1 and F16 for hashes that other systems made, and `password.scheme`.

use doorwarden_core::client::Client;
use doorwarden_core::login::LoginStep;
use doorwarden_core::password::{HashScheme, Password, PasswordHash};
use doorwarden_core::session::OnConflict;
use doorwarden_core::store::{Change, Directory, UserKey, Write};
use doorwarden_core::user::{User, UserId};
use futures_executor::block_on;

use crate::world::{PASSWORD, WRONG, World, policy};

/// Of `correct horse 1!`, by Python: each scheme as a system that people come from writes it.
const HASHES: [(&str, &str); 7] = [
    ("devise", "$2a$04$PcS6nhSWZbDtbBKXl/Vedekv3obVNa5v5f3Kn9XQQStFzBgnrK5HG"),
    ("django", "pbkdf2_sha256$10$saltsaltsaltsalt$g8QUWyKZRj44FxzKZY4FO5iJhvxiS7N4dV3mDjkuGeU="),
    ("django bcrypt", "bcrypt_sha256$$2b$04$mlE0sdbek7hzo4d7qiUW..SRgimxNUrjxmEvIEzVjDZfRFjiYRyqW"),
    (
        "werkzeug",
        "scrypt:512:8:1$7BseLB8TcZlJouST$9c309a255392d1a795f941cbb5b4df31d8c6a4c355972e0ca2ab8e733a5a754dfd0743c3088e8f24e47eda4fc645d0edb9707ae45c67f4b209ff7d3c3f60dc85",
    ),
    ("spring", "{scrypt}$10101$AAECAwQFBgcICQoLDA0ODw==$RTP63o4IwFUfpYjhn5ybDMmoiaJctS1W6cQh7QXQXVw="),
    ("argon2", "$argon2id$v=19$m=8,t=1,p=1$NmKfkCa9hiIAWJ5jG+yMbQ$dOXcqC0bdOV9+71WGRW72lj4yG0pTSPnWzw6WK/r5h8"),
    (
        "keycloak",
        "$pbkdf2-sha512$i=10$AAECAwQFBgcICQoLDA0ODw$ZxX4lESpjpSPieLp1UT6RezCxseqrccqlO1buVa95GhnM6y4jm/mocMhMwTyIvnoAoJq+22fL9j4teNH9WnOyg",
    ),
];

fn stored(world: &World, id: UserId) -> User {
    block_on(world.store.user(UserKey::Id(id))).unwrap().unwrap()
}

fn hash_text(user: &User) -> String {
    serde_json::to_value(user.password.as_ref().unwrap()).unwrap().as_str().unwrap().to_owned()
}

fn give(world: &World, user: &User, hash: PasswordHash) {
    let mut changed = stored(world, user.id);
    changed.password = Some(hash);
    block_on(world.store.commit(&[Change::User(Write::Update(changed))])).unwrap();
}

fn many_sessions() -> World {
    World::new(|policy| policy.session.on_conflict = OnConflict::Allow)
}

#[test]
fn l4_an_imported_hash_of_every_scheme_logs_in_and_is_replaced_by_ours() {
    let world = many_sessions();
    let user = world.add("ada@example.org", None);
    for (system, text) in HASHES {
        give(&world, &user, PasswordHash::imported(text).unwrap());
        assert_eq!(world.code("ada@example.org", WRONG), "invalid_credentials", "{system}");
        assert!(hash_text(&stored(&world, user.id)).starts_with("imported:"), "{system}");
        assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in", "{system}");
        assert!(hash_text(&stored(&world, user.id)).starts_with("$2b$04$"), "{system}");
        assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in", "{system}");
    }
}

#[test]
fn l4_password_scheme_is_followed_there_and_back() {
    let world = many_sessions();
    let user = world.add("ada@example.org", None);
    let set = |scheme| {
        let mut policy = policy();
        policy.session.on_conflict = OnConflict::Allow;
        policy.password.scheme = scheme;
        block_on(world.engine.set_policy(policy)).unwrap();
    };
    for (scheme, form) in [
        (HashScheme::Bcrypt, "$2b$04$"),
        (HashScheme::Argon2id, "$argon2id$v=19$m=19456,t=2,p=1$"),
        (HashScheme::Bcrypt, "$2b$04$"),
    ] {
        set(scheme);
        assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
        assert!(hash_text(&stored(&world, user.id)).starts_with(form), "{scheme:?}");
    }
    set(HashScheme::Argon2id);
    let new = world.add("eve@example.org", None);
    assert!(hash_text(&stored(&world, new.id)).starts_with("$argon2id$"), "a new one follows it too");
    for identifier in ["eve@example.org", "nobody@example.org"] {
        let before = world.engine.hash_evaluations();
        assert_eq!(world.code(identifier, WRONG), "invalid_credentials");
        assert_eq!(world.engine.hash_evaluations() - before, 1, "{identifier}: one of argon2id for whoever is named");
    }
}

#[test]
fn ex1_f16_a_wrong_password_costs_one_evaluation_of_an_imported_hash_and_its_padding() {
    let world = World::new(|policy| policy.lockout.max_failures = 1_000);
    let user = world.add("ada@example.org", None);
    let spent = |identifier: &str, password: &str| {
        let before = world.engine.hash_evaluations();
        world.code(identifier, password);
        world.engine.hash_evaluations() - before
    };
    for (system, text) in HASHES {
        give(&world, &user, PasswordHash::imported(text).unwrap());
        // A dummy of cost 4, the cheapest there is, where the imported one costs next to nothing.
        let of_wrong = spent("ada@example.org", WRONG);
        assert!((1..=2).contains(&of_wrong), "{system}: {of_wrong}");
        assert_eq!(spent("ada@example.org", ""), of_wrong, "{system}");
    }
    let mut dearer = policy();
    dearer.lockout.max_failures = 1_000;
    dearer.password.scheme = HashScheme::Argon2id;
    block_on(world.engine.set_policy(dearer)).unwrap();
    for (system, text) in HASHES {
        give(&world, &user, PasswordHash::imported(text).unwrap());
        assert_eq!(spent("ada@example.org", WRONG), 2, "{system}: its own, and a dummy for the rest");
        assert_eq!(spent("ada@example.org", ""), 2, "{system}");
    }
    assert_eq!(spent("nobody@example.org", WRONG), 1);
}

#[test]
fn pw3_a_cut_hash_opens_nothing_before_another_password_is_set() {
    let world = many_sessions();
    let user = world.add("ada@example.org", None);
    let (old, other) = (format!("correct horse 1!{}", "x".repeat(64)), format!("correct horse 1!{}y", "x".repeat(56)));
    assert_eq!((old.len(), other.len()), (80, 73));
    let cut = PasswordHash::imported("bcrypt$$2b$04$OBwPWzzbT86k8mfJlnC5SeUpxk7Ra9jwki3f1CWfY5rFnxByNg9rm")
        .unwrap()
        .cut_at_72();
    give(&world, &user, cut);
    // Both begin with the 72 bytes that were compared: nobody knows which one it was.
    for typed in [&old, &other] {
        let LoginStep::PasswordChangeRequired { ticket } = world.login("ada@example.org", typed).unwrap() else {
            panic!("another step")
        };
        assert!(hash_text(&stored(&world, user.id)).starts_with("imported-cut-72:"), "unchecked bytes were hashed");
        let again =
            block_on(world.engine.change_due_password(&ticket, Password::new(typed.clone()), &Client::default()));
        assert!(again.is_err(), "the new one may not be the old");
    }
    let LoginStep::PasswordChangeRequired { ticket } = world.login("ada@example.org", &old).unwrap() else {
        panic!("another step")
    };
    let set = Password::new("another horse 2!".to_owned());
    let step = block_on(world.engine.change_due_password(&ticket, set, &Client::default())).unwrap();
    assert!(matches!(step, LoginStep::LoggedIn(_)), "{step:?}");
    assert_eq!(world.code("ada@example.org", &old), "invalid_credentials", "it worked once");
    assert_eq!(world.code("ada@example.org", "another horse 2!"), "logged_in");
    let demanded = world.trail().iter().filter(|line| *line == "user.changed success").count();
    assert_eq!(demanded, 2, "added, and demanded once");
}

#[test]
fn pw3_without_the_mark_nothing_is_cut() {
    let world = many_sessions();
    let user = world.add("ada@example.org", None);
    give(
        &world,
        &user,
        PasswordHash::imported("bcrypt$$2b$04$OBwPWzzbT86k8mfJlnC5SeUpxk7Ra9jwki3f1CWfY5rFnxByNg9rm").unwrap(),
    );
    assert_eq!(world.code("ada@example.org", &format!("correct horse 1!{}", "x".repeat(64))), "invalid_credentials");
}

#[test]
fn pw2_what_ours_would_not_take_stays_with_the_imported_hash() {
    let world = many_sessions();
    let user = world.add("ada@example.org", None);
    give(
        &world,
        &user,
        PasswordHash::imported(
            "pbkdf2:sha256:10$lxmEifpG65RvwoRM$d03b961e40def2e4368b3f4328cded3266e6d59b9b02453b5c47ad3d6bd686be",
        )
        .unwrap(),
    );
    for _ in 0..2 {
        assert_eq!(world.code("ada@example.org", "tab\there 1!"), "logged_in");
        assert!(hash_text(&stored(&world, user.id)).starts_with("imported:"));
    }
}
