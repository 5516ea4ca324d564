//! What a login answers: the step that it stands at, or why it is refused.

use std::time::Duration;

#[cfg(doc)]
use crate::client::Browser;
#[cfg(doc)]
use crate::engine::Engine;
use crate::guess::GuessRefusal;
#[cfg(doc)]
use crate::known_browser::KnownBrowser;
use crate::lockout::GuessKind;
use crate::password::UnmetRule;
use crate::session::Session;
use crate::sign_up::DocumentPolicy;
use crate::time::seconds_to_wait;
use crate::token::{BrowserToken, SessionToken, TicketToken};
use crate::totp::{TotpRefusal, TotpSetup};
use crate::user::User;

/// Where a login stands after a step.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "one is made a login, and moved once")]
pub enum LoginStep {
    /// It is complete.
    LoggedIn(LoggedIn),
    /// A one-time password or a recovery code is asked for: [`Engine::enter_code`].
    OtpRequired {
        /// Proves how far the login has come.
        ticket: TicketToken,
    },
    /// One-time passwords must be set up first: [`Engine::enter_setup_code`].
    TotpSetupRequired {
        /// Proves how far the login has come, and holds the secret sealed.
        ticket: TicketToken,
        /// What the authenticator application needs to know; another one each time the dialog begins.
        setup: TotpSetup,
    },
    /// The password must be changed first: [`Engine::change_due_password`].
    PasswordChangeRequired {
        /// Proves how far the login has come.
        ticket: TicketToken,
    },
    /// The documents in force must be accepted first: [`Engine::accept_terms`].
    TermsRequired {
        /// Proves how far the login has come.
        ticket: TicketToken,
        /// The terms of service in force.
        terms: DocumentPolicy,
        /// The privacy policy in force.
        privacy: DocumentPolicy,
    },
    /// The account is logged in elsewhere: [`Engine::take_over`] ends those sessions or leaves them.
    SessionConflict {
        /// Proves how far the login has come.
        ticket: TicketToken,
        /// The live sessions, oldest first.
        sessions: Vec<Session>,
    },
    /// The user cancelled; nothing was changed.
    Cancelled,
}

impl LoginStep {
    /// The stable name, as in replies over HTTP.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::LoggedIn(_) => "logged_in",
            Self::OtpRequired { .. } => "otp_required",
            Self::TotpSetupRequired { .. } => "totp_setup_required",
            Self::PasswordChangeRequired { .. } => "password_change_required",
            Self::TermsRequired { .. } => "terms_required",
            Self::SessionConflict { .. } => "session_conflict",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A complete login.
#[derive(Debug)]
pub struct LoggedIn {
    /// Who.
    pub user: User,
    /// The session that was opened.
    pub session: Session,
    /// Its token; it is nowhere else.
    pub token: SessionToken,
    /// To be kept by a browser that logged in for the first time, for [`KnownBrowser::LASTS`], and shown with
    /// [`Browser::showing`]; it is nowhere else.
    pub browser: Option<BrowserToken>,
}

/// Why a login, or a step of it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginRefusal {
    /// Unknown user, wrong password, disabled or unverified with a wrong password: one answer, in the same time.
    #[error("the identifier or the password is wrong")]
    InvalidCredentials,
    /// Too many failures; even the right password isn't looked at.
    #[error("too many failed logins: try again in {} s", seconds_to_wait(*.retry_after))]
    LockedOut {
        /// Until the restriction ends.
        retry_after: Duration,
    },
    /// Too many failures since the last login; only a reset by mail or an administrator opens.
    #[error("too many failures since the last login: set a new password by mail or contact your administrator")]
    Closed,
    /// The password is right, but the address isn't proved yet: open the link in the mail.
    #[error("the e-mail address isn't verified yet: open the link in the mail")]
    EmailUnverified,
    /// The password is right, but an administrator switched the account off.
    #[error("the account is disabled: contact your administrator")]
    AccountDisabled,
    /// Too many logins at once; says nothing about the account.
    #[error("too many logins at once: try again in {} s", seconds_to_wait(*.retry_after))]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The ticket is unknown, used, expired, or for another step: start the login again.
    #[error("the login took too long or was continued elsewhere: start again")]
    TicketInvalid,
    /// The code is wrong, was used already, or isn't one.
    #[error("the code is wrong: wait for the next one and try again")]
    InvalidCode,
    /// Too many codes were wrong since the last login: only a reset by mail or an administrator opens.
    #[error("too many wrong codes since the last login: set a new password by mail or contact your administrator")]
    CodesSpent,
    /// The new password breaks these rules.
    #[error("the password doesn't meet every rule")]
    PasswordTooWeak(Vec<UnmetRule>),
    /// The documents must be accepted in the version in force.
    #[error("the terms and the privacy policy must be accepted in their current version")]
    TermsNotAccepted,
    /// The account is logged in elsewhere as often as it may be.
    #[error("the account has reached its number of sessions: log out elsewhere first")]
    SessionLimit,
    /// This way to log in isn't offered.
    #[error("this connection mode isn't offered")]
    ModeDisabled,
}

impl LoginRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InvalidCredentials => "invalid_credentials",
            Self::LockedOut { .. } | Self::Closed => "locked_out",
            Self::EmailUnverified => "email_unverified",
            Self::AccountDisabled => "account_disabled",
            Self::Busy { .. } => "busy",
            Self::TicketInvalid => "ticket_invalid",
            Self::InvalidCode => "invalid_code",
            Self::CodesSpent => "locked_out",
            Self::PasswordTooWeak(_) => "password_too_weak",
            Self::TermsNotAccepted => "terms_not_accepted",
            Self::SessionLimit => "session_limit",
            Self::ModeDisabled => "mode_disabled",
        }
    }
}

impl From<GuessRefusal> for LoginRefusal {
    fn from(refusal: GuessRefusal) -> Self {
        match refusal {
            GuessRefusal::LockedOut { retry_after } => Self::LockedOut { retry_after },
            GuessRefusal::Closed => Self::Closed,
            GuessRefusal::Untold(GuessKind::Password) => Self::InvalidCredentials,
            GuessRefusal::Untold(GuessKind::Code) => Self::InvalidCode,
            GuessRefusal::Busy { retry_after } => Self::Busy { retry_after },
        }
    }
}

impl From<TotpRefusal> for LoginRefusal {
    fn from(refusal: TotpRefusal) -> Self {
        match refusal {
            TotpRefusal::Guess(refusal) => refusal.into(),
            TotpRefusal::InvalidCredentials => Self::InvalidCredentials,
            TotpRefusal::InvalidCode => Self::InvalidCode,
            TotpRefusal::CodesSpent => Self::CodesSpent,
            // Set up in another browser meanwhile, or no more: whoever logs in begins anew.
            TotpRefusal::AlreadyEnabled
            | TotpRefusal::Forbidden
            | TotpRefusal::ProofRequired
            | TotpRefusal::TicketInvalid => Self::TicketInvalid,
        }
    }
}
