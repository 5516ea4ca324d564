//! Whose request it is: what a host's own routes ask for.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use doorwarden_core::engine::Engine;
use doorwarden_core::error::Failure;
use doorwarden_core::session::Session;
use doorwarden_core::token::SessionToken;
use doorwarden_core::user::User;

use crate::config::WebSettings;
use crate::credential::{NoSession, Presented};
use crate::origin;
use crate::problem::Problem;
use crate::signed::Signed;

/// The state that [`CurrentUser`] and [`CurrentSession`] need: engine and settings in one cheap handle.
#[derive(Debug, Clone)]
pub struct Auth {
    engine: Engine,
    settings: Arc<WebSettings>,
}

impl Auth {
    /// A handle on `engine`, with the settings that its router has.
    pub fn new(engine: Engine, settings: WebSettings) -> Self {
        Self { engine, settings: Arc::new(settings) }
    }

    /// The engine.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The settings.
    pub fn settings(&self) -> &WebSettings {
        &self.settings
    }
}

/// The live session of a request, from its cookie or bearer token.
///
/// Without one the request is answered with the refusal's problem (401). A request that changes something and comes
/// from a page of another origin is answered with `cross_site` (403), so that a host's own forms are as safe as ours.
///
/// A signed request has no session: it is answered with `proof_required` (403).
///
/// Costs one read of the session store.
#[derive(Debug)]
#[non_exhaustive]
pub struct CurrentSession {
    /// The session.
    pub session: Session,
    /// Its token, for the engine's methods that take one.
    pub token: SessionToken,
}

/// The user of a request's live session, see [`CurrentSession`], or of the keypair that it is signed with. Costs two
/// reads.
///
/// Signed requests are taken behind the layer [`signed_requests`](crate::signed_requests), which the router's own routes
/// have.
///
/// An `Option<CurrentUser>` is `None` where [`CurrentUser`] would answer 401.
#[derive(Debug)]
#[non_exhaustive]
pub struct CurrentUser {
    /// The user.
    pub user: User,
    /// The session; of a signed request what stands for one: of mode `api`, never freshly proved, and in no list.
    pub session: Session,
}

impl<S> FromRequestParts<S> for CurrentSession
where
    Auth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let auth = Auth::from_ref(state);
        allow(parts, &auth)?;
        Ok(current_session(parts, &auth).await?)
    }
}

impl<S> FromRequestParts<S> for CurrentUser
where
    Auth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let auth = Auth::from_ref(state);
        allow(parts, &auth)?;
        Ok(current_user(parts, &auth).await?)
    }
}

impl<S> OptionalFromRequestParts<S> for CurrentUser
where
    Auth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Problem> {
        let auth = Auth::from_ref(state);
        allow(parts, &auth)?;
        match current_user(parts, &auth).await {
            Ok(current) => Ok(Some(current)),
            Err(Failure::Refused(_)) => Ok(None),
            Err(Failure::Fault(fault)) => Err(fault.into()),
        }
    }
}

fn allow(parts: &Parts, auth: &Auth) -> Result<(), Problem> {
    origin::check(&parts.method, &parts.headers, &auth.engine.policy().public_url)
}

async fn current_session(parts: &Parts, auth: &Auth) -> Result<CurrentSession, Failure<NoSession>> {
    let presented = Presented::of(parts, &auth.engine().policy().public_url);
    let token = presented.token().map_err(Failure::Refused)?.clone();
    let session = auth.engine.check(&token).await.map_err(|f| f.map(NoSession::Refused))?;
    Ok(CurrentSession { session, token })
}

async fn current_user(parts: &Parts, auth: &Auth) -> Result<CurrentUser, Failure<NoSession>> {
    if let Some(signed) = Signed::of(parts) {
        let by = signed.by().map_err(|refusal| Failure::Refused(NoSession::Signature(refusal)))?.clone();
        return Ok(CurrentUser { user: by.user, session: by.session });
    }
    let session = current_session(parts, auth).await?.session;
    let user = auth.engine().user_of(&session).await.map_err(|f| f.map(NoSession::Refused))?;
    Ok(CurrentUser { user, session })
}
