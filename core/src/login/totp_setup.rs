//! A login's step: setting up one-time passwords, where the policy requires them and the account has none.

use crate::audit::AuditName;
use crate::client::Client;
use crate::engine::Engine;
use crate::error::Failure;
use crate::guess::Guesser;
use crate::login::{Awaited, LoginProgress, LoginRefusal, LoginStep};
use crate::policy::Policy;
use crate::token::TicketToken;
use crate::totp::{Confirming, RecoveryCode, Redeeming, Seed, TotpSetup, TypedCode};
use crate::user::User;

/// One-time passwords are set up, whatever becomes of the login behind them.
#[derive(Debug)]
pub struct SetUp {
    /// Where the login stands, or why it goes no further.
    pub step: Result<LoginStep, Failure<LoginRefusal>>,
    /// To be shown now, even where the login is refused: they are nowhere else.
    pub recovery_codes: Vec<RecoveryCode>,
}

impl Engine {
    /// Begins the dialog with a fresh secret each time; it lies sealed in the ticket until a code confirms it.
    pub(super) async fn ask_totp_setup(
        &self,
        progress: LoginProgress,
        user: &User,
        policy: &Policy,
    ) -> Result<LoginStep, Failure<LoginRefusal>> {
        let seed = Seed::generate(self.random())?;
        let sealed = seed.seal(user.id, self.keys(), self.random())?;
        let ticket = self.issue(progress, Awaited::TotpSetup(sealed)).await?;
        let setup = TotpSetup::new(&seed, user.email.typed(), &policy.totp.issuer)?;
        Ok(LoginStep::TotpSetupRequired { ticket, setup })
    }

    /// Confirms the secret of `ticket` with a code of it, and goes on with the login. The code isn't accepted again.
    ///
    /// # Errors
    /// [`LoginRefusal::InvalidCode`] leaves the ticket for another try; [`LockedOut`](LoginRefusal::LockedOut),
    /// [`TicketInvalid`](LoginRefusal::TicketInvalid). What the login's later steps refuse stands in [`SetUp::step`].
    pub async fn enter_setup_code(
        &self,
        ticket: &TicketToken,
        code: &TypedCode,
        client: &Client,
    ) -> Result<SetUp, Failure<LoginRefusal>> {
        let set_up = async {
            let progress = self.peek(ticket).await?;
            let Some(Awaited::TotpSetup(sealed)) = progress.awaits.clone() else {
                return Err(Failure::Refused(LoginRefusal::TicketInvalid));
            };
            let who = Guesser::at_code_of(progress.user);
            let guess = self.charge(&who, client).await.map_err(|f| f.map(LoginRefusal::from))?;
            let redeeming =
                Redeeming { user: progress.user, code, ticket: Some(ticket), name: AuditName::LoginFailed, client };
            match self.confirm_seed(Confirming { redeeming, sealed: &sealed }).await {
                Ok(recovery_codes) => {
                    let second_factor_at = Some(self.now());
                    let progress = LoginProgress { second_factor_at, ..progress };
                    let step = self.advance(progress, None, Some(guess)).await;
                    Ok(SetUp { step, recovery_codes })
                }
                Err(refused) => self.settle_code(guess, Err(refused)).await.map_err(|f| f.map(LoginRefusal::from)),
            }
        }
        .await;
        self.meter().login(set_up.as_ref().and_then(|set_up| set_up.step.as_ref()));
        set_up
    }
}
