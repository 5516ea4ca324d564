//! Four processes on one PostgreSQL database are one service, and outlive each other and the server's crash.

use std::sync::Arc;

use doorwarden_postgres::testing::Server;
use serde_json::json;

use crate::crash::{storm, works};
use crate::http::{at_once, count};
use crate::mailbox::mails_to;
use crate::outage::{assert_logged, assert_silent};
use crate::process::{CHEAP, Folder, PASSWORD, Portal, WITHOUT_MAILS, until};
use crate::races::administrator;

const ADA: &str = "ada@example.org";

/// A folder whose accounts, sessions, counts and tickets lie in a database of its own.
fn on(server: &Server, configuration: &str) -> Folder {
    Folder::new(&format!("{configuration}store.directory = \"{}\"\n", server.fresh_database()))
}

/// Four portals, started at once on an empty database.
fn four(configuration: &str) -> (Arc<Server>, Folder, Vec<Portal>) {
    let server = Server::shared();
    let folder = on(&server, configuration);
    let portals = at_once(4, |_| folder.start());
    (server, folder, portals)
}

#[test]
fn gu1_of_200_wrong_guesses_at_once_over_four_processes_on_postgresql_eleven_are_evaluated() {
    let (_server, folder, portals) = four(CHEAP);
    portals[0].account(&folder, ADA);
    for identifier in [ADA, "nobody@example.org"] {
        let answers = at_once(200, |n| portals[n % 4].login(identifier, "wrong").outcome());
        assert_eq!(count(&answers, "invalid_credentials"), 11, "{answers:?}");
        assert_eq!(count(&answers, "locked_out") + count(&answers, "busy"), 189, "{answers:?}");
    }
    for portal in &portals {
        portal.login(ADA, PASSWORD).assert(429, "locked_out", "the right one isn't heard");
    }
    assert!(!folder.path("doorwarden.db").exists(), "nothing lies elsewhere");
}

#[test]
fn se4_of_50_logins_at_once_over_four_processes_on_postgresql_one_gets_in_at_limit_one() {
    let (_server, _folder, portals) = four(WITHOUT_MAILS);
    portals[0].sign_up(ADA).assert(201, "signed_up", "at A");
    let answers = at_once(50, |n| portals[n % 4].login(ADA, PASSWORD).outcome());
    assert_eq!((count(&answers, "logged_in"), count(&answers, "session_conflict")), (1, 49), "{answers:?}");
}

#[test]
fn re1_a_reset_link_used_20_times_at_once_on_postgresql_sets_one_password() {
    let (_server, folder, portals) = four(&format!("{CHEAP}lockout.max_failures = 1000\n"));
    portals[0].account(&folder, ADA);
    assert_eq!(portals[2].post("/password/forgot", &json!({ "email": ADA })).send().status, 202);
    let link = mails_to(&folder.mail(), ADA).last().unwrap().token();
    let answers = at_once(20, |n| {
        let form = json!({ "token": link, "new_password": format!("another horse {n}?") });
        portals[n % 4].post("/password/reset", &form).send().outcome()
    });
    assert_eq!((count(&answers, "204"), count(&answers, "link_invalid")), (1, 19), "{answers:?}");
    let winner = answers.iter().position(|answer| answer == "204").unwrap();
    portals[3].login(ADA, &format!("another horse {winner}?")).assert(200, "logged_in", "the winner's");
}

#[test]
fn in1_an_invitation_shown_by_100_sign_ups_at_once_on_postgresql_makes_as_many_accounts_as_it_may() {
    let (_server, _folder, portals) = four(&format!("{WITHOUT_MAILS}sign_up.invitation = \"required\"\n"));
    let root = administrator(&portals[0]);
    let invitation = portals[1].post("/admin/invitations", &json!({ "max_uses": 3 })).bearer(&root).send();
    let token = invitation.member("token");
    let answers = at_once(100, |n| {
        let form = json!({ "email": format!("a{n}@example.org"), "password": PASSWORD, "invitation": token });
        portals[n % 4].post("/sign-up", &form).send().outcome()
    });
    assert_eq!((count(&answers, "signed_up"), count(&answers, "invitation_invalid")), (3, 97), "{answers:?}");
}

#[test]
fn what_was_acknowledged_on_postgresql_outlives_kills_in_a_storm() {
    let server = Server::shared();
    let folder = on(&server, CHEAP);
    let survivor = folder.start();
    let mut acknowledged = Vec::new();
    for (kill, enough) in [7, 19, 2, 31].into_iter().enumerate() {
        acknowledged.extend(storm(&folder, kill, enough));
    }
    assert!(acknowledged.len() >= 59, "the storm was one: {}", acknowledged.len());
    for (email, stage) in &acknowledged {
        works(&folder, &survivor, email, *stage);
    }
}

#[test]
fn fa12_a_postgresql_that_crashes_is_unavailable_and_all_goes_on_when_it_is_back() {
    let server = Server::start();
    let folder = on(&server, &format!("{WITHOUT_MAILS}session.on_conflict = \"allow\"\n"));
    let portals = [folder.start(), folder.start()];
    portals[0].sign_up(ADA).assert(201, "signed_up", "an account");
    let token = portals[0].login(ADA, PASSWORD).member("token");
    for n in 0..10 {
        portals[n % 2].login(ADA, "wrong").assert(401, "invalid_credentials", "one of eleven");
    }
    server.kill();
    for portal in &portals {
        for reply in [
            portal.login(ADA, PASSWORD),
            portal.login(ADA, "wrong"),
            portal.sign_up("bob@example.org"),
            portal.session(&token),
            portal.ask("/logout").bearer(&token).send(),
        ] {
            reply.assert(503, "unavailable", reply.head());
            assert_silent(&reply, &folder);
            assert_logged(&reply, portal);
        }
    }
    server.up();
    for portal in &portals {
        until("the connections are made anew", || (portal.session(&token).status == 200).then_some(()));
    }
    portals[1].login(ADA, "wrong").assert(401, "invalid_credentials", "the eleventh");
    portals[0].login(ADA, PASSWORD).assert(429, "locked_out", "ten were counted before the crash");
    portals[0].sign_up("bob@example.org").assert(201, "signed_up", "no half a sign-up");
    assert_eq!(portals[1].ask("/logout").bearer(&token).send().status, 204, "no half a log-out");
}

#[test]
fn a_portal_whose_postgresql_is_away_ends_and_says_where_it_was_without_the_password() {
    let server = Server::start();
    let url = server.fresh_database().replace("dw@", "dw:hunter2@");
    let folder = Folder::new(&format!("{WITHOUT_MAILS}store.directory = \"{url}\"\n"));
    server.kill();
    let (status, complaint) = folder.refused();
    assert!(status.is_some_and(|status| status != 0), "{status:?}");
    assert!(complaint.contains("opening the database in 127.0.0.1:"), "{complaint}");
    assert!(!complaint.contains("hunter2"), "{complaint}");
}
