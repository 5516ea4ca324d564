//! Requests from pages of other sites: the check of `Sec-Fetch-Site` (Fetch Metadata) and `Origin` (RFC 6454).

use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, HeaderValue, Method};
use doorwarden_core::policy::PublicUrl;

use crate::cookie::SessionCookie;
use crate::problem::{Code, Problem};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Lets a request through unless it changes something and comes from a page of another origin. With or without a
/// cookie, so that no page logs its visitor in as somebody else either.
///
/// A browser that tells neither header can't be told from a program; it passes only where no cookie is at stake.
pub(crate) fn check(method: &Method, headers: &HeaderMap, public_url: &PublicUrl) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return Ok(());
    }
    let origin = Origin::read(headers, public_url);
    let own = match (site(headers), origin) {
        (_, Origin::Other) => false,
        (Some(site), _) => matches!(site, b"same-origin" | b"none"),
        // `no-referrer` makes browsers send `null` with forms of our own pages, but never without Sec-Fetch-Site.
        (None, Origin::Null) => false,
        (None, Origin::Own) => true,
        (None, Origin::Absent) => SessionCookie::of(public_url).values(headers).next().is_none(),
    };
    let refusal = || Problem::new(Code::CrossSite, "changes are taken from this service's own pages only");
    own.then_some(()).ok_or_else(refusal)
}

/// What is said twice is read as neither: a value that passes nowhere.
fn site(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(SEC_FETCH_SITE).iter().map(HeaderValue::as_bytes);
    let first = values.next()?;
    Some(if values.next().is_some() { b"" } else { first })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Absent,
    Null,
    Own,
    Other,
}

impl Origin {
    fn read(headers: &HeaderMap, public_url: &PublicUrl) -> Self {
        let mut values = headers.get_all(ORIGIN).iter().map(HeaderValue::as_bytes);
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(b"null"), None) => Self::Null,
            (Some(origin), None) if origin == public_url.origin().as_bytes() => Self::Own,
            (Some(_), _) => Self::Other,
        }
    }
}
