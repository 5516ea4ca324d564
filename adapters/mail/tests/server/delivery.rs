//! Each mail arrives, once the server takes it; one that it never takes is given up on the trail.

use std::time::Duration;

use doorwarden_mail::{SmtpConfig, SmtpMailer};

use crate::process::{Options, Server, taken};
use crate::world::World;

fn config(login: &str, port: u16) -> SmtpConfig {
    SmtpConfig::parse(&format!("smtp://{login}127.0.0.1:{port}")).unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_mail_arrives_whole_at_the_address_as_it_was_typed() {
    let folder = folder();
    let server = Server::start(folder.path(), &Options::default());
    let world = World::of(&config("", server.port));
    for email in ["ada@example.org", "Ada.Lovelace@Bücher.example", "사용자@example.org"] {
        world.write_to(email);
        world.pass(1);
    }
    assert_eq!(world.deliver(), 0);
    let notes: Vec<_> = server.taken().into_iter().map(|mail| mail.note).collect();
    let to = |address: &str| format!("to={address} encrypted=False user=-");
    // The last one by SMTPUTF8 (RFC 6531): nothing else can name that mailbox.
    assert_eq!(notes, [to("ada@example.org"), to("Ada.Lovelace@xn--bcher-kva.example"), to("사용자@example.org")]);
    let mail = &server.taken()[0].text;
    for part in ["From: no-reply@localhost", "To: ada@example.org", "Subject: ", "text/plain", "text/html"] {
        assert!(mail.contains(part), "{part} is missing in {mail}");
    }
}

#[test]
fn a_log_in_that_is_wrong_keeps_the_mail_until_it_is_mended() {
    let folder = folder();
    let server = Server::start(folder.path(), &Options { login: Some("post:right"), ..Options::default() });
    let wrong = World::of(&config("post:wrong@", server.port));
    wrong.write_to("ada@example.org");
    assert_eq!(wrong.deliver(), 1);
    wrong.pass(7_200);
    assert_eq!((wrong.deliver(), wrong.given_up().len()), (1, 0), "an operator mends it");
    assert!(server.taken().is_empty());
    let right = World::of(&config("post:right@", server.port));
    right.write_to("ada@example.org");
    assert_eq!(right.deliver(), 0);
    assert_eq!(server.taken()[0].note, "to=ada@example.org encrypted=False user=post");
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_mail_gets_it_when_it_is_back() {
    let folder = folder();
    let server = Server::start(folder.path(), &Options { hold: true, ..Options::default() });
    let port = server.port;
    let mailer = SmtpMailer::patient(&config("", port), Duration::from_secs(60), Duration::from_secs(60)).unwrap();
    let world = World::with(mailer);
    world.write_to("ada@example.org");
    let left = std::thread::scope(|scope| {
        let trying = scope.spawn(|| world.deliver());
        server.wait_until_it_holds_one();
        server.kill();
        trying.join().unwrap()
    });
    assert_eq!(left, 1, "it was never answered");
    world.pass(60);
    assert_eq!(world.deliver(), 1, "nobody is there");
    assert!(taken(folder.path()).is_empty());
    let server = Server::start(folder.path(), &Options { port, ..Options::default() });
    world.pass(60);
    assert_eq!(world.deliver(), 0);
    assert_eq!(server.taken().len(), 1);
}

#[test]
fn a_server_that_says_later_takes_the_mail_later_and_holds_up_no_other() {
    let folder = folder();
    let server = Server::start(folder.path(), &Options::default());
    let world = World::of(&config("", server.port));
    for email in ["later@example.org", "ada@example.org"] {
        world.write_to(email);
        world.pass(1);
    }
    assert_eq!(world.deliver(), 1);
    assert_eq!(server.taken()[0].note, "to=ada@example.org encrypted=False user=-");
    world.pass(9);
    assert_eq!(world.deliver(), 1, "not before ten seconds");
    world.pass(1);
    assert_eq!(world.deliver(), 0);
    assert_eq!(server.taken()[1].note, "to=later@example.org encrypted=False user=-");
}

#[test]
fn a_mailbox_that_is_not_there_is_given_up_after_an_hour() {
    let folder = folder();
    let server = Server::start(folder.path(), &Options::default());
    let world = World::of(&config("", server.port));
    world.write_to("never@example.org");
    assert_eq!(world.deliver(), 1);
    world.pass(3_599);
    assert_eq!((world.deliver(), world.given_up().len()), (1, 0));
    world.pass(3_600);
    assert_eq!(world.deliver(), 0);
    assert_eq!(world.given_up(), ["mail.refused"]);
    assert!(server.taken().is_empty());
}

#[test]
fn a_server_that_does_not_answer_runs_into_the_time_out_and_the_mail_is_kept() {
    let folder = folder();
    let server = Server::start(folder.path(), &Options { hold: true, ..Options::default() });
    let world = World::of(&config("", server.port));
    world.write_to("ada@example.org");
    assert_eq!(world.deliver(), 1);
    server.wait_until_it_holds_one();
    let port = server.port;
    server.kill();
    let server = Server::start(folder.path(), &Options { port, ..Options::default() });
    world.pass(60);
    assert_eq!(world.deliver(), 0);
    assert_eq!(server.taken().len(), 1, "at least once, and here once");
}
