//! What of the refusals goes on the audit trail, and who puts it there.

use axum::extract::{MatchedPath, Request};
use doorwarden_core::client::Client;

use crate::client::client;
use crate::credential::Presented;
use crate::current::Auth;
use crate::problem::Code;

/// Who puts a refusal on the audit trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trail {
    /// The flow that refuses: it knows whom it concerns, and the rule.
    Flow,
    /// The router, once a minute for each code and client.
    Router,
    /// Nobody: a fault stands in the log, under the reference of its reply.
    Log,
}

impl Code {
    /// Who puts it on the audit trail.
    pub const fn trail(self) -> Trail {
        match self {
            Self::InvalidCredentials
            | Self::InvalidSignature
            | Self::EmailUnverified
            | Self::AccountDisabled
            | Self::EmailTaken
            | Self::SessionLimit
            | Self::LastAdministrator
            | Self::KeypairLimit
            | Self::InvalidCode
            | Self::InvitationInvalid
            | Self::LockedOut => Trail::Flow,
            Self::InvalidRequest
            | Self::SessionRequired
            | Self::SessionExpired
            | Self::SessionIdle
            | Self::SessionEnded
            | Self::SessionEndedElsewhere
            | Self::ProofRequired
            | Self::Forbidden
            | Self::SignUpClosed
            | Self::SignUpRefused
            | Self::RecoveryDisabled
            | Self::ModeDisabled
            | Self::CrossSite
            | Self::NotFound
            | Self::UsernameTaken
            | Self::NotExtendable
            | Self::TotpAlreadyEnabled
            | Self::Stale
            | Self::TicketInvalid
            | Self::LinkInvalid
            | Self::PasswordTooWeak
            | Self::InvalidEmail
            | Self::InvalidUsername
            | Self::InvitationRequired
            | Self::TermsNotAccepted
            | Self::FieldRequired
            | Self::TooManyRequests
            | Self::Busy => Trail::Router,
            Self::Unavailable | Self::Internal => Trail::Log,
        }
    }
}

/// What is remembered of a request until its reply is known.
#[derive(Debug)]
pub(crate) struct Asked {
    client: Client,
    at: String,
    shows_nothing: bool,
}

impl Asked {
    pub(crate) fn of(request: &Request, auth: &Auth) -> Self {
        let (headers, extensions) = (request.headers(), request.extensions());
        // The route as it is declared: what stands in its place may be an id, or anything.
        let path = extensions.get::<MatchedPath>().map_or("an unknown path", MatchedPath::as_str);
        let method = Some(request.method().as_str()).filter(|name| name.len() <= 16).unwrap_or("ANOTHER");
        let at = format!("{method} {path}");
        let client = client(headers, extensions, &auth.settings().trust_proxy);
        let shows_nothing = Presented::read(headers, &auth.engine().policy().public_url).is_nothing();
        Self { client, at, shows_nothing }
    }

    /// Puts a reply's refusal on the trail where that is the router's to do.
    pub(crate) async fn note(self, code: Option<Code>, auth: &Auth) {
        let Some(code) = code else { return };
        // Whoever opens the dialog asks whether there is a session; that there is none is no refusal of anybody.
        let is_first_visit = code == Code::SessionRequired && self.shows_nothing;
        if code.trail() != Trail::Router || is_first_visit {
            return;
        }
        if let Err(fault) = auth.engine().note_refused_request(code.name(), &self.at, &self.client).await {
            tracing::warn!(%fault, code = code.name(), "a refusal isn't on the audit trail");
        }
    }
}
