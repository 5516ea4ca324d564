//! `doorwarden user list`: the accounts of the store.

use std::num::NonZeroUsize;

use clap::Args;
use doorwarden::Engine;
use doorwarden::core::administration::{PAGE, UserList};
use doorwarden::core::error::Failure;
use doorwarden::core::user::User;
use futures_executor::block_on;

use super::{body, to_the_second};
use crate::output::{Output, Refusal, Table};

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only accounts whose e-mail address, username or full name contains this
    #[arg(long, value_name = "TEXT", default_value = "")]
    query: String,
    /// End after this many accounts
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
}

/// Prints a page at a time: there may be more accounts than memory.
pub(super) fn run(engine: &Engine, arguments: &ListArguments, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let mut table = Table::new(["e-mail", "username", "full name", "role", "status", "verified", "created", "id"]);
    let mut left = arguments.limit.map_or(usize::MAX, NonZeroUsize::get);
    let mut after = None;
    loop {
        let UserList { users, next, .. } = block_on(engine.users(&arguments.query, after, left.min(PAGE)))?;
        if output.is_json() {
            users.iter().for_each(|user| output.json_line(&body(user)));
        } else {
            table.print(users.iter().map(row), output);
        }
        after = next;
        left = left.saturating_sub(users.len());
        if next.is_none() || left == 0 || output.is_lost() {
            return Ok(());
        }
    }
}

fn row(user: &User) -> [String; 8] {
    [
        user.email.typed().to_owned(),
        user.username.as_ref().map_or_else(String::new, |name| name.typed().to_owned()),
        user.full_name.clone().unwrap_or_default(),
        user.role.name().to_owned(),
        user.status.name().to_owned(),
        if user.email_verified_at.is_some() { "yes" } else { "no" }.to_owned(),
        to_the_second(user.created_at),
        user.id.to_string(),
    ]
}
