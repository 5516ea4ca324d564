//! `doorwarden check`: is the file possible, and is it as strong as it should be?

use std::path::Path;

use doorwarden::Explanation;
use futures_executor::block_on;
use serde_json::{Value, json};

use crate::output::Output;
use crate::{Exit, configuration};

/// Problems end it; weaknesses and departures from advice are named and don't.
pub(crate) fn run(path: &Path, output: &mut Output) -> Exit {
    let configuration = match configuration(path, output) {
        Ok(configuration) => configuration,
        Err(exit) => return exit,
    };
    let (mut weaknesses, mut advice) = (configuration.weaknesses(), configuration.advice());
    // Whoever checks the file may be elsewhere than its servers.
    match block_on(configuration.server_weaknesses()) {
        Ok(more) => weaknesses.extend(more),
        Err(error) => advice.push(Explanation::new(&["store.volatile"], format!("Redis couldn't be asked: {error}"))),
    }
    if output.is_json() {
        let weaknesses: Vec<Value> =
            weaknesses.iter().map(|weak| json!({ "row": weak.row, "key": weak.key, "says": weak.says })).collect();
        let notes: Vec<Value> = advice.iter().map(|note| json!({ "keys": note.keys, "says": note.says })).collect();
        output.json(&json!({ "problems": [], "weaknesses": weaknesses, "notes": notes }));
        return Exit::Done;
    }
    for weakness in &weaknesses {
        output.line(&format!("warning: {weakness}"));
    }
    for note in &advice {
        output.line(&format!("note: {}: {}", note.keys.join(", "), note.says));
    }
    let count = weaknesses.len();
    let warnings = if count == 1 { "1 warning".to_owned() } else { format!("{count} warnings") };
    output.line(&format!("{}: no problems, {warnings}", path.display()));
    Exit::Done
}
