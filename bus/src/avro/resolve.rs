//! How a record that was written by one schema is read by another: the rules of "Schema Resolution" in Avro's
//! specification, for the types that our schemas have. They are applied once for each schema of a writer.
//!
//! The crate apache-avro resolves values that are read already, by what they look like, and takes a record that ends
//! too early for one whose last fields are null. Here what can't be resolved is refused.

use super::shape::{Field, Meaning, Record, Shape};
use super::{encode, read};
use serde_json::Value;

/// What to do with a value of the writer's to have JSON of the reader's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    Null,
    Boolean,
    Int,
    Long,
    IntegerAsDouble,
    Date,
    Whole,
    Float,
    Double,
    String,
    Array(Box<Self>),
    /// For each type of the writer's union what to do, or why it can't be read.
    Union(Vec<Result<Self, String>>),
    Record(RecordPlan),
}

/// What to do with a record of the writer's.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RecordPlan {
    /// What to do with each of the writer's fields, in the writer's order.
    pub steps: Vec<Step>,
    /// The fields that the writer does not have, as JSON: `"idle":false`.
    pub defaults: Vec<Vec<u8>>,
    /// [`Record::tagged`].
    pub tagged: bool,
}

/// What to do with a field of the writer's.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// The reader has no such field.
    Skip(Shape),
    Read {
        /// The field's name as JSON, with the colon.
        key: Vec<u8>,
        plan: Plan,
        /// The value with which JSON has no such field.
        omitted: Option<Vec<u8>>,
    },
}

/// How the reader reads what the writer has written. `place` names the value in messages.
///
/// # Errors
/// Words for a person: the reader can't read any such value.
pub(super) fn plan(writer: &Shape, reader: &Shape, place: &str) -> Result<Plan, String> {
    use Shape::{Array, Boolean, Bytes, Double, Float, Int, Long, Null, String, Union, Whole};
    let differ =
        || Err(format!("{}the writer has {}, and this build reads {}", at(place), writer.name(), reader.name()));
    Ok(match (writer, reader) {
        (Union(variants), _) => {
            let plans: Vec<_> = variants.iter().map(|variant| plan(variant, reader, place)).collect();
            match plans.iter().all(Result::is_err) {
                true => return plans.into_iter().next_back().unwrap_or_else(differ),
                false => Plan::Union(plans),
            }
        }
        (_, Union(variants)) => {
            let mut plans: Vec<_> = variants.iter().map(|variant| plan(writer, variant, place)).collect();
            match plans.iter().position(Result::is_ok) {
                Some(first) => return plans.swap_remove(first),
                None => return plans.into_iter().next_back().unwrap_or_else(differ),
            }
        }
        (Null, Null) => Plan::Null,
        (Boolean, Boolean) => Plan::Boolean,
        (Int(Meaning::Date | Meaning::Number), Int(Meaning::Date)) => Plan::Date,
        (Int(Meaning::Number), Int(Meaning::Number) | Long(Meaning::Number)) => Plan::Int,
        (Long(Meaning::Number | Meaning::Micros), Long(Meaning::Number | Meaning::Micros)) => Plan::Long,
        (Int(Meaning::Number) | Long(Meaning::Number), Double) => Plan::IntegerAsDouble,
        (Float, Double) => Plan::Float,
        (Double, Double) => Plan::Double,
        (String | Bytes, String) => Plan::String,
        (Whole, Whole) => Plan::Whole,
        (Array(written), Array(wanted)) => Plan::Array(Box::new(plan(written, wanted, place)?)),
        (Shape::Record(written), Shape::Record(wanted)) => Plan::Record(record(written, wanted, place)?),
        _ => return differ(),
    })
}

fn record(writer: &Record, reader: &Record, place: &str) -> Result<RecordPlan, String> {
    if !reader.names.contains(&writer.names[0]) {
        return Err(format!(
            "{}the writer has a {}, and this build reads a {}",
            at(place),
            writer.names[0],
            reader.names[0]
        ));
    }
    let wanted = |name: &String| reader.fields.iter().find(|field| field.name == *name || field.aliases.contains(name));
    let step = |written: &Field| {
        let Some(field) = wanted(&written.name) else { return Ok(Step::Skip(written.shape.clone())) };
        let place = below(place, &field.name);
        let plan = plan(&written.shape, &field.shape, &place)?;
        let omitted = if field.omitted { Some(default(field, &place)?) } else { None };
        Ok(Step::Read { key: key(&field.name), plan, omitted })
    };
    let steps = writer.fields.iter().map(step).collect::<Result<_, String>>()?;
    let mut defaults = Vec::new();
    for field in &reader.fields {
        let is_written = |written: &Field| wanted(&written.name).is_some_and(|found| found.name == field.name);
        if writer.fields.iter().any(is_written) {
            continue;
        }
        let value = default(field, &below(place, &field.name))?;
        if !field.omitted {
            defaults.push([key(&field.name), value].concat());
        }
    }
    Ok(RecordPlan { steps, defaults, tagged: reader.tagged })
}

/// A field's default as the JSON that a value equal to it becomes.
fn default(field: &Field, place: &str) -> Result<Vec<u8>, String> {
    let value = field.default.as_ref();
    let value = value.ok_or_else(|| format!("{}the writer does not have it, and it has no default", at(place)))?;
    if value.is_null() {
        return Ok(b"null".to_vec());
    }
    let mut datum = Vec::new();
    encode::value(&field.shape, value, &mut datum)
        .map_err(|error| format!("{}its default can't be used: {}", at(place), error.text()))?;
    read::json(&plan(&field.shape, &field.shape, place)?, &datum)
        .map_err(|fault| format!("{}its default can't be used: {fault}", at(place)))
}

fn key(name: &str) -> Vec<u8> {
    format!("{}:", Value::from(name)).into_bytes()
}

fn below(place: &str, field: &str) -> String {
    if place.is_empty() { field.to_owned() } else { format!("{place}.{field}") }
}

fn at(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}
