//! The same commands on a PostgreSQL database.

use doorwarden::core::client::Client;
use doorwarden::core::login::LoginStep;
use doorwarden_postgres::testing::Server;

use crate::machine::{Machine, PASSWORD, log_in};

/// Of [`PASSWORD`], as another system writes it.
const FOREIGN: &str = "pbkdf2_sha256$10$saltsaltsaltsalt$g8QUWyKZRj44FxzKZY4FO5iJhvxiS7N4dV3mDjkuGeU=";

fn machine(url: &str) -> Machine {
    Machine::with_file(&format!("mail.transport = \"none\"\npassword.bcrypt_cost = 4\nstore.directory = \"{url}\"\n"))
}

#[test]
fn accounts_are_added_imported_changed_and_audited_on_postgresql() {
    let server = Server::shared();
    let machine = machine(&server.fresh_database());
    assert_eq!(machine.done(&["migrate"]), "doorwarden.toml: its store is up to date\n");
    machine.add_ada();
    std::fs::write(machine.path().join("users.csv"), format!("email,password_hash\nbob@example.org,{FOREIGN}\n"))
        .unwrap();
    for counts in ["1      imported\n0      there already\n", "0      imported\n1      there already\n"] {
        let told = machine.done(&["import", "users", "users.csv"]);
        assert!(told.contains(counts), "{told}");
    }
    machine.done(&["user", "disable", "ada"]);
    let listed = machine.done(&["user", "list"]);
    assert!(listed.contains("ada@example.org") && listed.contains("bob@example.org"), "{listed}");

    let service = machine.service();
    let stepped = log_in(&service, "bob@example.org", PASSWORD, Client::default());
    assert!(matches!(stepped, Ok(LoginStep::LoggedIn(_))), "{stepped:?}");
    log_in(&service, "ada", PASSWORD, Client::default()).unwrap_err();
    let told = machine.run(&["audit", "--json"]).json_lines();
    let names: Vec<_> = told.iter().map(|event| event["name"].as_str().unwrap()).collect();
    for name in ["user.imported", "user.changed", "login.succeeded"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!machine.path().join("doorwarden.db").exists());
}

#[test]
fn fa7_a_record_that_was_changed_in_postgresql_is_named() {
    let server = Server::shared();
    let url = server.fresh_database();
    let machine = machine(&url);
    machine.add_ada();
    machine.done(&["user", "disable", "ada"]);
    machine.done(&["user", "enable", "ada"]);
    let checkpoint = machine.done(&["audit", "checkpoint"]);
    std::fs::write(machine.path().join("log"), format!("INFO checkpoint={}", checkpoint.trim())).unwrap();
    let log = machine.path().join("log");
    let verify = ["audit", "verify", "--checkpoint", log.to_str().unwrap()];
    let told = machine.done(&verify);
    assert!(told.starts_with("3 records are as they were linked\n"), "{told}");
    server.sql_in(&url, "UPDATE doorwarden.audit SET body = replace(body, 'disabled', 'Disabled') WHERE position = 2");
    let refused = machine.run(&verify);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.complaint.contains("record 2 at position 2, event "), "{refused:?}");
}

#[test]
fn fa6_an_old_key_is_needed_until_reseal_says_otherwise_on_postgresql() {
    let server = Server::shared();
    let machine = machine(&server.fresh_database());
    machine.add_ada();
    let file = machine.path().join("doorwarden.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let keys = |old: &str| {
        let keys = format!("{before}store.seal_key = \"file:new.key\"\nstore.seal_keys_old = [{old}]\n");
        std::fs::write(&file, keys).unwrap();
    };
    keys("\"file:doorwarden.key\"");
    let told = machine.done(&["reseal"]);
    assert!(told.contains("nothing needs an older key any more"), "{told}");
    keys("");
    assert!(machine.done(&["user", "list"]).contains("ada@example.org"));
}

#[test]
fn a_database_that_is_not_there_ends_with_3_and_is_named_without_its_password() {
    let server = Server::shared();
    let machine = machine(&server.url("").replace("dw@", "dw:hunter2@").replace("/postgres", "/nowhere"));
    for arguments in [&["migrate"][..], &["user", "list"], &["audit"]] {
        let ran = machine.run(arguments);
        assert_eq!((ran.status, ran.out.as_str()), (Some(3), ""), "{arguments:?}");
        assert!(ran.complaint.contains("there is no such database"), "{}", ran.complaint);
        assert!(!ran.complaint.contains("hunter2"), "{}", ran.complaint);
    }
    let explained = machine.done(&["explain"]);
    assert!(explained.contains("PostgreSQL at 127.0.0.1/nowhere"), "{explained}");
    assert!(!explained.contains("hunter2"), "{explained}");
}
