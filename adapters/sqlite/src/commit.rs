//! How the changes of a commit are applied, one after the other, inside the writer's transaction.
//!
//! Whether a change is applied is decided by the row count of one conditional statement.

use doorwarden_core::delivery::{Delivery, DeliveryId};
use doorwarden_core::invitation::{Invitation, InvitationId};
use doorwarden_core::keypair::Keypair;
use doorwarden_core::registration::{PendingRegistration, RegistrationId};
use doorwarden_core::store::{Change, Marker, Requirement, UniqueRule, Write};
use doorwarden_core::user::{Revision, User, UserId};
use doorwarden_core::username::Username;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::audit;
use crate::fault::{Trouble, Undone};
use crate::record::to_body;
use crate::schema::statements;

statements! {
    CREATE_USER = "INSERT INTO users (id, revision, email_key, search, body, administrator)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    HAS_USER = "SELECT 1 FROM users WHERE id = ?1";
    UPDATE_USER = "UPDATE users SET revision = ?3, email_key = ?4, search = ?5, body = ?6,
        administrator = ?7 WHERE id = ?1 AND revision = ?2";
    DELETE_USER = "DELETE FROM users WHERE id = ?1 AND revision = ?2";
    ADMINISTRATOR = "SELECT 1 FROM users WHERE id = ?1 AND administrator = 1";
    ANY_ADMINISTRATOR = "SELECT 1 FROM users WHERE administrator = 1 AND id > x'' LIMIT 1";
    REGISTER = "INSERT INTO registrations (id, email_key, link, created_at, expires_at, invitation, body)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING";
    CREATE_KEYPAIR = "INSERT INTO keypairs (id, revision, user, access_key, body) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO NOTHING";
    HAS_KEYPAIR = "SELECT 1 FROM keypairs WHERE id = ?1";
    UPDATE_KEYPAIR = "UPDATE keypairs SET revision = ?3, access_key = ?4, body = ?5 WHERE id = ?1 AND revision = ?2";
    DELETE_KEYPAIR = "DELETE FROM keypairs WHERE id = ?1 AND revision = ?2";
    DELETE_KEYPAIRS_OF_USER = "DELETE FROM keypairs WHERE user = ?1";
    REMOVE_REGISTRATION = "DELETE FROM registrations WHERE id = ?1";
    HOLD_USERNAME = "INSERT INTO usernames (skeleton, holder_kind, holder) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    HELD_USERNAME = "SELECT skeleton FROM usernames WHERE holder = ?1 AND holder_kind = ?2";
    FREE_USERNAME = "DELETE FROM usernames WHERE holder = ?1 AND holder_kind = ?2";
    CREATE_INVITATION = "INSERT INTO invitations (id, revision, token, ends_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO NOTHING";
    UPDATE_INVITATION = "UPDATE invitations SET revision = ?3, ends_at = ?4, body = ?5 WHERE id = ?1 AND revision = ?2";
    DELETE_INVITATION = "DELETE FROM invitations WHERE id = ?1 AND revision = ?2";
    CREATE_DELIVERY = "INSERT INTO deliveries (id, revision, due_at, body) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO NOTHING";
    UPDATE_DELIVERY = "UPDATE deliveries SET revision = ?3, due_at = ?4, body = ?5 WHERE id = ?1 AND revision = ?2";
    DELETE_DELIVERY = "DELETE FROM deliveries WHERE id = ?1 AND revision = ?2";
    SET_DELIVERY_ASIDE = "UPDATE deliveries SET due_at = ?2 WHERE id = ?1 AND due_at < ?2";
    MARK = "INSERT INTO markers (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    REMARK = "UPDATE markers SET value = ?2 WHERE name = ?1 AND value = ?3";
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

/// Applies one change.
pub(crate) fn apply(connection: &Connection, change: &Change) -> Applied {
    match change {
        Change::User(Write::Create(user)) => create_user(connection, user),
        Change::User(Write::Update(user)) => update_user(connection, user),
        Change::User(Write::Delete(user)) => delete_user(connection, user),
        Change::Register(registration) => register(connection, registration),
        Change::Settle(id) => unless_none(remove_registration(connection, *id)?),
        Change::Lapse(id) => Ok(remove_registration(connection, *id).map(drop)?),
        Change::Invitation(Write::Create(invitation)) => create_invitation(connection, invitation),
        Change::Invitation(Write::Update(invitation)) => update_invitation(connection, invitation),
        Change::Invitation(Write::Delete(invitation)) => delete_invitation(connection, invitation),
        Change::Keypair(Write::Create(keypair)) => create_keypair(connection, keypair),
        Change::Keypair(Write::Update(keypair)) => update_keypair(connection, keypair),
        Change::Keypair(Write::Delete(keypair)) => delete_keypair(connection, keypair),
        Change::Audit(event) => Ok(audit::append(connection, event)?),
        Change::AuditChain(write) => unless_none(audit::write_chain(connection, write)?),
        Change::AuditLink { position, link } => unless_none(audit::link(connection, *position, link)?),
        Change::AuditForget { through } => Ok(audit::forget(connection, *through)?),
        Change::Delivery(Write::Create(delivery)) => create_delivery(connection, delivery),
        Change::Delivery(Write::Update(delivery)) => update_delivery(connection, delivery),
        Change::Delivery(Write::Delete(delivery)) => delete_delivery(connection, delivery),
        Change::SetAside(id) => set_delivery_aside(connection, *id),
        Change::Mark(marker) => mark(connection, marker),
        Change::Remark { marker, was } => {
            unless_none(connection.prepare_cached(REMARK)?.execute([&*marker.name, &*marker.value, was])?)
        }
        Change::Require(requirement) => require(connection, *requirement),
        _ => Err(Trouble::UnknownChange.into()),
    }
}

fn create_user(connection: &Connection, user: &User) -> Applied {
    let body = to_body(user)?;
    let key = user.id.as_bytes();
    let columns =
        params![key, number(user.revision), user.email.key(), search_text(user), body, user.is_administrator()];
    if connection.prepare_cached(CREATE_USER)?.execute(columns)? == 0 {
        let exists = connection.prepare_cached(HAS_USER)?.exists([key])?;
        return refuse(if exists { Conflict::Stale } else { Conflict::Taken(UniqueRule::Email) });
    }
    hold(connection, Holder::User(user.id), user.username.as_ref())
}

fn update_user(connection: &Connection, user: &User) -> Applied {
    let mut next = user.clone();
    next.revision = user.revision.next();
    let body = to_body(&next)?;
    let columns = params![
        user.id.as_bytes(),
        number(user.revision),
        number(next.revision),
        user.email.key(),
        search_text(user),
        body,
        user.is_administrator()
    ];
    match connection.prepare_cached(UPDATE_USER)?.execute(columns) {
        Ok(0) => refuse(Conflict::Stale),
        Ok(_) => hold(connection, Holder::User(user.id), user.username.as_ref()),
        // The e-mail key is the only unique column that an update touches.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            refuse(Conflict::Taken(UniqueRule::Email))
        }
        Err(error) => Err(error.into()),
    }
}

fn delete_user(connection: &Connection, user: &User) -> Applied {
    let key = params![user.id.as_bytes(), number(user.revision)];
    unless_none(connection.prepare_cached(DELETE_USER)?.execute(key)?)?;
    connection.prepare_cached(DELETE_KEYPAIRS_OF_USER)?.execute([user.id.as_bytes()])?;
    hold(connection, Holder::User(user.id), None)
}

fn create_keypair(connection: &Connection, keypair: &Keypair) -> Applied {
    let key = keypair.id.as_bytes();
    let (revision, access_key) = (number(keypair.revision), keypair.access_key.as_str());
    let columns = params![key, revision, keypair.user.as_bytes(), access_key, to_body(keypair)?];
    if connection.prepare_cached(CREATE_KEYPAIR)?.execute(columns)? > 0 {
        return Ok(());
    }
    let exists = connection.prepare_cached(HAS_KEYPAIR)?.exists([key])?;
    refuse(if exists { Conflict::Stale } else { Conflict::Taken(UniqueRule::AccessKey) })
}

fn update_keypair(connection: &Connection, keypair: &Keypair) -> Applied {
    let mut next = keypair.clone();
    next.revision = keypair.revision.next();
    let columns = params![
        keypair.id.as_bytes(),
        number(keypair.revision),
        number(next.revision),
        keypair.access_key.as_str(),
        to_body(&next)?
    ];
    match connection.prepare_cached(UPDATE_KEYPAIR)?.execute(columns) {
        // The access key is the only unique column that an update touches.
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
            refuse(Conflict::Taken(UniqueRule::AccessKey))
        }
        rows => unless_none(rows?),
    }
}

fn delete_keypair(connection: &Connection, keypair: &Keypair) -> Applied {
    let key = params![keypair.id.as_bytes(), number(keypair.revision)];
    unless_none(connection.prepare_cached(DELETE_KEYPAIR)?.execute(key)?)
}

fn register(connection: &Connection, registration: &PendingRegistration) -> Applied {
    let body = to_body(registration)?;
    let columns = params![
        registration.id.as_bytes(),
        registration.email.key(),
        registration.link.as_bytes(),
        registration.created_at.as_millis(),
        registration.expires_at.as_millis(),
        registration.invitation.as_ref().map(InvitationId::as_bytes),
        body
    ];
    unless_none(connection.prepare_cached(REGISTER)?.execute(columns)?)?;
    hold(connection, Holder::Registration(registration.id), registration.username.as_ref())
}

fn remove_registration(connection: &Connection, id: RegistrationId) -> Result<usize, Undone<Conflict>> {
    hold(connection, Holder::Registration(id), None)?;
    Ok(connection.prepare_cached(REMOVE_REGISTRATION)?.execute([id.as_bytes()])?)
}

fn create_invitation(connection: &Connection, invitation: &Invitation) -> Applied {
    let columns = params![
        invitation.id.as_bytes(),
        number(invitation.revision),
        invitation.token.as_bytes(),
        invitation.ends_at().as_millis(),
        to_body(invitation)?
    ];
    unless_none(connection.prepare_cached(CREATE_INVITATION)?.execute(columns)?)
}

fn update_invitation(connection: &Connection, invitation: &Invitation) -> Applied {
    let mut next = invitation.clone();
    next.revision = invitation.revision.next();
    let columns = params![
        invitation.id.as_bytes(),
        number(invitation.revision),
        number(next.revision),
        next.ends_at().as_millis(),
        to_body(&next)?
    ];
    unless_none(connection.prepare_cached(UPDATE_INVITATION)?.execute(columns)?)
}

fn delete_invitation(connection: &Connection, invitation: &Invitation) -> Applied {
    let key = params![invitation.id.as_bytes(), number(invitation.revision)];
    unless_none(connection.prepare_cached(DELETE_INVITATION)?.execute(key)?)
}

fn create_delivery(connection: &Connection, delivery: &Delivery) -> Applied {
    let body = to_body(delivery)?;
    let columns = params![delivery.id.as_bytes(), number(delivery.revision), delivery.due_at.as_millis(), body];
    unless_none(connection.prepare_cached(CREATE_DELIVERY)?.execute(columns)?)
}

fn update_delivery(connection: &Connection, delivery: &Delivery) -> Applied {
    let mut next = delivery.clone();
    next.revision = delivery.revision.next();
    let columns = params![
        delivery.id.as_bytes(),
        number(delivery.revision),
        number(next.revision),
        next.due_at.as_millis(),
        to_body(&next)?
    ];
    unless_none(connection.prepare_cached(UPDATE_DELIVERY)?.execute(columns)?)
}

/// The body stays as it is, whatever it holds.
fn set_delivery_aside(connection: &Connection, id: DeliveryId) -> Applied {
    let columns = params![id.as_bytes(), Delivery::NEVER.as_millis()];
    unless_none(connection.prepare_cached(SET_DELIVERY_ASIDE)?.execute(columns)?)
}

fn delete_delivery(connection: &Connection, delivery: &Delivery) -> Applied {
    let key = params![delivery.id.as_bytes(), number(delivery.revision)];
    unless_none(connection.prepare_cached(DELETE_DELIVERY)?.execute(key)?)
}

fn mark(connection: &Connection, marker: &Marker) -> Applied {
    match connection.prepare_cached(MARK)?.execute([&*marker.name, &marker.value])? {
        0 => refuse(Conflict::Taken(UniqueRule::Marker)),
        _ => Ok(()),
    }
}

fn require(connection: &Connection, requirement: Requirement) -> Applied {
    let holds = match requirement {
        Requirement::Administrator(id) => connection.prepare_cached(ADMINISTRATOR)?.exists([id.as_bytes()])?,
        Requirement::AnyAdministrator => connection.prepare_cached(ANY_ADMINISTRATOR)?.exists([])?,
        _ => return Err(Trouble::UnknownChange.into()),
    };
    if holds { Ok(()) } else { refuse(Conflict::Unmet(requirement)) }
}

/// Who holds a username.
#[derive(Debug, Clone, Copy)]
enum Holder {
    User(UserId),
    Registration(RegistrationId),
}

impl Holder {
    fn key(&self) -> (&[u8; 16], &'static str) {
        match self {
            Self::User(id) => (id.as_bytes(), "user"),
            Self::Registration(id) => (id.as_bytes(), "registration"),
        }
    }
}

/// Makes `username` the one that `holder` holds, and frees the one before.
fn hold(connection: &Connection, holder: Holder, username: Option<&Username>) -> Applied {
    let (id, kind) = holder.key();
    let held: Option<String> =
        connection.prepare_cached(HELD_USERNAME)?.query_row(params![id, kind], |row| row.get(0)).optional()?;
    let wanted = username.map(Username::skeleton);
    if held.as_deref() == wanted {
        return Ok(());
    }
    if held.is_some() {
        connection.prepare_cached(FREE_USERNAME)?.execute(params![id, kind])?;
    }
    let Some(skeleton) = wanted else { return Ok(()) };
    match connection.prepare_cached(HOLD_USERNAME)?.execute(params![skeleton, kind, id])? {
        0 => refuse(Conflict::Taken(UniqueRule::Username)),
        _ => Ok(()),
    }
}

/// What a search looks at: parts that no text without a line break can span.
fn search_text(user: &User) -> String {
    let username = user.username.as_ref().map_or(String::new(), |u| format!("{}\n{}", u.key(), u.typed()));
    let full_name = user.full_name.as_deref().unwrap_or_default();
    format!("{}\n{username}\n{full_name}", user.email.key()).to_lowercase()
}

/// A revision as SQLite stores it.
pub(crate) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.number()).unwrap_or(i64::MAX)
}

/// The statement's condition was the revision: no row means that it is another one.
fn unless_none(rows: usize) -> Applied {
    if rows == 0 { refuse(Conflict::Stale) } else { Ok(()) }
}

fn refuse(conflict: Conflict) -> Applied {
    Err(Undone::Refused(conflict))
}
