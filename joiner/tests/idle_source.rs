//! News and tape from two sources each. Sources go idle and come back, often further back than what was complete without
//! them, sometimes one is no longer configured, and on some days they are configured in another order. Killed and restored at any record, the rows are the same.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use support::market::{Dice, sessions};
use support::{Process, TOPICS, Table, Topics, assert_same, cases};
use tapewire_core::exchange::Session;
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Bar, Mention, Run, Watermark};
use tapewire_joiner::join::{JoinConfig, JoinTopic};

const SESSIONS: usize = 9;

fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

/// With so short a baseline, sessions are evicted within the stream, and a restored state starts in the middle of it.
fn config() -> JoinConfig {
    JoinConfig { baseline_sessions: 1, ..support::market::config() }
}

/// Whether the second source is configured as the first on this day.
fn is_turned(now: Timestamp) -> bool {
    now.as_second() / 86_400 % 3 == 0
}

/// The two sources of one topic.
#[derive(Default)]
struct Sources {
    last: [Option<Timestamp>; 2],
    idle: [bool; 2],
}

impl Sources {
    /// The watermarks that the sources send at a moment.
    fn watermarks(&mut self, now: Timestamp, dice: &mut Dice) -> Vec<Watermark> {
        let mut watermarks = Vec::new();
        for source in 0..2 {
            let last = self.last[source].unwrap_or(now);
            let (idle, at) = match self.idle[source] {
                true if dice.chance(70) => continue,
                true => (false, last.max(now - minutes(dice.below(200) as i64))),
                false if dice.chance(15) => (true, last),
                false if dice.chance(15) => continue,
                false => (false, now),
            };
            (self.last[source], self.idle[source]) = (Some(at), idle);
            // The number of streams is one while the other source is not configured.
            let count = if source == 0 && dice.chance(10) { 1 } else { 2 };
            let index = if count == 2 && is_turned(now) { 1 - source } else { source };
            let name = ["first", "second"][source].to_owned();
            watermarks.push(Watermark { idle, source: name, ..Watermark::new(index as u32, count, at) });
        }
        watermarks
    }

    fn end(after: &Session) -> [Watermark; 2] {
        [0, 1].map(|source| Watermark::new(source, 2, after.close + minutes(12 * 24 * 60)))
    }
}

fn bar(start: Timestamp, dice: &mut Dice) -> Bar {
    tapewire_testkit::bar("AAA", start, 100.0 + dice.below(100) as f64)
}

fn mention(id: usize, published_at: Timestamp) -> Mention {
    Mention { article_id: format!("a{id:03}"), ..tapewire_testkit::mention("AAA", published_at) }
}

/// The topics, and the order in which their records were made.
fn stream(seed: u64) -> (Topics, Vec<JoinTopic>) {
    let mut dice = Dice(seed);
    let (mut news, mut tape) = (Sources::default(), Sources::default());
    let (mut sentiment, mut bars, mut turns) = (Vec::new(), Vec::new(), Vec::new());
    let days = sessions(SESSIONS);
    for day in days {
        for hour in 0..7 {
            let now = day.open + minutes(60 * hour);
            for _ in 0..dice.below(3) {
                let start = (now - minutes(dice.below(70) as i64)).max(day.open);
                bars.push(Tape::Bar(bar(start, &mut dice)));
            }
            bars.extend(tape.watermarks(now, &mut dice).into_iter().map(Tape::Watermark));
            sentiment.extend(news.watermarks(now, &mut dice).into_iter().map(Scored::Watermark));
            if dice.chance(40) {
                let published_at = now - minutes(dice.below(300) as i64);
                sentiment.push(Scored::Mention(mention(sentiment.len(), published_at)));
            }
            turns.extend(std::iter::repeat_n(JoinTopic::Bars, bars.len() - count(&turns, JoinTopic::Bars)));
            turns.extend(std::iter::repeat_n(
                JoinTopic::Sentiment,
                sentiment.len() - count(&turns, JoinTopic::Sentiment),
            ));
        }
    }
    bars.extend(Sources::end(&days[SESSIONS - 1]).map(Tape::Watermark));
    sentiment.extend(Sources::end(&days[SESSIONS - 1]).map(Scored::Watermark));
    let sentiment = sentiment.into_iter().map(|body| (Run::live(), body)).collect();
    let bars = bars.into_iter().map(|body| (Run::live(), body)).collect();
    (Topics { sentiment, bars, halts: Vec::new(), actions: Vec::new() }, turns)
}

fn count(turns: &[JoinTopic], topic: JoinTopic) -> usize {
    turns.iter().filter(|turn| **turn == topic).count()
}

/// Reads in the order of `turns`, then the rest. Commits after every record from `committing_from` on; is killed after
/// record `killed_after`, if any.
fn read(topics: &Topics, turns: &[JoinTopic], committing_from: usize, killed_after: Option<usize>) -> (Table, u64) {
    let mut process = Process::start(topics, &config());
    let mut skipped = 0;
    for (i, &topic) in turns.iter().enumerate() {
        process.read(topic);
        if i >= committing_from {
            process.commit();
        }
        if killed_after == Some(i) {
            process.kill(0);
            skipped = process.progress(JoinTopic::Bars) as u64;
        }
    }
    (process.finish(TOPICS), skipped)
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_process_killed_at_any_record_gives_the_same_rows(seed in any::<u64>()) {
        let (topics, turns) = stream(seed);
        let (expected, _) = read(&topics, &turns, usize::MAX, None);
        for order in [TOPICS, [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment]] {
            assert_same(&Process::start(&topics, &config()).finish(order), &expected);
        }
        for killed_after in 0..turns.len() {
            let committing_from = killed_after.saturating_sub(killed_after % 5);
            let (found, _) = read(&topics, &turns, committing_from, Some(killed_after));
            assert_same(&found, &expected);
        }
    }
}

/// No mention is in memory when the process is killed, so the next one starts after the watermark of the source that
/// came back, and knows from the checkpoint alone that the news was complete further than that source is now.
#[test]
fn what_was_complete_without_an_idle_source_stays_complete_through_a_restart() {
    let open = sessions(1)[0].open;
    let news = |watermark: Watermark| Scored::Watermark(watermark);
    let sentiment = [
        news(Watermark { idle: true, ..Watermark::new(1, 2, open) }),
        news(Watermark::new(0, 2, open + minutes(90))),
        news(Watermark::new(1, 2, open + minutes(60))),
        Scored::Mention(mention(0, open + minutes(75))),
    ];
    let sentiment = sentiment.into_iter().map(|body| (Run::live(), body)).collect();
    let topics = Topics { sentiment, bars: Vec::new(), halts: Vec::new(), actions: Vec::new() };
    let turns = [JoinTopic::Sentiment; 4];
    for killed_after in 0..turns.len() {
        let (table, _) = read(&topics, &turns, 0, Some(killed_after));
        let late: Vec<bool> = table.rows().map(|row| row.quality.late).collect();
        assert_eq!(late, [true], "killed after record {killed_after}");
    }
}

#[test]
fn the_property_meets_restored_states_and_late_mentions() {
    let (topics, turns) = stream(1);
    let (table, skipped) = read(&topics, &turns, 0, Some(turns.len() - 1));
    let late = table.rows().filter(|row| row.quality.late).count();
    let entered = table.rows().filter(|row| row.entry_at.is_some()).count();
    let rows = table.rows().count();
    assert!(skipped > 10 && late > 2 && late < rows && entered > 5, "{skipped} {late} {entered} {rows}");
}
