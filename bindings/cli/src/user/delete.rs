//! `doorwarden user delete`: an account and all that hangs on it, for good.

use clap::Args;
use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use futures_executor::block_on;

use super::{found, refused, tell};
use crate::Exit;
use crate::output::{Output, Refusal};

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Its e-mail address or username
    #[arg(value_name = "ACCOUNT")]
    typed: String,
    /// Mean it: nothing brings the account back
    #[arg(long)]
    yes: bool,
}

impl DeleteArguments {
    /// The account's name, if it was said that it is to go; before a store is opened.
    pub(super) fn meant(self, output: &mut Output) -> Result<String, Exit> {
        if self.yes {
            return Ok(self.typed);
        }
        output.unusable("deleting an account can't be undone: say with --yes that it is meant");
        Err(Exit::Configuration)
    }
}

pub(super) fn run(engine: &Engine, typed: &str, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let user = block_on(engine.delete_user(user.id, &Client::default())).map_err(refused)?;
    tell(&user, "deleted with its keypairs, its sessions are ended", output);
    Ok(())
}
