//! Accounts from CSV and JSON lines: what is refused, what a second run does, and who logs in afterwards.

use std::fmt::Write;

use doorwarden::core::client::Client;
use doorwarden::core::login::LoginStep;
use doorwarden::core::user::User;
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::machine::{Machine, PASSWORD, Ran, log_in};

/// Of [`PASSWORD`], by Python, as each system writes it.
const DJANGO: &str = "pbkdf2_sha256$10$saltsaltsaltsalt$g8QUWyKZRj44FxzKZY4FO5iJhvxiS7N4dV3mDjkuGeU=";
const DEVISE: &str = "$2a$04$PcS6nhSWZbDtbBKXl/Vedekv3obVNa5v5f3Kn9XQQStFzBgnrK5HG";
const WERKZEUG: &str = "scrypt:512:8:1$7BseLB8TcZlJouST$9c309a255392d1a795f941cbb5b4df31d8c6a4c355972e0ca2ab8e733a5a754dfd0743c3088e8f24e47eda4fc645d0edb9707ae45c67f4b209ff7d3c3f60dc85";

fn write(machine: &Machine, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(machine.path().join(name), text).unwrap();
}

fn import(machine: &Machine, arguments: &[&str]) -> Ran {
    machine.run(&[&["import", "users", "--json"], arguments].concat())
}

fn counts(ran: &Ran) -> [u64; 3] {
    let told = ran.json();
    assert_eq!(told["complete"], true, "{ran:?}");
    ["imported", "already_there", "refused"].map(|name| told[name].as_u64().unwrap())
}

fn stored(machine: &Machine, email: &str) -> User {
    block_on(machine.service().find_user(email)).unwrap().unwrap()
}

fn hash(user: &User) -> String {
    serde_json::to_value(user.password.as_ref().unwrap()).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn l4_people_of_other_systems_log_in_with_their_passwords_and_get_hashes_of_ours() {
    let machine = Machine::new();
    let people = [("django", DJANGO), ("devise", DEVISE), ("werkzeug", WERKZEUG)];
    let csv = people.map(|(name, hash)| format!("{name}@example.org,{name},{hash}\r\n")).concat();
    write(&machine, "users.CSV", format!("\u{feff}email,username,password_hash\r\n{csv}"));
    let told = machine.done(&["import", "users", "users.CSV"]);
    assert_eq!(told, "lines  are\n3      imported\n0      there already\n0      refused\n");
    for (name, foreign) in people {
        let email = format!("{name}@example.org");
        assert_eq!(hash(&stored(&machine, &email)), format!("imported:{foreign}"));
        let service = machine.service();
        assert_eq!(log_in(&service, name, "wrong horse 1!", Client::default()).unwrap_err(), "invalid_credentials");
        assert!(matches!(log_in(&service, name, PASSWORD, Client::default()), Ok(LoginStep::LoggedIn(_))), "{name}");
        assert!(hash(&stored(&machine, &email)).starts_with("$2b$04$"), "{name}");
    }
    assert_eq!(counts(&import(&machine, &["users.CSV"])), [0, 3, 0], "a login doesn't make it another account");
    let trail = machine.done(&["audit", "--name", "user.imported", "--json"]);
    assert_eq!(trail.lines().count(), 3);
    assert!(people.iter().all(|(_, hash)| !trail.contains(hash)));
}

#[test]
fn json_lines_hold_all_that_an_account_has() {
    let machine = Machine::with_file(
        "mail.transport = \"none\"\npassword.bcrypt_cost = 4\nsign_up.fields = [{ name = \"team\", label = \"Team\" }]\n",
    );
    let line = json!({
        "email": "Ada@Example.org", "username": "ada", "full_name": "Ada Byron", "role": "admin", "verified": false,
        "disabled": true, "must_change_password": true, "fields": {"team": "blue"}, "created_at": "2020-01-02T03:04:05Z",
    });
    write(&machine, "export", format!("{line}\n"));
    assert_eq!(import(&machine, &["export"]).status, Some(2), "its name says no format");
    assert_eq!(counts(&import(&machine, &["export", "--format", "jsonl"])), [1, 0, 0]);
    let listed = machine.run(&["user", "list", "--json"]).json_lines().remove(0);
    let expected = json!({
        "id": listed["id"], "email": "Ada@Example.org", "username": "ada", "full_name": "Ada Byron", "role": "admin",
        "email_verified": false, "status": "disabled", "fields": {"team": "blue"}, "has_password": false,
        "created_at": "2020-01-02T03:04:05Z",
    });
    assert_eq!(listed, expected);
    assert!(stored(&machine, "ada").must_change_password);
}

#[test]
fn pw4_a_bad_line_loses_only_itself_and_is_reported() {
    let machine = Machine::new();
    let mut file = b"email,username,password_hash\n".to_vec();
    for line in [
        b"one@example.org,one,\n".to_vec(),
        b"two@example.org,\"two,\n".to_vec(),
        b"three@example.org,\xff,\n".to_vec(),
        format!("four@example.org,{},\n", "x".repeat(70_000)).into_bytes(),
        format!("five@example.org,five,{}\n", DEVISE.replace("$04$", "$31$")).into_bytes(),
        b"ONE@example.org,other,\n".to_vec(),
        b"six@example.org,One,\n".to_vec(),
        b"\n".to_vec(),
        b"seven@example.org\n".to_vec(),
        b"eight@example.org,eight,".to_vec(),
    ] {
        file.extend(line);
    }
    write(&machine, "users.csv", file);
    let ran = import(&machine, &["users.csv", "--report", "refused.jsonl"]);
    assert_eq!((ran.status, counts(&ran)), (Some(1), [2, 0, 7]));
    let report = std::fs::read_to_string(machine.path().join("refused.jsonl")).unwrap();
    let rows: Vec<Value> = report.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["field"].as_str().unwrap_or("-"), row["code"].as_str().unwrap()))
        .collect();
    let expected = [
        (3, "-", "invalid_request"),
        (4, "-", "invalid_request"),
        (5, "-", "invalid_request"),
        (6, "password_hash", "hash_out_of_bounds"),
        (7, "email", "email_taken"),
        (8, "username", "username_taken"),
        (10, "-", "invalid_request"),
    ];
    assert_eq!(told, expected, "{report}");
    assert!(!report.contains("PcS6nhSWZ") && !ran.complaint.contains("PcS6nhSWZ"), "{report}");
    assert_eq!(ran.complaint.lines().count(), 7);
    assert!(ran.complaint.starts_with("line 3: has a quote that isn't closed"), "{}", ran.complaint);
    assert_eq!(machine.done(&["user", "list"]).lines().count(), 3);
    assert_eq!(counts(&import(&machine, &["users.csv"])), [0, 2, 7]);
}

#[test]
fn refused_lines_by_the_thousand_are_not_all_told() {
    let machine = Machine::new();
    write(&machine, "users.jsonl", "{}\n".repeat(1_000));
    let ran = import(&machine, &["users.jsonl"]);
    assert_eq!((ran.status, counts(&ran), ran.complaint.lines().count()), (Some(1), [0, 0, 1_000], 21));
}

#[test]
fn a_dry_run_foretells_and_changes_nothing() {
    let machine = Machine::new();
    machine.add_ada();
    let before = machine.done(&["audit"]);
    write(&machine, "users.csv", "email,role\nbob@example.org,\nada@example.org,\neve@example.org,Chief Guard\n");
    let ran = import(&machine, &["users.csv", "--dry-run"]);
    let told = json!({ "would_import": 1, "already_there": 0, "refused": 2, "complete": true });
    assert_eq!((ran.status, ran.json()), (Some(1), told));
    assert_eq!(machine.done(&["audit"]), before);
    assert_eq!(machine.done(&["user", "list"]).lines().count(), 2);
    assert_eq!(counts(&import(&machine, &["users.csv"])), [1, 0, 2]);
}

#[test]
fn fa1_an_import_that_was_killed_goes_on_where_it_stopped() {
    const PEOPLE: usize = 600;
    let machine = Machine::new();
    let mut lines = String::new();
    for n in 0..PEOPLE {
        writeln!(lines, r#"{{"email":"user-{n}@example.org","username":"user-{n}"}}"#).unwrap();
    }
    write(&machine, "users.jsonl", lines);
    machine.done(&["migrate"]);
    let service = machine.service();
    let count = || block_on(service.users("", None, 200)).unwrap().users.len();
    let mut child = machine.start(&["import", "users", "users.jsonl"]);
    while count() < 50 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let [imported, already, refused] = counts(&import(&machine, &["users.jsonl"]));
    assert!(already >= 50 && imported > 0, "{already} were there, {imported} were not");
    assert_eq!((already + imported, refused), (PEOPLE as u64, 0));
    assert_eq!(machine.done(&["audit", "--name", "user.imported", "--json"]).lines().count(), PEOPLE);
    assert_eq!(counts(&import(&machine, &["users.jsonl"])), [0, PEOPLE as u64, 0]);
}

#[test]
fn pw3_a_hash_of_a_system_that_cut_is_marked_and_opens_nothing_before_a_change() {
    let machine = Machine::new();
    let long = format!("{}1!", "correct horse ".repeat(6));
    // Made of the first 72 bytes, as that system did.
    let user = {
        let ours = doorwarden::core::password::PasswordHash::bcrypt(
            &doorwarden::core::password::Password::new(long[..72].to_owned()),
            4,
            [7; 16],
        );
        serde_json::to_value(ours.unwrap()).unwrap().as_str().unwrap().to_owned()
    };
    write(&machine, "cut.jsonl", json!({ "email": "cut@example.org", "password_hash": user }).to_string());
    write(&machine, "whole.jsonl", json!({ "email": "whole@example.org", "password_hash": user }).to_string());
    assert_eq!(counts(&import(&machine, &["cut.jsonl", "--truncates-at", "72"])), [1, 0, 0]);
    assert_eq!(counts(&import(&machine, &["whole.jsonl"])), [1, 0, 0]);
    let service = machine.service();
    let step = log_in(&service, "cut@example.org", &long, Client::default());
    assert!(matches!(step, Ok(LoginStep::PasswordChangeRequired { .. })), "{step:?}");
    assert_eq!(log_in(&service, "whole@example.org", &long, Client::default()).unwrap_err(), "invalid_credentials");
    assert!(hash(&stored(&machine, "cut@example.org")).starts_with("imported-cut-72:"));
}

#[test]
fn what_is_no_import_ends_with_2_before_the_store_is_opened() {
    let machine = Machine::new();
    write(&machine, "users.csv", "email\nada@example.org\n");
    write(&machine, "head.csv", "e-mail,password\nada@example.org,secret\n");
    write(&machine, "empty.csv", "");
    for (arguments, says) in [
        (&["nowhere.csv"][..], "reading nowhere.csv"),
        (&["head.csv"], "column 1 has no name that is known"),
        (&["empty.csv"], "there is none"),
        (&["users.csv", "--report", "./users.csv"], "over the file to import"),
        (&["users.csv", "--report", "no/folder"], "writing no/folder"),
        (&["users.csv", "--truncates-at", "71"], "--truncates-at"),
        (&["users.csv", "--format", "xml"], "--format"),
        (&[], "<FILE>"),
    ] {
        let ran = import(&machine, arguments);
        assert_eq!(ran.status, Some(2), "{arguments:?}");
        assert!(ran.complaint.contains(says), "{arguments:?}: {}", ran.complaint);
    }
    assert!(!machine.path().join("doorwarden.db").exists());
    assert_eq!(std::fs::read_to_string(machine.path().join("users.csv")).unwrap(), "email\nada@example.org\n");
}

#[test]
fn a_store_that_can_t_be_reached_ends_with_3() {
    let machine = Machine::new();
    write(&machine, "users.csv", "email\nada@example.org\n");
    std::fs::create_dir(machine.path().join("doorwarden.db")).unwrap();
    assert_eq!(machine.run(&["import", "users", "users.csv"]).status, Some(3));
}
