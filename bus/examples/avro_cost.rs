//! What Avro costs: how many records a second one thread writes and reads as JSON, and as Avro, and how large they are.
//!
//! ```text
//! cargo run --release --locked -p tapewire-bus --example avro_cost
//! ```
//!
//! Both begin and end with a record as stages have it: Avro is made of JSON, and read as JSON. The two are measured in
//! turns, and the median of the rounds is printed.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hint::black_box;
use std::time::Instant;
use tapewire_bus::Topic;
use tapewire_bus::avro::{header, schema};
use tapewire_core::record::{Envelope, News, Print, Scored, SourceTrade, Tape};
use tapewire_core::tape::BarUpdates;
use tapewire_core::{Article, Mention, Probabilities, Run, Sentiment, Trade};
use tapewire_testkit::{article, at, bar, mention, symbol};

const ROUNDS: usize = 15;
const RECORDS: usize = 20_000;

/// Writes and reads one record this many times.
type Exchange = Box<dyn Fn(usize)>;

struct Sample {
    name: &'static str,
    bytes: [usize; 2],
    exchanges: [Exchange; 2],
}

impl Sample {
    fn new<Body>(name: &'static str, topic: Topic, body: Body) -> Self
    where
        Body: Serialize + DeserializeOwned + Clone + 'static,
    {
        let schema = schema(topic).expect("its records have a schema");
        let reader = schema.reader(schema.text()).expect("a schema reads what it writes");
        let record = Envelope::new(Run::live(), body);
        let json = record.encode();
        let avro = schema.encode(&json).expect("the schema has every field");
        let bytes = [json.len(), header(1).len() + avro.len()];
        let of_json = record.clone();
        let as_json = move |times: usize| {
            for _ in 0..times {
                let payload = black_box(&of_json).encode();
                black_box(Envelope::<Body>::decode(&payload).expect("it is a record"));
            }
        };
        let as_avro = move |times: usize| {
            for _ in 0..times {
                let payload = schema.encode(&black_box(&record).encode()).expect("the schema has every field");
                let json = reader.json(&payload).expect("it was written by this schema");
                black_box(Envelope::<Body>::decode(&json).expect("it is a record"));
            }
        };
        Self { name, bytes, exchanges: [Box::new(as_json), Box::new(as_avro)] }
    }

    /// Records a second, as JSON and as Avro.
    fn rates(&self) -> [f64; 2] {
        let mut rounds = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (exchange, seconds) in self.exchanges.iter().zip(&mut rounds) {
                let began = Instant::now();
                exchange(RECORDS);
                seconds.push(began.elapsed().as_secs_f64());
            }
        }
        rounds.map(|mut seconds| {
            seconds.sort_by(f64::total_cmp);
            RECORDS as f64 / seconds[ROUNDS / 2]
        })
    }
}

fn samples() -> Vec<Sample> {
    let now = at("2025-06-02T14:00:00.123456Z");
    let headline = "Example Corp raises its outlook for the year after a strong quarter";
    let article = Article {
        publisher: "Wire".into(),
        description: "Demand was strong in all regions, the company said. ".repeat(6),
        url: "https://wire.example/2025/06/02/example-corp-raises-its-outlook".into(),
        symbols: vec![symbol("EXMP"), symbol("SPY")],
        keywords: vec!["earnings".into(), "outlook".into()],
        ..article(headline, now)
    };
    let mention = Mention {
        title: headline.into(),
        publisher: "Wire".into(),
        url: article.url.clone(),
        relevance: Some(0.8),
        asked_as: Some("Example".into()),
        sentiment: Ok(Sentiment {
            probabilities: Probabilities { positive: 0.912_345_6, neutral: 0.071_234_5, negative: 0.016_419_9 },
            model: "tapewire-e5-sentiment".into(),
            model_revision: "5f0c9a1b2c3d".into(),
            windows: 1,
        }),
        ..mention("EXMP", now)
    };
    let trade = Trade {
        symbol: symbol("EXMP"),
        at: now,
        id: "52983525029461".into(),
        sequence: 3_681_328,
        price: 114.125,
        size: 100.0,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at: now,
    };
    vec![
        Sample::new("article", Topic::News, News::Article(article)),
        Sample::new("mention", Topic::Sentiment, Scored::Mention(mention)),
        Sample::new("bar", Topic::Bars, Tape::Bar(bar("EXMP", now, 114.125))),
        Sample::new("trade", Topic::Trades, Print::Fold(SourceTrade { source: "massive".into(), trade })),
    ]
}

fn main() {
    println!(
        "{:<10} {:>11} {:>11} {:>14} {:>14}",
        "record", "JSON bytes", "Avro bytes", "JSON records/s", "Avro records/s"
    );
    for sample in samples() {
        let ([json_bytes, avro_bytes], [json, avro]) = (sample.bytes, sample.rates());
        println!("{:<10} {json_bytes:>11} {avro_bytes:>11} {json:>14.0} {avro:>14.0}", sample.name);
    }
}
