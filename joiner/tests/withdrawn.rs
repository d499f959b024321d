//! Mentions that an edit of their article takes back.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use support::market::config;
use support::{Process, TOPICS, Table, Topics};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Mention, Run, Unscored, Watermark};
use tapewire_joiner::join::JoinTopic;
use tapewire_testkit::at;

const PUBLISHED: &str = "2024-07-02T14:00:10Z";
/// End of the last horizon and the allowed lateness after it.
const FINALIZATION: &str = "2024-07-05T20:15:00Z";

fn named(symbol: &str, revision: u64) -> Scored {
    Scored::Mention(Mention { article_revision: revision, ..tapewire_testkit::mention(symbol, at(PUBLISHED)) })
}

fn withdrawn(symbol: &str, revision: u64) -> Scored {
    let mention = tapewire_testkit::mention(symbol, at(PUBLISHED));
    Scored::Mention(Mention { article_revision: revision, sentiment: Err(Unscored::Withdrawn), ..mention })
}

fn news_at(time: &str) -> Scored {
    Scored::Watermark(Watermark::new(0, 1, at(time)))
}

/// Prices of two companies over the days that the mentions need.
fn topics(sentiment: &[Scored]) -> Topics {
    let mut bars = Vec::new();
    for start in ["2024-07-02T13:59:00Z", "2024-07-02T14:01:00Z", "2024-07-02T19:59:00Z", "2024-07-03T13:30:00Z"] {
        bars.extend(["AAA", "BBB"].map(|symbol| Tape::Bar(tapewire_testkit::bar(symbol, at(start), 100.0))));
    }
    bars.push(Tape::Watermark(Watermark::new(0, 1, at("2024-07-09T20:00:00Z"))));
    let run = Run::live();
    Topics {
        sentiment: sentiment.iter().map(|body| (run.clone(), body.clone())).collect(),
        bars: bars.into_iter().map(|body| (run.clone(), body)).collect(),
        halts: Vec::new(),
        actions: Vec::new(),
    }
}

/// The table after everything was read in one order, with a commit after each record and a kill after record
/// `killed_after`.
fn joined(topics: &Topics, order: [JoinTopic; 4], killed_after: usize) -> Table {
    let mut process = Process::start(topics, &config());
    let turns = order.into_iter().flat_map(|topic| std::iter::repeat_n(topic, topics.len(topic)));
    for (number, topic) in turns.enumerate() {
        process.read(topic);
        process.commit();
        if number == killed_after {
            process.kill(0);
        }
    }
    process.finish(order)
}

fn status_of(table: &Table, symbol: &str) -> (Status, Option<f64>) {
    let is_about = |mention: &Mention| mention.symbol.as_ref().is_some_and(|own| own.as_str() == symbol);
    let row = table.rows().find(|row| is_about(&row.mention)).unwrap();
    (row.status, row.entry_price)
}

fn for_every_kill(topics: &Topics, check: impl Fn(&Table, &str)) {
    for order in [TOPICS, [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment]] {
        for killed_after in 0..topics.total() {
            check(&joined(topics, order, killed_after), &format!("{order:?}, killed after {killed_after}"));
        }
    }
}

#[test]
fn a_company_that_is_no_longer_named_has_no_outcome_and_the_others_keep_theirs() {
    let sentiment = [named("AAA", 1), named("BBB", 1), named("AAA", 2), withdrawn("BBB", 2)];
    for_every_kill(&topics(&sentiment), |table, how| {
        assert_eq!(status_of(table, "AAA"), (Status::Final, Some(100.0)), "{how}");
        assert_eq!(status_of(table, "BBB"), (Status::NotJoined(Reason::Withdrawn), None), "{how}");
    });
}

#[test]
fn a_company_that_is_named_again_is_joined_again() {
    let sentiment = [named("BBB", 1), withdrawn("BBB", 2), named("BBB", 1)];
    for_every_kill(&topics(&sentiment), |table, how| {
        assert_eq!(status_of(table, "BBB"), (Status::Final, Some(100.0)), "{how}");
    });
}

#[test]
fn a_row_that_was_finished_long_ago_is_taken_back_too() {
    let sentiment =
        [named("AAA", 1), named("BBB", 1), news_at(FINALIZATION), news_at("2024-07-08T20:00:00Z"), withdrawn("BBB", 2)];
    for_every_kill(&topics(&sentiment), |table, how| {
        assert_eq!(status_of(table, "AAA"), (Status::Final, Some(100.0)), "{how}");
        assert_eq!(status_of(table, "BBB"), (Status::NotJoined(Reason::Withdrawn), None), "{how}");
    });
}
