//! Whose request it is, where only an administrator is answered.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use doorwarden_core::session::Session;
use doorwarden_core::user::User;

use crate::current::{Auth, CurrentUser};
use crate::problem::{Code, Problem};

/// The administrator of a request's live session.
///
/// Nobody's request is answered as [`CurrentUser`] answers it (401), and that of a user with another role with
/// `forbidden` (403). The role is the one that the store holds now, so that a demotion counts from the next request on,
/// in every process. Costs two reads.
#[derive(Debug)]
#[non_exhaustive]
pub struct Administrator {
    /// The administrator.
    pub user: User,
    /// The session.
    pub session: Session,
}

impl<S> FromRequestParts<S> for Administrator
where
    Auth: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let CurrentUser { user, session, .. } = CurrentUser::from_request_parts(parts, state).await?;
        match user.role.is_admin() {
            true => Ok(Self { user, session }),
            false => Err(Problem::new(Code::Forbidden, "this is for administrators alone")),
        }
    }
}
