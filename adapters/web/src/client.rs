//! Who is at the other end of a request: the socket's address, or what a trusted proxy says of it.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use doorwarden_core::client::Client;
use doorwarden_core::network::Network;
use serde::Serialize;
use utoipa::ToSchema;

use crate::cookie::KnownCookie;
use crate::current::Auth;
use crate::problem::Problem;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The client of a request.
///
/// Its address is the socket's, or, where that is one of `trusted`, the right-most of `X-Forwarded-For` that isn't.
pub(crate) fn client(headers: &HeaderMap, extensions: &Extensions, trusted: &[Network]) -> Client {
    let socket = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let user_agent = headers.get(USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client::new(socket.map(|peer| behind_proxies(peer, headers, trusted)), user_agent.as_deref())
}

fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut hops = headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|line| line.as_bytes().rsplit(|b| *b == b','));
    let mut nearest = peer;
    while trusted.iter().any(|network| network.contains(nearest)) {
        // What a proxy wrote and can't be read ends the chain: nothing to its left is better known.
        let Some(hop) = hops.next().and_then(read_hop) else { break };
        nearest = hop;
    }
    nearest
}

/// An address, as some proxies with its port.
fn read_hop(written: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(written).ok()?.trim();
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip())).or_else(bracketed)
}

/// Extracts the client of a request.
#[derive(Debug)]
pub(crate) struct Caller(pub(crate) Client);

impl FromRequestParts<Auth> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let client = client(&parts.headers, &parts.extensions, &auth.settings().trust_proxy);
        let cookie = KnownCookie::of(&auth.engine().policy().public_url);
        Ok(Self(client.with_browser(cookie.read(&parts.headers))))
    }
}

/// Where a request came from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Client)]
pub(crate) struct ClientBody {
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What it called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> Self {
        Self { address: client.address.map(|address| address.to_string()), user_agent: client.user_agent }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn address(socket: &str, forwarded: &[&[u8]], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(socket.parse().unwrap(), 40_000)));
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client(&headers, &extensions, &trusted).address.unwrap().to_string()
    }

    #[test]
    fn gu9_forwarding_headers_count_only_from_a_trusted_proxy_and_then_the_right_most_other_address() {
        let proxies: &[&str] = &["10.0.0.0/8", "fd00::1"];
        for (socket, forwarded, trusted, expected) in [
            ("203.0.113.9", &[][..], proxies, "203.0.113.9"),
            ("203.0.113.9", &[&b"198.51.100.1"[..]][..], proxies, "203.0.113.9"),
            ("10.0.0.1", &[b"198.51.100.1"], &[], "10.0.0.1"),
            ("10.0.0.1", &[], proxies, "10.0.0.1"),
            ("10.0.0.1", &[b"198.51.100.1"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"6.6.6.6, 198.51.100.1"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"6.6.6.6, 198.51.100.1, 10.9.9.9"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"6.6.6.6", b"198.51.100.1"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"198.51.100.1", b"10.2.2.2 ,10.3.3.3"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"10.4.4.4, 10.5.5.5"], proxies, "10.4.4.4"),
            ("fd00::1", &[b"2001:db8::7"], proxies, "2001:db8::7"),
            ("fd00::2", &[b"2001:db8::7"], proxies, "fd00::2"),
            ("::ffff:10.0.0.1", &[b"198.51.100.1"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"::ffff:198.51.100.1"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"198.51.100.1:5511"], proxies, "198.51.100.1"),
            ("10.0.0.1", &[b"[2001:db8::7]:443"], proxies, "2001:db8::7"),
            ("10.0.0.1", &[b"[2001:db8::7]"], proxies, "2001:db8::7"),
            ("10.0.0.1", &[b"6.6.6.6, unknown"], proxies, "10.0.0.1"),
            ("10.0.0.1", &[b"6.6.6.6, \xff\xfe"], proxies, "10.0.0.1"),
            ("10.0.0.1", &[b"6.6.6.6,"], proxies, "10.0.0.1"),
            ("10.0.0.1", &[b"6.6.6.6, 198.51.100.1, , 10.2.2.2"], proxies, "10.2.2.2"),
        ] {
            assert_eq!(address(socket, forwarded, trusted), expected, "{socket} {forwarded:?} {trusted:?}");
        }
    }

    #[test]
    fn without_a_socket_there_is_no_address() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_static("198.51.100.1"));
        headers.append(USER_AGENT, HeaderValue::from_bytes(b"agent \xff").unwrap());
        let client = client(&headers, &Extensions::new(), &["0.0.0.0/0".parse().unwrap()]);
        assert_eq!((client.address, client.user_agent.as_deref()), (None, Some("agent \u{fffd}")));
    }
}
