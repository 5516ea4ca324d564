//! What templates have to hand beside their variables: buttons, notes, paragraphs, lengths of time; and the button's
//! colours.

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State};

/// Adds the functions and filters.
pub(super) fn furnish(environment: &mut Environment<'static>) {
    environment.add_function("button", button_to);
    environment.add_filter("note", note);
    environment.add_filter("paragraphs", paragraphs);
    environment.add_filter("lasting", lasting);
    environment.set_formatter(format);
}

/// Quotes and slashes need no escape where we put text, and links stay readable without.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match (is_html(state), value.as_str()) {
        (true, Some(text)) if !value.is_safe() => out.write_str(&escaped(text)).map_err(Error::from),
        _ => minijinja::escape_formatter(out, state, value),
    }
}

fn is_html(state: &State<'_, '_>) -> bool {
    *state.auto_escape() == AutoEscape::Html
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A link to follow: the address alone in the text part, a button with the address below it in the HTML part.
fn button_to(state: &State<'_, '_>, url: &str, label: &str) -> Result<Value, Error> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(Error::new(ErrorKind::InvalidOperation, "a button leads to an http or https address"));
    }
    if !is_html(state) {
        return Ok(Value::from(url));
    }
    let colour = |name| state.lookup(name).map(|value| escaped(&value.to_string())).unwrap_or_default();
    let (fill, on, url, label) = (colour("accent"), colour("on_accent"), escaped(url), escaped(label));
    Ok(Value::from_safe_string(format!(
        "<p><a href=\"{url}\" style=\"display: inline-block; padding: 11px 22px; border-radius: 8px; \
         background-color: {fill}; color: {on}; font-weight: 600; text-decoration: none;\">{label}</a></p>\n\
         <p class=\"raw\"><a href=\"{url}\">{url}</a></p>"
    )))
}

/// Small print.
fn note(state: &State<'_, '_>, text: &Value) -> Value {
    let words = text.to_string();
    match is_html(state) {
        false => Value::from(format!("({})", words.trim())),
        true if text.is_safe() => Value::from_safe_string(format!("<p class=\"note\">{}</p>", words.trim())),
        true => Value::from_safe_string(format!("<p class=\"note\">{}</p>", escaped(words.trim()))),
    }
}

/// Text between empty lines becomes a paragraph; what is an element already stays.
fn paragraphs(text: &Value) -> Value {
    let all = if text.is_safe() { text.to_string() } else { escaped(&text.to_string()) };
    let lines: Vec<_> = all.lines().map(str::trim).collect();
    let blocks = lines.split(|line| line.is_empty()).filter(|block| !block.is_empty());
    let blocks: Vec<_> = blocks
        .map(|block| block.join("\n"))
        .map(|block| if block.starts_with('<') { block } else { format!("<p>{block}</p>") })
        .collect();
    Value::from_safe_string(blocks.join("\n"))
}

/// Seconds as people say them, in the mail's language: whole minutes up to two hours, whole hours above.
fn lasting(state: &State<'_, '_>, seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    let (count, is_hours) = if minutes <= 120 { (minutes, false) } else { (minutes.div_ceil(60), true) };
    let korean = state.lookup("language").is_some_and(|language| language.as_str() == Some("ko"));
    match (korean, is_hours) {
        (false, true) => format!("{count} h"),
        (false, false) => format!("{count} min"),
        (true, true) => format!("{count}시간"),
        (true, false) => format!("{count}분"),
    }
}

/// A button's colours as `#rrggbb`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Button {
    pub(super) fill: String,
    pub(super) on: String,
}

type Colour = [f64; 3];

const WHITE: Colour = [255.0, 255.0, 255.0];
const INK: Colour = [20.0, 24.0, 29.0];
/// WCAG 2.2, 1.4.3.
const READABLE: f64 = 4.5;

/// The accent with text that keeps its contrast: white on it (darkened where that is nearly enough), or ink.
pub(super) fn button(accent: &str) -> Button {
    let accent = parse(accent).unwrap_or([47.0, 111.0, 235.0]);
    let (fill, on) = if contrast(accent, WHITE) < 3.0 { (accent, INK) } else { (darkened(accent), WHITE) };
    Button { fill: hex(fill), on: hex(on) }
}

fn darkened(colour: Colour) -> Colour {
    let shades = (0..=50).map(|step| colour.map(|part| (part * (1.0 - f64::from(step) / 50.0)).round()));
    shades.into_iter().find(|shade| contrast(*shade, WHITE) >= READABLE).unwrap_or(INK)
}

fn parse(accent: &str) -> Option<Colour> {
    let digits = accent.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
    let part = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok().map(f64::from);
    Some([part(0)?, part(2)?, part(4)?])
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}", red = red as u8, green = green as u8, blue = blue as u8)
}

fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn luminance(colour: Colour) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let share = part / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buttons_text_keeps_its_contrast_whatever_the_accent() {
        for accent in ["#2f6feb", "#000000", "#ffffff", "#ffd400", "#12a150", "#e11d48", "#777777", "not a colour"] {
            let Button { fill, on } = button(accent);
            let ratio = contrast(parse(&fill).unwrap(), parse(&on).unwrap());
            assert!(ratio >= READABLE, "{accent}: {on} on {fill} has {ratio}");
        }
        assert_eq!(button("not a colour"), button("#2f6feb"));
    }
}
