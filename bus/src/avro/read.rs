//! Avro to JSON, by a [`Plan`]. The bytes are anybody's: whatever they say of lengths and counts, no more memory is
//! taken than they account for, and what ends too early or goes on too long is refused.

use super::resolve::{Plan, RecordPlan, Step};
use super::shape::Shape;
use jiff::{SignedDuration, civil::Date};
use serde::Serialize;

/// Why bytes are not a record of the schema that they were written by.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it ends in the middle of a value")]
    EndsEarly,
    #[error("{0} bytes follow after its end")]
    GoesOn(usize),
    #[error("a length or a count is {0}")]
    Length(i64),
    #[error("a list has more items than the record has bytes")]
    TooManyItems,
    #[error("a whole number has more than 64 bits")]
    LongNumber,
    #[error("an int is {0}")]
    LongInt(i64),
    #[error("a decimal is not an unsigned number of 64 bits")]
    NotUnsigned,
    #[error("a number is {0}, which JSON can't have")]
    NotFinite(f64),
    #[error("a boolean is {0}")]
    Boolean(u8),
    #[error("day {0} is not a date")]
    Day(i64),
    #[error("a text is not UTF-8")]
    NotUtf8,
    #[error("a union has no type {0}")]
    NoSuchType(i64),
    #[error("{0}")]
    Unreadable(String),
    #[error("{0} fields say what it is, instead of one: it is of a newer build, or not of tapewire")]
    Variants(usize),
}

/// The JSON of a record.
///
/// # Errors
/// The bytes are not a record that was written by the plan's writer.
pub(super) fn json(plan: &Plan, datum: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut source = Source { rest: datum, items: datum.len() };
    // JSON of our records is three to four times as long.
    let mut out = Vec::with_capacity(4 * datum.len());
    value(plan, &mut source, &mut out)?;
    match source.rest.len() {
        0 => Ok(out),
        more => Err(Fault::GoesOn(more)),
    }
}

/// Bytes that are not read yet.
struct Source<'a> {
    rest: &'a [u8],
    /// How many items of lists may still come. An item may have no bytes at all, so their number has to have a limit.
    items: usize,
}

impl<'a> Source<'a> {
    fn bytes(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Fault::EndsEarly)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.bytes(1)?[0])
    }

    fn eight(&mut self) -> Result<[u8; 8], Fault> {
        let bytes = self.bytes(8)?;
        Ok(bytes.try_into().expect("eight bytes were taken"))
    }

    /// An `int` or a `long`.
    fn long(&mut self) -> Result<i64, Fault> {
        let mut bits = 0_u64;
        for place in 0..10 {
            let byte = self.byte()?;
            // The tenth byte has the 64th bit.
            if place == 9 && byte > 1 {
                return Err(Fault::LongNumber);
            }
            bits |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(Fault::LongNumber)
    }

    /// Bytes with their length before them.
    fn prefixed(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.long()?;
        self.bytes(usize::try_from(length).map_err(|_| Fault::Length(length))?)
    }

    /// The number of items in the next block of a list or a map; 0 at its end.
    fn block(&mut self) -> Result<usize, Fault> {
        let mut count = self.long()?;
        if count < 0 {
            // Its size in bytes follows, for readers that skip it.
            self.long()?;
            count = count.checked_neg().ok_or(Fault::Length(count))?;
        }
        let count = usize::try_from(count).map_err(|_| Fault::Length(count))?;
        self.items = self.items.checked_sub(count).ok_or(Fault::TooManyItems)?;
        Ok(count)
    }

    /// The place of a union's type.
    fn variant<'p, T>(&mut self, variants: &'p [T]) -> Result<&'p T, Fault> {
        let place = self.long()?;
        usize::try_from(place).ok().and_then(|at| variants.get(at)).ok_or(Fault::NoSuchType(place))
    }
}

fn value(plan: &Plan, source: &mut Source<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    match plan {
        Plan::Null => out.extend_from_slice(b"null"),
        Plan::Boolean => match source.byte()? {
            0 => out.extend_from_slice(b"false"),
            1 => out.extend_from_slice(b"true"),
            other => return Err(Fault::Boolean(other)),
        },
        Plan::Int => {
            let number = source.long()?;
            write(out, &i32::try_from(number).map_err(|_| Fault::LongInt(number))?);
        }
        Plan::Long => write(out, &source.long()?),
        Plan::IntegerAsDouble => write(out, &(source.long()? as f64)),
        Plan::Date => write(out, &date(source.long()?)?.to_string()),
        Plan::Whole => write(out, &unsigned(source.prefixed()?).ok_or(Fault::NotUnsigned)?),
        Plan::Float => {
            let bytes = source.bytes(4)?.try_into().expect("four bytes were taken");
            write(out, &finite(f64::from(f32::from_le_bytes(bytes)))?);
        }
        Plan::Double => write(out, &finite(f64::from_le_bytes(source.eight()?))?),
        Plan::String => write(out, std::str::from_utf8(source.prefixed()?).map_err(|_| Fault::NotUtf8)?),
        Plan::Array(items) => array(items, source, out)?,
        Plan::Union(variants) => match source.variant(variants)? {
            Ok(plan) => value(plan, source, out)?,
            Err(reason) => return Err(Fault::Unreadable(reason.clone())),
        },
        Plan::Record(own) => record(own, source, out)?,
    }
    Ok(())
}

fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    serde_json::to_writer(out, value).expect("a number or a text can be written to memory");
}

fn finite(number: f64) -> Result<f64, Fault> {
    if number.is_finite() { Ok(number) } else { Err(Fault::NotFinite(number)) }
}

fn date(days: i64) -> Result<Date, Fault> {
    let hours = days.checked_mul(24).ok_or(Fault::Day(days))?;
    // The greatest number of hours that a duration has is more than a thousand times that of all dates.
    let is_near = hours.unsigned_abs() < 24 * 10_000_000;
    let date = is_near.then(|| super::EPOCH.checked_add(SignedDuration::from_hours(hours)).ok());
    date.flatten().ok_or(Fault::Day(days))
}

/// The number that bytes in two's complement are, the highest first.
fn unsigned(bytes: &[u8]) -> Option<u64> {
    let (&first, _) = bytes.split_first()?;
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let is_unsigned = first < 0x80 && bytes.len() - zeros <= 8;
    is_unsigned.then(|| bytes[zeros..].iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
}

fn array(items: &Plan, source: &mut Source<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'[');
    let mut is_first = true;
    loop {
        let count = source.block()?;
        if count == 0 {
            break;
        }
        for _ in 0..count {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            value(items, source, out)?;
        }
    }
    out.push(b']');
    Ok(())
}

fn record(own: &RecordPlan, source: &mut Source<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.push(b'{');
    let mut written = 0;
    for step in &own.steps {
        let (key, plan, omitted) = match step {
            Step::Skip(shape) => {
                skip(shape, source)?;
                continue;
            }
            Step::Read { key, plan, omitted } => (key, plan, omitted),
        };
        let before = out.len();
        if written > 0 {
            out.push(b',');
        }
        out.extend_from_slice(key);
        let start = out.len();
        value(plan, source, out)?;
        if omitted.as_ref().is_some_and(|omitted| out[start..] == **omitted) {
            out.truncate(before);
        } else {
            written += 1;
        }
    }
    for default in &own.defaults {
        if written > 0 {
            out.push(b',');
        }
        out.extend_from_slice(default);
        written += 1;
    }
    out.push(b'}');
    if own.tagged && written != 1 { Err(Fault::Variants(written)) } else { Ok(()) }
}

/// Passes over a value that the reader does not have.
fn skip(shape: &Shape, source: &mut Source<'_>) -> Result<(), Fault> {
    match shape {
        Shape::Null => {}
        Shape::Boolean => source.byte().map(drop)?,
        Shape::Int(_) | Shape::Long(_) | Shape::Enum => source.long().map(drop)?,
        Shape::Float => source.bytes(4).map(drop)?,
        Shape::Double => source.bytes(8).map(drop)?,
        Shape::String | Shape::Bytes | Shape::Whole => source.prefixed().map(drop)?,
        Shape::Fixed(size) => source.bytes(*size).map(drop)?,
        Shape::Array(_) | Shape::Map(_) => loop {
            let count = source.block()?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                match shape {
                    Shape::Map(values) => {
                        source.prefixed()?;
                        skip(values, source)?;
                    }
                    Shape::Array(items) => skip(items, source)?,
                    _ => {}
                }
            }
        },
        Shape::Union(variants) => skip(source.variant(variants)?, source)?,
        Shape::Record(record) => record.fields.iter().try_for_each(|field| skip(&field.shape, source))?,
    }
    Ok(())
}
