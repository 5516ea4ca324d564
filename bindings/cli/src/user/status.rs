//! `doorwarden user disable` and `enable`: whether an account may log in.

use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use doorwarden::core::user::UserStatus;
use futures_executor::block_on;

use super::{found, refused, tell};
use crate::output::{Output, Refusal};

pub(super) fn run(
    engine: &Engine,
    typed: &str,
    status: UserStatus,
    output: &mut Output,
) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let user = block_on(engine.set_status(user.id, status, &Client::default())).map_err(refused)?;
    let says = match status {
        UserStatus::Active => "enabled",
        UserStatus::Disabled => "disabled, its sessions are ended",
    };
    tell(&user, says, output);
    Ok(())
}
