//! Ranges of addresses: whose forwarding headers are believed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One address, or a range of them in CIDR form (RFC 4632): `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
///
/// ```
/// use doorwarden_core::network::Network;
///
/// let inside: Network = "10.0.0.0/8".parse()?;
/// assert!(inside.contains("10.1.2.3".parse()?));
/// assert!(inside.contains("::ffff:10.1.2.3".parse()?));
/// assert!(!inside.contains("11.0.0.1".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Network {
    first: IpAddr,
    bits: u32,
}

/// The text is neither an address nor a range of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("allowed is an IP address, or a range that begins at its first address, such as 10.0.0.0/8")]
pub struct InvalidNetwork;

impl Network {
    /// Whether `address` is in it; an IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(self.first) == width(address) && (number(address) ^ number(self.first)) & self.fixed() == 0
    }

    /// Whether it holds every address of its family.
    pub const fn is_everyone(&self) -> bool {
        self.bits == 0
    }

    /// The bits that all its addresses share.
    fn fixed(&self) -> u128 {
        u128::MAX.checked_shl(width(self.first).saturating_sub(self.bits)).unwrap_or(0)
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let typed: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let bits = match bits {
            None => width(typed),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().map_err(|_| InvalidNetwork)?,
            Some(_) => return Err(InvalidNetwork),
        };
        let first = typed.to_canonical();
        // A mapped range is one of IPv4 addresses, or isn't a range of one family.
        let bits = bits.checked_sub(width(typed) - width(first)).ok_or(InvalidNetwork)?;
        let network = Self { first, bits };
        let begins = bits <= width(first) && number(first) & !network.fixed() == 0;
        begins.then_some(network).ok_or(InvalidNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)?;
        if self.bits < width(self.first) { write!(f, "/{}", self.bits) } else { Ok(()) }
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = InvalidNetwork;

    fn try_from(text: String) -> Result<Self, InvalidNetwork> {
        text.parse()
    }
}

const fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gu9_a_range_holds_its_first_and_last_address_and_no_other() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.0.0.0", "11.0.0.0"),
            ("10.0.0.0/8", "10.255.255.255", "9.255.255.255"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::a00:1"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("fd00::/8", "fdff::1", "fe00::"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("::ffff:10.0.0.0/104", "10.9.9.9", "11.9.9.9"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "ffff::1", "1.2.3.4"),
        ] {
            let network: Network = range.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{range} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{range} {outside}");
            assert_eq!(network.to_string().parse(), Ok(network));
        }
    }

    #[test]
    fn other_texts_are_no_ranges() {
        for text in [
            "",
            "10",
            "host",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.0 /8",
            "10.0.0.0/8/8",
            "::/129",
            "::ffff:1.2.3.4/95",
        ] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }

    #[test]
    fn a_range_is_written_as_it_was_read() {
        for text in ["10.0.0.1", "10.0.0.0/8", "fd00::/8", "::1"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }
}
