//! `kill -9` in a storm of sign-ups: what was acknowledged is there, and nothing is half.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::http::at_once;
use crate::mailbox::{mails, mails_to};
use crate::process::{CHEAP, Folder, PASSWORD, Portal, until};

const KILLS: usize = 14;
const CALLERS: usize = 4;

/// How far an account had come when its last acknowledgement was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    SignedUp,
    /// Its link was sent off, and no answer came.
    Verifying,
    Verified,
}

#[test]
fn what_was_acknowledged_outlives_14_kills_in_a_storm_and_nothing_is_half() {
    let folder = Folder::new(CHEAP);
    let mut acknowledged = Vec::new();
    let mut chance = 7_u64;
    for kill in 0..KILLS {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let dice = usize::try_from(chance >> 33).unwrap();
        if kill % 5 == 4 {
            // While it starts, whatever it is doing then.
            let mut portal = Portal::spawn(&mut folder.command());
            std::thread::sleep(Duration::from_micros(dice as u64 % 150_000));
            portal.kill();
            continue;
        }
        let before = acknowledged.len();
        acknowledged.extend(storm(&folder, kill, 1 + dice % 40));
        assert!(acknowledged.len() > before, "the storm was one");
    }
    let portal = folder.start();
    nothing_is_half(&folder, &portal);
    let again = acknowledged.iter().enumerate();
    for (at, (email, stage)) in again {
        works(&folder, &portal, email, *stage);
        assert_eq!(portal.login(email, "wrong").outcome(), "invalid_credentials", "{at}: {email}");
    }
    let verified = acknowledged.iter().filter(|(_, stage)| *stage == Stage::Verified).count();
    println!("{} sign-ups acknowledged, {verified} of them verified", acknowledged.len());
}

/// Signs up and verifies until the portal is killed, after `enough` acknowledged sign-ups.
pub(crate) fn storm(folder: &Folder, kill: usize, enough: usize) -> Vec<(String, Stage)> {
    let mut portal = folder.start();
    let (acknowledged, signed_up, over) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicBool::new(false));
    let target = portal.address.clone();
    std::thread::scope(|scope| {
        let target = &target;
        let (acknowledged, signed_up, over) = (&acknowledged, &signed_up, &over);
        for caller in 0..CALLERS {
            scope.spawn(move || {
                for n in (0..5_000).take_while(|_| !over.load(Ordering::SeqCst)) {
                    let email = format!("k{kill}-{caller}-{n}@example.org");
                    let Some(stage) = become_a_user(folder, target, &email, n % 2 == 0, signed_up) else { continue };
                    acknowledged.lock().unwrap().push((email, stage));
                }
            });
        }
        until("enough sign-ups", || (signed_up.load(Ordering::SeqCst) >= enough).then_some(()));
        portal.kill();
        over.store(true, Ordering::SeqCst);
    });
    acknowledged.into_inner().unwrap()
}

/// `None` if not even the sign-up was acknowledged.
fn become_a_user(folder: &Folder, address: &str, email: &str, verifies: bool, count: &AtomicUsize) -> Option<Stage> {
    let call = |path: &str, body| crate::http::Call::new(address, "POST", path).json(&body).attempt();
    let form = serde_json::json!({ "email": email, "password": PASSWORD });
    call("/auth/sign-up", form).ok()?.assert(201, "verify_email", email);
    let mails = mails_to(&folder.mail(), email);
    assert_eq!(mails.len(), 1, "{email}: the mail stands before the reply");
    count.fetch_add(1, Ordering::SeqCst);
    if !verifies {
        return Some(Stage::SignedUp);
    }
    match call("/auth/verify-email", serde_json::json!({ "token": mails[0].token() })) {
        Ok(reply) => {
            assert_eq!(reply.status, 204, "{email}: {}", reply.text());
            Some(Stage::Verified)
        }
        Err(_) => Some(Stage::Verifying),
    }
}

/// Every mail is whole and its link means something; every registration gets its mail in the end.
fn nothing_is_half(folder: &Folder, portal: &Portal) {
    let database = folder.database();
    let intact: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    for mail in mails(&folder.mail()) {
        assert!(mail.is_whole(), "{}", mail.text);
        let shown = portal.post("/verify-email/show", &serde_json::json!({ "token": mail.token() })).send();
        let known = format!("SELECT count(*) FROM users WHERE email_key = '{}'", mail.to());
        let user: i64 = database.query_row(&known, [], |row| row.get(0)).unwrap();
        assert_eq!((shown.status, user), if user == 1 { (410, 1) } else { (200, 0) }, "{}", mail.to());
    }
    let addresses = "SELECT email_key FROM registrations ORDER BY email_key";
    let mut statement = database.prepare(addresses).unwrap();
    let waiting: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let waits = "SELECT count(*) FROM deliveries";
    let waiting_mails: i64 = database.query_row(waits, [], |row| row.get(0)).unwrap();
    let without = waiting.iter().filter(|email| mails_to(&folder.mail(), email).is_empty()).count();
    assert!(i64::try_from(without).unwrap() <= waiting_mails, "{without} wait for mails that nobody will send");
}

/// An acknowledged account can go on from where it was, and log in.
pub(crate) fn works(folder: &Folder, portal: &Portal, email: &str, stage: Stage) {
    let mails = mails_to(&folder.mail(), email);
    assert!(!mails.is_empty(), "{email}: {stage:?}, and its mail is gone");
    let verified = portal.verify(&mails[0].token());
    match stage {
        Stage::SignedUp => assert_eq!(verified.status, 204, "{email}: {}", verified.text()),
        Stage::Verified => verified.assert(410, "link_invalid", email),
        Stage::Verifying => assert!([204, 410].contains(&verified.status), "{email}: {}", verified.text()),
    }
    portal.login(email, PASSWORD).assert(200, "logged_in", email);
}

#[test]
fn a_session_that_was_acknowledged_ended_stays_ended_when_the_portal_is_killed_at_once() {
    let folder = Folder::new(&format!("{CHEAP}session.on_conflict = \"allow\"\nsession.max_concurrent = 100\n"));
    let mut portal = folder.start();
    portal.account(&folder, "ada@example.org");
    let tokens: Vec<_> = (0..12).map(|_| portal.login("ada@example.org", PASSWORD).member("token")).collect();
    let ended: Vec<_> = at_once(6, |n| portal.ask("/logout").bearer(&tokens[n]).send().status);
    portal.kill();
    assert_eq!(ended, [204; 6]);
    let portal = folder.start();
    for (n, token) in tokens.iter().enumerate() {
        let expected = if n < 6 { "session_ended" } else { "200" };
        let seen = portal.session(token);
        let seen = if seen.status == 200 { "200".to_owned() } else { seen.outcome() };
        assert_eq!(seen, expected, "session {n}");
    }
}
