//! The `[web]` and `[console]` sections: how requests arrive, and how the console looks.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The `[web]` section of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WebSection {
    /// The path that the API is under: begins with `/`, doesn't end with it.
    pub prefix: String,
    /// The proxies whose `X-Forwarded-For` is believed: addresses, or ranges such as `10.0.0.0/8`.
    pub trust_proxy: Vec<ProxyRange>,
    /// Sign-ups, resends, forgotten passwords and invitation tries from one client address an hour; 0: no limit.
    pub per_address_hour: u32,
    /// Whether `/metrics` is open.
    pub metrics: bool,
}

impl Default for WebSection {
    fn default() -> Self {
        Self { prefix: "/auth".to_owned(), trust_proxy: Vec::new(), per_address_hour: 60, metrics: false }
    }
}

impl WebSection {
    pub(super) fn has_prefix(&self) -> bool {
        let segment = |part: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            !part.is_empty() && part.bytes().all(plain) && part != "." && part != ".."
        };
        self.prefix.strip_prefix('/').is_some_and(|rest| rest.split('/').all(segment))
    }
}

/// Addresses of proxies: one, or all that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ProxyRange {
    start: IpAddr,
    bits: u8,
}

impl ProxyRange {
    /// Reads `10.0.0.1`, `10.0.0.0/8`, `fd00::/8`.
    ///
    /// # Errors
    /// [`InvalidProxyRange`] for anything else, a range that doesn't begin at its first address included.
    pub fn parse(text: &str) -> Result<Self, InvalidProxyRange> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let start: IpAddr = address.parse().map_err(|_| InvalidProxyRange)?;
        let width = width(start);
        let bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().map_err(|_| InvalidProxyRange)?
            }
            Some(_) => return Err(InvalidProxyRange),
        };
        let range = Self { start, bits };
        let begins = bits <= width && number(start) & !range.mask() == 0;
        begins.then_some(range).ok_or(InvalidProxyRange)
    }

    /// Whether the range holds `address`; an IPv4 address mapped into IPv6 is taken as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (start, address) = (self.start.to_canonical(), address.to_canonical());
        width(start) == width(address) && number(address) & self.mask() == number(self.start.to_canonical())
    }

    /// Whether the range holds every address of its family.
    pub const fn is_everyone(&self) -> bool {
        self.bits == 0
    }

    fn mask(&self) -> u128 {
        // A mapped range is counted in the 32 bits of IPv4.
        let (width, canonical) = (width(self.start), width(self.start.to_canonical()));
        let free = u32::from(width.min(canonical).saturating_sub(self.bits.saturating_sub(width - canonical)));
        u128::MAX.checked_shl(free).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

impl From<ProxyRange> for String {
    fn from(range: ProxyRange) -> Self {
        let single = range.bits == width(range.start);
        if single { range.start.to_string() } else { format!("{}/{}", range.start, range.bits) }
    }
}

impl TryFrom<String> for ProxyRange {
    type Error = InvalidProxyRange;

    fn try_from(text: String) -> Result<Self, InvalidProxyRange> {
        Self::parse(&text)
    }
}

/// The text isn't an address or a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a range: allowed is an IP address, or a range that begins at its first address, such as 10.0.0.0/8")]
pub struct InvalidProxyRange;

/// The languages that the console speaks.
pub(super) const LOCALES: [&str; 2] = ["en", "ko"];

/// The `[console]` section of the file: how the portal looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleSection {
    /// What the service is called, in mails too.
    pub name: String,
    /// `file:PATH` of an image, or empty.
    pub logo: String,
    /// The accent colour, `#rrggbb`.
    pub accent: String,
    /// The languages offered; the first is the default.
    pub locales: Vec<String>,
}

impl Default for ConsoleSection {
    fn default() -> Self {
        Self {
            name: "doorwarden".to_owned(),
            logo: String::new(),
            accent: "#2f6feb".to_owned(),
            locales: LOCALES.map(str::to_owned).to_vec(),
        }
    }
}

impl ConsoleSection {
    /// The logo's file, a relative path beginning at `base`.
    pub(super) fn logo(&self, base: &Path) -> Option<PathBuf> {
        self.logo.strip_prefix("file:").filter(|path| !path.is_empty()).map(|path| base.join(path))
    }

    pub(super) fn has_accent(&self) -> bool {
        let digits = self.accent.strip_prefix('#');
        digits.is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    pub(super) fn has_locales(&self) -> bool {
        let known = |at: usize, locale: &String| {
            LOCALES.contains(&locale.as_str()) && !self.locales.iter().take(at).any(|earlier| earlier == locale)
        };
        !self.locales.is_empty() && self.locales.iter().enumerate().all(|(at, locale)| known(at, locale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gu9_a_range_holds_its_first_and_last_address_and_no_other() {
        for (range, address, holds) in [
            ("10.0.0.0/8", "10.0.0.0", true),
            ("10.0.0.0/8", "10.255.255.255", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::a00:1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::", false),
            ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("::ffff:10.0.0.0/104", "11.9.9.9", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            assert_eq!(
                ProxyRange::parse(range).unwrap().contains(address.parse().unwrap()),
                holds,
                "{range} {address}"
            );
        }
    }

    #[test]
    fn other_texts_are_no_ranges() {
        for text in [
            "",
            "proxy",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "fd00::/129",
            "10.0.0",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(ProxyRange::parse(text), Err(InvalidProxyRange), "{text}");
        }
    }

    #[test]
    fn a_range_is_written_as_it_was_read() {
        for text in ["10.0.0.1", "10.0.0.0/8", "fd00::/8", "::1"] {
            assert_eq!(String::from(ProxyRange::parse(text).unwrap()), text);
        }
    }

    #[test]
    fn a_prefix_is_a_plain_path() {
        for (prefix, fits) in [
            ("/auth", true),
            ("/api/v1/auth", true),
            ("", false),
            ("/", false),
            ("auth", false),
            ("/auth/", false),
            ("//auth", false),
            ("/a/../b", false),
            ("/{id}", false),
            ("/a b", false),
        ] {
            assert_eq!(
                WebSection { prefix: prefix.to_owned(), ..WebSection::default() }.has_prefix(),
                fits,
                "{prefix}"
            );
        }
    }
}
