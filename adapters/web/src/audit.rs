//! `/admin/audit`: the audit trail, for administrators.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use doorwarden_core::audit::{AuditEvent, AuditFilter, AuditName, AuditPage, AuditPosition, AuditQuery};
use doorwarden_core::client::Client;
use doorwarden_core::user::UserId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::administrator::Administrator;
use crate::body::invalid;
use crate::current::Auth;
use crate::paging;
use crate::problem::{Problem, ProblemBody};

/// A page of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvents)]
pub(crate) struct EventsBody {
    /// Oldest first.
    events: Vec<EventBody>,
    /// Continues the list as `?after=`; absent at the end of the trail.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
struct EventBody {
    id: String,
    /// RFC 3339 in UTC.
    time: String,
    /// Noun and past tense, such as `login.failed`.
    name: &'static str,
    /// `success` or `refusal`.
    outcome: &'static str,
    /// The account it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// The account that did it, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    /// What was named, where no account is.
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientBody>,
    /// For a refusal: the policy key or rule that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    /// What the decision saw.
    #[schema(value_type = Object)]
    facts: BTreeMap<String, serde_json::Value>,
}

/// Where the request came from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditClient)]
struct ClientBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl From<AuditEvent> for EventBody {
    fn from(event: AuditEvent) -> Self {
        let is_known = event.client != Client::default();
        let Client { address, user_agent, .. } = event.client;
        Self {
            id: event.id.to_string(),
            time: event.time.to_string(),
            name: event.name.name(),
            outcome: event.outcome.name(),
            user: event.user.map(|user| user.to_string()),
            actor: event.actor.map(|actor| actor.to_string()),
            subject: event.subject,
            client: is_known.then_some(ClientBody { address, user_agent }),
            rule: event.rule,
            facts: event.facts,
        }
    }
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Filter {
    /// The page before's `next_cursor`.
    after: Option<String>,
    /// Only events of the account with this id.
    user: Option<String>,
    /// Only events of this name.
    name: Option<String>,
    /// 1 to 200.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

impl Filter {
    fn query(&self) -> Result<AuditQuery, Problem> {
        let after: Option<u64> = match &self.after {
            Some(typed) => {
                let read = typed.parse().map_err(|_| invalid("after isn't one of our cursors").with_field("after"));
                Some(read?)
            }
            None => None,
        };
        let user: Option<UserId> = match &self.user {
            Some(typed) => Some(typed.parse().map_err(|_| invalid("user must be an account's id").with_field("user"))?),
            None => None,
        };
        let known = |name: &String| AuditName::parse(name).ok_or_else(|| invalid("no such event").with_field("name"));
        let name = self.name.as_ref().map(known).transpose()?;
        Ok(AuditQuery { filter: AuditFilter { after: after.map(AuditPosition), user, name }, ..AuditQuery::default() })
    }
}

/// The audit trail, oldest event first.
#[utoipa::path(
    get, path = "/admin/audit", tag = "administration", params(Filter),
    responses(
        (status = 200, body = EventsBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_request, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn list(
    State(auth): State<Auth>,
    _: Administrator,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<EventsBody>, Problem> {
    let Query(filter) = filter.map_err(|_| invalid("the query can't be read"))?;
    let limit = paging::limit(filter.limit.as_deref())?;
    let AuditPage { events, next } = auth.engine().audit_page(&filter.query()?, limit).await?;
    let events = events.into_iter().map(|(_, event)| EventBody::from(event)).collect();
    Ok(Json(EventsBody { events, next_cursor: next.map(|position| position.0.to_string()) }))
}
