//! Bars that are cut by the sessions of a market, against a plain computation.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tapewire_bars::{FoldRules, Partition, SessionFold, Widths};
use tapewire_core::exchange::{Calendars, Market};
use tapewire_core::record::{Gap, Print, SourceTrade, Tape};
use tapewire_core::{Bar, BarUpdates, Run, Symbol, Trade, Watermark};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn trade(at: Timestamp, sequence: u64, price: f64) -> Trade {
    Trade {
        symbol: Symbol::new("MKR").unwrap(),
        at,
        id: format!("id{sequence}"),
        sequence,
        price,
        size: 10.0,
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at: at,
    }
}

/// Start, open, high, low and close of each bar of trades at these times and prices.
fn bars(market: Market, width_s: u32, trades: &[(&str, f64)]) -> Vec<(String, [f64; 4])> {
    let widths = Widths::new(&[width_s]).unwrap();
    let mut fold = SessionFold::new(Symbol::new("MKR").unwrap(), widths, market.calendar());
    for (number, (time, price)) in trades.iter().enumerate() {
        fold.trade(&trade(at(time), number as u64, *price));
    }
    let bars = fold.watermark(Timestamp::MAX).into_iter();
    bars.map(|bar| (bar.start.to_string(), [bar.open, bar.high, bar.low, bar.close])).collect()
}

fn expected<const N: usize>(bars: [(&str, [f64; 4]); N]) -> Vec<(String, [f64; 4])> {
    bars.map(|(start, prices)| (start.to_owned(), prices)).to_vec()
}

/// One day by the clock would open at 95.0 before the news and close at 110.0 after hours.
#[test]
fn a_day_has_the_trades_of_its_session_and_closes_with_the_auction() {
    let new_york = [
        ("2025-06-02T08:30:00Z", 95.0),
        ("2025-06-02T13:30:00Z", 100.0),
        ("2025-06-02T16:30:00Z", 100.2),
        ("2025-06-02T19:59:59Z", 100.5),
        ("2025-06-02T20:00:05Z", 100.4),
        ("2025-06-02T20:00:30Z", 101.5),
        ("2025-06-02T21:00:00Z", 110.0),
        ("2025-07-03T13:30:00Z", 103.0),
        // A half day.
        ("2025-07-03T17:30:00Z", 120.0),
    ];
    assert_eq!(
        bars(Market::NewYork, 86_400, &new_york),
        expected([
            ("2025-06-02T13:30:00Z", [100.0, 100.5, 100.0, 100.4]),
            ("2025-07-03T13:30:00Z", [103.0, 103.0, 103.0, 103.0])
        ])
    );
    let london = [
        ("2025-06-02T07:00:00Z", 100.0),
        ("2025-06-02T15:29:00Z", 100.4),
        // Off the exchange, before the auction.
        ("2025-06-02T15:31:00Z", 90.0),
        ("2025-06-02T15:35:10Z", 100.5),
        ("2025-06-02T15:55:00Z", 110.0),
    ];
    let day = expected([("2025-06-02T07:00:00Z", [100.0, 100.5, 100.0, 100.5])]);
    assert_eq!(bars(Market::London, 86_400, &london), day);
    // Without an auction the last trade of the session is the close.
    assert_eq!(bars(Market::London, 86_400, &london[..3])[0].1[3], 100.4);
}

#[test]
fn hours_start_at_the_open_and_the_last_ends_at_the_close() {
    let new_york = [
        ("2025-06-02T13:29:59Z", 95.0),
        ("2025-06-02T13:30:00Z", 100.0),
        ("2025-06-02T14:29:59Z", 100.2),
        ("2025-06-02T14:30:00Z", 100.3),
        ("2025-06-02T19:59:59Z", 100.5),
        ("2025-06-02T20:00:00Z", 110.0),
    ];
    assert_eq!(
        bars(Market::NewYork, 3600, &new_york),
        expected([
            ("2025-06-02T13:30:00Z", [100.0, 100.2, 100.0, 100.2]),
            ("2025-06-02T14:30:00Z", [100.3; 4]),
            ("2025-06-02T19:30:00Z", [100.5; 4]),
        ])
    );
    let london = [("2025-06-02T15:29:00Z", 100.4), ("2025-06-02T15:35:00Z", 100.5), ("2025-06-02T15:55:00Z", 110.0)];
    assert_eq!(bars(Market::London, 3600, &london), expected([("2025-06-02T15:00:00Z", [100.4; 4])]));
    // In Tokyo's break, 11:30 to 12:30.
    let tokyo = [("2025-06-02T02:15:00Z", 5.0), ("2025-06-02T03:15:00Z", 9.0), ("2025-06-02T03:45:00Z", 6.0)];
    let cut = expected([("2025-06-02T02:00:00Z", [5.0; 4]), ("2025-06-02T03:00:00Z", [6.0; 4])]);
    assert_eq!(bars(Market::Tokyo, 3600, &tokyo), cut);
}

#[test]
fn bars_are_complete_when_their_session_and_its_auction_are_over() {
    let widths = Widths::new(&[3600, 86_400]).unwrap();
    let mut fold = SessionFold::new(Symbol::new("MKR").unwrap(), widths, Market::London.calendar());
    assert!(fold.trade(&trade(at("2025-06-02T07:10:00Z"), 1, 10.0)));
    assert!(fold.trade(&trade(at("2025-06-02T15:35:00Z"), 2, 11.0)));
    assert!(!fold.trade(&trade(at("2025-06-02T15:31:00Z"), 3, 12.0)));
    assert_eq!(fold.watermark(at("2025-06-02T15:35:59Z")), []);
    let bars = fold.watermark(at("2025-06-02T15:36:00Z"));
    assert_eq!(bars.iter().map(|bar| (bar.width_s, bar.close)).collect::<Vec<_>>(), [(3600, 10.0), (86_400, 11.0)]);
    assert!(bars.iter().all(|bar| bar.fault().is_none()));
    assert_eq!(fold.watermark(Timestamp::MAX), []);
}

/// Half hours divide the sessions of New York, but not the half days of Paris, which end at 14:05.
#[test]
fn widths_that_divide_all_sessions_of_a_market_are_by_the_clock() {
    let widths = Widths::new(&[1, 60, 300, 1800, 3600, 86_400]).unwrap();
    let split = |market| {
        let seconds = |widths: Option<Widths>| widths.map(|widths| widths.seconds().to_vec()).unwrap_or_default();
        let (by_clock, by_session) = widths.by_market(market);
        (seconds(by_clock), seconds(by_session))
    };
    assert_eq!(split(Market::NewYork), (vec![1, 60, 300, 1800], vec![3600, 86_400]));
    assert_eq!(split(Market::London), (vec![1, 60, 300, 1800], vec![3600, 86_400]));
    assert_eq!(split(Market::Paris), (vec![1, 60, 300], vec![1800, 3600, 86_400]));
    assert_eq!(split(Market::Crypto), (widths.seconds().to_vec(), vec![]));
    assert_eq!(split(Market::Currencies), (widths.seconds().to_vec(), vec![]));
}

/// The stage that folds the trades of a stream makes bars by the clock only.
#[test]
fn a_partition_makes_no_bar_that_holds_trades_of_a_session_and_of_after_hours() {
    let rules = FoldRules {
        widths: Widths::new(&[60, 3600]).unwrap(),
        calendars: Arc::new(Calendars::default()),
        lateness: SignedDuration::ZERO,
    };
    let mut partition = Partition::resume(rules, 0, "");
    let mut records =
        vec![Print::Gap(Gap { source: "a".into(), from: Timestamp::MIN, to: at("2025-06-02T00:00:00Z") })];
    for (number, symbol) in ["MKR", "X:BTCUSD"].into_iter().enumerate() {
        let trade =
            Trade { symbol: Symbol::new(symbol).unwrap(), ..trade(at("2025-06-02T13:10:00Z"), number as u64, 9.0) };
        records.push(Print::Fold(SourceTrade { source: "a".into(), trade }));
    }
    let watermark = Watermark { source: "a".into(), ..Watermark::new(0, 1, at("2025-06-02T15:00:00Z")) };
    records.push(Print::Watermark(watermark));
    let mut bars = Vec::new();
    for (offset, record) in records.into_iter().enumerate() {
        for tape in partition.step(offset as u64, Some((Run::live(), record))) {
            if let Tape::Bar(bar) = tape {
                bars.push((bar.symbol.to_string(), bar.width_s));
            }
        }
    }
    let made = [("MKR", 60), ("X:BTCUSD", 60), ("X:BTCUSD", 3600)];
    assert_eq!(bars, made.map(|(symbol, width)| (symbol.to_owned(), width)));
}

const MARKETS: [Market; 7] =
    [Market::NewYork, Market::London, Market::Xetra, Market::Paris, Market::Tokyo, Market::HongKong, Market::Toronto];

/// The bars of less than a day of a set of trades, one trade after the other.
fn plain(market: Market, width_s: u32, trades: &[Trade]) -> BTreeMap<Timestamp, (f64, f64, f64)> {
    let mut bars: BTreeMap<Timestamp, (f64, f64, f64)> = BTreeMap::new();
    let width = SignedDuration::from_secs(i64::from(width_s));
    for trade in trades {
        let is_of = |session: &&tapewire_core::exchange::Session| {
            session.open <= trade.at
                && trade.at < session.close
                && session.lunch_break.is_none_or(|(from, until)| trade.at < from || until <= trade.at)
        };
        let Some(session) = market.calendar().sessions().iter().find(is_of) else { continue };
        let mut start = session.open;
        while start + width <= trade.at {
            start += width;
        }
        let bar = bars.entry(start).or_insert((trade.price, trade.price, 0.0));
        bar.1 = trade.price;
        bar.2 += trade.size;
    }
    bars
}

proptest! {
    #[test]
    fn bars_of_less_than_a_day_have_the_trades_of_their_part_of_the_session(
        market in prop::sample::select(MARKETS.to_vec()),
        width_s in prop::sample::select(vec![600_u32, 1800, 3600, 7200, 14_400, 43_200]),
        // A week with half days at its end.
        mut minutes in prop::collection::vec(0_i64..60 * 24 * 9, 1..200),
        order in any::<u64>(),
    ) {
        minutes.sort_unstable();
        let first = at("2024-12-23T00:00:00Z");
        let trades: Vec<Trade> = minutes.iter().enumerate()
            .map(|(number, minute)| trade(first + SignedDuration::from_mins(*minute), number as u64, 10.0 + number as f64))
            .collect();
        let mut fold = SessionFold::new(Symbol::new("MKR").unwrap(), Widths::new(&[width_s]).unwrap(), market.calendar());
        // In another order, and some of them twice.
        let mut arrivals: Vec<&Trade> = trades.iter().chain(trades.iter().step_by(3)).collect();
        arrivals.sort_by_key(|trade| (trade.sequence.wrapping_mul(order | 1), trade.sequence));
        for trade in arrivals {
            fold.trade(trade);
        }
        let bars: Vec<Bar> = fold.watermark(Timestamp::MAX);
        let found: BTreeMap<_, _> = bars.iter().map(|bar| (bar.start, (bar.open, bar.close, bar.volume))).collect();
        prop_assert_eq!(found.len(), bars.len());
        prop_assert_eq!(found, plain(market, width_s, &trades));
    }
}
