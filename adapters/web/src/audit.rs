//! `/admin/audit`: the audit trail, for administrators.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use doorwarden_core::audit::{AuditEvent, AuditFilter, AuditName, AuditOutcome, AuditPage, AuditPosition, AuditQuery};
use doorwarden_core::client::Client;
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
    /// Continues the list as `?after=`; absent at the end of the trail. A page that has it may be short, or empty.
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
    /// Only events of this outcome: `success` or `refusal`.
    outcome: Option<String>,
    /// Only events at this moment or later (RFC 3339).
    since: Option<String>,
    /// Only events before this moment (RFC 3339).
    until: Option<String>,
    /// 1 to 200.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

impl Filter {
    fn query(&self) -> Result<AuditQuery, Problem> {
        let after = read(self.after.as_deref(), "after", "isn't one of our cursors", |typed| typed.parse().ok())?;
        let user = read(self.user.as_deref(), "user", "must be an account's id", |typed| typed.parse().ok())?;
        let name = read(self.name.as_deref(), "name", "is no event's name", AuditName::parse)?;
        let outcome = read(self.outcome.as_deref(), "outcome", "must be success or refusal", outcome)?;
        let moment = |typed: &str| typed.parse().ok();
        let since = read(self.since.as_deref(), "since", "must be a moment such as 2027-01-15T08:00:00Z", moment)?;
        let until = read(self.until.as_deref(), "until", "must be a moment such as 2027-01-15T08:00:00Z", moment)?;
        let filter = AuditFilter { after: after.map(AuditPosition), user, name };
        Ok(AuditQuery { filter, outcome, since, until })
    }
}

fn outcome(typed: &str) -> Option<AuditOutcome> {
    [AuditOutcome::Success, AuditOutcome::Refusal].into_iter().find(|outcome| outcome.name() == typed)
}

fn read<T>(
    typed: Option<&str>,
    field: &'static str,
    problem: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let refusal = || invalid(format!("{field} {problem}")).with_field(field);
    typed.map(|typed| parse(typed).ok_or_else(refusal)).transpose()
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
