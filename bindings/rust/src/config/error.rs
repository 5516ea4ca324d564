//! What is wrong with a configuration file: every problem at once, each on one line.

use std::fmt;

use serde::Serialize;

/// The file can't be used; nothing of it is in force.
///
/// Displayed with one line a problem: file, line, key, value seen and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationError {
    problems: Vec<ConfigurationProblem>,
}

/// One thing that is wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigurationProblem {
    /// The file's name, as it was given.
    pub file: String,
    /// The line, from 1; `None` if the file doesn't say it (it can't be read, or a default is at fault).
    pub line: Option<usize>,
    /// The dotted key; `None` if the file isn't TOML.
    pub key: Option<String>,
    /// The value; secrets are left out, and `None` if the key itself is at fault.
    pub seen: Option<String>,
    /// With a value: what is allowed. Without: what is wrong.
    pub says: String,
}

impl ConfigurationError {
    pub(super) fn new(problems: Vec<ConfigurationProblem>) -> Self {
        Self { problems }
    }

    /// What is wrong, in the order of the file; never empty.
    pub fn problems(&self) -> &[ConfigurationProblem] {
        &self.problems
    }
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let gap = if at == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigurationError {}

impl fmt::Display for ConfigurationProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file)?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        match (&self.key, &self.seen) {
            (Some(key), Some(seen)) => write!(f, " {key} = {seen}: allowed is {}", self.says),
            (Some(key), None) => write!(f, " {key}: {}", self.says),
            (None, _) => write!(f, " {}", self.says),
        }
    }
}
