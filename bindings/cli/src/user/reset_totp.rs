//! `doorwarden user reset-totp`: for whoever lost the authenticator and the recovery codes.

use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use futures_executor::block_on;
use serde_json::json;

use super::{body, found, refused, tell};
use crate::output::{Output, Refusal};

pub(super) fn run(engine: &Engine, typed: &str, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let had = block_on(engine.reset_totp(user.id, &Client::default())).map_err(refused)?;
    if output.is_json() {
        output.json(&json!({ "user": body(&user), "reset": had }));
    } else {
        let done = "its one-time passwords are removed, its sessions are ended";
        tell(&user, if had { done } else { "has no one-time passwords" }, output);
    }
    Ok(())
}
