//! The right price in each column: worked examples of bars as providers print them.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use support::{Process, TOPICS, Topics, assert_same};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::tape::ActionKind;
use tapewire_core::{Bar, CorporateAction, Horizon, Impact, Run, Symbol, Watermark};
use tapewire_joiner::join::JoinConfig;
use tapewire_joiner::join::config::PossibleSplits;
use tapewire_testkit::at;

/// A tape in memory, and one mention of AAA.
#[derive(Default)]
struct Example {
    bars: Vec<Bar>,
    actions: Vec<CorporateAction>,
}

impl Example {
    /// A bar with these opening and closing prices.
    fn bar(mut self, start: &str, width_s: u32, open: f64, close: f64) -> Self {
        self.bars.push(bar("AAA", at(start), width_s, open, close));
        self
    }

    /// All minutes of a session at one price.
    fn minutes(mut self, symbol: &str, open: &str, close: &str, price: f64) -> Self {
        let mut start = at(open);
        while start < at(close) {
            self.bars.push(bar(symbol, start, 60, price, price));
            start += SignedDuration::from_mins(1);
        }
        self
    }

    fn action(self, ex_date: &str, kind: ActionKind) -> Self {
        self.action_of("AAA", ex_date, kind)
    }

    fn action_of(mut self, symbol: &str, ex_date: &str, kind: ActionKind) -> Self {
        let symbol = Symbol::new(symbol).unwrap();
        let (ex_date, received_at) = (ex_date.parse().unwrap(), at("2020-01-01T00:00:00Z"));
        self.actions.push(CorporateAction { symbol, ex_date, id: String::new(), kind, received_at });
        self
    }

    /// The row of an article that was published at this moment, after the whole tape has been read.
    fn row(&self, published_at: &str, config: &JoinConfig) -> Impact {
        let run = Run::named("r");
        let end = Watermark::new(0, 1, Watermark::END);
        let mention = tapewire_testkit::mention("AAA", at(published_at));
        let topics = Topics {
            sentiment: [Scored::Mention(mention), Scored::Watermark(end.clone())].map(|s| (run.clone(), s)).into(),
            bars: self
                .bars
                .iter()
                .cloned()
                .map(Tape::Bar)
                .chain([Tape::Watermark(end)])
                .map(|b| (run.clone(), b))
                .collect(),
            halts: Vec::new(),
            actions: self.actions.iter().map(|action| (run.clone(), action.clone())).collect(),
        };
        // Splits and dividends are read first, and after the ends of tape and news.
        let [table, other] = [[3, 1, 2, 0], [1, 0, 2, 3]]
            .map(|order| Process::start(&topics, config).finish(order.map(|topic: usize| TOPICS[topic])));
        assert_same(&other, &table);
        table.rows().next().unwrap().clone()
    }

    fn row_of(&self, published_at: &str) -> Impact {
        self.row(published_at, &JoinConfig::default())
    }
}

fn bar(symbol: &str, start: Timestamp, width_s: u32, open: f64, close: f64) -> Bar {
    Bar {
        symbol: Symbol::new(symbol).unwrap(),
        start,
        width_s,
        open,
        high: open.max(close),
        low: open.min(close),
        close,
        volume: 100.0,
        vwap: None,
        trades: None,
        received_at: start + SignedDuration::from_secs(width_s.into()),
    }
}

/// The price that a return leads to.
fn price(row: &Impact, horizon: Horizon) -> Option<f64> {
    let price = row.returns[horizon as usize]?.exp() * row.entry_price?;
    Some((price * 1e6).round() / 1e6)
}

#[test]
fn hourly_bars_that_start_on_the_hour_give_no_opening_price_and_are_flagged() {
    // Bars from 08:00Z to 24:00Z on three days, each open one dollar above the last. The session opens at 13:30Z,
    // within the bar of 13:00Z.
    let mut example = Example::default();
    for day in [12, 13, 14] {
        for hour in 8..24 {
            let open = f64::from(100 + hour + day);
            example = example.bar(&format!("2025-05-{day}T{hour:02}:00:00Z"), 3600, open, open + 1.0);
        }
    }
    let row = example.row_of("2025-05-13T11:00:00Z");
    assert_eq!((row.entry_at, row.entry_price), (Some(at("2025-05-13T14:00:00Z")), Some(127.0)));
    assert!(row.quality.no_open && row.quality.gap, "the half hour after the open is not left out silently");
    assert_eq!(row.returns[Horizon::NextOpen as usize], None, "the price of 14:00Z is not the open");
    assert_eq!((price(&row, Horizon::Close), price(&row, Horizon::NextClose)), (Some(133.0), Some(134.0)));
    assert_eq!(row.price_before, Some(132.0), "the close of 19:00Z, not of after hours");
    assert_eq!((row.close_is_official, row.next_close_is_official), (Some(false), Some(false)));
    // Within the session nothing is unusual about the entry.
    let row = example.row_of("2025-05-13T13:40:00Z");
    assert_eq!((row.entry_at, row.price_before), (Some(at("2025-05-13T14:00:00Z")), Some(132.0)));
    let row = example.row_of("2025-05-13T14:10:00Z");
    assert_eq!((row.entry_price, row.price_before), (Some(128.0), Some(127.0)), "13:00Z's close is a price");
    // The same holds for a file with only whole regular hours: its first bar does not start at the open.
    example.bars.retain(|bar| !(8..14).contains(&bar.start.to_zoned(jiff::tz::TimeZone::UTC).hour()));
    let row = example.row_of("2025-05-13T11:00:00Z");
    assert_eq!((row.returns[Horizon::NextOpen as usize], row.quality.no_open), (None, true));
}

#[test]
fn a_daily_bar_that_starts_at_midnight_or_the_open_stands_for_the_session_of_its_date() {
    for midnight in ["04:00:00Z", "00:00:00Z", "13:30:00Z"] {
        let mut example = Example::default();
        for day in [12, 13, 14, 15] {
            let open = f64::from(100 + day);
            example = example.bar(&format!("2025-05-{day}T{midnight}"), 86_400, open, open + 1.0);
        }
        let row = example.row_of("2025-05-13T11:00:00Z");
        assert_eq!((row.status, row.entry_price), (Status::Final, Some(113.0)), "{midnight}");
        assert_eq!(row.entry_at, Some(at("2025-05-13T13:30:00Z")));
        assert_eq!((row.price_before, row.price_before_at), (Some(113.0), Some(at("2025-05-12T20:00:00Z"))));
        assert_eq!((price(&row, Horizon::Close), price(&row, Horizon::NextOpen)), (Some(114.0), Some(114.0)));
        assert_eq!((price(&row, Horizon::NextClose), row.close_is_official), (Some(115.0), Some(true)));
        assert!(!row.quality.gap && !row.quality.no_open && !row.quality.possible_split);
        // The news is known only after the open, so the next day's open is the first price anyone could trade at.
        assert_eq!(example.row_of("2025-05-13T13:30:00Z").entry_price, Some(114.0));
    }
}

#[test]
fn a_symbol_with_bars_outside_sessions_only_has_another_reason_than_one_without_bars() {
    let reason = |example: Example| example.row_of("2025-05-13T11:00:00Z").status;
    assert_eq!(reason(Example::default()), Status::NotJoined(Reason::NoBars));
    let weeks = Example::default().bar("2025-05-12T04:00:00Z", 7 * 86_400, 1.0, 2.0);
    assert_eq!(reason(weeks), Status::NotJoined(Reason::NoRegularBars));
    let stamped_at_the_close = Example::default().bar("2025-05-12T20:00:00Z", 86_400, 1.0, 2.0);
    assert_eq!(reason(stamped_at_the_close), Status::NotJoined(Reason::NoRegularBars));
    let at_a_fixed_hour = Example::default().bar("2025-05-13T14:30:00Z", 86_400, 1.0, 2.0);
    assert_eq!(reason(at_a_fixed_hour), Status::NotJoined(Reason::NoRegularBars), "its open is not at 10:30");
    let pre_market = Example::default().bar("2025-05-13T12:00:00Z", 60, 1.0, 2.0);
    assert_eq!(reason(pre_market), Status::NotJoined(Reason::NoRegularBars));
    let regular = Example::default().bar("2025-05-12T19:59:00Z", 60, 1.0, 2.0);
    assert_eq!(reason(regular), Status::NotJoined(Reason::NoEntryBar));
}

#[test]
fn the_close_is_the_official_one_where_the_tape_has_it() {
    let days = || {
        Example::default()
            .minutes("AAA", "2025-05-12T13:30:00Z", "2025-05-12T19:59:00Z", 109.0)
            .bar("2025-05-12T19:59:00Z", 60, 109.0, 109.07)
            .minutes("AAA", "2025-05-13T13:30:00Z", "2025-05-13T20:00:00Z", 108.9)
    };
    let auction = || days().bar("2025-05-12T20:00:00Z", 60, 108.86, 108.5);
    let row = auction().row_of("2025-05-12T19:40:10Z");
    assert_eq!((price(&row, Horizon::Close), row.close_is_official), (Some(108.86), Some(true)));
    assert_eq!((price(&row, Horizon::NextClose), row.next_close_is_official), (Some(108.9), Some(false)));
    assert!((row.returns[Horizon::Close as usize].unwrap() + 0.001_285).abs() < 1e-6);
    let row = days().row_of("2025-05-12T19:40:10Z");
    assert_eq!((price(&row, Horizon::Close), row.close_is_official), (Some(109.07), Some(false)));
    // For a horizon in minutes that is due at the close, the price is that of the last bar.
    let row = auction().row_of("2025-05-12T18:59:10Z");
    assert_eq!((price(&row, Horizon::Minutes60), price(&row, Horizon::Close)), (Some(109.07), Some(108.86)));
    // For news after the close, the auction's price is the price before the news once the auction's minute is over.
    let before = |published| auction().row_of(published).price_before.unwrap();
    assert_eq!([before("2025-05-12T20:00:30Z"), before("2025-05-12T20:01:00Z")], [109.07, 108.86]);
    // On a half day the close is at 13:00 in New York.
    let half_day =
        Example::default().bar("2024-07-03T16:59:00Z", 60, 50.0, 51.0).bar("2024-07-03T17:00:00Z", 60, 52.0, 9.0);
    let row = half_day.row_of("2024-07-03T16:58:30Z");
    assert_eq!((price(&row, Horizon::Close), row.close_is_official), (Some(52.0), Some(true)));
}

#[test]
fn the_benchmarks_close_is_of_the_same_kind() {
    let tape = |auctions: &[&str]| {
        let mut example = Example::default();
        for symbol in ["AAA", "SPY"] {
            for day in 6..13 {
                for minute in 0..30 {
                    let start = at(&format!("2025-05-{day:02}T19:30:00Z")) + SignedDuration::from_mins(minute);
                    let price = 100.0 + (minute as f64 + f64::from(day)).sin();
                    example.bars.push(bar(symbol, start, 60, price, price));
                }
            }
        }
        for symbol in auctions {
            example.bars.push(bar(symbol, at("2025-05-12T20:00:00Z"), 60, 100.5, 100.5));
        }
        example.row_of("2025-05-12T19:40:10Z")
    };
    let abnormal = |row: &Impact| row.abnormal[Horizon::Close as usize];
    // Both move alike, so nothing is abnormal whichever close is used.
    for auctions in [&["AAA", "SPY"][..], &[], &["SPY"]] {
        assert!(abnormal(&tape(auctions)).unwrap().abs() < 1e-9, "{auctions:?}");
    }
    assert_eq!(abnormal(&tape(&["AAA"])), None, "the symbol's close is official and the benchmark's is not");
}

/// All minutes of the day before a 3-for-1 split and of the day after.
fn split() -> Example {
    Example::default().minutes("AAA", "2022-08-24T13:30:00Z", "2022-08-24T20:00:00Z", 890.0).minutes(
        "AAA",
        "2022-08-25T13:30:00Z",
        "2022-08-25T20:00:00Z",
        302.0,
    )
}

const OVERNIGHT: [Horizon; 2] = [Horizon::NextOpen, Horizon::NextClose];

#[test]
fn an_unknown_split_gives_no_outcome() {
    let row = split().row_of("2022-08-24T19:35:10Z");
    assert_eq!(OVERNIGHT.map(|horizon| row.returns[horizon as usize]), [None, None]);
    assert!(row.quality.possible_split && !row.quality.adjusted);
    assert_eq!(price(&row, Horizon::Close), Some(890.0), "the same day is not affected");
    let row = split().row_of("2022-08-24T21:00:00Z");
    assert_eq!((row.price_before, row.entry_price, row.quality.possible_split), (None, Some(302.0), true));
    let keep = JoinConfig { possible_splits: PossibleSplits::Keep, ..JoinConfig::default() };
    let row = split().row("2022-08-24T19:35:10Z", &keep);
    assert!((row.returns[Horizon::NextOpen as usize].unwrap() + 1.0808).abs() < 1e-4 && row.quality.possible_split);
}

/// A horizon without a price has no bars before it that make the price older.
#[test]
fn bars_missing_before_a_withheld_outcome_are_not_near_a_horizon() {
    let mut thin = split();
    let (open, close) = (at("2022-08-25T13:30:00Z"), at("2022-08-25T19:58:00Z"));
    thin.bars.retain(|bar| bar.start != open && bar.start < close);
    let counts = |row: &Impact| row.missing_bars.map(|missing| (missing.all, missing.near_horizons));
    let row = thin.row_of("2022-08-24T19:35:10Z");
    assert_eq!(OVERNIGHT.map(|horizon| row.returns[horizon as usize]), [None, None]);
    assert_eq!((counts(&row), row.quality.possible_split, row.quality.gap), (Some((3, 0)), true, false));
    let row = thin.action("2022-08-25", ActionKind::Split { from: 1.0, to: 3.0 }).row_of("2022-08-24T19:35:10Z");
    assert_eq!(OVERNIGHT.map(|horizon| price(&row, horizon)), [Some(906.0), Some(906.0)]);
    assert_eq!((counts(&row), row.quality.gap), (Some((3, 3)), true));
}

#[test]
fn a_known_split_gives_the_holders_return() {
    let known = |example: Example| example.action("2022-08-25", ActionKind::Split { from: 1.0, to: 3.0 });
    let row = known(split()).row_of("2022-08-24T19:35:10Z");
    assert_eq!(OVERNIGHT.map(|horizon| price(&row, horizon)), [Some(906.0), Some(906.0)]);
    assert!(row.quality.adjusted && !row.quality.possible_split);
    let row = known(split()).row_of("2022-08-24T21:00:00Z");
    assert_eq!(row.price_before.map(|price| (price * 1e6).round() / 1e6), Some(296.666_667));
    // Bars that were adjusted for the split already are not adjusted again.
    let adjusted = Example::default().minutes("AAA", "2022-08-24T13:30:00Z", "2022-08-24T20:00:00Z", 296.67).minutes(
        "AAA",
        "2022-08-25T13:30:00Z",
        "2022-08-25T20:00:00Z",
        302.0,
    );
    let row = known(adjusted).row_of("2022-08-24T19:35:10Z");
    assert_eq!(OVERNIGHT.map(|horizon| row.returns[horizon as usize]), [None, None]);
    assert!(row.quality.possible_split);
    // A split of another day changes nothing here.
    let other = split().action("2022-08-26", ActionKind::Split { from: 1.0, to: 3.0 });
    assert!(!other.row_of("2022-08-24T19:35:10Z").quality.adjusted);
}

/// AAA and SPY have the same prices in the first and the last twenty minutes of six sessions, but in the last session,
/// that of 13 May, their prices are multiplied by `own` and by `benchmark`.
fn alike(own: f64, benchmark: f64) -> Example {
    let mut example = Example::default();
    for (symbol, ratio) in [("AAA", own), ("SPY", benchmark)] {
        for day in [6, 7, 8, 9, 12, 13] {
            for minute in (0..20).chain(370..390) {
                let start = at(&format!("2025-05-{day:02}T13:30:00Z")) + SignedDuration::from_mins(minute);
                let price = (100.0 + (minute as f64 + f64::from(day)).sin()) * if day == 13 { ratio } else { 1.0 };
                example.bars.push(bar(symbol, start, 60, price, price));
            }
        }
    }
    example
}

/// To the next open and to the next close.
type Overnight = [Option<f64>; 2];

/// The prices that returns lead to, abnormal returns, and whether there may be a split, of news before the last night.
fn overnight(example: &Example, config: &JoinConfig) -> (Overnight, Overnight, bool) {
    let row = example.row("2025-05-12T19:45:10Z", config);
    assert!(row.abnormal[Horizon::Close as usize].is_none_or(|ar| ar.abs() < 1e-9), "the same day is not affected");
    let abnormal = |horizon: Horizon| row.abnormal[horizon as usize].map(|ar| (ar * 1e9).round() / 1e9);
    (OVERNIGHT.map(|horizon| price(&row, horizon)), OVERNIGHT.map(abnormal), row.quality.possible_split)
}

#[test]
fn an_unknown_split_of_the_benchmark_gives_no_abnormal_return_and_explains_no_jump() {
    let of = |example: Example| overnight(&example, &JoinConfig::default());
    let two_for_one = ActionKind::Split { from: 1.0, to: 2.0 };
    let known = |symbol: &str, example: Example| example.action_of(symbol, "2025-05-13", two_for_one.clone());
    let times = |ratio: f64| [13.0_f64, 402.0].map(|x| Some((ratio * (100.0 + x.sin()) * 1e6).round() / 1e6));
    let all = |ratio: f64| [Some((ratio.ln() * 1e9).round() / 1e9); 2];
    let (right, none) = (times(1.0), [None; 2]);

    assert_eq!(of(alike(1.0, 1.0)), (right, all(1.0), false));
    assert_eq!(of(alike(1.0, 0.5)), (right, none, true), "an unknown split of the benchmark");
    assert_eq!(of(known("SPY", alike(1.0, 0.5))), (right, all(1.0), false), "a known one");
    assert_eq!(of(known("SPY", alike(1.0, 1.0))), (right, none, true), "bars that are adjusted for it already");
    assert_eq!(of(alike(0.5, 0.5)), (none, none, true), "unknown splits of both");
    assert_eq!(of(known("AAA", alike(0.5, 0.5))), (right, none, true), "only the symbol's is known");
    assert_eq!(of(known("SPY", alike(0.5, 0.5))), (none, none, true), "only the benchmark's is known");
    assert_eq!(of(known("SPY", known("AAA", alike(0.5, 0.5)))), (right, all(1.0), false), "both are known");
    assert_eq!(of(alike(1.0, 0.8)), (right, all(1.0 / 0.8), true), "perhaps 5:4");
    assert_eq!(of(alike(0.5, 0.64)), (times(0.5), all(0.5 / 0.64), false), "the market fell, too");

    let keep = JoinConfig { possible_splits: PossibleSplits::Keep, ..JoinConfig::default() };
    assert_eq!(overnight(&alike(1.0, 0.5), &keep), (right, all(1.0 / 0.5), true));
    // Without sessions before there is no market model, and the benchmark's prices are in none of the row's columns.
    let mut example = alike(1.0, 0.5);
    example.bars.retain(|bar| bar.start >= at("2025-05-12T00:00:00Z"));
    assert_eq!(of(example), (right, none, false));
}

#[test]
fn a_jump_of_the_price_before_the_news_is_not_explained_by_a_split_of_the_benchmark() {
    let before = |own: f64, benchmark: f64| {
        let row = alike(own, benchmark).row_of("2025-05-12T21:00:00Z");
        assert_eq!(row.entry_at, Some(at("2025-05-13T13:30:00Z")));
        (row.price_before, row.quality.possible_split)
    };
    let last = Some(100.0 + 401.0_f64.sin());
    assert_eq!(before(1.0, 0.5), (last, false), "abnormal returns begin at the entry");
    assert_eq!(before(0.5, 0.5), (None, true));
    assert_eq!(before(0.5, 0.64), (last, false), "the market fell, too");
}

/// The row of news after a tape that goes on.
fn row_after(published_at: &str, bars: Vec<Bar>, watermark: &str, late: Option<Bar>) -> Impact {
    let run = Run::named("r");
    let watermark = Tape::Watermark(Watermark::new(0, 1, at(watermark)));
    let tape = bars.into_iter().map(Tape::Bar).chain([watermark]).chain(late.map(Tape::Bar));
    let topics = Topics {
        sentiment: vec![(run.clone(), Scored::Mention(tapewire_testkit::mention("AAA", at(published_at))))],
        bars: tape.map(|tape| (run.clone(), tape)).collect(),
        ..Topics::default()
    };
    let table = Process::start(&topics, &JoinConfig::default()).finish(TOPICS);
    table.rows().next().unwrap().clone()
}

#[test]
fn a_row_changes_at_once_with_the_bars_that_tell_a_split_of_the_benchmark() {
    // The benchmark's first price of the second day is corrected.
    let mut bars = alike(1.0, 1.0).bars;
    let is_first = |bar: &&mut Bar| bar.symbol.as_str() == "SPY" && bar.start == at("2025-05-13T13:30:00Z");
    let first = bars.iter_mut().find(is_first).unwrap();
    let corrected = Bar { received_at: at("2025-05-13T13:33:00Z"), ..first.clone() };
    *first = bar("SPY", first.start, 60, first.open / 2.0, first.close / 2.0);
    for (late, is_split) in [(None, true), (Some(corrected), false)] {
        let row = row_after("2025-05-12T19:45:10Z", bars.clone(), "2025-05-13T13:32:00Z", late);
        let next_open = Horizon::NextOpen as usize;
        assert!(row.returns[next_open].is_some());
        assert_eq!((row.abnormal[next_open].is_none(), row.quality.possible_split), (is_split, is_split));
    }
    // Bars of hours on the clock give no next open, and the benchmark's first one of the second day comes late.
    let mut bars = Vec::new();
    for symbol in ["AAA", "SPY"] {
        for day in [1, 2, 5, 6, 7, 8, 9, 12, 13] {
            for hour in 13..20 {
                let is_split = symbol == "SPY" && day == 13;
                let price = (100.0 + f64::from(day * hour).sin()) * if is_split { 0.5 } else { 1.0 };
                bars.push(bar(symbol, at(&format!("2025-05-{day:02}T{hour}:00:00Z")), 3600, price, price));
            }
        }
    }
    let is_late = |bar: &Bar| bar.symbol.as_str() == "SPY" && bar.start == at("2025-05-13T13:00:00Z");
    let (mut late, bars): (Vec<Bar>, Vec<Bar>) = bars.into_iter().partition(is_late);
    let flagged = |late| {
        let row = row_after("2025-05-12T14:10:00Z", bars.clone(), "2025-05-13T14:00:00Z", late);
        assert!(row.beta.is_some() && row.quality.no_open);
        row.quality.possible_split
    };
    assert_eq!([flagged(None), flagged(late.pop())], [false, true]);
}

#[test]
fn a_known_dividend_is_part_of_the_holders_return() {
    let days = || {
        Example::default().minutes("AAA", "2022-08-24T13:30:00Z", "2022-08-24T20:00:00Z", 100.0).minutes(
            "AAA",
            "2022-08-25T13:30:00Z",
            "2022-08-25T20:00:00Z",
            97.0,
        )
    };
    let pays = |currency: &str| {
        let dividend = ActionKind::Dividend { amount: 2.0, currency: currency.into() };
        days().action("2022-08-25", dividend)
    };
    let row = pays("USD").row_of("2022-08-24T19:35:10Z");
    assert_eq!((OVERNIGHT.map(|horizon| price(&row, horizon)), row.quality.adjusted), ([Some(99.0); 2], true));
    assert_eq!(pays("USD").row_of("2022-08-24T21:00:00Z").price_before, Some(98.0));
    let row = pays("EUR").row_of("2022-08-24T19:35:10Z");
    assert_eq!((OVERNIGHT.map(|horizon| price(&row, horizon)), row.quality.adjusted), ([None; 2], true));
}

#[test]
fn a_large_move_on_news_is_still_an_outcome() {
    for (after, is_flagged) in [(60.0, false), (70.0, false), (80.5, true), (85.0, false), (140.0, false)] {
        let example = Example::default().minutes("AAA", "2022-08-24T13:30:00Z", "2022-08-24T20:00:00Z", 100.0).minutes(
            "AAA",
            "2022-08-25T13:30:00Z",
            "2022-08-25T20:00:00Z",
            after,
        );
        let row = example.row_of("2022-08-24T19:35:10Z");
        assert_eq!((price(&row, Horizon::NextOpen), row.quality.possible_split), (Some(after), is_flagged));
    }
}

/// Of the six sessions before the entry's, the first four are before a 2-for-1 split: their volumes are in old shares.
#[test]
fn the_usual_volume_is_in_shares_of_the_entrys_day() {
    let mut example = Example::default();
    for (i, day) in ["16", "17", "18", "19", "22", "23", "24"].into_iter().enumerate() {
        let (price, volume) = if i < 4 { (100.0, 50.0) } else { (50.0, 100.0) };
        let start = at(&format!("2022-08-{day}T14:00:00Z"));
        example.bars.push(Bar { volume, ..bar("AAA", start, 60, price, price) });
    }
    let unknown = example.row_of("2022-08-24T13:59:10Z");
    assert_eq!(unknown.volume_ratio, None, "two sessions since what may be a split");
    let known = example.action("2022-08-22", ActionKind::Split { from: 1.0, to: 2.0 });
    assert_eq!(known.row_of("2022-08-24T13:59:10Z").volume_ratio, Some(1.0));
}

#[test]
fn a_few_missing_minutes_are_counted_and_flag_nothing() {
    let mut example = Example::default().minutes("AAA", "2025-05-12T13:30:00Z", "2025-05-12T20:00:00Z", 109.0).minutes(
        "AAA",
        "2025-05-13T13:30:00Z",
        "2025-05-13T20:00:00Z",
        109.0,
    );
    let missing = ["2025-05-12T17:11:00Z", "2025-05-12T18:20:00Z", "2025-05-13T15:00:00Z"].map(at);
    example.bars.retain(|bar| !missing.contains(&bar.start));
    let row = example.row_of("2025-05-12T14:00:10Z");
    let counts = row.missing_bars.unwrap();
    assert_eq!((counts.all, counts.near_entry, counts.near_horizons, row.quality.gap), (3, 0, 0, false));
    // One bar is missing at the entry, which makes the entry later, and one at a horizon, which makes its price older.
    let row = example.row_of("2025-05-12T17:10:30Z");
    assert_eq!(row.missing_bars.map(|m| (m.all, m.near_entry, m.near_horizons)), Some((3, 1, 0)));
    assert!(row.quality.gap && row.entry_at == Some(at("2025-05-12T17:12:00Z")));
    let row = example.row_of("2025-05-12T18:15:30Z");
    assert_eq!(row.missing_bars.map(|m| (m.all, m.near_entry, m.near_horizons)), Some((2, 0, 1)));
    assert!(row.quality.gap);
    let strict = JoinConfig { gap_share: 0.0, ..JoinConfig::default() };
    assert!(example.row("2025-05-12T14:00:10Z", &strict).quality.gap);
}

/// The finest width that has an entry is used for the entry and all horizons; the price before may be of another width.
#[test]
fn the_entry_and_its_horizons_are_of_one_bar_width() {
    let example = Example::default()
        .bar("2025-05-12T13:00:00Z", 3600, 100.0, 101.0)
        .bar("2025-05-12T14:00:00Z", 3600, 102.0, 103.0)
        .bar("2025-05-12T15:00:00Z", 3600, 104.0, 105.0)
        .bar("2025-05-12T14:01:00Z", 60, 102.5, 102.6)
        .bar("2025-05-12T04:00:00Z", 86_400, 99.0, 110.0);
    let row = example.row_of("2025-05-12T14:00:10Z");
    assert_eq!(
        (row.bar_width_s, row.entry_price, price(&row, Horizon::Minutes1)),
        (Some(60), Some(102.5), Some(102.6))
    );
    assert_eq!(row.price_before, Some(101.0), "the hour that ended at 14:00Z");
    let row = example.row_of("2025-05-12T14:01:10Z");
    assert_eq!((row.bar_width_s, row.entry_price), (Some(3600), Some(104.0)));
    assert_eq!((row.returns[Horizon::Minutes30 as usize], price(&row, Horizon::Minutes60)), (None, Some(105.0)));
    let row = example.row_of("2025-05-12T13:00:00Z");
    assert_eq!((row.bar_width_s, row.entry_price), (Some(60), Some(102.5)));
}
