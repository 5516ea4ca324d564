//! `cargo xtask test`: everything that must hold before a change goes in.
//!
//! ```text
//! needs ──▶ format ──▶ structure ──▶ lint ──▶ features ──▶ docs ──▶ tests ──▶ clients ──▶ browser
//! ```
//!
//! Cheap steps come first. Steps that build everything build it in the same way, so that nothing is compiled twice.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::command::{Failed, cargo, program, read, run as run_program};
use crate::needs::{Need, chromium, node, python_client};
use crate::structure::{self, Graph};

/// One thing that must hold.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
    needs: &'static [Need],
    run: fn(&Path) -> Result<(), Failed>,
}

/// In the order in which they run.
pub(crate) const STEPS: &[Step] = &[
    Step { name: "format", says: "rustfmt changes nothing", needs: &[Need::Rustfmt], run: format },
    Step {
        name: "structure",
        says: "arrows, licences, lengths and links are as they should be",
        needs: &[],
        run: structure::run,
    },
    Step { name: "lint", says: "clippy is silent with all features", needs: &[Need::Clippy], run: lint },
    Step {
        name: "features",
        says: "clippy is silent with none and with each alone",
        needs: &[Need::Clippy],
        run: features,
    },
    Step { name: "docs", says: "rustdoc is silent", needs: &[], run: docs },
    Step {
        name: "tests",
        says: "unit, integration and documentation tests pass",
        needs: &[Need::Postgres, Need::Redis, Need::MailServer],
        run: tests,
    },
    Step {
        name: "clients",
        says: "libraries of other languages sign requests that are accepted",
        needs: &[Need::PythonClient, Need::Node],
        run: clients,
    },
    Step { name: "browser", says: "the portal works in a browser", needs: &[Need::Node, Need::Chromium], run: browser },
];

/// Installs what the steps need and runs them, up to the first that fails.
pub(crate) fn run(root: &Path, steps: &[Step]) -> Result<(), Failed> {
    for need in steps.iter().flat_map(|step| step.needs) {
        need.meet(root)?;
    }
    let mut done = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        println!("\n== {} of {}, {}: {}", at + 1, steps.len(), step.name, step.says);
        let (outcome, took) = timed(|| (step.run)(root));
        let seconds = took.as_secs_f64();
        outcome.map_err(|failed| Failed::new(format!("{} failed after {seconds:.1} s: {failed}", step.name)))?;
        println!("== {} holds, {seconds:.1} s", step.name);
        done.push((step.name, seconds));
    }
    println!("\n== all of it holds");
    for (name, seconds) in &done {
        println!("   {name:<10} {seconds:7.1} s");
    }
    println!("   {:<10} {:7.1} s", "together", done.iter().map(|(_, seconds)| seconds).sum::<f64>());
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "measures a step; decides nothing")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

fn format(root: &Path) -> Result<(), Failed> {
    run_program(cargo(root).args(["fmt", "--all", "--check"]))
}

fn lint(root: &Path) -> Result<(), Failed> {
    let command = &mut cargo(root);
    run_program(command.args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]))
}

fn features(root: &Path) -> Result<(), Failed> {
    let graph = Graph::load(root)?;
    for package in graph.members() {
        let alone = package.features.iter().filter(|feature| *feature != "default").map(Some);
        for feature in std::iter::once(None).chain(alone) {
            let command = &mut cargo(root);
            command.args(["clippy", "--quiet", "--package", &package.name, "--no-default-features"]);
            if let Some(feature) = feature {
                command.args(["--features", feature]);
            }
            run_program(command.args(["--", "-D", "warnings"]))?;
        }
    }
    Ok(())
}

/// The library and the command are both called doorwarden, and their pages would overwrite each other in one run.
/// The library's stay.
fn docs(root: &Path) -> Result<(), Failed> {
    for other in ["doorwarden", "doorwarden-cli"] {
        let command = &mut cargo(root);
        command.args(["doc", "--workspace", "--exclude", other, "--no-deps", "--all-features"]);
        run_program(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    }
    Ok(())
}

fn tests(root: &Path) -> Result<(), Failed> {
    run_program(cargo(root).args(["test", "--workspace", "--all-features"]))
}

/// The portal's program, with all else that is built.
fn portal(root: &Path) -> Result<PathBuf, Failed> {
    // With --tests among the targets, the dependencies get the features that the tests gave them: all is built already.
    run_program(cargo(root).args(["build", "--workspace", "--all-features", "--bins", "--tests"]))?;
    Ok(Graph::load(root)?.target_directory.join("debug/doorwarden-portal"))
}

/// Each client's library is installed in the version that is written down; one that is missing fails its tests.
fn clients(root: &Path) -> Result<(), Failed> {
    let (portal, python, folder) = (portal(root)?, python_client(root)?, root.join("examples/clients"));
    run_program(program("npm", &folder.join("node")).args(["ci", "--no-audit", "--no-fund"]))?;
    run_program(program(&python, &folder).arg("drive.py").args([&portal, &python, &node(root)?]))
}

fn browser(root: &Path) -> Result<(), Failed> {
    let portal = portal(root)?;
    let folder = root.join("examples/portal/tests/browser");
    run_program(program("npm", &folder).args(["ci", "--no-audit", "--no-fund"]))?;
    let node = node(root)?;
    println!("node {}", read(program(&node, root).arg("--version"))?.trim());
    let tests = &mut program(node, &folder);
    run_program(
        tests.args(["--test", "--test-reporter=spec"]).env("PORTAL_BIN", portal).env("CHROMIUM", chromium(root)?),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn step(name: &'static str, run: fn(&Path) -> Result<(), Failed>) -> Step {
        Step { name, says: "", needs: &[], run }
    }

    #[test]
    fn the_first_failure_ends_the_run_and_is_named() {
        let steps = [
            step("good", |_| Ok(())),
            step("bad", |_| Err(Failed::new("three arrows are wrong"))),
            step("never", |_| panic!("run after a failure")),
        ];
        let failed = run(Path::new("."), &steps).unwrap_err().to_string();
        assert_eq!(failed, "bad failed after 0.0 s: three arrows are wrong");
        assert_eq!(run(Path::new("."), &[step("good", |_| Ok(()))]), Ok(()));
    }
}
