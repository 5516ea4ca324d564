//! The `doorwarden` command: what an operator asks of a configuration and its store. One file a subcommand.
//!
//! Exit status: 0 done, 1 refused, 2 usage or configuration, 3 store unreachable.

mod audit;
mod check;
mod explain;
mod import;
mod invitations;
mod invite;
mod migrate;
mod output;
mod reseal;
mod schema;
mod user;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use doorwarden::config::{Configuration, ConfigurationError};
use doorwarden::core::engine::StartError;
use doorwarden::core::error::{Failure, Fault};
use doorwarden::core::upkeep::Upkeep;
use doorwarden::{Engine, OpenError};
use futures_executor::block_on;

use output::{Output, Refusal};

#[derive(Debug, Parser)]
#[command(
    name = "doorwarden",
    version,
    about = "Looks after a doorwarden configuration and the accounts of its store",
    after_help = "Exit status: 0 done, 1 refused, 2 usage or configuration, 3 store unreachable"
)]
struct Arguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", default_value = "doorwarden.toml")]
    config: PathBuf,
    /// Write JSON for programs instead of text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Validate the file and name what is weaker than it should be
    Check,
    /// Say the file in sentences, with the differences to modern advice
    Explain,
    /// Print the JSON Schema of the file, for editors
    Schema,
    /// Add, list and change accounts
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make an invitation and print its token, once
    Invite(invite::InviteArguments),
    /// List invitations, oldest first, or revoke one
    Invitations(invitations::InvitationsArguments),
    /// Read the audit trail, oldest event first, or verify it
    Audit(audit::AuditArguments),
    /// Say in sentences what an event of the audit trail was, and what can be done
    Why(why::WhyArguments),
    /// Take accounts over from another system
    #[command(subcommand)]
    Import(import::ImportCommand),
    /// Bring the store up to date with this program
    Migrate,
    /// Rewrite what is sealed with an older seal key under the current one
    Reseal,
}

/// How the command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    Done,
    Refused,
    Configuration,
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Configuration => 2,
            Exit::Unreachable => 3,
        })
    }
}

fn main() -> ExitCode {
    let Arguments { config, json, command } = Arguments::parse();
    let mut output = Output::new(json);
    let exit = match command {
        Command::Check => check::run(&config, &mut output),
        Command::Explain => explain::run(&config, &mut output),
        Command::Schema => schema::run(&mut output),
        Command::User(command) => user::run(&config, command, &mut output),
        Command::Invite(arguments) => invite::run(&config, arguments, &mut output),
        Command::Invitations(arguments) => invitations::run(&config, &arguments, &mut output),
        Command::Audit(arguments) => audit::run(&config, &arguments, &mut output),
        Command::Why(arguments) => why::run(&config, &arguments, &mut output),
        Command::Import(command) => import::run(&config, &command, &mut output),
        Command::Migrate => migrate::run(&config, &mut output),
        Command::Reseal => reseal::run(&config, &mut output),
    };
    output.end(exit).into()
}

/// Reads the file that every command but `schema` begins with.
fn configuration(path: &Path, output: &mut Output) -> Result<Configuration, Exit> {
    Configuration::load(path).map_err(|error| {
        refuse(&error, output);
        Exit::Configuration
    })
}

fn refuse(error: &ConfigurationError, output: &mut Output) {
    if output.is_json() {
        output.json(&serde_json::json!({ "problems": error.problems() }));
    }
    for problem in error.problems() {
        output.complain(&problem.to_string());
    }
}

/// Opens the store that the file names. The upkeep stays with the service: a command comes and goes.
fn engine(path: &Path, output: &mut Output) -> Result<Engine, Exit> {
    let configuration = configuration(path, output)?;
    let open = async || Ok(configuration.builder().await?.upkeep(Upkeep::ByHost).start().await?);
    block_on(open()).map_err(|error: OpenError| match error {
        OpenError::Fault(fault) | OpenError::Start(StartError::Fault(fault)) => unreachable(&fault, output),
        error => {
            output.unusable(&error.to_string());
            Exit::Configuration
        }
    })
}

/// Says why a command wasn't carried out.
fn ended(done: Result<(), Failure<Refusal>>, output: &mut Output) -> Exit {
    match done {
        Ok(()) => Exit::Done,
        Err(Failure::Refused(refusal)) => {
            output.refuse(&refusal);
            Exit::Refused
        }
        Err(Failure::Fault(fault)) => unreachable(&fault, output),
    }
}

fn unreachable(fault: &Fault, output: &mut Output) -> Exit {
    output.refuse(&Refusal::new(if fault.retryable() { "unavailable" } else { "internal" }, fault));
    Exit::Unreachable
}
