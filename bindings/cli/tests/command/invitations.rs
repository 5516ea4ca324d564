//! Invitations, from their making to their end.

use doorwarden::core::client::Client;
use doorwarden::core::password::Password;
use doorwarden::core::sign_up::{PresentedInvitation, SignUpForm};
use futures_executor::block_on;

use crate::machine::{Machine, PASSWORD};

const INVITED: &str = "mail.transport = \"none\"\npassword.bcrypt_cost = 4\nsign_up.invitation = \"required\"\n";

fn sign_up(machine: &Machine, email: &str, token: &str) -> bool {
    let form = SignUpForm::new(email, Password::new(PASSWORD.to_owned()), Client::default());
    let form = SignUpForm { invitation: PresentedInvitation::read(token), ..form };
    block_on(machine.service().sign_up(form)).is_ok()
}

#[test]
fn in1_an_invitation_is_printed_once_used_listed_and_revoked() {
    let machine = Machine::with_file(INVITED);
    let told =
        machine.done(&["invite", "--max-uses", "2", "--expires", "12h", "--role", "team-lead", "--note", "the lab"]);
    let token = told.lines().next().unwrap().strip_prefix("token  ").unwrap();
    assert_eq!(told.lines().nth(1).unwrap(), format!("link   http://127.0.0.1:8080/sign-up?invitation={token}"));
    assert!(told.lines().nth(2).unwrap().starts_with("works 2 times, until "), "{told}");

    assert!(!sign_up(&machine, "ada@example.org", "dwi_x"));
    assert!(sign_up(&machine, "ada@example.org", token));
    let listed = machine.done(&["invitations"]);
    let row: Vec<_> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..6], ["open", "1", "0", "2", "anyone", "team-lead"], "{listed}");
    let json = machine.run(&["invitations", "--json"]).json_lines();
    assert_eq!((&json[0]["uses"], &json[0]["note"]), (&1.into(), &"the lab".into()));
    assert!(!listed.contains(token) && !json[0].to_string().contains(token));

    let id = json[0]["id"].as_str().unwrap();
    assert_eq!(machine.done(&["invitations", "revoke", id]), format!("{id}: revoked\n"));
    assert!(!sign_up(&machine, "bob@example.org", token));
    assert!(machine.done(&["invitations"]).contains("revoked"));
    let unknown = machine.run(&["invitations", "revoke", "01a20e0d-39ae-7994-a992-5340e6322c3b"]);
    assert_eq!((unknown.status, unknown.out.as_str()), (Some(1), ""), "{unknown:?}");
    let trail = machine.done(&["audit"]);
    assert!(
        machine.done(&["invite", "--role", "admin"]).contains("token  dwi_"),
        "who runs the machine proves nothing"
    );
    assert!(!trail.contains(token) && trail.contains("invitation.redeemed"), "{trail}");
}

#[test]
fn what_can_t_be_is_refused_and_off_is_said() {
    let machine = Machine::new();
    for (arguments, status) in [
        (["--email", "ada"], 1),
        (["--domain", "a@b"], 1),
        (["--max-uses", "0"], 1),
        (["--expires", "0s"], 1),
        (["--expires", "soon"], 2),
        (["--role", "A b"], 2),
    ] {
        let ran = machine.run(&[&["invite"], &arguments[..]].concat());
        assert_eq!(ran.status, Some(status), "{arguments:?}: {ran:?}");
        assert!(!ran.out.contains("dwi_"), "{arguments:?}");
    }
    let ran = machine.run(&["invite", "--email", "Ada@example.org", "--json"]);
    assert_eq!(ran.status, Some(0));
    assert!(ran.complaint.starts_with("sign_up.invitation is \"off\""), "{ran:?}");
    let issued: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&issued["email"], &issued["max_uses"]), (&"Ada@example.org".into(), &1.into()));
    assert!(issued["token"].as_str().unwrap().starts_with("dwi_"));
}
