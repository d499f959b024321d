//! Records in Avro over a real broker and a real schema registry: `TAPEWIRE_KAFKA_BROKERS` and
//! `TAPEWIRE_TEST_SCHEMA_REGISTRY` name them.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tapewire_bus::avro::{self, Decoder, RegistryError, TOPICS, TopicSchema, header, schema, split};
use tapewire_bus::{
    BusError, Consumer, DeadLetters, Event, Format, KafkaConfig, Producer, SchemaRegistryConfig, Topic, Topics,
};
use tapewire_core::record::{News, Scored};
use tapewire_core::{DeadLetter, HaltRecord, Run};
use tapewire_runtime::Clock;
use tapewire_testkit::{Optional, every_record, next_records};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Empty topics on the real broker, to which records are written as Avro; `None`, with a printed line, without servers.
async fn installation(name: &str) -> Option<KafkaConfig> {
    let url = tapewire_testkit::schema_registry(name)?;
    let config = tapewire_testkit::kafka(name, 2).await?;
    let schema_registry = SchemaRegistryConfig { url: Some(url), ..SchemaRegistryConfig::default() };
    Some(KafkaConfig { format: Format::Avro, schema_registry, ..config })
}

fn as_json(config: &KafkaConfig) -> KafkaConfig {
    KafkaConfig { format: Format::Json, ..config.clone() }
}

fn consumer(config: &KafkaConfig, topic: Topic) -> Consumer {
    Consumer::new(config, &format!("readers-{}", topic.base_name()), &[topic], |committed, _| committed).unwrap()
}

/// A halt of this symbol, and its JSON.
fn halt(symbol: &str) -> Vec<u8> {
    let halt = tapewire_core::Halt {
        symbol: tapewire_testkit::symbol(symbol),
        at: tapewire_testkit::at("2025-06-02T14:00:00Z"),
        halted: true,
        reason: "LULD 17".into(),
        received_at: tapewire_testkit::at("2025-06-02T14:00:01Z"),
    };
    HaltRecord::new(Run::live(), halt).encode()
}

/// What another writer tells the registry: registers a schema under a topic's subject.
async fn registered(config: &KafkaConfig, topic: Topic, schema: &str) -> (u16, Value) {
    let url = config.schema_registry.url.as_ref().unwrap();
    let subject = format!("{}-value", Topics::new(config).name(topic));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{url}/subjects/{subject}/versions"));
    let request = request.header("content-type", "application/vnd.schemaregistry.v1+json");
    let answer = request.body(json!({"schema": schema}).to_string()).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// The schema of the topic `halts` with further fields.
fn halts_with(fields: &[Value]) -> TopicSchema {
    let mut json: Value = serde_json::from_str(schema(Topic::Halts).unwrap().text()).unwrap();
    let of_halt = json["fields"][2]["type"]["fields"].as_array_mut().unwrap();
    of_halt.extend(fields.iter().cloned());
    TopicSchema::parse(&json.to_string()).unwrap()
}

async fn deleted(config: &KafkaConfig) {
    Topics::new(config).delete().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_of_every_topic_arrives_as_it_was_sent() {
    let Some(config) = installation("avro_every").await else { return };
    assert_eq!(avro::register(&config).await.unwrap().unwrap().len(), TOPICS.len());
    assert_eq!(avro::register(&config).await.unwrap(), Some(Vec::new()), "they are there already");
    avro::check(&config).await.unwrap();
    let ids: Vec<u32> =
        avro::registrations(&config).await.unwrap().unwrap().iter().map(|own| own.id.unwrap()).collect();
    let producer = Producer::new(&config).unwrap();
    let all: Vec<_> = (0..5).flat_map(|seed| every_record(seed, Optional::Either)).collect();
    for (topic, id) in TOPICS.into_iter().zip(ids) {
        let sent: Vec<&Vec<u8>> =
            all.iter().filter(|(name, _)| *name == topic.base_name()).map(|(_, json)| json).collect();
        for json in &sent {
            // One key, so that they are in one partition, in order.
            producer.send(topic, "key", json).await.unwrap();
        }
        let read = next_records(&mut consumer(&config, topic), sent.len()).await;
        for (json, record) in sent.into_iter().zip(read) {
            assert_eq!(String::from_utf8_lossy(&record.payload), String::from_utf8_lossy(json));
            let (found, datum) = split(record.bytes()).unwrap();
            assert_eq!(found, id);
            assert!(datum.len() < json.len(), "{} bytes instead of {}", datum.len(), json.len());
        }
    }
    deleted(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_stay_json_and_a_topic_may_have_both_formats() {
    let Some(config) = installation("avro_both").await else { return };
    avro::register(&config).await.unwrap();
    let (json, avro) = (Producer::new(&as_json(&config)).unwrap(), Producer::new(&config).unwrap());
    for (number, symbol) in ["AAPL", "MSFT", "NVDA", "TSLA"].into_iter().enumerate() {
        let producer = if number % 2 == 0 { &json } else { &avro };
        producer.send(Topic::Halts, "key", &halt(symbol)).await.unwrap();
    }
    // Whatever a process writes, it reads both.
    for (number, config) in [as_json(&config), config.clone()].iter().enumerate() {
        let group = format!("both-{number}");
        let mut reader = Consumer::new(config, &group, &[Topic::Halts], |committed, _| committed).unwrap();
        let read = next_records(&mut reader, 4).await;
        let symbols: Vec<String> =
            read.iter().map(|record| record.decode::<tapewire_core::Halt>().unwrap().body.symbol.to_string()).collect();
        assert_eq!(symbols, ["AAPL", "MSFT", "NVDA", "TSLA"]);
        let formats: Vec<bool> = read.iter().map(|record| record.bytes()[0] == 0).collect();
        assert_eq!(formats, [false, true, false, true]);
    }
    DeadLetters::new(avro, Clock::wall(), "test-stage").publish("somewhere", "no reason", b"\0\x01").await.unwrap();
    let letters = next_records(&mut consumer(&config, Topic::DeadLetter), 1).await;
    let letter: DeadLetter = serde_json::from_slice(letters[0].bytes()).unwrap();
    assert_eq!((letter.stage.as_str(), letter.bytes.as_str()), ("test-stage", "AAE="));
    deleted(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_handed_on_with_its_reason_and_its_bytes_and_the_rest_goes_on() {
    let Some(config) = installation("avro_unreadable").await else { return };
    avro::register(&config).await.unwrap();
    let id = avro::registrations(&config).await.unwrap().unwrap()[0].id.unwrap();
    let (raw, avro) = (Producer::new(&as_json(&config)).unwrap(), Producer::new(&config).unwrap());
    let (_, article) = every_record(1, Optional::Set).into_iter().next().unwrap();
    let datum = schema(Topic::News).unwrap().encode(&article).unwrap();
    let newer = String::from_utf8(article.clone()).unwrap().replacen("\"v\":1", "\"v\":2", 1).into_bytes();
    let newer = schema(Topic::News).unwrap().encode(&newer).unwrap();
    let framed = |id: u32, datum: &[u8]| [&header(id)[..], datum].concat();
    let bad = [
        (framed(0x7fff_fff0, &datum), "no schema with the id 2147483632"),
        (framed(id, &datum[..datum.len() - 1]), "it ends in the middle of a value"),
        (framed(id, &[&datum[..], b"x"].concat()), "1 bytes follow after its end"),
        (framed(id, &newer), "version 2 is newer"),
        (b"\0\0".to_vec(), "a header has 5"),
    ];
    for (payload, _) in &bad {
        raw.send(Topic::News, "key", payload).await.unwrap();
        avro.send(Topic::News, "key", &article).await.unwrap();
    }
    let letters = DeadLetters::new(raw, Clock::wall(), "test-stage");
    let read = next_records(&mut consumer(&config, Topic::News), 2 * bad.len()).await;
    for (pair, (payload, reason)) in read.chunks(2).zip(&bad) {
        let error = pair[0].decode::<News>().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(pair[0].bytes(), payload);
        assert_eq!(pair[1].payload, article);
        letters.publish_record(&pair[0], &error).await.unwrap();
    }
    let written = next_records(&mut consumer(&config, Topic::DeadLetter), bad.len()).await;
    let mut kept: Vec<DeadLetter> =
        written.iter().map(|record| serde_json::from_slice(&record.payload).unwrap()).collect();
    kept.sort_by_key(|letter| letter.origin.clone());
    assert!(kept.iter().all(|letter| letter.origin.starts_with("topic news, partition ")), "{kept:?}");
    // The record of a newer version says its run, although it can't be used.
    assert_eq!(kept.iter().filter(|letter| letter.run.is_some()).count(), 1, "{kept:?}");
    // What was kept can be read again when it can be read: by the same schemas, outside a topic.
    let decoder = Decoder::new(&config).unwrap();
    assert_eq!(decoder.json(Topic::News, &framed(id, &datum)).await.unwrap().unwrap(), article);
    let reason = decoder.json(Topic::News, &bad[0].0).await.unwrap().unwrap_err();
    assert!(reason.contains(bad[0].1), "{reason}");
    deleted(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_earlier_and_of_later_schemas_are_read() {
    let Some(config) = installation("avro_evolution").await else { return };
    // An earlier build knew no `asked_as`.
    let mut earlier: Value = serde_json::from_str(schema(Topic::Sentiment).unwrap().text()).unwrap();
    let mention = earlier["fields"][2]["type"]["fields"][0]["type"][1]["fields"].as_array_mut().unwrap();
    let before = mention.len();
    mention.retain(|field| field["name"] != "asked_as");
    assert_eq!(mention.len() + 1, before);
    let earlier = TopicSchema::parse(&earlier.to_string()).unwrap();
    let (status, earlier_id) = registered(&config, Topic::Sentiment, earlier.text()).await;
    assert_eq!(status, 200, "{earlier_id}");
    // This build's schemas are compatible with it, and a later one's with both.
    avro::register(&config).await.unwrap();
    let later = halts_with(&[
        json!({"name": "venue", "type": "string", "default": ""}),
        json!({"name": "level", "type": ["null", "int"], "default": null}),
    ]);
    let (status, later_id) = registered(&config, Topic::Halts, later.text()).await;
    assert_eq!(status, 200, "{later_id}");
    let id = |answer: &Value| u32::try_from(answer["id"].as_u64().unwrap()).unwrap();
    let raw = Producer::new(&as_json(&config)).unwrap();

    let (_, absent) = every_record(1, Optional::Absent).into_iter().find(|(topic, _)| *topic == "sentiment").unwrap();
    let payload = [&header(id(&earlier_id))[..], &earlier.encode(&absent).unwrap()].concat();
    raw.send(Topic::Sentiment, "key", &payload).await.unwrap();
    let read = next_records(&mut consumer(&config, Topic::Sentiment), 1).await;
    assert_eq!(read[0].payload, absent);
    assert!(matches!(read[0].decode::<Scored>().unwrap().body, Scored::Mention(mention) if mention.asked_as.is_none()));

    let mut more: Value = serde_json::from_slice(&halt("AAPL")).unwrap();
    more["body"]["venue"] = "XNAS".into();
    more["body"]["level"] = 2.into();
    let payload = [&header(id(&later_id))[..], &later.encode(more.to_string().as_bytes()).unwrap()].concat();
    raw.send(Topic::Halts, "key", &payload).await.unwrap();
    let read = next_records(&mut consumer(&config, Topic::Halts), 1).await;
    assert_eq!(read[0].payload, halt("AAPL"));
    assert_eq!(read[0].bytes(), payload, "nothing of what this build does not know is lost from a dead letter");
    deleted(&config).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_refuses_what_other_builds_could_not_read_and_that_is_said() {
    let Some(config) = installation("avro_refused").await else { return };
    let producer = Producer::new(&config).unwrap();
    let error = producer.send(Topic::Halts, "key", &halt("AAPL")).await.unwrap_err();
    let said = error.to_string();
    assert!(
        matches!(error, BusError::Registry(RegistryError::NotRegistered { .. })) && !error.is_retryable(),
        "{said}"
    );
    assert!(said.contains(&format!("{}news-value", config.prefix)) && said.contains("tapewire migrate"), "{said}");
    let error = avro::check(&config).await.unwrap_err();
    assert!(error.to_string().contains("tapewire migrate"), "{error}");

    avro::register(&config).await.unwrap();
    producer.send(Topic::Halts, "key", &halt("AAPL")).await.unwrap();
    for change in [
        // Readers of earlier records would have no value.
        halts_with(&[json!({"name": "venue", "type": "string"})]).text().to_owned(),
        schema(Topic::Halts)
            .unwrap()
            .text()
            .replace("\"name\":\"halted\",\"type\":\"boolean\"", "\"name\":\"halted\",\"type\":\"string\""),
        schema(Topic::Halts).unwrap().text().replace("\"name\":\"reason\"", "\"name\":\"why\""),
    ] {
        assert_ne!(change, schema(Topic::Halts).unwrap().text());
        let (status, answer) = registered(&config, Topic::Halts, &change).await;
        assert_eq!(status, 409, "{answer}");
    }

    // An earlier build's schema that this one's can't follow.
    let other = KafkaConfig { prefix: format!("{}other-", config.prefix), ..config.clone() };
    let text = schema(Topic::Bars)
        .unwrap()
        .text()
        .replace("\"name\":\"open\",\"type\":\"double\"", "\"name\":\"open\",\"type\":\"string\"");
    let (status, answer) = registered(&other, Topic::Bars, &text).await;
    assert_eq!(status, 200, "{answer}");
    let error = avro::register(&other).await.unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, BusError::Registry(RegistryError::Incompatible { .. })), "{said}");
    assert!(said.contains(&format!("{}bars-value", other.prefix)) && said.contains("another kafka.prefix"), "{said}");
    deleted(&config).await;
}

/// A way to the registry that can be closed: then it ends every connection at once.
struct Gate {
    is_open: watch::Sender<bool>,
    turned_away: Arc<AtomicUsize>,
    url: String,
}

impl Gate {
    async fn closed(registry: &str) -> Self {
        let mut url = reqwest::Url::parse(registry).unwrap();
        let target = (url.host_str().unwrap().to_owned(), url.port().unwrap());
        let gate = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(gate.local_addr().unwrap().port())).unwrap();
        let (is_open, opened) = watch::channel(false);
        let turned_away = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turned_away);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = gate.accept().await {
                let (target, mut opened) = (target.clone(), opened.clone());
                if !*opened.borrow_and_update() {
                    count.fetch_add(1, Ordering::AcqRel);
                    continue;
                }
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = opened.wait_for(|is_open| !is_open) => {}
                    }
                });
            }
        });
        Self { is_open, turned_away, url: url.into() }
    }

    /// Waits until the reader has been turned away some more times. What it waits for can't be read meanwhile.
    async fn turn_away(&self, consumer: &mut Consumer) {
        let before = self.turned_away.load(Ordering::Acquire);
        while self.turned_away.load(Ordering::Acquire) < before + 3 {
            // Each wait is given up after a moment, as stages do that look at a clock, too.
            let event = tokio::time::timeout(Duration::from_millis(20), consumer.next()).await;
            assert!(!matches!(event, Ok(Ok(Event::Record(_)))), "{event:?}");
            assert!(!matches!(event, Ok(Err(_))), "{event:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_waits_for_the_registry_and_neither_loses_nor_reorders_a_record() {
    let Some(config) = installation("avro_outage").await else { return };
    avro::register(&config).await.unwrap();
    let gate = Gate::closed(config.schema_registry.url.as_ref().unwrap()).await;
    let behind = |url: &str| SchemaRegistryConfig { url: Some(url.to_owned()), ..SchemaRegistryConfig::default() };
    let behind_gate = KafkaConfig { schema_registry: behind(&gate.url), ..config.clone() };
    // At the start of a process an unreachable registry is an error, which a role waits out.
    let error = avro::check(&behind_gate).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains(&gate.url), "{error}");
    let error = Producer::new(&behind_gate).unwrap().send(Topic::Halts, "key", &halt("AAPL")).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains(&gate.url), "{error}");

    let later = halts_with(&[json!({"name": "venue", "type": "string", "default": ""})]);
    let (_, answer) = registered(&config, Topic::Halts, later.text()).await;
    let later_id = u32::try_from(answer["id"].as_u64().unwrap()).unwrap();
    let (raw, avro) = (Producer::new(&as_json(&config)).unwrap(), Producer::new(&config).unwrap());
    let symbols: Vec<String> =
        (0..200).map(|number| tapewire_testkit::symbol(&format!("S{number}")).to_string()).collect();
    for symbol in &symbols[..100] {
        avro.send(Topic::Halts, "key", &halt(symbol)).await.unwrap();
    }
    let mut reader = consumer(&behind_gate, Topic::Halts);
    gate.turn_away(&mut reader).await;
    gate.is_open.send_replace(true);
    let mut read = next_records(&mut reader, 100).await;

    // Down again: what was written by schemas that are known is read all the same.
    gate.is_open.send_replace(false);
    avro.send(Topic::Halts, "key", &halt(&symbols[100])).await.unwrap();
    read.extend(next_records(&mut reader, 1).await);
    for symbol in &symbols[101..199] {
        let mut more: Value = serde_json::from_slice(&halt(symbol)).unwrap();
        more["body"]["venue"] = "XNAS".into();
        let payload = [&header(later_id)[..], &later.encode(more.to_string().as_bytes()).unwrap()].concat();
        raw.send(Topic::Halts, "key", &payload).await.unwrap();
    }
    raw.send(Topic::Halts, "key", &halt(&symbols[199])).await.unwrap();
    gate.turn_away(&mut reader).await;
    gate.is_open.send_replace(true);
    read.extend(next_records(&mut reader, 99).await);
    let found: Vec<String> =
        read.iter().map(|record| record.decode::<tapewire_core::Halt>().unwrap().body.symbol.to_string()).collect();
    assert_eq!(found, symbols);
    deleted(&config).await;
}
