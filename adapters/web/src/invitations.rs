//! `/admin/invitations`: who may sign up, for administrators.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use doorwarden_core::Timestamp;
use doorwarden_core::administration::Actor;
use doorwarden_core::invitation::{Invitation, InvitationId, InvitationList, Invited, ListedInvitation, NewInvitation};
use doorwarden_core::user::Role;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::administrator::Administrator;
use crate::body::{Fields, FromFields, JsonBody, invalid};
use crate::client::Caller;
use crate::current::Auth;
use crate::paging;
use crate::problem::{Code, Problem, ProblemBody};

/// An invitation to make.
#[derive(Debug, ToSchema)]
#[schema(as = NewInvitation)]
pub(crate) struct NewInvitationBody {
    /// How many accounts it may make, 1 to 100000; one if left out.
    max_uses: Option<u32>,
    /// When it stops working, as RFC 3339; in seven days if left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// The only address that may use it.
    email: Option<String>,
    /// The only domain whose addresses may use it, without its sub-domains.
    domain: Option<String>,
    /// The role of the accounts that it makes.
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// At most 200 characters for oneself.
    note: Option<String>,
}

impl FromFields for NewInvitationBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let role = fields.optional_text("role")?.map(|role| Role::parse(&role)).transpose();
        Ok(Self {
            role: role.map_err(|_| fields.refuse("role", "must be 1 to 64 of a-z, 0-9, - and _"))?,
            max_uses: fields.optional_number("max_uses")?,
            expires_at: fields.optional("expires_at", "must be a moment such as 2027-01-15T08:00:00Z")?,
            email: fields.optional_text("email")?,
            domain: fields.optional_text("domain")?,
            note: fields.optional_text("note")?,
        })
    }
}

impl From<NewInvitationBody> for NewInvitation {
    fn from(body: NewInvitationBody) -> Self {
        let NewInvitationBody { max_uses, expires_at, email, domain, role, note } = body;
        Self { max_uses, expires_at, email, domain, role, note }
    }
}

/// An invitation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(crate) struct InvitationBody {
    id: String,
    /// `open`, `revoked`, `expired` or `used_up`.
    status: &'static str,
    /// How many accounts it may make.
    max_uses: u32,
    /// How many it has made.
    uses: u32,
    /// How many uses sign-ups hold whose address isn't proved yet.
    held: u32,
    #[schema(format = DateTime)]
    expires_at: String,
    /// The only address that may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// The only domain whose addresses may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    /// The role of the accounts that it makes; absent: `user`.
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// The administrator who made it; absent: whoever runs the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    revoked_at: Option<String>,
}

impl InvitationBody {
    fn of(invitation: Invitation, held: u32, status: &'static str) -> Self {
        let (email, domain) = match invitation.invited {
            Invited::Anyone => (None, None),
            Invited::Email(email) => (Some(email.typed().to_owned()), None),
            Invited::Domain(domain) => (None, Some(domain)),
        };
        Self {
            id: invitation.id.to_string(),
            status,
            max_uses: invitation.max_uses,
            uses: invitation.uses,
            held,
            expires_at: invitation.expires_at.to_string(),
            email,
            domain,
            role: invitation.role.map(|role| role.name().to_owned()),
            note: invitation.note,
            created_by: invitation.created_by.map(|id| id.to_string()),
            created_at: invitation.created_at.to_string(),
            revoked_at: invitation.revoked_at.map(|at| at.to_string()),
        }
    }
}

impl From<ListedInvitation> for InvitationBody {
    fn from(listed: ListedInvitation) -> Self {
        Self::of(listed.invitation, listed.held, listed.state.name())
    }
}

/// A new invitation with its token, which is shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = IssuedInvitation)]
pub(crate) struct IssuedBody {
    #[serde(flatten)]
    invitation: InvitationBody,
    /// What its holder signs up with.
    token: String,
    /// The page of the console that signs up with it.
    link: String,
}

/// A page of invitations.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invitations)]
pub(crate) struct InvitationsBody {
    /// Oldest first.
    invitations: Vec<InvitationBody>,
    /// Continues the list as `?cursor=`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which invitations.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    /// The page before's `next_cursor`.
    cursor: Option<String>,
    /// 1 to 200.
    #[param(value_type = Option<u32>)]
    limit: Option<String>,
}

/// Invitations, oldest first; an ended one stays for 90 days.
#[utoipa::path(
    get, path = "/admin/invitations", tag = "administration", params(Part),
    responses(
        (status = 200, body = InvitationsBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "forbidden, session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn list(
    State(auth): State<Auth>,
    _: Administrator,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<InvitationsBody>, Problem> {
    let Query(part) = part.map_err(|_| invalid("the query can't be read"))?;
    let (after, limit) = (paging::cursor(part.cursor.as_deref())?, paging::limit(part.limit.as_deref())?);
    let InvitationList { invitations, next, .. } = auth.engine().invitations(after, limit).await?;
    let invitations = invitations.into_iter().map(InvitationBody::from).collect();
    Ok(Json(InvitationsBody { invitations, next_cursor: next.map(|id| id.to_string()) }))
}

/// Makes an invitation. Its token is in this reply and nowhere else. One that makes administrators needs a fresh proof.
#[utoipa::path(
    post, path = "/admin/invitations", tag = "administration", request_body = NewInvitationBody,
    responses(
        (status = 201, body = IssuedBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_email, proof_required, forbidden, session_required, session_expired, session_idle, \
             session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    Administrator { session, .. }: Administrator,
    Caller(client): Caller,
    JsonBody(body): JsonBody<NewInvitationBody>,
) -> Result<(StatusCode, Json<IssuedBody>), Problem> {
    let issued = auth.engine().invite(body.into(), Actor::administrator(&session, client)).await?;
    let (token, link) = (issued.token.expose().to_string(), issued.link.to_string());
    Ok((
        StatusCode::CREATED,
        Json(IssuedBody { invitation: InvitationBody::of(issued.invitation, 0, "open"), token, link }),
    ))
}

/// Revokes an invitation, also for those who hold a use of it and haven't proved their address.
#[utoipa::path(
    delete, path = "/admin/invitations/{id}", tag = "administration",
    params(("id" = String, Path, description = "Which invitation.")),
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "not_found, forbidden, session_required, session_expired, session_idle, session_ended, \
             session_ended_elsewhere"),
    )
)]
pub(crate) async fn revoke(
    State(auth): State<Auth>,
    Administrator { session, .. }: Administrator,
    Caller(client): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let unknown = || Problem::new(Code::NotFound, "there is no such invitation");
    let id: InvitationId = id.parse().map_err(|_| unknown())?;
    let revoked = auth.engine().revoke_invitation(id, Actor::administrator(&session, client)).await?;
    revoked.map(|_| StatusCode::NO_CONTENT).ok_or_else(unknown)
}
