//! Records that arrive too late, twice, or after their run was over.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use support::market::{config, symbol};
use support::start_offset;
use support::{Process, TOPICS, Table, Topics};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::tape::ActionKind;
use tapewire_core::{CorporateAction, Halt, Impact, Mention, Run, Watermark};
use tapewire_joiner::join::{EvictedRun, JoinEvent, JoinTopic, Partition, PerTopic, State};
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

/// The worker was killed and sends what it had sent: both are read after the replay was over.
#[test]
fn what_is_sent_again_after_a_replay_was_over_does_not_hold_the_rewind_point_forever() {
    let mut partition = Partition::resume(Arc::new(config()), &PerTopic::default());
    let replay = Run::named("r");
    let end_of_one_of_six = Scored::Watermark(Watermark::new(0, 6, Watermark::END));
    let again = topics(&replay, &[mention("a", "2024-07-02T14:00:10Z"), end_of_one_of_six], &[]);
    read(&mut partition, &again, JoinTopic::Sentiment);
    read_of_another_run(&mut partition, 0..99_000_000);
    assert_eq!(partition.evict(), []);
    assert_eq!(start_offset(&partition.commits().0.sentiment), 0, "its mention is still open");
    read_of_another_run(&mut partition, 99_000_000..100_000_010);
    assert_eq!(partition.evict(), [EvictedRun { run: replay, unfinished: 1 }]);
    assert_eq!(start_offset(&partition.commits().0.sentiment), 2);
}

/// The bars of two replays are sent before the worker is started, or a backfill waits for its source.
#[test]
fn a_replay_is_not_over_however_many_other_bars_come_before_its_news() {
    let replay = Run::named("r");
    let bars = [history(), vec![TAPE_END]].concat();
    let all = topics(&replay, &[mention("a", "2024-07-02T14:00:10Z"), NEWS_END], &bars);
    let expected = Process::start(&all, &config()).finish(TOPICS);
    for sent_before in [bars.len(), bars.len() - 1] {
        let mut partition = Partition::resume(Arc::new(config()), &PerTopic::default());
        read(&mut partition, &topics(&replay, &[], &bars[..sent_before]), JoinTopic::Bars);
        let next = 300_000_000;
        read_of_another_run(&mut partition, sent_before as u64..next);
        assert_eq!(partition.evict(), []);
        assert_eq!(start_offset(&partition.commits().0.bars), 0, "its bars are needed");
        let mut table = Table::default();
        table.write(read(&mut partition, &all, JoinTopic::Sentiment), true);
        if sent_before < bars.len() {
            let end = JoinEvent::TapeWatermark { offset: next, watermark: watermark(Watermark::END) };
            table.write(partition.step(JoinTopic::Bars, next, Some((&replay, end))).unwrap(), true);
        }
        let (found, expected) = (row(&table, "a"), row(&expected, "a"));
        assert_eq!(Impact { version: 0, ..found.clone() }, Impact { version: 0, ..expected.clone() });
        assert_eq!((found.status, found.entry_price), (Status::Final, Some(100.0)));
    }
}

/// Reads all records of a topic.
fn read(partition: &mut Partition, topics: &Topics, topic: JoinTopic) -> Vec<Impact> {
    let step = |offset: usize| {
        let (run, event) = topics.event(topic, offset);
        partition.step(topic, offset as u64, Some((&run, event))).unwrap()
    };
    (0..topics.len(topic)).flat_map(step).collect()
}

/// Reads watermarks of the live run at some of these offsets of `bars`, among them the last.
fn read_of_another_run(partition: &mut Partition, offsets: std::ops::Range<u64>) {
    let last = offsets.end - 1;
    for offset in offsets.step_by(10_000).chain([last]) {
        let watermark = watermark(at("2024-07-02T14:00:00Z") + SignedDuration::from_secs(offset as i64 / 1_000));
        let event = JoinEvent::TapeWatermark { offset, watermark };
        partition.step(JoinTopic::Bars, offset, Some((&Run::live(), event))).unwrap();
    }
}

fn dividend(ex_date: &str) -> CorporateAction {
    CorporateAction {
        symbol: symbol("AAA"),
        ex_date: ex_date.parse().unwrap(),
        id: String::new(),
        kind: ActionKind::Dividend { amount: 2.0, currency: "USD".into() },
        received_at: at("2024-07-01T00:00:00Z"),
    }
}

/// The topics are read in no order: the dividend may come after the ends of tape and news, also in another process.
#[test]
fn a_dividend_that_is_read_after_the_end_of_its_replay_counts() {
    let run = Run::named("r");
    let mut all =
        topics(&run, &[mention("a", "2024-07-02T14:00:10Z"), NEWS_END], &[history(), vec![TAPE_END]].concat());
    all.actions.push((run, dividend("2024-07-03")));
    let actions_first = [JoinTopic::Actions, JoinTopic::Halts, JoinTopic::Bars, JoinTopic::Sentiment];
    let expected = Process::start(&all, &config()).finish(actions_first);
    assert!(row(&expected, "a").quality.adjusted && row(&expected, "a").status == Status::Final);
    for is_killed in [false, true] {
        let mut process = Process::start(&all, &config());
        while process.read(JoinTopic::Bars) || process.read(JoinTopic::Sentiment) {}
        process.commit();
        assert!(!row(&process.table, "a").quality.adjusted);
        if is_killed {
            process.kill(0);
        }
        while process.read(JoinTopic::Sentiment) || process.read(JoinTopic::Bars) {}
        process.read_again(JoinTopic::Sentiment);
        while process.read(JoinTopic::Actions) {}
        process.commit();
        assert_eq!(process.table, expected, "killed: {is_killed}");
        assert_eq!(process.size(), (0, 0), "nothing is left in memory");
    }
}

/// The dividend that the first of two replays has sent, and that of the second, are read before either has ended.
#[test]
fn a_replay_that_is_repeated_keeps_the_dividends_that_were_read_before_it_began_again() {
    let run = Run::named("r");
    let mut all =
        topics(&run, &[mention("a", "2024-07-02T14:00:10Z"), NEWS_END], &[history(), vec![TAPE_END]].concat());
    all.actions.push((run, dividend("2024-07-03")));
    let expected = Process::start(&all, &config()).finish(TOPICS);
    let (news, bars) = (all.sentiment.len(), all.bars.len());
    all.sentiment.extend(all.sentiment.clone());
    all.bars.extend(all.bars.clone());
    all.actions.extend(all.actions.clone());
    let mut process = Process::start(&all, &config());
    while process.read(JoinTopic::Actions) {}
    for _ in 0..2 {
        (0..bars).for_each(|_| assert!(process.read(JoinTopic::Bars)));
        (0..news).for_each(|_| assert!(process.read(JoinTopic::Sentiment)));
    }
    process.commit();
    let (found, expected) = (row(&process.table, "a"), row(&expected, "a"));
    assert!(found.version > expected.version, "the second replay's row");
    assert_eq!((found.quality.adjusted, found.status, &found.returns), (true, Status::Final, &expected.returns));
}

/// A halt that the row covered at first is outside of what it covers once its entry is earlier.
#[test]
fn a_row_whose_entry_becomes_earlier_has_a_higher_version() {
    let mut state = State::new(Run::live(), Arc::new(config()));
    let Scored::Mention(mention) = mention("a", "2024-07-02T14:00:30Z") else { panic!("a mention") };
    let bar = |start: &str| tapewire_testkit::bar("AAA", at(start), 100.0);
    let halted_at = at("2024-07-02T14:08:00Z");
    let reason = "LULD".to_owned();
    let halt = Halt { symbol: symbol("AAA"), at: halted_at, halted: true, reason, received_at: halted_at };
    let rows: Vec<Impact> = [
        JoinEvent::Mention { offset: 0, mention },
        JoinEvent::Bar { offset: 0, bar: bar("2024-07-02T14:05:00Z") },
        JoinEvent::Halt { offset: 900, halt },
        JoinEvent::TapeWatermark { offset: 1, watermark: watermark(at("2024-07-02T14:10:00Z")) },
        JoinEvent::Bar { offset: 2, bar: bar("2024-07-02T14:01:00Z") },
    ]
    .into_iter()
    .flat_map(|event| state.step(event).unwrap())
    .collect();
    let entries: Vec<_> = rows.iter().map(|row| row.entry_at.map(|at| at.strftime("%H:%M").to_string())).collect();
    assert_eq!(entries[entries.len() - 2..], [Some("14:05".to_owned()), Some("14:01".to_owned())]);
    assert!(rows.is_sorted_by(|row, next| row.version < next.version), "{rows:?}");
    assert_eq!(rows.iter().rev().take(2).map(|row| row.quality.halted).collect::<Vec<_>>(), [false, true]);
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
