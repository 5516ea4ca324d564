//! The file alone: checked, explained, and its schema.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use crate::machine::{Machine, Ran};

#[test]
fn check_of_a_good_file_is_done() {
    let said = Machine::with_file("").done(&["check"]);
    assert!(said.ends_with("doorwarden.toml: no problems, 0 warnings\n"));
    assert!(said.contains("note: password.require: "));
}

#[test]
fn check_names_a_weakness_and_is_done() {
    let machine = Machine::with_file("password.bcrypt_cost = 4");
    let warning =
        "warning: password.bcrypt_cost: 4 is less than 10: a stolen hash is guessed 256 times faster than at 12 (F9)\n";
    assert!(machine.done(&["check"]).contains(warning));
    assert_eq!(machine.run(&["check", "--json"]).json()["weaknesses"][0]["row"], "F9");
}

#[test]
fn fa11_check_asks_redis_whether_it_keeps_anything() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let machine = Machine::with_file(&format!("store.volatile = \"redis://127.0.0.1:{port}\""));
    let said = machine.done(&["check"]);
    assert!(said.contains("note: store.volatile: Redis couldn't be asked: "), "{said}");
    let mut server = Command::new("redis-server");
    server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]).arg(folder.path());
    let server = server.stdout(Stdio::null()).spawn();
    let mut server = server.unwrap_or_else(|error| panic!("no Redis server ({error}): `apt-get install redis-server`"));
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert_eq!(server.try_wait().unwrap(), None, "the server ended");
        std::thread::yield_now();
    }
    let said = machine.run(&["check"]);
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(said.out.contains("warning: store.volatile: Redis keeps nothing on disk"), "{said:?}");
    assert!(said.out.contains("appendonly yes") && said.out.contains("(FA11)"), "{said:?}");
}

#[test]
fn check_of_a_bad_file_names_every_problem_and_ends_with_2() {
    let machine = Machine::with_file("session.max_concurrent = 0\npassword.bcrypt_cost = 3\n");
    let Ran { status, out, complaint } = machine.run(&["--config", "doorwarden.toml", "check"]);
    assert_eq!((status, out.as_str()), (Some(2), ""));
    assert_eq!(
        complaint,
        "doorwarden.toml:1: session.max_concurrent = 0: allowed is 1 or more\n\
         doorwarden.toml:2: password.bcrypt_cost = 3: allowed is 4 to 16\n"
    );
    let told = machine.run(&["--json", "check"]);
    assert_eq!((told.status, &told.json()["problems"][1]["line"]), (Some(2), &2.into()));
}

#[test]
fn a_missing_file_and_wrong_usage_end_with_2() {
    let machine = Machine::with_file("");
    std::fs::remove_file(machine.path().join("doorwarden.toml")).unwrap();
    for arguments in
        [&["check"][..], &["explain"], &["--config", "other.toml", "check"], &[], &["guess"], &["check", "--colour"]]
    {
        assert_eq!(machine.run(arguments).status, Some(2), "{arguments:?}");
    }
}

#[test]
fn explain_says_the_policy_and_its_differences_to_advice() {
    let machine = Machine::with_file("session.lifetime = \"2h\"");
    let said = machine.done(&["explain"]);
    assert!(said.contains("\nsession\n  A session lasts 2h (session.lifetime)\n"), "{said}");
    assert!(said.contains("\ndifferent from modern advice\n  advised is []: NIST"), "{said}");
    assert_eq!(machine.run(&["explain", "--json"]).json()["policy"][0]["keys"][0], "public_url");
}

#[test]
fn schema_needs_no_file() {
    let machine = Machine::with_file("");
    std::fs::remove_file(machine.path().join("doorwarden.toml")).unwrap();
    let schema = machine.run(&["schema"]);
    assert_eq!((schema.status, &schema.json()["title"]), (Some(0), &"doorwarden configuration".into()));
}
