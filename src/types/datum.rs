//! One value in the form in which it is stored.

/// A value as SQLite stores it. Which PostgreSQL value that is depends on the type.
#[derive(Clone, PartialEq, Debug)]
pub enum Datum {
    /// NULL
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A double, never NaN.
    Real(f64),
    /// Text without NUL characters.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A borrowed [`Datum`], often straight from SQLite's column memory.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum DatumRef<'a> {
    /// NULL
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A double, never NaN.
    Real(f64),
    /// Text without NUL characters.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

impl Datum {
    /// Borrows the value.
    pub fn as_ref(&self) -> DatumRef<'_> {
        match self {
            Datum::Null => DatumRef::Null,
            Datum::Integer(value) => DatumRef::Integer(*value),
            Datum::Real(value) => DatumRef::Real(*value),
            Datum::Text(value) => DatumRef::Text(value),
            Datum::Blob(value) => DatumRef::Blob(value),
        }
    }

    /// Whether NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Datum::Null)
    }

    /// Text from anything that becomes a string.
    pub fn text(value: impl Into<String>) -> Datum {
        Datum::Text(value.into())
    }

    /// A boolean's stored form.
    pub fn bool(value: bool) -> Datum {
        Datum::Integer(value.into())
    }
}

impl<'a> DatumRef<'a> {
    /// Copies the value.
    pub fn to_owned(self) -> Datum {
        match self {
            DatumRef::Null => Datum::Null,
            DatumRef::Integer(value) => Datum::Integer(value),
            DatumRef::Real(value) => Datum::Real(value),
            DatumRef::Text(value) => Datum::Text(value.to_owned()),
            DatumRef::Blob(value) => Datum::Blob(value.to_owned()),
        }
    }

    /// Whether NULL.
    pub fn is_null(self) -> bool {
        matches!(self, DatumRef::Null)
    }

    /// The integer. The binder guarantees the class; a broken promise is a programmer's error.
    #[track_caller]
    pub fn integer(self) -> i64 {
        match self {
            DatumRef::Integer(value) => value,
            other => panic!("an integer was promised, not {other:?}"),
        }
    }

    /// The double; the stored text `NaN` becomes one again.
    #[track_caller]
    pub fn real(self) -> f64 {
        match self {
            DatumRef::Real(value) => value,
            DatumRef::Integer(value) => value as f64,
            DatumRef::Text("NaN") => f64::NAN,
            other => panic!("a double was promised, not {other:?}"),
        }
    }

    /// The text.
    #[track_caller]
    pub fn text(self) -> &'a str {
        match self {
            DatumRef::Text(value) => value,
            other => panic!("text was promised, not {other:?}"),
        }
    }

    /// The bytes.
    #[track_caller]
    pub fn blob(self) -> &'a [u8] {
        match self {
            DatumRef::Blob(value) => value,
            other => panic!("bytes were promised, not {other:?}"),
        }
    }
}

/// Where a query's rows go, one at a time, still in SQLite's memory.
pub trait RowSink {
    /// Takes a row. `Break` asks for no more for now: the sink's buffer is full.
    fn row(&mut self, values: &[DatumRef<'_>]) -> std::ops::ControlFlow<()>;
}
