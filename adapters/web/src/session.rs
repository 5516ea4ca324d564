//! `GET /session`, `POST /session/extend`, `/session/prove` and `/logout`: the caller's own session.

use axum::Json;
use axum::extract::State;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use doorwarden_core::password::Password;
use doorwarden_core::session::{Session, SessionPolicy};
use doorwarden_core::totp::TypedCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody, NoBody};
use crate::client::Caller;
use crate::credential::Presented;
use crate::current::{Auth, CurrentUser};
use crate::problem::{Problem, ProblemBody};
use crate::user::UserBody;

/// A live session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionBody {
    /// Names the session to its owner; no secret.
    id: String,
    /// When it was opened (RFC 3339, as the next two).
    started_at: String,
    /// When it ends by itself, unless extended.
    expires_at: String,
    /// When it ends if it isn't used.
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_expires_at: Option<String>,
    /// Whether extending can still gain anything.
    extendable: bool,
    /// `session` or `api`.
    mode: &'static str,
}

impl SessionBody {
    pub(crate) fn of(session: &Session, policy: &SessionPolicy) -> Self {
        Self {
            id: session.id.to_string(),
            started_at: session.started_at.to_string(),
            expires_at: session.expires_at.to_string(),
            idle_expires_at: session.idle_expires_at(policy).map(|at| at.to_string()),
            extendable: session.is_extendable(policy),
            mode: session.mode.name(),
        }
    }
}

/// Who is logged in, and how.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Current)]
pub(crate) struct CurrentBody {
    user: UserBody,
    session: SessionBody,
}

/// When an extended session ends.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Extended)]
pub(crate) struct ExtendedBody {
    /// RFC 3339.
    expires_at: String,
}

/// A proof of who is there: one of the two.
#[derive(Debug, ToSchema)]
#[schema(as = Proof)]
pub(crate) enum ProofBody {
    /// The account's password.
    #[schema(value_type = String, format = Password)]
    #[schema(rename = "password")]
    Password(Password),
    /// Six digits of the authenticator application, or a recovery code.
    #[schema(value_type = String, format = Password)]
    #[schema(rename = "code")]
    Code(TypedCode),
}

impl FromFields for ProofBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        match (fields.optional_text("password")?, fields.optional_text("code")?) {
            (Some(_), Some(_)) => Err(fields.refuse("code", "can't be given beside a password")),
            (None, Some(code)) => Ok(Self::Code(TypedCode::new(code))),
            (Some(password), None) => Ok(Self::Password(Password::new(password))),
            (None, None) => Err(fields.refuse("password", "must be given as a text")),
        }
    }
}

/// The caller's account and session.
#[utoipa::path(
    get, path = "/session", tag = "session",
    responses(
        (status = 200, body = CurrentBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn show(State(auth): State<Auth>, CurrentUser { user, session }: CurrentUser) -> Json<CurrentBody> {
    let session = SessionBody::of(&session, &auth.engine().policy().session);
    Json(CurrentBody { user: user.into(), session })
}

/// Starts the session's timer again.
#[utoipa::path(
    post, path = "/session/extend", tag = "session",
    responses(
        (status = 200, body = ExtendedBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_extendable, session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn extend(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    _: NoBody,
) -> Result<Json<ExtendedBody>, Problem> {
    let session = auth.engine().extend(presented.token()?, &client).await?;
    Ok(Json(ExtendedBody { expires_at: session.expires_at.to_string() }))
}

/// Proves again who is there: what answers `proof_required` goes through for a while.
#[utoipa::path(
    post, path = "/session/prove", tag = "session", request_body = ProofBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_credentials, invalid_code, locked_out, busy, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn prove(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(proof): JsonBody<ProofBody>,
) -> Result<StatusCode, Problem> {
    match proof {
        ProofBody::Password(password) => auth.engine().prove(presented.token()?, password, &client).await?,
        ProofBody::Code(code) => auth.engine().prove_by_code(presented.token()?, &code, &client).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the session, at once and everywhere. A browser's cookie is deleted even if its session wasn't live any more.
#[utoipa::path(
    post, path = "/logout", tag = "session",
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn log_out(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    _: NoBody,
) -> Response {
    let ended = match presented.token() {
        Ok(token) => auth.engine().log_out(token, &client).await.map_err(Problem::from),
        Err(refusal) => Err(refusal.into()),
    };
    let mut reply = ended.map(|()| StatusCode::NO_CONTENT).into_response();
    if presented.may_hold_cookie() {
        delete_cookie(&presented, reply.headers_mut());
    }
    reply
}

pub(crate) fn delete_cookie(presented: &Presented, headers: &mut HeaderMap) {
    headers.extend(presented.cookie.delete().map(|cookie| (SET_COOKIE, cookie)));
}
