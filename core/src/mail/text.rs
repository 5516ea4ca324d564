//! Text that can't break out of the line, header or direction that it stands in (RE5).

use serde_json::Value;

/// The longest text that a template is given, in characters.
const LONGEST: usize = 4_096;

/// The value with each text in it on one line: line ends and other control characters become spaces, and characters
/// that turn the direction of what follows are left out.
pub(super) fn only_lines(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(one_line(&text)),
        Value::Array(items) => items.into_iter().map(only_lines).collect(),
        Value::Object(all) => all.into_iter().map(|(name, value)| (name, only_lines(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// The text on one line, without spaces around it.
pub(super) fn one_line(text: &str) -> String {
    let shown = text.chars().filter(|c| !turns_direction(*c));
    let line: String = shown.map(|c| if ends_line(c) { ' ' } else { c }).take(LONGEST).collect();
    line.trim().to_owned()
}

/// A rendered text part: no control characters but line ends, at most one empty line in a row.
pub(super) fn as_text(rendered: &str) -> String {
    let mut text = String::with_capacity(rendered.len());
    let mut empty = 0;
    for line in rendered.lines().map(one_line) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty <= 1 && !(line.is_empty() && text.is_empty()) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// A rendered HTML part: the same, and indentation stays.
pub(super) fn as_html(rendered: &str) -> String {
    let shown = |c: &char| (*c == '\n' || !ends_line(*c)) && !turns_direction(*c);
    let html: String = rendered.chars().filter(shown).collect();
    let lines: Vec<_> = html.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    lines.join("\n") + "\n"
}

fn ends_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks, embeddings, overrides and isolates (Unicode Standard Annex 9).
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn re5_no_value_starts_a_line_a_header_or_another_direction() {
        let value = serde_json::json!({ "a": ["x\r\nBcc: eve@example.org"], "b": "\u{202e}abc\u{2028}d\u{0}" });
        assert_eq!(only_lines(value), serde_json::json!({ "a": ["x  Bcc: eve@example.org"], "b": "abc d" }));
    }

    #[test]
    fn a_value_is_cut_at_4096_characters() {
        assert_eq!(one_line(&"가".repeat(5_000)).chars().count(), 4_096);
    }

    #[test]
    fn a_text_part_has_no_empty_lines_in_a_row_and_ends_with_one_line_end() {
        assert_eq!(as_text("\n\n a \r\n\n\n\nb\u{7}\n\n"), "a\n\nb\n");
    }
}
