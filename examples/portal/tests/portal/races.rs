//! What works once works once, however many ask three processes at the same moment.

use serde_json::{Value, json};

use crate::cluster::three;
use crate::http::{at_once, count};
use crate::mailbox::mails_to;
use crate::process::{CHEAP, Folder, PASSWORD, Portal, WITHOUT_MAILS};

const ADA: &str = "ada@example.org";

/// The session of an administrator, made by the first link.
pub(crate) fn administrator(portal: &Portal) -> String {
    let token = portal.first_administrator().expect("no user exists");
    let form = json!({ "token": token, "email": "root@example.org", "password": PASSWORD });
    assert_eq!(portal.post("/first-administrator", &form).send().status, 201);
    portal.login("root@example.org", PASSWORD).member("token")
}

fn users(folder: &Folder) -> i64 {
    folder.database().query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap()
}

#[test]
fn in1_an_invitation_shown_by_100_sign_ups_at_once_makes_as_many_accounts_as_it_may() {
    for (uses, configuration, done) in
        [(1, CHEAP, "verify_email"), (1, WITHOUT_MAILS, "signed_up"), (3, CHEAP, "verify_email")]
    {
        let folder = Folder::new(&format!("{configuration}sign_up.invitation = \"required\"\n"));
        let portals = three(&folder);
        let root = administrator(&portals[0]);
        let invitation = portals[1].post("/admin/invitations", &json!({ "max_uses": uses })).bearer(&root).send();
        let token = invitation.member("token");
        let answers = at_once(100, |n| {
            let form = json!({ "email": format!("a{n}@example.org"), "password": PASSWORD, "invitation": token });
            portals[n % 3].post("/sign-up", &form).send().outcome()
        });
        assert_eq!(count(&answers, done), uses, "{answers:?}");
        assert_eq!(count(&answers, "invitation_invalid"), 100 - uses, "{answers:?}");
        let made = if done == "signed_up" { 1 + uses } else { 1 };
        assert_eq!(users(&folder), i64::try_from(made).unwrap());
    }
}

/// An account with a session, one-time passwords, and twenty logins that wait for a code.
fn twenty_tickets(
    folder: &Folder,
    portals: &[Portal],
) -> (crate::authenticator::Authenticator, Vec<String>, Vec<String>) {
    portals[0].sign_up(ADA).assert(201, "signed_up", "alone");
    let session = portals[1].login(ADA, PASSWORD).member("token");
    let (authenticator, recovery_codes) = portals[2].authenticator(&session);
    let tickets = at_once(20, |n| portals[n % 3].login(ADA, PASSWORD).member("ticket"));
    assert_eq!(users(folder), 1);
    (authenticator, recovery_codes, tickets)
}

#[test]
fn ot1_one_code_shown_with_20_tickets_at_once_opens_one_session() {
    let policy = format!("{WITHOUT_MAILS}lockout.max_failures = 1000\nsession.on_conflict = \"allow\"\n");
    for by_recovery_code in [false, true] {
        let folder = Folder::new(&policy);
        let portals = three(&folder);
        let (authenticator, recovery_codes, tickets) = twenty_tickets(&folder, &portals);
        let code = if by_recovery_code { recovery_codes[0].clone() } else { authenticator.second() };
        let answers = at_once(20, |n| {
            let form = json!({ "ticket": tickets[n], "code": code });
            portals[n % 3].post("/login/otp", &form).send().outcome()
        });
        assert_eq!((count(&answers, "logged_in"), count(&answers, "invalid_code")), (1, 19), "{answers:?}");
    }
}

#[test]
fn se5_one_ticket_shown_20_times_at_once_with_20_right_codes_opens_one_session() {
    let folder = Folder::new(&format!("{WITHOUT_MAILS}totp.recovery_codes = 20\nsession.on_conflict = \"allow\"\n"));
    let portals = three(&folder);
    let (_, recovery_codes, tickets) = twenty_tickets(&folder, &portals);
    let answers = at_once(20, |n| {
        let form = json!({ "ticket": tickets[0], "code": recovery_codes[n] });
        portals[n % 3].post("/login/otp", &form).send().outcome()
    });
    assert_eq!((count(&answers, "logged_in"), count(&answers, "ticket_invalid")), (1, 19), "{answers:?}");
}

#[test]
fn ot1_a_set_up_confirmed_20_times_at_once_gives_recovery_codes_once() {
    let folder = Folder::new(&format!("{WITHOUT_MAILS}totp.mode = \"required\"\n"));
    let portals = three(&folder);
    portals[0].sign_up(ADA).assert(201, "signed_up", "alone");
    let asked = portals[1].login(ADA, PASSWORD);
    let code = crate::authenticator::Authenticator::of(&asked).first();
    let form = json!({ "ticket": asked.member("ticket"), "code": code });
    let answers = at_once(20, |n| portals[n % 3].post("/login/totp-setup", &form).send());
    let given =
        answers.iter().filter(|answer| answer.json().get("recovery_codes").is_some_and(Value::is_array)).count();
    let answers: Vec<_> = answers.iter().map(|answer| answer.outcome()).collect();
    assert_eq!((given, count(&answers, "logged_in")), (1, 1), "{answers:?}");
    assert_eq!(count(&answers, "ticket_invalid"), 19, "{answers:?}");
}

#[test]
fn re1_a_reset_link_used_20_times_at_once_sets_one_password() {
    let folder = Folder::new(&format!("{CHEAP}session.on_conflict = \"allow\"\nlockout.max_failures = 1000\n"));
    let portals = three(&folder);
    portals[0].account(&folder, ADA);
    let session = portals[1].login(ADA, PASSWORD).member("token");
    assert_eq!(portals[2].post("/password/forgot", &json!({ "email": ADA })).send().status, 202);
    let link = mails_to(&folder.mail(), ADA).last().unwrap().token();
    let password = |n: usize| format!("another horse {n}?");
    let answers = at_once(20, |n| {
        let form = json!({ "token": link, "new_password": password(n) });
        portals[n % 3].post("/password/reset", &form).send().outcome()
    });
    assert_eq!((count(&answers, "204"), count(&answers, "link_invalid")), (1, 19), "{answers:?}");
    let winner = answers.iter().position(|answer| answer == "204").unwrap();
    portals[0].session(&session).assert(401, "session_ended", "p2");
    for n in 0..20 {
        let expected = if n == winner { "logged_in" } else { "invalid_credentials" };
        assert_eq!(portals[n % 3].login(ADA, &password(n)).outcome(), expected, "{n}");
    }
}
