//! `POST /first-administrator`: who reads the console of a process without users makes its first administrator.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use doorwarden_core::administration::{NewUser, NewUserRefusal};
use doorwarden_core::password::Password;
use doorwarden_core::token::TicketToken;
use doorwarden_core::user::Role;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::Caller;
use crate::current::Auth;
use crate::problem::{Problem, ProblemBody};
use crate::user::UserBody;

/// The first administrator's form.
#[derive(Debug, ToSchema)]
#[schema(as = FirstAdministrator)]
pub(crate) struct FirstAdministratorBody {
    /// What follows `token=` in the link.
    #[schema(value_type = String)]
    token: TicketToken,
    /// The e-mail address.
    email: String,
    /// The username.
    username: Option<String>,
    /// The chosen password.
    #[schema(value_type = String, format = Password)]
    password: Password,
}

impl FromFields for FirstAdministratorBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let (email, username) = (fields.text("email")?, fields.optional_text("username")?);
        let password = Password::new(fields.text("password")?);
        // What isn't a token at all is answered as one that is unknown.
        let token = TicketToken::parse(&fields.text("token")?).ok_or(NewUserRefusal::LinkInvalid)?;
        Ok(Self { token, email, username, password })
    }
}

/// The account that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeAdministrator)]
pub(crate) struct MadeAdministratorBody {
    user: UserBody,
}

/// Makes the first administrator. A form that is refused leaves the link for another try.
#[utoipa::path(
    post, path = "/first-administrator", tag = "administration", request_body = FirstAdministratorBody,
    responses(
        (status = 201, body = MadeAdministratorBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "link_invalid, invalid_email, invalid_username, username_taken, email_taken, password_too_weak, busy"),
    )
)]
pub(crate) async fn create(
    State(auth): State<Auth>,
    Caller(client): Caller,
    JsonBody(body): JsonBody<FirstAdministratorBody>,
) -> Result<(StatusCode, Json<MadeAdministratorBody>), Problem> {
    let form = NewUser {
        email: body.email,
        username: body.username.filter(|name| !name.trim().is_empty()),
        password: Some(body.password),
        role: Role::admin(),
        // No mail has arrived yet.
        email_verified: false,
    };
    let user = auth.engine().create_first_administrator(&body.token, form, &client).await?;
    Ok((StatusCode::CREATED, Json(MadeAdministratorBody { user: user.into() })))
}
