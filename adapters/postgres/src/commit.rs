//! How the changes of a commit are applied: in their order, each on the condition that it was decided on.

use doorwarden_core::delivery::Delivery;
use doorwarden_core::invitation::Invitation;
use doorwarden_core::keypair::Keypair;
use doorwarden_core::registration::{PendingRegistration, RegistrationId};
use doorwarden_core::store::{Change, Marker, Requirement, UniqueRule, Write};
use doorwarden_core::user::{User, UserId};
use doorwarden_core::username::Username;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::connections::{Params, Session};
use crate::fault::{Trouble, Undone};
use crate::record::{number, storable, to_body, uuid};
use crate::schema::statements;
use crate::{audit, requirements};

statements! {
    CREATE_USER = "INSERT INTO users (id, revision, email_key, search, body, administrator)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    HAS_USER = "SELECT 1 FROM users WHERE id = $1";
    UPDATE_USER = "UPDATE users SET revision = $3, email_key = $4, search = $5, body = $6, administrator = $7
        WHERE id = $1 AND revision = $2";
    DELETE_USER = "DELETE FROM users WHERE id = $1 AND revision = $2";
    REGISTER = "INSERT INTO registrations (id, email_key, link, created_at, expires_at, invitation, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING";
    REMOVE_REGISTRATION = "DELETE FROM registrations WHERE id = $1";
    CREATE_INVITATION = "INSERT INTO invitations (id, revision, token, ends_at, body) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING";
    UPDATE_INVITATION = "UPDATE invitations SET revision = $3, ends_at = $4, body = $5 WHERE id = $1 AND revision = $2";
    DELETE_INVITATION = "DELETE FROM invitations WHERE id = $1 AND revision = $2";
    CREATE_KEYPAIR = "INSERT INTO keypairs (id, revision, user_id, access_key, body) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING";
    HAS_KEYPAIR = "SELECT 1 FROM keypairs WHERE id = $1";
    UPDATE_KEYPAIR = "UPDATE keypairs SET revision = $3, access_key = $4, body = $5 WHERE id = $1 AND revision = $2";
    DELETE_KEYPAIR = "DELETE FROM keypairs WHERE id = $1 AND revision = $2";
    DELETE_KEYPAIRS_OF_USER = "DELETE FROM keypairs WHERE user_id = $1";
    HOLD_USERNAME =
        "INSERT INTO usernames (skeleton, holder_kind, holder) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    HELD_USERNAME = "SELECT skeleton FROM usernames WHERE holder = $1 AND holder_kind = $2";
    FREE_USERNAME = "DELETE FROM usernames WHERE holder = $1 AND holder_kind = $2";
    CREATE_DELIVERY = "INSERT INTO deliveries (id, revision, due_at, body) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING";
    UPDATE_DELIVERY = "UPDATE deliveries SET revision = $3, due_at = $4, body = $5 WHERE id = $1 AND revision = $2";
    DELETE_DELIVERY = "DELETE FROM deliveries WHERE id = $1 AND revision = $2";
    SET_DELIVERY_ASIDE = "UPDATE deliveries SET due_at = $2 WHERE id = $1 AND due_at < $2";
    MARK = "INSERT INTO markers (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    REMARK = "UPDATE markers SET value = $2 WHERE name = $1 AND value = $3";
}

/// Why a commit isn't applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// An aggregate isn't as the change was decided on.
    Stale,
    /// A unique rule would be broken.
    Taken(UniqueRule),
    /// What the commit requires doesn't hold.
    Unmet(Requirement),
}

type Applied = Result<(), Undone<Conflict>>;

/// Applies all changes, in their order.
pub(crate) async fn apply_all(session: &Session<'_>, changes: &[Change]) -> Applied {
    requirements::hold(session, changes).await?;
    for change in changes {
        apply(session, change).await?;
    }
    Ok(())
}

async fn apply(session: &Session<'_>, change: &Change) -> Applied {
    match change {
        Change::User(Write::Create(user)) => create_user(session, user).await,
        Change::User(Write::Update(user)) => update_user(session, user).await,
        Change::User(Write::Delete(user)) => delete_user(session, user).await,
        Change::Register(registration) => register(session, registration).await,
        Change::Settle(id) => unless_none(remove_registration(session, *id).await?),
        Change::Lapse(id) => remove_registration(session, *id).await.map(drop),
        Change::Invitation(Write::Create(invitation)) => create_invitation(session, invitation).await,
        Change::Invitation(Write::Update(invitation)) => update_invitation(session, invitation).await,
        Change::Invitation(Write::Delete(invitation)) => delete_invitation(session, invitation).await,
        Change::Keypair(Write::Create(keypair)) => create_keypair(session, keypair).await,
        Change::Keypair(Write::Update(keypair)) => update_keypair(session, keypair).await,
        Change::Keypair(Write::Delete(keypair)) => delete_keypair(session, keypair).await,
        Change::Audit(event) => Ok(audit::append(session, event).await?),
        Change::AuditChain(write) => unless_none(audit::write_chain(session, write).await?),
        Change::AuditLink { position, link } => unless_none(audit::link(session, *position, link).await?),
        Change::AuditForget { through } => Ok(audit::forget(session, *through).await?),
        Change::Delivery(Write::Create(delivery)) => create_delivery(session, delivery).await,
        Change::Delivery(Write::Update(delivery)) => update_delivery(session, delivery).await,
        Change::Delivery(Write::Delete(delivery)) => delete_delivery(session, delivery).await,
        Change::SetAside(id) => {
            // The body stays as it is, whatever it holds.
            let columns: Params<'_> = &[&uuid(id.as_bytes()), &Delivery::NEVER.as_millis()];
            unless_none(session.execute(SET_DELIVERY_ASIDE, columns).await?)
        }
        Change::Mark(marker) => mark(session, marker).await,
        Change::Remark { marker, was } => {
            unless_none(session.execute(REMARK, &[&marker.name, &marker.value, was]).await?)
        }
        Change::Require(requirement) => match requirements::holds(session, *requirement).await? {
            true => Ok(()),
            false => refuse(Conflict::Unmet(*requirement)),
        },
        _ => Err(Trouble::UnknownChange.into()),
    }
}

async fn create_user(session: &Session<'_>, user: &User) -> Applied {
    let id = uuid(user.id.as_bytes());
    let (search, body) = (search_text(user), to_body(user)?);
    let columns: Params<'_> =
        &[&id, &number(user.revision), &user.email.key(), &search, &body, &user.is_administrator()];
    if session.execute(CREATE_USER, columns).await? == 0 {
        let exists = session.row(HAS_USER, &[&id]).await?.is_some();
        return refuse(if exists { Conflict::Stale } else { Conflict::Taken(UniqueRule::Email) });
    }
    hold(session, Holder::User(user.id), user.username.as_ref()).await
}

async fn update_user(session: &Session<'_>, user: &User) -> Applied {
    let mut next = user.clone();
    next.revision = user.revision.next();
    let (id, search, body) = (uuid(user.id.as_bytes()), search_text(user), to_body(&next)?);
    let (from, to) = (number(user.revision), number(next.revision));
    let columns: Params<'_> = &[&id, &from, &to, &user.email.key(), &search, &body, &user.is_administrator()];
    match session.execute(UPDATE_USER, columns).await {
        Ok(0) => refuse(Conflict::Stale),
        Ok(_) => hold(session, Holder::User(user.id), user.username.as_ref()).await,
        // The e-mail key is the only unique column that an update touches.
        Err(trouble) if is_taken(&trouble) => refuse(Conflict::Taken(UniqueRule::Email)),
        Err(trouble) => Err(trouble.into()),
    }
}

async fn delete_user(session: &Session<'_>, user: &User) -> Applied {
    let id = uuid(user.id.as_bytes());
    unless_none(session.execute(DELETE_USER, &[&id, &number(user.revision)]).await?)?;
    session.execute(DELETE_KEYPAIRS_OF_USER, &[&id]).await?;
    hold(session, Holder::User(user.id), None).await
}

fn is_taken(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Postgres(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
}

async fn register(session: &Session<'_>, registration: &PendingRegistration) -> Applied {
    let (created_at, expires_at) = (registration.created_at.as_millis(), registration.expires_at.as_millis());
    let (id, body) = (uuid(registration.id.as_bytes()), to_body(registration)?);
    let link = &registration.link.as_bytes()[..];
    let invitation = registration.invitation.map(|invitation| uuid(invitation.as_bytes()));
    let email = registration.email.key();
    let columns: Params<'_> = &[&id, &email, &link, &created_at, &expires_at, &invitation, &body];
    unless_none(session.execute(REGISTER, columns).await?)?;
    hold(session, Holder::Registration(registration.id), registration.username.as_ref()).await
}

async fn remove_registration(session: &Session<'_>, id: RegistrationId) -> Result<u64, Undone<Conflict>> {
    hold(session, Holder::Registration(id), None).await?;
    Ok(session.execute(REMOVE_REGISTRATION, &[&uuid(id.as_bytes())]).await?)
}

async fn create_invitation(session: &Session<'_>, invitation: &Invitation) -> Applied {
    let (id, body) = (uuid(invitation.id.as_bytes()), to_body(invitation)?);
    let (token, ends_at) = (&invitation.token.as_bytes()[..], invitation.ends_at().as_millis());
    let columns: Params<'_> = &[&id, &number(invitation.revision), &token, &ends_at, &body];
    unless_none(session.execute(CREATE_INVITATION, columns).await?)
}

async fn update_invitation(session: &Session<'_>, invitation: &Invitation) -> Applied {
    let mut next = invitation.clone();
    next.revision = invitation.revision.next();
    let (id, body) = (uuid(invitation.id.as_bytes()), to_body(&next)?);
    let (from, to) = (number(invitation.revision), number(next.revision));
    unless_none(session.execute(UPDATE_INVITATION, &[&id, &from, &to, &next.ends_at().as_millis(), &body]).await?)
}

async fn delete_invitation(session: &Session<'_>, invitation: &Invitation) -> Applied {
    let id = uuid(invitation.id.as_bytes());
    unless_none(session.execute(DELETE_INVITATION, &[&id, &number(invitation.revision)]).await?)
}

async fn create_keypair(session: &Session<'_>, keypair: &Keypair) -> Applied {
    let (id, user, body) = (uuid(keypair.id.as_bytes()), uuid(keypair.user.as_bytes()), to_body(keypair)?);
    let columns: Params<'_> = &[&id, &number(keypair.revision), &user, &keypair.access_key.as_str(), &body];
    if session.execute(CREATE_KEYPAIR, columns).await? > 0 {
        return Ok(());
    }
    let exists = session.row(HAS_KEYPAIR, &[&id]).await?.is_some();
    refuse(if exists { Conflict::Stale } else { Conflict::Taken(UniqueRule::AccessKey) })
}

async fn update_keypair(session: &Session<'_>, keypair: &Keypair) -> Applied {
    let mut next = keypair.clone();
    next.revision = keypair.revision.next();
    let (id, body) = (uuid(keypair.id.as_bytes()), to_body(&next)?);
    let (from, to) = (number(keypair.revision), number(next.revision));
    match session.execute(UPDATE_KEYPAIR, &[&id, &from, &to, &keypair.access_key.as_str(), &body]).await {
        Ok(rows) => unless_none(rows),
        // The access key is the only unique column that an update touches.
        Err(trouble) if is_taken(&trouble) => refuse(Conflict::Taken(UniqueRule::AccessKey)),
        Err(trouble) => Err(trouble.into()),
    }
}

async fn delete_keypair(session: &Session<'_>, keypair: &Keypair) -> Applied {
    let id = uuid(keypair.id.as_bytes());
    unless_none(session.execute(DELETE_KEYPAIR, &[&id, &number(keypair.revision)]).await?)
}

async fn create_delivery(session: &Session<'_>, delivery: &Delivery) -> Applied {
    let (id, body) = (uuid(delivery.id.as_bytes()), to_body(delivery)?);
    let columns: Params<'_> = &[&id, &number(delivery.revision), &delivery.due_at.as_millis(), &body];
    unless_none(session.execute(CREATE_DELIVERY, columns).await?)
}

async fn update_delivery(session: &Session<'_>, delivery: &Delivery) -> Applied {
    let mut next = delivery.clone();
    next.revision = delivery.revision.next();
    let (id, body) = (uuid(delivery.id.as_bytes()), to_body(&next)?);
    let (from, to) = (number(delivery.revision), number(next.revision));
    unless_none(session.execute(UPDATE_DELIVERY, &[&id, &from, &to, &next.due_at.as_millis(), &body]).await?)
}

async fn delete_delivery(session: &Session<'_>, delivery: &Delivery) -> Applied {
    let id = uuid(delivery.id.as_bytes());
    unless_none(session.execute(DELETE_DELIVERY, &[&id, &number(delivery.revision)]).await?)
}

async fn mark(session: &Session<'_>, marker: &Marker) -> Applied {
    match session.execute(MARK, &[&marker.name, &marker.value]).await? {
        0 => refuse(Conflict::Taken(UniqueRule::Marker)),
        _ => Ok(()),
    }
}

/// Who holds a username.
#[derive(Debug, Clone, Copy)]
enum Holder {
    User(UserId),
    Registration(RegistrationId),
}

impl Holder {
    fn key(&self) -> (Uuid, &'static str) {
        match self {
            Self::User(id) => (uuid(id.as_bytes()), "user"),
            Self::Registration(id) => (uuid(id.as_bytes()), "registration"),
        }
    }
}

/// Makes `username` the one that `holder` holds, and frees the one before.
async fn hold(session: &Session<'_>, holder: Holder, username: Option<&Username>) -> Applied {
    let (id, kind) = holder.key();
    let held = session.row(HELD_USERNAME, &[&id, &kind]).await?;
    let held: Option<String> = held.map(|row| row.try_get(0)).transpose()?;
    let wanted = username.map(Username::skeleton);
    if held.as_deref() == wanted {
        return Ok(());
    }
    if held.is_some() {
        session.execute(FREE_USERNAME, &[&id, &kind]).await?;
    }
    let Some(skeleton) = wanted else { return Ok(()) };
    match session.execute(HOLD_USERNAME, &[&skeleton, &kind, &id]).await? {
        0 => refuse(Conflict::Taken(UniqueRule::Username)),
        _ => Ok(()),
    }
}

/// What a search looks at: parts that no text without a line break can span.
fn search_text(user: &User) -> String {
    let username = user.username.as_ref().map_or(String::new(), |u| format!("{}\n{}", u.key(), u.typed()));
    let full_name = user.full_name.as_deref().unwrap_or_default();
    storable(&format!("{}\n{username}\n{full_name}", user.email.key()).to_lowercase())
}

/// The statement's condition was the revision: no row means that it is another one.
fn unless_none(rows: u64) -> Applied {
    if rows == 0 { refuse(Conflict::Stale) } else { Ok(()) }
}

fn refuse(conflict: Conflict) -> Applied {
    Err(Undone::Refused(conflict))
}
