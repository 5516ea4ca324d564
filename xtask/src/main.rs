//! What cargo can't say: the project's own chores, one job a file. `cargo xtask help` lists them.

mod command;
mod needs;
mod python;
mod structure;
mod test;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::command::Failed;
use crate::test::{STEPS, Step};

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Job {
    Help,
    Test,
    TestOnly(String),
}

impl Job {
    fn parse(words: &[&str]) -> Result<Self, Failed> {
        match words {
            [] | ["help" | "--help" | "-h"] => Ok(Self::Help),
            ["test"] => Ok(Self::Test),
            ["test", "--only", step] => Ok(Self::TestOnly((*step).to_owned())),
            other => Err(Failed::new(format!("no such job: {}; see `cargo xtask help`", other.join(" ")))),
        }
    }

    fn run(&self) -> Result<(), Failed> {
        match self {
            Self::Help => {
                print!("{}", help());
                Ok(())
            }
            Self::Test => test::run(&root()?, STEPS),
            Self::TestOnly(name) => {
                let step = STEPS.iter().position(|step| step.name == name).and_then(|at| STEPS.get(at..=at));
                let known = || STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ");
                test::run(&root()?, step.ok_or_else(|| Failed::new(format!("no step {name}: there are {}", known())))?)
            }
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match Job::parse(&words).and_then(|job| job.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("xtask: {failed}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    let line = |step: &Step| format!("  {:<10} {}\n", step.name, step.says);
    format!(
        "cargo xtask test               install what the tests need, then run every step below, up to the first failure\n\
         cargo xtask test --only STEP   one step alone\n\
         cargo xtask help               this\n\nsteps:\n{}",
        STEPS.iter().map(line).collect::<String>()
    )
}

/// The root of the repository: cargo says where this package is.
fn root() -> Result<PathBuf, Failed> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = package.as_deref().and_then(Path::parent).map(Path::to_owned);
    root.ok_or_else(|| Failed::new("start me with `cargo xtask`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_from_the_command_line() {
        assert_eq!(Job::parse(&[]).unwrap(), Job::Help);
        assert_eq!(Job::parse(&["help"]).unwrap(), Job::Help);
        assert_eq!(Job::parse(&["test"]).unwrap(), Job::Test);
        assert_eq!(Job::parse(&["test", "--only", "lint"]).unwrap(), Job::TestOnly("lint".to_owned()));
        for wrong in [&["tests"][..], &["test", "lint"], &["test", "--only"], &["help", "test"]] {
            let failed = Job::parse(wrong).unwrap_err().to_string();
            assert_eq!(failed, format!("no such job: {}; see `cargo xtask help`", wrong.join(" ")));
        }
    }

    #[test]
    fn a_step_that_is_not_there_is_named_with_those_that_are() {
        let failed = Job::TestOnly("lnit".to_owned()).run().unwrap_err().to_string();
        assert_eq!(failed, "no step lnit: there are format, structure, lint, features, docs, tests, clients, browser");
    }

    #[test]
    fn the_help_names_every_step() {
        assert!(STEPS.iter().all(|step| help().contains(step.says)));
    }
}
