//! Bodies: JSON alone, bounded in size, depth and time, without fields that the endpoint doesn't know.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use zeroize::Zeroizing;

use crate::json::{self, Json, Malformed, shown};
use crate::problem::{Code, Problem};

/// The longest body.
pub(crate) const MAX_BYTES: usize = 64 * 1_024;
/// How long a client may take to send it.
const READ_TIME: Duration = Duration::from_secs(10);

/// A type that an endpoint takes as its body.
pub(crate) trait FromFields: Sized {
    /// Takes what it knows; whatever is left in `fields` is refused.
    fn take_from(fields: &mut Fields) -> Result<Self, Problem>;
}

/// Extracts a JSON object.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// Extracts nothing: an empty body, or an empty JSON object.
#[derive(Debug)]
pub(crate) struct NoBody;

impl FromFields for NoBody {
    fn take_from(_: &mut Fields) -> Result<Self, Problem> {
        Ok(Self)
    }
}

impl<S: Send + Sync, T: FromFields> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        object(&parts.headers, &bytes).map(Self)
    }
}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body).await?;
        if bytes.is_empty() { Ok(Self) } else { object(&parts.headers, &bytes) }
    }
}

pub(crate) fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(Code::InvalidRequest, detail)
}

fn object<T: FromFields>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(invalid("the body must be application/json"));
    }
    let json = json::parse(bytes).map_err(|Malformed { detail, field }| match field {
        Some(field) => invalid(detail).with_field(field),
        None => invalid(detail),
    })?;
    let Json::Object(entries) = json else { return Err(invalid("the body must be a JSON object")) };
    let mut fields = Fields { path: String::new(), entries };
    let read = T::take_from(&mut fields)?;
    fields.finish()?;
    Ok(read)
}

/// `application/json`, once; it has no parameters (RFC 8259 §11), but many programs name the only charset it can have.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter().map(HeaderValue::as_bytes);
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let mut parts = value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let is_type = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json"));
    let is_utf8 = |p: &[u8]| [&b"charset=utf-8"[..], b"charset=\"utf-8\""].iter().any(|c| p.eq_ignore_ascii_case(c));
    is_type && parts.next().is_none_or(is_utf8) && parts.next().is_none()
}

/// The bytes of a body, within its bounds.
pub(crate) async fn read(headers: &HeaderMap, body: Body) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let too_large = || invalid("the body is over 64 KiB").with_status(StatusCode::PAYLOAD_TOO_LARGE);
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BYTES) {
        return Err(too_large());
    }
    let reading = async {
        let (mut body, mut bytes) = (body, Zeroizing::new(Vec::with_capacity(announced.unwrap_or_default())));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| invalid("the body broke off"))?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            if bytes.len() + data.len() > MAX_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(data);
        }
        Ok(bytes)
    };
    let too_slow = |_| invalid("the body took too long to arrive").with_status(StatusCode::REQUEST_TIMEOUT);
    tokio::time::timeout(READ_TIME, reading).await.map_err(too_slow)?
}

/// The fields of a JSON object, each to be taken once and by its type.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    entries: BTreeMap<String, Json>,
}

impl Fields {
    /// A text that must be there.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, Problem> {
        self.optional_text(name)?.ok_or_else(|| self.refuse(name, "must be given as a text"))
    }

    /// A text that may be absent or null.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.entries.remove(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(mut text)) => Ok(Some(std::mem::take(&mut *text))),
            Some(Json::Bool(_) | Json::Number(_) | Json::List | Json::Object(_)) => {
                Err(self.refuse(name, "must be a text"))
            }
        }
    }

    /// A whole number that may be absent or null.
    pub(crate) fn optional_number(&mut self, name: &'static str) -> Result<Option<u32>, Problem> {
        match self.entries.remove(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Number(Some(value))) if u32::try_from(value).is_ok() => Ok(u32::try_from(value).ok()),
            Some(Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List | Json::Object(_)) => {
                Err(self.refuse(name, "must be a whole number"))
            }
        }
    }

    /// A text of a kind of its own, that may be absent or null.
    pub(crate) fn optional<T: FromStr>(&mut self, name: &'static str, kind: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.optional_text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.refuse(name, kind))
    }

    /// A yes or no that must be there.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<bool, Problem> {
        match self.entries.remove(name) {
            Some(Json::Bool(value)) => Ok(value),
            None | Some(Json::Null | Json::Text(_) | Json::Number(_) | Json::List | Json::Object(_)) => {
                Err(self.refuse(name, "must be true or false"))
            }
        }
    }

    /// A yes or no that may be absent or null.
    pub(crate) fn optional_boolean(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        match self.entries.get(name) {
            None | Some(Json::Null) => Ok(self.entries.remove(name).and(None)),
            Some(_) => self.boolean(name).map(Some),
        }
    }

    /// An object; one that is absent or null is read as an empty one.
    pub(crate) fn object<T: FromFields>(&mut self, name: &'static str) -> Result<T, Problem> {
        let path = format!("{}{name}.", self.path);
        let mut fields = Self { path, entries: self.entries_of(name)? };
        let read = T::take_from(&mut fields)?;
        fields.finish()?;
        Ok(read)
    }

    /// An object of texts, whatever their names; null is read as absent.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<BTreeMap<String, String>, Problem> {
        let entries = self.entries_of(name)?;
        let text = |(inner, value): (String, Json)| match value {
            Json::Null => None,
            Json::Text(mut text) => Some(Ok((inner, std::mem::take(&mut *text)))),
            Json::Bool(_) | Json::Number(_) | Json::List | Json::Object(_) => {
                Some(Err(self.refuse(&format!("{name}.{}", shown(&inner)), "must be a text")))
            }
        };
        entries.into_iter().filter_map(text).collect()
    }

    fn entries_of(&mut self, name: &'static str) -> Result<BTreeMap<String, Json>, Problem> {
        match self.entries.remove(name) {
            None | Some(Json::Null) => Ok(BTreeMap::new()),
            Some(Json::Object(entries)) => Ok(entries),
            Some(Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List) => {
                Err(self.refuse(name, "must be an object"))
            }
        }
    }

    fn finish(self) -> Result<(), Problem> {
        match self.entries.keys().next() {
            Some(unknown) => Err(self.refuse(&shown(unknown), "isn't known here")),
            None => Ok(()),
        }
    }

    pub(crate) fn refuse(&self, name: &str, problem: &str) -> Problem {
        let field = format!("{}{name}", self.path);
        invalid(format!("{field} {problem}")).with_field(field)
    }
}
