//! Golden streams: `golden/NAME.jsonl` in, `golden/NAME.rows.jsonl` out, to the byte.
//!
//! Each is read whole, in other interleavings, with every record twice, and killed and rebuilt at every record; the rows
//! have to be the same each time. `TAPEWIRE_BLESS=1` writes the rows found as the rows expected: read the difference
//! before committing it.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use support::{Process, TOPICS, Table, Topics};
use tapewire_core::{Horizon, Impact};
use tapewire_joiner::join::{JoinConfig, JoinTopic};
use tapewire_store::rows::ImpactRow;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Columns of `impact` that a golden row leaves out, because they are copied from the mention.
const CARRIED: [&str; 16] = [
    "run",
    "title",
    "provider",
    "publisher",
    "url",
    "published_at",
    "received_at",
    "scored_at",
    "relevance",
    "p_positive",
    "p_neutral",
    "p_negative",
    "label",
    "model",
    "model_revision",
    "unscored",
];

/// A row as JSON, without the columns that are not set.
fn line(row: &Impact) -> String {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != json!(false) {
            fields.insert(name.to_owned(), value);
        }
    };
    put("revision", json!(row.mention.article_revision));
    for (horizon, gained) in Horizon::ALL.into_iter().zip(row.returns) {
        // A person can check the price that a return leads to more easily than the return.
        let price = gained.zip(row.entry_price).map(|(gained, entry)| entry * gained.exp());
        put(&format!("price_{}", horizon.name()), json!(price.map(|price| format!("{price:.6}"))));
    }
    let Value::Object(columns) = serde_json::to_value(ImpactRow::new(row)).unwrap() else { panic!("a row is a map") };
    for (column, value) in columns.into_iter().filter(|(column, _)| !CARRIED.contains(&column.as_str())) {
        let time = |value: &Value| json!(value.as_i64().map(|at| Timestamp::from_microsecond(at).unwrap().to_string()));
        match column.as_str() {
            "version" => put(&column, json!([row.version >> 36, row.version & ((1 << 36) - 1)])),
            "article_id" => put("article", value),
            "available_at" => put("available", time(&value)),
            "bar_width_s" => put("width_s", value),
            "reason" if value == "" => {}
            column if column.ends_with("_at") => put(column, time(&value)),
            column => put(column.strip_prefix("flag_").unwrap_or(column), value),
        }
    }
    Value::Object(fields).to_string()
}

fn text(table: &Table) -> String {
    table.rows().map(|row| line(row) + "\n").collect()
}

/// A golden stream, and the order of topics in its lines.
struct Golden {
    topics: Topics,
    turns: Vec<JoinTopic>,
    expected: String,
    config: JoinConfig,
}

impl Golden {
    fn read(name: &str, config: JoinConfig) -> Self {
        let input = std::fs::read_to_string(file(&format!("{name}.jsonl"))).unwrap();
        let topic = |line: &str| match line.split_once(' ').map(|(topic, _)| topic) {
            Some("sentiment") => Some(JoinTopic::Sentiment),
            Some("bars") => Some(JoinTopic::Bars),
            Some("halts") => Some(JoinTopic::Halts),
            Some("actions") => Some(JoinTopic::Actions),
            _ => None,
        };
        let golden = Self {
            topics: Topics::from_jsonl(&input),
            turns: input.lines().filter_map(topic).collect(),
            expected: std::fs::read_to_string(file(&format!("{name}.rows.jsonl"))).unwrap_or_default(),
            config,
        };
        if std::env::var_os("TAPEWIRE_BLESS").is_some() {
            std::fs::write(file(&format!("{name}.rows.jsonl")), text(&golden.whole())).unwrap();
            return Self { expected: text(&golden.whole()), ..golden };
        }
        golden
    }

    fn whole(&self) -> Table {
        let mut process = Process::start(&self.topics, &self.config);
        for &topic in &self.turns {
            process.read(topic);
        }
        process.finish(TOPICS)
    }

    fn assert(&self, found: &Table, how: &str) {
        for (found, expected) in text(found).lines().zip(self.expected.lines()) {
            assert_eq!(found, expected, "{how}");
        }
        assert_eq!(text(found), self.expected, "{how}");
    }

    fn run_all_ways(&self) {
        self.assert(&self.whole(), "whole");
        for first in [
            [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment],
            [JoinTopic::Sentiment, JoinTopic::Bars, JoinTopic::Actions, JoinTopic::Halts],
            [JoinTopic::Actions, JoinTopic::Halts, JoinTopic::Sentiment, JoinTopic::Bars],
        ] {
            let found = Process::start(&self.topics, &self.config).finish(first);
            self.assert(&found, &format!("topic by topic: {first:?}"));
        }
        self.every_record_twice();
        for at in 0..self.turns.len() {
            self.killed(at);
        }
    }

    /// Every record is read twice, as after a commit that was lost.
    fn every_record_twice(&self) {
        let mut process = Process::start(&self.topics, &self.config);
        for &topic in &self.turns {
            process.read(topic);
            process.read_again(topic);
        }
        self.assert(&process.finish(TOPICS), "every record twice");
    }

    /// The process is killed after record `at`; its last commit was at that record or some records before.
    fn killed(&self, at: usize) {
        for (commit_every, written) in [(1, 0), (7, 3), (1000, 2)] {
            let mut process = Process::start(&self.topics, &self.config);
            for (i, &topic) in self.turns.iter().enumerate() {
                process.read(topic);
                if i % commit_every == 0 {
                    process.commit();
                }
                if i == at {
                    process.kill(written);
                }
            }
            self.assert(&process.finish(TOPICS), &format!("killed after record {at}, commit every {commit_every}"));
        }
        // And the successor reads the topics in another order.
        let mut process = Process::start(&self.topics, &self.config);
        for &topic in &self.turns[..at] {
            process.read(topic);
        }
        process.commit();
        process.kill(0);
        let found = process.finish([JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment]);
        self.assert(&found, &format!("killed after record {at}, then the tape first"));
    }
}

#[test]
fn holiday_week() {
    Golden::read("holiday_week", JoinConfig::default()).run_all_ways();
}

/// Hours on the clock, days from midnight, closing auctions, splits and dividends.
#[test]
fn prices_across_nights() {
    Golden::read("prices_across_nights", JoinConfig::default()).run_all_ways();
}
