//! Indicators against reference values, across sessions, and from bars that come late, twice, or after a kill.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tapewire_core::Bar;
use tapewire_core::exchange::Market;
use tapewire_indicators::{Indicators, MAX_BARS_LATE, Point, Put, RESTORED_POINTS, Series};
use tapewire_testkit::{Dice, at, bar};

const OPEN: &str = "2024-07-01T13:30:00Z";

fn series(market: Market, width_s: u32) -> Series {
    Series::new(market.calendar(), width_s)
}

/// The points of bars that come in order.
fn points(market: Market, bars: &[Bar]) -> Vec<Point> {
    let mut series = series(market, bars[0].width_s);
    let put = |(position, bar): (u64, &Bar)| {
        assert_eq!(series.put(bar, position), Put::Taken, "{bar:?}");
        let mut changed = series.take_changed();
        assert_eq!(changed.len(), 1);
        changed.remove(0)
    };
    (0..).zip(bars).map(put).collect()
}

fn named(indicators: &Indicators) -> [(&'static str, Option<f64>); 13] {
    [
        ("sma", indicators.sma),
        ("ema", indicators.ema),
        ("bollinger_upper", indicators.bollinger_upper),
        ("bollinger_lower", indicators.bollinger_lower),
        ("rsi", indicators.rsi),
        ("macd", indicators.macd),
        ("macd_signal", indicators.macd_signal),
        ("macd_histogram", indicators.macd_histogram),
        ("momentum", indicators.momentum),
        ("vwap", indicators.vwap),
        ("log_return", indicators.log_return),
        ("realized_volatility", indicators.realized_volatility),
        ("robust_z", indicators.robust_z),
    ]
}

#[test]
fn values_are_those_of_ta_lib_and_numpy_and_undefined_where_theirs_are() {
    let mut reader = csv::Reader::from_reader(&include_bytes!("reference.csv")[..]);
    let mut all: BTreeMap<String, Vec<BTreeMap<String, Option<f64>>>> = BTreeMap::new();
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let mut row = row.unwrap();
        let name = row.remove("series").unwrap();
        all.entry(name)
            .or_default()
            .push(row.into_iter().map(|(column, value)| (column, value.parse().ok())).collect());
    }
    assert_eq!(all.len(), 4);
    for (name, rows) in all {
        let bars = (0..).zip(&rows).map(|(minute, row)| {
            let (value, start) = (|column| row[column].unwrap(), at(OPEN) + SignedDuration::from_mins(minute));
            let (open, high, low, close) = (value("open"), value("high"), value("low"), value("close"));
            Bar { open, high, low, close, volume: value("volume"), ..bar("AAPL", start, close) }
        });
        let found = points(Market::NewYork, &bars.collect::<Vec<_>>());
        for ((number, row), point) in (1..).zip(&rows).zip(found) {
            for (column, found) in named(&point.indicators) {
                let place = format!("{name} {number} {column}: {found:?}, {:?}", row[column]);
                assert_eq!(found.is_some(), row[column].is_some(), "{place}");
                // The tolerance of prices is relative to the close, because a difference of averages may be near zero.
                let is_price = !["rsi", "log_return", "realized_volatility", "robust_z"].contains(&column);
                if let (Some(found), Some(expected)) = (found, row[column]) {
                    let scale = if is_price { point.close.max(expected.abs()) } else { expected.abs().max(1.0) };
                    assert!((found - expected).abs() <= 1e-9 * scale, "{place}");
                }
            }
            let is_anomaly = row["robust_z"].map(|z| z.abs() > 3.0);
            assert_eq!(point.indicators.is_anomaly, is_anomaly, "{name} {number}");
        }
    }
}

/// Minutes of sessions from July 1, 2024, without some that had no trade.
fn minutes(dice: &mut Dice, sessions: usize) -> Vec<Bar> {
    let mut price = 100.0;
    let first = Market::NewYork.calendar().containing(at(OPEN)).unwrap().index;
    let mut bars = Vec::new();
    for session in &Market::NewYork.calendar().sessions()[first..first + sessions] {
        for minute in 0..390 {
            price *= (0.001 * dice.normal()).exp();
            if !dice.chance(5) {
                let made = bar("AAPL", session.open + SignedDuration::from_mins(minute), price);
                bars.push(Bar { open: price, volume: dice.below(90) as f64, ..made });
            }
        }
    }
    bars
}

#[test]
fn each_session_has_its_own_vwap_and_no_return_goes_across_a_night() {
    let all = points(Market::NewYork, &minutes(&mut Dice(1), 2));
    let second = all.iter().position(|point| point.start >= at("2024-07-02T00:00:00Z")).unwrap();
    for day in [&all[..second], &all[second..]] {
        assert_eq!(day[0].indicators.log_return, None);
        let (mut value, mut volume) = (0.0, 0.0);
        for point in day {
            (value, volume) = (value + point.close * point.volume, volume + point.volume);
            let vwap = point.indicators.vwap;
            assert_eq!(vwap.is_some(), volume > 0.0);
            assert!(vwap.is_none_or(|vwap| (vwap - value / volume).abs() < 1e-9));
        }
        assert!(day[..30].iter().all(|point| point.indicators.realized_volatility.is_none()));
        assert!(day[30..].iter().all(|point| point.indicators.realized_volatility.is_some()));
        let missing: u32 = day.iter().map(|point| point.indicators.missing_bars.unwrap()).sum();
        assert_eq!(missing, day[day.len() - 1].indicators.session_missing_bars);
        assert!(missing > 0);
    }
    // Averages, and the returns that a return is compared with, carry over to the next session.
    assert!(all[second].indicators.sma.is_some() && all[second + 1].indicators.robust_z.is_some());
}

#[test]
fn one_large_move_is_an_anomaly_and_the_moves_after_it_are_not() {
    let mut bars = minutes(&mut Dice(4), 1);
    bars.iter_mut().skip(80).for_each(|bar| {
        (bar.open, bar.high, bar.low, bar.close) = (bar.open * 1.01, bar.high * 1.01, bar.low * 1.01, bar.close * 1.01);
    });
    let all = points(Market::NewYork, &bars);
    let is_anomaly = |point: &Point| point.indicators.is_anomaly;
    assert_eq!(is_anomaly(&all[80]), Some(true));
    assert!(all[80].indicators.robust_z.unwrap() > 6.0);
    assert!(all[..31].iter().all(|point| is_anomaly(point).is_none()));
    assert!(all[31..].iter().all(|point| is_anomaly(point).is_some()));
    // The others are normal: 3 of 1,000 are beyond 3, and some more because the scale is that of 60 values.
    let others = all.iter().filter(|point| is_anomaly(point) == Some(true)).count() - 1;
    assert!(others <= all.len() / 50, "{others}");
}

#[test]
fn days_are_compared_across_nights_but_not_across_a_missing_session() {
    let calendar = Market::NewYork.calendar();
    let first = calendar.containing(at(OPEN)).unwrap().index;
    let sessions = calendar.sessions()[first..first + 6].iter();
    let day = |session: &tapewire_core::exchange::Session| {
        let midnight = session.date.to_zoned(calendar.time_zone().clone()).unwrap().timestamp();
        Bar { width_s: 86_400, ..bar("AAPL", midnight, 100.0 + session.index as f64) }
    };
    let mut days: Vec<Bar> = sessions.map(day).collect();
    days.remove(3);
    let all = points(Market::NewYork, &days);
    let missing: Vec<Option<u32>> = all.iter().map(|point| point.indicators.missing_bars).collect();
    assert_eq!(missing, [None, Some(0), Some(0), Some(1), Some(0)]);
    let returns: Vec<bool> = all.iter().map(|point| point.indicators.log_return.is_some()).collect();
    assert_eq!(returns, [false, true, true, false, true]);
}

/// Sources stamp a daily bar with the midnight of the exchange or of UTC, or with the open.
#[test]
fn two_daily_bars_of_a_session_are_one_and_the_one_received_last_counts() {
    let day = |day: u32, time: &str, close: f64, received: &str| {
        let made = bar("AAPL", at(&format!("2024-07-{day:02}T{time}Z")), close);
        Bar { width_s: 86_400, received_at: at(&format!("2024-07-{day:02}T{received}Z")), ..made }
    };
    let bars = [
        day(1, "04:00:00", 100.0, "20:15:00"),
        day(2, "04:00:00", 101.0, "20:15:00"),
        day(2, "00:00:00", 102.0, "20:20:00"),
        day(2, "13:30:00", 103.0, "20:10:00"),
        day(3, "04:00:00", 104.0, "17:15:00"),
    ];
    let expected = points(Market::NewYork, &[bars[0].clone(), bars[2].clone(), bars[4].clone()]);
    for (order, doubled) in [([0, 1, 2, 3, 4], 2), ([4, 3, 2, 1, 0], 2), ([2, 0, 3, 4, 1], 2)] {
        let mut series = series(Market::NewYork, 86_400);
        let put = (0..).zip(order).map(|(position, number)| series.put(&bars[number], position)).collect::<Vec<_>>();
        assert_eq!(put.iter().filter(|put| **put == Put::SameSession).count(), doubled, "{order:?}: {put:?}");
        let found = series.take_changed();
        let values = |points: &[Point]| -> Vec<(String, f64, Option<u32>, Option<f64>)> {
            let of = |point: &Point| {
                let found = &point.indicators;
                (point.start.to_string(), point.close, found.missing_bars, found.log_return)
            };
            points.iter().map(of).collect()
        };
        assert_eq!(values(&found), values(&expected), "{order:?}");
        assert_eq!(found[1].start, at("2024-07-02T13:30:00Z"));
        assert_eq!((found[1].close, found[1].indicators.log_return), (102.0, Some(1.02_f64.ln())));
    }
    // Rows that were written one for each bar, before a session had one.
    let rows = points(Market::NewYork, &bars[..2]).into_iter().chain(points(Market::NewYork, &bars[2..3]));
    let rows = rows.zip(&bars).map(|(point, bar)| Point { start: bar.start, ..point });
    let mut restored = Series::restored(Market::NewYork.calendar(), 86_400, rows);
    assert_eq!(restored.put(&bars[4], 9), Put::Taken);
    let last = restored.take_changed()[0].indicators;
    assert_eq!((last.missing_bars, last.log_return), (Some(0), Some((104.0_f64 / 102.0).ln())));
}

/// A coin has a day of UTC, and the week of currencies begins on Sunday evening.
#[test]
fn a_day_of_a_market_that_does_not_close_starts_at_midnight() {
    for (ticker, market, start) in
        [("X:BTCUSD", Market::Crypto, "2024-07-06T00:00:00Z"), ("C:EURUSD", Market::Currencies, "2024-07-08T00:00:00Z")]
    {
        let made = Bar { width_s: 86_400, ..bar(ticker, at(start), 1.0) };
        assert_eq!(points(market, &[made])[0].start, at(start), "{ticker}");
    }
}

#[test]
fn missing_bars_are_counted_across_a_split() {
    let session = |day: u32| {
        let date = jiff::civil::date(2024, 7, day as i8);
        Market::NewYork.calendar().on(date).unwrap()
    };
    // Sessions of 1, 2, 3 and 5 July; there is no bar of the 3rd, and the price halves over it.
    let day = |day: u32, price: f64| Bar { width_s: 86_400, ..bar("AAPL", session(day).open, price) };
    let days = points(Market::NewYork, &[day(1, 100.0), day(2, 101.0), day(5, 50.0), day(8, 51.0)]);
    let found: Vec<_> = days.iter().map(|point| (point.carried.number, point.indicators.missing_bars)).collect();
    assert_eq!(found, [(1, None), (2, Some(0)), (1, Some(1)), (2, Some(0))]);
    assert_eq!((days[2].indicators.log_return, days[3].indicators.log_return), (None, Some(1.02_f64.ln())));
    let minute =
        |day: u32, minute: i64, price: f64| bar("AAPL", session(day).open + SignedDuration::from_mins(minute), price);
    let minutes = points(Market::NewYork, &[minute(1, 0, 100.0), minute(2, 2, 50.0), minute(2, 5, 50.0)]);
    let counted = |point: &Point| (point.indicators.missing_bars, point.indicators.session_missing_bars);
    assert_eq!(minutes.iter().map(counted).collect::<Vec<_>>(), [(Some(0), 0), (Some(2), 2), (Some(2), 4)]);
    assert_eq!(minutes.iter().map(|point| point.carried.number).collect::<Vec<_>>(), [1, 1, 2]);
}

#[test]
fn a_price_that_seems_to_have_split_overnight_begins_a_new_series() {
    for (ratio, splits) in [(0.5, true), (3.0, true), (0.1, true), (0.7, false), (1.0, false)] {
        let mut bars = minutes(&mut Dice(2), 2);
        let second = bars.iter().position(|bar| bar.start >= at("2024-07-02T00:00:00Z")).unwrap();
        for bar in &mut bars[second..] {
            (bar.open, bar.high) = (bar.open * ratio, bar.high * ratio);
            (bar.low, bar.close) = (bar.low * ratio, bar.close * ratio);
        }
        let all = points(Market::NewYork, &bars);
        let expected = if splits { 1 } else { second as u64 + 1 };
        assert_eq!(all[second].carried.number, expected, "{ratio}");
        assert_eq!(all[second + 18].indicators.sma.is_none(), splits, "{ratio}");
        assert!(all[second + 19].indicators.sma.is_some());
    }
}

/// A table of upserts, as the rows are written.
#[derive(Default)]
struct Table(BTreeMap<Timestamp, Point>);

impl Table {
    fn write(&mut self, points: &[Point]) {
        for point in points {
            let newer = self.0.get(&point.start).is_some_and(|held| held.version > point.version);
            if !newer {
                self.0.insert(point.start, *point);
            }
        }
    }

    fn restored(&self) -> Series {
        let newest = self.0.values().rev().take(RESTORED_POINTS).copied().collect::<Vec<_>>();
        Series::restored(Market::NewYork.calendar(), 60, newest.into_iter().rev())
    }
}

/// The bars as they arrive: some late, though by fewer than [`MAX_BARS_LATE`] bars, some twice, some corrected.
fn disordered(dice: &mut Dice, bars: &[Bar]) -> Vec<Bar> {
    let mut arriving: Vec<(u64, Bar)> = Vec::new();
    for (number, bar) in (0..).zip(bars) {
        let mut when = number;
        if dice.chance(5) {
            let early = Bar { close: bar.close * 1.01, high: bar.high * 1.01, ..bar.clone() };
            arriving.push((when, early));
            when += dice.below(40);
            let corrected = bar.received_at + SignedDuration::from_secs(1);
            arriving.push((when, Bar { received_at: corrected, ..bar.clone() }));
        } else {
            when += if dice.chance(5) { dice.below(MAX_BARS_LATE as u64 / 2) } else { 0 };
            arriving.push((when, bar.clone()));
        }
        if dice.chance(3) {
            arriving.push((when + dice.below(20), arriving[arriving.len() - 1].1.clone()));
        }
    }
    arriving.sort_by_key(|(when, _)| *when);
    arriving.into_iter().map(|(_, bar)| bar).collect()
}

fn values(table: &Table) -> Vec<Point> {
    // Versions depend on the order of arrival, and times of receipt on corrections, so neither is compared.
    table.0.values().map(|point| Point { version: 0, received_at: Timestamp::UNIX_EPOCH, ..*point }).collect()
}

#[test]
fn late_doubled_and_corrected_bars_give_the_points_of_bars_in_order() {
    for seed in 0..8 {
        let mut dice = Dice(seed);
        let bars = minutes(&mut dice, 2);
        let mut expected = Table::default();
        expected.write(&points(Market::NewYork, &bars));
        let (mut found, mut series) = (Table::default(), series(Market::NewYork, 60));
        for (position, bar) in (0..).zip(disordered(&mut dice, &bars)) {
            assert_eq!(series.put(&bar, position), Put::Taken);
            found.write(&series.take_changed());
        }
        assert_eq!(values(&found), values(&expected), "seed {seed}");
    }
}

/// At each record a process ends: before its points are written, after some of them, or after all of them but before the
/// commit. The next one reads the newest rows and starts some records before.
#[test]
fn a_kill_at_every_record_gives_the_same_rows() {
    let mut dice = Dice(7);
    let bars = minutes(&mut dice, 1);
    let arriving = disordered(&mut dice, &bars);
    let (mut expected, mut series) = (Table::default(), series(Market::NewYork, 60));
    for (position, bar) in (0..).zip(&arriving) {
        series.put(bar, position);
        expected.write(&series.take_changed());
    }
    let mut found = Table::default();
    for at in 0..arriving.len() {
        let mut restored = found.restored();
        let from = at.saturating_sub(dice.below(8) as usize);
        for (position, bar) in arriving.iter().enumerate().take(at + 1).skip(from) {
            restored.put(bar, position as u64);
        }
        let changed = restored.take_changed();
        match dice.below(3) {
            0 => found.write(&changed[..dice.below(changed.len() as u64 + 1) as usize]),
            1 => found.write(&changed),
            _ => {}
        }
        // What was not written is not committed either: the next process reads this record again.
        let mut restored = found.restored();
        for (position, bar) in arriving.iter().enumerate().take(at + 1).skip(from) {
            restored.put(bar, position as u64);
        }
        found.write(&restored.take_changed());
    }
    assert_eq!(found.0, expected.0);
}

/// A batch that was written, but not committed, is read again by a process that has only the newest points.
#[test]
fn no_bar_of_a_batch_that_is_read_again_is_late() {
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let bars = minutes(&mut dice, 2);
        let arriving = disordered(&mut dice, &bars);
        let (mut expected, mut series) = (Table::default(), series(Market::NewYork, 60));
        for (position, bar) in (1_000..).zip(&arriving) {
            assert_eq!(series.put(bar, position), Put::Taken);
            expected.write(&series.take_changed());
        }
        let (mut found, mut restored) = (Table(expected.0.clone()), expected.restored());
        let mut known = 0;
        for (position, bar) in (1_000..).zip(&arriving) {
            match restored.put(bar, position) {
                Put::Known => known += 1,
                put => assert_eq!(put, Put::Taken, "seed {seed}: {bar:?}"),
            }
        }
        found.write(&restored.take_changed());
        assert_eq!(found.0, expected.0, "seed {seed}");
        assert!(known > bars.len() - 2 * MAX_BARS_LATE, "{known}");
        // What comes after the batch is late as before: a correction, and a bar that was missing.
        let corrected = Bar { received_at: bars[bars.len() - 1].received_at, ..bars[5].clone() };
        assert_eq!(restored.put(&corrected, 1_000 + arriving.len() as u64), Put::Late);
        let missing = Bar { start: bars[5].start + SignedDuration::from_secs(1), ..bars[5].clone() };
        assert_eq!(restored.put(&missing, 1_000 + arriving.len() as u64), Put::Late);
    }
}

#[test]
fn a_bar_that_is_too_late_changes_nothing_and_says_so() {
    let bars = minutes(&mut Dice(3), 2);
    let mut series = series(Market::NewYork, 60);
    for (position, bar) in (0..).zip(&bars) {
        series.put(bar, position);
        series.take_changed();
    }
    let newest = bars.len() - 1;
    let corrected =
        |place: usize| Bar { close: 1.0, low: 1.0, received_at: bars[newest].received_at, ..bars[place].clone() };
    assert_eq!(series.put(&corrected(newest - MAX_BARS_LATE - 1), 9_999), Put::Late);
    assert_eq!(series.take_changed(), []);
    assert_eq!(series.put(&corrected(newest - MAX_BARS_LATE), 9_999), Put::Taken);
    let changed = series.take_changed();
    assert_eq!(changed.len(), MAX_BARS_LATE + 1);
    assert!(changed.iter().all(|point| point.version == 9_999 && point.indicators.sma.is_some()));
    let before_open = bar("AAPL", at("2024-07-01T13:29:00Z"), 100.0);
    assert_eq!(series.put(&before_open, 0), Put::Outside);
}

#[test]
fn without_a_move_there_is_no_strength_and_no_scale() {
    let bars: Vec<Bar> =
        (0..80).map(|minute| bar("AAPL", at(OPEN) + SignedDuration::from_mins(minute), 10.0)).collect();
    let last = points(Market::NewYork, &bars)[79].indicators;
    assert_eq!((last.rsi, last.robust_z, last.is_anomaly), (None, None, None));
    assert_eq!((last.macd, last.bollinger_upper, last.realized_volatility), (Some(0.0), Some(10.0), Some(0.0)));
}

#[test]
fn what_is_too_large_for_a_number_is_undefined_and_does_not_last() {
    let price = |minute: i64| if minute == 40 { f64::MAX } else { 10.0 + (minute % 3) as f64 };
    let bars: Vec<Bar> =
        (0..80).map(|minute| bar("AAPL", at(OPEN) + SignedDuration::from_mins(minute), price(minute))).collect();
    let all = points(Market::NewYork, &bars);
    for point in &all {
        assert!(named(&point.indicators).iter().all(|(_, value)| value.is_none_or(f64::is_finite)), "{point:?}");
    }
    assert_eq!((all[40].indicators.vwap, all[40].indicators.bollinger_upper), (None, None));
    let last = all[79].indicators;
    assert!(last.sma.is_some_and(|mean| mean < 13.0) && last.bollinger_upper.is_some());
}
