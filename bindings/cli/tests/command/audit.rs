//! The audit trail, read to its end and followed.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Duration;

use doorwarden::core::client::Client;

use crate::machine::{Machine, log_in};

#[test]
fn events_are_told_oldest_first_by_account_and_name() {
    let machine = Machine::new();
    machine.add_ada();
    machine.done(&["user", "add", "--email", "bob@example.org", "--role", "admin", "--print-link"]);
    machine.done(&["user", "disable", "ada"]);
    let client = Client::new(Some("203.0.113.9".parse().unwrap()), Some("Browser/1.0 \"x\""));
    assert!(log_in(&machine.service(), "bob@example.org", "wrong", client).is_err());

    let table = machine.done(&["audit"]);
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["time", "name", "outcome", "user", "address", "event", "facts"]);
    assert_eq!(rows[1][1..3], ["user.changed", "success"]);
    assert_eq!((rows[1][4], &rows[1][6..]), ("-", &["added=true", "role=\"user\""][..]));
    assert_eq!((rows[3][4], &rows[3][6..]), ("-", &["status=\"disabled\""][..]));
    assert_eq!((rows[4][1], rows[4][2], rows[4][4]), ("login.failed", "refusal", "203.0.113.9"));
    assert!(table.contains(r#"user_agent="Browser/1.0 \"x\"""#), "{table}");
    assert_eq!(rows.len(), 5);

    let count = |arguments: &[&str]| machine.run(&[&["audit", "--json"][..], arguments].concat()).json_lines().len();
    assert_eq!(count(&[]), 4);
    assert_eq!(count(&["--user", "ADA"]), 2);
    assert_eq!(count(&["--user", "bob@example.org"]), 2);
    assert_eq!(count(&["--name", "user.changed"]), 3);
    assert_eq!(count(&["--user", "ada", "--name", "login.failed"]), 0);
    assert_eq!(count(&["--name", "user.changed", "--limit", "2"]), 2);
}

#[test]
fn events_are_told_from_a_moment_on_and_up_to_another() {
    let machine = Machine::new();
    machine.add_ada();
    machine.done(&["user", "disable", "ada"]);
    machine.done(&["user", "enable", "ada"]);
    let all = machine.run(&["audit", "--json"]).json_lines();
    let times: Vec<_> = all.iter().map(|event| event["time"].as_str().unwrap()).collect();
    let told = |arguments: &[&str]| machine.run(&[&["audit", "--json"][..], arguments].concat()).json_lines();
    assert_eq!(told(&["--since", times[1]]), all[1..], "that moment is meant, too");
    assert_eq!(told(&["--until", times[1]]), all[..1], "that moment isn't meant");
    assert_eq!(told(&["--since", times[1], "--until", times[2]]), all[1..2]);
    assert_eq!((told(&["--since", "1h"]), told(&["--until", "1h"])), (all.clone(), vec![]));
    assert_eq!(told(&["--since", times[0], "--name", "user.changed", "--limit", "1"]), all[..1]);
    for wrong in ["yesterday", "", "2027-01-15", "-1h", "1 h"] {
        let ran = machine.run(&["audit", &format!("--since={wrong}")]);
        assert_eq!(ran.status, Some(2), "{wrong}");
        assert!(ran.complaint.contains("or how long ago, such as 2h or 7d"), "{}", ran.complaint);
    }
}

#[test]
fn an_event_in_json_has_the_fields_of_the_http_api() {
    let machine = Machine::new();
    let client = Client::new(Some("2001:db8::1".parse().unwrap()), Some("Browser/1.0"));
    assert!(log_in(&machine.service(), "nobody@example.org", "wrong", client).is_err());
    machine.add_ada();

    let told = machine.run(&["audit", "--json"]).json_lines();
    let keys = |at: usize| told[at].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(keys(0), ["client", "facts", "id", "name", "outcome", "rule", "subject", "time"]);
    assert_eq!(told[0]["client"], serde_json::json!({ "address": "2001:db8::1", "user_agent": "Browser/1.0" }));
    assert_eq!((&told[0]["name"], &told[0]["outcome"]), (&"login.failed".into(), &"refusal".into()));
    assert_eq!(keys(1), ["facts", "id", "name", "outcome", "time", "user"]);
    assert_eq!(told[1]["facts"], serde_json::json!({ "added": true, "role": "user" }));
    assert!(told[1]["time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn fa5_a_user_agent_can_neither_turn_its_line_nor_end_it_nor_add_a_fact() {
    let machine = Machine::new();
    let hostile = "x\u{202e}\" rule=none\n2026-01-01T00:00:00Z  user.changed\u{1b}[2J\u{9b}\u{2067}";
    let client = Client { user_agent: Some(hostile.to_owned()), ..Client::default() };
    assert!(log_in(&machine.service(), "nobody@example.org", "wrong", client).is_err());

    let table = machine.done(&["audit"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    let shown = r#"user_agent="x\u{202e}\" rule=none\n2026-01-01T00:00:00Z  user.changed\u001b[2J\u{9b}\u{2067}""#;
    assert!(table.contains(shown), "{table}");
    let told = machine.run(&["audit", "--json"]);
    assert_eq!(told.out.lines().count(), 1);
    assert!(table.chars().chain(told.out.chars()).all(|c| c == '\n' || c.is_ascii_graphic() || c == ' '));
    assert_eq!(told.json_lines()[0]["client"]["user_agent"], hostile);
}

#[test]
fn following_tells_what_comes_until_the_limit() {
    let machine = Machine::new();
    machine.add_ada();
    let mut following = Following::new(&machine, &["audit", "--follow", "--json", "--limit", "3"]);
    assert!(following.line().contains("\"added\":true"));
    machine.done(&["user", "disable", "ada"]);
    assert!(following.line().contains("\"status\":\"disabled\""));
    machine.done(&["user", "enable", "ada"]);
    assert!(following.line().contains("\"status\":\"active\""));
    assert_eq!(following.status(), Some(0));
}

#[cfg(unix)]
#[test]
fn following_ends_well_on_an_interrupt() {
    let machine = Machine::new();
    let mut following = Following::new(&machine, &["audit", "--follow"]);
    assert!(following.line().starts_with("time  name"));
    let killed = std::process::Command::new("kill").args(["-INT", &following.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(following.status(), Some(0));
}

#[test]
fn following_ends_well_when_nobody_reads_any_more() {
    let machine = Machine::new();
    machine.add_ada();
    let mut following = Following::new(&machine, &["audit", "--follow", "--json"]);
    following.line();
    following.lines = None;
    machine.done(&["user", "disable", "ada"]);
    assert_eq!(following.status(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_ends_with_3() {
    let machine = Machine::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_doorwarden"));
    let output = command.arg("audit").current_dir(machine.path()).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("writing the result: "));
}

/// A run that goes on; it is ended with the test, however that ends.
struct Following {
    child: Child,
    lines: Option<BufReader<std::process::ChildStdout>>,
}

impl Following {
    fn new(machine: &Machine, arguments: &[&str]) -> Self {
        let mut child = machine.start(arguments);
        let lines = child.stdout.take().map(BufReader::new);
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    /// The exit status, which must come soon.
    fn status(&mut self) -> Option<i32> {
        for _ in 0..1_000 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it goes on and on")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn fa7_verify_names_the_first_record_that_was_changed_and_exits_with_1() {
    let machine = Machine::new();
    machine.add_ada();
    machine.done(&["user", "disable", "ada"]);
    machine.done(&["user", "enable", "ada"]);
    let unlinked = machine.run(&["audit", "verify", "--json"]).json();
    assert_eq!((&unlinked["whole"], &unlinked["unlinked"]), (&true.into(), &3.into()));
    let checkpoint = machine.done(&["audit", "checkpoint"]);
    std::fs::write(machine.path().join("log"), format!("INFO checkpoint={}", checkpoint.trim())).unwrap();
    let log = machine.path().join("log");
    let verify = ["audit", "verify", "--checkpoint", log.to_str().unwrap()];
    let told = machine.done(&verify);
    assert!(told.starts_with("3 records are as they were linked\n"), "{told}");
    assert!(told.ends_with("1 checkpoints are reached, 0 lie before what retention has removed\n"), "{told}");

    // As who can write the file would: the second event says that it was something else.
    let file = machine.path().join("doorwarden.db");
    let (mut bytes, told) = (std::fs::read(&file).unwrap(), br#""facts":{"status":"disabled"}"#);
    let place = bytes.windows(told.len()).position(|window| window == told).unwrap();
    bytes[place + 20] = b'D';
    std::fs::write(&file, bytes).unwrap();
    let refused = machine.run(&verify);
    assert_eq!(refused.status, Some(1), "{refused:?}");
    assert!(refused.complaint.contains("record 2 at position 2, event "), "{refused:?}");
    let told = machine.run(&["audit", "verify", "--json"]).json();
    assert_eq!((&told["whole"], &told["broken"]["tampering"]), (&false.into(), &"changed".into()));
    assert_eq!((&told["broken"]["record"], &told["verified"]), (&2.into(), &1.into()));
}

#[test]
fn why_answers_in_sentences_by_the_whole_id_or_its_beginning() {
    let machine = Machine::new();
    machine.add_ada();
    assert!(log_in(&machine.service(), "ada@example.org", "wrong", Client::default()).is_err());
    let event = machine.run(&["audit", "--json", "--outcome", "refusal"]).json_lines().remove(0);
    let id = event["id"].as_str().unwrap();
    for named in [id, &id[..24]] {
        let told = machine.done(&["why", named]);
        assert!(told.contains("the password was wrong"), "{told}");
        assert!(told.contains("What can be done: "), "{told}");
    }
    let told = machine.run(&["why", id, "--json"]).json();
    assert_eq!(told["event"], event);
    assert!(told["why"].as_array().unwrap().len() >= 4);
    for (unknown, code) in [("ada", "invalid_request"), ("00000000-0000-7000-8000-000000000000", "not_found")] {
        let refused = machine.run(&["why", unknown, "--json"]);
        assert_eq!((refused.status, &refused.json()["code"]), (Some(1), &code.into()), "{unknown}");
    }
}
