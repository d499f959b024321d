//! The join of a whole replay gives the same rows as the join through topics, whatever the number of partitions and the
//! order of reading.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::collections::BTreeMap;
use support::market::{Dice, Make, config};
use support::{Process, RowKey, TOPICS, Topics, assert_same, key};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Impact, Run, Symbol, Watermark};
use tapewire_joiner::join::{JoinTopic, batch};

/// A market as a replay sends it: the same records without their times of arrival, and the ends of both streams.
fn replay(seed: u64) -> Topics {
    let run = Run::named("batch");
    let make = Make {
        seed,
        sessions: 6,
        mentions: 40,
        halts: true,
        late_bars: false,
        bars_first: true,
        benchmark_splits: seed.is_multiple_of(2),
    };
    let live = make.topics();
    let end = Watermark::new(0, 1, Watermark::END);
    let bars = live.bars.into_iter().map(|(_, tape)| tape).filter(|tape| !matches!(tape, Tape::Watermark(_)));
    let news = live.sentiment.into_iter().map(|(_, scored)| scored).filter(|s| !matches!(s, Scored::Watermark(_)));
    Topics {
        bars: bars.chain([Tape::Watermark(end.clone())]).map(|tape| (run.clone(), tape)).collect(),
        sentiment: news.chain([Scored::Watermark(end)]).map(|scored| (run.clone(), scored)).collect(),
        halts: Vec::new(),
        actions: live.actions.into_iter().map(|(_, action)| (run.clone(), action)).collect(),
    }
}

/// One of several partitions: its share of the symbols, and the benchmark.
fn partition(whole: &Topics, number: usize, count: usize) -> Topics {
    let benchmark = config().benchmark;
    let is_here = |symbol: &Symbol| symbol.as_str().bytes().map(usize::from).sum::<usize>() % count == number;
    let mut topics = whole.clone();
    topics.bars.retain(|(_, tape)| match tape {
        Tape::Bar(bar) | Tape::BenchmarkBar(bar) => bar.symbol == benchmark || is_here(&bar.symbol),
        Tape::Watermark(_) => true,
    });
    topics.actions.retain(|(_, action)| action.symbol == benchmark || is_here(&action.symbol));
    topics.sentiment.retain(|(_, scored)| match scored {
        Scored::Mention(mention) => mention.symbol.as_ref().map_or(number == 0, is_here),
        Scored::Watermark(_) => true,
    });
    topics
}

fn without_version(row: &Impact) -> Impact {
    Impact { version: 0, ..row.clone() }
}

fn joined(topics: &Topics) -> BTreeMap<RowKey, Impact> {
    let bars = topics.bars.iter().filter_map(|(_, tape)| match tape {
        Tape::Bar(bar) | Tape::BenchmarkBar(bar) => Some(bar.clone()),
        Tape::Watermark(_) => None,
    });
    let mentions = topics.sentiment.iter().filter_map(|(_, scored)| match scored {
        Scored::Mention(mention) => Some(mention.clone()),
        Scored::Watermark(_) => None,
    });
    let actions = topics.actions.iter().map(|(_, action)| action.clone()).collect();
    let rows = batch::join(&Run::named("batch"), config(), actions, bars, mentions).unwrap();
    rows.iter().map(|row| (key(row), without_version(row))).collect()
}

#[test]
fn a_replay_in_one_piece_gives_the_rows_of_the_topics() {
    let mut entered = 0;
    for seed in 0..12 {
        let whole = replay(seed);
        let found = joined(&whole);
        let mut expected = BTreeMap::new();
        for number in 0..3 {
            let topics = partition(&whole, number, 3);
            let mut process = Process::start(&topics, &config());
            let mut dice = Dice(seed + 100);
            while !process.is_done() {
                process.read(TOPICS[dice.below(4) as usize]);
                if dice.chance(2) {
                    process.commit();
                }
            }
            let table = process.finish(TOPICS);
            let ends_first = [JoinTopic::Bars, JoinTopic::Sentiment, JoinTopic::Halts, JoinTopic::Actions];
            assert_same(&Process::start(&topics, &config()).finish(ends_first), &table);
            expected.extend(table.rows().map(|row| (key(row), without_version(row))));
        }
        for (key, row) in &expected {
            assert_eq!(found.get(key), Some(row), "seed {seed}");
        }
        assert_eq!(found.len(), expected.len(), "seed {seed}");
        entered += found.values().filter(|row| row.entry_at.is_some()).count();
    }
    assert!(entered > 100, "{entered} rows have an entry");
}
