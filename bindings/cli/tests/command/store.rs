//! Stores that are made, brought up to date, or can't be used.

use crate::machine::Machine;

const NEEDING_A_STORE: [&[&str]; 4] =
    [&["migrate"], &["audit"], &["user", "list"], &["user", "add", "--email", "ada@example.org"]];

#[test]
fn migrate_makes_the_store_and_says_so_again() {
    let machine = Machine::new();
    for _ in 0..2 {
        assert_eq!(machine.done(&["migrate"]), "doorwarden.toml: its store is up to date\n");
        assert!(machine.path().join("doorwarden.db").is_file());
    }
    assert_eq!(machine.run(&["migrate", "--json"]).json(), serde_json::json!({ "up_to_date": true }));
}

#[test]
fn a_store_that_is_a_directory_ends_with_3_and_is_named() {
    let machine = Machine::with_file("store.directory = \"sqlite:accounts\"");
    std::fs::create_dir(machine.path().join("accounts")).unwrap();
    for arguments in NEEDING_A_STORE {
        let ran = machine.run(arguments);
        assert_eq!((ran.status, ran.out.as_str()), (Some(3), ""), "{arguments:?}");
        assert!(ran.complaint.contains("accounts: it is a directory: name a file in it"), "{}", ran.complaint);
        let told = machine.run(&[arguments, &["--json"]].concat());
        assert_eq!((told.status, &told.json()["code"]), (Some(3), &"internal".into()));
        assert_eq!(told.json()["detail"], ran.complaint.trim_end());
    }
}

#[test]
fn another_file_in_its_place_ends_with_3_and_is_left_alone() {
    let machine = Machine::new();
    let file = machine.path().join("doorwarden.db");
    std::fs::write(&file, "a letter to Ada, and no database at all").unwrap();
    for arguments in NEEDING_A_STORE {
        assert_eq!(machine.run(arguments).status, Some(3), "{arguments:?}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a letter to Ada, and no database at all");
}

#[test]
fn a_record_that_cannot_be_read_ends_with_3_and_is_named() {
    let machine = Machine::new();
    machine.add_ada();
    let file = machine.path().join("doorwarden.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let name = br#""name":"user.changed""#;
    let at = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap();
    bytes[at + name.len() - 2] = b'X';
    std::fs::write(&file, bytes).unwrap();
    let ran = machine.run(&["audit"]);
    assert_eq!(ran.status, Some(3));
    assert!(ran.complaint.contains("table audit can't be read"), "{}", ran.complaint);
    assert_eq!(machine.run(&["user", "list"]).status, Some(0));
}

#[test]
fn what_the_configuration_asks_in_vain_ends_with_2() {
    let missing = "store.seal_key = \"env:DOORWARDEN_TEST_NO_SUCH_VARIABLE\"";
    for (file, complaint) in [
        (missing, "seal key env:DOORWARDEN_TEST_NO_SUCH_VARIABLE: the variable isn't set"),
        ("password.bcrypt_cost = 99", "doorwarden.toml:1: password.bcrypt_cost = 99: allowed is 4 to 16"),
    ] {
        let machine = Machine::with_file(file);
        for arguments in NEEDING_A_STORE {
            let ran = machine.run(arguments);
            assert_eq!((ran.status, ran.out.as_str()), (Some(2), ""), "{arguments:?} {file}");
            assert!(ran.complaint.starts_with(complaint), "{}", ran.complaint);
            assert!(machine.run(&[arguments, &["--json"]].concat()).json()["problems"][0]["says"].is_string());
        }
    }
}

#[test]
fn a_seal_key_that_does_not_fit_ends_with_2() {
    let machine = Machine::new();
    machine.done(&["migrate"]);
    std::fs::remove_file(machine.path().join("doorwarden.key")).unwrap();
    let ran = machine.run(&["user", "list"]);
    assert_eq!(ran.status, Some(2));
    assert!(ran.complaint.starts_with("the seal key doesn't fit the data"), "{}", ran.complaint);
}

#[test]
fn fa6_an_old_key_is_needed_until_reseal_says_otherwise() {
    let machine = Machine::new();
    machine.add_ada();
    let file = machine.path().join("doorwarden.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let keys = |old: &str| {
        std::fs::write(&file, format!("{before}store.seal_key = \"file:new.key\"\nstore.seal_keys_old = [{old}]\n"))
    };
    keys("\"file:doorwarden.key\"").unwrap();
    let service = machine.service();
    keys("").unwrap();
    let ran = machine.run(&["user", "list"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(2), ""));
    assert!(ran.complaint.starts_with("a seal key is missing"), "{}", ran.complaint);
    keys("\"file:doorwarden.key\"").unwrap();
    let told = machine.done(&["reseal"]);
    assert!(told.contains("nothing needs an older key any more"), "{told}");
    let again = machine.run(&["reseal", "--json"]).json();
    assert_eq!((&again["done"], &again["dropped_keys"]), (&true.into(), &0.into()));
    keys("").unwrap();
    assert!(machine.done(&["user", "list"]).contains("ada@example.org"));
    // The service beside it went on meanwhile.
    drop(service);
}
