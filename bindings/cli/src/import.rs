//! `doorwarden import users`: accounts of another system, line by line, each in a commit of its own.

mod lines;
mod report;
mod row;

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use doorwarden::Engine;
use doorwarden::core::client::Client;
use doorwarden::core::error::{Failure, Fault};
use doorwarden::core::import::Imported;
use futures_executor::block_on;
use serde_json::json;

use crate::output::{Output, Table, known};
use crate::{Exit, engine, unreachable};
use lines::{LONGEST_LINE, Line, Lines};
use report::Report;
use row::{Header, LineRefusal, Row};

#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// Take accounts over, with the hashes of their passwords; running it again goes on where it stopped
    Users(UsersArguments),
}

#[derive(Debug, Args)]
pub(crate) struct UsersArguments {
    /// The file: CSV with a header, or a JSON object a line
    file: PathBuf,
    /// How the file is written, if its name doesn't end in .csv, .jsonl or .ndjson
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// The other system cut passwords to this many bytes before bcrypt; such a one must be changed at the first login
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u8).range(72..=72))]
    truncates_at: Option<u8>,
    /// Only say what would be refused
    #[arg(long)]
    dry_run: bool,
    /// Write a JSON object for each refused line into this file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

impl UsersArguments {
    fn format(&self) -> Option<Format> {
        let extension = self.file.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
        self.format.or_else(|| match extension?.as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        })
    }
}

/// What became of the lines so far.
#[derive(Debug, Default)]
struct Count {
    imported: u64,
    already_there: u64,
    refused: u64,
}

/// Why an import ends before its file does.
enum Stop {
    /// Nothing can be read of it, or reported.
    Unusable(String),
    /// The store doesn't answer.
    Store(u64, Fault),
}

pub(crate) fn run(path: &Path, command: &ImportCommand, output: &mut Output) -> Exit {
    let ImportCommand::Users(arguments) = command;
    let mut unusable = |says: String| {
        output.unusable(&says);
        Exit::Configuration
    };
    let Some(format) = arguments.format() else {
        return unusable(
            "the file's name doesn't say how it is written: give --format csv or --format jsonl".to_owned(),
        );
    };
    let name = arguments.file.display();
    let mut lines = match File::open(&arguments.file) {
        Ok(file) => Lines::of(BufReader::new(file)),
        Err(error) => return unusable(format!("reading {name}: {error}")),
    };
    let header = match format {
        Format::Jsonl => None,
        Format::Csv => match header(&mut lines) {
            Ok(header) => Some(header),
            Err(says) => return unusable(format!("{name}: its first line is no header: {says}")),
        },
    };
    let real = |path: &Path| path.canonicalize().ok();
    if arguments.report.as_deref().and_then(real).is_some_and(|report| Some(report) == real(&arguments.file)) {
        return unusable("--report: it would be written over the file to import".to_owned());
    }
    let mut report = match Report::create(arguments.report.as_deref()) {
        Ok(report) => report,
        Err(says) => return unusable(says),
    };
    let engine = match engine(path, output) {
        Ok(engine) => engine,
        Err(exit) => return exit,
    };
    let mut count = Count::default();
    let ended = import(&engine, arguments, header.as_ref(), &mut lines, &mut count, &mut report, output);
    tell(&count, ended.is_ok(), arguments.dry_run, output);
    match ended {
        Ok(()) if count.refused == 0 => Exit::Done,
        Ok(()) => Exit::Refused,
        Err(Stop::Unusable(says)) => {
            output.complain(&says);
            Exit::Unreachable
        }
        Err(Stop::Store(line, fault)) => {
            output.complain(&format!("stopped at line {line}: running it again goes on from there"));
            unreachable(&fault, output)
        }
    }
}

fn header(lines: &mut Lines<BufReader<File>>) -> Result<Header, String> {
    match lines.next().map_err(|error| error.to_string())? {
        Some((_, Line::Text(text))) => Header::read(&text),
        Some((_, Line::TooLong)) => Err(format!("it has more than {LONGEST_LINE} bytes")),
        Some((_, Line::NotUtf8)) => Err("it isn't UTF-8".to_owned()),
        None => Err("there is none".to_owned()),
    }
}

fn import(
    engine: &Engine,
    arguments: &UsersArguments,
    header: Option<&Header>,
    lines: &mut Lines<BufReader<File>>,
    count: &mut Count,
    report: &mut Report,
    output: &mut Output,
) -> Result<(), Stop> {
    let unreadable = |error: std::io::Error| Stop::Unusable(format!("reading {}: {error}", arguments.file.display()));
    while let Some((number, line)) = lines.next().map_err(unreadable)? {
        match one(engine, arguments, header, line) {
            Ok(Imported::AlreadyThere) => count.already_there += 1,
            Ok(_) => count.imported += 1,
            Err(Failure::Fault(fault)) => return Err(Stop::Store(number, fault)),
            Err(Failure::Refused(refusal)) => {
                count.refused += 1;
                report.add(number, &refusal, output).map_err(Stop::Unusable)?;
            }
        }
    }
    Ok(())
}

fn one(
    engine: &Engine,
    arguments: &UsersArguments,
    header: Option<&Header>,
    line: Line,
) -> Result<Imported, Failure<LineRefusal>> {
    let read = match (line, header) {
        (Line::TooLong, _) => Err(LineRefusal::whole(format!("has more than {LONGEST_LINE} bytes"))),
        (Line::NotUtf8, _) => Err(LineRefusal::whole("isn't UTF-8")),
        (Line::Text(text), Some(header)) => header.row(&text),
        (Line::Text(text), None) => Row::of_json(&text),
    };
    let account = read.and_then(|row| row.account(arguments.truncates_at.is_some())).map_err(Failure::Refused)?;
    let done = if arguments.dry_run {
        block_on(engine.check_import(&account))
    } else {
        block_on(engine.import_user(&account, &Client::default()))
    };
    done.map_err(|failure| failure.map(LineRefusal::from))
}

fn tell(count: &Count, complete: bool, dry_run: bool, output: &mut Output) {
    let Count { imported, already_there, refused } = count;
    if output.is_json() {
        let (done, would) = if dry_run { (None, Some(imported)) } else { (Some(imported), None) };
        let body = json!({
            "imported": done, "would_import": would, "already_there": already_there, "refused": refused,
            "complete": complete,
        });
        return output.json(&known(body));
    }
    let mut table = Table::new(["lines", "are"]);
    let first = if dry_run { "would be imported" } else { "imported" };
    let rows = [(imported, first), (already_there, "there already"), (refused, "refused")];
    table.print(rows.map(|(number, what)| [number.to_string(), what.to_owned()]), output);
}
