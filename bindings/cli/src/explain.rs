//! `doorwarden explain`: the file in sentences.

use std::path::Path;

use serde_json::{Value, json};

use crate::output::Output;
use crate::{Exit, configuration};

/// The sentences of each section under its name, then where the file departs from modern advice.
pub(crate) fn run(path: &Path, output: &mut Output) -> Exit {
    let configuration = match configuration(path, output) {
        Ok(configuration) => configuration,
        Err(exit) => return exit,
    };
    let (sentences, advice) = (configuration.explain(), configuration.advice());
    if output.is_json() {
        let told = |sentences: &[doorwarden::Explanation]| -> Vec<Value> {
            sentences
                .iter()
                .map(|told| json!({ "section": told.section(), "keys": told.keys, "says": told.says }))
                .collect()
        };
        output.json(&json!({ "policy": told(&sentences), "advice": told(&advice) }));
        return Exit::Done;
    }
    let mut section = "";
    for sentence in &sentences {
        if sentence.section() != section {
            section = sentence.section();
            output.line(section);
        }
        output.line(&format!("  {sentence}"));
    }
    output.line("different from modern advice");
    for note in &advice {
        output.line(&format!("  {note}"));
    }
    Exit::Done
}
