//! JSON read strictly (RFC 8259, and RFC 7493 §2.3: no name twice): a bounded tree, never more than one value.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// How deep objects and lists may stand in each other.
pub(crate) const MAX_DEPTH: usize = 32;
const NAME_SHOWN: usize = 64;

/// A value. Texts may be passwords: they are wiped.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// Its value, if it is whole and not below 0.
    Number(Option<u64>),
    Text(Zeroizing<String>),
    List,
    Object(BTreeMap<String, Json>),
}

/// Why a text isn't one JSON value within the bounds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) detail: &'static str,
    pub(crate) field: Option<String>,
}

/// Reads exactly one value.
pub(crate) fn parse(text: &[u8]) -> Result<Json, Malformed> {
    let malformed = |detail| Malformed { detail, field: None };
    let found = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let read = Value { path: &Path::Root, depth: 0, found: &found }.deserialize(&mut reader);
    let json = read.map_err(|_| found.take().unwrap_or(malformed("the body isn't well-formed JSON in UTF-8")))?;
    reader.end().map_err(|_| malformed("the body is more than one JSON value"))?;
    Ok(json)
}

/// The names that lead to a value; written out only when something is wrong with it.
#[derive(Debug)]
enum Path<'a> {
    Root,
    Below(&'a Path<'a>, &'a str),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Below(Self::Root, name) => f.write_str(&shown(name)),
            Self::Below(parent, name) => write!(f, "{parent}.{}", shown(name)),
        }
    }
}

/// A name from a request, short enough to be told back, and with nothing in it that hides or turns what follows.
pub(crate) fn shown(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c.is_alphanumeric() { c } else { '\u{fffd}' };
    name.chars().take(NAME_SHOWN).map(plain).collect()
}

struct Value<'a> {
    path: &'a Path<'a>,
    depth: usize,
    found: &'a RefCell<Option<Malformed>>,
}

impl Value<'_> {
    fn refuse<E: Error>(&self, detail: &'static str, path: &Path<'_>) -> E {
        let field = Some(path.to_string()).filter(|field| !field.is_empty());
        *self.found.borrow_mut() = Some(Malformed { detail, field });
        E::custom(detail)
    }

    fn deeper<E: Error>(&self) -> Result<usize, E> {
        match self.depth < MAX_DEPTH {
            true => Ok(self.depth + 1),
            false => Err(self.refuse("the body is nested too deep", self.path)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(Some(value)))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json, E> {
        Ok(Json::Number(None))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(Zeroizing::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let depth = self.deeper()?;
        while items.next_element_seed(Value { depth, ..self })?.is_some() {}
        Ok(Json::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let (depth, mut read) = (self.deeper()?, BTreeMap::new());
        while let Some(name) = entries.next_key::<String>()? {
            let path = Path::Below(self.path, &name);
            if read.contains_key(&name) {
                return Err(self.refuse("a field is given twice", &path));
            }
            let value = entries.next_value_seed(Value { path: &path, depth, found: self.found })?;
            read.insert(name, value);
        }
        Ok(Json::Object(read))
    }
}
