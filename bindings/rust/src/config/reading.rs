//! Reads the file: every unknown key, wrong type and impossible value is found before any of it is used.
//!
//! ```text
//! text ─▶ TOML ─▶ each known key alone, against its type ─▶ Configuration ─▶ Configuration::problems
//!          └ syntax        └ unknown keys, wrong types                              └ each located by its key
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use doorwarden_core::policy::PolicyProblem;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, ValueDeserializer};

use super::error::{ConfigurationError, ConfigurationProblem};
use super::{Configuration, preset};

/// Which keys there are, as the schema tells.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// A table with these keys.
    Table(BTreeMap<String, Shape>),
    /// A list of such tables.
    Tables(Box<Shape>),
    /// Anything that isn't looked into.
    Value,
}

impl Shape {
    /// The shape of the whole file.
    pub(super) fn of_file() -> Self {
        let schema = Configuration::schema();
        Self::read(&schema, &schema)
    }

    fn read(schema: &Value, whole: &Value) -> Self {
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        if let Some(target) = reference.and_then(|pointer| whole.pointer(pointer)) {
            return Self::read(target, whole);
        }
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            return Self::Table(
                properties.iter().map(|(key, value)| (key.clone(), Self::read(value, whole))).collect(),
            );
        }
        match schema.get("items").map(|items| Self::read(items, whole)) {
            Some(table @ Self::Table(_)) => Self::Tables(Box::new(table)),
            _ => Self::Value,
        }
    }

    /// Every dotted key; the keys of a list's tables have `[]` in front: `sign_up.fields[].name`.
    pub(super) fn keys(&self) -> Vec<String> {
        match self {
            Self::Value => Vec::new(),
            Self::Tables(table) => table.keys(),
            Self::Table(keys) => keys.iter().flat_map(|(key, shape)| Self::below(key, shape)).collect(),
        }
    }

    fn below(key: &str, shape: &Self) -> Vec<String> {
        let join = |separator: &str| shape.keys().iter().map(|below| format!("{key}{separator}{below}")).collect();
        match shape {
            Self::Value => vec![key.to_owned()],
            Self::Table(_) => join("."),
            Self::Tables(_) => join("[]."),
        }
    }
}

/// Reads a file's text.
pub(super) fn read(text: &str, file: &str) -> Result<Configuration, ConfigurationError> {
    let (table, faults) = DeTable::parse_recoverable(text);
    let document = Document { file, text, table: table.get_ref() };
    if !faults.is_empty() {
        return Err(ConfigurationError::new(document.syntax(&faults)));
    }
    let mut reader = Reader { document: &document, all_keys: Shape::of_file().keys(), found: Vec::new() };
    let Shape::Table(keys) = Shape::of_file() else { return Ok(Configuration::default()) };
    let mut sound = reader.table(document.table, &keys, &[]);
    let lines = preset::lines(&sound);
    if let Ok(table) = DeTable::parse(&lines) {
        preset::complete(&mut sound, table.into_inner());
    }
    let mut found = reader.found;
    let mut configuration = deserialize(sound, 0..text.len()).unwrap_or_default();
    configuration.given = document.given();
    let broken: BTreeSet<_> =
        found.iter().filter_map(|problem| problem.key.as_deref().map(section)).map(str::to_owned).collect();
    // Beside a key that couldn't be read, contradictions would be judged by its default, and lists are shorter.
    let stands_alone = |problem: &PolicyProblem| problem.against.is_none() && !problem.key.contains('[');
    let judged = |problem: &PolicyProblem| !broken.contains(section(&problem.key)) || stands_alone(problem);
    found.extend(configuration.problems().into_iter().filter(judged).map(|problem| document.located(problem)));
    if found.is_empty() {
        return Ok(configuration);
    }
    found.sort_by_key(|problem| problem.line);
    Err(ConfigurationError::new(found))
}

fn section(key: &str) -> &str {
    key.split(['.', '[']).next().unwrap_or_default()
}

fn deserialize(table: DeTable<'_>, span: Range<usize>) -> Result<Configuration, toml::de::Error> {
    Configuration::deserialize(Deserializer::from(Spanned::new(span, table)))
}

struct Document<'a> {
    file: &'a str,
    text: &'a str,
    table: &'a DeTable<'a>,
}

impl Document<'_> {
    fn problem(
        &self,
        at: Option<usize>,
        key: Option<String>,
        seen: Option<String>,
        says: String,
    ) -> ConfigurationProblem {
        ConfigurationProblem { file: self.file.to_owned(), line: at.map(|at| self.line(at)), key, seen, says }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// One problem a line, since what follows a fault on its line is guesswork.
    fn syntax(&self, faults: &[toml::de::Error]) -> Vec<ConfigurationProblem> {
        let mut found: Vec<_> = faults
            .iter()
            .map(|fault| {
                let says = fault.message().split_whitespace().collect::<Vec<_>>().join(" ");
                self.problem(fault.span().map(|span| span.start), None, None, says)
            })
            .collect();
        found.sort_by_key(|problem| problem.line);
        found.dedup_by_key(|problem| problem.line);
        found
    }

    /// A problem on the line of its key, or of the key that it contradicts.
    fn located(&self, problem: PolicyProblem) -> ConfigurationProblem {
        let at = self.place(&problem.key).or_else(|| self.place(problem.against.as_deref()?));
        self.problem(at, Some(problem.key), Some(problem.seen), problem.allowed)
    }

    fn place(&self, key: &str) -> Option<usize> {
        let mut parts = key.split(['.', '[']).map(|part| part.trim_end_matches(']'));
        let (name, mut value) = self.table.get_key_value(parts.next()?)?;
        let mut at = name.span().start;
        for part in parts {
            (at, value) = match value.get_ref() {
                DeValue::Table(table) => table.get_key_value(part).map(|(name, value)| (name.span().start, value))?,
                DeValue::Array(items) => {
                    items.get(part.parse::<usize>().ok()?).map(|item| (item.span().start, item))?
                }
                _ => return None,
            };
        }
        Some(at)
    }

    /// Every dotted key that the file sets, tables left out.
    fn given(&self) -> BTreeSet<String> {
        fn collect(table: &DeTable<'_>, path: &str, given: &mut BTreeSet<String>) {
            for (name, value) in table {
                let key = format!("{path}{}", name.get_ref());
                match value.get_ref() {
                    DeValue::Table(table) => collect(table, &format!("{key}."), given),
                    _ => drop(given.insert(key)),
                }
            }
        }
        let mut given = BTreeSet::new();
        collect(self.table, "", &mut given);
        given
    }
}

struct Reader<'a> {
    document: &'a Document<'a>,
    all_keys: Vec<String>,
    found: Vec<ConfigurationProblem>,
}

impl<'a> Reader<'a> {
    /// What of a table is known and well typed.
    fn table(&mut self, table: &DeTable<'a>, keys: &BTreeMap<String, Shape>, path: &[&str]) -> DeTable<'a> {
        let mut sound = DeTable::new();
        for (name, value) in table {
            let path = [path, &[name.get_ref().as_ref()]].concat();
            let kept = match (keys.get(name.get_ref().as_ref()), value.get_ref()) {
                (None, _) => {
                    self.unknown(name.span(), &path, keys);
                    None
                }
                (Some(Shape::Table(keys)), DeValue::Table(below)) => {
                    Some(Spanned::new(value.span(), DeValue::Table(self.table(below, keys, &path))))
                }
                (Some(Shape::Tables(shape)), DeValue::Array(items)) => {
                    let items =
                        items.iter().enumerate().filter(|(at, item)| self.is_sound_item(*at, item, shape, &path));
                    let items: Vec<_> = items.map(|(_, item)| item.clone()).collect();
                    Some(Spanned::new(value.span(), DeValue::Array(items.into_iter().collect())))
                }
                (Some(Shape::Table(_)), _) => {
                    self.mistyped(path.join("."), value, "a table".to_owned());
                    None
                }
                (Some(Shape::Tables(_)), _) => {
                    self.mistyped(path.join("."), value, "a list of tables".to_owned());
                    None
                }
                (Some(Shape::Value), _) => self.is_sound(value, &path).then(|| value.clone()),
            };
            if let Some(kept) = kept {
                sound.insert(name.clone(), kept);
            }
        }
        sound
    }

    /// Whether a key is of its type, tried in a file that holds nothing else.
    fn is_sound(&mut self, value: &Spanned<DeValue<'a>>, path: &[&str]) -> bool {
        let Err(error) = deserialize(alone(value, path), value.span()) else { return true };
        let before = self.found.len();
        for (at, item) in value.get_ref().as_array().into_iter().flatten().enumerate() {
            if let Err(error) = deserialize(alone(&list_of(item), path), item.span()) {
                self.mistyped(format!("{}[{at}]", path.join(".")), item, allowed(error.message()));
            }
        }
        if self.found.len() == before {
            let (key, culprit) = innermost(path.join("."), value, error.span());
            self.mistyped(key, culprit, allowed(error.message()));
        }
        false
    }

    fn is_sound_item(&mut self, at: usize, item: &Spanned<DeValue<'a>>, shape: &Shape, path: &[&str]) -> bool {
        let key = format!("{}[{at}]", path.join("."));
        let (Shape::Table(keys), DeValue::Table(table)) = (shape, item.get_ref()) else {
            self.mistyped(key, item, "a table".to_owned());
            return false;
        };
        let before = self.found.len();
        self.unknown_below(table, keys, &key);
        if self.found.len() > before {
            return false;
        }
        let Err(error) = deserialize(alone(&list_of(item), path), item.span()) else { return true };
        if let Some(missing) = between(error.message(), "missing field `", "`") {
            let problem = self.document.problem(
                Some(item.span().start),
                Some(format!("{key}.{missing}")),
                None,
                "missing".to_owned(),
            );
            self.found.push(problem);
            return false;
        }
        let (key, culprit) = innermost(key, item, error.span());
        self.mistyped(key, culprit, allowed(error.message()));
        false
    }

    fn unknown_below(&mut self, table: &DeTable<'a>, keys: &BTreeMap<String, Shape>, path: &str) {
        for (name, value) in table {
            match (keys.get(name.get_ref().as_ref()), value.get_ref()) {
                (None, _) => self.unknown(name.span(), &[path, name.get_ref().as_ref()], keys),
                (Some(Shape::Table(keys)), DeValue::Table(below)) => {
                    self.unknown_below(below, keys, &format!("{path}.{}", name.get_ref()));
                }
                _ => {}
            }
        }
    }

    fn unknown(&mut self, span: Range<usize>, path: &[&str], keys: &BTreeMap<String, Shape>) {
        let name = path.last().copied().unwrap_or_default();
        let near = keys
            .keys()
            .map(|key| (distance(name, key), key))
            .filter(|(distance, _)| *distance <= 1 + name.len() / 4)
            .min();
        let elsewhere = || self.all_keys.iter().find(|key| key.rsplit('.').next() == Some(name));
        let suggestion = near.map(|(_, key)| key).or_else(elsewhere);
        let suggestion = suggestion.map(|key| format!("did you mean {key}? ")).unwrap_or_default();
        let known = keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let says = format!("unknown key: {suggestion}allowed is {known}");
        self.found.push(self.document.problem(Some(span.start), Some(path.join(".")), None, says));
    }

    fn mistyped(&mut self, key: String, value: &Spanned<DeValue<'_>>, allowed: String) {
        let seen = seen(&key, value);
        self.found.push(self.document.problem(Some(value.span().start), Some(key), Some(seen), allowed));
    }
}

/// A file that sets only the key at `path`.
fn alone<'a>(value: &Spanned<DeValue<'a>>, path: &[&str]) -> DeTable<'a> {
    let mut table = DeTable::new();
    if let [name, below @ ..] = path {
        let value = if below.is_empty() {
            value.clone()
        } else {
            Spanned::new(value.span(), DeValue::Table(alone(value, below)))
        };
        table.insert(Spanned::new(0..0, (*name).to_owned().into()), value);
    }
    table
}

fn list_of<'a>(item: &Spanned<DeValue<'a>>) -> Spanned<DeValue<'a>> {
    Spanned::new(item.span(), DeValue::Array([item.clone()].into_iter().collect()))
}

/// The part of a value that an error is about, and its key.
fn innermost<'v, 'a>(
    key: String,
    value: &'v Spanned<DeValue<'a>>,
    span: Option<Range<usize>>,
) -> (String, &'v Spanned<DeValue<'a>>) {
    let Some(span) = span.filter(|span| *span != value.span()) else { return (key, value) };
    let holds = |part: &Spanned<DeValue<'_>>| part.span().start <= span.start && span.end <= part.span().end;
    let part = match value.get_ref() {
        DeValue::Array(items) => {
            items.iter().enumerate().find(|(_, item)| holds(item)).map(|(at, item)| (format!("{key}[{at}]"), item))
        }
        DeValue::Table(table) => table
            .iter()
            .find(|(_, value)| holds(value))
            .map(|(name, value)| (format!("{key}.{}", name.get_ref()), value)),
        _ => None,
    };
    match part {
        Some((key, part)) => innermost(key, part, Some(span)),
        None => (key, value),
    }
}

/// The value as the file writes it, without secrets, in one line.
fn seen(key: &str, value: &Spanned<DeValue<'_>>) -> String {
    const SECRETS: [&str; 3] = ["seal_key", "seal_keys_old", "client_secret"];
    const LONGEST: usize = 100;
    if key.split(['.', '[']).any(|part| SECRETS.contains(&part)) {
        return "…".to_owned();
    }
    let plain = match value.get_ref() {
        DeValue::Datetime(time) => return time.to_string(),
        DeValue::Float(number) => return number.to_string(),
        _ => Value::deserialize(ValueDeserializer::from(value.clone())).unwrap_or_default(),
    };
    let whole = PolicyProblem::new(key, &plain, "").seen;
    if whole.chars().count() > LONGEST { whole.chars().take(LONGEST).chain(['…']).collect() } else { whole }
}

/// What a deserialization error says is allowed.
fn allowed(message: &str) -> String {
    let told = message
        .rsplit_once(", expected ")
        .or_else(|| message.split_once("allowed is "))
        .map_or(message, |(_, told)| told);
    match told {
        "u32" => "a whole number, 0 or more".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        "a sequence" => "a list in brackets".to_owned(),
        told => told.replace('`', "\""),
    }
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// How many characters must be added, removed or changed to make one text of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (at, own) in from.chars().enumerate() {
        let mut next = vec![at + 1];
        for ((other, above), diagonal) in to.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or_default();
            next.push((diagonal + usize::from(own != *other)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
