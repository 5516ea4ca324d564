//! Refusals and faults as `application/problem+json` (RFC 9457): one mapping for each type of core's.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use doorwarden_core::account::{AccountRefusal, DeletionRefusal};
use doorwarden_core::administration::{AdministrationRefusal, NewUserRefusal};
use doorwarden_core::email_change::EmailChangeRefusal;
use doorwarden_core::error::{Failure, Fault};
use doorwarden_core::guess::GuessRefusal;
use doorwarden_core::invitation::NewInvitationRefusal;
use doorwarden_core::keypair::KeypairRefusal;
use doorwarden_core::login::LoginRefusal;
use doorwarden_core::password::UnmetRule;
use doorwarden_core::password_change::PasswordChangeRefusal;
use doorwarden_core::recovery::RecoveryRefusal;
use doorwarden_core::session::{ProofRefusal, SessionRefusal};
use doorwarden_core::sign_up::{SignUpRefusal, VerificationRefusal};
use doorwarden_core::signature::InvalidSignature;
use doorwarden_core::totp::{RecoveryCode, TotpRefusal};
use serde::Serialize;
use utoipa::ToSchema;

use crate::guard;
use crate::totp;

/// When a client may try again after a fault that may pass.
const FAULT_RETRY_AFTER: Duration = Duration::from_secs(5);
/// When to try again what somebody has to mend first.
const MENDED_AFTER: Duration = Duration::from_secs(60);

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal);* $(;)?) => {
        /// Every code that a reply of this crate can carry; a code is never renamed or reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* $variant),* }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The status that it goes with, unless the reply is about the request's form.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),* }
            }

            const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }
        }
    };
}

codes! {
    /// The request can't be read as what the endpoint takes.
    InvalidRequest = "invalid_request", BAD_REQUEST, "The request can't be read";
    /// The identifier or the password is wrong.
    InvalidCredentials = "invalid_credentials", UNAUTHORIZED, "The credentials are wrong";
    /// The request's signature isn't accepted, whatever the cause.
    InvalidSignature = "invalid_signature", UNAUTHORIZED, "The signature isn't accepted";
    /// No session, or one that isn't known.
    SessionRequired = "session_required", UNAUTHORIZED, "A session is required";
    /// The session's absolute lifetime is over.
    SessionExpired = "session_expired", UNAUTHORIZED, "The session has expired";
    /// The session wasn't used for too long.
    SessionIdle = "session_idle", UNAUTHORIZED, "The session was idle for too long";
    /// The session was logged out or revoked.
    SessionEnded = "session_ended", UNAUTHORIZED, "The session was ended";
    /// A newer login took the session's place.
    SessionEndedElsewhere = "session_ended_elsewhere", UNAUTHORIZED, "The session was ended elsewhere";
    /// The password is right, the address isn't proved.
    EmailUnverified = "email_unverified", FORBIDDEN, "The e-mail address isn't verified";
    /// The password must be given again first.
    ProofRequired = "proof_required", FORBIDDEN, "A fresh proof is required";
    /// The policy doesn't allow it.
    Forbidden = "forbidden", FORBIDDEN, "Forbidden";
    /// The password is right, the account is switched off.
    AccountDisabled = "account_disabled", FORBIDDEN, "The account is disabled";
    /// Only invitations and administrators make accounts.
    SignUpClosed = "sign_up_closed", FORBIDDEN, "Sign-up is closed";
    /// The host, or the list of domains, refused the sign-up.
    SignUpRefused = "sign_up_refused", FORBIDDEN, "The sign-up was refused";
    /// Passwords aren't reset by mail.
    RecoveryDisabled = "recovery_disabled", FORBIDDEN, "Recovery by mail is off";
    /// The connection mode isn't offered.
    ModeDisabled = "mode_disabled", FORBIDDEN, "The connection mode isn't offered";
    /// The request comes from a page of another origin.
    CrossSite = "cross_site", FORBIDDEN, "The request comes from another site";
    /// There is no such thing.
    NotFound = "not_found", NOT_FOUND, "Not found";
    /// The address has an account.
    EmailTaken = "email_taken", CONFLICT, "The e-mail address is taken";
    /// The name belongs to somebody.
    UsernameTaken = "username_taken", CONFLICT, "The username is taken";
    /// The account has as many sessions as it may.
    SessionLimit = "session_limit", CONFLICT, "The number of sessions is reached";
    /// The session can't be extended any further.
    NotExtendable = "not_extendable", CONFLICT, "The session can't be extended";
    /// Nobody could administer any more.
    LastAdministrator = "last_administrator", CONFLICT, "The last administrator stays";
    /// The account has one-time passwords already.
    TotpAlreadyEnabled = "totp_already_enabled", CONFLICT, "One-time passwords are set up already";
    /// The account has as many keypairs as it may.
    KeypairLimit = "keypair_limit", CONFLICT, "The number of keypairs is reached";
    /// It was changed meanwhile.
    Stale = "stale", CONFLICT, "It was changed meanwhile";
    /// The ticket is unknown, used, expired or for another step.
    TicketInvalid = "ticket_invalid", GONE, "The ticket doesn't work any more";
    /// The link is unknown, used or expired.
    LinkInvalid = "link_invalid", GONE, "The link doesn't work any more";
    /// The password breaks the rules named in `unmet`.
    PasswordTooWeak = "password_too_weak", UNPROCESSABLE_ENTITY, "The password is too weak";
    /// The code is wrong, used, or none.
    InvalidCode = "invalid_code", UNPROCESSABLE_ENTITY, "The code is wrong";
    /// The address isn't one.
    InvalidEmail = "invalid_email", UNPROCESSABLE_ENTITY, "The e-mail address isn't valid";
    /// The name can't be a username.
    InvalidUsername = "invalid_username", UNPROCESSABLE_ENTITY, "The username isn't valid";
    /// Only who is invited may sign up.
    InvitationRequired = "invitation_required", UNPROCESSABLE_ENTITY, "An invitation is required";
    /// The invitation is unknown, used up, expired, revoked or for somebody else.
    InvitationInvalid = "invitation_invalid", UNPROCESSABLE_ENTITY, "The invitation doesn't work";
    /// The documents in force aren't accepted.
    TermsNotAccepted = "terms_not_accepted", UNPROCESSABLE_ENTITY, "The terms aren't accepted";
    /// A field that the policy demands is missing.
    FieldRequired = "field_required", UNPROCESSABLE_ENTITY, "A field is required";
    /// Too many failures: nothing is evaluated for a while.
    LockedOut = "locked_out", TOO_MANY_REQUESTS, "Locked out";
    /// Too many requests from this client.
    TooManyRequests = "too_many_requests", TOO_MANY_REQUESTS, "Too many requests";
    /// Too many passwords to hash at once.
    Busy = "busy", SERVICE_UNAVAILABLE, "Busy";
    /// Something that the service needs doesn't answer.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Unavailable";
    /// Something is broken.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
}

impl Code {
    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }
}

/// An answer that isn't a success, as `application/problem+json`.
///
/// It carries its own headers, so a host's route can return it too:
///
/// ```
/// use axum::http::StatusCode;
/// use axum::response::IntoResponse;
/// use doorwarden_web::{Code, Problem};
///
/// let reply = Problem::new(Code::NotFound, "no such invoice").into_response();
/// assert_eq!(reply.status(), StatusCode::NOT_FOUND);
/// assert_eq!(reply.headers()["content-type"], "application/problem+json");
/// ```
#[derive(Debug)]
pub struct Problem {
    code: Code,
    status: StatusCode,
    details: Box<ProblemBody>,
}

/// A problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// A URI reference that names the kind of problem.
    #[serde(rename = "type")]
    kind: String,
    /// The kind of problem in words.
    title: &'static str,
    /// The status of the reply.
    status: u16,
    /// What is wrong this time, and what the caller can do.
    detail: String,
    /// The stable code.
    code: &'static str,
    /// The field of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The rules that the password breaks, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    unmet: Vec<&'static str>,
    /// When to try again; the same as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    /// Of a set-up that stands though the login behind it was refused; they are nowhere else.
    #[serde(skip_serializing_if = "Shown::is_empty")]
    #[schema(required = false, value_type = Vec<String>)]
    recovery_codes: Shown,
    /// Leads the administrator to the line of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// Secrets that a reply shows and no log does.
#[derive(Default, Serialize)]
#[serde(transparent)]
struct Shown(Vec<String>);

impl Shown {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} hidden", self.0.len())
    }
}

impl Problem {
    /// A problem of `code`; `detail` says what is wrong this time and never holds a secret.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let details = Box::new(ProblemBody {
            kind: format!("/problems/{}", code.name()),
            title: code.title(),
            status: code.status().as_u16(),
            detail: detail.into(),
            code: code.name(),
            field: None,
            unmet: Vec::new(),
            retry_after_seconds: None,
            recovery_codes: Shown::default(),
            reference: None,
        });
        Self { code, status: code.status(), details }
    }

    /// Its code.
    pub const fn code(&self) -> Code {
        self.code
    }

    /// A refusal of core's: its own words under its code. Core's codes may grow; one without a status here is a fault,
    /// and a test that reads core's source keeps that from happening.
    fn refused(code: &'static str, refusal: &impl std::fmt::Display) -> Self {
        match Code::named(code) {
            Some(code) => Self::new(code, refusal.to_string()),
            None => Self::internal(&format!("a refusal without a status: {code}")),
        }
    }

    /// Something broke that no request should break; `cause` goes to the log, a reference to the client.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::broken(Code::Internal, "something is broken: tell the reference to the administrator", cause)
    }

    /// The store doesn't answer: said in one word, without a reference.
    pub(crate) fn down(fault: &Fault) -> Self {
        tracing::error!(%fault, "the store doesn't answer");
        Self::new(Code::Unavailable, "down").with_retry_after(FAULT_RETRY_AFTER)
    }

    fn broken(code: Code, detail: &'static str, cause: &dyn std::fmt::Display) -> Self {
        let reference = format!("{:016x}", getrandom::u64().unwrap_or_default());
        tracing::error!(%reference, code = code.name(), "{cause}");
        let mut problem = Self::new(code, detail);
        problem.details.reference = Some(reference);
        problem
    }

    /// The same with another status: a request whose form is wrong is told so by method, size or time, too.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        (self.status, self.details.status) = (status, status.as_u16());
        self
    }

    pub(crate) fn with_field(mut self, field: impl Into<String>) -> Self {
        self.details.field = Some(field.into());
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Duration) -> Self {
        let whole = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        self.details.retry_after_seconds = Some(whole.max(1));
        self
    }

    pub(crate) fn with_recovery_codes(mut self, codes: &[RecoveryCode]) -> Self {
        self.details.recovery_codes = Shown(totp::texts(codes));
        self
    }

    fn with_unmet(mut self, unmet: &[UnmetRule]) -> Self {
        self.details.unmet = unmet.iter().map(UnmetRule::code).collect();
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        const TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
        let body = serde_json::to_vec(&self.details).unwrap_or_default();
        let mut reply = (self.status, [(CONTENT_TYPE, TYPE)], body).into_response();
        reply.extensions_mut().insert(self.code);
        let mut add = |name: HeaderName, value| reply.headers_mut().insert(name, value);
        if let Some(seconds) = self.details.retry_after_seconds {
            add(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §15.5.2 asks for a challenge; browsers open no dialog of their own for this one.
            add(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        guard::seal(reply)
    }
}

impl<R> From<Failure<R>> for Problem
where
    Problem: From<R>,
{
    fn from(failure: Failure<R>) -> Self {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Fault(fault) => fault.into(),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let (detail, retry_after) = match fault.retryable() {
            true => ("something that the service needs doesn't answer: try again", FAULT_RETRY_AFTER),
            false => {
                ("something that the service needs is broken: tell the reference to the administrator", MENDED_AFTER)
            }
        };
        Self::broken(Code::Unavailable, detail, &fault).with_retry_after(retry_after)
    }
}

impl From<LoginRefusal> for Problem {
    fn from(refusal: LoginRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let LoginRefusal::LockedOut { retry_after } | LoginRefusal::Busy { retry_after } = refusal {
            return problem.with_retry_after(retry_after);
        }
        if let LoginRefusal::PasswordTooWeak(unmet) = &refusal {
            return problem.with_unmet(unmet);
        }
        problem
    }
}

impl From<RecoveryRefusal> for Problem {
    fn from(refusal: RecoveryRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let RecoveryRefusal::TooManyRequests { retry_after } | RecoveryRefusal::Busy { retry_after } = refusal {
            return problem.with_retry_after(retry_after);
        }
        if let RecoveryRefusal::PasswordTooWeak(unmet) = &refusal {
            return problem.with_unmet(unmet);
        }
        problem
    }
}

impl From<AccountRefusal> for Problem {
    fn from(refusal: AccountRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        match refusal {
            AccountRefusal::Form(refusal) => refusal.into(),
            _ => problem,
        }
    }
}

impl From<DeletionRefusal> for Problem {
    fn from(refusal: DeletionRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        match refusal {
            DeletionRefusal::Proof(refusal) => refusal.into(),
            _ => problem,
        }
    }
}

impl From<EmailChangeRefusal> for Problem {
    fn from(refusal: EmailChangeRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        match refusal {
            EmailChangeRefusal::Proof(refusal) => refusal.into(),
            EmailChangeRefusal::TooManyRequests { retry_after } => problem.with_retry_after(retry_after),
            EmailChangeRefusal::InvalidEmail(_) => problem.with_field("new_email"),
            _ => problem,
        }
    }
}

impl From<PasswordChangeRefusal> for Problem {
    fn from(refusal: PasswordChangeRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let PasswordChangeRefusal::Proof(refusal) = refusal {
            return refusal.into();
        }
        if let PasswordChangeRefusal::PasswordTooWeak(unmet) = &refusal {
            return problem.with_unmet(unmet);
        }
        problem
    }
}

impl From<GuessRefusal> for Problem {
    fn from(refusal: GuessRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        match refusal {
            GuessRefusal::LockedOut { retry_after } | GuessRefusal::Busy { retry_after } => {
                problem.with_retry_after(retry_after)
            }
            GuessRefusal::Closed | GuessRefusal::Untold(_) => problem,
        }
    }
}

impl From<KeypairRefusal> for Problem {
    fn from(refusal: KeypairRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let KeypairRefusal::Invalid(field, _) = refusal {
            return problem.with_field(field);
        }
        problem
    }
}

impl From<SessionRefusal> for Problem {
    fn from(refusal: SessionRefusal) -> Self {
        Self::refused(refusal.code(), &refusal)
    }
}

impl From<InvalidSignature> for Problem {
    fn from(refusal: InvalidSignature) -> Self {
        Self::refused(refusal.code(), &refusal)
    }
}

impl From<ProofRefusal> for Problem {
    fn from(refusal: ProofRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let ProofRefusal::Guess(refusal) = refusal {
            return refusal.into();
        }
        problem
    }
}

impl From<AdministrationRefusal> for Problem {
    fn from(refusal: AdministrationRefusal) -> Self {
        Self::refused(refusal.code(), &refusal)
    }
}

impl From<TotpRefusal> for Problem {
    fn from(refusal: TotpRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let TotpRefusal::Guess(refusal) = refusal {
            return refusal.into();
        }
        problem
    }
}

impl From<SignUpRefusal> for Problem {
    fn from(refusal: SignUpRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let SignUpRefusal::TooManyRequests { retry_after } | SignUpRefusal::Busy { retry_after } = refusal {
            return problem.with_retry_after(retry_after);
        }
        if let SignUpRefusal::PasswordTooWeak(unmet) = &refusal {
            return problem.with_unmet(unmet);
        }
        if let SignUpRefusal::FieldRequired { field } | SignUpRefusal::FieldInvalid { field, .. } = refusal {
            return problem.with_field(field);
        }
        problem
    }
}

impl From<NewInvitationRefusal> for Problem {
    fn from(refusal: NewInvitationRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let NewInvitationRefusal::Administration(refusal) = refusal {
            return refusal.into();
        }
        if let NewInvitationRefusal::FieldInvalid { field, .. } = refusal {
            return problem.with_field(field);
        }
        problem
    }
}

impl From<VerificationRefusal> for Problem {
    fn from(refusal: VerificationRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let VerificationRefusal::TooManyRequests { retry_after } = refusal {
            return problem.with_retry_after(retry_after);
        }
        problem
    }
}

impl From<NewUserRefusal> for Problem {
    fn from(refusal: NewUserRefusal) -> Self {
        let problem = Self::refused(refusal.code(), &refusal);
        if let NewUserRefusal::Busy { retry_after } = refusal {
            return problem.with_retry_after(retry_after);
        }
        if let NewUserRefusal::PasswordTooWeak(unmet) = &refusal {
            return problem.with_unmet(unmet);
        }
        if let NewUserRefusal::InvalidField { field, .. } = refusal {
            return problem.with_field(field);
        }
        problem
    }
}
