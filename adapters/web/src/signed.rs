//! Signed requests: a keypair's signature stands for a session where the request shows none.

use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use doorwarden_core::error::Failure;
use doorwarden_core::signature::{InvalidSignature, SignedBy, SignedRequest};

use crate::body;
use crate::client::client;
use crate::credential::Presented;
use crate::current::Auth;
use crate::problem::Problem;

/// What became of a request's signature.
#[derive(Debug, Clone)]
pub(crate) enum Signed {
    /// It is right.
    By(Box<SignedBy>),
    /// It isn't accepted.
    Refused,
}

impl Signed {
    /// `None` where the request isn't signed, or shows a session.
    pub(crate) fn of(parts: &Parts) -> Option<&Self> {
        parts.extensions.get()
    }

    pub(crate) fn by(&self) -> Result<&SignedBy, InvalidSignature> {
        match self {
            Self::By(by) => Ok(by),
            Self::Refused => Err(InvalidSignature),
        }
    }
}

/// The layer by which a host's own routes take signed requests, as the router's do:
///
/// ```
/// use axum::middleware::from_fn_with_state;
/// use axum::{Router, routing::get};
/// use doorwarden_web::{Auth, CurrentUser, signed_requests};
///
/// fn orders(auth: Auth) -> Router {
///     let route = get(|CurrentUser { user, .. }: CurrentUser| async move { user.email.typed().to_owned() });
///     Router::new()
///         .route("/orders", route)
///         .layer(from_fn_with_state(auth.clone(), signed_requests))
///         .with_state(auth)
/// }
/// ```
///
/// It reads the body of a signed request, up to 64 KiB, and compares the bytes with what was signed before anything
/// parses them. A request that shows a session isn't looked at; nor does a wrong signature matter to a route that asks
/// for nobody.
pub async fn signed_requests(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if !shows_a_signature_alone(&parts, &auth) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    match judge(&auth, &parts, body).await {
        Ok((signed, body)) => {
            parts.extensions.insert(signed);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => problem.into_response(),
    }
}

fn shows_a_signature_alone(parts: &Parts, auth: &Auth) -> bool {
    let is_signed = auth.engine().carries_signature(&request(parts, &headers(parts), b""));
    is_signed && Presented::read(&parts.headers, &auth.engine().policy().public_url).is_nothing()
}

async fn judge(auth: &Auth, parts: &Parts, body: Body) -> Result<(Signed, Body), Problem> {
    let bytes = body::read(&parts.headers, body).await?;
    let client = client(&parts.headers, &parts.extensions, &auth.settings().trust_proxy);
    let headers = headers(parts);
    let request = request(parts, &headers, &bytes);
    let signed = match auth.engine().check_signed_request(&request, &client).await {
        Ok(Some(by)) => Signed::By(Box::new(by)),
        Ok(None) | Err(Failure::Refused(InvalidSignature)) => Signed::Refused,
        Err(Failure::Fault(fault)) => return Err(fault.into()),
    };
    Ok((signed, Body::from(Bytes::copy_from_slice(&bytes))))
}

fn headers(parts: &Parts) -> Vec<(&str, &[u8])> {
    parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// The request with its target as it was sent: a router that is nested sees only what is left of it.
fn request<'a>(parts: &'a Parts, headers: &'a [(&'a str, &'a [u8])], body: &'a [u8]) -> SignedRequest<'a> {
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
    SignedRequest { method: parts.method.as_str(), path: uri.path(), query: uri.query(), headers, body }
}
