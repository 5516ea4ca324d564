//! `doorwarden reseal`: what the store keeps sealed, under the current seal key.

use std::path::Path;

use doorwarden::core::reseal::Resealed;
use futures_executor::block_on;
use serde_json::json;

use crate::output::Output;
use crate::{Exit, engine, unreachable};

pub(crate) fn run(path: &Path, output: &mut Output) -> Exit {
    let engine = match engine(path, output) {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    match block_on(engine.reseal()) {
        Ok(resealed) => tell(&resealed, output),
        Err(fault) => return unreachable(&fault, output),
    }
    Exit::Done
}

fn tell(resealed: &Resealed, output: &mut Output) {
    let Resealed { seeds, keypairs, mails, waiting, waiting_until, dropped_keys, .. } = resealed;
    if output.is_json() {
        output.json(&json!({
            "seeds": seeds,
            "keypairs": keypairs,
            "mails": mails,
            "waiting": waiting,
            "waiting_until": waiting_until.map(|until| until.to_string()),
            "dropped_keys": dropped_keys,
            "done": resealed.is_done(),
        }));
        return;
    }
    output.line(&format!("rewritten: {seeds} seeds of one-time passwords, {keypairs} secret keys, {mails} mails"));
    match waiting_until {
        Some(until) => output.line(&format!(
            "{waiting} sign-ups or mails still need an older key, until {until} at the latest: keep \
             store.seal_keys_old and run this again then"
        )),
        None => output.line("nothing needs an older key any more: store.seal_keys_old may be emptied"),
    }
}
