//! `POST /sign-up`: from a filled-in form to a mail, or to an account where no mail can prove the address.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use doorwarden_core::password::Password;
use doorwarden_core::sign_up::{AcceptedVersions, PresentedInvitation, SignUpForm, SignUpOutcome};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::Caller;
use crate::current::Auth;
use crate::locale;
use crate::problem::{Problem, ProblemBody};
use crate::user::UserBody;

/// A filled-in sign-up form.
#[derive(Debug, ToSchema)]
#[schema(as = SignUp)]
pub(crate) struct SignUpBody {
    /// The e-mail address.
    email: String,
    /// The chosen password.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// The chosen username.
    username: Option<String>,
    /// How the applicant wants to be called.
    full_name: Option<String>,
    /// The host's own fields, by name.
    #[schema(required = false)]
    fields: BTreeMap<String, String>,
    /// The token of the invitation that the applicant holds.
    #[schema(value_type = Option<String>)]
    invitation: Option<PresentedInvitation>,
    /// The documents that were shown and accepted.
    #[schema(required = false)]
    accept: AcceptBody,
}

/// Which version of each document was shown and accepted.
#[derive(Debug, ToSchema)]
#[schema(as = Accept)]
pub(crate) struct AcceptBody {
    /// Of the terms of service.
    terms: Option<String>,
    /// Of the privacy policy.
    privacy: Option<String>,
}

impl FromFields for SignUpBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let invitation = fields.optional_text("invitation")?.map(Zeroizing::new);
        Ok(Self {
            email: fields.text("email")?,
            password: Password::new(fields.text("password")?),
            username: fields.optional_text("username")?,
            full_name: fields.optional_text("full_name")?,
            fields: fields.texts("fields")?,
            invitation: invitation.and_then(|typed| PresentedInvitation::read(&typed)),
            accept: fields.object("accept")?,
        })
    }
}

impl FromFields for AcceptBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { terms: fields.optional_text("terms")?, privacy: fields.optional_text("privacy")? })
    }
}

impl From<AcceptBody> for AcceptedVersions {
    fn from(accept: AcceptBody) -> Self {
        let given = |version: Option<String>| version.filter(|version| !version.is_empty());
        Self { terms: given(accept.terms), privacy: given(accept.privacy) }
    }
}

/// What became of a sign-up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schema(as = SignedUp)]
pub(crate) enum SignUpReply {
    /// A mail was sent: its link makes the account.
    VerifyEmail,
    /// The account is there.
    SignedUp {
        /// The account.
        user: UserBody,
    },
}

/// Signs up. The reply is the same for an address that has an account; its owner gets a mail.
#[utoipa::path(
    post, path = "/sign-up", tag = "sign-up", request_body = SignUpBody,
    responses(
        (status = 201, body = SignUpReply),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "sign_up_closed, sign_up_refused, invalid_email, invalid_username, username_taken, email_taken, \
             password_too_weak, invitation_required, invitation_invalid, terms_not_accepted, field_required, too_many_requests, busy"),
    )
)]
pub(crate) async fn sign_up(
    State(auth): State<Auth>,
    Caller(client): Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<SignUpBody>,
) -> Result<(StatusCode, Json<SignUpReply>), Problem> {
    let form = SignUpForm {
        username: body.username,
        full_name: body.full_name,
        fields: body.fields,
        accepted: body.accept.into(),
        invitation: body.invitation,
        locale: locale::wanted(&headers, &auth.settings().console.locales),
        ..SignUpForm::new(body.email, body.password, client)
    };
    let reply = match auth.engine().sign_up(form).await? {
        SignUpOutcome::VerifyEmail => SignUpReply::VerifyEmail,
        SignUpOutcome::SignedUp(user) => SignUpReply::SignedUp { user: UserBody::from(*user) },
        unknown => return Err(Problem::internal(&format!("an outcome without a reply: {unknown:?}"))),
    };
    Ok((StatusCode::CREATED, Json(reply)))
}
