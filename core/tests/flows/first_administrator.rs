//! Whoever reads the console of a process without users makes the first administrator, and nobody else does.

use doorwarden_core::administration::NewUser;
use doorwarden_core::client::Client;
use doorwarden_core::password::Password;
use doorwarden_core::sign_up::SignUpForm;
use doorwarden_core::token::TicketToken;
use doorwarden_core::user::Role;
use futures_executor::block_on;

use crate::world::{PASSWORD, World, form, refusal};

fn link(world: &World) -> TicketToken {
    let link = block_on(world.engine.first_administrator_link()).unwrap().unwrap();
    TicketToken::parse(link.split("token=").nth(1).unwrap()).unwrap()
}

fn make(world: &World, link: &TicketToken, username: &str, password: &str) -> Result<Role, &'static str> {
    let form = NewUser {
        email: "root@example.org".to_owned(),
        username: Some(username.to_owned()),
        password: Some(Password::new(password.to_owned())),
        role: Role::user(),
        email_verified: false,
    };
    let made = block_on(world.engine.create_first_administrator(link, form, &Client::default()));
    made.map(|user| user.role).map_err(|failure| refusal(failure).code())
}

#[test]
fn the_link_makes_one_administrator() {
    let world = World::new(|_| {});
    let (one, other) = (link(&world), link(&world));
    assert_eq!(make(&world, &one, "root", PASSWORD), Ok(Role::admin()));
    assert_eq!(make(&world, &one, "root2", PASSWORD), Err("link_invalid"), "used");
    assert_eq!(make(&world, &other, "root2", PASSWORD), Err("link_invalid"), "a user exists");
    assert!(block_on(world.engine.first_administrator_link()).unwrap().is_none());
    assert_eq!(world.code("root", PASSWORD), "logged_in");
}

#[test]
fn f6_the_link_lives_an_hour() {
    for (seconds, outcome) in [(3_599, Ok(Role::admin())), (3_600, Err("link_invalid"))] {
        let world = World::new(|_| {});
        let link = link(&world);
        world.pass(seconds);
        assert_eq!(make(&world, &link, "root", PASSWORD), outcome, "{seconds}");
    }
}

#[test]
fn a_refused_form_and_a_stranger_who_holds_the_name_leave_the_link() {
    let world = World::new(|_| {});
    let link = link(&world);
    world.sign_up_with(SignUpForm { username: Some("root".to_owned()), ..form("eve@example.org") }).unwrap();
    assert_eq!(make(&world, &link, "root", PASSWORD), Err("username_taken"));
    assert_eq!(make(&world, &link, "chief", "weak"), Err("password_too_weak"));
    assert_eq!(make(&world, &link, "chief", PASSWORD), Ok(Role::admin()));
}
