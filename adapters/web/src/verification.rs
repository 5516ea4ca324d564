//! `POST /verify-email` and what belongs to it: GET changes nothing, so the console's page confirms by POST.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorwarden_core::sign_up::VerificationRefusal;
use doorwarden_core::token::LinkToken;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::{Caller, ClientBody};
use crate::current::Auth;
use crate::problem::{Problem, ProblemBody};

/// The token of a mail's link.
#[derive(Debug, ToSchema)]
#[schema(as = Link)]
pub(crate) struct LinkBody {
    /// What follows `token=`.
    #[schema(value_type = String)]
    token: LinkToken,
}

impl FromFields for LinkBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        // What isn't a token at all is answered as one that is unknown.
        let token = LinkToken::parse(&fields.text("token")?).ok_or(VerificationRefusal::LinkInvalid)?;
        Ok(Self { token })
    }
}

/// An address.
#[derive(Debug, ToSchema)]
#[schema(as = Address)]
pub(crate) struct EmailBody {
    /// The e-mail address.
    pub(crate) email: String,
}

impl FromFields for EmailBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { email: fields.text("email")? })
    }
}

/// What a verification link would confirm.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Registration)]
pub(crate) struct RegistrationBody {
    /// The address to prove.
    email: String,
    /// The username that was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// When the account was asked for (RFC 3339).
    asked_at: String,
    /// When the link stops working (RFC 3339).
    expires_at: String,
    /// Where it was asked for.
    client: ClientBody,
}

/// Proves the address. Doesn't log in.
#[utoipa::path(
    post, path = "/verify-email", tag = "sign-up", request_body = LinkBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn verify_email(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(LinkBody { token }): JsonBody<LinkBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().verify_email(&token, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what the link would confirm. Changes nothing.
#[utoipa::path(
    post, path = "/verify-email/show", tag = "sign-up", request_body = LinkBody,
    responses(
        (status = 200, body = RegistrationBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn show(
    State(auth): State<Auth>,
    JsonBody(LinkBody { token }): JsonBody<LinkBody>,
) -> Result<Json<RegistrationBody>, Problem> {
    let shown = auth.engine().show_registration(&token).await?;
    Ok(Json(RegistrationBody {
        email: shown.email.typed().to_owned(),
        username: shown.username,
        asked_at: shown.asked_at.to_string(),
        expires_at: shown.expires_at.to_string(),
        client: shown.client.into(),
    }))
}

/// "It wasn't me": the registration is removed.
#[utoipa::path(
    post, path = "/verify-email/decline", tag = "sign-up", request_body = LinkBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "link_invalid"),
    )
)]
pub(crate) async fn decline(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(LinkBody { token }): JsonBody<LinkBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().decline_registration(&token, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends the verification mail again. The reply is the same whatever the address is known for.
#[utoipa::path(
    post, path = "/verify-email/resend", tag = "sign-up", request_body = EmailBody,
    responses(
        (status = 202),
        (status = "default", body = ProblemBody, content_type = "application/problem+json",
            description = "invalid_email, too_many_requests"),
    )
)]
pub(crate) async fn resend(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(EmailBody { email }): JsonBody<EmailBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().resend_verification(&email, &client).await?;
    Ok(StatusCode::ACCEPTED)
}
