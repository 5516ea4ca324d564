//! `doorwarden user demand-password-change`: the next login asks for another password.

use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use futures_executor::block_on;
use serde_json::json;

use super::{body, found, refused, tell};
use crate::output::{Output, Refusal};

pub(super) fn run(engine: &Engine, typed: &str, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let user = block_on(engine.demand_password_change(user.id, &Client::default())).map_err(refused)?;
    if output.is_json() {
        output.json(&json!({ "user": body(&user), "must_change_password": true }));
    } else {
        tell(&user, "must change the password at the next login", output);
    }
    Ok(())
}
