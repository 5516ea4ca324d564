//! `/sessions`: the caller's own live sessions, listed and ended.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use doorwarden_core::session::{Session, SessionId, SessionRefusal};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::body::{NoBody, invalid};
use crate::client::{Caller, ClientBody};
use crate::credential::Presented;
use crate::current::{Auth, CurrentSession, CurrentUser};
use crate::paging;
use crate::problem::{Problem, ProblemBody};
use crate::session::delete_cookie;

/// A live session in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedSession {
    /// Names the session to its owner; no secret.
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    /// When it was opened (RFC 3339).
    started_at: String,
    /// When it was last used, as coarse as the policy says (RFC 3339).
    last_seen_at: String,
    /// Where it was opened from.
    client: ClientBody,
}

impl ListedSession {
    pub(crate) fn new(session: Session, current: bool) -> Self {
        Self {
            id: session.id.to_string(),
            current,
            started_at: session.started_at.to_string(),
            last_seen_at: session.last_seen_at.to_string(),
            client: session.client.into(),
        }
    }
}

/// A page of sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(crate) struct SessionsBody {
    /// Oldest first.
    sessions: Vec<ListedSession>,
    /// Continues the list as `?cursor=`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// The page before's `next_cursor`.
    pub(crate) cursor: Option<String>,
    /// 1 to 200.
    #[param(value_type = Option<u32>)]
    pub(crate) limit: Option<String>,
}

/// The caller's own live sessions.
#[utoipa::path(
    get, path = "/sessions", tag = "session", params(Paging),
    responses(
        (status = 200, body = SessionsBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn list(
    State(auth): State<Auth>,
    CurrentUser { session: own, .. }: CurrentUser,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<SessionsBody>, Problem> {
    let Query(paging) = paging.map_err(|_| invalid("the query can't be read"))?;
    let after = paging::cursor::<SessionId>(paging.cursor.as_deref())?;
    let limit = paging::limit(paging.limit.as_deref())?;
    let (live, next) = auth.engine().own_sessions(&own, after, limit).await?;
    let next_cursor = next.map(|id| id.to_string());
    let sessions = live.into_iter().map(|session| {
        let current = session.id == own.id;
        ListedSession::new(session, current)
    });
    Ok(Json(SessionsBody { sessions: sessions.collect(), next_cursor }))
}

/// Ends one of the caller's own sessions.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "session", params(("id" = String, Path, description = "a session's id")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, proof_required, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn end(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    CurrentSession { session: own, .. }: CurrentSession,
    id: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<Response, Problem> {
    // What isn't an id at all is answered as one that is nobody's.
    let id = id.ok().and_then(|Path(id)| id.parse().ok()).ok_or(SessionRefusal::NotFound)?;
    auth.engine().end_session(&own, id, &client).await?;
    let mut reply = StatusCode::NO_CONTENT.into_response();
    if id == own.id && presented.has_cookie {
        delete_cookie(&presented, reply.headers_mut());
    }
    Ok(reply)
}

/// Ends all of the caller's other sessions.
#[utoipa::path(
    delete, path = "/sessions", tag = "session",
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "proof_required, session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn end_others(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session: own, .. }: CurrentSession,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    auth.engine().end_other_sessions(&own, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
