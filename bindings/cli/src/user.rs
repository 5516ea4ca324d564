//! `doorwarden user`: accounts, for whoever runs the machine.

mod add;
mod delete;
mod demand_password_change;
mod end_sessions;
mod list;
mod reset_totp;
mod role;
mod show;
mod status;
mod unlock;

use std::path::Path;

use clap::{Args, Subcommand};
use doorwarden::Engine;
use doorwarden::core::Timestamp;
use doorwarden::core::administration::AdministrationRefusal;
use doorwarden::core::error::Failure;
use doorwarden::core::user::{Role, User, UserStatus};
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::output::{Output, Refusal, known};
use crate::{Exit, ended, engine};

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add an account, with a first password or a link for its owner to set one
    Add(add::AddArguments),
    /// List accounts, oldest first
    List(list::ListArguments),
    /// Show one account, with its keypairs
    Show(Account),
    /// Give an account another role
    Role(RoleArguments),
    /// Switch an account off and end its sessions
    Disable(Account),
    /// Switch an account on again
    Enable(Account),
    /// Have the next login ask for another password
    DemandPasswordChange(Account),
    /// Lift the restriction that failed logins brought on an account
    Unlock(Account),
    /// Remove an account's one-time passwords and end its sessions
    ResetTotp(Account),
    /// End all sessions of an account
    EndSessions(Account),
    /// Delete an account with all that hangs on it
    Delete(delete::DeleteArguments),
}

#[derive(Debug, Args)]
pub(crate) struct Account {
    /// Its e-mail address or username
    #[arg(value_name = "ACCOUNT")]
    typed: String,
}

#[derive(Debug, Args)]
pub(crate) struct RoleArguments {
    /// Its e-mail address or username
    #[arg(value_name = "ACCOUNT")]
    typed: String,
    /// What it may do: user, admin, or a name of your own
    #[arg(value_name = "ROLE", value_parser = Role::parse)]
    role: Role,
}

pub(crate) fn run(path: &Path, command: UserCommand, output: &mut Output) -> Exit {
    carry_out(path, command, output).unwrap_or_else(|exit| exit)
}

fn carry_out(path: &Path, command: UserCommand, output: &mut Output) -> Result<Exit, Exit> {
    let done = match command {
        UserCommand::Add(arguments) => {
            let form = arguments.form(output)?;
            let engine = engine(path, output)?;
            add::run(&engine, form.fitting(&engine, output)?, output)
        }
        UserCommand::List(arguments) => list::run(&engine(path, output)?, &arguments, output),
        UserCommand::Show(account) => show::run(&engine(path, output)?, &account.typed, output),
        UserCommand::Role(RoleArguments { typed, role }) => role::run(&engine(path, output)?, &typed, role, output),
        UserCommand::Disable(account) => {
            status::run(&engine(path, output)?, &account.typed, UserStatus::Disabled, output)
        }
        UserCommand::Enable(account) => status::run(&engine(path, output)?, &account.typed, UserStatus::Active, output),
        UserCommand::DemandPasswordChange(account) => {
            demand_password_change::run(&engine(path, output)?, &account.typed, output)
        }
        UserCommand::Unlock(account) => unlock::run(&engine(path, output)?, &account.typed, output),
        UserCommand::ResetTotp(account) => reset_totp::run(&engine(path, output)?, &account.typed, output),
        UserCommand::EndSessions(account) => end_sessions::run(&engine(path, output)?, &account.typed, output),
        UserCommand::Delete(arguments) => {
            let typed = arguments.meant(output)?;
            delete::run(&engine(path, output)?, &typed, output)
        }
    };
    Ok(ended(done, output))
}

/// The account that was named. The refusal doesn't repeat the name: people type passwords there.
pub(crate) fn found(engine: &Engine, typed: &str) -> Result<User, Failure<Refusal>> {
    block_on(engine.find_user(typed))?.ok_or_else(unknown)
}

/// Why an act isn't done.
fn refused(failure: Failure<AdministrationRefusal>) -> Failure<Refusal> {
    failure.map(|refusal| Refusal::new(refusal.code(), refusal))
}

fn unknown() -> Failure<Refusal> {
    let detail = "no account has this e-mail address or username: look for it with `user list --query TEXT`";
    Failure::Refused(Refusal::new("not_found", detail))
}

/// What people are told of a moment: milliseconds only make columns uneven.
pub(crate) fn to_the_second(time: Timestamp) -> String {
    Timestamp::from_millis(time.as_millis().saturating_sub(time.as_millis().rem_euclid(1_000))).to_string()
}

/// An account as the HTTP API writes it, and whether it has a password.
fn body(user: &User) -> Value {
    known(json!({
        "id": user.id,
        "email": user.email.typed(),
        "username": user.username.as_ref().map(|name| name.typed()),
        "full_name": user.full_name,
        "fields": user.fields,
        "role": user.role.name(),
        "status": user.status,
        "email_verified": user.email_verified_at.is_some(),
        "has_password": user.password.is_some(),
        "created_at": user.created_at.to_string(),
    }))
}

/// What was done to an account.
fn tell(user: &User, text: &str, output: &mut Output) {
    if output.is_json() {
        output.json(&json!({ "user": body(user) }));
    } else {
        output.line(&format!("{}: {text}", user.email.typed()));
    }
}
