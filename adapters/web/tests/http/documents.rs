use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::world::World;

/// The endpoints of the contract that this build has.
pub(crate) const ENDPOINTS: &[(&str, &str)] = &[
    ("GET", "/options"),
    ("POST", "/sign-up"),
    ("POST", "/verify-email"),
    ("POST", "/verify-email/show"),
    ("POST", "/verify-email/decline"),
    ("POST", "/verify-email/resend"),
    ("POST", "/login"),
    ("POST", "/login/otp"),
    ("POST", "/login/totp-setup"),
    ("POST", "/login/password"),
    ("POST", "/login/terms"),
    ("POST", "/login/takeover"),
    ("POST", "/password/forgot"),
    ("POST", "/password/reset"),
    ("POST", "/password/change"),
    ("POST", "/email/change"),
    ("POST", "/email/confirm"),
    ("POST", "/email/confirm/show"),
    ("POST", "/email/undo"),
    ("POST", "/email/undo/show"),
    ("GET", "/account"),
    ("PATCH", "/account"),
    ("POST", "/account/delete"),
    ("POST", "/logout"),
    ("GET", "/session"),
    ("POST", "/session/extend"),
    ("POST", "/session/prove"),
    ("GET", "/sessions"),
    ("DELETE", "/sessions"),
    ("DELETE", "/sessions/{id}"),
    ("GET", "/keypairs"),
    ("POST", "/keypairs"),
    ("PATCH", "/keypairs/{access_key}"),
    ("DELETE", "/keypairs/{access_key}"),
    ("POST", "/keypairs/{access_key}/rotate"),
    ("GET", "/totp"),
    ("POST", "/totp/setup"),
    ("POST", "/totp/confirm"),
    ("POST", "/totp/disable"),
    ("POST", "/first-administrator"),
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("GET", "/admin/users/{id}"),
    ("PATCH", "/admin/users/{id}"),
    ("DELETE", "/admin/users/{id}"),
    ("POST", "/admin/users/{id}/unlock"),
    ("POST", "/admin/users/{id}/reset-totp"),
    ("POST", "/admin/users/{id}/end-sessions"),
    ("GET", "/admin/invitations"),
    ("POST", "/admin/invitations"),
    ("DELETE", "/admin/invitations/{id}"),
    ("GET", "/admin/audit"),
    ("GET", "/healthz"),
    ("GET", "/openapi.json"),
];

#[tokio::test]
async fn the_description_names_every_endpoint_that_is_routed_and_no_other() {
    let world = World::new().await;
    let reply = world.get("/openapi.json").send().await;
    assert_eq!((reply.status, &reply.headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()));
    let json = reply.json();
    let documented: BTreeSet<(String, String)> = json["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
        })
        .collect();
    let contract = ENDPOINTS.iter().map(|(method, path)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(documented, contract);

    // What is routed: every path that the router itself holds, with the methods that it allows there.
    let mut routed = BTreeSet::new();
    for path in routed_paths(&world) {
        let reply = world.call(Method::OPTIONS, &path.replace("{id}", "x")).send().await;
        let allowed = reply.headers["allow"].to_str().unwrap().split(',').filter(|method| *method != "HEAD");
        routed.extend(allowed.map(|method| (method.to_owned(), path.clone())));
    }
    assert_eq!(routed, documented);
}

/// The paths below the prefix, read from the router's own `Debug`: axum lists them nowhere else.
fn routed_paths(world: &World) -> Vec<String> {
    let shown = format!("{:?}", world.app);
    let mut paths: Vec<String> = shown
        .split('"')
        .filter_map(|quoted| quoted.strip_prefix("/auth"))
        .filter(|path| path.len() > 1 && !path.contains('*'))
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 10, "{shown}");
    paths
}

#[tokio::test]
async fn the_description_holds_no_release_no_secret_and_only_what_it_defines() {
    let world = World::new().await;
    let json = world.get("/openapi.json").send().await.json();
    assert_eq!(json["info"]["version"], "1");
    assert!(!json.to_string().contains(env!("CARGO_PKG_VERSION")));
    let mut references = vec![];
    collect_references(&json, &mut references);
    assert!(references.len() > 20);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(json.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            found.extend(entries.get("$ref").and_then(Value::as_str).map(str::to_owned));
            entries.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn the_options_are_the_contracts_and_follow_the_policy() {
    let world = World::new().await;
    let expected = json!({
        "modes": ["session"],
        "endpoint": { "url": "", "pinned": true },
        "identifiers": ["email", "username"],
        "sign_up": {
            "open": true, "invitation": "off", "username": "optional", "full_name": "optional", "fields": [],
            "terms": null, "privacy": null, "verify_email": true,
        },
        "password": { "min_length": 8, "max_length": 128, "require": ["letter", "digit", "special"] },
        "recovery": true,
        "totp": { "digits": 6 },
        "session": { "extendable": true },
        "sso": [],
        "console": { "name": "doorwarden", "logo": null, "accent": "#2f6feb", "locales": ["en", "ko"] },
    });
    assert_eq!(world.get("/options").send().await.json(), expected);
    let mut policy = (*world.engine.policy()).clone();
    (policy.sign_up.open, policy.sign_up.verify_email, policy.session.extendable) = (false, false, false);
    (policy.password.min_length, policy.password.require) = (15, vec![]);
    policy.login.endpoint.url = "https://api.example.org".to_owned();
    policy.login.endpoint.pinned = false;
    world.engine.set_policy(policy).await.unwrap();
    let options = world.get("/options").send().await.json();
    assert_eq!(options["endpoint"], json!({ "url": "https://api.example.org", "pinned": false }));
    assert_eq!((&options["sign_up"]["open"], &options["sign_up"]["verify_email"]), (&json!(false), &json!(false)));
    assert_eq!(options["session"]["extendable"], false);
    assert_eq!(options["password"], json!({ "min_length": 15, "max_length": 128, "require": [] }));
}

#[test]
fn no_two_schemas_share_a_name() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut names = std::collections::BTreeMap::<String, String>::new();
    for file in std::fs::read_dir(sources).unwrap() {
        let path = file.unwrap().path();
        let (file, text) = (path.display().to_string(), std::fs::read_to_string(&path).unwrap());
        for item in text.split("ToSchema)]").skip(1) {
            let (head, _) = item.split_once('{').unwrap();
            let given = head.split_once("#[schema(as = ").map(|(_, rest)| rest.split([')', ',']).next().unwrap());
            let own = head.split_whitespace().last().unwrap();
            let name = given.unwrap_or(own).trim().to_owned();
            assert!(name.chars().all(char::is_alphanumeric), "{file}: {name}");
            let other = names.insert(name.clone(), file.clone());
            assert_eq!(other, None, "{name} stands for two things: the later one replaces the other, here in {file}");
        }
    }
    assert!(names.len() > 30, "{names:?}");
}
