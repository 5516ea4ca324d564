//! Who is at the other end of a request: address and user agent, as the host saw them.

use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::token::{BrowserToken, Digest};
use crate::user::UserId;

const USER_AGENT_CHARACTERS: usize = 256;

/// The client of a request. Both parts are hearsay: they inform, they never authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Client {
    /// The address of the socket, or of the right-most forwarding hop that isn't a trusted proxy.
    pub address: Option<IpAddr>,
    /// The first 256 characters of the `User-Agent` header.
    pub user_agent: Option<String>,
    /// What it keeps of earlier logins; never stored with the rest.
    #[serde(skip)]
    pub browser: Browser,
}

/// What a client keeps of earlier logins, for `lockout.known_browser`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Browser {
    /// It keeps nothing: a program, or a host that gives its browsers no such token.
    #[default]
    Forgetful,
    /// It would keep a token and shows none.
    Unknown,
    /// It shows one.
    Showing {
        /// For whose account.
        user: UserId,
        /// Its digest.
        token: Digest,
    },
}

impl Browser {
    /// A browser that shows `token`.
    pub fn showing(token: &BrowserToken) -> Self {
        Self::Showing { user: UserId::from_bytes(token.locator()), token: token.digest() }
    }
}

impl Client {
    /// The client at `address`; a long user agent is cut to 256 characters, control characters become spaces.
    pub fn new(address: Option<IpAddr>, user_agent: Option<&str>) -> Self {
        let visible = |c: char| if c.is_control() { ' ' } else { c };
        let user_agent = user_agent.map(|text| text.chars().take(USER_AGENT_CHARACTERS).map(visible).collect());
        Self { address: address.map(|a| a.to_canonical()), user_agent, browser: Browser::default() }
    }

    /// The client with what it keeps of earlier logins.
    #[must_use]
    pub fn with_browser(self, browser: Browser) -> Self {
        Self { browser, ..self }
    }

    /// What counts as one client in a limit by address: an IPv4 address, or the /64 of an IPv6 address.
    pub fn network(&self) -> Option<IpAddr> {
        self.address.map(network_of)
    }
}

/// What counts as one client: an IPv4 address, also if mapped into IPv6, or an IPv6 /64.
pub(crate) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gu9_an_ipv6_client_counts_by_its_64_and_a_mapped_one_as_ipv4() {
        for (address, network) in [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            let client = Client::new(Some(address.parse().unwrap()), None);
            assert_eq!(client.network(), Some(network.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn f13_a_user_agent_is_kept_to_256_characters_on_one_line() {
        let client = Client::new(None, Some(&"é\n".repeat(200)));
        let kept = client.user_agent.unwrap();
        assert_eq!(kept.chars().count(), 256);
        assert!(!kept.contains('\n'));
    }
}
