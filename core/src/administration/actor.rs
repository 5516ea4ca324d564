//! Who administers, and how each act is committed: only while its actor may, and never against the last administrator.

use crate::audit::{AuditEvent, AuditName};
use crate::client::Client;
use crate::delivery::Delivery;
use crate::engine::{DECISIONS, Engine, overtaken, unexpected};
use crate::error::{Failure, Fault};
use crate::session::Session;
use crate::store::{Change, CommitError, Requirement, UserKey, Write};
use crate::user::{User, UserId};

/// Who acts on accounts: an administrator in a session, or whoever runs the machine.
#[derive(Debug, Clone, Default)]
pub struct Actor {
    /// `None`: the machine's own program or command, which needs no account.
    session: Option<Session>,
    client: Client,
}

impl Actor {
    /// An administrator. Whether the session's account is one is read from the store at each act.
    pub fn administrator(session: &Session, client: Client) -> Self {
        Self { session: Some(session.clone()), client }
    }

    /// Whoever runs the machine: a command or the host's own program.
    pub fn machine(client: Client) -> Self {
        Self { session: None, client }
    }

    /// The account that acts; `None` for the machine.
    pub fn user(&self) -> Option<UserId> {
        self.session.as_ref().map(|session| session.user)
    }

    /// Where the request comes from.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What has to hold when an act of this actor is committed.
    pub(crate) fn requirement(&self) -> Option<Change> {
        self.user().map(|id| Change::Require(Requirement::Administrator(id)))
    }
}

impl From<&Client> for Actor {
    /// Whoever runs the machine.
    fn from(client: &Client) -> Self {
        Self::machine(client.clone())
    }
}

impl From<&Self> for Actor {
    fn from(actor: &Self) -> Self {
        actor.clone()
    }
}

/// Why an act of administration isn't done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdministrationRefusal {
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// Who acts isn't an administrator (any more).
    #[error("this is for administrators alone")]
    NotAdministrator,
    /// Nobody gives themselves another role.
    #[error("nobody changes their own role: ask another administrator")]
    OwnRole,
    /// Nobody could administer any more.
    #[error("this is the last administrator: make another one first")]
    LastAdministrator,
    /// The act asks for a fresh proof.
    #[error("prove first that it's you")]
    ProofRequired,
}

impl AdministrationRefusal {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotAdministrator | Self::OwnRole => "forbidden",
            Self::LastAdministrator => "last_administrator",
            Self::ProofRequired => "proof_required",
        }
    }

    /// The rule that the trail names.
    const fn rule(self) -> &'static str {
        match self {
            Self::OwnRole => "own_role",
            other => other.code(),
        }
    }
}

/// What is to be committed with an act on an account.
#[derive(Debug, Default)]
pub(crate) struct Act {
    pub(crate) write: Option<Write<User>>,
    pub(crate) events: Vec<AuditEvent>,
    pub(crate) deliveries: Vec<Delivery>,
}

pub(crate) type Decision = Result<Act, Failure<AdministrationRefusal>>;

impl Engine {
    /// An event of the actor's doing.
    pub(crate) fn event_by(&self, name: AuditName, by: &Actor) -> Result<AuditEvent, Fault> {
        Ok(AuditEvent { actor: by.user(), ..self.event(name, by.client())? })
    }

    /// Whether the actor may administer now.
    pub(crate) async fn authorise(&self, by: &Actor) -> Result<(), Failure<AdministrationRefusal>> {
        let Some(id) = by.user() else { return Ok(()) };
        let user = self.directory().user(UserKey::Id(id)).await?;
        let may = user.is_some_and(|user| user.is_administrator());
        may.then_some(()).ok_or(Failure::Refused(AdministrationRefusal::NotAdministrator))
    }

    /// Whether the actor gave a proof recently enough for an act that can't be taken back or makes an administrator.
    pub(crate) fn demand_proof_of(&self, by: &Actor) -> Result<(), AdministrationRefusal> {
        let proved = by.session.as_ref().is_none_or(|session| self.is_freshly_proved(session));
        proved.then_some(()).ok_or(AdministrationRefusal::ProofRequired)
    }

    /// Decides an act on the account `id` and commits it, until nobody else's commit comes first. A refusal is on the
    /// trail under `name`.
    pub(crate) async fn administer(
        &self,
        by: &Actor,
        id: UserId,
        name: AuditName,
        decide: impl Fn(User) -> Decision,
    ) -> Result<User, Failure<AdministrationRefusal>> {
        let acted = self.act(by, id, decide).await;
        if let Err(Failure::Refused(refusal)) = &acted {
            let event = self.event_by(name, by)?.of_user(id).refused_by(refusal.rule());
            self.record([event]).await?;
        }
        acted
    }

    async fn act(
        &self,
        by: &Actor,
        id: UserId,
        decide: impl Fn(User) -> Decision,
    ) -> Result<User, Failure<AdministrationRefusal>> {
        for _ in 0..DECISIONS {
            self.authorise(by).await?;
            let user = self.directory().user(UserKey::Id(id)).await?;
            let user = user.ok_or(Failure::Refused(AdministrationRefusal::NotFound))?;
            let was_administrator = user.is_administrator();
            let Act { write, events, deliveries } = decide(user.clone())?;
            let (after, stays_administrator) = match &write {
                None => (user, was_administrator),
                Some(Write::Create(after) | Write::Update(after)) => {
                    (User { revision: after.revision.next(), ..after.clone() }, after.is_administrator())
                }
                Some(Write::Delete(gone)) => (gone.clone(), false),
            };
            let mut changes: Vec<_> = by.requirement().into_iter().chain(write.map(Change::User)).collect();
            changes.extend(events.into_iter().map(Change::Audit));
            if was_administrator && !stays_administrator {
                changes.push(Change::Require(Requirement::AnyAdministrator));
            }
            match self.commit_and_carry_out(changes, deliveries).await {
                Ok(()) => return Ok(after),
                Err(CommitError::Stale) => {}
                Err(other) => return Err(unmet(other)),
            }
        }
        Err(overtaken("changing user", id).into())
    }
}

/// What a commit that required something was refused for.
pub(crate) fn unmet(error: CommitError) -> Failure<AdministrationRefusal> {
    match error {
        CommitError::Unmet(Requirement::Administrator(_)) => Failure::Refused(AdministrationRefusal::NotAdministrator),
        CommitError::Unmet(Requirement::AnyAdministrator) => Failure::Refused(AdministrationRefusal::LastAdministrator),
        other => unexpected(other).into(),
    }
}
