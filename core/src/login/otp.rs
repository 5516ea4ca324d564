//! A login's step: a one-time password or a recovery code, of an account that has set them up.

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::Engine;
use crate::error::Failure;
use crate::guess::Guesser;
use crate::login::{Awaited, LoginProgress, LoginRefusal, LoginStep};
use crate::token::TicketToken;
use crate::totp::{Redeeming, TypedCode};

impl Engine {
    pub(super) async fn ask_otp(&self, progress: LoginProgress) -> Result<LoginStep, Failure<LoginRefusal>> {
        let ticket = self.issue(progress, Awaited::Otp).await?;
        Ok(LoginStep::OtpRequired { ticket })
    }

    /// Takes a one-time password or a recovery code and goes on with the login of `ticket`.
    ///
    /// The guess is charged to the account's counter before the code is looked at. A right code is remembered in one
    /// write, so that it works once however often it is sent at a time.
    ///
    /// # Errors
    /// [`LoginRefusal::InvalidCode`] leaves the ticket for another try; [`LockedOut`](LoginRefusal::LockedOut),
    /// [`CodesSpent`](LoginRefusal::CodesSpent), [`TicketInvalid`](LoginRefusal::TicketInvalid), and all that a login's
    /// later steps refuse.
    pub async fn enter_code(
        &self,
        ticket: &TicketToken,
        code: &TypedCode,
        client: &Client,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        self.counted(async {
            let progress = self.peek(ticket).await?;
            if progress.awaits != Some(Awaited::Otp) {
                return Err(Failure::Refused(LoginRefusal::TicketInvalid));
            }
            let who = Guesser::at_code_of(progress.user);
            let guess = self.charge(&who, client).await.map_err(|f| f.map(LoginRefusal::from))?;
            // Taken before the code is judged: a set-up that comes meanwhile is newer than this proof.
            let second_factor_at = Some(self.now());
            let (user, name) = (progress.user, AuditName::LoginFailed);
            let redeeming = Redeeming { user, code, ticket: Some(ticket), name, client };
            match self.redeem_code(redeeming, |user| Ok((user, Default::default()))).await {
                Ok(()) => self.advance(LoginProgress { second_factor_at, ..progress }, None, Some(guess)).await,
                Err(refused) => self.settle_code(guess, Err(refused)).await.map_err(|f| f.map(LoginRefusal::from)),
            }
        })
        .await
    }
}
