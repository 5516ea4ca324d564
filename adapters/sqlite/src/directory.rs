//! Users, registrations, invitations, audit trail and outbox: [`Directory`]. How changes are applied stands in
//! `commit.rs`, how the trail is read in `audit.rs`.

use std::time::Duration;

use async_trait::async_trait;
use doorwarden_core::audit::{AuditChain, AuditEvent, AuditFilter, AuditPosition, AuditRecord, EventId};
use doorwarden_core::delivery::{Delivery, DeliveryId, DueDelivery, OutboxSize};
use doorwarden_core::error::Fault;
use doorwarden_core::invitation::{Invitation, InvitationId};
use doorwarden_core::keypair::{AccessKey, Keypair, KeypairId};
use doorwarden_core::registration::{PendingRegistration, RegistrationId};
use doorwarden_core::store::{
    Change, CommitError, Directory, InvitationKey, RegistrationKey, Retention, UserKey, UserPage,
};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::{User, UserId};
use rusqlite::{OptionalExtension, Row, params};

use crate::SqliteStore;
use crate::audit;
use crate::commit::{Conflict, apply};
use crate::fault::{Trouble, Undone};
use crate::record::{all, each, one, sql_limit};
use crate::schema::statements;

statements! {
    USER = "SELECT id, body FROM users WHERE id = ?1";
    USER_BY_EMAIL = "SELECT id, body FROM users WHERE email_key = ?1";
    USER_BY_USERNAME = "SELECT users.id, users.body FROM usernames JOIN users ON users.id = usernames.holder
        WHERE usernames.skeleton = ?1 AND usernames.holder_kind = 'user'";
    USERS = "SELECT id, body FROM users WHERE id > ?1 ORDER BY id LIMIT ?2";
    /// `instr`, since the text may hold what LIKE takes for a pattern.
    USERS_CONTAINING = "SELECT id, body FROM users WHERE id > ?1 AND instr(search, ?2) > 0 ORDER BY id LIMIT ?3";
    ANY_USER = "SELECT EXISTS (SELECT 1 FROM users WHERE id > x'')";
    REGISTRATION_BY_LINK = "SELECT id, body FROM registrations WHERE link = ?1";
    REGISTRATION_BY_USERNAME = "SELECT registrations.id, registrations.body
        FROM usernames JOIN registrations ON registrations.id = usernames.holder
        WHERE usernames.skeleton = ?1 AND usernames.holder_kind = 'registration'";
    REGISTRATIONS_BY_EMAIL = "SELECT id, body FROM registrations WHERE email_key = ?1
        ORDER BY created_at DESC, id DESC LIMIT ?2";
    REGISTRATIONS = "SELECT id, body FROM registrations WHERE id > ?1 ORDER BY id LIMIT ?2";
    INVITATION = "SELECT id, body FROM invitations WHERE id = ?1";
    INVITATION_BY_TOKEN = "SELECT id, body FROM invitations WHERE token = ?1";
    INVITATIONS = "SELECT id, body FROM invitations WHERE id > ?1 ORDER BY id LIMIT ?2";
    HELD_USES = "SELECT count(*) FROM registrations WHERE invitation = ?1 AND expires_at > ?2";
    KEYPAIR = "SELECT id, body FROM keypairs WHERE access_key = ?1";
    KEYPAIRS_OF_USER = "SELECT id, body FROM keypairs WHERE user = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
    DUE_DELIVERIES = "SELECT id, body FROM deliveries WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?2";
    DELIVERIES = "SELECT id, body FROM deliveries WHERE id > ?1 ORDER BY id LIMIT ?2";
    DELIVERY = "SELECT id, body FROM deliveries WHERE id = ?1";
    OUTBOX_SIZE = "SELECT (SELECT count(*) FROM deliveries WHERE due_at < ?1),
        (SELECT count(*) FROM deliveries WHERE due_at = ?1)";
    MARKER = "SELECT value FROM markers WHERE name = ?1";
    FREE_LAPSED_USERNAMES = "DELETE FROM usernames WHERE (holder, holder_kind) IN
        (SELECT id, 'registration' FROM registrations WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    SWEEP_REGISTRATIONS = "DELETE FROM registrations WHERE id IN
        (SELECT id FROM registrations WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";
    SWEEP_INVITATIONS = "DELETE FROM invitations WHERE id IN
        (SELECT id FROM invitations WHERE ends_at < ?1 ORDER BY ends_at LIMIT ?2)";
}

#[async_trait]
impl Directory for SqliteStore {
    async fn user(&self, by: UserKey<'_>) -> Result<Option<User>, Fault> {
        const DOING: &str = "loading user";
        match by {
            UserKey::Id(id) => self.read(DOING, id, |c| one(c, "users", USER, [id.as_bytes()])),
            UserKey::Email(key) => self.read(DOING, "by e-mail", |c| one(c, "users", USER_BY_EMAIL, [key])),
            UserKey::UsernameSkeleton(skeleton) => {
                self.read(DOING, "by username", |c| one(c, "users", USER_BY_USERNAME, [skeleton]))
            }
            _ => Err(self.fault(DOING, "by a new kind of key", Trouble::UnknownChange)),
        }
    }

    async fn users(&self, page: &UserPage<'_>) -> Result<Vec<User>, Fault> {
        let after = page.after.as_ref().map_or(&[] as &[u8], |id| id.as_bytes());
        let limit = sql_limit(page.limit);
        self.read("loading users", "by page", |c| match page.containing {
            "" => all(c, "users", USERS, params![after, limit]),
            text => all(c, "users", USERS_CONTAINING, params![after, text, limit]),
        })
    }

    async fn has_users(&self) -> Result<bool, Fault> {
        self.read("looking for users", "any", |c| Ok(c.prepare_cached(ANY_USER)?.query_row([], |row| row.get(0))?))
    }

    async fn registration(&self, by: RegistrationKey<'_>) -> Result<Option<PendingRegistration>, Fault> {
        const DOING: &str = "loading registration";
        const TABLE: &str = "registrations";
        match by {
            RegistrationKey::Link(link) => {
                self.read(DOING, "by link", |c| one(c, TABLE, REGISTRATION_BY_LINK, [link.as_bytes()]))
            }
            RegistrationKey::UsernameSkeleton(skeleton) => {
                self.read(DOING, "by username", |c| one(c, TABLE, REGISTRATION_BY_USERNAME, [skeleton]))
            }
            _ => Err(self.fault(DOING, "by a new kind of key", Trouble::UnknownChange)),
        }
    }

    async fn registrations_of(&self, email_key: &str, limit: usize) -> Result<Vec<PendingRegistration>, Fault> {
        self.read("loading registrations", "by e-mail", |c| {
            all(c, "registrations", REGISTRATIONS_BY_EMAIL, params![email_key, sql_limit(limit)])
        })
    }

    async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<PendingRegistration>, Fault> {
        let after = after.as_ref().map_or(&[] as &[u8], |id| id.as_bytes());
        self.read("loading registrations", "by page", |c| {
            all(c, "registrations", REGISTRATIONS, params![after, sql_limit(limit)])
        })
    }

    async fn invitation(&self, by: InvitationKey) -> Result<Option<Invitation>, Fault> {
        const DOING: &str = "loading invitation";
        const TABLE: &str = "invitations";
        match by {
            InvitationKey::Id(id) => self.read(DOING, id, |c| one(c, TABLE, INVITATION, [id.as_bytes()])),
            InvitationKey::Token(token) => {
                self.read(DOING, "by token", |c| one(c, TABLE, INVITATION_BY_TOKEN, [token.as_bytes()]))
            }
            _ => Err(self.fault(DOING, "by a new kind of key", Trouble::UnknownChange)),
        }
    }

    async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<Vec<Invitation>, Fault> {
        let after = after.as_ref().map_or(&[] as &[u8], |id| id.as_bytes());
        self.read("loading invitations", "by page", |c| {
            all(c, "invitations", INVITATIONS, params![after, sql_limit(limit)])
        })
    }

    async fn held_uses(&self, id: InvitationId, now: Timestamp) -> Result<u32, Fault> {
        self.read("counting held uses of invitation", id, |c| {
            let held = c
                .prepare_cached(HELD_USES)?
                .query_row(params![id.as_bytes(), now.as_millis()], |row| row.get::<_, i64>(0))?;
            Ok(u32::try_from(held).unwrap_or(u32::MAX))
        })
    }

    async fn keypair(&self, access_key: &AccessKey) -> Result<Option<Keypair>, Fault> {
        self.read("loading keypair", access_key, |c| one(c, "keypairs", KEYPAIR, [access_key.as_str()]))
    }

    async fn keypairs_of(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault> {
        let after = after.as_ref().map_or(&[] as &[u8], |id| id.as_bytes());
        self.read("loading keypairs of user", user, |c| {
            all(c, "keypairs", KEYPAIRS_OF_USER, params![user.as_bytes(), after, sql_limit(limit)])
        })
    }

    async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.read("loading audit events", "by page", |c| audit::page(c, filter, limit))
    }

    async fn audit_between(&self, first: EventId, last: EventId, limit: usize) -> Result<Vec<AuditEvent>, Fault> {
        self.read("loading audit event", first, |c| audit::between(c, first, last, limit))
    }

    async fn audit_of_user_backwards(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.read("loading audit events of user", user, |c| audit::backwards(c, user, before, limit))
    }

    async fn audit_records(&self, after: Option<AuditPosition>, limit: usize) -> Result<Vec<AuditRecord>, Fault> {
        self.read("loading audit records", "by page", |c| audit::records(c, after, limit))
    }

    async fn audit_chain(&self) -> Result<Option<AuditChain>, Fault> {
        self.read("loading", "the audit chain", audit::chain)
    }

    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Fault> {
        let until = now.min(Delivery::NEVER.before(Duration::from_millis(1)));
        let each = self.read("loading deliveries", format_args!("due at {now}"), |c| {
            each(c, "deliveries", DUE_DELIVERIES, params![until.as_millis(), sql_limit(limit)])
        })?;
        let due = |(id, delivery)| match delivery {
            Ok(delivery) => DueDelivery::Readable(delivery),
            Err(trouble) => {
                let id = DeliveryId::from_bytes(id);
                DueDelivery::Unreadable { id, fault: self.fault("loading delivery", id, trouble) }
            }
        };
        Ok(each.into_iter().map(due).collect())
    }

    async fn deliveries(&self, after: Option<DeliveryId>, limit: usize) -> Result<Vec<Delivery>, Fault> {
        let after = after.as_ref().map_or(&[] as &[u8], |id| id.as_bytes());
        self.read("loading deliveries", "by page", |c| {
            all(c, "deliveries", DELIVERIES, params![after, sql_limit(limit)])
        })
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.read("loading delivery", id, |c| one(c, "deliveries", DELIVERY, [id.as_bytes()]))
    }

    async fn outbox_size(&self) -> Result<OutboxSize, Fault> {
        let size = |row: &Row<'_>| Ok(OutboxSize { waiting: row.get(0)?, set_aside: row.get(1)? });
        self.read("measuring", "the outbox", |c| {
            Ok(c.prepare_cached(OUTBOX_SIZE)?.query_row([Delivery::NEVER.as_millis()], size)?)
        })
    }

    async fn marker(&self, name: &str) -> Result<Option<String>, Fault> {
        self.read("loading marker", name, |c| {
            Ok(c.prepare_cached(MARKER)?.query_row([name], |row| row.get(0)).optional()?)
        })
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let changes = changes.to_vec();
        let count = changes.len();
        let done = self.writer().run(move |c| changes.iter().try_for_each(|change| apply(c, change))).await;
        done.map_err(|undone| match undone {
            Undone::Refused(Conflict::Stale) => CommitError::Stale,
            Undone::Refused(Conflict::Taken(rule)) => CommitError::Taken(rule),
            Undone::Refused(Conflict::Unmet(requirement)) => CommitError::Unmet(requirement),
            Undone::Trouble(trouble) => self.fault("committing", format_args!("{count} change(s)"), trouble).into(),
        })
    }

    async fn sweep(&self, retention: &Retention, limit: usize) -> Result<usize, Fault> {
        let Retention { registrations_before, invitations_before } = *retention;
        self.write("sweeping", "directory", move |c| {
            let lapsed = params![registrations_before.as_millis(), sql_limit(limit)];
            c.prepare_cached(FREE_LAPSED_USERNAMES)?.execute(lapsed)?;
            let registrations = c.prepare_cached(SWEEP_REGISTRATIONS)?.execute(lapsed)?;
            let ended = params![invitations_before.as_millis(), sql_limit(limit.saturating_sub(registrations))];
            Ok(registrations + c.prepare_cached(SWEEP_INVITATIONS)?.execute(ended)?)
        })
        .await
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.read("asking", "database", |c| {
            self.shared.place.check()?;
            Ok(c.prepare_cached(ANY_USER)?.query_row([], |_| Ok(()))?)
        })
    }
}
