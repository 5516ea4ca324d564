//! Values as rows: a key that is searched and a JSON body.

use std::fmt::Write as _;

use rusqlite::{Connection, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault::Trouble;

/// A LIMIT; SQLite takes a negative one for none.
pub(crate) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// The value of the only row, if there is one.
pub(crate) fn one<T: DeserializeOwned>(
    connection: &Connection,
    table: &'static str,
    statement: &str,
    params: impl Params,
) -> Result<Option<T>, Trouble> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(|row| from_row(table, row)).transpose()
}

/// The values of all rows.
pub(crate) fn all<T: DeserializeOwned>(
    connection: &Connection,
    table: &'static str,
    statement: &str,
    params: impl Params,
) -> Result<Vec<T>, Trouble> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push(from_row(table, row)?);
    }
    Ok(values)
}

/// A row's key, and its value or why that can't be read.
pub(crate) type Keyed<T> = ([u8; 16], Result<T, Trouble>);

/// The values of all rows with their keys, each or why it can't be read.
pub(crate) fn each<T: DeserializeOwned>(
    connection: &Connection,
    table: &'static str,
    statement: &str,
    params: impl Params,
) -> Result<Vec<Keyed<T>>, Trouble> {
    let mut statement = connection.prepare_cached(statement)?;
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        values.push((row.get(0)?, from_row(table, row)));
    }
    Ok(values)
}

/// A key column as it is written in SQL, so that the record that a fault names can be looked up.
pub(crate) fn sql_blob(bytes: &[u8]) -> String {
    let mut text = String::from("x'");
    for byte in bytes {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text + "'"
}

/// A value as the text of a body column.
pub(crate) fn to_body<T: Serialize>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value).map_err(|error| Trouble::Unwritable(place(&error)))
}

/// The value of a row that begins with a BLOB key and a body.
pub(crate) fn from_row<T: DeserializeOwned>(table: &'static str, row: &Row<'_>) -> Result<T, Trouble> {
    let key: Vec<u8> = row.get(0)?;
    let unreadable = |why| Trouble::Unreadable { table, key: sql_blob(&key), why };
    from_column(row, 1).map_err(unreadable)
}

/// The value of a body column, or why it can't be read.
pub(crate) fn from_column<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, String> {
    let body = row.get_ref(column).map_err(|error| error.to_string())?;
    let body = body.as_str().map_err(|_| "not a text".to_owned())?;
    serde_json::from_str(body).map_err(|error| place(&error))
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn fa4_an_unreadable_record_is_named_and_never_quoted() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let read = connection.query_row("SELECT x'00ff', '{\"mode\":\"hunter2\"}'", [], |row| {
            Ok(from_row::<doorwarden_core::session::Session>("sessions", row))
        });
        let fault = read.unwrap().unwrap_err().in_file("loading session", "s", Path::new("/d/w.db"));
        assert!(!fault.retryable());
        assert_eq!(
            fault.to_string(),
            "loading session s in /d/w.db: the record x'00ff' of table sessions can't be read \
             (another shape than expected at line 1 column 17): restore it from a backup"
        );
    }
}
