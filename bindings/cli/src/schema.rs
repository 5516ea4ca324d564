//! `doorwarden schema`: the JSON Schema of the configuration file.

use doorwarden::config::Configuration;

use crate::Exit;
use crate::output::Output;

/// It is JSON either way.
pub(crate) fn run(output: &mut Output) -> Exit {
    output.json(&Configuration::schema());
    Exit::Done
}
