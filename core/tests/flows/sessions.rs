//! Rows L8 to L10 and what must stay true of sessions.

use std::time::Duration;

use doorwarden_core::client::Client;
use doorwarden_core::login::{LoginRefusal, LoginStep, TakeOver};
use doorwarden_core::password::Password;
use doorwarden_core::session::{OnConflict, Session, SessionRefusal};
use doorwarden_core::token::{SessionToken, TicketToken};
use doorwarden_core::user::UserStatus;
use futures_executor::block_on;

use crate::world::{PASSWORD, World, refusal};

fn check(world: &World, token: &SessionToken) -> Result<Session, SessionRefusal> {
    block_on(world.engine.check(token)).map_err(refusal)
}

fn conflict(world: &World) -> (TicketToken, Vec<Session>) {
    match world.login("ada@example.org", PASSWORD) {
        Ok(LoginStep::SessionConflict { ticket, sessions }) => (ticket, sessions),
        other => panic!("{other:?}"),
    }
}

fn take_over(world: &World, ticket: &TicketToken, wish: TakeOver) -> Result<LoginStep, LoginRefusal> {
    block_on(world.engine.take_over(ticket, wish)).map_err(refusal)
}

#[test]
fn l8_a_takeover_ends_the_listed_session_and_its_browser_is_told() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let first = world.log_in("ada@example.org");
    let (ticket, sessions) = conflict(&world);
    assert_eq!(sessions.iter().map(|s| s.id).collect::<Vec<_>>(), [first.session.id]);
    assert!(check(&world, &first.token).is_ok(), "nothing has ended yet");
    let Ok(LoginStep::LoggedIn(second)) = take_over(&world, &ticket, TakeOver::Proceed) else { panic!() };
    assert_eq!(check(&world, &first.token), Err(SessionRefusal::EndedElsewhere));
    assert!(check(&world, &second.token).is_ok());
    assert_eq!(take_over(&world, &ticket, TakeOver::Proceed).unwrap_err(), LoginRefusal::TicketInvalid);
}

#[test]
fn l8_cancelling_leaves_the_live_session() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let first = world.log_in("ada@example.org");
    let (ticket, _) = conflict(&world);
    assert!(matches!(take_over(&world, &ticket, TakeOver::Cancel), Ok(LoginStep::Cancelled)));
    assert!(check(&world, &first.token).is_ok());
    assert_eq!(take_over(&world, &ticket, TakeOver::Proceed).unwrap_err(), LoginRefusal::TicketInvalid);
}

#[test]
fn se4_a_takeover_ends_no_session_that_it_did_not_list() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.log_in("ada@example.org");
    let (one, _) = conflict(&world);
    let (other, _) = conflict(&world);
    let Ok(LoginStep::LoggedIn(second)) = take_over(&world, &one, TakeOver::Proceed) else { panic!() };
    let Ok(LoginStep::SessionConflict { sessions, .. }) = take_over(&world, &other, TakeOver::Proceed) else {
        panic!()
    };
    assert_eq!(sessions.iter().map(|s| s.id).collect::<Vec<_>>(), [second.session.id]);
    assert!(check(&world, &second.token).is_ok());
}

#[test]
fn l8_each_way_to_meet_a_conflict_changes_the_outcome() {
    for (on_conflict, second, first_lives) in [
        (OnConflict::Ask, "session_conflict", true),
        (OnConflict::Refuse, "session_limit", true),
        (OnConflict::EndOldest, "logged_in", false),
        (OnConflict::Allow, "logged_in", true),
    ] {
        let world = World::new(|policy| policy.session.on_conflict = on_conflict);
        world.add("ada@example.org", None);
        let first = world.log_in("ada@example.org");
        assert_eq!(world.code("ada@example.org", PASSWORD), second, "{on_conflict:?}");
        assert_eq!(check(&world, &first.token).is_ok(), first_lives, "{on_conflict:?}");
    }
}

#[test]
fn an_expired_session_is_no_conflict() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    world.log_in("ada@example.org");
    world.pass(8 * 3_600);
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn an_idle_session_is_no_conflict() {
    let world = World::new(|policy| policy.session.idle = Some(Duration::from_secs(60)));
    world.add("ada@example.org", None);
    let first = world.log_in("ada@example.org");
    world.pass(60);
    assert_eq!(check(&world, &first.token), Err(SessionRefusal::Idle));
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in");
}

#[test]
fn l9_the_timer_runs_out_unless_it_is_extended() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    world.pass(8 * 3_600 - 1);
    let extended = block_on(world.engine.extend(&session.token, &Client::default())).unwrap();
    assert_eq!(session.session.expires_at.until(extended.expires_at).as_secs(), 8 * 3_600 - 1);
    world.pass(8 * 3_600 - 1);
    assert!(check(&world, &session.token).is_ok());
    world.pass(1);
    assert_eq!(check(&world, &session.token), Err(SessionRefusal::Expired));
    let late = block_on(world.engine.extend(&session.token, &Client::default()));
    assert_eq!(refusal(late.unwrap_err()), SessionRefusal::Expired);
}

#[test]
fn l9_an_idle_session_that_is_used_stays() {
    let world = World::new(|policy| policy.session.idle = Some(Duration::from_secs(2)));
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    for _ in 0..10 {
        world.pass(1);
        assert!(check(&world, &session.token).is_ok());
    }
    world.pass(2);
    assert_eq!(check(&world, &session.token), Err(SessionRefusal::Idle));
}

#[test]
fn l10_se3_log_out_ends_the_session_at_once() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    block_on(world.engine.log_out(&session.token, &Client::default())).unwrap();
    assert_eq!(check(&world, &session.token), Err(SessionRefusal::Ended));
    let again = block_on(world.engine.log_out(&session.token, &Client::default()));
    assert_eq!(refusal(again.unwrap_err()), SessionRefusal::Ended);
    assert_eq!(world.code("ada@example.org", PASSWORD), "logged_in", "and is no conflict");
}

#[test]
fn l10_a_user_lists_own_sessions_and_ends_one_or_all_others() {
    let world = World::new(|policy| policy.session.max_concurrent = 4);
    world.add("ada@example.org", None);
    world.add("bob@example.org", None);
    let sessions: Vec<_> = (0..4).map(|_| world.log_in("ada@example.org")).collect();
    let stranger = world.log_in("bob@example.org");
    let own = &sessions[0].session;
    let listed = block_on(world.engine.own_sessions(own, None, 200)).unwrap().0;
    assert_eq!(listed.len(), 4);
    block_on(world.engine.end_session(own, sessions[1].session.id, &Client::default())).unwrap();
    assert_eq!(check(&world, &sessions[1].token), Err(SessionRefusal::Ended));
    let foreign = block_on(world.engine.end_session(own, stranger.session.id, &Client::default()));
    assert_eq!(refusal(foreign.unwrap_err()), SessionRefusal::NotFound, "ex5");
    assert_eq!(block_on(world.engine.end_other_sessions(own, &Client::default())).unwrap(), 2);
    assert_eq!(block_on(world.engine.own_sessions(own, None, 200)).unwrap().0.len(), 1);
    assert!(check(&world, &stranger.token).is_ok());
}

#[test]
fn se8_ending_others_asks_for_a_proof_younger_than_ten_minutes() {
    let world = World::new(|policy| policy.session.max_concurrent = 2);
    world.add("ada@example.org", None);
    let (own, _other) = (world.log_in("ada@example.org"), world.log_in("ada@example.org"));
    world.pass(600);
    let end = || block_on(world.engine.end_other_sessions(&check(&world, &own.token).unwrap(), &Client::default()));
    assert_eq!(refusal(end().unwrap_err()), SessionRefusal::ProofRequired);
    let password = Password::new(PASSWORD.to_owned());
    block_on(world.engine.prove(&own.token, password, &Client::default())).unwrap();
    assert_eq!(end().unwrap(), 1);
}

#[test]
fn se3_disabling_an_account_ends_its_sessions() {
    let world = World::new(|_| {});
    let user = world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    block_on(world.engine.set_status(user.id, UserStatus::Disabled, &Client::default())).unwrap();
    assert_eq!(check(&world, &session.token), Err(SessionRefusal::Ended));
}

#[test]
fn se3_nothing_revives_when_a_new_engine_starts_on_the_store() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    block_on(world.engine.log_out(&session.token, &Client::default())).unwrap();
    let builder = doorwarden_core::engine::Engine::builder()
        .store(world.store.clone())
        .mailer(world.mailer.clone())
        .clock(std::sync::Arc::new(world.clock.clone()));
    let restarted = crate::world::start(builder, crate::world::policy());
    assert_eq!(refusal(block_on(restarted.check(&session.token)).unwrap_err()), SessionRefusal::Ended);
}

#[test]
fn se2_every_login_has_a_token_of_its_own() {
    let world = World::new(|policy| policy.session.on_conflict = OnConflict::Allow);
    world.add("ada@example.org", None);
    let digests: std::collections::HashSet<_> =
        (0..20).map(|_| world.log_in("ada@example.org").token.digest()).collect();
    assert_eq!(digests.len(), 20);
}

#[test]
fn a_login_and_a_log_out_are_on_the_trail() {
    let world = World::new(|_| {});
    world.add("ada@example.org", None);
    let session = world.log_in("ada@example.org");
    block_on(world.engine.log_out(&session.token, &Client::default())).unwrap();
    let trail = world.trail();
    for line in ["login.succeeded success", "session.opened success", "session.ended success"] {
        assert!(trail.contains(&line.to_owned()), "{line} is missing in {trail:?}");
    }
}
