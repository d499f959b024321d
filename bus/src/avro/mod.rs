//! Records in Avro, beside JSON, with a schema registry.
//!
//! Stages write and read JSON. The bus turns a record into Avro where it is sent, if `kafka.format` says so, and back
//! into JSON where it is received. A payload whose first byte is 0 is Avro: that byte, the id of the writer's schema in
//! four bytes, then the record in Avro's binary encoding, as Confluent's clients write it. Any other payload is JSON.
//! So every reader reads both, and an installation can change the format in the middle of a topic.
//!
//! JSON and a schema belong together by name. Two attributes of ours say what Avro has no words for: a field is
//! `omitted` in JSON where it has its default, and a record that is `tagged` has exactly one field that is not null, as
//! an enum has one variant. A variant is a field and not a type of a union, so that a new one can be added: a reader
//! that does not know it finds no field set, and refuses the record.
//!
//! Avro is written and read by this module, not by the crate apache-avro, which reads the schemas. That crate takes a
//! record that ends too early for one whose last fields are null, allocates what a length says before it looks whether
//! the bytes are there, and resolves values by what they look like instead of by their writer's schema.

mod config;
mod encode;
mod error;
mod exchange;
mod read;
mod registration;
mod registry;
mod resolve;
mod schemas;
mod shape;
#[cfg(test)]
mod tests;

pub use config::{Format, SchemaRegistryConfig};
pub use error::RegistryError;
pub use exchange::Decoder;
pub(crate) use exchange::{Decoded, Encoder};
pub use registration::{Registration, check, register, registrations};
pub use schemas::{DatumReader, TOPICS, TopicSchema, schema};

use jiff::civil::Date;

/// Dates are days since this one.
const EPOCH: Date = jiff::civil::date(1970, 1, 1);

/// The first byte of a payload in Avro. JSON never begins with it.
const MAGIC: u8 = 0;
/// How many bytes there are before the record: [`MAGIC`] and the id of the writer's schema.
const HEADER: usize = 5;

/// What comes before a record that was written by the schema with this id.
pub fn header(schema_id: u32) -> [u8; HEADER] {
    let [a, b, c, d] = schema_id.to_be_bytes();
    [MAGIC, a, b, c, d]
}

/// Whether a payload is Avro.
pub fn is_avro(payload: &[u8]) -> bool {
    payload.first() == Some(&MAGIC)
}

/// The id of the writer's schema and the record, if the payload is long enough to have both.
pub fn split(payload: &[u8]) -> Option<(u32, &[u8])> {
    let (header, datum) = payload.split_at_checked(HEADER)?;
    let id = u32::from_be_bytes(header[1..].try_into().ok()?);
    (header[0] == MAGIC).then_some((id, datum))
}
