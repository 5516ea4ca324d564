//! `/admin/users`: everybody's accounts, for administrators.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use doorwarden_core::administration::UserList;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::administrator::Administrator;
use crate::body::invalid;
use crate::current::Auth;
use crate::paging;
use crate::problem::{Problem, ProblemBody};
use crate::user::UserBody;

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Users)]
pub(crate) struct UsersBody {
    /// Oldest first.
    users: Vec<UserBody>,
    /// Continues the list as `?cursor=`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
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
    let Query(filter) = filter.map_err(|_| invalid("the query can't be read"))?;
    let (after, limit) = (paging::cursor(filter.cursor.as_deref())?, paging::limit(filter.limit.as_deref())?);
    let UserList { users, next, .. } =
        auth.engine().users(filter.query.as_deref().unwrap_or_default(), after, limit).await?;
    let users = users.into_iter().map(UserBody::from).collect();
    Ok(Json(UsersBody { users, next_cursor: next.map(|id| id.to_string()) }))
}
