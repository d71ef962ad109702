//! Values and rows, to and from what the marketplace speaks of.

use souk_merge::Value;

use crate::error::{Error, Result};

/// A text as a parameter.
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().into())
}

/// The values of one row, taken from the left.
pub(crate) struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub(crate) fn new(values: Vec<Value>) -> Row {
        Row(values.into_iter())
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        match self.0.next() {
            Some(Value::Text(bytes)) => String::from_utf8(bytes.into_vec())
                .map_err(|_| Error::internal("a column holds a text that is no UTF-8: it was not written here")),
            other => Err(Error::internal(format!("a column holds {other:?} where a text was expected"))),
        }
    }

    pub(crate) fn integer(&mut self) -> Result<i64> {
        match self.0.next() {
            Some(Value::Integer(integer)) => Ok(integer),
            other => Err(Error::internal(format!("a column holds {other:?} where an integer was expected"))),
        }
    }

    /// JSON, as it was written.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&mut self) -> Result<T> {
        let text = self.text()?;
        serde_json::from_str(&text).map_err(|error| Error::internal(format!("a column holds other JSON: {error}")))
    }
}

/// JSON as a parameter.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<Value> {
    let written = serde_json::to_string(value);
    Ok(text(&written.map_err(|error| Error::internal(format!("JSON cannot be written: {error}")))?))
}
