//! What the portal does with its command line, its file, a changed file, and signals.

use std::net::TcpStream;

use serde_json::json;

use crate::process::{Folder, PASSWORD, PORTAL, Portal, WITHOUT_MAILS, refused, until};

#[test]
fn cf1_a_bad_file_ends_with_2_and_names_file_line_key_and_what_is_allowed() {
    for (text, expected) in [
        ("[lockout]\nmax_failures = 0\n", ":2: lockout.max_failures = 0: allowed is 1 to 1000000"),
        ("[session]\n\nlifetme = \"8h\"\n", ":3: session.lifetme: unknown key: did you mean lifetime?"),
        ("password.min_length = \"8\"\n", ":1: password.min_length = \"8\": allowed is"),
        (
            "session.cache = \"1s\"\n",
            ":1: session.cache = \"1s\": allowed is \"off\": anything else is not available in this build",
        ),
        ("[[[\n", ":1: "),
        (
            "[session]\nlifetime = \"8h\"\nmax_lifetime = \"1h\"\n",
            ":2: session.lifetime = \"8h\": allowed is at most session.max_lifetime, which is \"1h\"",
        ),
    ] {
        let folder = Folder::new(text);
        let (status, complaint) = folder.refused();
        let expected = format!("doorwarden-portal: {}{expected}", folder.configuration().display());
        assert_eq!(status, Some(2), "{complaint}");
        assert!(complaint.starts_with(&expected), "{complaint}\nisn't\n{expected}");
        assert!(!folder.path("doorwarden.db").exists(), "refused before anything is made");
    }
    let folder = Folder::new("[lockout]\nmax_failures = 0\n[session]\nmax_concurrent = 0\n");
    let (_, complaint) = folder.refused();
    assert!(complaint.contains("max_failures") && complaint.contains("max_concurrent"), "all at once: {complaint}");
}

#[test]
fn cf1_a_file_that_is_not_there_ends_with_2_and_is_named() {
    let folder = Folder::new("");
    let missing = folder.path("nowhere.toml");
    let mut command = std::process::Command::new(PORTAL);
    let (status, complaint) = refused(command.args(["--listen", "127.0.0.1:0", "--config"]).arg(&missing));
    assert_eq!(status, Some(2));
    assert!(complaint.contains(&missing.display().to_string()), "{complaint}");
}

#[test]
fn cf1_a_changed_file_comes_into_force_and_a_bad_one_keeps_the_old_policy() {
    let folder = Folder::new(WITHOUT_MAILS);
    let portal = folder.start();
    for name in ["ada", "bob", "eve"] {
        portal.sign_up(&format!("{name}@example.org")).assert(201, "signed_up", name);
    }
    for n in 1..=5 {
        portal.login("ada@example.org", "wrong").assert(401, "invalid_credentials", &format!("{n} of the default"));
    }
    folder.configure(&format!("{WITHOUT_MAILS}lockout.max_failures = 2\n"));
    until("the new policy", || portal.said.out().contains("auth.toml: the new policy is in force").then_some(()));
    guess_until_restricted(&portal, "bob@example.org", 3);

    folder.configure(&format!("{WITHOUT_MAILS}lockout.max_failures = 0\n"));
    until("a complaint", || portal.said.complaint().contains("the old policy stays in force").then_some(()));
    let complaint = portal.said.complaint();
    assert!(complaint.contains("lockout.max_failures = 0: allowed is 1 to 1000000"), "{complaint}");
    guess_until_restricted(&portal, "eve@example.org", 3);

    std::fs::remove_file(folder.configuration()).unwrap();
    until("another complaint", || portal.said.complaint().contains("can't be read").then_some(()));
    portal.stop();
}

fn guess_until_restricted(portal: &Portal, identifier: &str, guesses: usize) {
    for n in 1..=guesses {
        portal.login(identifier, "wrong").assert(401, "invalid_credentials", &format!("{identifier} {n}"));
    }
    portal.login(identifier, PASSWORD).assert(429, "locked_out", identifier);
}

#[test]
fn cf2_a_start_names_what_is_weaker_than_its_figure() {
    let folder = Folder::new(&format!("{WITHOUT_MAILS}lockout.max_failures = 11\n"));
    let portal = folder.start();
    let said = portal.said.clone();
    portal.stop();
    for weakness in ["(F9)", "(F8)", "(GU13)", "(PH1)"] {
        let lines = said.complaint().lines().filter(|line| line.contains("WARN") && line.contains(weakness)).count();
        assert_eq!(lines, 1, "{weakness}: {}", said.complaint());
    }
}

#[test]
fn sigterm_finishes_a_login_under_way_and_ends_with_0() {
    let folder = Folder::new("password.bcrypt_cost = 14\nmail.transport = \"none\"\n");
    let mut portal = folder.start();
    portal.sign_up("ada@example.org").assert(201, "signed_up", "an account");
    let database = folder.database();
    let form = json!({ "identifier": "ada@example.org", "password": PASSWORD, "want": "token" });
    let login = portal.post("/login", &form);
    let under_way = std::thread::spawn(move || login.send());
    // The charge is written before the hash is computed.
    until("the charge", || {
        let charged = "SELECT count(*) FROM counters WHERE kind = 'a'";
        (database.query_row(charged, [], |row| row.get::<_, i64>(0)).unwrap() > 0).then_some(())
    });
    portal.terminate();
    let login = under_way.join().unwrap();
    login.assert(200, "logged_in", "it was under way");
    assert_eq!(portal.ended(), Some(0));
    assert!(TcpStream::connect(&portal.address).is_err(), "it listens no more");
    assert_eq!(folder.start().session(&login.member("token")).status, 200);
}

#[test]
fn a_port_that_is_taken_ends_with_1_and_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::new("");
    let mut command = std::process::Command::new(PORTAL);
    let (status, complaint) = refused(command.args(["--listen", &address, "--config"]).arg(folder.configuration()));
    assert_eq!(status, Some(1), "{complaint}");
    assert!(complaint.contains(&format!("listening on {address} (choose another with --listen): ")), "{complaint}");
}

#[test]
fn data_that_is_a_file_ends_with_3_and_is_named() {
    let folder = Folder::new("");
    let file = folder.path("file");
    std::fs::write(&file, "").unwrap();
    let mut command = std::process::Command::new(PORTAL);
    let (status, complaint) = refused(command.args(["--listen", "127.0.0.1:0", "--data"]).arg(&file));
    assert_eq!(status, Some(3), "{complaint}");
    assert!(complaint.contains(&file.display().to_string()), "{complaint}");
}

#[test]
fn a_database_of_another_application_ends_with_3_and_is_left_alone() {
    let folder = Folder::new("");
    folder.database().execute_batch("CREATE TABLE mine (n); PRAGMA user_version = 7").unwrap();
    let before = std::fs::read(folder.path("doorwarden.db")).unwrap();
    let (status, complaint) = folder.refused();
    assert_eq!(status, Some(3), "{complaint}");
    assert!(complaint.contains("doorwarden.db") && complaint.contains("another application"), "{complaint}");
    assert_eq!(std::fs::read(folder.path("doorwarden.db")).unwrap(), before);
}

#[test]
fn f6_the_first_administrators_link_is_printed_while_no_user_exists_and_works_once() {
    let folder = Folder::new("password.bcrypt_cost = 4\n");
    let earlier = folder.start();
    let unused = earlier.first_administrator().expect("no user exists");
    earlier.stop();

    let portal = folder.start();
    let link = portal.first_administrator().expect("still no user exists");
    let form = |token: &str, password: &str| {
        let form = json!({ "token": token, "email": "root@example.org", "password": password });
        portal.post("/first-administrator", &form).send()
    };
    form(&link, "short").assert(422, "password_too_weak", "a refused form leaves the link");
    let made = form(&link, PASSWORD);
    assert_eq!((made.status, &made.json()["user"]["role"]), (201, &json!("admin")));
    for token in [&link, &unused] {
        form(token, PASSWORD).assert(410, "link_invalid", "a user exists");
    }
    portal.login("root@example.org", PASSWORD).assert(200, "logged_in", "the administrator");
    portal.stop();
    assert_eq!(folder.start().first_administrator(), None);
}
