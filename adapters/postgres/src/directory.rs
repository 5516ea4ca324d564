//! Users, registrations, invitations, keypairs, audit trail and outbox: [`Directory`]. How changes are applied stands
//! in `commit.rs`, how the trail is read in `audit.rs`.

use std::fmt;
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
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::commit::{Conflict, apply_all};
use crate::fault::{Trouble, Undone};
use crate::record::{Values, borrowed, by_id, sql_limit, storable, uuid, values};
use crate::schema::statements;
use crate::{audit, trail};

statements! {
    USER = "SELECT body, id FROM users WHERE id = $1";
    USER_BY_EMAIL = "SELECT body, id FROM users WHERE email_key = $1";
    USER_BY_USERNAME = "SELECT users.body, users.id FROM usernames JOIN users ON users.id = usernames.holder
        WHERE usernames.skeleton = $1 AND usernames.holder_kind = 'user'";
    USERS = "SELECT body, id FROM users WHERE id > $1 ORDER BY id LIMIT $2";
    /// `strpos`, since the text may hold what LIKE takes for a pattern.
    USERS_CONTAINING = "SELECT body, id FROM users WHERE id > $1 AND strpos(search, $3) > 0 ORDER BY id LIMIT $2";
    ANY_USER = "SELECT 1 FROM users LIMIT 1";
    REGISTRATION_BY_LINK = "SELECT body, id FROM registrations WHERE link = $1";
    REGISTRATION_BY_USERNAME = "SELECT registrations.body, registrations.id
        FROM usernames JOIN registrations ON registrations.id = usernames.holder
        WHERE usernames.skeleton = $1 AND usernames.holder_kind = 'registration'";
    REGISTRATIONS_BY_EMAIL = "SELECT body, id FROM registrations WHERE email_key = $1
        ORDER BY created_at DESC, id DESC LIMIT $2";
    REGISTRATIONS = "SELECT body, id FROM registrations WHERE id > $1 ORDER BY id LIMIT $2";
    INVITATION = "SELECT body, id FROM invitations WHERE id = $1";
    INVITATION_BY_TOKEN = "SELECT body, id FROM invitations WHERE token = $1";
    INVITATIONS = "SELECT body, id FROM invitations WHERE id > $1 ORDER BY id LIMIT $2";
    HELD_USES = "SELECT count(*) FROM registrations WHERE invitation = $1 AND expires_at > $2";
    KEYPAIR = "SELECT body, id FROM keypairs WHERE access_key = $1";
    KEYPAIRS_OF_USER = "SELECT body, id FROM keypairs WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3";
    DUE_DELIVERIES = "SELECT body, id FROM deliveries WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2";
    DELIVERIES = "SELECT body, id FROM deliveries WHERE id > $1 ORDER BY id LIMIT $2";
    DELIVERY = "SELECT body, id FROM deliveries WHERE id = $1";
    OUTBOX_SIZE = "SELECT (SELECT count(*) FROM deliveries WHERE due_at < $1),
        (SELECT count(*) FROM deliveries WHERE due_at = $1)";
    MARKER = "SELECT value FROM markers WHERE name = $1";
    SWEEP_REGISTRATIONS = "WITH lapsed AS (
          DELETE FROM registrations WHERE id IN
            (SELECT id FROM registrations WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)
          RETURNING id),
        freed AS (DELETE FROM usernames USING lapsed
          WHERE usernames.holder = lapsed.id AND usernames.holder_kind = 'registration')
        SELECT count(*) FROM lapsed";
    SWEEP_INVITATIONS = "DELETE FROM invitations WHERE id IN
        (SELECT id FROM invitations WHERE ends_at < $1 ORDER BY ends_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    PING = "SELECT 1 FROM audit_end";
}

#[async_trait]
impl Directory for PostgresStore {
    async fn user(&self, by: UserKey<'_>) -> Result<Option<User>, Fault> {
        const DOING: &str = "loading user";
        match by {
            UserKey::Id(id) => self.one("users", USER, DOING, id, values![uuid(id.as_bytes())]).await,
            UserKey::Email(key) => self.one("users", USER_BY_EMAIL, DOING, "by e-mail", values![storable(key)]).await,
            UserKey::UsernameSkeleton(skeleton) => {
                self.one("users", USER_BY_USERNAME, DOING, "by username", values![storable(skeleton)]).await
            }
            _ => Err(self.fault(DOING, "by a new kind of key", Trouble::UnknownChange)),
        }
    }

    async fn users(&self, page: &UserPage<'_>) -> Result<Vec<User>, Fault> {
        let (after, limit) = (behind(page.after.as_ref().map(UserId::as_bytes)), sql_limit(page.limit));
        let (statement, values) = match page.containing {
            "" => (USERS, values![after, limit]),
            text => (USERS_CONTAINING, values![after, limit, storable(text)]),
        };
        self.all("users", statement, "loading users", "by page", values).await
    }

    async fn has_users(&self) -> Result<bool, Fault> {
        self.read("looking for users", "any", (), |session, ()| {
            Box::pin(async move { Ok(session.row(ANY_USER, &[]).await?.is_some()) })
        })
        .await
    }

    async fn registration(&self, by: RegistrationKey<'_>) -> Result<Option<PendingRegistration>, Fault> {
        const DOING: &str = "loading registration";
        const TABLE: &str = "registrations";
        match by {
            RegistrationKey::Link(link) => {
                self.one(TABLE, REGISTRATION_BY_LINK, DOING, "by link", values![link.as_bytes().to_vec()]).await
            }
            RegistrationKey::UsernameSkeleton(skeleton) => {
                self.one(TABLE, REGISTRATION_BY_USERNAME, DOING, "by username", values![storable(skeleton)]).await
            }
            _ => Err(self.fault(DOING, "by a new kind of key", Trouble::UnknownChange)),
        }
    }

    async fn registrations_of(&self, email_key: &str, limit: usize) -> Result<Vec<PendingRegistration>, Fault> {
        let values = values![storable(email_key), sql_limit(limit)];
        self.all("registrations", REGISTRATIONS_BY_EMAIL, "loading registrations", "by e-mail", values).await
    }

    async fn registrations(
        &self,
        after: Option<RegistrationId>,
        limit: usize,
    ) -> Result<Vec<PendingRegistration>, Fault> {
        let values = values![behind(after.as_ref().map(RegistrationId::as_bytes)), sql_limit(limit)];
        self.all("registrations", REGISTRATIONS, "loading registrations", "by page", values).await
    }

    async fn invitation(&self, by: InvitationKey) -> Result<Option<Invitation>, Fault> {
        const DOING: &str = "loading invitation";
        match by {
            InvitationKey::Id(id) => self.one("invitations", INVITATION, DOING, id, values![uuid(id.as_bytes())]).await,
            InvitationKey::Token(token) => {
                let values = values![token.as_bytes().to_vec()];
                self.one("invitations", INVITATION_BY_TOKEN, DOING, "by token", values).await
            }
            _ => Err(self.fault(DOING, "by a new kind of key", Trouble::UnknownChange)),
        }
    }

    async fn invitations(&self, after: Option<InvitationId>, limit: usize) -> Result<Vec<Invitation>, Fault> {
        let values = values![behind(after.as_ref().map(InvitationId::as_bytes)), sql_limit(limit)];
        self.all("invitations", INVITATIONS, "loading invitations", "by page", values).await
    }

    async fn held_uses(&self, id: InvitationId, now: Timestamp) -> Result<u32, Fault> {
        let input = (uuid(id.as_bytes()), now.as_millis());
        self.read("counting held uses of invitation", id, input, |session, (id, now)| {
            Box::pin(async move {
                let held = session.row(HELD_USES, &[id, now]).await?.map_or(Ok(0_i64), |row| row.try_get(0))?;
                Ok(u32::try_from(held).unwrap_or(u32::MAX))
            })
        })
        .await
    }

    async fn keypair(&self, access_key: &AccessKey) -> Result<Option<Keypair>, Fault> {
        let values = values![access_key.as_str().to_owned()];
        self.one("keypairs", KEYPAIR, "loading keypair", access_key, values).await
    }

    async fn keypairs_of(&self, user: UserId, after: Option<KeypairId>, limit: usize) -> Result<Vec<Keypair>, Fault> {
        let after = behind(after.as_ref().map(KeypairId::as_bytes));
        let values = values![uuid(user.as_bytes()), after, sql_limit(limit)];
        self.all("keypairs", KEYPAIRS_OF_USER, "loading keypairs of user", user, values).await
    }

    async fn audit(&self, filter: &AuditFilter, limit: usize) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.number_arrivals().await?;
        self.read("loading audit events", "by page", (filter.clone(), limit), |session, (filter, limit)| {
            Box::pin(async move { Ok(audit::page(session, filter, *limit).await?) })
        })
        .await
    }

    async fn audit_between(&self, first: EventId, last: EventId, limit: usize) -> Result<Vec<AuditEvent>, Fault> {
        let input = ((uuid(first.as_bytes()), uuid(last.as_bytes())), limit);
        self.read("loading audit event", first, input, |session, (ids, limit)| {
            Box::pin(async move { Ok(audit::between(session, *ids, *limit).await?) })
        })
        .await
    }

    async fn audit_of_user_backwards(
        &self,
        user: UserId,
        before: Option<AuditPosition>,
        limit: usize,
    ) -> Result<Vec<(AuditPosition, AuditEvent)>, Fault> {
        self.number_arrivals().await?;
        let input = (uuid(user.as_bytes()), before, limit);
        self.read("loading audit events of user", user, input, |session, (user, before, limit)| {
            Box::pin(async move { Ok(audit::backwards(session, *user, *before, *limit).await?) })
        })
        .await
    }

    async fn audit_records(&self, after: Option<AuditPosition>, limit: usize) -> Result<Vec<AuditRecord>, Fault> {
        self.number_arrivals().await?;
        self.read("loading audit records", "by page", (after, limit), |session, (after, limit)| {
            Box::pin(async move { Ok(audit::records(session, *after, *limit).await?) })
        })
        .await
    }

    async fn audit_chain(&self) -> Result<Option<AuditChain>, Fault> {
        self.read("loading", "the audit chain", (), |session, ()| {
            Box::pin(async move { Ok(audit::chain(session).await?) })
        })
        .await
    }

    async fn due_deliveries(&self, now: Timestamp, limit: usize) -> Result<Vec<DueDelivery>, Fault> {
        const DOING: &str = "loading deliveries";
        let until = now.min(Delivery::NEVER.before(Duration::from_millis(1)));
        let input = (until.as_millis(), sql_limit(limit));
        let each = self.read(DOING, format!("due at {now}"), input, |session, (until, limit)| {
            Box::pin(async move {
                let rows = session.rows(DUE_DELIVERIES, &[until, limit]).await?;
                let keyed = |row: &Row| Ok((row.try_get::<_, Uuid>(1)?, by_id::<Delivery>("deliveries", row)));
                Ok(rows.iter().map(keyed).collect::<Result<Vec<_>, Trouble>>()?)
            })
        });
        let due = |(id, delivery): (Uuid, _)| match delivery {
            Ok(delivery) => DueDelivery::Readable(delivery),
            Err(trouble) => {
                let id = DeliveryId::from_bytes(id.into_bytes());
                DueDelivery::Unreadable { id, fault: self.fault("loading delivery", id, trouble) }
            }
        };
        Ok(each.await?.into_iter().map(due).collect())
    }

    async fn deliveries(&self, after: Option<DeliveryId>, limit: usize) -> Result<Vec<Delivery>, Fault> {
        let values = values![behind(after.as_ref().map(DeliveryId::as_bytes)), sql_limit(limit)];
        self.all("deliveries", DELIVERIES, "loading deliveries", "by page", values).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Fault> {
        self.one("deliveries", DELIVERY, "loading delivery", id, values![uuid(id.as_bytes())]).await
    }

    async fn outbox_size(&self) -> Result<OutboxSize, Fault> {
        self.read("measuring", "the outbox", Delivery::NEVER.as_millis(), |session, never| {
            Box::pin(async move {
                let Some(row) = session.row(OUTBOX_SIZE, &[never]).await? else { return Ok(OutboxSize::default()) };
                let count = |column: usize| -> Result<u32, Trouble> {
                    Ok(u32::try_from(row.try_get::<_, i64>(column)?).unwrap_or(u32::MAX))
                };
                Ok(OutboxSize { waiting: count(0)?, set_aside: count(1)? })
            })
        })
        .await
    }

    async fn marker(&self, name: &str) -> Result<Option<String>, Fault> {
        self.read("loading marker", name, name.to_owned(), |session, name| {
            Box::pin(async move {
                let row = session.row(MARKER, &[name]).await?;
                Ok(row.map(|row| row.try_get(0)).transpose()?)
            })
        })
        .await
    }

    async fn commit(&self, changes: &[Change]) -> Result<(), CommitError> {
        let done = self
            .connections()
            .transaction(changes.to_vec(), |session, changes| Box::pin(apply_all(session, changes)))
            .await;
        done.map_err(|undone| match undone {
            Undone::Refused(Conflict::Stale) => CommitError::Stale,
            Undone::Refused(Conflict::Taken(rule)) => CommitError::Taken(rule),
            Undone::Refused(Conflict::Unmet(requirement)) => CommitError::Unmet(requirement),
            Undone::Trouble(trouble) => {
                self.fault("committing", format_args!("{} change(s)", changes.len()), trouble).into()
            }
        })
    }

    async fn sweep(&self, retention: &Retention, limit: usize) -> Result<usize, Fault> {
        self.write("sweeping", "directory", (*retention, limit), |session, (retention, limit)| {
            Box::pin(async move {
                let before = retention.registrations_before.as_millis();
                let row = session.row(SWEEP_REGISTRATIONS, &[&before, &sql_limit(*limit)]).await?;
                let lapsed: i64 = row.map_or(Ok(0), |row| row.try_get(0))?;
                let lapsed = usize::try_from(lapsed).unwrap_or(usize::MAX);
                let (before, left) = (retention.invitations_before.as_millis(), limit.saturating_sub(lapsed));
                let ended = session.execute(SWEEP_INVITATIONS, &[&before, &sql_limit(left)]).await?;
                Ok(lapsed.saturating_add(usize::try_from(ended).unwrap_or(usize::MAX)))
            })
        })
        .await
    }

    async fn ping(&self) -> Result<(), Fault> {
        self.read("asking", "the database", (), |session, ()| {
            Box::pin(async move { Ok(session.rows(PING, &[]).await.map(drop)?) })
        })
        .await
    }
}

impl PostgresStore {
    /// The value of the only row, if there is one.
    async fn one<T: DeserializeOwned + Send + 'static>(
        &self,
        table: &'static str,
        statement: &'static str,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        values: Values,
    ) -> Result<Option<T>, Fault> {
        Ok(self.all(table, statement, doing, subject, values).await?.into_iter().next())
    }

    /// The values of all rows.
    async fn all<T: DeserializeOwned + Send + 'static>(
        &self,
        table: &'static str,
        statement: &'static str,
        doing: &'static str,
        subject: impl fmt::Display + Send,
        values: Values,
    ) -> Result<Vec<T>, Fault> {
        self.read(doing, subject, (table, statement, values), |session, (table, statement, values)| {
            Box::pin(async move {
                let rows = session.rows(statement, &borrowed(values)).await?;
                Ok(rows.iter().map(|row| by_id(table, row)).collect::<Result<_, Trouble>>()?)
            })
        })
        .await
    }

    /// Until all that had arrived before is numbered.
    async fn number_arrivals(&self) -> Result<(), Fault> {
        const DOING: &str = "numbering audit events";
        let arrived =
            self.read(DOING, "any", (), |session, ()| Box::pin(async move { Ok(trail::has_arrivals(session).await?) }));
        let mut more = arrived.await?;
        while more {
            more = self
                .write(DOING, "that arrived", (), |session, ()| {
                    Box::pin(async move { Ok(trail::number_arrivals(session).await?) })
                })
                .await?;
        }
        Ok(())
    }
}

/// The id that a page begins behind; no record has the one of zeros.
fn behind(after: Option<&[u8; 16]>) -> Uuid {
    after.map_or(Uuid::nil(), uuid)
}
