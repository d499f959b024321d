//! A small market with awkward moments, made from a seed.

use super::Topics;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::tape::ActionKind;
use tapewire_core::{Bar, CorporateAction, Halt, Mention, Probabilities, Run, Sentiment, Symbol, Unscored, Watermark};
use tapewire_joiner::join::JoinConfig;
use tapewire_joiner::join::config::PossibleSplits;
pub use tapewire_testkit::Dice;

/// Which topics to make.
#[derive(Debug, Clone, Copy)]
pub struct Make {
    pub seed: u64,
    pub sessions: usize,
    pub mentions: u64,
    /// Some bars arrive days late, long after the tape has passed them.
    pub late_bars: bool,
    /// Some symbols are halted on some days, and some splits and dividends are known.
    pub halts: bool,
    /// All bars are before the first watermark, as in a replay.
    pub bars_first: bool,
    /// Before every third session the benchmark's price is halved, every other time that of AAA, too. No action says so.
    pub benchmark_splits: bool,
}

pub fn config() -> JoinConfig {
    JoinConfig {
        benchmark: symbol("MKT"),
        baseline_sessions: 6,
        allowed_lateness: Duration::from_secs(900),
        stale_after: Duration::from_secs(300),
        gap_share: 0.1,
        possible_splits: PossibleSplits::Null,
        ..JoinConfig::default()
    }
}

pub fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

/// The time from the last session to the last watermark of both topics. It is long enough for an article that is edited
/// a day later, before a long weekend: both sessions in which its entry can be are over by then.
const AFTER_LAST_SESSION: SignedDuration = SignedDuration::from_hours(12 * 24);

/// The symbols with the widths of their bars, and how many of 100 bars each has.
const LISTS: [(&str, u32, u64); 14] = [
    ("MKT", 60, 97),
    ("MKT", 300, 100),
    ("MKT", 1800, 100),
    ("FULL", 300, 100),
    ("AAA", 60, 99),
    ("THIN", 60, 12),
    ("WIDE", 1800, 90),
    ("BOTH", 60, 40),
    ("BOTH", 1800, 100),
    ("MKT", 3600, 100),
    ("CLOCK", 3600, 95),
    ("MKT", 86_400, 100),
    ("DAYS", 86_400, 95),
    ("ODD", 3600, 90),
];

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

/// The first sessions from 1 July 2024, which include Independence Day and the half day before it.
pub fn sessions(count: usize) -> &'static [Session] {
    let first = Calendar::xnys().on(jiff::civil::date(2024, 7, 1)).unwrap().index;
    &Calendar::xnys().sessions()[first..first + count]
}

impl Make {
    pub fn topics(&self) -> Topics {
        let mut dice = Dice(self.seed);
        let days = sessions(self.sessions);
        let halts = if self.halts { halts(&mut dice, days) } else { Vec::new() };
        let mut splits = splits(&mut dice, days);
        if self.benchmark_splits {
            splits.extend(unknown_splits(days));
        }
        let actions = if self.halts { actions(&mut dice, days, &splits) } else { Vec::new() };
        Topics { halts, actions, bars: self.bars(&mut dice, days, &splits), sentiment: self.news(&mut dice, days) }
    }

    /// Bars by arrival, some after the watermark that covers them, some corrected; and watermarks.
    fn bars(&self, dice: &mut Dice, days: &[Session], splits: &[Split]) -> Vec<(Run, Tape)> {
        let mut arrivals: Vec<(Timestamp, Tape)> = Vec::new();
        for (name, width_s, printed) in LISTS {
            let mut price = 50.0 + dice.below(100) as f64;
            for day in days {
                let split = splits.iter().find(|split| split.name == name && split.day == day.date);
                price /= split.map_or(1.0, |split| split.ratio * split.extra_divisor);
                // Some symbols do not trade at all on some days.
                let away = name != "MKT" && dice.chance(12);
                for (start, end) in intervals(name, day, width_s, dice) {
                    let open = price;
                    price *= 1.0 + (dice.below(2001) as f64 - 1000.0) * 1e-6;
                    if away || !dice.chance(printed) {
                        continue;
                    }
                    let bar = Bar {
                        symbol: symbol(name),
                        start,
                        width_s,
                        open,
                        high: open.max(price),
                        low: open.min(price),
                        close: price,
                        volume: 1.0 + dice.below(1000) as f64,
                        vwap: None,
                        trades: None,
                        received_at: end,
                    };
                    self.send(dice, bar, day, &mut arrivals);
                }
            }
        }
        for day in days {
            for minutes in 0..=400 {
                let at = day.open + seconds(60 * minutes);
                if at <= day.close + seconds(3600) && dice.chance(20) || at == day.close {
                    arrivals.push((at, Tape::Watermark(Watermark::new(0, 1, at))));
                }
            }
        }
        let end = days[days.len() - 1].close + AFTER_LAST_SESSION;
        arrivals.push((end, Tape::Watermark(Watermark::new(0, 1, end))));
        // Where a bar and a watermark have the same time, the bar is first: the watermark may cover it.
        let is_watermark = |tape: &Tape| matches!(tape, Tape::Watermark(_));
        arrivals.sort_by_key(|(at, tape)| (self.bars_first && is_watermark(tape), *at, is_watermark(tape)));
        arrivals.into_iter().map(|(_, tape)| (Run::live(), tape)).collect()
    }

    /// Adds the arrival of a bar, and sometimes that of its correction.
    fn send(&self, dice: &mut Dice, mut bar: Bar, day: &Session, arrivals: &mut Vec<(Timestamp, Tape)>) {
        let end = bar.received_at;
        // A bar with the auction is due at the close but ends up to 300 s later, so it may be delayed less.
        let lateness = if bar.start == day.close { 590 } else { 840 };
        let delay = if dice.chance(10) { dice.below(lateness) as i64 } else { 0 };
        let much_too_late = self.late_bars && dice.chance(3);
        let arrival = end + seconds(if much_too_late { 1000 + dice.below(300_000) as i64 } else { delay });
        arrivals.push((arrival, on_tape(bar.clone())));
        if dice.chance(5) {
            bar.received_at = end + seconds(1 + dice.below(600) as i64);
            bar.close *= 1.0 + dice.below(100) as f64 * 1e-5;
            bar.high = bar.high.max(bar.close);
            bar.volume += 7.0;
            let arrival = end + seconds(dice.below(lateness) as i64);
            arrivals.push((arrival, on_tape(bar)));
        }
    }

    /// Mentions by arrival, some twice, some edited, some late; and watermarks of two streams.
    fn news(&self, dice: &mut Dice, days: &[Session]) -> Vec<(Run, Scored)> {
        let (from, until) = (days[0].open - seconds(7200), days[days.len() - 1].close + seconds(7200));
        let span = until.duration_since(from).as_secs();
        let mut arrivals: Vec<(Timestamp, Scored)> = Vec::new();
        for id in 0..self.mentions {
            let mention = mention(dice, id, from, span, days);
            let scored_at = mention.scored_at;
            if dice.chance(15) {
                // Scored again after a restart of the worker.
                let again = Mention { scored_at: scored_at + seconds(dice.below(4000) as i64), ..mention.clone() };
                arrivals.push((scored_at + seconds(dice.below(9000) as i64), Scored::Mention(again)));
            }
            if dice.chance(10) {
                let later = scored_at + seconds(dice.below(100_000) as i64);
                let edit = Mention { article_revision: 2, received_at: later, scored_at: later, ..mention.clone() };
                arrivals.push((later, Scored::Mention(edit)));
            }
            let delay = if dice.chance(10) { dice.below(20_000) as i64 } else { 0 };
            arrivals.push((scored_at + seconds(delay), Scored::Mention(mention)));
        }
        for step in 0..span / 1800 {
            let at = from + seconds(1800 * step);
            let index = (step % 2) as u32;
            arrivals.push((at, Scored::Watermark(Watermark::new(index, 2, at - seconds(60)))));
        }
        for index in 0..2 {
            let at = until + AFTER_LAST_SESSION;
            arrivals.push((at, Scored::Watermark(Watermark::new(index, 2, at))));
        }
        arrivals.sort_by_key(|(at, _)| *at);
        arrivals.into_iter().map(|(_, scored)| (Run::live(), scored)).collect()
    }
}

/// Starts of bars: minute bars in the first hour and the last half hour of a session, wider bars all day.
fn starts(day: &Session, width_s: u32) -> Vec<Timestamp> {
    let length = day.close.duration_since(day.open).as_secs();
    let all = (0..length).step_by(width_s as usize);
    let kept = all.filter(|at| width_s > 60 || *at < 3600 || *at >= length - 1800);
    kept.map(|at| day.open + seconds(at)).collect()
}

/// Starts of a day's bars, and when each ends or, if it is one day wide, is complete. Some have a bar at the close,
/// whose first print is the closing auction; bars of an hour start on the hour, bars of a day begin at midnight of New
/// York or of UTC, and one symbol has only bars that are in no session.
fn intervals(name: &str, day: &Session, width_s: u32, dice: &mut Dice) -> Vec<(Timestamp, Timestamp)> {
    let width = seconds(i64::from(width_s));
    let hour = |hours: i64| day.open + seconds(3600 * hours - 1800);
    match (name, width_s) {
        ("ODD", _) => vec![(hour(-1), hour(0)), (day.close + seconds(3600), day.close + seconds(7200))],
        (_, 3600) => (-1..9).map(|hours| (hour(hours), hour(hours + 1))).collect(),
        (_, 86_400) => {
            let new_york = day.open - seconds(34_200);
            let utc = day.date.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
            vec![(if dice.chance(50) { new_york } else { utc }, day.close)]
        }
        _ => {
            let mut all: Vec<_> =
                starts(day, width_s).into_iter().map(|start| (start, (start + width).min(day.close))).collect();
            if width_s <= 300 && dice.chance(if name == "MKT" { 90 } else { 60 }) {
                all.push((day.close, day.close + width));
            }
            all
        }
    }
}

/// Until when, without the allowed lateness, a bar counts as on time.
pub fn due(bar: &Bar) -> Timestamp {
    let calendar = Calendar::xnys();
    let day = (bar.width_s == 86_400).then(|| calendar.day_from(bar.start)).flatten();
    let auction = calendar.before(bar.start).filter(|session| session.close == bar.start && bar.width_s <= 300);
    match day.or(auction) {
        Some(session) => session.close,
        None => calendar.containing(bar.start).map_or(bar.end(), |session| session.close.min(bar.end())),
    }
}

/// The benchmark arrives as a copy, as on most partitions.
fn on_tape(bar: Bar) -> Tape {
    if bar.symbol == symbol("MKT") { Tape::BenchmarkBar(bar) } else { Tape::Bar(bar) }
}

/// A split that is on the tape.
struct Split {
    name: &'static str,
    day: jiff::civil::Date,
    /// Shares after the split for each share before it.
    ratio: f64,
    /// The price is divided by this in addition to `ratio`: 1 / `ratio` if the bars are adjusted for it already.
    extra_divisor: f64,
    /// Topic `actions` has it.
    is_known: bool,
}

fn splits(dice: &mut Dice, days: &[Session]) -> Vec<Split> {
    let mut splits = Vec::new();
    for day in &days[1..] {
        for name in ["AAA", "WIDE", "BOTH", "CLOCK", "DAYS", "MKT"] {
            if dice.chance(if name == "MKT" { 2 } else { 7 }) {
                let ratio = [3.0, 2.0, 10.0, 0.1, 1.25, 1.5][dice.below(6) as usize];
                let is_known = dice.chance(60);
                // For some known splits the bars were adjusted already.
                let extra_divisor = if is_known && dice.chance(20) { 1.0 / ratio } else { 0.99 };
                splits.push(Split { name, day: day.date, ratio, extra_divisor, is_known });
            }
        }
    }
    splits
}

/// See [`Make::benchmark_splits`].
fn unknown_splits(days: &[Session]) -> Vec<Split> {
    let mut splits = Vec::new();
    for (i, day) in days.iter().skip(3).step_by(3).enumerate() {
        let names = if i % 2 == 0 { &["MKT", "AAA"][..] } else { &["MKT"] };
        splits.extend(names.iter().map(|&name| Split {
            name,
            day: day.date,
            ratio: 2.0,
            extra_divisor: 1.0,
            is_known: false,
        }));
    }
    splits
}

/// The splits that are known and some dividends, some corrected, some sent twice.
fn actions(dice: &mut Dice, days: &[Session], splits: &[Split]) -> Vec<(Run, CorporateAction)> {
    let mut actions = Vec::new();
    let action = |name: &str, ex_date, kind, received_at| CorporateAction {
        symbol: symbol(name),
        ex_date,
        id: String::new(),
        kind,
        received_at,
    };
    let split = |split: &Split, to| {
        action(split.name, split.day, ActionKind::Split { from: 1.0, to }, days[0].open + seconds(to as i64))
    };
    for known in splits.iter().filter(|split| split.is_known) {
        if dice.chance(20) {
            // The first record has a wrong ratio; the next one corrects it.
            actions.push(split(known, 0.5));
            actions.push(CorporateAction { received_at: days[0].close, ..split(known, known.ratio) });
        } else {
            actions.push(split(known, known.ratio));
        }
    }
    for day in days {
        for name in ["AAA", "WIDE", "CLOCK", "DAYS", "MKT"] {
            if dice.chance(10) {
                let currency = if dice.chance(20) { "EUR" } else { "USD" };
                let kind = ActionKind::Dividend { amount: 0.25, currency: currency.into() };
                // A day without a session counts from the next one.
                let ex_date = if dice.chance(20) { day.date.tomorrow().unwrap() } else { day.date };
                actions.push(action(name, ex_date, kind, days[0].open));
            }
        }
    }
    let again: Vec<CorporateAction> = actions.iter().filter(|_| dice.chance(10)).cloned().collect();
    actions.extend(again);
    actions.into_iter().map(|action| (Run::live(), action)).collect()
}

fn halts(dice: &mut Dice, days: &[Session]) -> Vec<(Run, Halt)> {
    let mut halts = Vec::new();
    for day in days {
        for name in ["AAA", "THIN"] {
            if dice.chance(40) {
                let at = day.open + seconds(dice.below(23_000) as i64);
                let halt =
                    |at, halted| Halt { symbol: symbol(name), at, halted, reason: "LULD".into(), received_at: at };
                halts.push((Run::live(), halt(at, true)));
                halts.push((Run::live(), halt(at + seconds(300), false)));
                if dice.chance(30) {
                    halts.push((Run::live(), halt(at, true)));
                }
            }
        }
    }
    halts.sort_by_key(|(_, halt)| halt.at);
    halts
}

fn mention(dice: &mut Dice, id: u64, from: Timestamp, span: i64, days: &[Session]) -> Mention {
    let names = ["AAA", "THIN", "WIDE", "BOTH", "FULL", "MKT", "GONE", "X:BTCUSD", "", "CLOCK", "DAYS", "ODD", "AAA"];
    let name = names[dice.below(names.len() as u64) as usize];
    let day = &days[dice.below(days.len() as u64) as usize];
    let awkward = [
        day.open,
        day.open - seconds(1),
        day.close - seconds(60),
        day.close - seconds(61),
        day.close,
        day.open + seconds(600),
    ];
    let published_at = match dice.below(8) {
        0 => awkward[dice.below(6) as usize],
        1..4 => day.open + seconds(dice.below(3600) as i64),
        _ => from + seconds(dice.below(span as u64) as i64),
    };
    let received_at = published_at + seconds(dice.below(3) as i64);
    let scored = Sentiment {
        probabilities: Probabilities { positive: 0.5, neutral: 0.25, negative: 0.25 },
        model: "m".into(),
        model_revision: "r".into(),
        windows: 1,
    };
    let sentiment = dice.chance(90).then_some(scored).ok_or(Unscored::EmptyText);
    Mention {
        article_id: format!("a{id:04}"),
        article_revision: 1,
        symbol: (!name.is_empty()).then(|| symbol(name)),
        title: format!("Title {id}"),
        provider: "p".into(),
        publisher: "w".into(),
        url: String::new(),
        published_at,
        received_at,
        scored_at: received_at + SignedDuration::from_micros(dice.below(2_000_000) as i64),
        relevance: None,
        symbol_found: false,
        asked_as: None,
        sentiment,
    }
}
