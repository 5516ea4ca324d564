//! What every request passes and every reply carries.

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::body::invalid;
use crate::current::Auth;
use crate::origin;
use crate::problem::{Code, Problem};
use crate::trail::Asked;

/// The longest request target and headers together.
pub(crate) const MAX_HEADER_BYTES: usize = 32 * 1_024;

const SEALS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
];

/// Refuses what comes from another site, runs the rest to its end, sees to it that a refusal is on the trail, and seals
/// the reply.
pub(crate) async fn guard(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    let asked = Asked::of(&request, &auth);
    let reply = match admit(&auth, &request) {
        Ok(()) => seal(finish(request, next).await),
        Err(problem) => problem.into_response(),
    };
    asked.note(reply.extensions().get().copied(), &auth).await;
    reply
}

fn admit(auth: &Auth, request: &Request) -> Result<(), Problem> {
    let (target, headers) = (request.uri().path_and_query().map_or("", |target| target.as_str()), request.headers());
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if target.len() + bytes > MAX_HEADER_BYTES {
        return Err(invalid("the headers are over 32 KiB").with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    origin::check(request.method(), headers, &auth.engine().policy().public_url)
}

/// Runs the handler in a task of its own.
///
/// A client that hangs up drops only the wait: a login under way is settled, so that a right password never counts as
/// a failure. A handler that panics is a problem with a reference, and nobody else's trouble.
async fn finish(request: Request, next: Next) -> Response {
    let handler = tokio::spawn(next.run(request).in_current_span());
    handler.await.unwrap_or_else(|error| Problem::internal(&error).into_response())
}

/// Puts on a reply what keeps it out of caches, frames and referrers.
pub(crate) fn seal(mut reply: Response) -> Response {
    for (name, value) in SEALS {
        reply.headers_mut().insert(name, value);
    }
    reply
}

/// Nothing is at the path.
pub(crate) async fn unknown_path() -> Problem {
    Problem::new(Code::NotFound, "nothing is at this path")
}

/// Something is at the path, for other methods; `Allow` names them.
pub(crate) async fn wrong_method() -> Problem {
    invalid("this path doesn't take this method").with_status(StatusCode::METHOD_NOT_ALLOWED)
}
