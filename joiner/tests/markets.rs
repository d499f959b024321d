//! Symbols of every market in one join: entries within their sessions, horizons by a plain second computation, no
//! look-ahead, and the same rows whatever the order, the kills, and in a batch.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::market::{Dice, symbol};
use support::{Process, TOPICS, Table, Topics, assert_same, cases, key};
use tapewire_core::exchange::{Calendar, Calendars, Market, Session};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Bar, Halt, Horizon, Impact, Mention, Run, Symbol, Watermark};
use tapewire_joiner::join::{JoinConfig, JoinTopic, batch};

/// Of each market a benchmark, a symbol that trades most minutes, and one that trades few.
const NAMES: [(Market, [&str; 3]); 9] = [
    (Market::NewYork, ["MKT", "AAA", "THIN"]),
    (Market::London, ["MKT.L", "AAA.L", "THIN.L"]),
    (Market::Xetra, ["MKT.DE", "AAA.DE", "THIN.DE"]),
    (Market::Paris, ["MKT.PA", "AAA.PA", "THIN.PA"]),
    (Market::Tokyo, ["1306.T", "7203.T", "9999.T"]),
    (Market::HongKong, ["2800.HK", "0700.HK", "9999.HK"]),
    (Market::Toronto, ["MKT.TO", "AAA.TO", "THIN.TO"]),
    (Market::Crypto, ["X:BTCUSD", "ETH-USD", "THINUSDT"]),
    (Market::Currencies, ["C:EURUSD", "C:USDJPY", "GBPSEK"]),
];

fn config() -> JoinConfig {
    let other_benchmarks = NAMES[1..].iter().map(|(_, names)| symbol(names[0])).collect();
    JoinConfig { other_benchmarks, ..support::market::config() }
}

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn calendar(of: &Symbol) -> &'static Calendar {
    Calendars::default().of(of).calendar()
}

/// Sessions around Christmas, with half days, holidays and a weekend.
fn sessions(market: Market) -> &'static [Session] {
    let first = market.calendar().from("2024-12-17".parse().unwrap()).unwrap().index;
    &market.calendar().sessions()[first..first + 9]
}

/// Minutes around the session's edges and its break, in which bars are dense.
fn moments(session: &Session) -> Vec<Timestamp> {
    let edges =
        [Some(session.open), Some(session.close), session.lunch_break.map(|p| p.0), session.lunch_break.map(|p| p.1)];
    let around = edges.into_iter().flatten().flat_map(|at| (-40..40).map(move |minute| at + seconds(60 * minute)));
    let middle = session.open + seconds(90 * 60);
    around.chain((0..40).map(|minute| middle + seconds(60 * minute))).collect()
}

fn bars(market: Market, names: [&str; 3], dice: &mut Dice) -> Vec<Bar> {
    let mut made: BTreeMap<(Symbol, u32, Timestamp), Bar> = BTreeMap::new();
    for (name, share) in names.into_iter().zip([98, 90, 15]) {
        let mut price = 100.0;
        for session in sessions(market) {
            for start in moments(session) {
                price *= 1.0 + (dice.below(2001) as f64 - 1000.0) * 1e-6;
                let width_s = if dice.chance(96) { 60 } else { 3600 };
                if !dice.chance(share) {
                    continue;
                }
                let start = if width_s == 60 { start } else { start.round(jiff::Unit::Hour).unwrap() };
                let end = start + seconds(i64::from(width_s));
                let (open, close) = (price, price * (1.0 + dice.below(100) as f64 * 1e-5));
                let received_at = end + seconds(dice.below(200) as i64);
                let (high, low, volume) = (close, open, 1.0 + dice.below(50) as f64);
                let (vwap, trades) = (None, None);
                let bar = Bar {
                    symbol: symbol(name),
                    start,
                    width_s,
                    open,
                    high,
                    low,
                    close,
                    volume,
                    vwap,
                    trades,
                    received_at,
                };
                made.insert((bar.symbol.clone(), width_s, start), bar);
            }
        }
    }
    made.into_values().collect()
}

fn mentions(market: Market, names: [&str; 3], count: u64, dice: &mut Dice) -> Vec<Mention> {
    let days = &sessions(market)[..7];
    let made = (0..count).map(|id| {
        let moments = moments(&days[dice.below(7) as usize]);
        let at =
            moments[dice.below(moments.len() as u64) as usize] + SignedDuration::from_millis(dice.below(90_000) as i64);
        let name = names[dice.below(3) as usize];
        Mention { article_id: format!("{market} {id:03}"), ..tapewire_testkit::mention(name, at) }
    });
    made.collect()
}

/// The history of some markets as a replay sends it, in one of many orders of arrival.
fn topics(seed: u64, markets: &[usize], count: u64) -> Topics {
    let (mut dice, run) = (Dice(seed), Run::named("markets"));
    let (mut arrivals, mut news) = (Vec::new(), Vec::new());
    for (market, names) in markets.iter().map(|&at| NAMES[at]) {
        let bars = bars(market, names, &mut dice);
        arrivals.extend(bars.into_iter().map(|bar| (bar.received_at, Tape::Bar(bar))));
        news.extend(mentions(market, names, count, &mut dice));
    }
    news.sort_by_key(Mention::available_at);
    let (first, last) = (arrivals.iter().map(|a| a.0).min().unwrap(), arrivals.iter().map(|a| a.0).max().unwrap());
    let mut at = first.round(jiff::Unit::Hour).unwrap();
    while at < last {
        arrivals.push((at, Tape::Watermark(Watermark::new(0, 1, at - seconds(60)))));
        at += seconds(60 * (1 + dice.below(90) as i64));
    }
    arrivals.sort_by_key(|(at, tape)| (*at, matches!(tape, Tape::Watermark(_))));
    let mut sentiment = Vec::new();
    for mention in news {
        if dice.chance(50) {
            let at = mention.published_at - seconds(1);
            sentiment.push(Scored::Watermark(Watermark::new(0, 1, at)));
        }
        sentiment.push(Scored::Mention(mention));
    }
    let end = Watermark::new(0, 1, Watermark::END);
    let bars = arrivals.into_iter().map(|(_, tape)| tape).chain([Tape::Watermark(end.clone())]);
    Topics {
        bars: bars.map(|tape| (run.clone(), tape)).collect(),
        sentiment: sentiment.into_iter().chain([Scored::Watermark(end)]).map(|s| (run.clone(), s)).collect(),
        ..Topics::default()
    }
}

fn all_bars(topics: &Topics) -> Vec<Bar> {
    let bar = |(_, tape): &(Run, Tape)| match tape {
        Tape::Bar(bar) | Tape::BenchmarkBar(bar) => Some(bar.clone()),
        Tape::Watermark(_) => None,
    };
    topics.bars.iter().filter_map(bar).collect()
}

fn all_mentions(topics: &Topics) -> Vec<Mention> {
    let mention = |(_, scored): &(Run, Scored)| match scored {
        Scored::Mention(mention) => Some(mention.clone()),
        Scored::Watermark(_) => None,
    };
    topics.sentiment.iter().filter_map(mention).collect()
}

fn joined(topics: &Topics, bars: Vec<Bar>) -> BTreeMap<support::RowKey, Impact> {
    let rows = batch::join(&Run::named("markets"), config(), Vec::new(), bars, all_mentions(topics)).unwrap();
    rows.into_iter().map(|row| (key(&row), Impact { version: 0, ..row })).collect()
}

/// Minute bars of a symbol whose prices are those of a session.
fn regular<'a>(of: &'a Symbol, bars: &'a [Bar]) -> impl Iterator<Item = &'a Bar> {
    bars.iter().filter(move |bar| {
        let session = calendar(of).containing(bar.start);
        let is_traded = session.is_some_and(|s| bar.end() <= s.close && s.lunch_break_end_at(bar.start).is_none());
        bar.symbol == *of && bar.width_s == 60 && is_traded
    })
}

/// Compares a row that was joined with minute bars with a plain look into all bars.
fn assert_as_plain(row: &Impact, bars: &[Bar]) {
    let of = row.mention.symbol.as_ref().unwrap();
    let (calendar, available) = (calendar(of), row.mention.available_at());
    let (first, minute) = calendar.first_tradable(available).unwrap();
    let second = calendar.next(first).unwrap();
    let entered = row.entry_at.unwrap();
    let session = calendar.containing(entered).unwrap_or_else(|| panic!("outside a session: {row:?}"));
    assert!(entered > available && session.lunch_break_end_at(entered).is_none(), "{row:?}");
    assert!(session == first || session == second, "{row:?}");
    let mut after = regular(of, bars).filter(|bar| bar.start >= minute);
    let entry = after.find(|bar| bar.start < second.close).unwrap();
    assert_eq!((row.entry_at, row.entry_price), (Some(entry.start), Some(entry.open)), "{row:?}");
    let goes_on = calendar.next(session).unwrap().open == session.close;
    for (i, minutes) in Horizon::MINUTES.into_iter().enumerate() {
        let due = entered + seconds(60 * minutes);
        let in_lunch_break = session.lunch_break.is_some_and(|(from, until)| from < due && due <= until);
        let is_over = due > session.close && !goes_on || in_lunch_break;
        let exit = regular(of, bars).filter(|bar| bar.start >= entered && bar.end() <= due).last();
        let fresh = exit.filter(|bar| !is_over && due.duration_since(bar.end()) <= seconds(300));
        let expected = fresh.map(|bar| (bar.close / entry.open).ln());
        assert_eq!(row.returns[i], expected, "{minutes} minutes: {row:?}");
    }
    // The closing auction is the first print in its minutes.
    let (first, last) = session.auction.unwrap_or((Timestamp::MAX, Timestamp::MIN));
    let mut printed = bars.iter().filter(|bar| bar.symbol == *of && bar.width_s == 60);
    if let Some(auction) = printed.find(|bar| first <= bar.start && bar.start <= last) {
        let close = Horizon::ALL.iter().position(|&horizon| horizon == Horizon::Close).unwrap();
        let found = (row.returns[close], row.close_is_official);
        assert_eq!(found, (Some((auction.open / entry.open).ln()), Some(true)), "{row:?}");
    }
}

fn any_markets() -> impl Strategy<Value = Vec<usize>> {
    proptest::sample::subsequence((0..9).collect::<Vec<usize>>(), 1..4)
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn entries_and_horizons_are_those_of_a_plain_look(seed in any::<u64>(), market in 0..9_usize) {
        let topics = topics(seed, &[market], 40);
        let mut bars = all_bars(&topics);
        let rows = joined(&topics, bars.clone());
        bars.sort_by_key(|bar| bar.start);
        for row in rows.values() {
            support::assert_never_looks_ahead(row);
            if row.bar_width_s == Some(60) {
                assert_as_plain(row, &bars);
            }
        }
        let entered = rows.values().filter(|row| row.entry_at.is_some()).count();
        prop_assert!(entered > 20, "{entered} of {}", rows.len());
    }

    /// Prices at or before the news change no return, and those after the last horizon change nothing.
    #[test]
    fn no_row_looks_ahead_or_back(seed in any::<u64>(), market in 0..9_usize, which in 0..20_usize) {
        let topics = topics(seed, &[market], 20);
        let bars = all_bars(&topics);
        let rows = joined(&topics, bars.clone());
        let (key, row) = rows.iter().nth(which).unwrap();
        let available = row.mention.available_at();
        let calendar = calendar(row.mention.symbol.as_ref().unwrap());
        let last = calendar.first_tradable(available).unwrap().0.index + 2;
        let end = calendar.sessions()[last].close + seconds(660);
        let moved = |is_moved: &dyn Fn(&Bar) -> bool| {
            let scale = |bar: Bar| match is_moved(&bar) {
                true => Bar { open: bar.open * 1.3, high: bar.high * 1.3, low: bar.low * 1.3, close: bar.close * 1.3, ..bar },
                false => bar,
            };
            joined(&topics, bars.iter().cloned().map(scale).collect())[key].clone()
        };
        let before = moved(&|bar| bar.end() <= available);
        prop_assert_eq!((before.entry_at, before.entry_price), (row.entry_at, row.entry_price));
        prop_assert_eq!(before.returns, row.returns);
        prop_assert_eq!(&moved(&|bar| bar.start >= end), row);
    }

    #[test]
    fn order_kills_and_a_batch_change_nothing(seed in any::<u64>(), markets in any_markets(), order in any::<u64>()) {
        let topics = topics(seed, &markets, 15);
        let expected = Process::start(&topics, &config()).finish(TOPICS);
        let mut reversed = TOPICS;
        reversed.reverse();
        assert_same(&Process::start(&topics, &config()).finish(reversed), &expected);
        let mut dice = Dice(order);
        let mut process = Process::start(&topics, &config());
        let every = 1 + dice.below(topics.total() as u64 / 4);
        let mut kills = 0;
        while !process.is_done() {
            let topic = TOPICS[dice.below(4) as usize];
            for _ in 0..dice.below(200) {
                process.read(topic);
                if dice.below(every) < 3 {
                    process.commit();
                }
            }
            if kills < 8 && dice.below(every) < 20 {
                process.kill(dice.below(20) as usize);
                kills += 1;
            }
        }
        assert_same(&process.finish(TOPICS), &expected);
        let without_version = |Table(rows): Table| -> BTreeMap<_, _> {
            rows.into_iter().map(|(key, row)| (key, Impact { version: 0, ..row })).collect()
        };
        prop_assert_eq!(without_version(expected), joined(&topics, all_bars(&topics)));
    }
}

/// One join of one mention at a moment, with bars every minute of some days.
fn row_of(name: &str, available: &str, from: &str, minutes: i64, config: JoinConfig) -> Impact {
    let start = |minute: i64| from.parse::<Timestamp>().unwrap() + seconds(60 * minute);
    let names = [name.to_owned(), config.benchmark.to_string()];
    let bars = names.iter().flat_map(|name| {
        (0..minutes).map(move |minute| tapewire_testkit::bar(name, start(minute), 100.0 + (minute as f64).sin()))
    });
    let mention = tapewire_testkit::mention(name, available.parse().unwrap());
    let bars: Vec<Bar> = bars.collect();
    batch::join(&Run::named("one"), config, Vec::new(), bars, [mention]).unwrap().remove(0)
}

/// Monday's session of currencies opens on Sunday evening.
#[test]
fn the_usual_volume_of_a_currency_is_that_of_the_same_time_of_day() {
    let calendar = Market::Currencies.calendar();
    let last = calendar.on("2025-05-14".parse().unwrap()).unwrap().index;
    let days = calendar.sessions()[last - 22..=last].iter().map(|session| session.date);
    let bars: Vec<Bar> = days
        .flat_map(|date| {
            [("11", 7.0), ("14", 100.0), ("17", 7000.0)].map(|(hour, volume)| {
                let start = format!("{date}T{hour}:00:00Z").parse().unwrap();
                Bar { volume, ..tapewire_testkit::bar("C:EURUSD", start, 1.1) }
            })
        })
        .collect();
    for day in ["2025-05-14", "2025-05-12"] {
        let mention = tapewire_testkit::mention("C:EURUSD", format!("{day}T13:59:10Z").parse().unwrap());
        let row = batch::join(&Run::named("one"), config(), Vec::new(), bars.clone(), [mention]).unwrap().remove(0);
        assert_eq!(row.volume_ratio, Some(1.0), "{day}");
    }
}

/// The price before news of a moment, from bars of one width.
fn price_before(name: &str, width_s: u32, bars: &[(&str, f64)], available: &str) -> Option<f64> {
    let bar =
        |&(start, price): &(&str, f64)| Bar { width_s, ..tapewire_testkit::bar(name, start.parse().unwrap(), price) };
    let bars: Vec<Bar> = bars.iter().map(bar).collect();
    let mention = tapewire_testkit::mention(name, available.parse().unwrap());
    batch::join(&Run::named("one"), config(), Vec::new(), bars, [mention]).unwrap().remove(0).price_before
}

/// London's official close is printed some minutes after the end of trading.
#[test]
fn the_close_of_a_daily_bar_is_not_known_before_its_auction() {
    let bars = [("2025-05-12T07:00:00Z", 74.0), ("2025-05-13T07:00:00Z", 75.0), ("2025-05-14T07:00:00Z", 76.0)];
    let before = |available: &str| price_before("VOD.L", Bar::DAY_S, &bars, available);
    assert_eq!(before("2025-05-13T15:32:00Z"), Some(74.0));
    assert_eq!(before("2025-05-13T15:45:00Z"), Some(75.0));
}

/// London's last hour on the clock begins half an hour before the close. If the provider does not cut it at the close, it
/// holds the auction.
#[test]
fn the_close_of_an_hour_that_reaches_past_the_close_is_not_known_before_its_auction() {
    let bars = [("2025-05-13T14:00:00Z", 74.0), ("2025-05-13T15:00:00Z", 75.0), ("2025-05-14T07:00:00Z", 76.0)];
    let before = |available: &str| price_before("VOD.L", 3600, &bars, available);
    assert_eq!(before("2025-05-13T15:29:00Z"), Some(74.0));
    assert_eq!(["15:30:00", "15:31:00", "15:35:59"].map(|at| before(&format!("2025-05-13T{at}Z"))), [Some(74.0); 3]);
    assert_eq!(["15:36:00", "18:00:00"].map(|at| before(&format!("2025-05-13T{at}Z"))), [Some(75.0); 2]);
    // A bar that ends at the close holds no auction, and neither does an hour in New York, whose auction is at the close.
    let bars = [("2025-05-13T14:30:00Z", 74.0), ("2025-05-13T15:00:00Z", 75.0), ("2025-05-14T07:00:00Z", 76.0)];
    assert_eq!(price_before("VOD.L", 1800, &bars, "2025-05-13T15:31:00Z"), Some(75.0));
    let bars = [("2025-05-13T18:30:00Z", 74.0), ("2025-05-13T19:30:00Z", 75.0), ("2025-05-14T13:30:00Z", 76.0)];
    assert_eq!(price_before("AAA", 3600, &bars, "2025-05-13T20:00:00Z"), Some(75.0));
    // Hong Kong's last hour on the clock ends at the close; from half past, it reaches into the auction.
    let before = |last: &str| {
        let bars = [("2025-05-13T06:00:00Z", 74.0), (last, 75.0), ("2025-05-14T02:00:00Z", 76.0)];
        price_before("0700.HK", 3600, &bars, "2025-05-13T08:05:00Z")
    };
    assert_eq!([before("2025-05-13T07:00:00Z"), before("2025-05-13T07:30:00Z")], [Some(75.0), Some(74.0)]);
}

#[test]
fn a_coin_is_entered_at_night_and_its_horizons_reach_past_midnight() {
    let row = row_of("BTC-USD", "2023-03-11T23:57:30Z", "2023-03-11T12:00:00Z", 3000, config());
    assert_eq!(row.entry_at, Some("2023-03-11T23:58:00Z".parse().unwrap()));
    assert!(row.returns.iter().all(Option::is_some), "{row:?}");
    assert_eq!(row.status, Status::Final);
    assert!(!row.quality.gap, "{row:?}");
}

#[test]
fn a_bare_ticker_is_a_coin_only_where_somebody_says_so() {
    let at = |config| row_of("BTC", "2023-03-11T12:00:10Z", "2023-03-11T10:00:00Z", 3000, config).entry_at;
    assert_eq!(at(config()), None, "a Saturday");
    let mut said = config();
    said.calendars.set("BTC", Market::Crypto).unwrap();
    assert_eq!(at(said), Some("2023-03-11T12:01:00Z".parse().unwrap()));
}

#[test]
fn a_coin_has_the_market_model_of_its_benchmark_and_none_against_itself() {
    let config =
        |benchmark: &str| JoinConfig { benchmark: symbol(benchmark), other_benchmarks: Vec::new(), ..config() };
    let row = |name, benchmark| row_of(name, "2023-03-14T02:00:10Z", "2023-03-08T00:00:00Z", 12_000, config(benchmark));
    assert!(row("ETH-USD", "X:BTCUSD").beta.is_some_and(|beta| (beta - 1.0).abs() < 1e-9));
    assert_eq!(row("BTCUSDT", "X:BTCUSD").beta, None, "the same coin");
    assert_eq!(row("ETH-USD", "SPY").beta, None, "a benchmark of another market");
}

#[test]
fn a_halt_of_a_market_is_a_halt_of_each_of_its_symbols_and_of_no_other() {
    let mut topics = topics(3, &[0, 1, 7], 20);
    let (run, day) = (Run::named("markets"), "2024-12-18".parse().unwrap());
    let at = Market::London.calendar().on(day).unwrap().open + seconds(600);
    let halt = |symbol: &Symbol, at, halted| {
        let reason = "circuit breaker".to_owned();
        (run.clone(), Halt { symbol: symbol.clone(), at, halted, reason, received_at: at })
    };
    let market = Market::London.as_symbol();
    topics.halts = vec![halt(market, at, true), halt(market, at + seconds(900), false)];
    let halted = |order| {
        let Table(rows) = Process::start(&topics, &config()).finish(order);
        let halted = rows.into_values().filter(|row| row.quality.halted);
        halted.map(|row| row.mention.symbol.as_ref().unwrap().to_string()).collect::<Vec<_>>()
    };
    // Before the run ends: halts have no watermarks of their own.
    let found = halted([JoinTopic::Halts, JoinTopic::Sentiment, JoinTopic::Bars, JoinTopic::Actions]);
    assert!(!found.is_empty() && found.iter().all(|symbol| symbol.ends_with(".L")), "{found:?}");
    assert_eq!(halted([JoinTopic::Halts, JoinTopic::Bars, JoinTopic::Actions, JoinTopic::Sentiment]), found);
}

#[test]
fn a_mention_outside_the_years_of_its_calendar_has_a_reason() {
    let row = row_of("VOD.L", "2031-06-02T12:00:10Z", "2031-06-02T10:00:00Z", 500, config());
    assert_eq!(row.status, Status::NotJoined(Reason::OutsideCalendar));
}
