//! Changes of an account by an administrator: switched off and on, another role, a demand for another password.

use crate::administration::{Act, Actor, AdministrationRefusal};
use crate::audit::AuditName;
use crate::engine::Engine;
use crate::error::Failure;
use crate::session::EndReason;
use crate::store::Write;
use crate::user::{Role, User, UserId, UserStatus};

/// What is to become of an account; `None` leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserChange {
    /// Whether it may log in. Switching it off ends its sessions.
    pub status: Option<UserStatus>,
    /// What it may do.
    pub role: Option<Role>,
    /// Whether its next login asks for another password. An account without one is mailed a link to set its first.
    pub must_change_password: Option<bool>,
}

type Changed = Result<User, Failure<AdministrationRefusal>>;

impl Engine {
    /// Changes an account. Its sessions have ended when this returns, if it was switched off.
    ///
    /// Another role takes effect with the account's next request, in every process.
    ///
    /// # Errors
    /// [`AdministrationRefusal::OwnRole`], [`LastAdministrator`](AdministrationRefusal::LastAdministrator),
    /// [`NotFound`](AdministrationRefusal::NotFound), [`NotAdministrator`](AdministrationRefusal::NotAdministrator);
    /// another role asks an administrator for a fresh proof ([`ProofRequired`](AdministrationRefusal::ProofRequired)).
    pub async fn change_user(&self, id: UserId, change: &UserChange, by: impl Into<Actor>) -> Changed {
        let by = by.into();
        self.administer(&by, id, AuditName::UserChanged, |user| self.decide_change(user, change, &by)).await
    }

    /// Switches an account on or off; see [`Engine::change_user`].
    ///
    /// # Errors
    /// As those of [`Engine::change_user`].
    pub async fn set_status(&self, id: UserId, status: UserStatus, by: impl Into<Actor>) -> Changed {
        self.change_user(id, &UserChange { status: Some(status), ..UserChange::default() }, by).await
    }

    /// Demands that an account's password be changed at its next login; see [`Engine::change_user`].
    ///
    /// # Errors
    /// As those of [`Engine::change_user`].
    pub async fn demand_password_change(&self, id: UserId, by: impl Into<Actor>) -> Changed {
        let change = UserChange { must_change_password: Some(true), ..UserChange::default() };
        self.change_user(id, &change, by).await
    }

    fn decide_change(
        &self,
        user: User,
        change: &UserChange,
        by: &Actor,
    ) -> Result<Act, Failure<AdministrationRefusal>> {
        let (mut act, mut after) = (Act::default(), user.clone());
        let mut event = self.event_by(AuditName::UserChanged, by)?.of_user(user.id);
        if let Some(role) = change.role.as_ref().filter(|role| **role != user.role) {
            if by.user() == Some(user.id) {
                return Err(Failure::Refused(AdministrationRefusal::OwnRole));
            }
            self.demand_proof_of(by).map_err(Failure::Refused)?;
            event = event.with("role", role.name()).with("former_role", user.role.name());
            after.role = role.clone();
        }
        // Switching off what is off ends again what may have been opened by an older program.
        if let Some(status) = change.status.filter(|status| *status != user.status || *status == UserStatus::Disabled) {
            event = event.with("status", status.name());
            after.status = status;
        }
        if after.status == UserStatus::Disabled && change.status.is_some() {
            (after.reset, after.first_password, after.pending_email) = (None, None, None);
            act.deliveries.push(self.ending(user.id, EndReason::AccountClosed)?);
        }
        if let Some(demanded) = change.must_change_password {
            event = event.with("must_change_password", demanded);
            after.must_change_password = demanded && user.password.is_some();
            let mailable = after.status == UserStatus::Active && self.policy().mail.is_on();
            if demanded && user.password.is_none() && mailable {
                let (linked, token) = self.with_first_link(after)?;
                act.deliveries.push(self.mail_first_password(&linked, &token, by)?);
                after = linked;
            }
        }
        if after != user || !act.deliveries.is_empty() {
            (act.write, act.events) = (Some(Write::Update(after)), vec![event]);
        }
        Ok(act)
    }
}
