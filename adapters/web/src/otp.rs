//! `POST /login/otp` and `/login/totp-setup`: the steps of a login that ask for a code.

use axum::extract::State;
use axum::response::Response;
use doorwarden_core::totp::TypedCode;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::Caller;
use crate::credential::Presented;
use crate::current::Auth;
use crate::login::{StepBody, StepReply, Stepping, WishingTicket};
use crate::problem::{Problem, ProblemBody};

/// A code for a login's step.
#[derive(Debug, ToSchema)]
#[schema(as = LoginCode)]
pub(crate) struct LoginCodeBody {
    /// From the step before.
    #[schema(value_type = String)]
    ticket: WishingTicket,
    /// Six digits of the authenticator application; at `/login/otp` a recovery code will do, too.
    #[schema(value_type = String, format = Password)]
    code: TypedCode,
}

impl FromFields for LoginCodeBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let code = TypedCode::new(fields.text("code")?);
        Ok(Self { ticket: WishingTicket::take_from(fields)?, code })
    }
}

/// Takes a one-time password or a recovery code and goes on with the login. A wrong code leaves the ticket.
#[utoipa::path(
    post, path = "/login/otp", tag = "login", request_body = LoginCodeBody,
    responses(
        (status = 200, body = StepBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "ticket_invalid, invalid_code, locked_out, busy, account_disabled, session_limit"),
    )
)]
pub(crate) async fn enter_code(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(LoginCodeBody { ticket, code }): JsonBody<LoginCodeBody>,
) -> Result<Response, Problem> {
    let step = auth.engine().enter_code(&ticket.token, &code, &client).await?;
    Stepping { auth, client, presented, want: ticket.want }.answer(step, &[]).await
}

/// Confirms the secret of `totp_setup_required` with a code of it, gives the recovery codes and goes on with the login.
#[utoipa::path(
    post, path = "/login/totp-setup", tag = "login", request_body = LoginCodeBody,
    responses(
        (status = 200, body = StepReply),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "ticket_invalid, invalid_code, locked_out, busy, account_disabled, session_limit; the last two with \
             recovery_codes, since the set-up stands"),
    )
)]
pub(crate) async fn enter_setup_code(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(LoginCodeBody { ticket, code }): JsonBody<LoginCodeBody>,
) -> Result<Response, Problem> {
    let set_up = auth.engine().enter_setup_code(&ticket.token, &code, &client).await?;
    let (step, codes) = (set_up.step, &set_up.recovery_codes);
    // Set up is set up: whoever is refused behind it needs the codes all the same.
    let step = step.map_err(|failure| Problem::from(failure).with_recovery_codes(codes))?;
    Stepping { auth, client, presented, want: ticket.want }.answer(step, codes).await
}
