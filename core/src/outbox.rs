//! The outbox at work: what must follow a commit is committed with it, and carried out before the reply or after it.
//!
//! | what follows the commit | call |
//! |---|---|
//! | nothing: it is audit events alone | [`Engine::record`] |
//! | nothing | `directory().commit` |
//! | what the reply promises, before it: failing at it is a fault, though the commit stands | [`Engine::commit_and_carry_out`] |
//! | what no reply's time may tell of, after it | [`Engine::post`] |
//! | the same as before the reply, but the caller has more to do in between, or shows what it can't show again | [`Engine::promise`], then [`Engine::keep`] |
//!
//! A secret that was committed and is shown once is shown whatever becomes of the deliveries: `promise`, then `keep`.

use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::delivery::{Delivery, DeliveryId, GivenUp, Parcel};
use crate::engine::{Engine, unexpected};
use crate::error::Fault;
use crate::lockout::{Forgiven, LockoutSubject};
use crate::mail::{Mail, Promptness};
use crate::seal::Sealed;
use crate::session::EndReason;
use crate::store::{Change, CommitError, UserKey, Which, Write};
use crate::user::UserId;

impl Engine {
    /// Commits audit events that have no other effect.
    pub(crate) async fn record(&self, events: impl IntoIterator<Item = AuditEvent>) -> Result<(), Fault> {
        let changes: Vec<_> = events.into_iter().map(Change::Audit).collect();
        self.directory().commit(&changes).await.map_err(unexpected)
    }

    /// Commits `changes` with `deliveries` and carries those out.
    pub(crate) async fn commit_and_carry_out(
        &self,
        changes: Vec<Change>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), CommitError> {
        let at_once = self.promise(changes, deliveries).await?;
        self.keep(at_once).await.map_err(CommitError::from)
    }

    /// Commits `changes` with `deliveries`; returns those that are to be carried out before the reply.
    pub(crate) async fn promise(
        &self,
        mut changes: Vec<Change>,
        deliveries: Vec<Delivery>,
    ) -> Result<Vec<Delivery>, CommitError> {
        let (later, at_once): (Vec<_>, Vec<_>) = deliveries.into_iter().partition(|d| self.is_for_upkeep(d));
        let later: Vec<_> = later.into_iter().map(Delivery::unleased).collect();
        changes.extend(later.iter().chain(&at_once).cloned().map(Write::Create).map(Change::Delivery));
        self.directory().commit(&changes).await?;
        if !later.is_empty() {
            self.wake_upkeep();
        }
        Ok(at_once)
    }

    /// Commits `changes` with `deliveries` and leaves those to the upkeep, so that no reply's time tells of them.
    pub(crate) async fn post(&self, mut changes: Vec<Change>, deliveries: Vec<Delivery>) -> Result<(), CommitError> {
        let any = !deliveries.is_empty();
        changes.extend(deliveries.into_iter().map(Delivery::unleased).map(Write::Create).map(Change::Delivery));
        self.directory().commit(&changes).await?;
        if any {
            self.wake_upkeep();
        }
        Ok(())
    }

    /// Carries out what was promised. One that fails here stays in the outbox and is tried again.
    ///
    /// A mail may come late; all else, such as ended sessions, the reply promises: failing at it is a fault.
    pub(crate) async fn keep(&self, promised: Vec<Delivery>) -> Result<(), Fault> {
        let mut kept = Ok(());
        for delivery in promised {
            let (id, is_mail) = (delivery.id, matches!(delivery.parcel, Parcel::Mail(_)));
            let done = match self.carry_out(delivery).await {
                Ok(done) => done,
                Err(fault) => {
                    tracing::warn!(delivery = %id, %fault, "the outbox was not updated; the delivery comes again");
                    false
                }
            };
            if !is_mail && !done {
                kept = Err(Fault::new("carrying out delivery", id, "it is tried again until it is done"));
            }
        }
        kept
    }

    /// Whether the upkeep thread carries it out after the reply, so that no reply's time tells who gets a mail.
    pub(crate) fn is_for_upkeep(&self, delivery: &Delivery) -> bool {
        let slow = self.mail().mailer.is_some_and(|mailer| mailer.promptness() == Promptness::AfterReply);
        slow && matches!(delivery.parcel, Parcel::Mail(_))
    }

    /// Carries out a delivery that this process holds the lease of; `false` if it is to be tried again.
    pub(crate) async fn carry_out(&self, delivery: Delivery) -> Result<bool, Fault> {
        let outcome = match &delivery.parcel {
            Parcel::Mail(sealed) => return self.carry_mail(&delivery, sealed).await,
            Parcel::EndSession { user, session, reason } => self.end_all(*user, Which::One(*session), *reason).await,
            Parcel::EndSessions { user, except, reason } => {
                self.end_all(*user, except.map_or(Which::All, Which::AllBut), *reason).await
            }
            Parcel::VoidTickets { user } => self.tickets().void(*user).await,
            Parcel::ForgetFailures { of } => self.forget_failures(of).await,
            Parcel::LiftRestriction { user } => {
                let subject = LockoutSubject::Account(*user);
                self.lockouts().lift(&subject, Forgiven::Passwords, self.now()).await.map(drop)
            }
        };
        self.conclude(&delivery, None, outcome).await
    }

    async fn end_all(&self, user: UserId, which: Which, reason: EndReason) -> Result<(), Fault> {
        self.sessions().end(user, which, reason, self.now()).await.map(drop)
    }

    async fn forget_failures(&self, of: &[LockoutSubject]) -> Result<(), Fault> {
        for subject in of {
            self.lockouts().lift(subject, Forgiven::All, self.now()).await?;
        }
        Ok(())
    }

    async fn carry_mail(&self, delivery: &Delivery, sealed: &Sealed) -> Result<bool, Fault> {
        let mail = match delivery.open_mail(sealed, self.keys()) {
            Ok(mail) => mail,
            Err(fault) => return self.conclude(delivery, None, Err(fault)).await,
        };
        if mail.useless_from.is_some_and(|from| from <= self.now()) {
            self.give_up(delivery, Some(&mail), GivenUp::LinkLapsed).await?;
            return Ok(false);
        }
        let outcome = match self.mail().mailer {
            Some(mailer) => mailer.send(&mail).await,
            None => Err(Fault::new("sending mail", mail.to.masked(), "the engine has no mailer")),
        };
        self.meter().mail(if outcome.is_ok() { "sent" } else { "failed" });
        self.conclude(delivery, Some(&mail), outcome).await
    }

    /// Notes what came of a try.
    async fn conclude(
        &self,
        delivery: &Delivery,
        mail: Option<&Mail>,
        outcome: Result<(), Fault>,
    ) -> Result<bool, Fault> {
        let Err(fault) = outcome else {
            self.note_delivery(&[Change::Delivery(Write::Delete(delivery.clone()))]).await?;
            return Ok(true);
        };
        tracing::warn!(delivery = %delivery.id, attempts = delivery.attempts, %fault, "a delivery failed");
        match delivery.clone().postponed(&fault, self.now()) {
            Ok(postponed) => self.note_delivery(&[Change::Delivery(Write::Update(postponed))]).await?,
            Err(given_up) => self.give_up(delivery, mail, given_up).await?,
        }
        Ok(false)
    }

    async fn give_up(&self, delivery: &Delivery, mail: Option<&Mail>, why: GivenUp) -> Result<(), Fault> {
        let event = self.event(AuditName::MailGivenUp, &Client::default())?.refused_by(why.rule());
        let event = event.with("delivery", delivery.id.to_string()).with("attempts", delivery.attempts);
        let event = match mail {
            Some(mail) => {
                let event = event.with("kind", mail.kind.name());
                match self.directory().user(UserKey::Email(mail.to.key())).await? {
                    Some(user) => event.of_user(user.id),
                    None => event.of_subject(mail.to.key()),
                }
            }
            None => event,
        };
        self.meter().mail("given_up");
        tracing::error!(delivery = %delivery.id, rule = why.rule(), "a mail was given up");
        self.note_delivery(&[Change::Delivery(Write::Delete(delivery.clone())), Change::Audit(event)]).await
    }

    async fn note_delivery(&self, changes: &[Change]) -> Result<(), Fault> {
        match self.directory().commit(changes).await {
            // Stale: the lease ran out and another process has it; mails may come twice, never not at all.
            Ok(()) | Err(CommitError::Stale) => Ok(()),
            Err(other) => Err(unexpected(other)),
        }
    }

    /// Keeps a delivery that can't be read out of the way of the others, and says so.
    pub(crate) async fn set_aside(&self, id: DeliveryId, fault: &Fault) -> Result<(), Fault> {
        if self.now() < id.created_at().after(Delivery::LEFT_TO_OTHERS_FOR) {
            return Ok(());
        }
        let event = self.event(AuditName::DeliverySetAside, &Client::default())?.with("delivery", id.to_string());
        match self.directory().commit(&[Change::SetAside(id), Change::Audit(event)]).await {
            Ok(()) => {
                tracing::error!(delivery = %id, %fault, "a delivery can't be read and is set aside");
                Ok(())
            }
            // Another process was quicker.
            Err(CommitError::Stale) => Ok(()),
            Err(other) => Err(unexpected(other)),
        }
    }
}
