//! A host's own routes.

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::Method;
use axum::routing::{get, post};
use doorwarden_web::{Auth, CurrentSession, CurrentUser, WebSettings};

use crate::world::{Call, World};

/// A host with a state of its own.
#[derive(Clone)]
struct Shop {
    auth: Auth,
    name: &'static str,
}

impl FromRef<Shop> for Auth {
    fn from_ref(shop: &Shop) -> Self {
        shop.auth.clone()
    }
}

async fn mine(State(shop): State<Shop>, CurrentUser { user, .. }: CurrentUser) -> String {
    format!("{} at {}", user.email.typed(), shop.name)
}

async fn anyone(current: Option<CurrentUser>) -> String {
    current.map_or("a guest".to_owned(), |current| current.user.email.typed().to_owned())
}

async fn order(current: CurrentSession) -> String {
    current.session.user.to_string()
}

async fn shop() -> World {
    let world = World::new().await;
    let shop = Shop { auth: Auth::new(world.engine.clone(), WebSettings::default()), name: "the shop" };
    let own = Router::new().route("/mine", get(mine)).route("/anyone", get(anyone)).route("/order", post(order));
    World { app: own.with_state(shop).merge(world.app.clone()), ..world }
}

fn at(world: &World, method: Method, path: &str) -> Call {
    let mut call = world.call(method, "");
    call.set_path(path);
    call
}

#[tokio::test]
async fn a_hosts_route_knows_its_user_and_answers_a_stranger_with_the_contracts_problem() {
    let world = shop().await;
    let token = world.logged_in("ada@example.org").await;
    let mine = || at(&world, Method::GET, "/mine");
    assert_eq!(mine().cookie(&token).send().await.text(), "ada@example.org at the shop");
    assert_eq!(mine().bearer(&token).send().await.text(), "ada@example.org at the shop");
    let refused = mine().send().await;
    refused.assert_problem(401, "session_required", "a stranger");
    assert_eq!(refused.headers["cache-control"], "no-store", "se7");
    world.call(Method::POST, "/logout").cookie(&token).send().await;
    mine().cookie(&token).send().await.assert_problem(401, "session_ended", "se3");
}

#[tokio::test]
async fn a_page_for_anyone_knows_who_is_logged_in() {
    let world = shop().await;
    let token = world.logged_in("ada@example.org").await;
    let anyone = || at(&world, Method::GET, "/anyone");
    assert_eq!(anyone().cookie(&token).send().await.text(), "ada@example.org");
    assert_eq!(anyone().send().await.text(), "a guest");
    assert_eq!(anyone().cookie("x").send().await.text(), "a guest");
    world.store.fail_call(1, doorwarden_core::testing::FaultMoment::Before);
    anyone().cookie(&token).send().await.assert_problem(503, "unavailable", "a fault is no guest");
}

#[tokio::test]
async fn se6_a_hosts_own_changes_are_refused_from_other_sites() {
    let world = shop().await;
    let token = world.logged_in("ada@example.org").await;
    let order = || at(&world, Method::POST, "/order").header("cookie", format!("dw_session={token}"));
    assert_eq!(order().header("sec-fetch-site", "same-origin").send().await.status.as_u16(), 200);
    for call in
        [order(), order().header("sec-fetch-site", "same-site"), order().header("origin", "https://evil.example")]
    {
        call.send().await.assert_problem(403, "cross_site", "another site");
    }
    assert_eq!(at(&world, Method::POST, "/order").bearer(&token).send().await.status.as_u16(), 200);
}
