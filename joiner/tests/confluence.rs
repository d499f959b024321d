//! The last row of each mention, its version included, is a function of the set of records, whatever the interleaving of
//! the topics, the kills and the commits.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use proptest::prelude::*;
use support::market::{Dice, Make, config};
use support::{Process, TOPICS, Table, Topics, assert_same, cases, read_all};
use tapewire_joiner::join::JoinTopic;

/// The table after one process has read all topics in turns, a few records of each at a time, as in production.
fn whole(topics: &Topics) -> Table {
    let longest = TOPICS.into_iter().map(|topic| topics.len(topic)).max().unwrap();
    let step = |topic: JoinTopic| longest / topics.len(topic).max(1);
    read_all(topics, &config(), (0..longest).flat_map(|i| TOPICS.into_iter().filter(move |&t| i % step(t).max(1) == 0)))
}

fn makes() -> impl Strategy<Value = Make> {
    let parts = (any::<u64>(), 5..9_usize, 5..40_u64, any::<[bool; 4]>());
    parts.prop_map(|(seed, sessions, mentions, [late_bars, halts, bars_first, benchmark_splits])| Make {
        seed,
        sessions,
        mentions,
        late_bars,
        halts,
        bars_first,
        benchmark_splits,
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn interleaving_changes_nothing(make in makes(), order in any::<u64>()) {
        let topics = make.topics();
        let expected = whole(&topics);
        for first in [
            [JoinTopic::Sentiment, JoinTopic::Bars, JoinTopic::Actions, JoinTopic::Halts],
            [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment],
            [JoinTopic::Actions, JoinTopic::Halts, JoinTopic::Bars, JoinTopic::Sentiment],
        ] {
            assert_same(&Process::start(&topics, &config()).finish(first), &expected);
        }
        let mut dice = Dice(order);
        let total = topics.total() * 2;
        // Long stretches of one topic, and short ones.
        let mut turns = Vec::new();
        while turns.len() < total {
            let topic = TOPICS[dice.below(4) as usize];
            let stretch = if dice.chance(30) { dice.below(500) } else { dice.below(4) };
            turns.extend(std::iter::repeat_n(topic, stretch as usize + 1));
        }
        assert_same(&read_all(&topics, &config(), turns), &expected);
    }

    #[test]
    fn kills_and_commits_change_nothing(make in makes(), order in any::<u64>()) {
        let topics = make.topics();
        let expected = whole(&topics);
        let mut dice = Dice(order);
        let mut process = Process::start(&topics, &config());
        let every = 1 + dice.below(topics.total() as u64 / 4);
        let mut kills = 0;
        while !process.is_done() {
            let topic = TOPICS[dice.below(4) as usize];
            for _ in 0..dice.below(60) {
                process.read(topic);
                if dice.below(every) < 3 {
                    process.commit();
                }
            }
            if kills < 12 && dice.below(every) < 20 {
                process.kill(dice.below(20) as usize);
                kills += 1;
            }
        }
        assert_same(&process.finish(TOPICS), &expected);
    }
}

proptest! {
    #![proptest_config(cases(48))]

    /// Bars keep their offsets, but are read in another order: some only shortly before they would be late.
    #[test]
    fn the_order_of_bars_within_the_allowed_lateness_changes_nothing(make in makes(), order in any::<u64>()) {
        let topics = Make { late_bars: false, ..make }.topics();
        let mut dice = Dice(order);
        let mut reordered: Vec<(usize, usize)> = (0..topics.bars.len()).map(|i| (i, i)).collect();
        // A run's state starts at the first record that is read, so that record stays first.
        for (place, original) in &mut reordered[1..] {
            *place = topics.place_within_lateness(*original, &mut dice);
        }
        reordered.sort();
        let mut process = Process::start(&topics, &config());
        for (_, original) in reordered {
            process.read_at(JoinTopic::Bars, original);
        }
        assert_same(&process.finish(TOPICS), &whole(&topics));
    }
}

#[test]
fn memory_and_rewind_are_bounded_by_the_horizons_not_by_the_history() {
    let sizes: Vec<_> = [14, 50]
        .into_iter()
        .map(|sessions| {
            let topics = Make {
                seed: 7,
                sessions,
                mentions: 20 * sessions as u64,
                late_bars: false,
                halts: true,
                bars_first: false,
                benchmark_splits: false,
            }
            .topics();
            let mut process = Process::start(&topics, &config());
            let mut largest = (0, 0, 0, 0);
            while process.read(JoinTopic::Halts) {}
            while process.read(JoinTopic::Actions) {}
            for i in 0..topics.len(JoinTopic::Bars) {
                for topic in TOPICS {
                    while process.progress(topic) < topics.len(topic) * i / topics.len(JoinTopic::Bars) {
                        process.read(topic);
                    }
                }
                if i % 100 == 0 {
                    process.commit();
                    let (mentions, bars) = process.size();
                    let rewind = process.rewinds(JoinTopic::Bars) as usize;
                    // All halts have been read, so those that are read again become fewer until the end.
                    let halts = process.rewinds(JoinTopic::Halts) as usize;
                    largest = (mentions.max(largest.0), bars.max(largest.1), rewind.max(largest.2), halts);
                }
            }
            (largest, topics.len(JoinTopic::Halts))
        })
        .collect();
    let ((short, _), (long, halts)) = (sizes[0], sizes[1]);
    assert!(long.0 < short.0 * 3 / 2, "mentions {sizes:?}");
    assert!(long.1 < short.1 * 3 / 2, "bars {sizes:?}");
    assert!(long.2 < short.2 * 3 / 2, "rewind {sizes:?}");
    assert!(0 < long.3 && long.3 < halts / 2, "halts {sizes:?}");
}
