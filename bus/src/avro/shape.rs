//! A schema as the codec walks it: named types stand where they are used, and each type says how its bytes are read.

use apache_avro::Schema;
use apache_avro::schema::{DecimalSchema, InnerDecimalSchema, Name, RecordField, RecordSchema, UuidSchema};
use serde_json::Value;
use std::collections::HashMap;

/// Most types that a schema may have once its named types stand where they are used. Ours have about 40.
const MOST_TYPES: usize = 5_000;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Null,
    Boolean,
    Int(Meaning),
    Long(Meaning),
    Float,
    Double,
    String,
    Bytes,
    /// A `decimal` without places after the point, in bytes: how our schemas have unsigned 64-bit numbers.
    Whole,
    Fixed(usize),
    Enum,
    Array(Box<Self>),
    Map(Box<Self>),
    Union(Vec<Self>),
    Record(Record),
}

/// What an `int` or a `long` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Number,
    /// Days since 1970.
    Date,
    /// Microseconds since 1970 UTC.
    Micros,
    /// Something that no type of ours counts.
    Other,
}

/// A record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Its name without namespace, and other names under which it was written.
    pub names: Vec<String>,
    /// Whether it stands for a variant of an enum: exactly one of its fields is not null. In our schemas such a record
    /// has the attribute `tagged`.
    pub tagged: bool,
    pub fields: Vec<Field>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub name: String,
    /// Other names under which it was written.
    pub aliases: Vec<String>,
    pub default: Option<Value>,
    /// Whether JSON has no such field where its value is the default. In our schemas such a field has the attribute
    /// `omitted`.
    pub omitted: bool,
    pub shape: Shape,
}

impl Shape {
    /// The type that a schema describes.
    ///
    /// # Errors
    /// Words for a person: the text is not a schema, or one that refers to itself, which a record of a few bytes could
    /// make as deep as it likes.
    pub fn parse(text: &str) -> Result<Self, String> {
        // It has arithmetic that fails on some numbers, such as the size of a decimal: that must not end the reader.
        let parsed = std::panic::catch_unwind(|| Schema::parse_str(text));
        let schema = parsed.map_err(|_| "the schema can't be read".to_owned())?.map_err(|error| error.to_string())?;
        Walk::default().shape(&schema)
    }

    /// What it is, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int(Meaning::Date) => "a date",
            Self::Int(_) => "int",
            Self::Long(Meaning::Micros) => "a timestamp in microseconds",
            Self::Long(_) => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Whole => "a decimal",
            Self::Fixed(_) => "fixed",
            Self::Enum => "an enum",
            Self::Array(_) => "an array",
            Self::Map(_) => "a map",
            Self::Union(_) => "a union",
            Self::Record(_) => "a record",
        }
    }
}

/// The walk through a schema.
#[derive(Default)]
struct Walk<'a> {
    named: HashMap<&'a Name, &'a Schema>,
    /// The records that the walk is in.
    open: Vec<&'a Name>,
    types: usize,
}

impl<'a> Walk<'a> {
    fn shape(&mut self, schema: &'a Schema) -> Result<Shape, String> {
        self.types += 1;
        if self.types > MOST_TYPES {
            return Err(format!("the schema has more than {MOST_TYPES} types"));
        }
        if let Schema::Ref { name } = schema {
            if self.open.contains(&name) {
                return Err(format!("the schema's record {name} contains itself"));
            }
            let target = *self.named.get(name).ok_or_else(|| format!("the schema does not say what {name} is"))?;
            return self.shape(target);
        }
        if let Some(name) = schema.name() {
            self.named.insert(name, schema);
        }
        Ok(match schema {
            Schema::Null => Shape::Null,
            Schema::Boolean => Shape::Boolean,
            Schema::Int => Shape::Int(Meaning::Number),
            Schema::Date => Shape::Int(Meaning::Date),
            Schema::TimeMillis => Shape::Int(Meaning::Other),
            Schema::Long => Shape::Long(Meaning::Number),
            Schema::TimestampMicros => Shape::Long(Meaning::Micros),
            Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Shape::Long(Meaning::Other),
            Schema::Float => Shape::Float,
            Schema::Double => Shape::Double,
            Schema::Decimal(DecimalSchema { scale: 0, inner: InnerDecimalSchema::Bytes, .. }) => Shape::Whole,
            Schema::Bytes
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::Bytes)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. }) => Shape::Bytes,
            Schema::String | Schema::Uuid(UuidSchema::String) => Shape::String,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed))
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => {
                Shape::Fixed(fixed.size)
            }
            Schema::Enum(_) => Shape::Enum,
            Schema::Array(array) => Shape::Array(Box::new(self.shape(&array.items)?)),
            Schema::Map(map) => Shape::Map(Box::new(self.shape(&map.types)?)),
            Schema::Union(union) => {
                Shape::Union(union.variants().iter().map(|variant| self.shape(variant)).collect::<Result<_, _>>()?)
            }
            Schema::Record(record) => Shape::Record(self.record(record)?),
            Schema::Ref { .. } => return Err("a name was not looked up".into()),
        })
    }

    fn record(&mut self, record: &'a RecordSchema) -> Result<Record, String> {
        self.open.push(&record.name);
        let fields = record.fields.iter().map(|field| self.field(field)).collect::<Result<_, _>>()?;
        self.open.pop();
        let aliases = record.aliases.iter().flatten().map(|alias| alias.name().to_owned());
        let names = std::iter::once(record.name.name().to_owned()).chain(aliases).collect();
        Ok(Record { names, tagged: record.attributes.get("tagged") == Some(&Value::Bool(true)), fields })
    }

    fn field(&mut self, field: &'a RecordField) -> Result<Field, String> {
        Ok(Field {
            name: field.name.clone(),
            aliases: field.aliases.clone(),
            default: field.default.clone(),
            omitted: field.custom_attributes.get("omitted") == Some(&Value::Bool(true)),
            shape: self.shape(&field.schema)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(schema: &str) -> String {
        Shape::parse(schema).unwrap_err()
    }

    #[test]
    fn a_schema_that_could_be_read_without_end_is_refused() {
        let list = r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}"#;
        assert!(fault(list).contains("List contains itself"), "{}", fault(list));
        // Each record has the one before twice: 2 to the power of 20 types.
        let mut nested = r#""int""#.to_owned();
        for depth in 0..20 {
            nested = format!(
                r#"{{"type":"record","name":"R{depth}","fields":[{{"name":"a","type":{nested}}},{{"name":"b","type":{}}}]}}"#,
                if depth == 0 { r#""int""#.to_owned() } else { format!(r#""R{}""#, depth - 1) },
            );
        }
        assert!(fault(&nested).contains("more than 5000 types"), "{}", fault(&nested));
        assert!(!fault("{").is_empty() && !fault(r#""nothing""#).is_empty());
        let large = r#"{"type":"record","name":"R","fields":[{"name":"d","default":"a","type":
            {"type":"fixed","name":"F","size":300000000,"logicalType":"decimal","precision":1}}]}"#;
        assert!(!fault(large).is_empty());
    }

    #[test]
    fn names_are_looked_up_and_logical_types_told_apart() {
        let schema = r#"{"type":"record","name":"a.R","fields":[
            {"name":"one","type":{"type":"record","name":"Inner","fields":[
                {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
                {"name":"ms","type":{"type":"long","logicalType":"timestamp-millis"}}]}},
            {"name":"two","type":["null","Inner"],"default":null,"omitted":true},
            {"name":"n","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":0}},
            {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}}]}"#;
        let Ok(Shape::Record(record)) = Shape::parse(schema) else { panic!("it is a record") };
        let [one, two, whole, parts] = record.fields.as_slice() else { panic!("{record:?}") };
        let Shape::Record(inner) = &one.shape else { panic!("{one:?}") };
        let inner_shapes: Vec<&Shape> = inner.fields.iter().map(|field| &field.shape).collect();
        assert_eq!(inner_shapes, [&Shape::Long(Meaning::Micros), &Shape::Long(Meaning::Other)]);
        assert_eq!(two.shape, Shape::Union(vec![Shape::Null, one.shape.clone()]));
        assert_eq!((two.omitted, two.default.as_ref()), (true, Some(&Value::Null)));
        assert_eq!((&whole.shape, &parts.shape), (&Shape::Whole, &Shape::Bytes));
        assert_eq!(record.names, ["R"]);
    }
}
