//! Values as rows: a key that is searched and a JSON body.
//!
//! The body is text and not `jsonb`: what is read is byte for byte what was written.

use std::fmt;

use doorwarden_core::user::Revision;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::fault::Trouble;

/// A LIMIT.
pub(crate) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The parameters of a statement that a task owns.
pub(crate) type Values = Vec<Box<dyn ToSql + Send + Sync>>;

/// Boxes the parameters of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => {{
        let values: $crate::record::Values = vec![$(Box::new($value)),*];
        values
    }};
}
pub(crate) use values;

/// The same, as a statement takes them.
pub(crate) fn borrowed(values: &Values) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
}

/// A text without the one character that PostgreSQL's text can't hold.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// An id as PostgreSQL stores it.
pub(crate) const fn uuid(bytes: &[u8; 16]) -> Uuid {
    Uuid::from_bytes(*bytes)
}

/// A revision as PostgreSQL stores it.
pub(crate) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.number()).unwrap_or(i64::MAX)
}

/// A value as the text of a body column.
pub(crate) fn to_body<T: Serialize>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value).map_err(|error| Trouble::Unwritable(place(&error)))
}

/// The value of a row that has a body in column 0; `key` names the record if it can't be read.
pub(crate) fn from_row<T: DeserializeOwned>(
    table: &'static str,
    key: impl fmt::Display,
    row: &Row,
) -> Result<T, Trouble> {
    let unreadable = |why| Trouble::Unreadable { table, key: key.to_string(), why };
    let body: &str = row.try_get(0).map_err(|_| unreadable("not a text".to_owned()))?;
    serde_json::from_str(body).map_err(|error| unreadable(place(&error)))
}

/// The value of a row that has a body in column 0 and its id in column 1.
pub(crate) fn by_id<T: DeserializeOwned>(table: &'static str, row: &Row) -> Result<T, Trouble> {
    from_row(table, row.try_get::<_, Uuid>(1)?, row)
}

/// A key column as it is written in SQL, so that the record that a fault names can be looked up.
pub(crate) fn sql_bytes(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("\\x"), |text, byte| text + &format!("{byte:02x}"))
}

/// Where JSON is wrong. Its own message may quote the value, and values can be secrets.
fn place(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "input or output",
        serde_json::error::Category::Syntax => "no JSON",
        serde_json::error::Category::Data => "another shape than expected",
        serde_json::error::Category::Eof => "cut off",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}
