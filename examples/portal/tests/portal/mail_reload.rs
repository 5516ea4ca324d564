//! Mails follow the files while the portal runs: another template, another transport, and neither if one is broken.

use crate::mailbox::mails_to;
use crate::process::{CHEAP, Folder, Portal, until};

const OWN: &str = "{% extends layout %}{% block subject %}SUBJECT{% endblock %}\
    {% block body %}{% for link in links %}{{ button(link.url, \"Here\") }}{% endfor %}{% endblock %}";

/// Replaces a template in one step.
fn template(folder: &Folder, text: &str) {
    std::fs::create_dir_all(folder.path("texts")).unwrap();
    std::fs::write(folder.path("texts/.draft"), text).unwrap();
    std::fs::rename(folder.path("texts/.draft"), folder.path("texts/verify-email.en.jinja")).unwrap();
}

fn in_force(portal: &Portal, times: usize) {
    let says = "the new policy is in force";
    until(says, || (portal.said.out().matches(says).count() == times).then_some(()));
}

fn subject(folder: &Folder, email: &str) -> String {
    let mails = mails_to(&folder.mail(), email);
    let mail = mails.last().unwrap_or_else(|| panic!("no mail to {email}"));
    mail.text.lines().find_map(|line| line.strip_prefix("Subject: ")).unwrap().to_owned()
}

#[test]
fn a_changed_template_writes_the_next_mail_and_a_broken_one_keeps_the_old() {
    let folder = Folder::new(CHEAP);
    let portal = folder.start();
    assert_eq!(portal.sign_up("built-in@example.org").status, 201);
    assert_ne!(subject(&folder, "built-in@example.org"), "First");

    template(&folder, &OWN.replace("SUBJECT", "First"));
    folder.configure(&format!("{CHEAP}mail.templates = \"texts\"\n"));
    in_force(&portal, 1);
    assert_eq!(portal.sign_up("first@example.org").status, 201);
    assert_eq!(subject(&folder, "first@example.org"), "First");

    template(&folder, &OWN.replace("SUBJECT", "{{ nonsense }}"));
    until("a complaint", || portal.said.complaint().contains("the old policy stays in force").then_some(()));
    assert!(portal.said.complaint().contains("verify-email.en.jinja"), "{}", portal.said.complaint());
    assert_eq!(portal.sign_up("still@example.org").status, 201);
    assert_eq!(subject(&folder, "still@example.org"), "First");

    template(&folder, &OWN.replace("SUBJECT", "Second"));
    in_force(&portal, 2);
    assert_eq!(portal.sign_up("second@example.org").status, 201);
    assert_eq!(subject(&folder, "second@example.org"), "Second");
    portal.stop();
}

#[test]
fn a_changed_transport_carries_the_next_mail_and_what_waits() {
    // Nobody listens there: the mail waits.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = Folder::new(&format!("{CHEAP}mail.transport = \"smtp://127.0.0.1:{closed}\"\n"));
    let portal = folder.start();
    assert_eq!(portal.sign_up("waits@example.org").status, 201);
    until("a try that fails", || portal.said.complaint().contains("a delivery failed").then_some(()));

    folder.configure(&format!("{CHEAP}mail.transport = \"dir:mail\"\n"));
    in_force(&portal, 1);
    assert_eq!(portal.sign_up("next@example.org").status, 201);
    assert_eq!(mails_to(&folder.mail(), "next@example.org").len(), 1);
    until("the mail that waited", || (mails_to(&folder.mail(), "waits@example.org").len() == 1).then_some(()));

    std::fs::write(folder.path("no-folder"), "").unwrap();
    folder.configure(&format!("{CHEAP}mail.transport = \"dir:no-folder\"\nlockout.max_failures = 2\n"));
    until("a complaint", || portal.said.complaint().contains("the old policy stays in force").then_some(()));
    assert!(portal.said.complaint().contains("no-folder"), "{}", portal.said.complaint());
    assert_eq!(portal.sign_up("stays@example.org").status, 201);
    assert_eq!(mails_to(&folder.mail(), "stays@example.org").len(), 1);
    portal.stop();
}
