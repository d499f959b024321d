//! A partition of trades that is read whole, killed and restored at every record, with every record twice, and with trades
//! in another order: the bars are the same.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_bars::{FoldRules, Partition, Widths};
use tapewire_core::record::{Gap, Print, SourceTrade, Tape};
use tapewire_core::{Bar, BarUpdates, PrintRef, Run, Symbol, Trade, TradeRecord, Watermark};

const BASE: i64 = 1_748_872_800_000_000; // 2025-06-02T14:00:00Z
const LATENESS_S: i64 = 150;

/// Milliseconds after the base.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_microsecond(BASE + ms * 1000).unwrap()
}

fn rules() -> FoldRules {
    let lateness = SignedDuration::from_secs(LATENESS_S);
    FoldRules { widths: Widths::new(&[1, 60, 300]).unwrap(), calendars: Arc::default(), lateness }
}

fn trade(symbol: &str, ms: i64, number: u64) -> Trade {
    Trade {
        symbol: Symbol::new(symbol).unwrap(),
        at: at(ms),
        id: format!("id{number}"),
        sequence: number,
        price: 10.0 + (number * 7 % 13) as f64 / 8.0,
        size: 1.0 + (number % 5) as f64,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at: at(ms + 40),
    }
}

fn fold(source: &str, trade: Trade) -> Print {
    let trade = SourceTrade { source: source.into(), trade };
    if trade.trade.symbol.as_str() == "SPY" { Print::BenchmarkFold(trade) } else { Print::Fold(trade) }
}

fn gap(source: &str, from_ms: i64, to_ms: i64) -> Print {
    Print::Gap(Gap { source: source.into(), from: at(from_ms), to: at(to_ms) })
}

fn watermark(source: &str, ms: i64) -> Print {
    Print::Watermark(Watermark { source: source.into(), ..Watermark::new(u32::from(source == "b"), 2, at(ms)) })
}

/// A quarter of an hour of two sources: late trades, repetitions, cancellations, corrections, odd lots, two gaps of each.
fn market() -> Vec<Print> {
    let mut records = vec![gap("a", -BASE / 1000, 5_000), gap("b", -BASE / 1000, 65_000)];
    let mut number = 0;
    let mut state = 7_u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for second in 0..900_i64 {
        for _ in 0..below(3) {
            number += 1;
            let symbol = ["MKR", "SPY", "ACME", "X:BTCUSD"][below(4) as usize];
            let late_ms = if below(6) == 0 { below(40_000) as i64 } else { below(900) as i64 };
            let source = if symbol == "X:BTCUSD" { "b" } else { "a" };
            let mut one = trade(symbol, second * 1000 - late_ms, number);
            one.received_at = at(second * 1000);
            match below(12) {
                0 => one.counts = BarUpdates { open_close: false, high_low: false, volume: true },
                1 => {
                    one.replaces = Some(format!("id{}", number - below(number.min(20))));
                    one.counts = BarUpdates::NOTHING;
                }
                2 => one.replaces = Some(format!("id{}", number - below(number.min(20)))),
                _ => {}
            }
            records.push(fold(source, one.clone()));
            if below(9) == 0 {
                records.push(fold(source, one.clone()));
            }
            records.push(Print::Trade(one));
        }
        if second % 60 == 5 {
            records.push(watermark("a", (second - 5) * 1000));
            if !(400..=600).contains(&second) {
                records.push(watermark("b", (second - 5) * 1000));
            }
        }
        match second {
            330 => records.push(gap("a", 300_000, 335_000)),
            590 => records.push(gap("b", 360_000, 595_000)),
            450 => records.push(Print::Watermark(Watermark {
                idle: true,
                source: "b".into(),
                ..Watermark::new(1, 2, at(360_000))
            })),
            _ => {}
        }
    }
    records.extend([watermark("a", 1_200_000), watermark("b", 1_200_000)]);
    records
}

/// What a reader of `bars` has in the end: the last version of each bar, and the last watermark of each stream.
#[derive(Debug, Default, PartialEq)]
struct Held {
    /// Bars may have been emitted before.
    is_repeated: bool,
    bars: BTreeMap<(Symbol, u32, Timestamp), (bool, Bar)>,
    watermarks: BTreeMap<u32, Watermark>,
}

impl Held {
    fn take(&mut self, tape: Tape) {
        let (is_copy, bar) = match tape {
            Tape::Bar(bar) => (false, bar),
            Tape::BenchmarkBar(bar) => (true, bar),
            Tape::Watermark(watermark) => {
                self.watermarks.insert(watermark.index, watermark);
                return;
            }
        };
        assert_eq!(bar.fault(), None);
        let key = (bar.symbol.clone(), bar.width_s, bar.start);
        if self.bars.get(&key).is_some_and(|(_, before)| before.received_at > bar.received_at) {
            // The version that was received later counts.
            assert!(self.is_repeated, "an older version replaces a newer one: {bar:?}");
            return;
        }
        self.bars.insert(key, (is_copy, bar));
    }
}

fn step(partition: &mut Partition, offset: usize, record: &Print) -> Vec<Tape> {
    partition.step(offset as u64, Some((Run::live(), record.clone())))
}

fn whole(records: &[Print]) -> Held {
    let (mut partition, mut held) = (Partition::resume(rules(), 0, ""), Held::default());
    for (offset, record) in records.iter().enumerate() {
        step(&mut partition, offset, record).into_iter().for_each(|tape| held.take(tape));
    }
    held
}

fn count(held: &Held, symbol: &str, width_s: u32) -> usize {
    held.bars.keys().filter(|(name, width, _)| name.as_str() == symbol && *width == width_s).count()
}

#[test]
fn bars_are_those_of_the_trades_and_none_overlaps_a_gap() {
    let records = market();
    let held = whole(&records);
    let gaps: Vec<&Gap> =
        records.iter().filter_map(|record| if let Print::Gap(gap) = record { Some(gap) } else { None }).collect();
    for ((symbol, _, start), (is_copy, bar)) in &held.bars {
        assert_eq!(*is_copy, symbol.as_str() == "SPY");
        let source = if symbol.as_str() == "X:BTCUSD" { "b" } else { "a" };
        assert!(gaps.iter().all(|gap| gap.source != source || bar.end() <= gap.from || gap.to <= *start), "{bar:?}");
    }
    // Source `a` has bars of 13 of the 15 minutes, because the first and the one at 5 minutes overlap its gaps. Of its
    // three bars of five minutes, only the last overlaps no gap.
    assert_eq!((count(&held, "MKR", 60), count(&held, "ACME", 60), count(&held, "MKR", 300)), (13, 13, 1));
    assert_eq!((count(&held, "X:BTCUSD", 60), count(&held, "X:BTCUSD", 300)), (9, 1));

    // Each bar that is emitted is that of a plain computation.
    let mut taken: Vec<&String> = Vec::new();
    let mut trades: BTreeMap<&String, &Trade> = BTreeMap::new();
    for record in &records {
        let (Print::Fold(SourceTrade { trade, .. }) | Print::BenchmarkFold(SourceTrade { trade, .. })) = record else {
            continue;
        };
        taken.extend(&trade.replaces);
        trades.insert(&trade.id, trade);
    }
    for (_, bar) in held.bars.values() {
        let mut of_bar: Vec<&&Trade> = trades
            .values()
            .filter(|trade| trade.symbol == bar.symbol && (bar.start..bar.end()).contains(&trade.at))
            .filter(|trade| !is_taken(trade, &trades, &taken))
            .collect();
        of_bar.sort_by_key(|trade| (trade.at, trade.sequence));
        let priced: Vec<f64> = of_bar.iter().filter(|trade| trade.counts.open_close).map(|trade| trade.price).collect();
        if priced.is_empty() {
            // All of them were taken back after the bar was emitted.
            continue;
        }
        let volume: f64 = of_bar.iter().filter(|trade| trade.counts.volume).map(|trade| trade.size).sum();
        assert_eq!((bar.open, bar.close, bar.volume), (priced[0], priced[priced.len() - 1], volume), "{bar:?}");
    }
}

/// Whether a record of the same symbol takes the trade back.
fn is_taken(trade: &Trade, trades: &BTreeMap<&String, &Trade>, taken: &[&String]) -> bool {
    taken.contains(&&trade.id)
        && trades.values().any(|other| other.replaces.as_ref() == Some(&trade.id) && other.symbol == trade.symbol)
}

#[test]
fn killed_at_every_record_it_loses_and_doubles_nothing() {
    let records = market();
    let expected = whole(&records);
    let (mut partition, mut held) = (Partition::resume(rules(), 0, ""), Held::default());
    let mut furthest = 0;
    for (offset, record) in records.iter().enumerate() {
        step(&mut partition, offset, record).into_iter().for_each(|tape| held.take(tape));
        let (next, metadata) = partition.commit();
        assert_eq!(next, offset as u64 + 1);
        let start = Partition::start_offset(next as i64, &metadata) as usize;
        furthest = furthest.max(offset + 1 - start);
        partition = Partition::resume(rules(), next, &metadata);
        for (again, record) in records.iter().enumerate().take(offset + 1).skip(start) {
            assert_eq!(step(&mut partition, again, record), [], "emitted twice");
        }
    }
    for (key, bar) in &expected.bars {
        assert_eq!(held.bars.get(key), Some(bar));
    }
    assert_eq!(held, expected);
    assert!(furthest < records.len() * 3 / 4, "{furthest} of {} records are read again", records.len());
}

#[test]
fn what_was_emitted_and_not_committed_is_emitted_again_and_equal() {
    let records = market();
    let expected = whole(&records);
    for kill_every in [7, 50, 333] {
        let (mut partition, mut held) =
            (Partition::resume(rules(), 0, ""), Held { is_repeated: true, ..Held::default() });
        let (mut offset, mut killed_at) = (0, 0);
        while offset < records.len() {
            step(&mut partition, offset, &records[offset]).into_iter().for_each(|tape| held.take(tape));
            offset += 1;
            if offset == killed_at + kill_every {
                // The last commit was half-way between the kill before and this one.
                killed_at = offset;
                let mut committed = Partition::resume(rules(), 0, "");
                let half = offset - kill_every / 2;
                for (i, record) in records.iter().enumerate().take(half) {
                    step(&mut committed, i, record);
                }
                let (next, metadata) = committed.commit();
                partition = Partition::resume(rules(), next, &metadata);
                let start = Partition::start_offset(next as i64, &metadata) as usize;
                for (i, record) in records.iter().enumerate().take(offset).skip(start) {
                    step(&mut partition, i, record).into_iter().for_each(|tape| held.take(tape));
                }
            }
        }
        assert_eq!(held.bars, expected.bars, "{kill_every}");
        assert_eq!(held.watermarks, expected.watermarks, "{kill_every}");
    }
}

#[test]
fn records_twice_and_trades_in_another_order_give_the_same_bars() {
    let records = market();
    let expected = whole(&records);
    let doubled: Vec<Print> = records.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
    assert_eq!(whole(&doubled), expected);

    // Between two watermarks the trades come in the opposite order; some come after the next watermark.
    let mut reordered: Vec<Print> = Vec::new();
    let (mut waiting, mut late): (Vec<Print>, Vec<Print>) = (Vec::new(), Vec::new());
    for (i, record) in records.iter().enumerate() {
        match record {
            Print::Fold(_) | Print::BenchmarkFold(_) | Print::Trade(_) if i % 40 == 0 => late.push(record.clone()),
            Print::Fold(_) | Print::BenchmarkFold(_) | Print::Trade(_) => waiting.push(record.clone()),
            Print::Gap(_) | Print::Watermark(_) => {
                waiting.reverse();
                reordered.append(&mut waiting);
                reordered.push(record.clone());
                let is_of_a = matches!(record, Print::Watermark(watermark) if watermark.source == "a");
                if is_of_a {
                    waiting.append(&mut late);
                }
            }
        }
    }
    let reordered = whole(&reordered);
    assert_eq!(reordered.bars.len(), expected.bars.len());
    for (key, (_, bar)) in &expected.bars {
        let other = &reordered.bars[key].1;
        assert_eq!(
            (bar.open, bar.close, bar.high, bar.low),
            (other.open, other.close, other.high, other.low),
            "{key:?}"
        );
        assert_eq!((bar.volume, bar.trades), (other.volume, other.trades), "{key:?}");
    }
}

/// As the stage does it: what is not read without a copy is read by the general reader.
fn step_bytes(partition: &mut Partition, offset: usize, bytes: &[u8]) -> Vec<Tape> {
    let print = PrintRef::read(bytes);
    if print.is_some_and(|print| partition.step_trade(offset as u64, &print).is_ok()) {
        return Vec::new();
    }
    let read = TradeRecord::decode_print(bytes).ok();
    partition.step(offset as u64, read.map(|TradeRecord { run, body, .. }| (run, body)))
}

#[test]
fn trades_read_without_a_copy_give_the_same_bars_and_commits() {
    let (mut copied, mut borrowed) = (Partition::resume(rules(), 0, ""), Partition::resume(rules(), 0, ""));
    let mut reads = 0;
    for (offset, record) in market().iter().enumerate() {
        let bytes = TradeRecord::new(Run::live(), record.clone()).encode();
        // Other spellings of a ticker are the same one.
        let other = String::from_utf8(bytes.clone()).unwrap().replace("\"MKR\"", "\" mkr \"").into_bytes();
        let bytes = if offset % 3 == 0 { other } else { bytes };
        reads += usize::from(PrintRef::read(&bytes).is_some());
        assert_eq!(step_bytes(&mut borrowed, offset, &bytes), step(&mut copied, offset, record), "{offset}");
        assert_eq!((borrowed.len(), borrowed.commit()), (copied.len(), copied.commit()), "{offset}");
        assert_eq!(borrowed.take_late(), copied.take_late(), "{offset}");
    }
    assert!(reads > 500, "{reads}");
}

#[test]
fn a_trade_whose_symbol_is_none_changes_nothing() {
    let mut partition = Partition::resume(rules(), 0, "");
    let one = fold("a", trade("MKR", 0, 1));
    let text = String::from_utf8(TradeRecord::new(Run::live(), one).encode()).unwrap();
    for kind in ["fold", "benchmark_fold", "trade"] {
        let mut bytes = text.replace("\"fold\"", &format!("\"{kind}\"")).replace("\"MKR\"", "\"M K R\"");
        if kind == "trade" {
            bytes = bytes.replace("{\"source\":\"a\",\"trade\":{", "{").replace("}}}}", "}}}");
        }
        let print = PrintRef::read(bytes.as_bytes()).unwrap();
        let before = format!("{partition:?}");
        assert!(partition.step_trade(7, &print).is_err(), "{kind}");
        assert_eq!(format!("{partition:?}"), before, "{kind}");
        assert!(TradeRecord::decode_print(bytes.as_bytes()).is_err(), "{kind}");
    }
}

#[test]
fn an_unknown_past_gives_no_bars_until_it_is_over() {
    let records: Vec<Print> = market().into_iter().filter(|record| !matches!(record, Print::Gap(_))).collect();
    assert_eq!(whole(&records).bars.len(), 0, "nothing says that the first trades are all there are");
    // Read with other widths, what was open at the commit is unknown, too.
    let records = market();
    let mut partition = Partition::resume(rules(), 0, "");
    for (offset, record) in records.iter().enumerate().take(records.len() / 2) {
        step(&mut partition, offset, record);
    }
    let (next, metadata) = partition.commit();
    let wider = FoldRules { widths: Widths::new(&[900]).unwrap(), ..rules() };
    let mut partition = Partition::resume(wider, next, &metadata);
    let start = Partition::start_offset(next as i64, &metadata) as usize;
    for (offset, record) in records.iter().enumerate().skip(start) {
        let out = step(&mut partition, offset, record);
        assert!(out.iter().all(|tape| matches!(tape, Tape::Watermark(_))), "{out:?}");
    }
}

#[test]
fn a_topic_without_foldable_trades_is_not_read_again() {
    let mut partition = Partition::resume(rules(), 5, "");
    for offset in 5..50 {
        assert_eq!(partition.step(offset, Some((Run::live(), Print::Trade(trade("MKR", 0, offset))))), []);
        assert_eq!(partition.step(offset, None), []);
    }
    let (next, metadata) = partition.commit();
    assert_eq!((next, Partition::start_offset(50, &metadata)), (50, 50));
    assert_eq!(Partition::start_offset(7, "moved by hand"), 7);
}

#[test]
fn a_source_that_is_gone_does_not_hold_back_where_the_topic_is_read_again() {
    let mut partition = Partition::resume(rules(), 0, "");
    step(&mut partition, 0, &fold("gone", trade("MKR", 0, 1)));
    step(&mut partition, 1, &watermark("b", 60_000));
    let (next, metadata) = partition.commit();
    assert_eq!(Partition::start_offset(next as i64, &metadata), 0);
    step(&mut partition, 2_000_000, &watermark("b", 120_000));
    let (next, metadata) = partition.commit();
    assert_eq!(Partition::start_offset(next as i64, &metadata), 2_000_001);
    assert!(partition.is_empty());
}
