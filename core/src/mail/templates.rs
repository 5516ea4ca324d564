//! The texts of mails: one template a kind and language, which makes subject, text part and HTML part, and a layout
//! for each part. A host can replace any of them; one that fails then gives way to ours, so that no mail is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error};
use serde_json::Value as Json;

use super::facts::examples;
use super::look;
use super::text::{as_html, as_text, one_line, only_lines};
use super::{Language, MailKind};

macro_rules! ours {
    ($($name:literal)+) => {
        &[$(($name, include_str!(concat!("templates/", $name, ".jinja")))),+]
    };
}

/// The templates that are built in, by name.
const OURS: &[(&str, &str)] = ours! {
    "layout.html" "layout.txt"
    "verify-email.en" "verify-email.ko"
    "already-registered.en" "already-registered.ko"
    "reset-password.en" "reset-password.ko"
    "set-password.en" "set-password.ko"
    "password-changed.en" "password-changed.ko"
    "confirm-email.en" "confirm-email.ko"
    "address-in-use.en" "address-in-use.ko"
    "email-changed.en" "email-changed.ko"
    "email-restored.en" "email-restored.ko"
    "wrong-codes.en" "wrong-codes.ko"
    "login-after-failures.en" "login-after-failures.ko"
    "login-restricted.en" "login-restricted.ko"
    "account-deleted.en" "account-deleted.ko"
    "totp-enabled.en" "totp-enabled.ko"
    "totp-disabled.en" "totp-disabled.ko"
    "totp-reset.en" "totp-reset.ko"
    "recovery-code-used.en" "recovery-code-used.ko"
};

const EXTENSION: &str = ".jinja";
const LAYOUT: &str = "layout";
/// What bounds a template's work: instructions, and bytes by 64.
const FUEL: u64 = 100_000;
const LARGEST_TEMPLATE: usize = 64 * 1024;
const LARGEST_PART: usize = 128 * 1024;
const LONGEST_SUBJECT: usize = 200;

static BUILT_IN: LazyLock<MailTemplates> = LazyLock::new(|| MailTemplates::of(&BTreeMap::new()).0);

/// The templates that mails are written with: ours, or a host's own in place of some of them.
///
/// ```
/// use doorwarden_core::mail::MailTemplates;
///
/// let own = "{% extends layout %}{% block subject %}Welcome{% endblock %}\
///            {% block body %}{% for link in links %}{{ button(link.url, \"Go\") }}{% endfor %}{% endblock %}";
/// assert!(MailTemplates::replacing([("verify-email.en.jinja", own)]).is_ok());
///
/// let wrong = "{% extends layout %}{% block subject %}Hi {{ name }}{% endblock %}";
/// let problems = MailTemplates::replacing([("verify-email.en.jinja", wrong)]).unwrap_err();
/// assert!(problems[0].to_string().starts_with("verify-email.en.jinja:1: unknown variable name: allowed is accent, "));
/// ```
#[derive(Clone)]
pub struct MailTemplates {
    environment: Arc<Environment<'static>>,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemplateProblem {
    /// The template's file name.
    pub file: String,
    /// Where in it, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what is allowed.
    pub says: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.says),
            None => write!(f, "{}: {}", self.file, self.says),
        }
    }
}

/// A mail's three texts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What every mail tells, beside its facts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heading<'a> {
    pub(crate) service: &'a str,
    pub(crate) url: &'a str,
    pub(crate) accent: &'a str,
    pub(crate) at: &'a str,
}

const EXAMPLE: Heading<'_> = Heading {
    service: "Example <dw-raw>",
    url: "https://id.example.org",
    accent: "#2f6feb",
    at: "2027-01-15 08:00 UTC",
};

impl Default for MailTemplates {
    fn default() -> Self {
        BUILT_IN.clone()
    }
}

impl fmt::Debug for MailTemplates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailTemplates").finish_non_exhaustive()
    }
}

impl MailTemplates {
    /// Ours with some replaced: `files` are file names, such as `verify-email.en.jinja`, and their contents. Each is
    /// tried on examples of what it can be given.
    ///
    /// # Errors
    /// Every problem: a name that no template has, a syntax error, an unknown variable, a subject of several lines, a
    /// part that lacks a link, text that isn't escaped.
    pub fn replacing<N, S>(files: impl IntoIterator<Item = (N, S)>) -> Result<Self, Vec<TemplateProblem>>
    where
        N: Into<String>,
        S: Into<String>,
    {
        let mut problems = Vec::new();
        let mut own = BTreeMap::new();
        for (file, source) in files {
            let (file, source) = (file.into(), source.into());
            match file.strip_suffix(EXTENSION).filter(|name| OURS.iter().any(|(ours, _)| ours == name)) {
                None => problems.push(problem(&file, None, format!("no such template: allowed is {}", all_names()))),
                Some(_) if source.len() > LARGEST_TEMPLATE => {
                    problems.push(problem(&file, None, format!("allowed is at most {LARGEST_TEMPLATE} bytes")));
                }
                Some(name) => drop(own.insert(name.to_owned(), source)),
            }
        }
        let (templates, broken) = Self::of(&own);
        problems.extend(broken);
        if problems.is_empty() {
            problems = own.keys().flat_map(|name| templates.trial(name)).collect();
        }
        // Several parts and examples of one template meet the same problem.
        let mut seen = BTreeSet::new();
        problems.retain(|problem| seen.insert(problem.to_string()));
        if problems.is_empty() { Ok(templates) } else { Err(problems) }
    }

    /// The file names that templates can have.
    pub fn file_names() -> impl Iterator<Item = String> {
        OURS.iter().map(|(name, _)| format!("{name}{EXTENSION}"))
    }

    /// Our template of a file name, to begin from.
    pub fn built_in(file_name: &str) -> Option<&'static str> {
        let name = file_name.strip_suffix(EXTENSION)?;
        OURS.iter().find(|(ours, _)| *ours == name).map(|(_, source)| *source)
    }

    /// The variables that the templates of a kind can use, in order.
    pub fn variables(kind: MailKind) -> Vec<String> {
        let facts = examples(kind).unwrap_or_default();
        let context = facts.first().map(|facts| context(&EXAMPLE, Language::English, facts)).unwrap_or_default();
        let names: BTreeSet<_> = context.as_object().into_iter().flat_map(|all| all.keys().cloned()).collect();
        names.into_iter().collect()
    }

    /// Ours, and `own` instead where there is one; with what can't be read of them.
    fn of(own: &BTreeMap<String, String>) -> (Self, Vec<TemplateProblem>) {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|name| match name.ends_with(".html") {
            true => AutoEscape::Html,
            false => AutoEscape::None,
        });
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.remove_filter("safe");
        look::furnish(&mut environment);
        let mut problems = Vec::new();
        for (name, ours) in OURS {
            for part in parts_of(name) {
                let source = own.get(*name).cloned().unwrap_or_else(|| (*ours).to_owned());
                if let Err(error) = environment.add_template_owned(part.clone(), source) {
                    problems.push(told(&error, &part));
                }
            }
        }
        (Self { environment: Arc::new(environment) }, problems)
    }

    /// Writes a mail's texts; what the templates can't do is told and done by ours.
    pub(crate) fn write(
        &self,
        kind: MailKind,
        language: Language,
        heading: &Heading<'_>,
        facts: &Json,
    ) -> Result<Letter, Error> {
        let context = Value::from(Serde(context(heading, language, facts)));
        self.render(kind, language, &context).or_else(|error| {
            tracing::error!(mail = kind.name(), %error, "a mail template failed; the built-in one is used");
            BUILT_IN.render(kind, language, &context)
        })
    }

    fn render(&self, kind: MailKind, language: Language, context: &Value) -> Result<Letter, Error> {
        let name = format!("{}.{}", kind.name(), language.tag());
        let (text, subject) = self.part(&format!("{name}.txt"), context)?;
        let (html, _) = self.part(&format!("{name}.html"), context)?;
        let letter = Letter { subject: one_line(&subject), text: as_text(&text), html: as_html(&html) };
        let bounded = letter.text.len() <= LARGEST_PART && letter.html.len() <= LARGEST_PART;
        let subject = !letter.subject.is_empty() && letter.subject.chars().count() <= LONGEST_SUBJECT;
        match (bounded, subject) {
            (true, true) => Ok(letter),
            (false, _) => Err(refused(format!("a part is longer than {LARGEST_PART} bytes"))),
            (_, false) => Err(refused(format!("block subject: allowed is 1 to {LONGEST_SUBJECT} characters"))),
        }
    }

    fn part(&self, name: &str, context: &Value) -> Result<(String, String), Error> {
        let layout = if name.ends_with(".html") { "layout.html" } else { "layout.txt" };
        let context = minijinja::context! { layout, ..context.clone() };
        let mut captured = self.environment.get_template(name)?.render_captured(context)?;
        let subject = captured.with_state_mut(|state| state.render_block("subject"))?;
        Ok((captured.into_output(), subject))
    }

    /// What is wrong with the template `name`, or, if it is a layout, with every mail in it.
    fn trial(&self, name: &str) -> Vec<TemplateProblem> {
        let tried = |kind: MailKind, language: Language| {
            let own = format!("{}.{}", kind.name(), language.tag());
            (own == name || name.starts_with(LAYOUT)).then(|| self.trial_of(name, kind, language))
        };
        let kinds = MailKind::ALL.iter();
        kinds.flat_map(|kind| Language::ALL.map(|language| tried(*kind, language))).flatten().flatten().collect()
    }

    fn trial_of(&self, name: &str, kind: MailKind, language: Language) -> Vec<TemplateProblem> {
        let unknown = self.unknown_variables(name, kind);
        if !unknown.is_empty() {
            return unknown;
        }
        let examples = examples(kind).unwrap_or_default();
        let try_on =
            |facts: &Json| match self.render(kind, language, &Value::from(Serde(context(&EXAMPLE, language, facts)))) {
                Err(error) => Some(told(&error, name)),
                Ok(letter) => lack(&letter, facts).map(|says| problem(&format!("{name}{EXTENSION}"), None, says)),
            };
        examples.iter().filter_map(try_on).collect()
    }

    /// Variables that the examples have no value for, wherever they stand in the template.
    fn unknown_variables(&self, name: &str, kind: MailKind) -> Vec<TemplateProblem> {
        let mut known: BTreeSet<_> = Self::variables(kind).into_iter().collect();
        let told = known.iter().cloned().collect::<Vec<_>>().join(", ");
        known.extend(self.environment.globals().map(|(name, _)| name.to_owned()));
        known.insert(LAYOUT.to_owned());
        let part = parts_of(name).swap_remove(0);
        let Ok(template) = self.environment.get_template(&part) else { return Vec::new() };
        let unknown: BTreeSet<_> =
            template.undeclared_variables(false).into_iter().filter(|name| !known.contains(name)).collect();
        let found = |variable: String| {
            let line = template.source().lines().position(|line| names(line, &variable)).map(|at| at + 1);
            problem(&format!("{name}{EXTENSION}"), line, format!("unknown variable {variable}: allowed is {told}"))
        };
        unknown.into_iter().map(found).collect()
    }
}

/// The same source makes both parts; a layout makes one.
fn parts_of(name: &str) -> Vec<String> {
    match name.starts_with(LAYOUT) {
        true => vec![name.to_owned()],
        false => vec![format!("{name}.txt"), format!("{name}.html")],
    }
}

fn names(line: &str, variable: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == variable)
}

fn all_names() -> String {
    MailTemplates::file_names().collect::<Vec<_>>().join(", ")
}

/// Heading and facts as templates see them: no text of them can start a line, a header or another direction.
fn context(heading: &Heading<'_>, language: Language, facts: &Json) -> Json {
    let button = look::button(heading.accent);
    let mut context = serde_json::json!({
        "service": heading.service,
        "url": heading.url,
        "at": heading.at,
        "language": language.tag(),
        "accent": button.fill,
        "on_accent": button.on,
    });
    if let (Some(all), Some(facts)) = (context.as_object_mut(), facts.as_object()) {
        all.extend(facts.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    only_lines(context)
}

/// What a mail must have whoever wrote its template.
fn lack(letter: &Letter, facts: &Json) -> Option<String> {
    let mut links = Vec::new();
    collect_links(facts, &mut links);
    if let Some(link) = links.iter().find(|link| !letter.text.contains(**link) || !letter.html.contains(**link)) {
        return Some(format!("the link {link:?} is missing: allowed is button(link.url, \"label\") for each link"));
    }
    let raw = letter.html.contains("<dw-raw>");
    raw.then(|| "a variable isn't escaped in the HTML part: allowed is no autoescape block around it".to_owned())
}

fn collect_links<'a>(facts: &'a Json, links: &mut Vec<&'a str>) {
    match facts {
        Json::Object(all) => {
            links.extend(all.get("url").and_then(Json::as_str));
            all.values().for_each(|value| collect_links(value, links));
        }
        Json::Array(all) => all.iter().for_each(|value| collect_links(value, links)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

fn refused(says: String) -> Error {
    Error::new(minijinja::ErrorKind::InvalidOperation, says)
}

fn problem(file: &str, line: Option<usize>, says: String) -> TemplateProblem {
    TemplateProblem { file: file.to_owned(), line, says }
}

/// A template engine's error in the words of this project: which file, which line, what is wrong.
fn told(error: &Error, tried: &str) -> TemplateProblem {
    let name = error.name().unwrap_or(tried);
    let name = match name.starts_with(LAYOUT) {
        true => name,
        false => name.trim_end_matches(".txt").trim_end_matches(".html"),
    };
    let mut says = error.kind().to_string();
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(detail) = error.downcast_ref::<Error>().and_then(Error::detail) {
            says = format!("{says}: {detail}");
        }
        cause = error.source();
    }
    problem(&format!("{name}{EXTENSION}"), error.line(), says)
}

#[cfg(test)]
mod tests;
