//! `doorwarden migrate`: the store's tables as this program needs them.

use std::path::Path;

use serde_json::json;

use crate::output::Output;
use crate::{Exit, engine};

/// Opening a store migrates it, so that is all there is to do; a service that opens it later finds it done.
pub(crate) fn run(path: &Path, output: &mut Output) -> Exit {
    if let Err(exit) = engine(path, output) {
        return exit;
    }
    if output.is_json() {
        output.json(&json!({ "up_to_date": true }));
    } else {
        output.line(&format!("{}: its store is up to date", path.display()));
    }
    Exit::Done
}
