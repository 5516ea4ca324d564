//! `doorwarden user unlock`: an account that failed logins restricted may try again.

use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use futures_executor::block_on;
use serde_json::json;

use super::{body, found, refused, tell};
use crate::output::{Output, Refusal};

pub(super) fn run(engine: &Engine, typed: &str, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let stood = block_on(engine.unlock(user.id, &Client::default())).map_err(refused)?;
    if output.is_json() {
        output.json(&json!({ "user": body(&user), "unlocked": stood }));
    } else {
        tell(&user, if stood { "unlocked" } else { "wasn't restricted" }, output);
    }
    Ok(())
}
