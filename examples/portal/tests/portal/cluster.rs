//! Three processes on one SQLite file are one service.

use std::collections::BTreeSet;

use serde_json::json;

use crate::http::{at_once, count};
use crate::mailbox::{mails, mails_to};
use crate::process::{CHEAP, Folder, PASSWORD, Portal, WITHOUT_MAILS};

/// Three portals, started at once on an empty folder.
pub(crate) fn three(folder: &Folder) -> Vec<Portal> {
    at_once(3, |_| folder.start())
}

fn logged_in(portal: &Portal) -> String {
    let answer = portal.login("ada@example.org", PASSWORD);
    answer.assert(200, "logged_in", "alone");
    answer.member("token")
}

#[test]
fn se3_a_story_that_goes_from_process_to_process_is_one_story() {
    let folder = Folder::new(CHEAP);
    let portals = three(&folder);
    let [a, b, c] = &portals[..] else { panic!() };
    a.sign_up("ada@example.org").assert(201, "verify_email", "at A");
    c.login("ada@example.org", PASSWORD).assert(403, "email_unverified", "at C");
    let link = folder.link("ada@example.org");
    assert_eq!(b.verify(&link).status, 204, "at B");
    a.verify(&link).assert(410, "link_invalid", "at A, used at B");
    let session = logged_in(c);
    assert_eq!(a.session(&session).status, 200, "at A");
    let ticket = a.login("ada@example.org", PASSWORD).member("ticket");
    let takeover = json!({ "ticket": ticket, "proceed": true });
    let newer = b.post("/login/takeover", &takeover).send().member("token");
    for portal in &portals {
        portal.session(&session).assert(401, "session_ended_elsewhere", "taken over at B");
        let again = portal.post("/login/takeover", &takeover).send();
        again.assert(410, "ticket_invalid", "used at B");
    }
    assert_eq!(b.ask("/logout").bearer(&newer).send().status, 204, "at B");
    for portal in &portals {
        portal.session(&newer).assert(401, "session_ended", "logged out at B");
    }
}

#[test]
fn gu1_of_200_wrong_guesses_at_once_over_three_processes_exactly_eleven_are_evaluated() {
    let folder = Folder::new(CHEAP);
    let portals = three(&folder);
    portals[0].account(&folder, "ada@example.org");
    for identifier in ["ada@example.org", "nobody@example.org"] {
        let answers = at_once(200, |n| portals[n % 3].login(identifier, "wrong").outcome());
        assert_eq!(count(&answers, "invalid_credentials"), 11, "{answers:?}");
        let refused = count(&answers, "locked_out") + count(&answers, "busy");
        assert_eq!(refused, 189, "{answers:?}");
    }
    for portal in &portals {
        let right = portal.login("ada@example.org", PASSWORD);
        right.assert(429, "locked_out", "the right one isn't heard");
        assert_eq!(right.header("retry-after").unwrap(), right.json()["retry_after_seconds"].to_string());
    }
}

#[test]
fn gu1_fifty_right_passwords_at_once_over_three_processes_all_pass() {
    let folder = Folder::new(&format!("{WITHOUT_MAILS}session.on_conflict = \"allow\"\n"));
    let portals = three(&folder);
    portals[0].sign_up("ada@example.org").assert(201, "signed_up", "at A");
    let answers = at_once(50, |n| portals[n % 3].login("ada@example.org", PASSWORD).outcome());
    assert_eq!(count(&answers, "logged_in"), 50, "{answers:?}");
}

#[test]
fn gu8_a_restriction_outlives_the_death_of_every_process() {
    let folder = Folder::new(WITHOUT_MAILS);
    let mut portals = three(&folder);
    portals[0].sign_up("ada@example.org").assert(201, "signed_up", "at A");
    for n in 0..11 {
        portals[n % 3].login("ada@example.org", "wrong").assert(401, "invalid_credentials", "one of eleven");
    }
    portals.iter_mut().for_each(Portal::kill);
    folder.start().login("ada@example.org", PASSWORD).assert(429, "locked_out", "after the crash");
}

#[test]
fn se4_of_50_logins_at_once_over_three_processes_at_limit_one_exactly_one_gets_in() {
    for on_conflict in ["ask", "refuse"] {
        let folder = Folder::new(&format!("{WITHOUT_MAILS}session.on_conflict = \"{on_conflict}\"\n"));
        let portals = three(&folder);
        portals[0].sign_up("ada@example.org").assert(201, "signed_up", "at A");
        let answers = at_once(50, |n| portals[n % 3].login("ada@example.org", PASSWORD).outcome());
        assert_eq!(count(&answers, "logged_in"), 1, "{on_conflict}: {answers:?}");
        let others = count(&answers, "session_conflict") + count(&answers, "session_limit");
        assert_eq!(others, 49, "{on_conflict}: {answers:?}");
        let live = "SELECT count(*) FROM sessions WHERE ended = 0";
        let live: i64 = folder.database().query_row(live, [], |row| row.get(0)).unwrap();
        assert_eq!(live, 1, "{on_conflict}");
    }
}

#[test]
fn re1_fa10_a_link_used_60_times_at_once_by_three_processes_works_once() {
    let folder = Folder::new(CHEAP);
    let portals = three(&folder);
    portals[0].sign_up("ada@example.org").assert(201, "verify_email", "at A");
    let link = folder.link("ada@example.org");
    let answers = at_once(60, |n| portals[n % 3].verify(&link).outcome());
    assert_eq!((count(&answers, "204"), count(&answers, "link_invalid")), (1, 59), "{answers:?}");
    let users: i64 = folder.database().query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert_eq!(users, 1);
}

#[test]
fn fa10_a_takeover_ticket_used_60_times_at_once_by_three_processes_works_once() {
    let folder = Folder::new(WITHOUT_MAILS);
    let portals = three(&folder);
    portals[0].sign_up("ada@example.org").assert(201, "signed_up", "at A");
    logged_in(&portals[1]);
    let ticket = portals[2].login("ada@example.org", PASSWORD).member("ticket");
    let takeover = json!({ "ticket": ticket, "proceed": true });
    let answers = at_once(60, |n| portals[n % 3].post("/login/takeover", &takeover).send().outcome());
    assert_eq!((count(&answers, "logged_in"), count(&answers, "ticket_invalid")), (1, 59), "{answers:?}");
}

#[test]
fn fa10_the_first_administrators_links_of_three_processes_make_one_administrator() {
    let folder = Folder::new(CHEAP);
    let portals = three(&folder);
    let answers = at_once(60, |n| {
        let portal = &portals[n % 3];
        let token = portal.first_administrator().expect("a link while no user exists");
        let form = json!({ "token": token, "email": format!("root{n}@example.org"), "password": PASSWORD });
        portal.post("/first-administrator", &form).send().status.to_string()
    });
    assert_eq!((count(&answers, "201"), count(&answers, "410")), (1, 59), "{answers:?}");
}

#[test]
fn na6_one_username_asked_for_60_times_at_once_of_three_processes_is_held_once() {
    let folder = Folder::new(CHEAP);
    let portals = three(&folder);
    let answers = at_once(60, |n| {
        let form = json!({ "email": format!("a{n}@example.org"), "password": PASSWORD, "username": "ada" });
        portals[n % 3].post("/sign-up", &form).send().outcome()
    });
    assert_eq!((count(&answers, "verify_email"), count(&answers, "username_taken")), (1, 59), "{answers:?}");
    assert_eq!(mails(&folder.mail()).len(), 1);
}

#[test]
fn f12_one_address_gets_three_mails_an_hour_whichever_process_is_asked() {
    let folder = Folder::new(CHEAP);
    let portals = three(&folder);
    let answers = at_once(30, |n| portals[n % 3].sign_up("ada@example.org").outcome());
    assert_eq!(count(&answers, "verify_email"), 30, "{answers:?}");
    let came = mails_to(&folder.mail(), "ada@example.org");
    assert_eq!(came.len(), 3);
    let names: BTreeSet<_> = came.iter().map(|mail| &mail.name).collect();
    assert_eq!(names.len(), 3, "none was overwritten");
}
