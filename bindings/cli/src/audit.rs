//! `doorwarden audit`: the audit trail, from its oldest event on. What is asked of its chain stands in `audit/chain.rs`.

mod chain;

use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use doorwarden::Engine;
use doorwarden::core::Timestamp;
use doorwarden::core::administration::PAGE;
use doorwarden::core::audit::{AuditEvent, AuditFilter, AuditName, AuditOutcome, AuditPage, AuditPosition, AuditQuery};
use doorwarden::core::client::Client;
use doorwarden::core::error::{Failure, Fault};
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::output::{Output, Refusal, Table, known};
use crate::user::{found, to_the_second};
use crate::{Exit, ended, engine};

const EVERY: Duration = Duration::from_secs(1);

/// Which events to print, or what to ask of the chain that makes changes show.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    chain: Option<chain::ChainCommand>,
    #[command(flatten)]
    printed: PrintArguments,
}

#[derive(Debug, Args)]
struct PrintArguments {
    /// Only events of this account: its e-mail address or username
    #[arg(long, value_name = "ACCOUNT")]
    user: Option<String>,
    /// Only events of this name
    #[arg(long, value_parser = names())]
    name: Option<AuditName>,
    /// Only what was done, or only what was refused
    #[arg(long, value_parser = outcomes())]
    outcome: Option<AuditOutcome>,
    /// Only events of this moment or later: a time such as 2027-01-15T08:00:00Z, or how long ago, such as 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Moment>,
    /// Only events before this moment
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
    /// Only events behind this place of the trail
    #[arg(long, value_name = "CURSOR")]
    after: Option<u64>,
    /// Go on with new events as they come, until Ctrl-C
    #[arg(long)]
    follow: bool,
    /// End after this many events
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
}

/// A moment as it is typed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Ago(duration) => now.before(duration),
        }
    }
}

fn moment(typed: &str) -> Result<Moment, &'static str> {
    if let Some(ago) = doorwarden::core::duration::parse(typed) {
        return Ok(Moment::Ago(ago));
    }
    let allowed = "a time such as 2027-01-15T08:00:00Z is expected, or how long ago, such as 2h or 7d";
    typed.parse().map(Moment::At).map_err(|_| allowed)
}

fn names() -> impl TypedValueParser<Value = AuditName> {
    let names = AuditName::ALL.iter().map(|name| name.name());
    PossibleValuesParser::new(names).try_map(|name| AuditName::parse(&name).ok_or("no such event"))
}

fn outcomes() -> impl TypedValueParser<Value = AuditOutcome> {
    PossibleValuesParser::new(["success", "refusal"]).map(|name| match &*name {
        "success" => AuditOutcome::Success,
        _ => AuditOutcome::Refusal,
    })
}

/// Prints a page at a time: the trail may be longer than memory.
pub(crate) fn run(path: &Path, arguments: &AuditArguments, output: &mut Output) -> Exit {
    let engine = match engine(path, output) {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    match &arguments.chain {
        Some(command) => chain::run(&engine, command, output),
        None => ended(print(&engine, &arguments.printed, output), output),
    }
}

fn print(engine: &Engine, arguments: &PrintArguments, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = arguments.user.as_deref().map(|typed| found(engine, typed)).transpose()?;
    let after = arguments.after.map(AuditPosition);
    let filter = AuditFilter { after, user: user.map(|user| user.id), name: arguments.name };
    let at = |moment: Option<Moment>| moment.map(|moment| moment.before(engine.now()));
    let (since, until) = (at(arguments.since), at(arguments.until));
    let query = AuditQuery { filter, outcome: arguments.outcome, since, until };
    let left = arguments.limit.map_or(usize::MAX, NonZeroUsize::get);
    let table = Table::new(["time", "name", "outcome", "user", "address", "event", "facts"]);
    let mut reader = Reader { engine, query, left, table };
    let done = if arguments.follow { reader.follow(output) } else { block_on(reader.read(output)) };
    Ok(done?)
}

/// A place in the trail.
struct Reader<'a> {
    engine: &'a Engine,
    query: AuditQuery,
    left: usize,
    table: Table<7>,
}

impl Reader<'_> {
    /// Prints the events from here to the end of the trail.
    async fn read(&mut self, output: &mut Output) -> Result<(), Fault> {
        loop {
            let limit = self.left.min(PAGE);
            let AuditPage { events, next } = self.engine.audit_page(&self.query, limit).await?;
            if output.is_json() {
                events.iter().for_each(|(_, event)| output.json_line(&body(event)));
            } else {
                self.table.print(events.iter().map(|(_, event)| row(event)), output);
            }
            let last = events.last().map(|(position, _)| *position);
            self.query.filter.after = next.or(last).or(self.query.filter.after);
            self.left = self.left.saturating_sub(events.len());
            if next.is_none() || self.is_over(output) {
                return Ok(());
            }
        }
    }

    /// Prints them, and once a second those that were added, until an interrupt.
    fn follow(&mut self, output: &mut Output) -> Result<(), Fault> {
        let failed = |source| Fault::new("waiting for", "an interrupt", source);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        runtime.block_on(async {
            let mut interrupt = pin!(tokio::signal::ctrl_c());
            let mut pause = Duration::ZERO;
            while !self.is_over(output) {
                if let Ok(heard) = tokio::time::timeout(pause, interrupt.as_mut()).await {
                    return heard.map_err(failed);
                }
                self.read(output).await?;
                pause = EVERY;
            }
            Ok(())
        })
    }

    fn is_over(&self, output: &Output) -> bool {
        self.left == 0 || output.is_lost()
    }
}

/// An event as the HTTP API writes it.
pub(crate) fn body(event: &AuditEvent) -> Value {
    let Client { address, user_agent, .. } = &event.client;
    let client = known(json!({ "address": address, "user_agent": user_agent }));
    known(json!({
        "id": event.id,
        "time": event.time.to_string(),
        "name": event.name,
        "outcome": event.outcome,
        "user": event.user,
        "actor": event.actor,
        "subject": event.subject,
        "client": (event.client != Client::default()).then_some(client),
        "rule": event.rule,
        "facts": event.facts,
    }))
}

fn row(event: &AuditEvent) -> [String; 7] {
    let mut facts = Vec::new();
    facts.extend(event.rule.as_ref().map(|rule| format!("rule={rule}")));
    facts.extend(event.actor.map(|actor| format!("actor={actor}")));
    facts.extend(event.subject.as_ref().map(|subject| format!("subject={subject}")));
    facts.extend(event.facts.iter().map(|(name, value)| format!("{name}={value}")));
    // In quotes, so that its sender can't add a fact.
    facts.extend(event.client.user_agent.as_ref().map(|agent| format!("user_agent={}", json!(agent))));
    [
        to_the_second(event.time),
        event.name.name().to_owned(),
        event.outcome.name().to_owned(),
        event.user.map_or_else(String::new, |user| user.to_string()),
        event.client.address.map_or_else(String::new, |address| address.to_string()),
        event.id.to_string(),
        facts.join(" "),
    ]
}
