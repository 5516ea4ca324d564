//! `/account`: the caller's own account: read whole, changed, deleted.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use doorwarden_core::account::{AccountChange, AccountExport};
use doorwarden_core::audit::{AuditEvent, AuditPosition};
use doorwarden_core::email_change::{FormerEmail, PendingEmail};
use doorwarden_core::password::Password;
use doorwarden_core::session::SessionId;
use doorwarden_core::totp::TypedCode;
use doorwarden_core::user::Acceptance;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody, invalid};
use crate::client::{Caller, ClientBody};
use crate::credential::Presented;
use crate::current::{Auth, CurrentUser};
use crate::keypairs::KeypairBody;
use crate::paging;
use crate::problem::{Problem, ProblemBody};
use crate::session::delete_cookie;
use crate::sessions::{ListedSession, Paging};
use crate::user::UserBody;

/// All that is held about the caller. Times are RFC 3339.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountBody {
    #[serde(flatten)]
    user: UserBody,
    /// The language of mails; null: the service's.
    locale: Option<String>,
    /// When a mail to the address was last proved to arrive; null: never.
    email_verified_at: Option<String>,
    /// When the password was last set; null: there is none.
    password_changed_at: Option<String>,
    /// Whether another password is demanded at the next login.
    must_change_password: bool,
    /// The documents that were accepted.
    accepted: AcceptedBody,
    /// One-time passwords; null: not set up.
    totp: Option<OwnTotp>,
    /// The change of address that waits to be confirmed.
    email_change: Option<OwnEmailChange>,
    /// Former addresses that can be taken back.
    former_emails: Vec<OwnFormerEmail>,
    /// Until when a link to set another password works; null: none does.
    password_reset_until: Option<String>,
    /// Live sessions, oldest first, at most 200.
    sessions: Vec<ListedSession>,
    /// Continues the sessions at `GET /sessions?cursor=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions_cursor: Option<String>,
    /// Keypairs without their secret keys, oldest first, at most 200.
    keypairs: Vec<KeypairBody>,
    /// Continues the keypairs at `GET /keypairs?cursor=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    keypairs_cursor: Option<String>,
    /// A page of what the trail says of the account, oldest first.
    events: Vec<OwnEvent>,
    /// Continues the events as `?cursor=`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which version of each document was accepted, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(crate) struct AcceptedBody {
    terms: Option<AcceptedDocument>,
    privacy: Option<AcceptedDocument>,
}

/// A document that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AcceptedDocument {
    version: String,
    at: String,
}

impl From<Acceptance> for AcceptedDocument {
    fn from(accepted: Acceptance) -> Self {
        Self { version: accepted.version, at: accepted.at.to_string() }
    }
}

/// The caller's one-time passwords.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnTotp {
    enabled_at: String,
    recovery_codes_left: usize,
}

/// A change of address that waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnEmailChange {
    email: String,
    asked_at: String,
    expires_at: String,
    client: ClientBody,
}

impl From<PendingEmail> for OwnEmailChange {
    fn from(pending: PendingEmail) -> Self {
        Self {
            email: pending.to.typed().to_owned(),
            asked_at: pending.asked_at.to_string(),
            expires_at: pending.expires_at.to_string(),
            client: pending.client.into(),
        }
    }
}

/// An address that the account had.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnFormerEmail {
    email: String,
    replaced_at: String,
    expires_at: String,
}

impl From<FormerEmail> for OwnFormerEmail {
    fn from(former: FormerEmail) -> Self {
        Self {
            email: former.email.typed().to_owned(),
            replaced_at: former.replaced_at.to_string(),
            expires_at: former.expires_at.to_string(),
        }
    }
}

/// An event of the trail about the caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnEvent {
    id: String,
    time: String,
    name: &'static str,
    /// `success` or `refusal`.
    outcome: &'static str,
    /// The account that did it, where that is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    client: ClientBody,
    /// The rule that refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[schema(value_type = Object)]
    facts: BTreeMap<String, Value>,
}

impl From<AuditEvent> for OwnEvent {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id.to_string(),
            time: event.time.to_string(),
            name: event.name.name(),
            outcome: event.outcome.name(),
            actor: event.actor.map(|actor| actor.to_string()),
            client: event.client.into(),
            rule: event.rule,
            facts: event.facts,
        }
    }
}

impl AccountBody {
    fn of(export: AccountExport, own: SessionId) -> Self {
        let user = export.user;
        let accepted = user.acceptances.clone();
        Self {
            locale: user.locale.clone(),
            email_verified_at: user.email_verified_at.map(|at| at.to_string()),
            password_changed_at: user.password.as_ref().and(user.password_changed_at).map(|at| at.to_string()),
            must_change_password: user.must_change_password,
            accepted: AcceptedBody {
                terms: accepted.terms.map(AcceptedDocument::from),
                privacy: accepted.privacy.map(AcceptedDocument::from),
            },
            totp: user.totp.as_ref().map(|totp| OwnTotp {
                enabled_at: totp.enabled_at.to_string(),
                recovery_codes_left: totp.recovery_codes_left(),
            }),
            email_change: user.pending_email.clone().map(|pending| (*pending).into()),
            former_emails: user.former_emails.iter().cloned().map(OwnFormerEmail::from).collect(),
            password_reset_until: user.reset.as_ref().map(|reset| reset.expires_at.to_string()),
            sessions: export
                .sessions
                .into_iter()
                .map(|session| {
                    let current = session.id == own;
                    ListedSession::new(session, current)
                })
                .collect(),
            sessions_cursor: export.more_sessions.map(|id| id.to_string()),
            keypairs: export.keypairs.into_iter().map(KeypairBody::from).collect(),
            keypairs_cursor: export.more_keypairs.map(|id| id.to_string()),
            events: export.events.into_iter().map(OwnEvent::from).collect(),
            next_cursor: export.next.map(|position| position.0.to_string()),
            user: user.into(),
        }
    }
}

/// What of the account changes: a field that is absent stays, an empty text removes.
#[derive(Debug, ToSchema)]
#[schema(as = AccountChange)]
pub(crate) struct AccountChangeBody {
    /// The name to log in with.
    username: Option<String>,
    /// How the user wants to be called.
    full_name: Option<String>,
    /// The host's own fields, by name; those that aren't named stay.
    #[schema(required = false)]
    fields: BTreeMap<String, String>,
    /// The language of mails, such as `ko`.
    locale: Option<String>,
}

impl FromFields for AccountChangeBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            username: fields.optional_text("username")?,
            full_name: fields.optional_text("full_name")?,
            fields: fields.texts("fields")?,
            locale: fields.optional_text("locale")?,
        })
    }
}

/// The proof that it is the account's owner who ends it.
#[derive(Debug, ToSchema)]
#[schema(as = AccountDeletion)]
pub(crate) struct DeletionBody {
    /// The account's password; left out by an account without one, which needs a fresh proof.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// Where one-time passwords are set up: six digits, or a recovery code.
    #[schema(value_type = Option<String>, format = Password)]
    code: Option<TypedCode>,
}

impl FromFields for DeletionBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            password: fields.optional_text("password")?.map(Password::new),
            code: fields.optional_text("code")?.map(TypedCode::new),
        })
    }
}

/// All that is held about the caller: the account, its sessions, and page by page what the trail says of it.
#[utoipa::path(
    get, path = "/account", tag = "account", params(Paging),
    responses(
        (status = 200, body = AccountBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn show(
    State(auth): State<Auth>,
    CurrentUser { session: own, .. }: CurrentUser,
    paging: Result<Query<Paging>, QueryRejection>,
) -> Result<Json<AccountBody>, Problem> {
    let Query(paging) = paging.map_err(|_| invalid("the query can't be read"))?;
    let after = paging::cursor::<u64>(paging.cursor.as_deref())?.map(AuditPosition);
    let limit = paging::limit(paging.limit.as_deref())?;
    let export = auth.engine().export_account(&own, after, limit).await?;
    Ok(Json(AccountBody::of(export, own.id)))
}

/// Changes username, full name, own fields or language, by the rules of sign-up.
#[utoipa::path(
    patch, path = "/account", tag = "account", request_body = AccountChangeBody,
    responses(
        (status = 200, body = UserBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "username_taken, invalid_username, field_required, invalid_request, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn change(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentUser { session: own, .. }: CurrentUser,
    JsonBody(body): JsonBody<AccountChangeBody>,
) -> Result<Json<UserBody>, Problem> {
    let AccountChangeBody { username, full_name, fields, locale } = body;
    let change = AccountChange { username, full_name, fields, locale };
    Ok(Json(auth.engine().change_account(&own, &change, &client).await?.into()))
}

/// Deletes the account with all that hangs on it; its sessions end, the browser's cookie goes.
#[utoipa::path(
    post, path = "/account/delete", tag = "account", request_body = DeletionBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_credentials, invalid_code, proof_required, forbidden, locked_out, busy, session_required, \
             session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn delete(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(DeletionBody { password, code }): JsonBody<DeletionBody>,
) -> Result<Response, Problem> {
    auth.engine().delete_account(presented.token()?, password, code, &client).await?;
    let mut reply = StatusCode::NO_CONTENT.into_response();
    if presented.has_cookie {
        delete_cookie(&presented, reply.headers_mut());
    }
    Ok(reply)
}
