//! Records that arrive too late, twice, or after their run was over.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use support::market::config;
use support::start_offset;
use support::{Process, TOPICS, Table, Topics};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Impact, Mention, Run, Watermark};
use tapewire_joiner::join::{EvictedRun, JoinEvent, JoinTopic, Partition, PerTopic};
use tapewire_testkit::at;

fn mention(id: &str, published_at: &str) -> Scored {
    Scored::Mention(Mention { article_id: id.into(), ..tapewire_testkit::mention("AAA", at(published_at)) })
}

fn bar(start: &str, price: f64) -> Tape {
    Tape::Bar(tapewire_testkit::bar("AAA", at(start), price))
}

fn watermark(at: Timestamp) -> Watermark {
    Watermark::new(0, 1, at)
}

fn tape_at(text: &str) -> Tape {
    Tape::Watermark(watermark(at(text)))
}

fn news_at(text: &str) -> Scored {
    Scored::Watermark(watermark(at(text)))
}

const TAPE_END: Tape = Tape::Watermark(Watermark::new(0, 1, Watermark::END));
const NEWS_END: Scored = Scored::Watermark(Watermark::new(0, 1, Watermark::END));

fn topics(run: &Run, sentiment: &[Scored], bars: &[Tape]) -> Topics {
    Topics {
        sentiment: sentiment.iter().map(|body| (run.clone(), body.clone())).collect(),
        bars: bars.iter().map(|body| (run.clone(), body.clone())).collect(),
        halts: Vec::new(),
        actions: Vec::new(),
    }
}

fn row<'a>(table: &'a Table, id: &str) -> &'a Impact {
    table.rows().find(|row| row.mention.article_id == id).unwrap()
}

/// Entry at 14:01 on Tuesday; closes at 20:00 on Tuesday and at 17:00 on Wednesday. The row is final after Friday's
/// session.
fn history() -> Vec<Tape> {
    vec![
        bar("2024-07-02T13:59:00Z", 99.0),
        bar("2024-07-02T14:01:00Z", 100.0),
        bar("2024-07-02T19:59:00Z", 101.0),
        tape_at("2024-07-02T20:00:00Z"),
        bar("2024-07-03T13:30:00Z", 102.0),
        bar("2024-07-03T16:59:00Z", 103.0),
        tape_at("2024-07-03T17:00:00Z"),
        tape_at("2024-07-09T20:00:00Z"),
    ]
}

#[test]
fn a_mention_after_its_finalization_time_is_listed_and_replaces_nothing() {
    let finalization = "2024-07-05T20:15:00Z";
    let sentiment = [
        mention("a", "2024-07-02T14:00:10Z"),
        news_at("2024-07-05T20:14:59.999999Z"),
        mention("in time", "2024-07-02T14:00:10Z"),
        news_at(finalization),
        mention("a", "2024-07-02T14:00:10Z"),
        mention("too late", "2024-07-02T14:00:10Z"),
    ];
    let all = topics(&Run::live(), &sentiment, &history());
    for order in [TOPICS, [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment]] {
        let table = Process::start(&all, &config()).finish(order);
        let (first, in_time, too_late) = (row(&table, "a"), row(&table, "in time"), row(&table, "too late"));
        assert_eq!((first.status, first.entry_price, first.quality.late), (Status::Final, Some(100.0), false));
        assert_eq!((in_time.entry_price, in_time.quality.late), (Some(100.0), true));
        assert_eq!((in_time.returns, in_time.price_before), (first.returns, Some(99.0)));
        assert_eq!(too_late.status, Status::NotJoined(Reason::TooLate));
        assert!(too_late.quality.late && too_late.version == 0);
    }
}

#[test]
fn a_late_bar_is_visible_to_later_mentions_only() {
    let mut bars = history();
    // The tape has passed 14:00 + 1 min + 15 min, but not the end of the entry bar + 15 min.
    bars.insert(2, tape_at("2024-07-02T14:17:00Z"));
    bars.insert(3, bar("2024-07-02T14:00:00Z", 1.0));
    bars.insert(4, bar("2024-07-02T14:01:00Z", 1.0));
    bars.insert(5, bar("2024-07-02T14:02:00Z", 98.0));
    let sentiment = [mention("a", "2024-07-02T13:59:30Z"), mention("next day", "2024-07-03T13:20:00Z")];
    let table = Process::start(&topics(&Run::live(), &sentiment, &bars), &config()).finish(TOPICS);
    let first = row(&table, "a");
    // The bar of 14:02 arrived within the allowed lateness.
    assert_eq!((first.entry_price, first.returns[1]), (Some(100.0), Some((98.0_f64 / 100.0).ln())));
    assert_eq!(row(&table, "next day").price_before, Some(101.0));
}

#[test]
fn a_replay_can_be_repeated_and_records_sent_twice_undo_nothing() {
    let run = Run::named("r");
    let sentiment = [mention("a", "2024-07-02T14:00:10Z"), NEWS_END];
    let bars = [history(), vec![TAPE_END]].concat();
    let once = topics(&run, &sentiment, &bars);
    let expected = Process::start(&once, &config()).finish(TOPICS);
    assert_eq!(row(&expected, "a").status, Status::Final);

    // The worker dies before its commit and sends the mention and the end of stream once more.
    let mut sent_twice = once.clone();
    sent_twice.sentiment.extend(once.sentiment.clone());
    for order in [TOPICS, [JoinTopic::Bars, JoinTopic::Halts, JoinTopic::Actions, JoinTopic::Sentiment]] {
        assert_eq!(Process::start(&sent_twice, &config()).finish(order), expected);
    }

    let mut twice = once.clone();
    twice.sentiment.extend(once.sentiment.clone());
    twice.bars.extend(once.bars.clone());
    let found = Process::start(&twice, &config());
    let found = read_in_turns(
        found,
        &[(JoinTopic::Bars, bars.len()), (JoinTopic::Sentiment, 2), (JoinTopic::Bars, bars.len())],
    );
    let (first, second) = (row(&expected, "a"), row(&found, "a"));
    assert!(second.version > first.version);
    assert_eq!(Impact { version: 0, ..second.clone() }, Impact { version: 0, ..first.clone() });
}

fn read_in_turns(mut process: Process<'_>, turns: &[(JoinTopic, usize)]) -> Table {
    for &(topic, records) in turns {
        (0..records).for_each(|_| assert!(process.read(topic)));
    }
    process.finish(TOPICS)
}

#[test]
fn a_silent_replay_no_longer_holds_the_rewind_point() {
    let mut partition = Partition::resume(Arc::new(config()), &PerTopic::default());
    let replay = Run::named("r");
    let Scored::Mention(open) = mention("a", "2024-07-02T14:00:10Z") else { panic!("a mention") };
    partition.step(JoinTopic::Sentiment, 0, Some((&replay, JoinEvent::Mention { offset: 0, mention: open }))).unwrap();
    for offset in 0..1_000_010 {
        let watermark = watermark(at("2024-07-02T14:00:00Z") + SignedDuration::from_secs(offset as i64));
        let event = JoinEvent::TapeWatermark { offset, watermark };
        partition.step(JoinTopic::Bars, offset, Some((&Run::live(), event))).unwrap();
        if offset == 999_000 {
            assert_eq!(partition.evict(), []);
            assert_eq!(start_offset(&partition.commits().0.sentiment), 0, "its mention is still open");
        }
    }
    assert_eq!(partition.evict(), [EvictedRun { run: replay, unfinished: 1 }]);
    assert_eq!(start_offset(&partition.commits().0.sentiment), 1);
}

#[test]
fn checkpoints_stay_within_what_kafka_takes() {
    let mut partition = Partition::resume(Arc::new(config()), &PerTopic::default());
    let mut offset = 0;
    for number in 0..100 {
        let run = Run::named(&format!("a replay with a rather long name, number {number}"));
        for index in 0..12 {
            let watermark = Watermark::new(index, 12, at("2024-07-02T14:00:00Z"));
            let event = JoinEvent::NewsWatermark { offset, watermark };
            partition.step(JoinTopic::Sentiment, offset, Some((&run, event))).unwrap();
            offset += 1;
        }
    }
    let (positions, evicted) = partition.commits();
    assert!(positions.into_iter().all(|position| position.checkpoint.len() <= 4096));
    assert!(!evicted.is_empty() && evicted.len() < 100, "{}", evicted.len());
    assert!(partition.commits().1.is_empty());
}
