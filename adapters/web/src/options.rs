//! `GET /options`: what a login dialog shows.

use axum::Json;
use axum::extract::State;
use doorwarden_core::login::IdentifierKind;
use doorwarden_core::password::CharacterClass;
use doorwarden_core::policy::Policy;
use doorwarden_core::session::SessionMode;
use doorwarden_core::sign_up::{DocumentPolicy, FieldPolicy};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::ConsoleSettings;
use crate::current::Auth;

/// What a login dialog shows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Options)]
pub(crate) struct OptionsBody {
    /// How one can log in: `session`, `api`.
    modes: Vec<&'static str>,
    endpoint: EndpointBody,
    /// What the login field accepts: `email`, `username`.
    identifiers: Vec<&'static str>,
    sign_up: SignUpOptionsBody,
    password: PasswordOptionsBody,
    /// Whether a forgotten password can be reset by mail.
    recovery: bool,
    totp: TotpOptionsBody,
    session: SessionOptionsBody,
    /// The realms of single sign-on, in their order.
    sso: Vec<RealmBody>,
    console: ConsoleBody,
}

/// The API endpoint that the dialog's Advanced part shows.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EndpointOptions)]
struct EndpointBody {
    /// Its URL; empty: not shown.
    url: String,
    /// Whether it is read-only.
    pinned: bool,
}

/// What a sign-up asks for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignUpOptions)]
struct SignUpOptionsBody {
    /// Whether anybody may sign up.
    open: bool,
    /// `off`, `optional` or `required`, as the next two.
    invitation: &'static str,
    username: &'static str,
    full_name: &'static str,
    /// The host's own fields.
    fields: Vec<FieldBody>,
    /// The terms of service; null: not asked.
    terms: Option<DocumentBody>,
    /// The privacy policy; null: not asked.
    privacy: Option<DocumentBody>,
    /// Whether the address is proved by mail.
    verify_email: bool,
}

/// A text field of the host's own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignUpField)]
struct FieldBody {
    name: String,
    label: String,
    required: bool,
    /// In characters.
    max_length: u32,
}

/// A document to accept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Document)]
pub(crate) struct DocumentBody {
    /// To be sent back as accepted.
    version: String,
    /// Where it is read.
    url: String,
}

/// The rules of a new password.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PasswordOptions)]
struct PasswordOptionsBody {
    /// In characters.
    min_length: u32,
    /// In characters.
    max_length: u32,
    /// At least one of each: `letter`, `digit`, `special`.
    require: Vec<&'static str>,
}

/// One-time passwords.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TotpOptions)]
struct TotpOptionsBody {
    digits: u8,
}

/// Sessions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOptions)]
struct SessionOptionsBody {
    /// Whether a session's timer can be started again.
    extendable: bool,
}

/// A realm of single sign-on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Realm)]
struct RealmBody {
    id: String,
    kind: String,
    label: String,
}

/// How the console looks.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Console)]
struct ConsoleBody {
    name: String,
    /// The path of its logo; null: none.
    logo: Option<String>,
    /// As CSS writes it.
    accent: String,
    /// The default first.
    locales: Vec<String>,
}

/// What a login dialog shows.
#[utoipa::path(get, path = "/options", tag = "options", responses((status = 200, body = OptionsBody)))]
pub(crate) async fn options(State(auth): State<Auth>) -> Json<OptionsBody> {
    Json(OptionsBody::of(&auth.engine().policy(), &auth.settings().console))
}

impl OptionsBody {
    fn of(policy: &Policy, console: &ConsoleSettings) -> Self {
        Self {
            modes: policy.login.modes.iter().copied().map(SessionMode::name).collect(),
            endpoint: EndpointBody { url: policy.login.endpoint.url.clone(), pinned: policy.login.endpoint.pinned },
            identifiers: policy.login.identifiers.iter().copied().map(identifier).collect(),
            sign_up: SignUpOptionsBody::of(policy),
            password: PasswordOptionsBody {
                min_length: policy.password.min_length,
                max_length: policy.password.max_length,
                require: policy.password.require.iter().copied().map(class).collect(),
            },
            recovery: policy.recovers_by_mail(),
            totp: TotpOptionsBody { digits: 6 },
            session: SessionOptionsBody { extendable: policy.session.extendable },
            sso: Vec::new(),
            console: ConsoleBody {
                name: console.name.clone(),
                logo: console.logo.clone(),
                accent: console.accent.clone(),
                locales: console.locales.clone(),
            },
        }
    }
}

impl SignUpOptionsBody {
    fn of(policy: &Policy) -> Self {
        let asked = &policy.sign_up;
        Self {
            open: asked.open,
            invitation: asked.invitation.name(),
            username: asked.username.name(),
            full_name: asked.full_name.name(),
            fields: asked.fields.iter().cloned().map(FieldBody::from).collect(),
            terms: DocumentBody::if_asked(&asked.terms),
            privacy: DocumentBody::if_asked(&asked.privacy),
            verify_email: policy.verifies_email(),
        }
    }
}

impl From<FieldPolicy> for FieldBody {
    fn from(field: FieldPolicy) -> Self {
        Self { name: field.name, label: field.label, required: field.required, max_length: field.max_length }
    }
}

impl DocumentBody {
    pub(crate) fn if_asked(document: &DocumentPolicy) -> Option<Self> {
        document.is_asked().then(|| Self { version: document.version.clone(), url: document.url.clone() })
    }
}

const fn identifier(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Email => "email",
        IdentifierKind::Username => "username",
    }
}

const fn class(class: CharacterClass) -> &'static str {
    match class {
        CharacterClass::Letter => "letter",
        CharacterClass::Digit => "digit",
        CharacterClass::Special => "special",
    }
}
