//! A file by its lines: each is framed by its end alone, so that a bad one loses nothing but itself.

use std::io::{self, BufRead, Read};

/// The longest line that is read, in bytes.
pub(super) const LONGEST_LINE: usize = 64 * 1_024;

/// What stands on a line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(String),
    TooLong,
    NotUtf8,
}

/// The lines of a file with their numbers, from 1. Empty ones are counted and passed over.
#[derive(Debug)]
pub(super) struct Lines<R> {
    input: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn of(input: R) -> Self {
        Self { input, number: 0 }
    }

    /// The next line that isn't empty; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, Line)>> {
        while let Some(line) = self.read()? {
            self.number += 1;
            let line = match line {
                Line::Text(text) if self.number == 1 => Line::Text(text.trim_start_matches('\u{feff}').to_owned()),
                other => other,
            };
            if !matches!(&line, Line::Text(text) if text.trim().is_empty()) {
                return Ok(Some((self.number, line)));
            }
        }
        Ok(None)
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let most = LONGEST_LINE as u64 + 2;
        if self.input.by_ref().take(most).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        let ended = bytes.ends_with(b"\n");
        let end = [&b"\r\n"[..], b"\n"].into_iter().find(|end| bytes.ends_with(end)).map_or(0, <[u8]>::len);
        bytes.truncate(bytes.len() - end);
        if bytes.len() > LONGEST_LINE {
            if !ended {
                self.skip_to_end()?;
            }
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(String::from_utf8(bytes).map_or(Line::NotUtf8, Line::Text)))
    }

    fn skip_to_end(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let passed = end.map_or(buffer.len(), |end| end + 1);
            self.input.consume(passed);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8]) -> Vec<(u64, Line)> {
        // A small buffer, so that lines go over several.
        let mut lines = Lines::of(io::BufReader::with_capacity(7, input));
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    fn text(number: u64, text: &str) -> (u64, Line) {
        (number, Line::Text(text.to_owned()))
    }

    #[test]
    fn a_line_ends_at_its_end_and_counts_even_if_empty() {
        assert_eq!(lines(b"\xef\xbb\xbfone\r\n\n \ntwo\nthree"), [text(1, "one"), text(4, "two"), text(5, "three")]);
        assert_eq!(lines(b""), []);
        assert_eq!(lines(b"a\"b\nc\"\n"), [text(1, "a\"b"), text(2, "c\"")]);
    }

    #[test]
    fn a_bad_line_loses_only_itself() {
        assert_eq!(lines(b"one\n\xff\xfe\ntwo"), [text(1, "one"), (2, Line::NotUtf8), text(3, "two")]);
        for (bytes, fits) in [(LONGEST_LINE, true), (LONGEST_LINE + 1, false), (LONGEST_LINE * 3, false)] {
            for end in ["\n", "\r\n"] {
                let read = lines(format!("{}{end}two", "x".repeat(bytes)).as_bytes());
                assert_eq!(matches!(read[0], (1, Line::Text(_))), fits, "{bytes}");
                assert_eq!(read[1..], [text(2, "two")], "{bytes}");
            }
        }
        assert_eq!(lines(&vec![b'x'; LONGEST_LINE + 9]), [(1, Line::TooLong)]);
    }
}
