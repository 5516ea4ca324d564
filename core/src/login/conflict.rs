//! The last step of a login: the account is logged in elsewhere.

use crate::audit::AuditName;
use crate::engine::Engine;
use crate::error::Failure;
use crate::login::{Awaited, LoginProgress, LoginRefusal, LoginStep};
use crate::session::Session;
use crate::token::TicketToken;

/// What the user wants done with the sessions that are live elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver {
    /// End them and go on.
    Proceed,
    /// Leave them and give up this login.
    Cancel,
}

impl Engine {
    pub(super) async fn ask_conflict(
        &self,
        progress: LoginProgress,
        sessions: Vec<Session>,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let listed = sessions.iter().map(|session| session.id).collect();
        let ticket = self.issue(progress, Awaited::Conflict(listed)).await?;
        Ok(LoginStep::SessionConflict { ticket, sessions })
    }

    /// Ends the sessions that the ticket's step listed and goes on, or leaves them.
    ///
    /// A session that was opened since isn't among them: then the conflict is asked about again.
    ///
    /// # Errors
    /// [`LoginRefusal::TicketInvalid`], and all that a login's later steps refuse.
    pub async fn take_over(&self, ticket: &TicketToken, wish: TakeOver) -> Result<LoginStep, Failure<LoginRefusal>> {
        self.counted(async {
            let progress = self.peek(ticket).await?;
            let Some(Awaited::Conflict(listed)) = progress.awaits.clone() else {
                return Err(Failure::Refused(LoginRefusal::TicketInvalid));
            };
            self.take(ticket).await?;
            match wish {
                TakeOver::Proceed => self.advance(progress, Some(&listed), None).await,
                TakeOver::Cancel => {
                    let event = self.event(AuditName::LoginFailed, &progress.client)?.of_user(progress.user);
                    self.record([event.refused_by("cancelled")]).await?;
                    Ok(LoginStep::Cancelled)
                }
            }
        })
        .await
    }
}
