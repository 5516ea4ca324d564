//! Running other programs: said aloud, without input, and their failure is ours.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Why a job failed, in a sentence for whoever started it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A program that is started in `folder`.
pub(crate) fn program(name: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(name);
    // No input: whoever asks a question here waits for ever in CI.
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// The cargo that started us.
pub(crate) fn cargo(root: &Path) -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), root)
}

/// Runs it to its end, its output shown as it comes.
pub(crate) fn run(command: &mut Command) -> Result<(), Failed> {
    let line = line(command);
    println!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed::new(format!("`{line}`: {status}"))),
        Err(source) => Err(Failed::new(format!("`{line}` can't be started: {source}"))),
    }
}

/// Runs it and returns what it printed.
pub(crate) fn read(command: &mut Command) -> Result<String, Failed> {
    let line = line(command);
    let output = command.output().map_err(|source| Failed::new(format!("`{line}` can't be started: {source}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failed::new(format!("`{line}`: {}\n{}", output.status, said.trim_end())));
    }
    String::from_utf8(output.stdout).map_err(|_| Failed::new(format!("`{line}` printed something other than text")))
}

/// As one would type it, the program without its folder.
fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(name: &str) -> Command {
        program(name, Path::new("."))
    }

    #[test]
    fn a_program_that_fails_is_named_with_its_status_and_words() {
        assert_eq!(read(here("sh").args(["-c", "echo yes"])).unwrap(), "yes\n");
        let failed = read(here("sh").args(["-c", "echo no >&2; exit 3"])).unwrap_err().to_string();
        assert_eq!(failed, "`sh -c echo no >&2; exit 3`: exit status: 3\nno");
        let failed = run(here("sh").args(["-c", "exit 4"])).unwrap_err().to_string();
        assert_eq!(failed, "`sh -c exit 4`: exit status: 4");
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let failed = run(here("doorwarden-no-such-program").arg("x")).unwrap_err().to_string();
        assert!(failed.starts_with("`doorwarden-no-such-program x` can't be started: "), "{failed}");
    }

    #[test]
    fn a_program_gets_no_input() {
        assert_eq!(read(here("sh").args(["-c", "read line || echo end"])).unwrap(), "end\n");
    }
}
