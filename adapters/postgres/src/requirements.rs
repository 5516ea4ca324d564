//! What a commit requires among the accounts, judged so that it holds until the commit.
//!
//! Two administrators who demote each other hold their own victim's row and wait for the other's: a deadlock, which the
//! server ends after a second. So a commit with a requirement first takes what it will need, in one order.

use doorwarden_core::store::{Change, Requirement, Write};
use uuid::Uuid;

use crate::connections::Session;
use crate::fault::Trouble;
use crate::record::uuid;
use crate::schema::statements;

statements! {
    /// Of those who require that somebody is left, one decides after the other.
    QUEUE = "SELECT one FROM administrators_queue WHERE one FOR UPDATE";
    HOLD_USERS = "SELECT id FROM users WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";
    ADMINISTRATOR = "SELECT 1 FROM users WHERE id = $1 AND administrator FOR SHARE";
    ANY_ADMINISTRATOR = "SELECT 1 FROM users WHERE administrator ORDER BY id LIMIT 1 FOR SHARE";
}

/// Takes the rows that requirements and the changes of users are about, before the first change.
pub(crate) async fn hold(session: &Session<'_>, changes: &[Change]) -> Result<(), Trouble> {
    let required = || {
        changes.iter().filter_map(|change| match change {
            Change::Require(requirement) => Some(*requirement),
            _ => None,
        })
    };
    if required().next().is_none() {
        return Ok(());
    }
    if required().any(|requirement| requirement == Requirement::AnyAdministrator) {
        session.rows(QUEUE, &[]).await?;
    }
    let administrators = required().filter_map(|requirement| match requirement {
        Requirement::Administrator(id) => Some(uuid(id.as_bytes())),
        _ => None,
    });
    let changed = changes.iter().filter_map(|change| match change {
        Change::User(Write::Update(user) | Write::Delete(user)) => Some(uuid(user.id.as_bytes())),
        _ => None,
    });
    let users: Vec<Uuid> = administrators.chain(changed).collect();
    session.rows(HOLD_USERS, &[&users]).await?;
    Ok(())
}

/// Whether a requirement holds after the changes before it.
pub(crate) async fn holds(session: &Session<'_>, requirement: Requirement) -> Result<bool, Trouble> {
    let row = match requirement {
        Requirement::Administrator(id) => session.row(ADMINISTRATOR, &[&uuid(id.as_bytes())]).await?,
        Requirement::AnyAdministrator => session.row(ANY_ADMINISTRATOR, &[]).await?,
        _ => return Err(Trouble::UnknownChange),
    };
    Ok(row.is_some())
}
