//! `doorwarden audit verify` and `audit checkpoint`: the chain that makes a change of the trail show.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use doorwarden::Engine;
use doorwarden::core::audit::{Break, Checkpoint, Verification};
use doorwarden::core::error::{Failure, Fault};
use futures_executor::block_on;
use serde_json::json;

use crate::output::{Output, Refusal, known};
use crate::{Exit, ended};

/// Longer lines of a file of checkpoints are read in pieces.
const LONGEST_LINE: u64 = 64 * 1024;
/// More checkpoints than this aren't looked at: the newest are.
const MOST: usize = 100_000;

#[derive(Debug, Subcommand)]
pub(super) enum ChainCommand {
    /// Walk the whole trail and name the first record that was changed, removed, reordered, inserted or cut off
    Verify {
        /// A file with lines of `audit checkpoint` or of the service's log, kept elsewhere; `-` reads standard input
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Print a signed line that says how far the trail reaches, to be kept elsewhere
    Checkpoint,
}

pub(super) fn run(engine: &Engine, command: &ChainCommand, output: &mut Output) -> Exit {
    match command {
        ChainCommand::Verify { checkpoint } => match verify(engine, checkpoint.as_deref(), output) {
            // The document of a program says it already.
            Ok(Some(broken)) => {
                output.complain(&broken.to_string());
                Exit::Refused
            }
            done => ended(done.map(drop), output),
        },
        ChainCommand::Checkpoint => ended(print_checkpoint(engine, output), output),
    }
}

fn print_checkpoint(engine: &Engine, output: &mut Output) -> Result<(), Failure<Refusal>> {
    block_on(engine.link_audit())?;
    let Some(checkpoint) = block_on(engine.audit_checkpoint())? else {
        return Err(Failure::Refused(Refusal::new("not_found", "the trail has no event yet")));
    };
    if output.is_json() {
        output.json(&json!({ "checkpoint": checkpoint.to_string(), "records": checkpoint.point.number }));
    } else {
        output.line(&checkpoint.to_string());
    }
    Ok(())
}

fn verify(engine: &Engine, kept: Option<&Path>, output: &mut Output) -> Result<Option<Break>, Failure<Refusal>> {
    let kept = kept.map_or(Ok(Vec::new()), read)?;
    let found = block_on(engine.verify_audit(&kept))?;
    if output.is_json() {
        output.json(&body(&found));
    } else {
        told(&found, engine).iter().for_each(|line| output.line(line));
    }
    Ok(found.broken)
}

fn read(path: &Path) -> Result<Vec<Checkpoint>, Failure<Refusal>> {
    let failed = |source| Failure::Fault(Fault::lasting("reading", path.display(), source));
    let reader: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut reader = BufReader::new(reader);
    let (mut kept, mut line) = (Vec::new(), Vec::new());
    while reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line).map_err(failed)? > 0 {
        kept.extend(Checkpoint::in_line(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    if kept.is_empty() {
        let says = "no checkpoint in it: lines of `doorwarden audit checkpoint` are expected";
        return Err(Failure::Refused(Refusal::new("invalid_request", format!("{}: {says}", path.display()))));
    }
    Ok(kept.split_off(kept.len().saturating_sub(MOST)))
}

fn body(found: &Verification) -> serde_json::Value {
    let broken = found.broken.as_ref().map(|broken| {
        known(json!({
            "tampering": broken.tampering.name(),
            "record": broken.number,
            "position": broken.position,
            "event": broken.event,
            "says": broken.to_string(),
        }))
    });
    known(json!({
        "whole": found.is_whole(),
        "broken": broken,
        "verified": found.verified,
        "unlinked": found.unlinked,
        "unlinked_since": found.unlinked_since.map(|time| time.to_string()),
        "removed_by_retention": found.ends.map(|ends| ends.anchor.number),
        "checkpoints": found.checkpoints,
    }))
}

fn told(found: &Verification, engine: &Engine) -> Vec<String> {
    if !found.is_whole() {
        return vec![format!("{} records before it are as they were linked", found.verified)];
    }
    let mut lines = vec![format!("{} records are as they were linked", found.verified)];
    if let Some(ends) = found.ends {
        lines.push(format!("the chain was begun at {}", ends.begun_at));
        if let Some(swept_at) = ends.swept_at {
            let (number, time) = (ends.anchor.number, ends.anchor.time);
            lines.push(format!("retention has removed {number} before them, the last, of {time}, at {swept_at}"));
            if time.until(swept_at) < engine.policy().audit.keep {
                lines.push("note: that was sooner than audit.keep says now".to_owned());
            }
        }
    }
    if let Some(since) = found.unlinked_since {
        lines.push(format!("{} more aren't linked yet, since {since}: nothing vouches for them", found.unlinked));
    }
    if found.by_lost_keys > 0 {
        let count = found.by_lost_keys;
        lines.push(format!("{count} were linked with a key that isn't configured; those behind them vouch for them"));
    }
    if found.checkpoints + found.checkpoints_outlived > 0 {
        let (reached, outlived) = (found.checkpoints, found.checkpoints_outlived);
        lines.push(format!("{reached} checkpoints are reached, {outlived} lie before what retention has removed"));
    }
    lines
}
