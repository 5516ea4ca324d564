//! `POST /email/change`, `/email/confirm` and `/email/undo`: another address, proved by mail and taken back by mail.
//! GET changes nothing, so the console's pages show first and confirm by POST.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorwarden_core::email_change::{EmailChangeRefusal, EmailChangeShown};
use doorwarden_core::password::Password;
use doorwarden_core::token::LinkToken;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::{Caller, ClientBody};
use crate::credential::Presented;
use crate::current::Auth;
use crate::problem::{Problem, ProblemBody};

/// The address to come, and the account's password.
#[derive(Debug, ToSchema)]
#[schema(as = EmailChange)]
pub(crate) struct EmailChangeBody {
    /// The address to come.
    new_email: String,
    /// The account's password.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

impl FromFields for EmailChangeBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { new_email: fields.text("new_email")?, password: Password::new(fields.text("password")?) })
    }
}

/// The token of a mail's link about an address.
#[derive(Debug, ToSchema)]
#[schema(as = EmailLink)]
pub(crate) struct EmailLinkBody {
    /// What follows `token=`.
    #[schema(value_type = String)]
    token: LinkToken,
}

impl FromFields for EmailLinkBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        // What isn't a token at all is answered as one that is unknown.
        let token = LinkToken::parse(&fields.text("token")?).ok_or(EmailChangeRefusal::LinkInvalid)?;
        Ok(Self { token })
    }
}

/// What a link would do to an account's address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EmailChangeShown)]
pub(crate) struct EmailShownBody {
    /// The address that the link makes the account's.
    email: String,
    /// The address that it has now: its first character and its domain.
    replaces: String,
    /// When the change was asked for, or was made (RFC 3339).
    at: String,
    /// When the link stops working (RFC 3339).
    expires_at: String,
    /// Where the change was asked for; absent of one that was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientBody>,
}

impl From<EmailChangeShown> for EmailShownBody {
    fn from(shown: EmailChangeShown) -> Self {
        Self {
            email: shown.email.typed().to_owned(),
            replaces: shown.replaces,
            at: shown.at.to_string(),
            expires_at: shown.expires_at.to_string(),
            client: shown.client.map(ClientBody::from),
        }
    }
}

/// Mails a link to the new address; nothing changes before it is confirmed. The reply is the same whether the address
/// has an account or not.
#[utoipa::path(
    post, path = "/email/change", tag = "email", request_body = EmailChangeBody,
    responses(
        (status = 202),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_credentials, invalid_email, sign_up_refused, forbidden, too_many_requests, locked_out, busy, \
             session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn change(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(EmailChangeBody { new_email, password }): JsonBody<EmailChangeBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().change_email(presented.token()?, &new_email, password, &client).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Says what the link would confirm. Changes nothing.
#[utoipa::path(
    post, path = "/email/confirm/show", tag = "email", request_body = EmailLinkBody,
    responses(
        (status = 200, body = EmailShownBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn show_change(
    State(auth): State<Auth>,
    JsonBody(EmailLinkBody { token }): JsonBody<EmailLinkBody>,
) -> Result<Json<EmailShownBody>, Problem> {
    Ok(Json(auth.engine().show_email_change(&token).await?.into()))
}

/// Makes the proved address the account's; the former one gets a mail with a link that undoes it.
#[utoipa::path(
    post, path = "/email/confirm", tag = "email", request_body = EmailLinkBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn confirm(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(EmailLinkBody { token }): JsonBody<EmailLinkBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().confirm_email(&token, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what the link would undo. Changes nothing.
#[utoipa::path(
    post, path = "/email/undo/show", tag = "email", request_body = EmailLinkBody,
    responses(
        (status = 200, body = EmailShownBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn show_undo(
    State(auth): State<Auth>,
    JsonBody(EmailLinkBody { token }): JsonBody<EmailLinkBody>,
) -> Result<Json<EmailShownBody>, Problem> {
    Ok(Json(auth.engine().show_email_undo(&token).await?.into()))
}

/// Gives the account its former address back: all its sessions end, its password and links are void. Doesn't log in.
#[utoipa::path(
    post, path = "/email/undo", tag = "email", request_body = EmailLinkBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn undo(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(EmailLinkBody { token }): JsonBody<EmailLinkBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().undo_email(&token, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}
