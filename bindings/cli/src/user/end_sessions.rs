//! `doorwarden user end-sessions`: an account is logged out everywhere.

use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use futures_executor::block_on;

use super::{found, refused, tell};
use crate::output::{Output, Refusal};

pub(super) fn run(engine: &Engine, typed: &str, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    block_on(engine.end_sessions(user.id, &Client::default())).map_err(refused)?;
    tell(&user, "its sessions are ended", output);
    Ok(())
}
