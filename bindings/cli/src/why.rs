//! `doorwarden why EVENT`: an event of the audit trail in sentences.

use std::path::Path;

use clap::Args;
use doorwarden::core::audit::{EventRef, EventRefused, why};
use doorwarden::core::error::Failure;
use futures_executor::block_on;
use serde_json::json;

use crate::audit::body;
use crate::output::{Output, Refusal};
use crate::{Exit, ended, engine};

#[derive(Debug, Args)]
pub(crate) struct WhyArguments {
    /// The event's id, as `audit` prints it, or at least its first eight digits
    #[arg(value_name = "EVENT")]
    event: String,
}

pub(crate) fn run(path: &Path, arguments: &WhyArguments, output: &mut Output) -> Exit {
    let engine = match engine(path, output) {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let refused = |refusal: EventRefused| Refusal::new(refusal.code(), refusal);
    let found = match arguments.event.parse::<EventRef>() {
        Ok(named) => block_on(engine.audit_event(named)).map_err(|failure| failure.map(refused)),
        Err(refusal) => Err(Failure::Refused(refused(refusal))),
    };
    let told = found.map(|event| {
        let sentences = why(&event, &engine.policy());
        if output.is_json() {
            output.json(&json!({ "event": body(&event), "why": sentences }));
        } else {
            sentences.iter().for_each(|sentence| output.line(sentence));
        }
    });
    ended(told, output)
}
