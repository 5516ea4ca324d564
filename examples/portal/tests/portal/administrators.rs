//! Two administrators in two processes who turn on each other: somebody is left who may administer.

use serde_json::{Value, json};

use crate::http::{Call, at_once, count};
use crate::process::{Folder, PASSWORD, Portal, WITHOUT_MAILS};

const ROUNDS: usize = 20;
const EMAILS: [&str; 2] = ["ada@example.org", "bob@example.org"];

struct Two {
    folder: Folder,
    portals: Vec<Portal>,
    ids: [String; 2],
}

impl Two {
    fn new() -> Self {
        let folder = Folder::new(&format!("{WITHOUT_MAILS}session.on_conflict = \"end_oldest\"\n"));
        let portals = at_once(2, |_| folder.start());
        let token = portals.iter().find_map(Portal::first_administrator).expect("a link while no user exists");
        let form = json!({ "token": token, "email": EMAILS[0], "password": PASSWORD });
        assert_eq!(portals[0].post("/first-administrator", &form).send().status, 201);
        portals[0].sign_up(EMAILS[1]).assert(201, "signed_up", "at A");
        let ids =
            EMAILS.map(|email| portals[0].login(email, PASSWORD).json()["user"]["id"].as_str().unwrap().to_owned());
        let two = Self { folder, portals, ids };
        assert_eq!(two.patch(&two.token(0), 0, 1, &json!({ "role": "admin" })).send().status, 200);
        two
    }

    /// A fresh session of an administrator.
    fn token(&self, who: usize) -> String {
        self.portals[who].login(EMAILS[who], PASSWORD).member("token")
    }

    fn patch(&self, token: &str, portal: usize, whom: usize, change: &Value) -> Call {
        let path = format!("/auth/admin/users/{}", self.ids[whom]);
        Call::new(&self.portals[portal].address, "PATCH", &path).json(change).bearer(token)
    }

    /// Who may administer now, as the store has it.
    fn administrators(&self) -> Vec<usize> {
        let found = "SELECT count(*) FROM users WHERE email_key = ?1 \
            AND json_extract(body, '$.role') = 'admin' AND json_extract(body, '$.status') = 'active'";
        let database = self.folder.database();
        let is = |email: &str| database.query_row(found, [email], |row| row.get::<_, i64>(0)).unwrap() == 1;
        (0..2).filter(|who| is(EMAILS[*who])).collect()
    }

    /// Both at once, each in a process of their own and twice; whoever is left makes the other one again.
    fn round(&self, change: &Value, whom: fn(usize) -> usize) {
        let tokens = [0, 1].map(|who| self.token(who));
        let answers = at_once(4, |n| {
            let (who, portal) = (n % 2, (n + n / 2) % 2);
            self.patch(&tokens[who], portal, whom(who), change).send().outcome()
        });
        let left = self.administrators();
        assert!(!left.is_empty(), "nobody may administer any more: {change} {answers:?}");
        // What is done is answered with the account, whose status it is.
        let known = ["active", "disabled", "forbidden", "last_administrator", "session_ended"];
        assert!(answers.iter().all(|answer| known.contains(&&**answer)), "{answers:?}");
        let done = count(&answers, "active") + count(&answers, "disabled");
        assert!(done >= 1 && left.len() == 1, "one of them was first: {answers:?} {left:?}");
        let again = json!({ "role": "admin", "status": "active" });
        let (there, gone) = (left[0], 1 - left[0]);
        let back = if change.get("role").is_some() { again } else { json!({ "status": "active" }) };
        assert_eq!(self.patch(&self.token(there), there, gone, &back).send().status, 200);
        assert_eq!(self.administrators(), [0, 1]);
    }
}

#[test]
fn ad1_two_administrators_who_demote_or_disable_each_other_at_once_never_leave_none() {
    let two = Two::new();
    for _ in 0..ROUNDS {
        two.round(&json!({ "role": "user" }), |who| 1 - who);
        two.round(&json!({ "status": "disabled" }), |who| 1 - who);
    }
}

#[test]
fn ad1_two_administrators_who_leave_at_once_never_leave_none() {
    let two = Two::new();
    for _ in 0..ROUNDS {
        two.round(&json!({ "status": "disabled" }), |who| who);
    }
}
