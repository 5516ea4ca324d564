//! One account after another: made for somebody else, shown, given a role, deleted.

use std::collections::BTreeSet;

use doorwarden::core::administration::PAGE;
use doorwarden::core::client::Client;
use doorwarden::core::keypair::NewKeypair;
use doorwarden::core::login::LoginStep;
use doorwarden::core::password::Password;
use doorwarden::core::session::Session;
use doorwarden::core::token::LinkToken;
use doorwarden::core::totp::TypedCode;
use futures_executor::block_on;

use crate::machine::{Machine, PASSWORD, log_in};

fn enter(machine: &Machine) -> Session {
    let LoginStep::LoggedIn(login) = log_in(&machine.service(), "ada", PASSWORD, Client::default()).unwrap() else {
        panic!("no session")
    };
    login.session
}

fn set_password(machine: &Machine, link: &str) -> Result<(), String> {
    let token = LinkToken::parse(link.split_once("token=").unwrap().1).unwrap();
    let set = machine.service();
    let set = block_on(set.reset_password(&token, Password::new(PASSWORD.to_owned()), &Client::default()));
    set.map(drop).map_err(|failure| format!("{failure:?}"))
}

#[test]
fn an_account_s_owner_is_mailed_a_link_to_set_the_password() {
    let machine = Machine::with_file("password.bcrypt_cost = 4\nmail.transport = \"dir:mail\"\n");
    let added = machine.done(&["user", "add", "--email", "ada@example.org", "--username", "ada", "--role", "admin"]);
    let says = "ada@example.org: added as admin, its owner is mailed a link to set the password, once, until 20";
    assert!(added.starts_with(says), "{added}");
    let mails: Vec<_> = std::fs::read_dir(machine.path().join("mail")).unwrap().map(|mail| mail.unwrap()).collect();
    assert_eq!(mails.len(), 1);
    let mail = std::fs::read_to_string(mails[0].path()).unwrap();
    assert!(mail.contains("To: ada@example.org"), "{mail}");
    let printed = machine.run(&["user", "show", "ada"]).out + &added;
    assert!(!printed.contains("token="), "the link is its owner's alone");

    let told = machine.run(&["user", "add", "--email", "bob@example.org", "--json"]).json();
    assert_eq!((&told["mailed"], &told["link"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(told["user"]["has_password"], false);
}

#[test]
fn where_no_mails_are_sent_the_link_is_printed_to_whoever_asks_for_it() {
    let machine = Machine::new();
    let refused = machine.run(&["user", "add", "--email", "ada@example.org"]);
    let says = "no mails are sent here: give a password with --password-stdin, or have the link with --print-link\n";
    assert_eq!((refused.status, refused.complaint.as_str(), refused.out.as_str()), (Some(2), says, ""));
    assert_eq!(machine.done(&["user", "list"]).lines().count(), 1, "nobody was added");

    let add = ["user", "add", "--email", "ada@example.org", "--username", "ada", "--print-link"];
    let added = machine.done(&add);
    let (line, link) = added.trim_end().split_once('\n').unwrap();
    assert!(line.starts_with("ada@example.org: added as user, the link sets its password, once, until 20"), "{line}");
    let link = link.strip_prefix("link  http://127.0.0.1:8080/reset-password?token=").unwrap();
    assert!(log_in(&machine.service(), "ada", PASSWORD, Client::default()).is_err());
    set_password(&machine, &format!("token={link}")).unwrap();
    assert_eq!(machine.run(&["user", "show", "ada", "--json"]).json()["user"]["email_verified"], true);
    enter(&machine);
    assert!(set_password(&machine, &format!("token={link}")).is_err(), "it works once");

    let told = machine.run(&["user", "add", "--email", "bob@example.org", "--print-link", "--json"]).json();
    assert_eq!(told["mailed"], false);
    set_password(&machine, told["link"].as_str().unwrap()).unwrap();

    let mailing = Machine::with_file("password.bcrypt_cost = 4\nmail.transport = \"dir:mail\"\n");
    let refused = mailing.run(&add);
    let says = "--print-link: mails are sent here, and the link goes to its owner alone\n";
    assert_eq!((refused.status, refused.complaint.as_str()), (Some(2), says));
}

#[test]
fn an_account_is_shown_with_its_keypairs_and_without_secrets() {
    let machine = Machine::with_file(
        "mail.transport = \"none\"\npassword.bcrypt_cost = 4\nsign_up.fields = [{ name = \"lab\", label = \"Lab\" }]\n",
    );
    machine.add_ada();
    let (service, session) = (machine.service(), enter(&machine));
    let form = NewKeypair { label: Some("\u{202e}nightly".to_owned()), ..NewKeypair::default() };
    let issued = block_on(service.create_keypair(&session, form, &Client::default())).unwrap();
    for _ in 0..11 {
        assert!(log_in(&service, "ada", "wrong", Client::default()).is_err());
    }

    let shown = machine.done(&["user", "show", "ADA@example.org"]);
    let cells: Vec<Vec<_>> =
        shown.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).collect()).collect();
    let of = |name: &str| cells.iter().find(|row| row.first() == Some(&name)).unwrap()[1].trim().to_owned();
    assert_eq!((of("e-mail"), of("username"), of("role")), ("ada@example.org".into(), "ada".into(), "user".into()));
    assert_eq!((of("password"), of("one-time passwords"), of("full name")), ("yes".into(), "no".into(), "-".into()));
    assert!(of("restricted").starts_with("until 20"), "{shown}");
    let access_key = issued.keypair.access_key.as_str();
    assert_eq!(of(access_key), "\\u{202e}nightly", "{shown}");

    let told = machine.run(&["user", "show", "ada", "--json"]);
    let body = told.json();
    assert_eq!((&body["user"]["restricted"], &body["user"]["totp_enabled"]), (&true.into(), &false.into()));
    assert!(body["user"]["restricted_until"].as_str().unwrap().ends_with('Z'));
    assert_eq!(body["keypairs"][0]["access_key"], access_key);
    assert_eq!(
        (&body["keypairs"][0]["label"], &body["keypairs"][0]["active"]),
        (&"\u{202e}nightly".into(), &true.into())
    );
    for secret in [issued.secret_key.expose(), "$2b$"] {
        assert!(!shown.contains(secret) && !told.out.contains(secret));
    }

    machine.done(&["user", "unlock", "ada"]);
    assert!(
        machine
            .done(&["user", "show", "ada"])
            .lines()
            .any(|line| line.starts_with("restricted") && line.ends_with("no"))
    );
}

#[test]
fn ad1_a_role_is_given_and_the_last_administrator_stays_one() {
    let machine = Machine::new();
    machine.add_ada();
    assert_eq!(machine.done(&["user", "role", "ada", "admin"]), "ada@example.org: is admin now\n");
    assert_eq!(machine.done(&["user", "role", "ada", "admin"]), "ada@example.org: is admin already\n");
    for arguments in
        [&["user", "role", "ada", "user"][..], &["user", "disable", "ada"], &["user", "delete", "ada", "--yes"]]
    {
        let refused = machine.run(&[arguments, &["--json"]].concat());
        assert_eq!((refused.status, &refused.json()["code"]), (Some(1), &"last_administrator".into()), "{arguments:?}");
    }
    machine.done(&["user", "add", "--email", "bob@example.org", "--role", "admin", "--print-link"]);
    let told = machine.run(&["user", "role", "ada", "operator", "--json"]).json();
    assert_eq!(told["user"]["role"], "operator");
    let trail = machine.run(&["audit", "--user", "ada", "--name", "user.changed", "--outcome", "success", "--json"]);
    let last = trail.json_lines().pop().unwrap();
    assert_eq!(last["facts"], serde_json::json!({ "role": "operator", "former_role": "admin" }));
    assert_eq!(last.get("actor"), None, "whoever runs the machine has no account");
}

#[test]
fn an_account_is_deleted_only_where_that_is_meant() {
    let machine = Machine::new();
    machine.add_ada();
    let (service, session) = (machine.service(), enter(&machine));
    block_on(service.create_keypair(&session, NewKeypair::default(), &Client::default())).unwrap();
    let asked = machine.run(&["user", "delete", "ada"]);
    let says = "deleting an account can't be undone: say with --yes that it is meant\n";
    assert_eq!((asked.status, asked.complaint.as_str()), (Some(2), says));
    assert_eq!(machine.run(&["user", "delete", "ada", "--json"]).json()["problems"][0]["says"], says.trim_end());
    assert_eq!(machine.done(&["user", "list"]).lines().count(), 2);

    let deleted = machine.done(&["user", "delete", "ada", "--yes"]);
    assert_eq!(deleted, "ada@example.org: deleted with its keypairs, its sessions are ended\n");
    assert_eq!(machine.done(&["user", "list"]).lines().count(), 1);
    assert!(block_on(service.keypairs(session.user, None, PAGE)).unwrap().is_empty());
    let trail = machine.run(&["audit", "--name", "user.deleted", "--json"]).json_lines();
    assert_eq!(trail[0]["user"], session.user.to_string());
}

/// Every command that changes an account or an invitation is an event, without an actor.
#[test]
fn every_act_is_an_event_of_its_account_without_an_actor() {
    let machine = Machine::new();
    let acts = [
        ("role", &["operator"][..], "user.changed"),
        ("disable", &[], "user.changed"),
        ("enable", &[], "user.changed"),
        ("demand-password-change", &[], "user.changed"),
        ("unlock", &[], "login.unlocked"),
        ("reset-totp", &[], "totp.reset"),
        ("end-sessions", &[], "session.ended"),
        ("delete", &["--yes"], "user.deleted"),
    ];
    let help = machine.done(&["user", "--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: BTreeSet<_> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    let known = acts.iter().map(|(command, ..)| *command).chain(["add", "list", "show", "help"]).collect();
    assert_eq!(commands, known, "a command without a row here");

    let trail = || machine.run(&["audit", "--json"]).json_lines();
    let id = machine.run(&["user", "add", "--email", "ada@example.org", "--print-link", "--json"]).json();
    set_password(&machine, id["link"].as_str().unwrap()).unwrap();
    set_up_totp(&machine);
    let id = id["user"]["id"].clone();
    let first = trail().remove(0);
    assert_eq!((&first["name"], &first["user"], first.get("actor")), (&"user.changed".into(), &id, None));
    for (command, more, name) in acts {
        let before = trail().len();
        machine.done(&[&["user", command, "ada@example.org"][..], more].concat());
        let events = trail().split_off(before);
        assert_eq!(events.len(), 1, "{command}: {events:?}");
        assert_eq!((&events[0]["name"], &events[0]["outcome"]), (&name.into(), &"success".into()), "{command}");
        assert_eq!((&events[0]["user"], events[0].get("actor")), (&id, None), "{command}");
    }
    let before = trail().len();
    let invitation = machine.run(&["invite", "--json"]).json();
    machine.done(&["invitations", "revoke", invitation["id"].as_str().unwrap()]);
    let events = trail().split_off(before);
    let names: Vec<_> = events.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["invitation.created", "invitation.revoked"]);
    assert!(events.iter().all(|event| event.get("actor").is_none()));
}

fn set_up_totp(machine: &Machine) {
    let (service, client, password) = (machine.service(), Client::default(), Password::new(PASSWORD.to_owned()));
    let LoginStep::LoggedIn(login) = log_in(&service, "ada@example.org", PASSWORD, Client::default()).unwrap() else {
        panic!("no session")
    };
    let (ticket, setup) = block_on(service.totp_setup(&login.session, Some(password), &client)).unwrap();
    let secret = totp_rs::Secret::try_from_base32(setup.secret()).unwrap();
    let code = totp_rs::Builder::new().with_secret(secret).build().unwrap().generate_current().to_string();
    block_on(service.totp_confirm(&login.session, &ticket, &TypedCode::new(code), &client)).unwrap();
}
