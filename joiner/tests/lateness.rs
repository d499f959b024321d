//! What comes too late, twice, or after its run was over.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use support::market::{config, symbol};
use support::{Process, TOPICS, Table, Topics};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Bar, Impact, Mention, Run, Unscored, Watermark};
use tapewire_joiner::join::{Event, Partition, Position, Topic};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn mention(id: &str, published_at: &str) -> Scored {
    let at = at(published_at);
    Scored::Mention(Mention {
        article_id: id.into(),
        article_revision: 1,
        symbol: Some(symbol("AAA")),
        title: String::new(),
        provider: String::new(),
        publisher: String::new(),
        url: String::new(),
        published_at: at,
        received_at: at,
        scored_at: at,
        relevance: None,
        sentiment: Err(Unscored::EmptyText),
    })
}

fn bar(start: &str, price: f64) -> Tape {
    let start = at(start);
    Tape::Bar(Bar {
        symbol: symbol("AAA"),
        start,
        width_s: 60,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 1.0,
        vwap: None,
        trades: None,
        received_at: start + SignedDuration::from_secs(60),
    })
}

fn word(at: Timestamp) -> Watermark {
    Watermark::new(0, 1, at)
}

fn tape_at(text: &str) -> Tape {
    Tape::Watermark(word(at(text)))
}

fn news_at(text: &str) -> Scored {
    Scored::Watermark(word(at(text)))
}

const TAPE_END: Tape = Tape::Watermark(Watermark::new(0, 1, Watermark::END));
const NEWS_END: Scored = Scored::Watermark(Watermark::new(0, 1, Watermark::END));

fn topics(run: &Run, sentiment: &[Scored], bars: &[Tape]) -> Topics {
    Topics {
        sentiment: sentiment.iter().map(|body| (run.clone(), body.clone())).collect(),
        bars: bars.iter().map(|body| (run.clone(), body.clone())).collect(),
        halts: Vec::new(),
    }
}

fn row<'a>(table: &'a Table, id: &str) -> &'a Impact {
    table.rows().find(|row| row.mention.article_id == id).unwrap()
}

/// Entry at 14:01 on Tuesday; closes at 20:00 on Tuesday and at 17:00 on Wednesday, and it is settled with Friday.
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
fn a_mention_after_its_deadline_is_listed_and_replaces_nothing() {
    let settled = "2024-07-05T20:15:00Z";
    let sentiment = [
        mention("a", "2024-07-02T14:00:10Z"),
        news_at("2024-07-05T20:14:59.999999Z"),
        mention("in time", "2024-07-02T14:00:10Z"),
        news_at(settled),
        mention("a", "2024-07-02T14:00:10Z"),
        mention("too late", "2024-07-02T14:00:10Z"),
    ];
    let all = topics(&Run::live(), &sentiment, &history());
    for order in [TOPICS, [Topic::Bars, Topic::Halts, Topic::Sentiment]] {
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
fn a_bar_after_its_lateness_is_for_later_mentions_only() {
    let mut bars = history();
    // The tape has passed 14:00 + 1 min + 15 min, though not what the mention waits for.
    bars.insert(2, tape_at("2024-07-02T14:17:00Z"));
    bars.insert(3, bar("2024-07-02T14:00:00Z", 1.0));
    bars.insert(4, bar("2024-07-02T14:01:00Z", 1.0));
    bars.insert(5, bar("2024-07-02T14:02:00Z", 98.0));
    let sentiment = [mention("a", "2024-07-02T13:59:30Z"), mention("next day", "2024-07-03T13:20:00Z")];
    let table = Process::start(&topics(&Run::live(), &sentiment, &bars), &config()).finish(TOPICS);
    let first = row(&table, "a");
    // 14:02 came within its lateness.
    assert_eq!((first.entry_price, first.returns[1]), (Some(100.0), Some((98.0_f64 / 100.0).ln())));
    assert_eq!(row(&table, "next day").price_before, Some(101.0));
}

#[test]
fn a_replay_can_be_repeated_and_its_stragglers_undo_nothing() {
    let run = Run::named("r");
    let sentiment = [mention("a", "2024-07-02T14:00:10Z"), NEWS_END];
    let bars = [history(), vec![TAPE_END]].concat();
    let once = topics(&run, &sentiment, &bars);
    let expected = Process::start(&once, &config()).finish(TOPICS);
    assert_eq!(row(&expected, "a").status, Status::Final);

    // The worker dies before its commit and sends the mention and the last word once more.
    let mut straggling = once.clone();
    straggling.sentiment.extend(once.sentiment.clone());
    for order in [TOPICS, [Topic::Bars, Topic::Halts, Topic::Sentiment]] {
        assert_eq!(Process::start(&straggling, &config()).finish(order), expected);
    }

    let mut twice = once.clone();
    twice.sentiment.extend(once.sentiment.clone());
    twice.bars.extend(once.bars.clone());
    let found = Process::start(&twice, &config());
    let found = read_in_turns(found, &[(Topic::Bars, bars.len()), (Topic::Sentiment, 2), (Topic::Bars, bars.len())]);
    let (first, second) = (row(&expected, "a"), row(&found, "a"));
    assert!(second.version > first.version);
    assert_eq!(Impact { version: 0, ..second.clone() }, Impact { version: 0, ..first.clone() });
}

fn read_in_turns(mut process: Process<'_>, turns: &[(Topic, usize)]) -> Table {
    for &(topic, records) in turns {
        (0..records).for_each(|_| assert!(process.read(topic)));
    }
    process.finish(TOPICS)
}

#[test]
fn a_silent_replay_lets_the_rewind_point_go() {
    let mut partition = Partition::resume(Arc::new(config()), &<[Position; 3]>::default());
    let replay = Run::named("r");
    let Scored::Mention(open) = mention("a", "2024-07-02T14:00:10Z") else { panic!("a mention") };
    partition.step(Topic::Sentiment, 0, Some((&replay, Event::Mention { seq: 0, mention: open }))).unwrap();
    let mut dropped = Vec::new();
    for seq in 0..1_000_010 {
        let watermark = word(at("2024-07-02T14:00:00Z") + SignedDuration::from_secs(seq as i64));
        partition.step(Topic::Bars, seq, Some((&Run::live(), Event::TapeWatermark { seq, watermark }))).unwrap();
        if seq == 999_000 {
            assert_eq!(partition.forget(), []);
            let [sentiment, ..] = partition.commits().0;
            assert_eq!(Partition::start(1, &sentiment.note), 0, "its mention is still open");
        }
    }
    dropped.extend(partition.forget());
    assert_eq!(dropped, [(replay, 1)]);
    let ([sentiment, ..], _) = partition.commits();
    assert_eq!(Partition::start(1, &sentiment.note), 1);
}

#[test]
fn notes_stay_within_what_kafka_takes() {
    let mut partition = Partition::resume(Arc::new(config()), &<[Position; 3]>::default());
    let mut seq = 0;
    for number in 0..100 {
        let run = Run::named(&format!("a replay with a rather long name, number {number}"));
        for index in 0..12 {
            let watermark = Watermark::new(index, 12, at("2024-07-02T14:00:00Z"));
            partition.step(Topic::Sentiment, seq, Some((&run, Event::NewsWatermark { seq, watermark }))).unwrap();
            seq += 1;
        }
    }
    let (positions, let_go) = partition.commits();
    assert!(positions.iter().all(|position| position.note.len() <= 4096));
    assert!(!let_go.is_empty() && let_go.len() < 100, "{}", let_go.len());
    assert!(partition.commits().1.is_empty());
}
