//! The lines that were refused: a few on standard error, all in the report.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use super::row::LineRefusal;
use crate::output::{Output, known};

/// How many are told on standard error.
const TOLD: usize = 20;

#[derive(Debug)]
pub(super) struct Report {
    file: Option<File>,
    told: usize,
}

impl Report {
    /// Makes the report's file, if one is asked for, in place of a former one.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, String> {
        let create = |path: &Path| File::create(path).map_err(|error| format!("writing {}: {error}", path.display()));
        Ok(Self { file: path.map(create).transpose()?, told: 0 })
    }

    pub(super) fn add(&mut self, line: u64, refusal: &LineRefusal, output: &mut Output) -> Result<(), String> {
        let LineRefusal { field, code, reason } = refusal;
        if let Some(file) = &mut self.file {
            let body = known(json!({ "line": line, "field": field, "code": code, "reason": reason }));
            // Unbuffered: what was refused is in it also when the command is killed.
            writeln!(file, "{body}").map_err(|error| format!("writing the report: {error}"))?;
        }
        self.told += 1;
        if self.told <= TOLD {
            output.complain(&format!("line {line}: {refusal}"));
        } else if self.told == TOLD + 1 {
            output.complain("and more: --report FILE names them all");
        }
        Ok(())
    }
}
