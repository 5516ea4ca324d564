//! Accounts: from the first password to the last session.

use std::path::Path;

use doorwarden::core::client::Client;
use doorwarden::core::login::LoginStep;
use doorwarden::core::password::Password;
use doorwarden::core::sign_up::SignUpForm;
use doorwarden::core::totp::TypedCode;
use futures_executor::block_on;

use crate::machine::{Machine, PASSWORD, log_in};

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn an_account_is_added_listed_disabled_enabled_and_unlocked() {
    let machine = Machine::new();
    assert_eq!(machine.add_ada(), "ada@example.org: added as user, with a password\n");
    let service = machine.service();
    let enter = |password| log_in(&service, "ada", password, Client::default());

    let listed = machine.done(&["user", "list"]);
    let rows: Vec<_> = listed.lines().map(words).collect();
    assert_eq!(rows[0], ["e-mail", "username", "full", "name", "role", "status", "verified", "created", "id"]);
    assert_eq!(rows[1][..6], ["ada@example.org", "ada", "-", "user", "active", "no"]);
    assert_eq!(rows.len(), 2);

    let LoginStep::LoggedIn(login) = enter(PASSWORD).unwrap() else { panic!("no session") };
    let disabled = machine.done(&["user", "disable", "ADA@example.org"]);
    assert_eq!(disabled, "ada@example.org: disabled, its sessions are ended\n");
    assert!(block_on(service.check(&login.token)).is_err(), "the session outlived its account");
    assert_eq!(enter(PASSWORD).unwrap_err(), "account_disabled");
    assert_eq!(words(machine.done(&["user", "list"]).lines().nth(1).unwrap())[4], "disabled");

    assert_eq!(machine.done(&["user", "enable", "ada"]), "ada@example.org: enabled\n");
    assert_eq!(machine.done(&["user", "unlock", "ada"]), "ada@example.org: wasn't restricted\n");
    for _ in 0..11 {
        assert_eq!(enter("wrong").unwrap_err(), "invalid_credentials");
    }
    assert_eq!(enter(PASSWORD).unwrap_err(), "locked_out");
    assert_eq!(machine.done(&["user", "unlock", "Ada"]), "ada@example.org: unlocked\n");

    let LoginStep::LoggedIn(login) = enter(PASSWORD).unwrap() else { panic!("no session") };
    assert_eq!(machine.done(&["user", "end-sessions", "ada"]), "ada@example.org: its sessions are ended\n");
    assert!(block_on(service.check(&login.token)).is_err());

    let demanded = machine.done(&["user", "demand-password-change", "ada"]);
    assert_eq!(demanded, "ada@example.org: must change the password at the next login\n");
    assert!(matches!(enter(PASSWORD), Ok(LoginStep::PasswordChangeRequired { .. })));

    let told = machine.run(&["audit", "--user", "ada", "--json"]).json_lines();
    let names: Vec<_> = told.iter().map(|event| event["name"].as_str().unwrap()).collect();
    let changes: Vec<_> =
        names.into_iter().filter(|name| *name == "user.changed" || *name == "login.unlocked").collect();
    let expected = ["user.changed", "user.changed", "user.changed", "login.unlocked", "login.unlocked", "user.changed"];
    assert_eq!(changes, expected);
}

#[test]
fn ot3_one_time_passwords_are_reset_and_the_sessions_ended() {
    let machine = Machine::new();
    machine.add_ada();
    let service = machine.service();
    let enter = || log_in(&service, "ada", PASSWORD, Client::default()).unwrap();
    let LoginStep::LoggedIn(login) = enter() else { panic!("no session") };
    assert_eq!(machine.done(&["user", "reset-totp", "ada"]), "ada@example.org: has no one-time passwords\n");

    let (client, password) = (Client::default(), Some(Password::new(PASSWORD.to_owned())));
    let (ticket, setup) = block_on(service.totp_setup(&login.session, password, &client)).unwrap();
    let secret = totp_rs::Secret::try_from_base32(setup.secret()).unwrap();
    let code = totp_rs::Builder::new().with_secret(secret).build().unwrap().generate_current().to_string();
    block_on(service.totp_confirm(&login.session, &ticket, &TypedCode::new(code), &client)).unwrap();

    let reset = machine.done(&["user", "reset-totp", "ADA@example.org"]);
    assert_eq!(reset, "ada@example.org: its one-time passwords are removed, its sessions are ended\n");
    assert!(block_on(service.check(&login.token)).is_err(), "the session outlived the reset");
    assert!(matches!(enter(), LoginStep::LoggedIn(_)), "the password is enough again");
    assert_eq!(machine.run(&["user", "reset-totp", "ada", "--json"]).json()["reset"], false);
}

#[test]
fn the_same_story_in_json() {
    let machine = Machine::new();
    let add = ["user", "add", "--email", "Ada@Example.org", "--username", "Ada", "--role", "operator"];
    let add = [&add[..], &["--password-stdin", "--verified", "--json"]].concat();
    let added = machine.run_with(&add, PASSWORD.as_bytes()).json();
    let id = added["user"]["id"].as_str().unwrap();
    let expected = serde_json::json!({
        "id": id, "email": "Ada@Example.org", "username": "Ada", "fields": {}, "role": "operator", "status": "active",
        "email_verified": true, "has_password": true, "created_at": added["user"]["created_at"],
    });
    assert_eq!(added["user"], expected);
    assert_eq!(machine.run(&["user", "list", "--json"]).json_lines(), [expected]);
    assert_eq!(machine.run(&["--json", "user", "disable", "ada"]).json()["user"]["status"], "disabled");
    assert_eq!(machine.run(&["user", "--json", "enable", "ada"]).json()["user"]["status"], "active");
    let unlocked = machine.run(&["user", "unlock", "ada", "--json"]).json();
    assert_eq!((&unlocked["user"]["id"], &unlocked["unlocked"]), (&added["user"]["id"], &false.into()));
    assert_eq!(machine.run(&["user", "end-sessions", "ada", "--json"]).json()["user"]["id"], id);
}

#[test]
fn what_is_refused_ends_with_1_and_is_told_with_its_code() {
    let machine = Machine::new();
    machine.add_ada();
    let add = |email, more: &[&'static str]| [&["user", "add", "--email", email][..], more].concat();
    let linked = |email| add(email, &["--print-link"]);
    let named = |username| add("eve@example.org", &["--print-link", "--username", username]);
    let cases = [
        (linked("ADA@example.org"), "email_taken", "the e-mail address has an account already"),
        (named("Ada"), "username_taken", "the username is taken"),
        (named("\u{430}da"), "username_taken", "the username is taken"),
        (named("a b"), "invalid_username", "the username isn't valid: "),
        (linked("eve"), "invalid_email", "the e-mail address isn't valid: "),
        (add("eve@example.org", &["--password-stdin"]), "password_too_weak", "the password doesn't meet every rule: "),
        (vec!["user", "disable", "eve@example.org"], "not_found", "no account has this e-mail address or username"),
        (vec!["user", "enable", "\u{430}da"], "not_found", "no account has"),
        (vec!["user", "unlock", ""], "not_found", "no account has"),
        (vec!["user", "end-sessions", "a b"], "not_found", "no account has"),
        (vec!["user", "show", "eve"], "not_found", "no account has"),
        (vec!["user", "role", "eve", "admin"], "not_found", "no account has"),
        (vec!["user", "delete", "eve", "--yes"], "not_found", "no account has"),
        (vec!["audit", "--user", "eve"], "not_found", "no account has"),
    ];
    for (arguments, code, detail) in cases {
        let ran = machine.run(&arguments);
        assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(ran.complaint.starts_with(detail), "{arguments:?}: {}", ran.complaint);
        assert_eq!(ran.complaint.lines().count(), 1);
        let told = machine.run(&[&arguments[..], &["--json"]].concat());
        assert_eq!((told.status, &told.json()["code"], &told.complaint), (Some(1), &code.into(), &ran.complaint));
        assert_eq!(told.json()["detail"], ran.complaint.trim_end());
    }
    assert_eq!(machine.done(&["user", "list"]).lines().count(), 2, "a refused account was kept");
}

#[test]
fn f10_a_weak_password_is_refused_with_every_rule() {
    let machine = Machine::with_file("password = { bcrypt_cost = 4, forbid_identifiers = true, forbid_common = true }");
    let add = ["user", "add", "--email", "ada@example.org", "--username", "lovelace", "--password-stdin", "--json"];
    for (password, unmet) in [
        ("", &["min_length", "letter", "digit", "special"][..]),
        ("\n correct horse 1!", &["min_length", "letter", "digit", "special"]),
        ("horse\n", &["min_length", "digit", "special", "common"]),
        ("LoveLace 1!\r\n", &["identifier"]),
        ("a\0b\u{7}\n", &["min_length", "digit", "special", "nul", "control"]),
        ("password1!", &["common"]),
        (&"a1! ".repeat(200), &["max_length"]),
        (&"x".repeat(1_000_000), &["max_length"]),
    ] {
        let ran = machine.run_with(&add, password.as_bytes());
        assert_eq!((ran.status, &ran.json()["code"]), (Some(1), &"password_too_weak".into()));
        assert_eq!(ran.json()["unmet"], serde_json::json!(unmet), "{:?}", password.get(..20));
        assert_eq!(ran.complaint.trim_end(), format!("the password doesn't meet every rule: {}", unmet.join(", ")));
    }
    assert_eq!(machine.run_with(&add, b"\xff\xfe 1aaaaaaa!\n").status, Some(2));
    assert_eq!(machine.run_with(&add, "correct horse 1!\r\nmore".as_bytes()).status, Some(0));
    assert!(log_in(&machine.service(), "lovelace", PASSWORD, Client::default()).is_ok());
}

#[test]
fn pw7_a_second_add_of_the_same_address_leaves_the_first_password() {
    let machine = Machine::new();
    machine.add_ada();
    let again = ["user", "add", "--email", "ada@example.org", "--password-stdin"];
    assert_eq!(machine.run_with(&again, b"another horse 2!").status, Some(1));
    let service = machine.service();
    assert!(log_in(&service, "ada", PASSWORD, Client::default()).is_ok());
    assert_eq!(log_in(&service, "ada", "another horse 2!", Client::default()).unwrap_err(), "invalid_credentials");
}

#[test]
fn wrong_usage_and_what_is_not_built_in_end_with_2() {
    let machine = Machine::new();
    for (arguments, complaint) in [
        (&["user"][..], "Usage: doorwarden user"),
        (&["user", "disabel", "ada"], "a similar subcommand exists: 'disable'"),
        (&["user", "add"], "--email <EMAIL>"),
        (&["user", "add", "--email", "a@b.example", "--role", "Chief Guard"], "a role is 1 to 64 of a-z, 0-9, - and _"),
        (&["user", "add", "--email", "a@b.example", "--password", "x"], "--password-stdin"),
        (&["user", "add", "--email", "a@b.example", "--verified"], "--password-stdin"),
        (&["user", "add", "--email", "a@b.example", "--password-stdin", "--print-link"], "cannot be used with"),
        (&["user", "role", "ada", "Chief Guard"], "a role is 1 to 64 of a-z, 0-9, - and _"),
        (&["user", "role", "ada"], "<ROLE>"),
        (&["user", "list", "--limit", "0"], "--limit <N>"),
        (&["audit", "--name", "user.chnged"], "a similar value exists: 'user.changed'"),
    ] {
        let ran = machine.run(arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}");
        assert!(ran.complaint.contains(complaint), "{arguments:?}: {}", ran.complaint);
    }
    assert!(!machine.path().join("doorwarden.db").exists(), "nothing of it needs a store");
}

#[test]
fn fa9_a_list_goes_through_all_pages_or_to_its_limit() {
    let machine = Machine::new();
    let service = machine.service();
    for number in 0..450 {
        let form = doorwarden::core::administration::NewUser {
            email: format!("user-{number}@example.org"),
            username: None,
            password: None,
            role: doorwarden::core::user::Role::user(),
            email_verified: false,
        };
        block_on(service.add_user(form, &Client::default())).unwrap();
    }
    let count = |arguments: &[&str]| machine.run(&[&["user", "list"][..], arguments].concat()).out.lines().count();
    assert_eq!(count(&[]), 451);
    assert_eq!(count(&["--json"]), 450);
    assert_eq!(count(&["--json", "--limit", "200"]), 200);
    assert_eq!(count(&["--json", "--limit", "201"]), 201);
    assert_eq!(count(&["--json", "--limit", "1000"]), 450);
    assert_eq!(count(&["--json", "--query", "USER-44"]), 11);
    assert_eq!(count(&["--json", "--query", "user-44", "--limit", "5"]), 5);
    assert_eq!(count(&["--query", "nobody"]), 1);
    assert_eq!(machine.done(&["audit", "--json"]).lines().count(), 450);
    assert_eq!(machine.done(&["audit", "--json", "--limit", "201"]).lines().count(), 201);
}

#[test]
fn fa5_a_full_name_can_neither_turn_its_line_nor_end_it() {
    let machine = Machine::new();
    let form = SignUpForm {
        full_name: Some("Ada \u{202e}nimda\u{2066}\u{2028}Byron".to_owned()),
        ..SignUpForm::new("ada@example.org", Password::new(PASSWORD.to_owned()), Client::default())
    };
    let refused = block_on(machine.service().sign_up(form)).unwrap_err().to_string();
    assert!(refused.contains("full_name may not have control characters"), "{refused}");
    assert_eq!(machine.run(&["user", "list", "--json"]).out, "");
}

#[test]
fn fa4_no_password_or_token_is_printed_or_stored() {
    const CANARY: &str = "canary-Tr0ub4dor&3";
    let machine = Machine::new();
    let add = ["user", "add", "--email", "ada@example.org", "--username", "ada", "--password-stdin"];
    let mut printed = Vec::new();
    for arguments in
        [&add[..], &add, &["user", "add", "--email", "eve@example.org", "--username", "ada", "--password-stdin"]]
    {
        printed.push(machine.run_with(arguments, CANARY.as_bytes()));
        printed.push(machine.run_with(&[arguments, &["--json"]].concat(), CANARY.as_bytes()));
    }
    let service = machine.service();
    let LoginStep::LoggedIn(login) = log_in(&service, "ada", CANARY, Client::default()).unwrap() else {
        panic!("no session")
    };
    // Typed into the wrong field.
    assert!(log_in(&service, CANARY, "x", Client::default()).is_err());
    for arguments in [&["audit"][..], &["user", "list"], &["user", "disable", "ada"], &["user", "unlock", CANARY]] {
        printed.push(machine.run(arguments));
        printed.push(machine.run(&[arguments, &["--json"]].concat()));
    }
    for secret in [CANARY, login.token.expose().as_str()] {
        assert!(printed.iter().all(|ran| !format!("{}{}", ran.out, ran.complaint).contains(secret)));
        assert_eq!(files_with(secret.as_bytes(), machine.path()), Vec::<String>::new());
    }
    assert!(!files_with(b"ada@example.org", machine.path()).is_empty(), "the search finds what is there");
}

fn files_with(secret: &[u8], folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let found = files.filter(|path| std::fs::read(path).unwrap().windows(secret.len()).any(|bytes| bytes == secret));
    found.map(|path| path.display().to_string()).collect()
}
