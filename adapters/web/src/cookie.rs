//! The cookies, of a session and of a browser that has logged in before: how they are set, deleted and read.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use doorwarden_core::client::Browser;
use doorwarden_core::known_browser::KnownBrowser;
use doorwarden_core::policy::PublicUrl;
use doorwarden_core::token::{BrowserToken, SessionToken};

/// The cookie that carries a session, as the public URL demands it.
///
/// With its prefix `__Host-` a browser takes it only from this host, with `Secure` and `Path=/` and without `Domain`
/// (RFC 6265bis §4.1.3.2). It has no lifetime of its own: the session's is the engine's to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionCookie {
    Host,
    /// On http a browser keeps no `Secure` cookie; for work on one's own machine alone.
    Loopback,
}

impl SessionCookie {
    pub(crate) fn of(public_url: &PublicUrl) -> Self {
        match public_url.is_loopback() && !public_url.is_https() {
            true => Self::Loopback,
            false => Self::Host,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Host => "__Host-dw_session",
            Self::Loopback => "dw_session",
        }
    }

    const fn attributes(self) -> &'static str {
        match self {
            Self::Host => "Path=/; Secure; HttpOnly; SameSite=Lax",
            Self::Loopback => "Path=/; HttpOnly; SameSite=Lax",
        }
    }

    pub(crate) fn set(self, token: &SessionToken) -> Option<HeaderValue> {
        let mut value =
            HeaderValue::try_from(format!("{}={}; {}", self.name(), *token.expose(), self.attributes())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The same attributes, and the one that makes a browser drop it.
    pub(crate) fn delete(self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}=; {}; Max-Age=0", self.name(), self.attributes())).ok()
    }

    /// Every value of this name that a request carries, in the order of the request.
    pub(crate) fn values(self, headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
        values(self.name(), headers)
    }
}

/// The cookie of a browser that has logged in before. It outlives sessions and opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownCookie(SessionCookie);

impl KnownCookie {
    pub(crate) fn of(public_url: &PublicUrl) -> Self {
        Self(SessionCookie::of(public_url))
    }

    pub(crate) const fn name(self) -> &'static str {
        match self.0 {
            SessionCookie::Host => "__Host-dw_known",
            SessionCookie::Loopback => "dw_known",
        }
    }

    pub(crate) fn set(self, token: &BrowserToken) -> Option<HeaderValue> {
        let (attributes, lasts) = (self.0.attributes(), KnownBrowser::LASTS.as_secs());
        let text = format!("{}={}; {attributes}; Max-Age={lasts}", self.name(), *token.expose());
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What a browser keeps: of several such cookies, or a malformed one, nothing is believed.
    pub(crate) fn read(self, headers: &HeaderMap) -> Browser {
        let shown: Vec<_> = values(self.name(), headers).take(2).collect();
        let [text] = shown.as_slice() else { return Browser::Unknown };
        let token = std::str::from_utf8(text).ok().and_then(BrowserToken::parse);
        token.map_or(Browser::Unknown, |token| Browser::showing(&token))
    }
}

/// Every value of this name that a request carries, in the order of the request.
fn values<'h>(name: &'static str, headers: &'h HeaderMap) -> impl Iterator<Item = &'h [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.filter_map(move |pair| {
        let pair = pair.trim_ascii();
        let split = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
        let (own, value) = pair.split_at(split);
        let is_own = own.trim_ascii() == name.as_bytes();
        is_own.then(|| value.strip_prefix(b"=").unwrap_or_default().trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn se1_the_cookie_has_exactly_its_attributes_and_is_deleted_with_the_same() {
        let token = SessionToken::generate([7; 16], &doorwarden_core::random::SystemRandom).unwrap();
        let text = token.expose();
        for (url, name, attributes) in [
            ("https://id.example.org", "__Host-dw_session", "Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("https://localhost", "__Host-dw_session", "Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("http://id.example.org", "__Host-dw_session", "Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("http://127.0.0.1:8080", "dw_session", "Path=/; HttpOnly; SameSite=Lax"),
            ("http://[::1]:8080", "dw_session", "Path=/; HttpOnly; SameSite=Lax"),
            ("http://localhost:8080", "dw_session", "Path=/; HttpOnly; SameSite=Lax"),
        ] {
            let cookie = SessionCookie::of(&PublicUrl::parse(url).unwrap());
            assert_eq!(cookie.set(&token).unwrap(), format!("{name}={}; {attributes}", *text), "{url}");
            assert_eq!(cookie.delete().unwrap(), format!("{name}=; {attributes}; Max-Age=0"), "{url}");
        }
    }

    #[test]
    fn se1_the_cookie_of_a_known_browser_has_the_attributes_of_the_session_s_and_lasts_400_days() {
        let token = BrowserToken::generate([7; 16], &doorwarden_core::random::SystemRandom).unwrap();
        let text = token.expose().to_string();
        for (url, name, attributes) in [
            ("https://id.example.org", "__Host-dw_known", "Path=/; Secure; HttpOnly; SameSite=Lax"),
            ("http://127.0.0.1:8080", "dw_known", "Path=/; HttpOnly; SameSite=Lax"),
        ] {
            let cookie = KnownCookie::of(&PublicUrl::parse(url).unwrap());
            assert_eq!(cookie.set(&token).unwrap(), format!("{name}={text}; {attributes}; Max-Age=34560000"), "{url}");
            let read = |line: String| {
                let mut headers = HeaderMap::new();
                headers.append(COOKIE, HeaderValue::from_str(&line).unwrap());
                cookie.read(&headers)
            };
            assert_eq!(read(format!("{name}={text}")), Browser::showing(&token));
            for line in [format!("{name}={text}; {name}={text}"), format!("{name}=x"), "a=b".to_owned()] {
                assert_eq!(read(line), Browser::Unknown);
            }
        }
    }

    #[test]
    fn only_cookies_of_the_exact_name_are_read() {
        for (lines, expected) in [
            (&["a=b"][..], &[][..]),
            (&["dw_session=x"], &["x"]),
            (&["a=b; dw_session=x;c=d"], &["x"]),
            (&["dw_session=x; dw_session=y"], &["x", "y"]),
            (&["dw_session=x", "dw_session=y"], &["x", "y"]),
            (&["DW_SESSION=x; xdw_session=y; dw_sessionx=z; __Host-dw_session=w"], &[]),
            (&["dw_session"], &[""]),
            (&["dw_session="], &[""]),
            (&["dw_session=a=b"], &["a=b"]),
            (&[";;; = ;dw_session = x "], &["x"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
            }
            let read: Vec<_> = SessionCookie::Loopback.values(&headers).collect();
            assert_eq!(read, expected.iter().map(|value| value.as_bytes()).collect::<Vec<_>>(), "{lines:?}");
        }
    }
}
