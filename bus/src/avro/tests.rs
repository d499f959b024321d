//! Every record of every topic there and back, and records of builds with other schemas.

use super::schemas::TopicSchema;
use super::*;
use crate::Topic;
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Map, Value, json};
use tapewire_testkit::{Optional, every_record};

/// How many records of each kind are tried with the optional fields chosen by chance.
const SEEDS: u64 = 300;

/// Records with all optional fields, with none, and with any, with their topics' schemas.
fn records() -> impl Iterator<Item = (&'static TopicSchema, Vec<u8>)> {
    let extremes = (0..20).flat_map(|seed| [(seed, Optional::Set), (seed, Optional::Absent)]);
    let all = extremes.chain((0..SEEDS).map(|seed| (seed, Optional::Either)));
    all.flat_map(|(seed, optional)| every_record(seed, optional))
        .map(|(topic, json)| (schema(Topic::named(topic).unwrap()).unwrap(), json))
}

/// The first record of a topic whose body begins with this, with these optional fields.
fn record(topic: Topic, begins: &str, optional: Optional) -> Value {
    let found = (0..SEEDS).flat_map(|seed| every_record(seed, optional)).find_map(|(name, json)| {
        let json: Value = serde_json::from_slice(&json).unwrap();
        let is_wanted = name == topic.base_name() && json["body"].to_string().starts_with(begins);
        is_wanted.then_some(json)
    });
    found.unwrap_or_else(|| panic!("no record of {topic:?} begins with {begins}"))
}

fn bytes(json: &Value) -> Vec<u8> {
    serde_json::to_vec(json).unwrap()
}

/// A topic's schema after a change of the fields of one of its records.
fn changed(topic: Topic, record: &str, change: &dyn Fn(&mut Vec<Value>)) -> TopicSchema {
    fn visit(json: &mut Value, record: &str, change: &dyn Fn(&mut Vec<Value>)) -> usize {
        match json {
            Value::Array(items) => items.iter_mut().map(|item| visit(item, record, change)).sum(),
            Value::Object(own) => {
                let is_record = own.get("name").and_then(Value::as_str) == Some(record);
                let mut found = own.values_mut().map(|value| visit(value, record, change)).sum();
                if let (true, Some(Value::Array(fields))) = (is_record, own.get_mut("fields")) {
                    change(fields);
                    found += 1;
                }
                found
            }
            _ => 0,
        }
    }
    let mut json: Value = serde_json::from_str(schema(topic).unwrap().text()).unwrap();
    assert_eq!(visit(&mut json, record, change), 1, "{topic:?} has one {record}");
    TopicSchema::parse(&json.to_string()).unwrap()
}

/// The object of a record with this JSON that is written by the schema's record of this name.
fn object<'a>(json: &'a mut Value, record_name: &str) -> &'a mut Map<String, Value> {
    let body = json["body"].as_object_mut().unwrap();
    if ["NewsBody", "Halt", "CorporateAction", "ListedInstrument"].contains(&record_name) {
        return body;
    }
    body.values_mut().next().and_then(Value::as_object_mut).unwrap()
}

fn without(fields: &mut Vec<Value>, name: &str) {
    let before = fields.len();
    fields.retain(|field| field["name"] != name);
    assert_eq!(fields.len() + 1, before, "{name}");
}

#[test]
fn every_record_comes_back_as_it_was_byte_by_byte() {
    for (schema, json) in records() {
        let datum = schema.encode(&json).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&json)));
        let back = schema.reader(schema.text()).unwrap().json(&datum).unwrap();
        assert_eq!(String::from_utf8(back).unwrap(), String::from_utf8(json).unwrap());
    }
}

/// The crate apache-avro reads each record to its end, and writes what it has read as the same bytes.
#[test]
fn another_codec_reads_every_record_and_writes_it_as_the_same_bytes() {
    for (schema, json) in records() {
        let datum = schema.encode(&json).unwrap();
        let parsed = Schema::parse_str(schema.text()).unwrap();
        let mut rest = datum.as_slice();
        let value = GenericDatumReader::builder(&parsed).build().unwrap().read_value(&mut rest).unwrap();
        assert!(rest.is_empty(), "{value:?}");
        let again = GenericDatumWriter::builder(&parsed).build().unwrap().write_value_to_vec(value).unwrap();
        assert_eq!(again, datum, "{}", String::from_utf8_lossy(&json));
    }
}

#[test]
fn a_field_that_the_schema_lacks_is_refused_wherever_it_is() {
    /// The text of the value with one more field in the object at `place`, counted depth first; `None` behind the last.
    fn with_field(json: &Value, place: &mut usize) -> Option<Value> {
        match json {
            Value::Object(own) => {
                if *place == 0 {
                    let mut more = own.clone();
                    more.insert("brand_new".into(), Value::from(1));
                    return Some(more.into());
                }
                *place -= 1;
                own.iter().find_map(|(key, value)| {
                    let value = with_field(value, place)?;
                    let mut more = own.clone();
                    more.insert(key.clone(), value);
                    Some(more.into())
                })
            }
            _ => None,
        }
    }
    let mut refused = 0;
    for (name, json) in every_record(1, Optional::Set) {
        let (own, json) = (schema(Topic::named(name).unwrap()).unwrap(), serde_json::from_slice(&json).unwrap());
        for place in 0.. {
            let Some(more) = with_field(&json, &mut { place }) else { break };
            let error = own.encode(&bytes(&more)).unwrap_err();
            assert!(error.ends_with("brand_new: the schema has no such field"), "{error}: {more}");
            refused += 1;
        }
    }
    assert!(refused > 3 * TOPICS.len(), "{refused}");
}

#[test]
fn what_ends_too_early_or_goes_on_is_refused() {
    for seed in 0..3 {
        for (name, json) in every_record(seed, Optional::Either) {
            let own = schema(Topic::named(name).unwrap()).unwrap();
            let (reader, mut datum) = (own.reader(own.text()).unwrap(), own.encode(&json).unwrap());
            for length in 0..datum.len() {
                let error = reader.json(&datum[..length]).unwrap_err();
                assert_eq!(error, "it ends in the middle of a value", "{length} of {}", datum.len());
            }
            datum.push(0);
            assert_eq!(reader.json(&datum).unwrap_err(), "1 bytes follow after its end");
        }
    }
}

#[test]
fn bytes_that_say_more_than_they_have_are_refused() {
    let schema = TopicSchema::parse(
        r#"{"type":"record","name":"R","fields":[{"name":"all","type":{"type":"array","items":"string"}}]}"#,
    );
    let schema = schema.unwrap();
    let nothing = r#"{"type":"record","name":"R","fields":[
        {"name":"skipped","type":{"type":"array","items":"null"}},
        {"name":"all","type":{"type":"array","items":"string"}}]}"#;
    let (own, other) = (schema.reader(schema.text()).unwrap(), schema.reader(nothing).unwrap());
    let count = |number: i64| {
        let mut out = Vec::new();
        encode::long(number, &mut out);
        out
    };
    for huge in [1 << 40, i64::MAX, -(1 << 40), i64::MIN] {
        assert!(own.json(&count(huge)).is_err() && other.json(&count(huge)).is_err(), "{huge}");
        // One text of this length.
        let error = own.json(&[count(1), count(huge)].concat()).unwrap_err();
        assert!(error.contains("ends in the middle") || error.contains("a length or a count"), "{error}");
    }
    assert_eq!(own.json(&[3, 4, 2, b'x', 0]).unwrap_err(), "it ends in the middle of a value");
    // A block with its size in bytes, and a second block.
    let two_blocks =
        [count(-1), count(2), count(1), b"x".to_vec(), count(1), count(1), b"y".to_vec(), count(0)].concat();
    assert_eq!(own.json(&two_blocks).unwrap(), br#"{"all":["x","y"]}"#);
    assert_eq!(other.json(&[count(2), count(0), count(0)].concat()).unwrap(), br#"{"all":[]}"#);
    assert!(own.json(&[2, 2, 0xff, 0]).unwrap_err().contains("UTF-8"));
    assert!(own.json(&[0x80; 11]).unwrap_err().contains("64 bits"));
}

/// A record by a schema of an earlier build, which had fewer fields.
#[test]
fn a_field_that_the_writer_did_not_have_has_its_default() {
    for (topic, begins, record_name, field, default) in [
        (Topic::Sentiment, "{\"mention\"", "Mention", "asked_as", None),
        (Topic::Sentiment, "{\"mention\"", "Mention", "symbol_found", None),
        (Topic::Sentiment, "{\"mention\"", "Mention", "relevance", Some(Value::Null)),
        (Topic::News, "{\"article\"", "Article", "withdrawn", None),
        (Topic::News, "{\"watermark\"", "Watermark", "source", None),
        (Topic::News, "{\"watermark\"", "NewsBody", "article", None),
        (Topic::Trades, "{\"trade\"", "Trade", "counts", None),
        (Topic::Bars, "{\"bar\"", "Bar", "trades", Some(Value::Null)),
        (Topic::Actions, "{", "CorporateAction", "id", None),
        (Topic::Instruments, "{", "ListedInstrument", "kind", Some(json!("other"))),
        (Topic::Instruments, "{", "ListedInstrument", "aliases", Some(json!([]))),
    ] {
        let own = schema(topic).unwrap();
        let earlier = changed(topic, record_name, &|fields| without(fields, field));
        let mut expected = record(topic, begins, Optional::Absent);
        let mut written = expected.clone();
        object(&mut written, record_name).remove(field);
        if let Some(default) = default {
            object(&mut expected, record_name).insert(field.into(), default);
        }
        let datum = earlier.encode(&bytes(&written)).unwrap();
        let read = own.reader(earlier.text()).unwrap().json(&datum).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&read).unwrap(), expected, "{record_name}.{field}");
        let (new, old) = (Schema::parse_str(own.text()).unwrap(), Schema::parse_str(earlier.text()).unwrap());
        SchemaCompatibility::mutual_read(&new, &old).unwrap();
    }
}

/// apache-avro resolves such a record to the same values.
#[test]
fn another_codec_resolves_a_record_of_an_earlier_build_to_the_same_values() {
    let own = schema(Topic::Sentiment).unwrap();
    let earlier = changed(Topic::Sentiment, "Mention", &|fields| {
        without(fields, "asked_as");
        without(fields, "symbol_found");
    });
    let mut json = record(Topic::Sentiment, "{\"mention\"", Optional::Absent);
    // That crate refuses a decimal of fewer bytes than the greatest number has.
    object(&mut json, "Mention").insert("article_revision".into(), Value::from(u64::MAX));
    let (new, old) = (Schema::parse_str(own.text()).unwrap(), Schema::parse_str(earlier.text()).unwrap());
    let datum = earlier.encode(&bytes(&json)).unwrap();
    let resolving = GenericDatumReader::builder(&old).reader_schema(&new).build().unwrap();
    let resolved = resolving.read_value(&mut datum.as_slice()).unwrap();
    let read = own.reader(earlier.text()).unwrap().json(&datum).unwrap();
    let ours = own.encode(&read).unwrap();
    let plain = GenericDatumReader::builder(&new).build().unwrap().read_value(&mut ours.as_slice()).unwrap();
    assert_eq!(resolved, plain);
    assert_eq!(serde_json::from_slice::<Value>(&read).unwrap(), json);
}

#[test]
fn a_field_that_only_a_later_build_has_is_passed_over() {
    for (topic, begins, record_name) in
        [(Topic::News, "{\"article\"", "Article"), (Topic::Bars, "{\"bar\"", "Bar"), (Topic::Halts, "{", "Halt")]
    {
        let own = schema(topic).unwrap();
        let later = changed(topic, record_name, &|fields| {
            fields.insert(1, json!({"name": "brand_new", "type": ["null", "string"], "default": null}));
        });
        let expected = record(topic, begins, Optional::Either);
        for value in [Value::Null, json!("new")] {
            let mut written = expected.clone();
            object(&mut written, record_name).insert("brand_new".into(), value);
            let datum = later.encode(&bytes(&written)).unwrap();
            let read = own.reader(later.text()).unwrap().json(&datum).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&read).unwrap(), expected);
        }
    }
    // Types that no schema of ours has can be passed over, too.
    let own = schema(Topic::Halts).unwrap();
    let later = changed(Topic::Halts, "Halt", &|fields| {
        let kinds = json!({"type": "enum", "name": "ExtraKind", "symbols": ["A", "B"]});
        fields.push(json!({"name": "all", "type": {"type": "array", "items": {"type": "map", "values": "double"}}}));
        fields.push(json!({"name": "kind", "type": kinds}));
        fields.push(json!({"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 2}}));
    });
    let expected = record(Topic::Halts, "{", Optional::Either);
    let mut datum = own.encode(&bytes(&expected)).unwrap();
    // A list of one map with `a: 1.0`, the second kind, two bytes.
    datum.extend_from_slice(&[2, 2, 2, b'a', 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 2, 7, 7]);
    let read = own.reader(later.text()).unwrap().json(&datum).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&read).unwrap(), expected);
}

#[test]
fn a_variant_that_only_a_later_build_has_is_refused_and_the_others_are_read() {
    let own = schema(Topic::News).unwrap();
    let later = changed(Topic::News, "NewsBody", &|fields| {
        let correction = json!({"type": "record", "name": "Correction", "fields": [{"name": "id", "type": "string"}]});
        fields.push(json!({"name": "correction", "type": ["null", correction], "default": null, "omitted": true}));
    });
    let reader = own.reader(later.text()).unwrap();
    let article = record(Topic::News, "{\"article\"", Optional::Set);
    let read = reader.json(&later.encode(&bytes(&article)).unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&read).unwrap(), article);
    let correction = json!({"v": 1, "run": "live", "body": {"correction": {"id": "a"}}});
    let error = reader.json(&later.encode(&bytes(&correction)).unwrap()).unwrap_err();
    assert!(error.contains("0 fields say what it is"), "{error}");
    let (new, old) = (Schema::parse_str(later.text()).unwrap(), Schema::parse_str(own.text()).unwrap());
    SchemaCompatibility::mutual_read(&new, &old).unwrap();
}

#[test]
fn types_are_promoted_as_the_specification_says_and_other_changes_are_refused_with_their_place() {
    let of = |kind: &str| {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"x","type":{kind}}}]}}"#);
        TopicSchema::parse(&text).unwrap()
    };
    let (text, long, double) = (of("\"string\""), of("\"long\""), of("\"double\""));
    let micros = of(r#"{"type":"long","logicalType":"timestamp-micros"}"#);
    for (reader, writer, datum, expected) in [
        (&long, of("\"int\""), vec![3], r#"{"x":-2}"#),
        (&double, of("\"int\""), vec![3], r#"{"x":-2.0}"#),
        (&double, of("\"long\""), vec![4], r#"{"x":2.0}"#),
        (&double, of("\"float\""), vec![0, 0, 0xc0, 0x3f], r#"{"x":1.5}"#),
        (&text, of("\"bytes\""), vec![4, b'o', b'k'], r#"{"x":"ok"}"#),
        (&micros, of("\"long\""), vec![4], r#"{"x":2}"#),
        (&double, of(r#"["null","double","int"]"#), vec![4, 4], r#"{"x":2.0}"#),
    ] {
        let read = reader.reader(writer.text()).unwrap().json(&datum).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected, "{}", writer.text());
    }
    for (reader, writer, said) in [
        (&long, of("\"double\""), "x: the writer has double, and this build reads long"),
        (&text, of("\"int\""), "x: the writer has int, and this build reads string"),
        (&micros, of(r#"{"type":"long","logicalType":"timestamp-millis"}"#), "x: the writer has long"),
        (&of(r#"{"type":"int","logicalType":"date"}"#), of("\"long\""), "reads a date"),
        (&double, of(r#"["null","string"]"#), "this build reads double"),
    ] {
        let error = reader.reader(writer.text()).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    // A union's type that can't be read is refused where it comes.
    let union = double.reader(of(r#"["null","double"]"#).text()).unwrap();
    assert_eq!(union.json(&[2, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap(), br#"{"x":0.0}"#);
    assert!(union.json(&[0]).unwrap_err().contains("the writer has null"));
    assert!(union.json(&[4]).unwrap_err().contains("no type 2"));
    let not_finite = double.reader(double.text()).unwrap().json(&f64::NAN.to_le_bytes()).unwrap_err();
    assert!(not_finite.contains("NaN"), "{not_finite}");
    assert!(long.reader("{").is_err() && long.reader("\"int\"").unwrap_err().contains("the writer has int"));
    let renamed = long.text().replace("\"R\"", "\"Other\"");
    assert_eq!(long.reader(&renamed).unwrap_err(), "the writer has a Other, and this build reads a R");
}
