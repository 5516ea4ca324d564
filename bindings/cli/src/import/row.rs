//! A line's values by name, and the account that they are. What is told of a bad one never repeats a value.

use std::fmt;

use doorwarden::core::import::{ForeignHash, ImportRefusal, ImportedUser};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// What a line may have, beside `fields.NAME`.
const KNOWN: [&str; 9] = [
    "email",
    "username",
    "full_name",
    "role",
    "verified",
    "password_hash",
    "disabled",
    "must_change_password",
    "created_at",
];

const FIELD: &str = "fields.";

/// Why a line isn't imported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineRefusal {
    pub(super) field: Option<String>,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl LineRefusal {
    /// The line as a whole can't be read.
    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self { field: None, code: "invalid_request", reason: reason.into() }
    }

    fn of(field: &str, reason: &str) -> Self {
        Self { field: Some(field.to_owned()), code: "invalid_request", reason: reason.to_owned() }
    }
}

impl From<ImportRefusal> for LineRefusal {
    fn from(refusal: ImportRefusal) -> Self {
        let (field, code) = (Some(refusal.field().to_owned()), refusal.code());
        Self { field, code, reason: refusal.reason().to_owned() }
    }
}

impl fmt::Display for LineRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{field} {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// Values by name, in the order of the line.
pub(super) struct Row(Vec<(String, Value)>);

/// The columns of a CSV file.
#[derive(Debug)]
pub(super) struct Header(Vec<String>);

impl Header {
    /// Reads the first line; what is wrong with it, as words.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        let names: Vec<String> = values(line).map_err(|refusal| refusal.reason)?;
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        for (at, name) in names.iter().enumerate() {
            if !is_known(name) {
                return Err(format!("column {} has no name that is known: known are {}", at + 1, known()));
            }
            if names.iter().take(at).any(|earlier| earlier == name) {
                return Err(format!("there are two columns {name}"));
            }
        }
        if !names.iter().any(|name| name == "email") {
            return Err(format!("there is no column email: known are {}", known()));
        }
        Ok(Self(names))
    }

    /// A line under it.
    pub(super) fn row(&self, line: &str) -> Result<Row, LineRefusal> {
        let values = values(line)?;
        if values.len() != self.0.len() {
            let count = format!("has {} values, and the header {}", values.len(), self.0.len());
            return Err(LineRefusal::whole(count));
        }
        Ok(Row(self.0.iter().cloned().zip(values.into_iter().map(Value::String)).collect()))
    }
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || name.strip_prefix(FIELD).is_some_and(is_plain)
}

fn is_plain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

fn known() -> String {
    format!("{}, {FIELD}NAME", KNOWN.join(", "))
}

/// The values of one line of CSV.
fn values(line: &str) -> Result<Vec<String>, LineRefusal> {
    // A second record shows that the first one ended with its line: an open quote swallows it.
    let input = format!("{line}\nend\n");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .buffer_capacity(1_024)
        .from_reader(input.as_bytes());
    let records: Result<Vec<csv::StringRecord>, _> = reader.records().take(3).collect();
    match records.as_deref() {
        Ok([values, end]) if end.iter().eq(["end"]) => Ok(values.iter().map(str::to_owned).collect()),
        _ => Err(LineRefusal::whole("has a quote that isn't closed, or a line end within")),
    }
}

impl Row {
    /// A line of JSON.
    pub(super) fn of_json(line: &str) -> Result<Self, LineRefusal> {
        // The parser's own words may repeat a value.
        serde_json::from_str(line).map_err(|error| {
            let what = if error.is_data() { "isn't a JSON object" } else { "isn't JSON" };
            LineRefusal::whole(format!("{what}: look at its column {}", error.column()))
        })
    }

    /// The account; `cut_at_72`: its hash was made by a system that cuts passwords.
    pub(super) fn account(self, cut_at_72: bool) -> Result<ImportedUser, LineRefusal> {
        let mut account = ImportedUser::new("");
        let mut seen: Vec<String> = Vec::new();
        for (name, value) in self.0 {
            if seen.contains(&name) {
                return Err(LineRefusal::of(&name, "is given twice"));
            }
            if name == "fields" {
                let Value::Object(fields) = value else { return Err(LineRefusal::of("fields", "isn't an object")) };
                for (name, value) in fields {
                    set_field(&mut account, &name, value)?;
                }
            } else if let Some(name) = name.strip_prefix(FIELD) {
                set_field(&mut account, name, value)?;
            } else if KNOWN.contains(&name.as_str()) {
                set(&mut account, &name, value, cut_at_72)?;
            } else {
                return Err(unknown(&name));
            }
            seen.push(name);
        }
        if account.email.is_empty() {
            return Err(LineRefusal { code: "field_required", ..LineRefusal::of("email", "is required") });
        }
        Ok(account)
    }
}

fn unknown(name: &str) -> LineRefusal {
    let reason = format!("isn't known: known are {}", known());
    if is_plain(name) { LineRefusal::of(name, &reason) } else { LineRefusal::whole(format!("a name in it {reason}")) }
}

fn set_field(account: &mut ImportedUser, name: &str, value: Value) -> Result<(), LineRefusal> {
    if !is_plain(name) {
        return Err(LineRefusal::of("fields", "has a name that isn't 1 to 64 of a-z, 0-9 and _"));
    }
    let shown = format!("{FIELD}{name}");
    if let Some(text) = text(&shown, value)?
        && account.fields.insert(name.to_owned(), text).is_some()
    {
        return Err(LineRefusal::of(&shown, "is given twice"));
    }
    Ok(())
}

fn set(account: &mut ImportedUser, name: &str, value: Value, cut_at_72: bool) -> Result<(), LineRefusal> {
    match name {
        "verified" => account.email_verified = truth(name, value)?.unwrap_or(true),
        "disabled" => account.disabled = truth(name, value)?.unwrap_or(false),
        "must_change_password" => account.must_change_password = truth(name, value)?.unwrap_or(false),
        "created_at" => {
            let read = text(name, value)?.map(|text| text.parse()).transpose();
            let wrong = |_| LineRefusal::of(name, "isn't RFC 3339, such as 2027-01-15T08:00:00Z");
            account.created_at = read.map_err(wrong)?;
        }
        "password_hash" => {
            account.password_hash = text(name, value)?.map(|hash| ForeignHash::new(hash, cut_at_72));
        }
        "email" => account.email = text(name, value)?.unwrap_or_default(),
        "username" => account.username = text(name, value)?,
        "full_name" => account.full_name = text(name, value)?,
        _ => account.role = text(name, value)?,
    }
    Ok(())
}

/// A text; one that is empty isn't given.
fn text(name: &str, value: Value) -> Result<Option<String>, LineRefusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        _ => Err(LineRefusal::of(name, "isn't a text")),
    }
}

/// Yes or no, as JSON and as databases write it.
fn truth(name: &str, value: Value) -> Result<Option<bool>, LineRefusal> {
    if let Value::Bool(truth) = value {
        return Ok(Some(truth));
    }
    let wrong = || LineRefusal::of(name, "isn't true or false");
    let Some(text) = text(name, value).map_err(|_| wrong())? else { return Ok(None) };
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Ok(Some(true)),
        "false" | "f" | "0" => Ok(Some(false)),
        _ => Err(wrong()),
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Row(pairs))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const HASH: &str = "$2a$04$PcS6nhSWZbDtbBKXl/Vedekv3obVNa5v5f3Kn9XQQStFzBgnrK5HG";

    fn json(line: &str) -> Result<ImportedUser, LineRefusal> {
        Row::of_json(line)?.account(false)
    }

    fn csv(header: &str, line: &str) -> Result<ImportedUser, LineRefusal> {
        Header::read(header).unwrap().row(line)?.account(false)
    }

    #[test]
    fn both_formats_say_the_same() {
        let header = "email,username,full_name,role,verified,disabled,must_change_password,created_at,fields.team";
        let of_csv = csv(header, "a@b.example,ada,\"Byron, \"\"Ada\"\"\",lead,F,1,true,2020-01-02T03:04:05Z,blue");
        let of_json = json(
            r#"{"email":"a@b.example","username":"ada","full_name":"Byron, \"Ada\"","role":"lead","verified":false,
            "disabled":true,"must_change_password":true,"created_at":"2020-01-02T04:04:05+01:00","fields":{"team":"blue"}}"#,
        );
        assert_eq!(format!("{:?}", of_csv.unwrap()), format!("{:?}", of_json.unwrap()));
        let bare = csv("email,verified,role", "a@b.example,,").unwrap();
        assert_eq!(format!("{bare:?}"), format!("{:?}", json(r#"{"email":"a@b.example","role":null}"#).unwrap()));
        assert!(bare.email_verified && bare.role.is_none());
    }

    #[test]
    fn pw3_pw4_what_is_wrong_is_named_and_no_value_is_repeated() {
        let header = "email,verified,created_at";
        for (refused, field) in [
            (csv(header, &format!("a@b.example,{HASH},")), Some("verified")),
            (csv(header, &format!("a@b.example,,{HASH}")), Some("created_at")),
            (csv(header, &format!("a@b.example,\"{HASH}")), None),
            (csv(header, &format!("a@b.example,{HASH}")), None),
            (csv(header, &format!("a@b.example,{HASH}\r,")), None),
            (csv(header, ",,"), Some("email")),
            (json(&format!(r#"{{"email":"a@b.example","verified":"{HASH}"}}"#)), Some("verified")),
            (json(&format!(r#"{{"email":["{HASH}"]}}"#)), Some("email")),
            (json(&format!(r#"{{"email":"a@b.example","{HASH}":1}}"#)), None),
            (json(&format!(r#"{{"email":"a@b.example","fields":{{"{HASH}":1}}}}"#)), Some("fields")),
            (json(r#"{"email":"a@b.example","passwrd":"x"}"#), Some("passwrd")),
            (json(r#"{"email":"a@b.example","email":"c@b.example"}"#), Some("email")),
            (json(r#"{"email":"a@b.example","fields":{"a":"x"},"fields.a":"y"}"#), Some("fields.a")),
            (json(&format!(r#""{HASH}""#)), None),
            (json(&format!(r#"{{"email":"{HASH}"#)), None),
            (json(r#"{"email":"a@b.example"} {"#), None),
            (json("{}"), Some("email")),
        ] {
            let refusal = refused.unwrap_err();
            assert_eq!(refusal.field.as_deref(), field, "{refusal}");
            assert!(!refusal.to_string().contains("PcS6nhSWZ"), "{refusal}");
        }
    }

    /// Pieces of CSV and JSON, and what ends or begins something in either.
    fn line() -> impl Strategy<Value = String> {
        let pieces = select(vec![
            "email",
            "username",
            "password_hash",
            "fields",
            "fields.team",
            "verified",
            "created_at",
            "role",
            ",",
            ",,",
            "\"",
            "\"\"",
            "'",
            "\r",
            "\t",
            " ",
            "\u{feff}",
            "\u{0}",
            "\u{202e}",
            "{",
            "}",
            "[",
            "]",
            ":",
            "{\"email\":\"a@b.example\"",
            "\\",
            "\\u0000",
            "\\ud800",
            "null",
            "true",
            "1e999",
            "-1",
            "a@b.example",
            "ada",
            "2020-01-02T03:04:05Z",
            HASH,
            "😀",
            "ſ",
            "=1+1",
        ]);
        let pieces = prop::collection::vec(pieces, 0..16).prop_map(|pieces| pieces.concat());
        prop_oneof![4 => pieces, 1 => "\\PC{0,60}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn fa2_no_line_of_an_import_panics_and_no_refusal_repeats_a_hash(first in line(), second in line()) {
            for read in [&first, &second].map(|line| json(line).map(drop)) {
                prop_assert!(read.err().is_none_or(|refusal| !refusal.to_string().contains("PcS6nhSWZ")));
            }
            for header in [&*first, "email,password_hash,verified,created_at,fields.team"] {
                let Ok(header) = Header::read(header) else { continue };
                let read = header.row(&second).and_then(|row| row.account(true)).map(drop);
                prop_assert!(read.err().is_none_or(|refusal| !refusal.to_string().contains("PcS6nhSWZ")));
            }
        }
    }

    #[test]
    fn a_header_that_can_t_be_meant_is_refused_whole() {
        for (header, says) in [
            ("username", "no column email"),
            ("email,passwort", "column 2 has no name"),
            ("email,role,email", "two columns email"),
            ("email,\"role", "quote that isn't closed"),
            ("a@b.example,$2a$04$", "column 1 has no name"),
        ] {
            let told = Header::read(header).unwrap_err();
            assert!(told.contains(says) && !told.contains("$2a"), "{told}");
        }
        assert!(Header::read(" email , fields.team").is_ok());
    }
}
