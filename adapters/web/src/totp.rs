//! `/totp`: the caller's own one-time passwords, set up, confirmed and switched off.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorwarden_core::password::Password;
use doorwarden_core::token::TicketToken;
use doorwarden_core::totp::{RecoveryCode, Totp, TotpRefusal, TypedCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::Caller;
use crate::current::{Auth, CurrentSession, CurrentUser};
use crate::problem::{Problem, ProblemBody};
use crate::qr;

/// The caller's one-time passwords.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Totp)]
pub(crate) struct TotpBody {
    /// Whether a login asks for a code.
    enabled: bool,
    /// How many recovery codes can still be used.
    recovery_codes_left: usize,
}

/// Who wants to set them up.
#[derive(Debug, ToSchema)]
#[schema(as = TotpSetup)]
pub(crate) struct SetupBody {
    /// The account's password; absent only for an account without one.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
}

impl FromFields for SetupBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { password: fields.optional_text("password")?.map(Password::new) })
    }
}

/// What an authenticator application needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TotpSecret)]
pub(crate) struct SecretBody {
    /// For `/totp/confirm`; works once, for five minutes.
    ticket: String,
    /// The shared secret in base 32.
    secret: String,
    /// The same as a URI.
    otpauth_uri: String,
    /// The same as a QR code.
    qr_svg: String,
}

/// A code that confirms.
#[derive(Debug, ToSchema)]
#[schema(as = TotpConfirmation)]
pub(crate) struct ConfirmBody {
    /// From `/totp/setup`.
    #[schema(value_type = String)]
    ticket: TicketToken,
    /// Six digits of the authenticator application.
    #[schema(value_type = String, format = Password)]
    code: TypedCode,
}

impl FromFields for ConfirmBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let code = TypedCode::new(fields.text("code")?);
        // What isn't a ticket at all is answered as one that is unknown.
        let ticket = TicketToken::parse(&fields.text("ticket")?).ok_or(TotpRefusal::TicketInvalid)?;
        Ok(Self { ticket, code })
    }
}

/// The codes that open without the authenticator, each once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
pub(crate) struct RecoveryCodesBody {
    /// To be shown now; they are nowhere else.
    recovery_codes: Vec<String>,
}

/// Who wants to switch them off.
#[derive(Debug, ToSchema)]
#[schema(as = TotpDisabling)]
pub(crate) struct DisableBody {
    /// The account's password; absent only for an account without one.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Password>,
    /// Six digits of the authenticator application, or a recovery code.
    #[schema(value_type = String, format = Password)]
    code: TypedCode,
}

impl FromFields for DisableBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let password = fields.optional_text("password")?.map(Password::new);
        Ok(Self { password, code: TypedCode::new(fields.text("code")?) })
    }
}

/// Whether a login of the caller asks for a code.
#[utoipa::path(
    get, path = "/totp", tag = "account",
    responses(
        (status = 200, body = TotpBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "session_required, session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn show(CurrentUser { user, .. }: CurrentUser) -> Json<TotpBody> {
    let recovery_codes_left = user.totp.as_ref().map_or(0, Totp::recovery_codes_left);
    Json(TotpBody { enabled: user.totp.is_some(), recovery_codes_left })
}

/// Begins to set up one-time passwords. Nothing is changed until a code confirms it.
#[utoipa::path(
    post, path = "/totp/setup", tag = "account", request_body = SetupBody,
    responses(
        (status = 200, body = SecretBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "totp_already_enabled, invalid_credentials, forbidden, proof_required, locked_out, busy, session_required, \
             session_expired, session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn set_up(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    JsonBody(SetupBody { password }): JsonBody<SetupBody>,
) -> Result<Json<SecretBody>, Problem> {
    let (ticket, setup) = auth.engine().totp_setup(&session, password, &client).await?;
    Ok(Json(SecretBody {
        ticket: ticket.expose().to_string(),
        secret: setup.secret().to_owned(),
        otpauth_uri: setup.otpauth_uri().to_owned(),
        qr_svg: qr::svg(setup.otpauth_uri())?,
    }))
}

/// Confirms a set-up with a code of its secret. A wrong code leaves the ticket.
#[utoipa::path(
    post, path = "/totp/confirm", tag = "account", request_body = ConfirmBody,
    responses(
        (status = 200, body = RecoveryCodesBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "ticket_invalid, invalid_code, totp_already_enabled, locked_out, busy, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn confirm(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    JsonBody(ConfirmBody { ticket, code }): JsonBody<ConfirmBody>,
) -> Result<Json<RecoveryCodesBody>, Problem> {
    let codes = auth.engine().totp_confirm(&session, &ticket, &code, &client).await?;
    Ok(Json(RecoveryCodesBody { recovery_codes: texts(&codes) }))
}

/// Switches one-time passwords off and ends the caller's other sessions.
#[utoipa::path(
    post, path = "/totp/disable", tag = "account", request_body = DisableBody,
    responses(
        (status = 204),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_credentials, invalid_code, proof_required, locked_out, busy, session_required, session_expired, \
             session_idle, session_ended, session_ended_elsewhere"),
    )
)]
pub(crate) async fn disable(
    State(auth): State<Auth>,
    Caller(client): Caller,
    CurrentSession { session, .. }: CurrentSession,
    JsonBody(DisableBody { password, code }): JsonBody<DisableBody>,
) -> Result<StatusCode, Problem> {
    auth.engine().totp_disable(&session, password, &code, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) fn texts(codes: &[RecoveryCode]) -> Vec<String> {
    codes.iter().map(|code| code.expose().to_string()).collect()
}
