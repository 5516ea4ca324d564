//! What a request shows of a session: a cookie, a bearer token (RFC 6750), both if they are equal, or nothing; and what
//! stands in its place, a signature.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use doorwarden_core::policy::PublicUrl;
use doorwarden_core::session::{Session, SessionRefusal};
use doorwarden_core::signature::InvalidSignature;
use doorwarden_core::token::SessionToken;

use crate::cookie::SessionCookie;
use crate::current::Auth;
use crate::problem::Problem;
use crate::signed::Signed;

/// What a request shows of a session. Nothing of it is proved yet.
#[derive(Debug)]
pub(crate) struct Presented {
    credential: Credential,
    pub(crate) cookie: SessionCookie,
    /// Whether the browser holds a cookie of ours, well formed or not.
    pub(crate) has_cookie: bool,
}

#[derive(Debug)]
enum Credential {
    None,
    /// Malformed, twice, or two that differ: whose request it is can't be told.
    Unusable,
    Token(SessionToken),
    /// None of a session: the request is signed, rightly or not.
    Signature(Result<(), InvalidSignature>),
}

/// Why a request has no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoSession {
    Refused(SessionRefusal),
    Signature(InvalidSignature),
}

impl From<NoSession> for Problem {
    fn from(none: NoSession) -> Self {
        match none {
            NoSession::Refused(refusal) => refusal.into(),
            NoSession::Signature(refusal) => refusal.into(),
        }
    }
}

impl Presented {
    pub(crate) fn read(headers: &HeaderMap, public_url: &PublicUrl) -> Self {
        let cookie = SessionCookie::of(public_url);
        let cookies: Vec<_> = cookie.values(headers).take(2).collect();
        let bearers = headers.get_all(AUTHORIZATION).iter().map(bearer).take(2).collect::<Vec<_>>();
        let shown = match (cookies.as_slice(), bearers.as_slice()) {
            ([], [] | [None]) => Ok(None),
            ([one], [] | [None]) | ([], [Some(one)]) => Ok(Some(*one)),
            ([one], [Some(other)]) if one == other => Ok(Some(*one)),
            _ => Err(()),
        };
        let read = |text| std::str::from_utf8(text).ok().and_then(SessionToken::parse);
        let credential = match shown {
            Ok(None) => Credential::None,
            Ok(Some(text)) => read(text).map_or(Credential::Unusable, Credential::Token),
            Err(()) => Credential::Unusable,
        };
        Self { credential, cookie, has_cookie: !cookies.is_empty() }
    }

    /// What a request shows, its signature included where it was looked at.
    pub(crate) fn of(parts: &Parts, public_url: &PublicUrl) -> Self {
        let shown = Self::read(&parts.headers, public_url);
        match Signed::of(parts) {
            Some(signed) => Self { credential: Credential::Signature(signed.by().map(drop)), ..shown },
            None => shown,
        }
    }

    /// The token to look up. A signed request has none, and nobody who could prove to be there.
    pub(crate) fn token(&self) -> Result<&SessionToken, NoSession> {
        match &self.credential {
            Credential::Token(token) => Ok(token),
            Credential::None | Credential::Unusable => Err(NoSession::Refused(SessionRefusal::Required)),
            Credential::Signature(Ok(())) => Err(NoSession::Refused(SessionRefusal::ProofRequired)),
            Credential::Signature(Err(refusal)) => Err(NoSession::Signature(*refusal)),
        }
    }

    /// Whether nothing is shown at all, not even something malformed.
    pub(crate) fn is_nothing(&self) -> bool {
        !self.has_cookie && matches!(self.credential, Credential::None)
    }

    /// Whether it is the token of `session`.
    pub(crate) fn is_of(&self, session: &Session) -> bool {
        self.token().is_ok_and(|token| token.digest() == session.token)
    }

    /// Whether a browser with a cookie sent it, or nothing did: not a program that has its token alone.
    pub(crate) fn may_hold_cookie(&self) -> bool {
        self.has_cookie || !matches!(self.credential, Credential::Token(_))
    }
}

/// The token of a `Bearer` header; another scheme is somebody else's business, such as a proxy's.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let value = value.as_bytes();
    let (scheme, rest) = value.split_at_checked(b"bearer".len())?;
    let separated = rest.first().is_none_or(|b| *b == b' ');
    (scheme.eq_ignore_ascii_case(b"bearer") && separated).then(|| rest.trim_ascii())
}

impl FromRequestParts<Auth> for Presented {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        Ok(Self::of(parts, &auth.engine().policy().public_url))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;
    use doorwarden_core::random::SystemRandom;

    use super::*;

    #[test]
    fn se1_two_cookies_or_a_cookie_and_a_bearer_that_differ_are_no_session() {
        let token = || SessionToken::generate([7; 16], &SystemRandom).unwrap().expose().to_string();
        let (a, b) = (token(), token());
        let cookie = |value: &str| format!("dw_session={value}");
        let bearer = |value: &str| format!("Bearer {value}");
        for (cookies, authorizations, accepted) in [
            (vec![], vec![], None),
            (vec![cookie(&a)], vec![], Some(&a)),
            (vec![], vec![bearer(&a)], Some(&a)),
            (vec![], vec![format!("bearer  {a} ")], Some(&a)),
            (vec![cookie(&a)], vec![bearer(&a)], Some(&a)),
            (vec![cookie(&a)], vec![bearer(&b)], None),
            (vec![cookie(&a)], vec![bearer("x")], None),
            (vec![cookie("x")], vec![bearer(&a)], None),
            (vec![cookie(&a), cookie(&b)], vec![], None),
            (vec![cookie(&a), cookie(&a)], vec![], None),
            (vec![format!("{}; {}", cookie(&a), cookie(&b))], vec![], None),
            (vec![cookie(&a), cookie(&b)], vec![bearer(&a)], None),
            (vec![], vec![bearer(&a), bearer(&b)], None),
            (vec![], vec![bearer(&a), bearer(&a)], None),
            (vec![cookie(&a)], vec!["Basic eDp5".to_owned()], Some(&a)),
            (vec![cookie(&a)], vec!["Basic eDp5".to_owned(), bearer(&a)], None),
            (vec![], vec![format!("Bearer{a}")], None),
            (vec![], vec!["Bearer".to_owned()], None),
            (vec![cookie(&a)], vec!["Bearer".to_owned()], None),
            (vec![format!("__Host-dw_session={a}")], vec![], None),
            (vec![cookie(&format!("\"{a}\""))], vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for (name, values) in [(COOKIE, &cookies), (AUTHORIZATION, &authorizations)] {
                for value in values {
                    headers.append(&name, HeaderValue::from_str(value).unwrap());
                }
            }
            let presented = Presented::read(&headers, &PublicUrl::default());
            let read = presented.token().ok().map(|token| token.expose().to_string());
            assert_eq!(read.as_ref(), accepted, "{cookies:?} {authorizations:?}");
        }
    }
}
