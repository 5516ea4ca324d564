//! `POST /login` and its later steps, from credentials to a session in a cookie or a token in the body.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::SET_COOKIE;
use axum::response::{IntoResponse, Response};
use doorwarden_core::client::{Browser, Client};
use doorwarden_core::error::Failure;
use doorwarden_core::keypair::SecretKey;
use doorwarden_core::login::{KeypairLogin, LoggedIn, LoginRefusal, LoginRequest, LoginStep, TakeOver};
use doorwarden_core::password::Password;
use doorwarden_core::session::Session;
use doorwarden_core::token::TicketToken;
use doorwarden_core::totp::RecoveryCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::body::{Fields, FromFields, JsonBody};
use crate::client::Caller;
use crate::cookie::KnownCookie;
use crate::credential::Presented;
use crate::current::Auth;
use crate::options::DocumentBody;
use crate::problem::{Problem, ProblemBody};
use crate::session::SessionBody;
use crate::sessions::ListedSession;
use crate::sign_up::AcceptBody;
use crate::user::UserBody;
use crate::{qr, totp};

/// Where the client wants its session's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Cookie,
    Token,
}

impl Want {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        match fields.optional_text("want")?.as_deref() {
            None => Ok(Self::Cookie),
            Some("token") => Ok(Self::Token),
            Some(_) => Err(fields.refuse("want", "can only be \"token\"")),
        }
    }
}

/// A ticket, with the wish that its login began with: later steps don't say it again.
#[derive(Debug)]
pub(crate) struct WishingTicket {
    pub(crate) token: TicketToken,
    pub(crate) want: Want,
}

impl WishingTicket {
    /// Behind the text of a ticket whose login wants a token. Whoever adds or drops it changes only his own reply.
    const WANTS_TOKEN: &str = ".token";

    pub(crate) fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let text = fields.text("ticket")?;
        let (text, want) = match text.strip_suffix(Self::WANTS_TOKEN) {
            Some(text) => (text, Want::Token),
            None => (&*text, Want::Cookie),
        };
        // What isn't a ticket at all is answered as one that is unknown.
        let token = TicketToken::parse(text).ok_or(LoginRefusal::TicketInvalid)?;
        Ok(Self { token, want })
    }

    fn text(&self) -> String {
        match self.want {
            Want::Cookie => self.token.expose().to_string(),
            Want::Token => [&self.token.expose(), Self::WANTS_TOKEN].concat(),
        }
    }
}

/// The credentials of a login: a person's, or with `"mode":"api"` a program's.
#[derive(Debug, ToSchema)]
#[serde(untagged)]
#[schema(as = Login)]
pub(crate) enum LoginBody {
    /// As a person; a `mode` that is named is `session`.
    #[schema(rename = "session")]
    Person(PersonBody),
    /// As a program; the `mode` is `api`.
    #[schema(rename = "api")]
    Program(ProgramBody),
}

/// The credentials of a person.
#[derive(Debug, ToSchema)]
#[schema(as = PersonLogin)]
pub(crate) struct PersonBody {
    /// E-mail address or username.
    identifier: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Password,
    /// `token`: the session's token comes in the reply, and no cookie is set.
    #[schema(value_type = Option<String>)]
    want: Want,
}

/// The credentials of a program.
#[derive(Debug, ToSchema)]
#[schema(as = KeypairLogin)]
pub(crate) struct ProgramBody {
    /// The public half of a keypair.
    access_key: String,
    /// The secret half.
    #[schema(value_type = String, format = Password)]
    secret_key: SecretKey,
    /// `token`: the session's token comes in the reply, and no cookie is set.
    #[schema(value_type = Option<String>)]
    want: Want,
}

impl FromFields for LoginBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        match fields.optional_text("mode")?.as_deref() {
            None | Some("session") => {}
            Some("api") => {
                let (access_key, secret_key) = (fields.text("access_key")?, SecretKey::new(fields.text("secret_key")?));
                return Ok(Self::Program(ProgramBody { access_key, secret_key, want: Want::take_from(fields)? }));
            }
            Some(_) => return Err(fields.refuse("mode", "can only be \"session\" or \"api\"")),
        }
        Ok(Self::Person(PersonBody {
            identifier: fields.text("identifier")?,
            password: Password::new(fields.text("password")?),
            want: Want::take_from(fields)?,
        }))
    }
}

/// The step that sets the password that is demanded.
#[derive(Debug, ToSchema)]
#[schema(as = LoginPassword)]
pub(crate) struct NewPasswordBody {
    /// From the step before.
    #[schema(value_type = String)]
    ticket: WishingTicket,
    /// The password to come.
    #[schema(value_type = String, format = Password)]
    new_password: Password,
}

impl FromFields for NewPasswordBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        let new_password = Password::new(fields.text("new_password")?);
        Ok(Self { new_password, ticket: WishingTicket::take_from(fields)? })
    }
}

/// The step that accepts the documents in force.
#[derive(Debug, ToSchema)]
#[schema(as = LoginTerms)]
pub(crate) struct TermsBody {
    /// From the step before.
    #[schema(value_type = String)]
    ticket: WishingTicket,
    /// The versions that were shown.
    accept: AcceptBody,
}

impl FromFields for TermsBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { accept: fields.object("accept")?, ticket: WishingTicket::take_from(fields)? })
    }
}

/// The step that ends the sessions that are live elsewhere, or leaves them.
#[derive(Debug, ToSchema)]
#[schema(as = LoginTakeover)]
pub(crate) struct TakeoverBody {
    /// From the step before.
    #[schema(value_type = String)]
    ticket: WishingTicket,
    /// Whether to end them; else this login is given up.
    proceed: bool,
}

impl FromFields for TakeoverBody {
    fn take_from(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { proceed: fields.boolean("proceed")?, ticket: WishingTicket::take_from(fields)? })
    }
}

/// Where a login stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
#[schema(as = LoginStep)]
pub(crate) enum StepBody {
    /// It is complete.
    LoggedIn {
        /// Who.
        user: Box<UserBody>,
        /// The session that was opened.
        session: Box<SessionBody>,
        /// Its token, where it was wanted in the reply.
        #[serde(skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// A one-time password or a recovery code is asked for: `/login/otp`.
    OtpRequired {
        /// For the next step; works once, for five minutes.
        ticket: String,
    },
    /// One-time passwords must be set up: `/login/totp-setup`.
    TotpSetupRequired {
        /// For the next step; works once, for five minutes.
        ticket: String,
        /// The shared secret in base 32; another one each time the dialog begins.
        secret: String,
        /// The same as a URI.
        otpauth_uri: String,
        /// The same as a QR code.
        qr_svg: String,
    },
    /// The password is too old, or an administrator demands another: `/login/password`.
    PasswordChangeRequired {
        /// For the next step; works once, for five minutes.
        ticket: String,
    },
    /// The documents must be accepted: `/login/terms`.
    TermsRequired {
        /// For the next step; works once, for as long as `login.ticket` says.
        ticket: String,
        /// The terms of service; null: not asked.
        terms: Option<DocumentBody>,
        /// The privacy policy; null: not asked.
        privacy: Option<DocumentBody>,
    },
    /// The account is logged in elsewhere: `/login/takeover`.
    SessionConflict {
        /// For the next step; works once, for as long as `login.ticket` says.
        ticket: String,
        /// The live sessions, oldest first.
        sessions: Vec<ListedSession>,
    },
}

/// Logs in with an e-mail address or username and a password, or with a keypair.
#[utoipa::path(
    post, path = "/login", tag = "login", request_body = LoginBody,
    responses(
        (status = 200, body = StepBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "invalid_credentials, locked_out, email_unverified, account_disabled, session_limit, mode_disabled, busy"),
    )
)]
pub(crate) async fn login(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<Response, Problem> {
    let (step, want) = match body {
        LoginBody::Person(PersonBody { identifier, password, want }) => {
            let request = LoginRequest { identifier, password, client: client.clone() };
            (auth.engine().login(request).await?, want)
        }
        LoginBody::Program(ProgramBody { access_key, secret_key, want }) => {
            let request = KeypairLogin { access_key, secret_key, client: client.clone() };
            (auth.engine().login_with_keypair(request).await?, want)
        }
    };
    let client = match (want, client.browser) {
        // Who wants no cookie keeps none.
        (Want::Token, Browser::Unknown) => client.with_browser(Browser::Forgetful),
        _ => client,
    };
    Stepping { auth, client, presented, want }.answer(step, &[]).await
}

/// Sets the password that is demanded and goes on with the login; all sessions of the account end.
#[utoipa::path(
    post, path = "/login/password", tag = "login", request_body = NewPasswordBody,
    responses(
        (status = 200, body = StepBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "ticket_invalid, password_too_weak, busy, account_disabled"),
    )
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(NewPasswordBody { ticket, new_password }): JsonBody<NewPasswordBody>,
) -> Result<Response, Problem> {
    let step = auth.engine().change_due_password(&ticket.token, new_password, &client).await?;
    Stepping { auth, client, presented, want: ticket.want }.answer(step, &[]).await
}

/// Accepts the documents in force and goes on with the login.
#[utoipa::path(
    post, path = "/login/terms", tag = "login", request_body = TermsBody,
    responses(
        (status = 200, body = StepBody),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "ticket_invalid, terms_not_accepted, account_disabled, session_limit"),
    )
)]
pub(crate) async fn accept_terms(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(TermsBody { ticket, accept }): JsonBody<TermsBody>,
) -> Result<Response, Problem> {
    let step = auth.engine().accept_terms(&ticket.token, &accept.into(), &client).await?;
    Stepping { auth, client, presented, want: ticket.want }.answer(step, &[]).await
}

/// Ends the sessions that the step before listed and goes on with the login, or gives it up.
#[utoipa::path(
    post, path = "/login/takeover", tag = "login", request_body = TakeoverBody,
    responses(
        (status = 200, body = StepBody),
        (status = 204, description = "given up; the sessions stay"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description =
            "ticket_invalid, account_disabled, session_limit"),
    )
)]
pub(crate) async fn take_over(
    State(auth): State<Auth>,
    Caller(client): Caller,
    presented: Presented,
    JsonBody(TakeoverBody { ticket, proceed }): JsonBody<TakeoverBody>,
) -> Result<Response, Problem> {
    let wish = if proceed { TakeOver::Proceed } else { TakeOver::Cancel };
    let step = auth.engine().take_over(&ticket.token, wish).await?;
    Stepping { auth, client, presented, want: ticket.want }.answer(step, &[]).await
}

/// A request that has taken a login one step further.
pub(crate) struct Stepping {
    pub(crate) auth: Auth,
    pub(crate) client: Client,
    pub(crate) presented: Presented,
    pub(crate) want: Want,
}

/// A step's reply, with the recovery codes of a set-up that was part of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LoginSetUp)]
pub(crate) struct StepReply {
    #[serde(flatten)]
    step: StepBody,
    /// To be shown now; they are nowhere else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recovery_codes: Vec<String>,
}

impl Stepping {
    pub(crate) async fn answer(self, step: LoginStep, codes: &[RecoveryCode]) -> Result<Response, Problem> {
        let ticket = |token: TicketToken| WishingTicket { token, want: self.want }.text();
        let step = match step {
            LoginStep::LoggedIn(logged_in) => return self.logged_in(logged_in, codes).await,
            LoginStep::OtpRequired { ticket: token } => StepBody::OtpRequired { ticket: ticket(token) },
            LoginStep::TotpSetupRequired { ticket: token, setup } => StepBody::TotpSetupRequired {
                ticket: ticket(token),
                secret: setup.secret().to_owned(),
                otpauth_uri: setup.otpauth_uri().to_owned(),
                qr_svg: qr::svg(setup.otpauth_uri())?,
            },
            LoginStep::PasswordChangeRequired { ticket: token } => {
                StepBody::PasswordChangeRequired { ticket: ticket(token) }
            }
            LoginStep::TermsRequired { ticket: token, terms, privacy } => StepBody::TermsRequired {
                ticket: ticket(token),
                terms: DocumentBody::if_asked(&terms),
                privacy: DocumentBody::if_asked(&privacy),
            },
            LoginStep::SessionConflict { ticket: token, sessions } => {
                let sessions = sessions.into_iter().map(|session| self.listed(session)).collect();
                StepBody::SessionConflict { ticket: ticket(token), sessions }
            }
            LoginStep::Cancelled => return Ok(StatusCode::NO_CONTENT.into_response()),
            unknown => return Err(Problem::internal(&format!("a step without a reply: {unknown:?}"))),
        };
        Ok(Json(StepReply { step, recovery_codes: totp::texts(codes) }).into_response())
    }

    fn listed(&self, session: Session) -> ListedSession {
        let current = self.presented.is_of(&session);
        ListedSession::new(session, current)
    }

    async fn logged_in(self, logged_in: LoggedIn, codes: &[RecoveryCode]) -> Result<Response, Problem> {
        let LoggedIn { user, session, token, browser } = logged_in;
        let text = match self.want {
            Want::Cookie => None,
            Want::Token => Some(token.expose().to_string()),
        };
        let (user, session) =
            (Box::new(user.into()), Box::new(SessionBody::of(&session, &self.auth.engine().policy().session)));
        let step = StepBody::LoggedIn { user, session, token: text };
        let mut reply = Json(StepReply { step, recovery_codes: totp::texts(codes) }).into_response();
        if self.want == Want::Cookie {
            let cookie = self.presented.cookie.set(&token);
            reply.headers_mut().extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
            let known = KnownCookie::of(&self.auth.engine().policy().public_url);
            let known = browser.and_then(|token| known.set(&token));
            reply.headers_mut().extend(known.map(|cookie| (SET_COOKIE, cookie)));
            self.end_former().await;
        }
        Ok(reply)
    }

    /// The browser's cookie is overwritten: the session that it stood for ends, or nobody could end it any more.
    async fn end_former(&self) {
        let Some(former) = self.presented.token().ok().filter(|_| self.presented.has_cookie) else { return };
        match self.auth.engine().log_out(former, &self.client).await {
            Ok(()) | Err(Failure::Refused(_)) => {}
            Err(Failure::Fault(fault)) => tracing::warn!(%fault, "the session that a login replaced was not ended"),
        }
    }
}
