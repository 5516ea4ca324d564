//! Tickets and spent marks: [`TicketStore`].

use async_trait::async_trait;
use doorwarden_core::error::Fault;
use doorwarden_core::spent_mark::{MarkKind, Spending, Spent, SpentMark};
use doorwarden_core::store::TicketStore;
use doorwarden_core::ticket::{Ticket, TicketKey};
use doorwarden_core::time::Timestamp;
use doorwarden_core::user::UserId;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::RedisStore;
use crate::connections::{AT_ONCE, Link};
use crate::fault::Trouble;
use crate::key::{Partition, hex};
use crate::record::{digits, read, scripts, time_to_live, to_body};
use crate::sweep::Sweep;

const TICKETS: &str = "tickets";
const LAPSE: &str = "lapse";
const BIRTH: &str = "birth";

scripts! {
    PUT = "put_ticket.lua";
    TAKE = "take_ticket.lua";
    SWEEP = "sweep_tickets.lua";
    SPEND = "spend.lua";
    BEGIN_MEMORY = "begin_memory.lua";
    SWEEP_MARKS = "sweep_marks.lua";
}

#[async_trait]
impl TicketStore for RedisStore {
    async fn put(&self, key: &TicketKey, ticket: &Ticket) -> Result<(), Fault> {
        let (key, ticket) = (*key, ticket.clone());
        self.call("storing ticket", name(&key), |link| async move {
            let place = Place::of(&key);
            let kept = time_to_live(ticket.issued_at, ticket.expires_at);
            let arguments: [&[u8]; 5] = [
                key.digest.as_bytes(),
                &to_body(&ticket)?,
                &digits(ticket.expires_at.as_millis()),
                &place.member,
                &kept,
            ];
            PUT.run(&link, &[&place.tickets, &place.lapse], &arguments).await
        })
        .await
    }

    async fn peek(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        let key = *key;
        self.call("loading ticket", name(&key), |link| async move {
            let place = Place::of(&key);
            let mut command = redis::cmd("HGET");
            let body: Option<Vec<u8>> = link.query(command.arg(&place.tickets).arg(key.digest.as_bytes())).await?;
            place.in_time(body, now)
        })
        .await
    }

    async fn take(&self, key: &TicketKey, now: Timestamp) -> Result<Option<Ticket>, Fault> {
        let key = *key;
        self.call("taking ticket", name(&key), |link| async move {
            let place = Place::of(&key);
            let keys: [&[u8]; 2] = [&place.tickets, &place.lapse];
            let body = TAKE.run(&link, &keys, &[key.digest.as_bytes(), &place.member]).await?;
            place.in_time(body, now)
        })
        .await
    }

    async fn void(&self, user: UserId) -> Result<(), Fault> {
        self.call("voiding tickets of user", user, |link| async move {
            // A user's tickets, and no others, have the user's id for a locator.
            let tickets = Partition::of(user.as_bytes()).key_of(TICKETS, &[user.as_bytes()]);
            link.query(redis::cmd("DEL").arg(tickets)).await
        })
        .await
    }

    async fn spend(&self, mark: &SpentMark, until: Timestamp, now: Timestamp) -> Result<Spending, Fault> {
        let mark = *mark;
        self.call("spending", mark.kind.name(), |link| async move {
            let (spent, since, memory) = spend(&link, &mark, until, now).await?;
            if memory == Memory::BeginsAnew {
                // All that this server forgot begins at the same moment, and not each part when it is first asked.
                begin_memory(&link, now).await?;
            }
            let spent = match spent.as_str() {
                "first" => Spent::First,
                "again" => Spent::Again,
                "full" => return Err(Trouble::MarksFull),
                _ => return Err(Trouble::Strange),
            };
            Ok(Spending { spent, remembered_since: Timestamp::from_millis(since) })
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, Fault> {
        let time = now.as_millis();
        self.call("sweeping", "tickets", |link| async move {
            let index = vec![LAPSE.to_owned()];
            let tickets = Sweep { index, prefixes: &[TICKETS], due: time.to_string(), script: &SWEEP };
            let swept = tickets.run(&link, time, limit).await?;
            let mut forgotten = 0_usize;
            for kind in MarkKind::ALL {
                let index = vec![marks(kind)];
                let marks = Sweep { index, prefixes: &[], due: time.to_string(), script: &SWEEP_MARKS };
                forgotten += marks.run(&link, time, limit.saturating_sub(forgotten)).await?;
            }
            Ok(swept.max(forgotten))
        })
        .await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Memory {
    GoesOn,
    BeginsAnew,
}

async fn spend(
    link: &Link,
    mark: &SpentMark,
    until: Timestamp,
    now: Timestamp,
) -> Result<(String, i64, Memory), Trouble> {
    let partition = Partition::of_digest(mark.digest.as_bytes());
    let (marks, birth) = (partition.key(&marks(mark.kind)), partition.key(BIRTH));
    let arguments: [&[u8]; 5] = [
        mark.digest.as_bytes(),
        &digits(until.as_millis()),
        &digits(now.as_millis()),
        &digits(SpentMark::MOST / Partition::COUNT),
        &time_to_live(now, until),
    ];
    let (spent, since, anew): (String, i64, u32) = SPEND.run(link, &[&marks, &birth], &arguments).await?;
    Ok((spent, since, if anew == 1 { Memory::BeginsAnew } else { Memory::GoesOn }))
}

/// Lets the memory of every part begin now whose server isn't the one that remembered.
async fn begin_memory(link: &Link, now: Timestamp) -> Result<(), Trouble> {
    let now = digits(now.as_millis());
    let begin = |partition: Partition| {
        let now = &now;
        async move { BEGIN_MEMORY.run::<u32>(link, &[&partition.key(BIRTH)], &[now]).await }
    };
    stream::iter(Partition::all()).map(begin).buffer_unordered(AT_ONCE).try_for_each(async |_| Ok(())).await
}

/// The kind of key that the marks of a kind have.
fn marks(kind: MarkKind) -> String {
    format!("marks-{}", kind.name())
}

/// Where a ticket is.
struct Place {
    tickets: Vec<u8>,
    lapse: Vec<u8>,
    member: Vec<u8>,
}

impl Place {
    fn of(key: &TicketKey) -> Self {
        let partition = Partition::of(&key.locator);
        let member = [&key.locator[..], key.digest.as_bytes()].concat();
        Self { tickets: partition.key_of(TICKETS, &[&key.locator]), lapse: partition.key(LAPSE), member }
    }

    fn in_time(&self, body: Option<Vec<u8>>, now: Timestamp) -> Result<Option<Ticket>, Trouble> {
        let ticket: Option<Ticket> = body.map(|body| read(&self.tickets, &body)).transpose()?;
        Ok(ticket.filter(|ticket| now < ticket.expires_at))
    }
}

/// Where to find the ticket, for faults; the digest opens nothing.
fn name(key: &TicketKey) -> String {
    hex(key.digest.as_bytes())
}
