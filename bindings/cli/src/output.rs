//! What the command prints: text for people, JSON for programs, complaints to standard error.
//!
//! JSON is one document; of a list, one object a line. What isn't done is told in both ways.

use std::fmt;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::Exit;

/// Where a command's result goes.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    lost: Option<io::Error>,
}

/// Why something isn't done: code, detail and unmet rules as in the HTTP API.
#[derive(Debug)]
pub(crate) struct Refusal {
    code: &'static str,
    detail: String,
    unmet: Vec<&'static str>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, detail: impl fmt::Display) -> Self {
        Self { code, detail: detail.to_string(), unmet: Vec::new() }
    }

    pub(crate) fn with_unmet(self, unmet: Vec<&'static str>) -> Self {
        Self { unmet, ..self }
    }
}

impl Output {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json, lost: None }
    }

    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether nobody gets what is printed from now on.
    pub(crate) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }

    /// One line of text.
    pub(crate) fn line(&mut self, text: &str) {
        self.write(&visible(text));
    }

    /// One document.
    pub(crate) fn json(&mut self, value: &Value) {
        self.write(&visible_json(&format!("{value:#}")));
    }

    /// One object of a list, on a line.
    pub(crate) fn json_line(&mut self, value: &Value) {
        self.write(&visible_json(&value.to_string()));
    }

    /// One line to standard error.
    pub(crate) fn complain(&mut self, text: &str) {
        let _ = writeln!(io::stderr(), "{}", visible(text));
    }

    /// What isn't done, and why.
    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        if self.json {
            let unmet = (!refusal.unmet.is_empty()).then_some(&refusal.unmet);
            self.json(&known(json!({ "code": refusal.code, "detail": refusal.detail, "unmet": unmet })));
        }
        self.complain(&refusal.detail);
    }

    /// What can't be asked for like that; told as a problem of the configuration is.
    pub(crate) fn unusable(&mut self, says: &str) {
        if self.json {
            self.json(&json!({ "problems": [{ "says": says }] }));
        }
        self.complain(says);
    }

    /// How the command ends, after all was printed. A reader that has seen enough (`| head`) is no fault.
    pub(crate) fn end(mut self, exit: Exit) -> Exit {
        match self.lost.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.complain(&format!("writing the result: {error}"));
                Exit::Unreachable
            }
            _ => exit,
        }
    }

    fn write(&mut self, text: &str) {
        if self.lost.is_none() {
            self.lost = writeln!(io::stdout(), "{text}").err();
        }
    }
}

/// Rows under headings. They come by the page, so columns widen as needed; headings are printed once.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    headings: Option<[&'static str; N]>,
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    pub(crate) const fn new(headings: [&'static str; N]) -> Self {
        Self { headings: Some(headings), widths: [0; N] }
    }

    /// Prints a page. An empty cell is shown as `-`.
    pub(crate) fn print(&mut self, rows: impl IntoIterator<Item = [String; N]>, output: &mut Output) {
        let headings = self.headings.take().map(|headings| headings.map(str::to_owned));
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { visible(&cell) };
        let rows: Vec<_> = headings.into_iter().chain(rows).map(|row| row.map(shown)).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &rows {
            let cells = row.iter().zip(self.widths).map(|(cell, width)| format!("{cell:width$}"));
            output.line(cells.collect::<Vec<_>>().join("  ").trim_end());
        }
    }
}

/// An object without the fields that have no value.
pub(crate) fn known(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// The text with control and bidi characters escaped, so that one record is one line and reads in one direction.
fn visible(text: &str) -> String {
    text.chars().map(|c| if is_hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// JSON that means the same. Its own line ends stay: those inside of strings are escaped already.
fn visible_json(text: &str) -> String {
    let escaped = |c: char| format!("\\u{:04x}", u32::from(c));
    text.chars().map(|c| if is_hidden(c) && c != '\n' { escaped(c) } else { c.to_string() }).collect()
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fa5_one_record_is_one_line_in_one_direction() {
        assert_eq!(visible("a\nb\u{1b}[31m\u{202e}c가"), "a\\u{a}b\\u{1b}[31m\\u{202e}c가");
    }

    #[test]
    fn fa5_json_shows_hidden_characters_and_means_the_same() {
        let value = json!({ "a\u{2066}": ["x\n\u{1b}[31m\u{7f}\u{85}\u{202e}\u{2028}y가"] });
        for text in [visible_json(&value.to_string()), visible_json(&format!("{value:#}"))] {
            assert!(text.chars().all(|c| !is_hidden(c) || c == '\n'), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        }
        assert!(!visible_json(&value.to_string()).contains('\n'));
    }

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell_so_far() {
        let mut table = Table::new(["one", "two"]);
        let row = |one: &str, two: &str| [one.to_owned(), two.to_owned()];
        let mut output = Output::new(false);
        table.print([row("a\u{202e}", "")], &mut output);
        assert_eq!((table.widths, table.headings), ([9, 3], None));
        table.print([row("", "four")], &mut output);
        assert_eq!(table.widths, [9, 4]);
    }

    #[test]
    fn a_closed_pipe_is_no_fault_and_a_full_disk_is() {
        let end = |kind: io::ErrorKind| Output { json: false, lost: Some(kind.into()) }.end(Exit::Done);
        assert_eq!(end(io::ErrorKind::BrokenPipe), Exit::Done);
        assert_eq!(end(io::ErrorKind::StorageFull), Exit::Unreachable);
    }
}
