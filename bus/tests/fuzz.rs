//! Avro, JSON and schemas from anybody: no panic, no more memory than the input accounts for, and what is accepted is
//! what another codec finds.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tapewire_bus::Topic;
use tapewire_bus::avro::{TOPICS, schema};
use tapewire_core::record::{Envelope, ListedInstrument, News, Scored, Tape};
use tapewire_core::{CorporateAction, Halt, TradeRecord};
use tapewire_fuzzkit::json::{Json, message};
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_testkit::{Optional, every_record};

/// How many inputs `cargo test` tries for each target.
const INPUTS: usize = 4000;

/// Records of every kind, with the place of their topic in [`TOPICS`].
fn records() -> Vec<(usize, Vec<u8>)> {
    let all = [(1, Optional::Set), (2, Optional::Absent), (3, Optional::Either), (4, Optional::Either)];
    let all = all.into_iter().flat_map(|(seed, optional)| every_record(seed, optional));
    all.map(|(name, json)| (TOPICS.iter().position(|topic| topic.base_name() == name).unwrap(), json)).collect()
}

#[test]
fn avro_of_every_topic() {
    let readers = TOPICS.map(|topic| schema(topic).unwrap().reader(schema(topic).unwrap().text()).unwrap());
    let parsed = TOPICS.map(|topic| Schema::parse_str(schema(topic).unwrap().text()).unwrap());
    let datums: Vec<(usize, Vec<u8>)> = records()
        .into_iter()
        .map(|(place, json)| (place, schema(TOPICS[place]).unwrap().encode(&json).unwrap()))
        .collect();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let (place, mut datum) = datums[dice.below(datums.len())].clone();
        for _ in 0..dice.below(4) {
            dice.damage(&mut datum);
        }
        let (own, reader, parsed) = (schema(TOPICS[place]).unwrap(), &readers[place], &parsed[place]);
        let json = match bounded(datum.len(), || reader.json(&datum)) {
            Ok(json) => json,
            Err(error) => return assert!(!error.is_empty()),
        };
        // Written again and read again it is the same, however the numbers were spelt.
        let again = own.encode(&json).unwrap();
        assert_eq!(reader.json(&again).as_ref(), Ok(&json));
        let mut rest = datum.as_slice();
        let value = GenericDatumReader::builder(parsed).build().unwrap().read_value(&mut rest).unwrap();
        assert!(rest.is_empty());
        let theirs = GenericDatumWriter::builder(parsed).build().unwrap().write_value_to_vec(value).unwrap();
        assert_eq!(reader.json(&theirs).as_ref(), Ok(&json));
    });
}

/// What is a record in JSON is the same record after it was written and read.
fn assert_same<Body>(json: &[u8], back: &[u8])
where
    Body: Serialize + DeserializeOwned + PartialEq + Debug,
{
    if let Ok(record) = Envelope::<Body>::decode(json) {
        assert_eq!(Envelope::<Body>::decode(back).unwrap(), record);
    }
}

#[test]
fn json_of_every_topic() {
    let seeds: Vec<Vec<Json>> = (0..TOPICS.len())
        .map(|wanted| {
            let of_topic = records().into_iter().filter(|(place, _)| *place == wanted);
            of_topic.map(|(_, json)| Json::of(std::str::from_utf8(&json).unwrap())).collect()
        })
        .collect();
    let readers = TOPICS.map(|topic| schema(topic).unwrap().reader(schema(topic).unwrap().text()).unwrap());
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let place = dice.below(TOPICS.len());
        let json = message(&mut dice, &seeds[place]);
        let datum = match bounded(json.len(), || schema(TOPICS[place]).unwrap().encode(&json)) {
            Ok(datum) => datum,
            Err(error) => return assert!(!error.is_empty()),
        };
        let back = readers[place].json(&datum).unwrap();
        match TOPICS[place] {
            Topic::News => assert_same::<News>(&json, &back),
            Topic::Sentiment => assert_same::<Scored>(&json, &back),
            Topic::Bars => assert_same::<Tape>(&json, &back),
            Topic::Trades => {
                if let Ok(record) = TradeRecord::decode_print(&json) {
                    assert_eq!(TradeRecord::decode_print(&back).unwrap(), record);
                }
            }
            Topic::Halts => assert_same::<Halt>(&json, &back),
            Topic::Actions => assert_same::<CorporateAction>(&json, &back),
            Topic::Instruments => assert_same::<ListedInstrument>(&json, &back),
            Topic::DeadLetter => unreachable!("it has no schema"),
        }
    });
}

#[test]
fn schemas_of_other_writers() {
    let seeds = TOPICS.map(|topic| Json::of(schema(topic).unwrap().text()));
    let datums = records();
    let datums: Vec<(usize, Vec<u8>)> = datums
        .into_iter()
        .map(|(place, json)| (place, schema(TOPICS[place]).unwrap().encode(&json).unwrap()))
        .collect();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let (place, datum) = &datums[dice.below(datums.len())];
        let text = message(&mut dice, std::slice::from_ref(&seeds[*place]));
        match schema(TOPICS[*place]).unwrap().reader(&String::from_utf8_lossy(&text)) {
            Err(error) => assert!(!error.is_empty()),
            Ok(reader) => {
                if let Ok(json) = bounded(datum.len(), || reader.json(datum)) {
                    serde_json::from_slice::<serde_json::Value>(&json).unwrap();
                }
            }
        }
    });
}
