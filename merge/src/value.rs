//! The five storage classes of SQLite, exactly.

/// An owned SQLite value.
///
/// `PartialEq` is identity of class and bits, not SQL equality: see [`crate::compare_values`] for that.
/// Text is bytes, since SQLite text need not be valid UTF-8.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// NULL.
    #[default]
    Null,
    /// A signed 64-bit integer.
    Integer(i64),
    /// A double, never NaN: SQLite stores NaN as NULL.
    Real(f64),
    /// Text in the bytes that SQLite holds.
    Text(Box<[u8]>),
    /// A blob.
    Blob(Box<[u8]>),
}

/// A borrowed SQLite value.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// NULL.
    Null,
    /// A signed 64-bit integer.
    Integer(i64),
    /// A double, never NaN.
    Real(f64),
    /// Text in the bytes that SQLite holds.
    Text(&'a [u8]),
    /// A blob.
    Blob(&'a [u8]),
}

impl Value {
    /// Text from a string.
    pub fn text(text: &str) -> Value {
        Value::Text(text.as_bytes().into())
    }

    /// The same value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(bytes) => ValueRef::Text(bytes),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &ValueRef<'_>) -> bool {
        match (self, other) {
            (ValueRef::Null, ValueRef::Null) => true,
            (ValueRef::Integer(a), ValueRef::Integer(b)) => a == b,
            (ValueRef::Real(a), ValueRef::Real(b)) => a.to_bits() == b.to_bits(),
            (ValueRef::Text(a), ValueRef::Text(b)) | (ValueRef::Blob(a), ValueRef::Blob(b)) => a == b,
            (ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_), _) => {
                false
            }
        }
    }
}

impl ValueRef<'_> {
    /// Whether this is NULL, or a NaN, which SQLite makes NULL of.
    pub fn is_null(self) -> bool {
        match self {
            ValueRef::Null => true,
            ValueRef::Real(real) => real.is_nan(),
            ValueRef::Integer(_) | ValueRef::Text(_) | ValueRef::Blob(_) => false,
        }
    }

    /// Bytes that the value takes outside its enum when it is owned.
    pub fn heap_bytes(self) -> usize {
        match self {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
        }
    }

    /// The same value, owned.
    pub fn to_owned(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::Real(real) => Value::Real(real),
            ValueRef::Text(bytes) => Value::Text(bytes.into()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
        }
    }
}
