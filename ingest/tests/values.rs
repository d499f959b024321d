//! Any text at all as a moment, a number and tickers, against what others make of it.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tapewire_formats::Value;
use tapewire_fuzzkit::fuzz;
use tapewire_ingest::epoch::is_plausible;
use tapewire_ingest::replay::values::number::number;
use tapewire_ingest::replay::values::ticker::companies;
use tapewire_ingest::replay::values::time::{Clock, DateOrder, Moment, moment};

/// Inputs of a short run.
const INPUTS: usize = 20_000;

/// Characters that times and numbers are made of, which arbitrary bytes hardly ever hit together.
const CHARACTERS: &[u8] = b"0123456789012345678920250512:::---T  Z+.,/eE$'AMPGTUC\"[]{}";

/// A text from the bytes of a fuzzer: of the characters above, or whatever they are.
fn text(bytes: &[u8]) -> String {
    match bytes.split_first() {
        Some((0..=191, rest)) => {
            rest.iter().map(|&byte| char::from(CHARACTERS[usize::from(byte) % CHARACTERS.len()])).collect()
        }
        Some((_, rest)) => String::from_utf8_lossy(rest).into_owned(),
        None => String::new(),
    }
}

#[test]
fn moments_are_those_that_jiff_reads_and_all_within_the_years() {
    let clocks = [None, Some(TimeZone::UTC), Some(TimeZone::get("America/New_York").unwrap())]
        .into_iter()
        .flat_map(|zone| {
            [None, Some(DateOrder::MonthFirst), Some(DateOrder::DayFirst)].map(|order| Clock {
                zone: zone.clone(),
                eastern: None,
                order,
                zone_flag: "--zone",
            })
        })
        .collect::<Vec<_>>();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let text = text(bytes);
        let reference: Option<Timestamp> = text.trim().parse().ok();
        for clock in &clocks {
            for value in [Value::Text(text.clone()), Value::Number(text.clone())] {
                let read = moment(&value, clock);
                if let Ok(Some(Moment::At(at))) = read {
                    assert!(is_plausible(at), "{text} is {at}");
                    if let Some(reference) = reference {
                        assert_eq!(at.as_microsecond(), reference.as_microsecond(), "{text}");
                    }
                }
                if let Err(reason) = read {
                    assert!(reason.contains('`'), "{reason}");
                }
            }
        }
    });
}

#[test]
fn numbers_are_those_that_rust_reads_without_the_marks() {
    fuzz!(INPUTS, |bytes: &[u8]| {
        let text = text(bytes);
        for point in [false, true] {
            let Ok(Some(read)) = number(&Value::Text(text.clone()), point) else { continue };
            let is_mark = |c: char| ", '$USD\u{a0}\u{202f}\u{2009}\u{2019}".contains(c) || c.is_whitespace();
            let bare: String = text.chars().filter(|&c| !is_mark(c)).collect();
            assert_eq!(bare.parse::<f64>().ok(), Some(read), "{text}");
            // A comma is never a decimal mark, and never what one could be.
            if let Some((_, behind)) = text.rsplit_once(',') {
                assert_eq!(behind.chars().take_while(char::is_ascii_digit).count(), 3, "{text}");
            }
        }
    });
}

#[test]
fn companies_are_named_once_and_what_is_left_out_is_quoted() {
    fuzz!(INPUTS, |bytes: &[u8]| {
        let text = text(bytes);
        for value in [Value::Text(text.clone()), Value::List(vec![Value::Text(text.clone()), Value::Null])] {
            let read = companies(&value);
            let mut symbols = read.symbols.clone();
            symbols.sort();
            symbols.dedup();
            assert_eq!(symbols.len(), read.symbols.len(), "{text}");
            assert!(
                read.left_out.iter().all(|reason| reason.contains("ticker") || reason.contains("traded")),
                "{text}"
            );
        }
    });
}
