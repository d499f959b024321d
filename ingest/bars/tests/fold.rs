//! The fold against a plain computation on the sorted set of trades, whatever the order of arrival.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use tapewire_bars::{Arrival, Fold, WidthError, Widths};
use tapewire_core::{Bar, BarUpdates, Symbol, Trade};

const BASE: i64 = 1_748_872_800_000_000; // 2025-06-02T14:00:00Z
const WIDTHS: [u32; 3] = [1, 60, 300];

fn at(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(BASE + micros).unwrap()
}

fn trade(micros: i64, sequence: u64, price: f64, size: f64) -> Trade {
    Trade {
        symbol: Symbol::new("MKR").unwrap(),
        at: at(micros),
        id: format!("id{sequence}"),
        sequence,
        price,
        size,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at: at(micros + 5_000),
    }
}

fn fold(widths: &[u32], lateness_s: i64) -> Fold {
    Fold::new(Symbol::new("MKR").unwrap(), Widths::new(widths).unwrap(), SignedDuration::from_secs(lateness_s))
}

/// The last version of each bar.
fn last(bars: impl IntoIterator<Item = Bar>) -> BTreeMap<(u32, Timestamp), Bar> {
    bars.into_iter().map(|bar| ((bar.width_s, bar.start), bar)).collect()
}

/// The bars of a set of trades, one interval after the other.
fn plain(trades: &[Trade]) -> BTreeMap<(u32, Timestamp), Bar> {
    let mut trades: Vec<&Trade> = trades.iter().collect();
    trades.sort_by_key(|trade| (trade.at, trade.sequence));
    let mut bars = Vec::new();
    for width_s in WIDTHS {
        let mut intervals: BTreeMap<i64, Vec<&Trade>> = BTreeMap::new();
        for trade in &trades {
            let second = trade.at.as_second();
            intervals.entry(second - second % i64::from(width_s)).or_default().push(trade);
        }
        for (start, trades) in intervals {
            let priced: Vec<f64> =
                trades.iter().filter(|trade| trade.counts.open_close).map(|trade| trade.price).collect();
            let ranged = trades.iter().filter(|trade| trade.counts.open_close || trade.counts.high_low);
            let ranged: Vec<f64> = ranged.map(|trade| trade.price).collect();
            let counted: Vec<&&Trade> = trades.iter().filter(|trade| trade.counts.volume).collect();
            let volume: f64 = counted.iter().map(|trade| trade.size).sum();
            let value: f64 = counted.iter().map(|trade| trade.price * trade.size).sum();
            let (Some(&open), Some(&close)) = (priced.first(), priced.last()) else { continue };
            bars.push(Bar {
                symbol: Symbol::new("MKR").unwrap(),
                start: Timestamp::from_second(start).unwrap(),
                width_s,
                open,
                high: ranged.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                low: ranged.iter().copied().fold(f64::INFINITY, f64::min),
                close,
                // The sum of an empty list is -0 in Rust.
                volume: volume + 0.0,
                vwap: (volume > 0.0).then(|| value / volume),
                trades: Some(counted.len() as u64),
                received_at: trades.iter().map(|trade| trade.received_at).max().unwrap(),
            });
        }
    }
    last(bars)
}

#[test]
fn open_and_close_are_by_event_time_and_not_by_arrival() {
    let mut fold = fold(&[60], 10);
    for (micros, sequence, price) in [(30_000_000, 3, 10.3), (59_999_999, 4, 10.1), (0, 1, 10.0), (0, 2, 9.9)] {
        assert_eq!(fold.trade(&trade(micros, sequence, price, 100.0)), Arrival::Counts);
    }
    assert_eq!(fold.watermark(at(59_999_999)), []);
    let bars = fold.watermark(at(60_000_000));
    assert_eq!(bars.len(), 1);
    let bar = &bars[0];
    assert_eq!((bar.open, bar.high, bar.low, bar.close), (10.0, 10.3, 9.9, 10.1));
    assert_eq!((bar.volume, bar.trades, bar.start), (400.0, Some(4), at(0)));
    assert!((bar.vwap.unwrap() - 10.075).abs() < 1e-12);
    assert_eq!(bar.fault(), None);
    // A trade at the end belongs to the next bar, and a bar is emitted once.
    fold.trade(&trade(60_000_000, 5, 11.0, 1.0));
    assert_eq!(fold.watermark(at(61_000_000)), []);
}

#[test]
fn a_late_trade_changes_the_bar_and_a_very_late_one_none() {
    let mut fold = fold(&[60], 60);
    fold.trade(&trade(1_000_000, 1, 10.0, 1.0));
    assert_eq!(fold.watermark(at(60_000_000)).len(), 1);
    assert_eq!(fold.trade(&trade(2_000_000, 2, 12.0, 1.0)), Arrival::Counts);
    let again = fold.watermark(at(60_000_000));
    assert_eq!((again.len(), again[0].close, again[0].volume), (1, 12.0, 2.0));
    assert_eq!(fold.watermark(at(60_000_000)), []);
    fold.watermark(at(119_999_999));
    assert_eq!(fold.trade(&trade(3_000_000, 3, 13.0, 1.0)), Arrival::Counts);
    fold.watermark(at(120_000_000));
    assert_eq!(fold.trade(&trade(4_000_000, 4, 13.0, 1.0)), Arrival::TooLate);
    assert!(fold.is_empty(), "{}", fold.len());
}

#[test]
fn conditions_decide_what_a_trade_counts_for() {
    let mut fold = fold(&[60], 0);
    let odd_lot = BarUpdates { volume: true, ..BarUpdates::NOTHING };
    let out_of_sequence = BarUpdates { open_close: false, ..BarUpdates::EVERYTHING };
    fold.trade(&Trade { counts: odd_lot, ..trade(0, 1, 99.0, 7.0) });
    fold.trade(&trade(1_000_000, 2, 10.0, 100.0));
    fold.trade(&Trade { counts: out_of_sequence, ..trade(2_000_000, 3, 11.0, 50.0) });
    fold.trade(&Trade { counts: BarUpdates::NOTHING, ..trade(3_000_000, 4, 1.0, 1e6) });
    // The next minute has an odd lot only, which has no price of the market.
    fold.trade(&Trade { counts: odd_lot, ..trade(61_000_000, 5, 99.0, 7.0) });
    let bars = fold.watermark(at(120_000_000));
    assert_eq!(bars.len(), 1);
    assert_eq!((bars[0].open, bars[0].high, bars[0].low, bars[0].close), (10.0, 11.0, 10.0, 10.0));
    assert_eq!((bars[0].volume, bars[0].trades), (157.0, Some(3)));
}

#[test]
fn a_trade_that_is_taken_back_never_counts() {
    let cancel = |sequence, id: &str| Trade {
        replaces: Some(id.to_owned()),
        counts: BarUpdates::NOTHING,
        ..trade(40_000_000, sequence, 1.0, 1.0)
    };
    let correction = Trade { replaces: Some("id2".into()), ..trade(2_000_000, 9, 10.5, 30.0) };
    let records =
        [trade(1_000_000, 1, 10.0, 100.0), trade(2_000_000, 2, 50.0, 100.0), trade(3_000_000, 3, 77.0, 100.0)];
    let mut expected = None;
    for corrections_first in [false, true] {
        let mut fold = fold(&[60], 60);
        let mut all = records.to_vec();
        all.extend([correction.clone(), cancel(10, "id3")]);
        if corrections_first {
            all.reverse();
        }
        all.iter().for_each(|trade| assert_eq!(fold.trade(trade), Arrival::Counts));
        let bars = fold.watermark(at(60_000_000));
        assert_eq!((bars[0].open, bars[0].high, bars[0].close, bars[0].volume), (10.0, 10.5, 10.5, 130.0));
        assert_eq!(expected.get_or_insert(bars.clone()), &bars);
    }
    // After the bar was emitted, it is emitted again without the trade.
    let mut fold = fold(&[60], 60);
    for trade in &records {
        fold.trade(trade);
    }
    assert_eq!(fold.watermark(at(60_000_000))[0].high, 77.0);
    fold.trade(&cancel(10, "id3"));
    assert_eq!(fold.watermark(at(61_000_000))[0].high, 50.0);
}

/// Whether a trade that is too old is still in memory depends on what else arrived.
#[test]
fn a_trade_that_is_too_old_is_not_taken_back_whatever_is_in_memory() {
    for others_before in [true, false] {
        let mut fold = fold(&[60], 0);
        (1..=3).for_each(|n| assert_eq!(fold.trade(&trade(n * 1_000_000, n as u64, 10.0, 1.0)), Arrival::Counts));
        let others = |fold: &mut Fold| {
            (61..=65).for_each(|n| assert_eq!(fold.trade(&trade(n * 1_000_000, n as u64, 10.0, 1.0)), Arrival::Counts));
        };
        if others_before {
            others(&mut fold);
        }
        assert_eq!(fold.watermark(at(60_000_000)).len(), 1);
        if !others_before {
            others(&mut fold);
        }
        assert_eq!(fold.len(), if others_before { 8 } else { 5 });
        let cancel =
            Trade { replaces: Some("id2".into()), counts: BarUpdates::NOTHING, ..trade(70_000_000, 70, 1.0, 1.0) };
        assert_eq!(fold.trade(&cancel), Arrival::Counts);
        assert_eq!(fold.watermark(at(71_000_000)), []);
    }
}

#[test]
fn a_bar_without_the_trade_that_was_taken_back_is_never_older_than_the_one_with_it() {
    let mut fold = fold(&[60], 120);
    fold.trade(&trade(1_000_000, 1, 10.0, 100.0));
    fold.trade(&trade(2_000_000, 2, 77.0, 100.0));
    let before = fold.watermark(at(60_000_000)).remove(0);
    // The cancellation is of a later minute.
    let cancel = Trade { replaces: Some("id2".into()), counts: BarUpdates::NOTHING, ..trade(90_000_000, 3, 1.0, 1.0) };
    fold.trade(&cancel);
    let after = fold.watermark(at(91_000_000)).remove(0);
    assert_eq!((after.start, after.high, after.volume, after.trades), (before.start, 10.0, 100.0, Some(1)));
    assert_eq!((before.received_at, after.received_at), (at(2_005_000), cancel.received_at));
    // Sent again, it is still taken back.
    fold.trade(&trade(2_000_000, 2, 77.0, 100.0));
    assert_eq!(fold.watermark(at(92_000_000)), [after]);
}

#[test]
fn widths_that_do_not_divide_a_day_are_refused() {
    assert_eq!(Widths::new(&[7]), Err(WidthError::NotOfADay(7)));
    assert_eq!(Widths::new(&[0]), Err(WidthError::NotOfADay(0)));
    assert_eq!(Widths::new(&[]), Err(WidthError::Empty));
    assert_eq!(Widths::new(&[300, 60, 60]).unwrap().seconds(), [60, 300]);
}

/// Trades within ten minutes, in the order of time.
fn trades() -> impl Strategy<Value = Vec<Trade>> {
    let one = (0..600_000_i64, 1..10_000_u32, 1..1000_u32, any::<(bool, bool, bool)>());
    prop::collection::vec(one, 1..200).prop_map(|mut drawn| {
        drawn.sort_unstable();
        drawn
            .into_iter()
            .enumerate()
            .map(|(i, (milli, price, size, (open_close, high_low, volume)))| Trade {
                counts: BarUpdates { open_close, high_low, volume },
                ..trade(milli * 1000, i as u64, f64::from(price) / 100.0, f64::from(size) / 10.0)
            })
            .collect()
    })
}

/// Numbers below `n`, the same for each seed.
fn dice(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut random = seed | 1;
    move |n| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % n
    }
}

/// All versions of the bars of trades that arrive up to a minute late, some of them twice. A watermark is the time of an
/// arrival, so trades may be up to a minute older than a watermark before them.
fn folded(trades: &[Trade], below: &mut impl FnMut(u64) -> u64) -> Vec<Bar> {
    let mut arrivals: Vec<(i64, &Trade)> = Vec::new();
    for trade in trades {
        for _ in 0..=below(2) {
            arrivals.push((trade.at.as_microsecond() + below(60_000_000) as i64, trade));
        }
    }
    arrivals.sort_by_key(|(arrival, _)| *arrival);
    let mut fold = fold(&WIDTHS, 60);
    let mut bars = Vec::new();
    for (arrival, trade) in arrivals {
        assert_eq!(fold.trade(trade), Arrival::Counts);
        if below(3) == 0 {
            bars.extend(fold.watermark(Timestamp::from_microsecond(arrival).unwrap()));
        }
    }
    bars.extend(fold.watermark(at(3_600_000_000)));
    assert!(fold.is_empty());
    bars
}

proptest! {
    #[test]
    fn the_last_versions_are_those_of_the_sorted_set(trades in trades(), seed in any::<u64>()) {
        let bars = folded(&trades, &mut dice(seed));
        for bar in &bars {
            prop_assert_eq!(bar.fault(), None);
        }
        prop_assert_eq!(last(bars), plain(&trades));
    }

    #[test]
    fn trades_that_are_taken_back_are_in_no_last_version(trades in trades(), seed in any::<u64>()) {
        let mut below = dice(seed);
        let (mut kept, mut sent) = (Vec::new(), Vec::new());
        for trade in trades {
            if below(6) == 0 {
                let id = format!("no {}", trade.id);
                let (replaces, counts) = (Some(trade.id.clone()), BarUpdates::NOTHING);
                sent.push(Trade { id, replaces, counts, ..trade.clone() });
            } else {
                kept.push(trade.clone());
            }
            sent.push(trade);
        }
        let bars = last(folded(&sent, &mut below));
        for (key, expected) in plain(&kept) {
            // Of records that only take back a trade, the time of receipt counts.
            let bar = bars.get(&key).map(|bar| Bar { received_at: expected.received_at, ..bar.clone() });
            prop_assert_eq!(bar, Some(expected));
        }
    }
}
