use doorwarden_web::WebSettings;
use serde_json::json;

use crate::world::{PASSWORD, World};

async fn behind(trust_proxy: &[&str]) -> World {
    let trust_proxy = trust_proxy.iter().map(|network| network.parse().unwrap()).collect();
    World::built(|policy| policy.per_address_hour = 2, WebSettings { trust_proxy, ..WebSettings::default() }, |b| b)
        .await
}

async fn resend(world: &World, socket: &str, forwarded: Option<&str>) -> u16 {
    let mut call = world.post("/verify-email/resend", json!({ "email": "ada@example.org" })).from(socket);
    if let Some(forwarded) = forwarded {
        call = call.header("x-forwarded-for", forwarded);
    }
    call.send().await.status.as_u16()
}

#[tokio::test]
async fn gu13_strangers_requests_are_limited_by_client_address() {
    let world = behind(&[]).await;
    for expected in [202, 202, 429] {
        assert_eq!(resend(&world, "203.0.113.9", None).await, expected);
    }
    let reply = world.sign_up("bob@example.org").await;
    assert_eq!(reply.status.as_u16(), 201, "no socket, no limit");
    let form = json!({ "email": "bob@example.org", "password": PASSWORD });
    let reply = world.post("/sign-up", form).from("203.0.113.9").send().await;
    reply.assert_problem(429, "too_many_requests", "sign-up counts, too");
    let seconds = reply.json()["retry_after_seconds"].as_u64().unwrap();
    assert!((3_590..=3_600).contains(&seconds), "the resends took a moment: {seconds}");
    assert_eq!(resend(&world, "203.0.113.10", None).await, 202, "another address");
}

#[tokio::test]
async fn gu9_a_forged_forwarding_header_wins_no_second_budget() {
    let world = behind(&[]).await;
    for (forwarded, expected) in [("6.6.6.1", 202), ("6.6.6.2", 202), ("6.6.6.3", 429)] {
        assert_eq!(resend(&world, "203.0.113.9", Some(forwarded)).await, expected);
    }
    let world = behind(&["10.0.0.1"]).await;
    for (forwarded, expected) in
        [("198.51.100.1", 202), ("6.6.6.2, 198.51.100.1", 202), ("6.6.6.3, 198.51.100.1", 429), ("198.51.100.2", 202)]
    {
        assert_eq!(resend(&world, "10.0.0.1", Some(forwarded)).await, expected, "{forwarded}");
    }
}

#[tokio::test]
async fn gu9_an_ipv6_client_is_its_64_and_a_mapped_one_is_ipv4() {
    let world = behind(&[]).await;
    for (address, expected) in [
        ("2001:db8::1", 202),
        ("2001:db8::2", 202),
        ("2001:db8::ffff:0:0:3", 429),
        ("2001:db8:0:1::1", 202),
        ("203.0.113.9", 202),
        ("::ffff:203.0.113.9", 202),
        ("203.0.113.9", 429),
    ] {
        assert_eq!(resend(&world, address, None).await, expected, "{address}");
    }
}
