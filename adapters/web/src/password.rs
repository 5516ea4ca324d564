//! `POST /password/forgot`, `/password/reset` and `/password/change`: another password, by mail or in a session.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use doorwarden_core::password::Password;
use doorwarden_core::password_change::{Continuation, PasswordChange};
use doorwarden_core::recovery::RecoveryRefusal;
use doorwarden_core::token::LinkToken;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::Caller;
use crate::credential::Presented;
use crate::current::Auth;
use crate::problem::{Problem, ProblemBody};
use crate::verification::EmailBody;

/// A mailed link, and the password that it sets.
#[derive(Debug, ToSchema)]
#[schema(as = PasswordReset)]
pub(crate) struct ResetBody {
    /// What follows `token=`.
    #[schema(value_type = String)]
    token: LinkToken,
    /// The password to come.
    #[schema(value_type = String, format = Password)]
    new_password: Password,
}

impl FromFields for ResetBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let (token, new_password) = (fields.text("token")?, Password::new(fields.text("new_password")?));
        // What isn't a token at all is answered as one that is unknown.
        let token = LinkToken::parse(&token).ok_or(RecoveryRefusal::LinkInvalid)?;
        Ok(Self { token, new_password })
    }
}

/// The account's password, and the one that takes its place.
#[derive(Debug, ToSchema)]
#[schema(as = PasswordChange)]
pub(crate) struct ChangeBody {
    /// The present password.
    #[schema(value_type = String, format = Password)]
    current_password: Password,
    /// The password to come.
    #[schema(value_type = String, format = Password)]
    new_password: Password,
}

impl FromFields for ChangeBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            current_password: Password::new(fields.text("current_password")?),
            new_password: Password::new(fields.text("new_password")?),
        })
    }
}

/// Mails a link to set another password. The reply is the same whether the address has an account or not.
#[utoipa::path(
    post, path = "/password/forgot", tag = "password", request_body = EmailBody,
    responses(
        (status = 202),
        (status = "default", body = ProblemBody, content_type = "application/problem+json",
            description = "recovery_disabled, invalid_email, too_many_requests"),
    )
)]
pub(crate) async fn forgot(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(EmailBody { email }): JsonBody<EmailBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().forgot_password(&email, &client).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets another password with a mailed link: all sessions of the account end. Doesn't log in.
#[utoipa::path(
    post, path = "/password/reset", tag = "password", request_body = ResetBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json",
            description = "link_invalid, password_too_weak, recovery_disabled, busy"),
    )
)]
pub(crate) async fn reset(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(ResetBody { token, new_password }): JsonBody<ResetBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().reset_password(&token, new_password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the password: the other sessions end. A browser's session goes on under another token in its cookie, a
/// program's under its own.
#[utoipa::path(
    post, path = "/password/change", tag = "password", request_body = ChangeBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_credentials, password_too_weak, locked_out, busy, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn change(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(ChangeBody { current_password: current, new_password: new }): JsonBody<ChangeBody>,
) -> Result<Response, Problem> {
    let session = if presented.has_cookie { Continuation::WithNewToken } else { Continuation::WithSameToken };
    let change = PasswordChange { current, new, session, client };
    let renewed = auth.engine().change_password(presented.token()?, change).await?;
    let mut reply = StatusCode::NO_CONTENT.into_response();
    let cookie = renewed.and_then(|token| presented.cookie.set(&token));
    reply.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(reply)
}
