//! `doorwarden user role`: what an account may do.

use doorwarden::Engine;
use doorwarden::core::administration::UserChange;
use doorwarden::core::client::Client;
use doorwarden::core::error::Failure;
use doorwarden::core::user::Role;
use futures_executor::block_on;

use super::{found, refused, tell};
use crate::output::{Output, Refusal};

pub(super) fn run(engine: &Engine, typed: &str, role: Role, output: &mut Output) -> Result<(), Failure<Refusal>> {
    let user = found(engine, typed)?;
    let says = if user.role == role { format!("is {role} already") } else { format!("is {role} now") };
    let change = UserChange { role: Some(role), ..UserChange::default() };
    let user = block_on(engine.change_user(user.id, &change, &Client::default())).map_err(refused)?;
    tell(&user, &says, output);
    Ok(())
}
