//! `/admin/users`: everybody's accounts, for administrators. Nobody sets another's password here.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use doorwarden_core::administration::{
    Actor, AdministrationRefusal, FirstPasswordLink, NewAccount, UserChange, UserList,
};
use doorwarden_core::lockout::Restriction;
use doorwarden_core::user::{Role, User, UserId, UserStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::administrator::Administrator;
use crate::body::{Fields, FromFields, JsonBody, NoBody, invalid};
use crate::client::Caller;
use crate::current::Auth;
use crate::paging;
use crate::problem::{Problem, ProblemBody};
use crate::user::UserBody;

/// The longest text that is searched for: as long as an address may be.
const QUERY_CHARACTERS: usize = 254;

/// An account as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ManagedUser)]
pub(crate) struct ManagedBody {
    #[serde(flatten)]
    user: UserBody,
    /// Whether it can log in with a password.
    has_password: bool,
    /// Whether a login asks for a one-time password.
    totp_enabled: bool,
    /// Whether its next login asks for another password.
    must_change_password: bool,
    /// Until when the mailed link to set its first password works (RFC 3339), while it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_password_link_until: Option<String>,
}

impl From<User> for ManagedBody {
    fn from(user: User) -> Self {
        Self {
            has_password: user.password.is_some(),
            totp_enabled: user.totp.is_some(),
            must_change_password: user.must_change_password,
            first_password_link_until: user.first_password.as_ref().map(|link| link.expires_at.to_string()),
            user: user.into(),
        }
    }
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Users)]
pub(crate) struct UsersBody {
    /// Oldest first.
    users: Vec<ManagedBody>,
    /// Continues the list as `?cursor=`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One account, and what failed logins have brought on it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserDetails)]
pub(crate) struct DetailsBody {
    #[serde(flatten)]
    user: ManagedBody,
    /// Whether too many failures keep it from logging in now.
    restricted: bool,
    /// Until when (RFC 3339); absent where only an administrator or a reset by mail opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    restricted_until: Option<String>,
}

/// An account that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CreatedUser)]
pub(crate) struct CreatedBody {
    #[serde(flatten)]
    user: ManagedBody,
    /// Whether its owner was mailed a link to set the password; `false` where no mails are sent.
    mailed: bool,
}

/// Which accounts.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// Only accounts whose e-mail address, username or full name contains this.
    query: Option<String>,
    /// The page before's `next_cursor`.
    cursor: Option<String>,
    /// 1 to 200.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// An account to make.
#[derive(Debug, ToSchema)]
#[schema(as = NewUser)]
pub(crate) struct NewUserBody {
    /// Where the link to set the password goes.
    email: String,
    /// A name to log in with beside the address.
    #[schema(required = false)]
    username: Option<String>,
    /// How its owner wants to be called.
    #[schema(required = false)]
    full_name: Option<String>,
    /// `user` if left out, `admin`, or a name of the host's own.
    #[schema(required = false, value_type = String)]
    role: Option<Role>,
}

impl FromFields for NewUserBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let (email, username) = (fields.text("email")?, fields.optional_text("username")?);
        Ok(Self { email, username, full_name: fields.optional_text("full_name")?, role: role(fields)? })
    }
}

/// What is to become of an account; what is left out stays as it is.
#[derive(Debug, ToSchema)]
#[schema(as = UserChange)]
pub(crate) struct UserChangeBody {
    /// `active` or `disabled`, which ends its sessions.
    #[schema(required = false, value_type = String)]
    status: Option<UserStatus>,
    /// `user`, `admin`, or a name of the host's own.
    #[schema(required = false, value_type = String)]
    role: Option<Role>,
    /// Whether its next login asks for another password; one without a password is mailed a link to set it.
    #[schema(required = false)]
    must_change_password: Option<bool>,
}

impl FromFields for UserChangeBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let status = match fields.optional_text("status")?.as_deref() {
            None => None,
            Some("active") => Some(UserStatus::Active),
            Some("disabled") => Some(UserStatus::Disabled),
            Some(_) => return Err(fields.refuse("status", "must be active or disabled")),
        };
        let must_change_password = fields.optional_boolean("must_change_password")?;
        Ok(Self { status, role: role(fields)?, must_change_password })
    }
}

fn role(fields: &mut Fields) -> Result<Option<Role>, Problem> {
    let typed = fields.optional_text("role")?;
    let read = typed.as_deref().map(Role::parse).transpose();
    read.map_err(|_| fields.refuse("role", "must be 1 to 64 of a-z, 0-9, - and _"))
}

/// The id in a path. What isn't one at all is answered as one that is nobody's.
fn named(id: Result<Path<String>, PathRejection>) -> Result<UserId, AdministrationRefusal> {
    id.ok().and_then(|Path(id)| id.parse().ok()).ok_or(AdministrationRefusal::NotFound)
}

/// Everybody's accounts, oldest first.
#[utoipa::path(
    get, path = "/admin/users", tag = "administration", params(Filter),
    responses(
        (status = 200, body = UsersBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "forbidden, session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn list(
    State(auth): State<Auth>,
    _: Administrator,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<UsersBody>, Problem> {
    let Query(Filter { query, cursor, limit }) = filter.map_err(|_| invalid("the query can't be read"))?;
    let query = query.unwrap_or_default();
    if query.chars().count() > QUERY_CHARACTERS {
        return Err(invalid(format!("query may have at most {QUERY_CHARACTERS} characters")).with_field("query"));
    }
    let (after, limit) = (paging::cursor(cursor.as_deref())?, paging::limit(limit.as_deref())?);
    let UserList { users, next, .. } = auth.engine().users(&query, after, limit).await?;
    let users = users.into_iter().map(ManagedBody::from).collect();
    Ok(Json(UsersBody { users, next_cursor: next.map(|id| id.to_string()) }))
}

/// Makes an account; its owner is mailed a link to set the password. Another administrator needs a fresh proof.
#[utoipa::path(
    post, path = "/admin/users", tag = "administration", request_body = NewUserBody,
    responses(
        (status = 201, body = CreatedBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_email, invalid_username, email_taken, username_taken, proof_required, forbidden, \
             session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    Caller(client): Caller,
    Administrator { session, .. }: Administrator,
    JsonBody(body): JsonBody<NewUserBody>,
) -> Result<(StatusCode, Json<CreatedBody>), Problem> {
    let NewUserBody { email, username, full_name, role } = body;
    let account = NewAccount { email, username, full_name, role: role.unwrap_or_else(Role::user) };
    let (user, link) = auth.engine().create_user(account, Actor::administrator(&session, client)).await?;
    let mailed = link == FirstPasswordLink::Mailed;
    Ok((StatusCode::CREATED, Json(CreatedBody { user: user.into(), mailed })))
}

/// One account.
#[utoipa::path(
    get, path = "/admin/users/{id}", tag = "administration", params(("id" = String, Path, description = "a user's id")),
    responses(
        (status = 200, body = DetailsBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn show(
    State(auth): State<Auth>,
    _: Administrator,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<DetailsBody>, Problem> {
    let id = named(id)?;
    let user = auth.engine().user(id).await?.ok_or(AdministrationRefusal::NotFound)?;
    let restriction = auth.engine().restriction_of(id).await?;
    let restricted_until = match restriction {
        Some(Restriction::Until(until)) => Some(until.to_string()),
        _ => None,
    };
    Ok(Json(DetailsBody { user: user.into(), restricted: restriction.is_some(), restricted_until }))
}

/// Changes an account. Another role needs a fresh proof.
#[utoipa::path(
    patch, path = "/admin/users/{id}", tag = "administration", request_body = UserChangeBody,
    params(("id" = String, Path, description = "a user's id")),
    responses(
        (status = 200, body = ManagedBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, last_administrator, proof_required, forbidden, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn change(
    State(auth): State<Auth>,
    Caller(client): Caller,
    Administrator { session, .. }: Administrator,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<UserChangeBody>,
) -> Result<Json<ManagedBody>, Problem> {
    let UserChangeBody { status, role, must_change_password } = body;
    let change = UserChange { status, role, must_change_password };
    let user = auth.engine().change_user(named(id)?, &change, Actor::administrator(&session, client)).await?;
    Ok(Json(user.into()))
}

/// Deletes an account, with all that hangs on it. Needs a fresh proof.
#[utoipa::path(
    delete, path = "/admin/users/{id}", tag = "administration",
    params(("id" = String, Path, description = "a user's id")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, last_administrator, proof_required, forbidden, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    Caller(client): Caller,
    Administrator { session, .. }: Administrator,
    id: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    auth.engine().delete_user(named(id)?, Actor::administrator(&session, client)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lifts the restriction that failed logins brought on an account.
#[utoipa::path(
    post, path = "/admin/users/{id}/unlock", tag = "administration",
    params(("id" = String, Path, description = "a user's id")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn unlock(
    State(auth): State<Auth>,
    Caller(client): Caller,
    Administrator { session, .. }: Administrator,
    id: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    auth.engine().unlock(named(id)?, Actor::administrator(&session, client)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes an account's one-time passwords, ends its sessions and mails its owner. Needs a fresh proof.
#[utoipa::path(
    post, path = "/admin/users/{id}/reset-totp", tag = "administration",
    params(("id" = String, Path, description = "a user's id")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, proof_required, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn reset_totp(
    State(auth): State<Auth>,
    Caller(client): Caller,
    Administrator { session, .. }: Administrator,
    id: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    auth.engine().reset_totp(named(id)?, Actor::administrator(&session, client)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of an account.
#[utoipa::path(
    post, path = "/admin/users/{id}/end-sessions", tag = "administration",
    params(("id" = String, Path, description = "a user's id")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn end_sessions(
    State(auth): State<Auth>,
    Caller(client): Caller,
    Administrator { session, .. }: Administrator,
    id: Result<Path<String>, PathRejection>,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    auth.engine().end_sessions(named(id)?, Actor::administrator(&session, client)).await?;
    Ok(StatusCode::NO_CONTENT)
}
