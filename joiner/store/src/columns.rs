//! Rows that are written from lists of columns.
//!
//! `#[derive(Row)]` takes the columns from the fields of one struct. Here some follow from [`Horizon::ALL`] and some are
//! shared by two tables, so a row says which lists it is made of, and names, values and SQL types come from them.
//!
//! [`Horizon::ALL`]: tapewire_core::Horizon::ALL

use jiff::Timestamp;
use serde::ser::{Serialize, Serializer};

/// A column as `ALTER TABLE` adds it where it is missing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub name: &'static str,
    pub sql_type: &'static str,
    pub comment: &'static str,
}

/// The ClickHouse type that a value is written as.
pub(crate) trait SqlType {
    const SQL: &'static str;
}

macro_rules! sql_types {
    ($($rust:ty: $sql:literal),* $(,)?) => {$(
        impl SqlType for $rust {
            const SQL: &'static str = $sql;
        }
        impl SqlType for Option<$rust> {
            const SQL: &'static str = concat!("Nullable(", $sql, ")");
        }
    )*};
}

sql_types! {
    &str: "String",
    f64: "Float64",
    u16: "UInt16",
    u32: "UInt32",
    u64: "UInt64",
    bool: "Bool",
    Micros: "DateTime64(6, 'UTC')",
}

impl SqlType for Vec<String> {
    const SQL: &'static str = "Array(String)";
}

/// A moment as tables have it: microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Micros(Timestamp);

impl From<Timestamp> for Micros {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(self.0.as_microsecond())
    }
}

/// Declares a list of columns: `/// comment`, name, Rust type and value of each. The list is a type with `COLUMNS` and
/// `put`, which writes the values in the same order.
macro_rules! columns {
    ($list:ident($($from:ident: $of:ty),*) {
        $($(#[doc = $comment:literal])? $column:ident: $type:ty = $value:expr;)*
    }) => {
        pub(crate) struct $list;

        impl $list {
            pub(crate) const COLUMNS: &'static [$crate::columns::Column] = &[$($crate::columns::Column {
                name: stringify!($column),
                sql_type: <$type as $crate::columns::SqlType>::SQL,
                comment: concat!($($comment)?),
            }),*];

            pub(crate) fn put<S: serde::ser::SerializeStruct>(to: &mut S, $($from: $of),*) -> Result<(), S::Error> {
                $(to.serialize_field(stringify!($column), &{
                    let value: $type = $value;
                    value
                })?;)*
                Ok(())
            }
        }
    };
}

/// Makes `$row` a row of the columns in `$columns`. The documentation of `clickhouse` says to derive the trait and not
/// to implement it. The trait's parts are public for the derive, and this is what the derive would write.
macro_rules! row_of {
    ($row:ident, $columns:expr) => {
        impl clickhouse::Row for $row {
            const NAME: &'static str = stringify!($row);
            const COLUMN_NAMES: &'static [&'static str] = &$crate::columns::names::<{ $columns.len() }>(&$columns);
            const COLUMN_COUNT: usize = $columns.len();
            const KIND: clickhouse::_priv::RowKind = clickhouse::_priv::RowKind::Struct;
            type Value<'a> = Self;
        }
    };
}

pub(crate) use {columns, row_of};

/// Several lists as one. `N` is the sum of their lengths.
pub(crate) const fn joined<const N: usize>(lists: &[&[Column]]) -> [Column; N] {
    let mut all = [Column { name: "", sql_type: "", comment: "" }; N];
    let (mut list, mut n) = (0, 0);
    while list < lists.len() {
        let mut column = 0;
        while column < lists[list].len() {
            all[n] = lists[list][column];
            n += 1;
            column += 1;
        }
        list += 1;
    }
    assert!(n == N, "as many columns as the lists have");
    all
}

pub(crate) const fn names<const N: usize>(columns: &[Column]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut n = 0;
    while n < N {
        names[n] = columns[n].name;
        n += 1;
    }
    names
}
