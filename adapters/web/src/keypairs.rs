//! `/keypairs`: the caller's own API keypairs, made, listed, switched, rotated and deleted.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use doorwarden_core::keypair::{AccessKey, IssuedKeypair, Keypair, KeypairId, KeypairRefusal, NewKeypair};
use doorwarden_core::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody, NoBody, invalid};
use crate::client::Caller;
use crate::current::{Auth, CurrentSession, CurrentUser};
use crate::paging::{cursor, limit};
use crate::problem::{Problem, ProblemBody};
use crate::sessions::Paging;

/// A keypair, without its secret key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Keypair)]
pub(crate) struct KeypairBody {
    /// The public half, by which it is named.
    access_key: String,
    /// What its owner calls it.
    label: Option<String>,
    /// Words of the host's own that say what it may be used for.
    scopes: Vec<String>,
    /// Whether its owner lets it work.
    active: bool,
    /// RFC 3339, as all times.
    created_at: String,
    /// From when on it works no more; null: never.
    expires_at: Option<String>,
    /// When it was last used, as coarse as the policy says.
    last_used_at: Option<String>,
    /// When it stops, since it was rotated.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_until: Option<String>,
}

impl From<Keypair> for KeypairBody {
    fn from(keypair: Keypair) -> Self {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Self {
            access_key: keypair.access_key.to_string(),
            label: keypair.label,
            scopes: keypair.scopes,
            active: keypair.active,
            created_at: keypair.created_at.to_string(),
            expires_at: text(keypair.expires_at),
            last_used_at: text(keypair.last_used_at),
            replaced_until: text(keypair.replaced_until),
        }
    }
}

/// A keypair that was just made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = IssuedKeypair)]
pub(crate) struct IssuedBody {
    #[serde(flatten)]
    keypair: KeypairBody,
    /// To be shown now; it is nowhere else.
    secret_key: String,
}

impl From<IssuedKeypair> for IssuedBody {
    fn from(issued: IssuedKeypair) -> Self {
        Self { secret_key: issued.secret_key.expose().to_owned(), keypair: issued.keypair.into() }
    }
}

/// A page of keypairs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Keypairs)]
pub(crate) struct KeypairsBody {
    /// Oldest first.
    keypairs: Vec<KeypairBody>,
    /// Continues the list as `?cursor=`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// A keypair to make.
#[derive(Debug, ToSchema)]
#[schema(as = NewKeypair)]
pub(crate) struct NewKeypairBody {
    /// What to call it: up to 100 characters on one line.
    #[schema(value_type = Option<String>)]
    label: Option<String>,
    /// From when on it works no more (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl FromFields for NewKeypairBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let label =
            fields.optional_text("label")?.map(|label| label.trim().to_owned()).filter(|label| !label.is_empty());
        let typed = fields.optional_text("expires_at")?;
        let read = |text: String| text.parse().map_err(|_| fields.refuse("expires_at", "must be a time (RFC 3339)"));
        Ok(Self { label, expires_at: typed.map(read).transpose()? })
    }
}

/// Whether a keypair works.
#[derive(Debug, ToSchema)]
#[schema(as = KeypairSwitch)]
pub(crate) struct SwitchBody {
    active: bool,
}

impl FromFields for SwitchBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { active: fields.boolean("active")? })
    }
}

/// The access key in a path. What isn't one at all is answered as one that is nobody's.
fn named(path: Result<Path<String>, PathRejection>) -> Result<AccessKey, KeypairRefusal> {
    path.ok().and_then(|Path(key)| AccessKey::parse(&key).ok()).ok_or(KeypairRefusal::NotFound)
}

/// The caller's own keypairs.
#[utoipa::path(
    get, path = "/keypairs", tag = "keypairs", params(Paging),
    responses(
        (status = 200, body = KeypairsBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "session_required, session_expired, session_idle, session_ended, session_ended_elsewhere, \
             invalid_signature"),
    )
)]
pub(crate) async fn list(
    State(auth): State<Auth>,
    CurrentUser { user, .. }: CurrentUser,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<KeypairsBody>, Problem> {
    let Query(paging) = paging.map_err(|_| invalid("the query can't be read"))?;
    let (after, limit) = (cursor::<KeypairId>(paging.cursor.as_deref())?, limit(paging.limit.as_deref())?);
    let mut page = auth.engine().keypairs(user.id, after, limit + 1).await?;
    let more = page.len() > limit;
    page.truncate(limit);
    let next_cursor = page.last().filter(|_| more).map(|keypair| keypair.id.to_string());
    Ok(Json(KeypairsBody { keypairs: page.into_iter().map(KeypairBody::from).collect(), next_cursor }))
}

/// Makes a keypair; its secret key is in this reply and nowhere else.
#[utoipa::path(
    post, path = "/keypairs", tag = "keypairs", request_body = NewKeypairBody,
    responses(
        (status = 201, body = IssuedBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "proof_required, forbidden, keypair_limit, email_unverified, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    JsonBody(NewKeypairBody { label, expires_at }): JsonBody<NewKeypairBody>,
) -> Result<(StatusCode, Json<IssuedBody>), Problem> {
    let form = NewKeypair { label, expires_at, scopes: Vec::new() };
    let issued = auth.engine().create_keypair(&session, form, &client).await?;
    Ok((StatusCode::CREATED, Json(issued.into())))
}

/// Switches a keypair off or on; switching it off ends the sessions that were logged in with it.
#[utoipa::path(
    patch, path = "/keypairs/{access_key}", tag = "keypairs", request_body = SwitchBody,
    params(("access_key" = String, Path, description = "the public half")),
    responses(
        (status = 200, body = KeypairBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, proof_required, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn switch(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    access_key: Result<Path<String>, PathRejection>,
    JsonBody(SwitchBody { active }): JsonBody<SwitchBody>,
) -> Result<Json<KeypairBody>, Problem> {
    let changed = auth.engine().set_keypair_active(&session, &named(access_key)?, active, &client).await?;
    Ok(Json(changed.into()))
}

/// Deletes a keypair and ends the sessions that were logged in with it.
#[utoipa::path(
    delete, path = "/keypairs/{access_key}", tag = "keypairs",
    params(("access_key" = String, Path, description = "the public half")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, proof_required, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    access_key: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    auth.engine().delete_keypair(&session, &named(access_key)?, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a keypair in place of another, which works for as long as the policy says.
#[utoipa::path(
    post, path = "/keypairs/{access_key}/rotate", tag = "keypairs",
    params(("access_key" = String, Path, description = "the public half of the old one")),
    responses(
        (status = 201, body = IssuedBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, stale, keypair_limit, proof_required, forbidden, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn rotate(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    access_key: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<(StatusCode, Json<IssuedBody>), Problem> {
    let issued = auth.engine().rotate_keypair(&session, &named(access_key)?, &client).await?;
    Ok((StatusCode::CREATED, Json(issued.into())))
}
