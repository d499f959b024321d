//! The join against a second one that is as slow and plain as it can be: it looks everything up in the whole history at
//! its end, without increments, watermarks or eviction.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use support::market::{Make, config, symbol};
use support::{Process, TOPICS, Topics, cases};
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::impact::{PerHorizon, Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Bar, Horizon, Impact, Mention, Symbol};

/// A whole history at its end.
struct History {
    /// Of each bar the version that counts, cut at the close, by start; and its session's number.
    bars: Vec<(Bar, Timestamp, usize)>,
    halts: Vec<tapewire_core::Halt>,
    news: Vec<Scored>,
}

#[derive(Debug, PartialEq, Default)]
struct Expected {
    status: Option<Status>,
    width: Option<u32>,
    before: Option<(f64, Timestamp)>,
    entry: Option<(f64, Timestamp)>,
    returns: PerHorizon,
    abnormal: PerHorizon,
    model: Option<(f64, f64)>,
    volume_ratio: Option<f64>,
    stale: bool,
    halted: bool,
    gap: bool,
    late: bool,
}

impl History {
    fn of(topics: &Topics) -> Self {
        let mut bars: Vec<(Bar, Timestamp, usize)> = Vec::new();
        for (_, tape) in &topics.bars {
            let (Tape::Bar(bar) | Tape::BenchmarkBar(bar)) = tape else { continue };
            let Some(session) = Calendar::xnys().containing(bar.start) else { continue };
            let new = (bar.clone(), bar.end().min(session.close), session.index);
            let same = |(b, ..): &&mut (Bar, Timestamp, usize)| {
                (&b.symbol, b.width_s, b.start) == (&bar.symbol, bar.width_s, bar.start)
            };
            match bars.iter_mut().find(same) {
                Some(known) if known.0.received_at <= bar.received_at => *known = new,
                Some(_) => {}
                None => bars.push(new),
            }
        }
        bars.sort_by_key(|(bar, ..)| bar.start);
        let halts = topics.halts.iter().map(|(_, halt)| halt.clone()).collect();
        Self { bars, halts, news: topics.sentiment.iter().map(|(_, scored)| scored.clone()).collect() }
    }

    fn bars<'a>(
        &'a self,
        symbol: &'a Symbol,
        width_s: u32,
        session: usize,
    ) -> impl Iterator<Item = &'a (Bar, Timestamp, usize)> {
        self.bars.iter().filter(move |(b, _, s)| b.symbol == *symbol && b.width_s == width_s && *s == session)
    }

    /// Of all records about the row's mention the one that counts, and whether it was late.
    fn mention(&self, of_row: &Mention) -> (Mention, bool) {
        let key = |m: &Mention| (m.symbol.clone(), m.provider.clone(), m.article_id.clone());
        let mut low = [None; 2];
        let mut records: Vec<(Mention, bool)> = Vec::new();
        for scored in &self.news {
            match scored {
                Scored::Watermark(watermark) => low[watermark.index as usize] = Some(watermark.at),
                Scored::Mention(mention) if key(mention) == key(of_row) => {
                    let late = low[0].min(low[1]).is_some_and(|low| mention.published_at <= low);
                    records.push((mention.clone(), late));
                }
                Scored::Mention(_) => {}
            }
        }
        let last = records.last().unwrap().0.article_revision;
        records.retain(|(mention, _)| mention.article_revision == last);
        records.into_iter().min_by_key(|(mention, _)| mention.available_at()).unwrap()
    }

    fn expect(&self, mention: &Mention, late: bool) -> Expected {
        let not_joined = |reason| Expected { status: Some(Status::NotJoined(reason)), late, ..Expected::default() };
        let Some(company) = &mention.symbol else { return not_joined(Reason::NoSymbol) };
        if company.asset_class() != AssetClass::Equity {
            return not_joined(Reason::NotEquity);
        }
        let calendar = Calendar::xnys();
        let available = mention.available_at();
        let (first_day, first) = calendar.first_tradable(available).unwrap();
        let oldest = first_day.index - usize::from(config().baseline_sessions);
        let mut expected = Expected { late, ..Expected::default() };
        self.before(company, available, oldest, &mut expected);

        let session = |i: usize| &calendar.sessions()[i];
        let mut entry: Option<(&Session, Bar, Timestamp)> = None;
        'found: for (day, from) in
            [(first_day, first), (session(first_day.index + 1), session(first_day.index + 1).open)]
        {
            for width in [60, 300, 1800] {
                if let Some((bar, end, _)) = self.bars(company, width, day.index).find(|(b, ..)| b.start >= from) {
                    entry = Some((day, bar.clone(), *end));
                    break 'found;
                }
            }
        }
        let last = match &entry {
            Some((day, bar, end)) => self.follow(company, (first_day, first), (day, bar, *end), &mut expected),
            None => {
                let until = session(first_day.index + 1);
                let printed =
                    self.bars.iter().any(|(b, _, s)| b.symbol == *company && (oldest..=until.index).contains(s));
                let reason = if printed { Reason::NoEntryBar } else { Reason::NoBars };
                expected.status = Some(Status::NotJoined(reason));
                until.close
            }
        };
        let mut stopped = false;
        for halt in self.halts.iter().filter(|h| h.symbol == *company && h.at >= session(oldest).open && h.at <= last) {
            if halt.at <= available {
                stopped = halt.halted;
            } else {
                expected.halted |= halt.halted;
            }
        }
        expected.halted |= stopped;
        expected
    }

    fn before(&self, company: &Symbol, available: Timestamp, oldest: usize, expected: &mut Expected) {
        let calendar = Calendar::xnys();
        let ended = |(b, end, s): &&(Bar, Timestamp, usize)| b.symbol == *company && *end <= available && *s >= oldest;
        let Some((bar, end, day)) =
            self.bars.iter().filter(ended).max_by_key(|(b, end, _)| (*end, -i64::from(b.width_s)))
        else {
            return;
        };
        expected.before = Some((bar.close, *end));
        // Its age is counted in trading minutes, and more than a night is too old anyway.
        let mut age = 0;
        let mut minute = *end;
        while minute + SignedDuration::from_mins(1) <= available {
            age += i64::from(calendar.containing(minute).is_some());
            minute += SignedDuration::from_mins(1);
        }
        let nights = calendar.last_opened(available).unwrap().index - day;
        expected.stale = nights > 1 || age * 60 > stale_after_s().max(i64::from(bar.width_s));
    }

    /// Fills the horizons; returns the end of the last one.
    fn follow(
        &self,
        company: &Symbol,
        (first_day, first): (&Session, Timestamp),
        (day, bar, _): (&Session, &Bar, Timestamp),
        expected: &mut Expected,
    ) -> Timestamp {
        let width = i64::from(bar.width_s);
        let next = Calendar::xnys().next(day).unwrap();
        let market = symbol("MKT");
        let limit = SignedDuration::from_secs(width.max(stale_after_s()));
        expected.status = Some(Status::Final);
        expected.width = Some(bar.width_s);
        expected.entry = Some((bar.open, bar.start));
        expected.volume_ratio = self.volume_ratio(bar, day);
        let model = if *company == market { None } else { self.model(company, bar.width_s, day.index) };
        expected.model = model;
        let market_entry =
            self.bars(&market, bar.width_s, day.index).find(|(b, ..)| b.start == bar.start).map(|(b, ..)| b.open);

        let last = |symbol: &Symbol, session: &Session, from: Timestamp, due: Timestamp| {
            let found = self
                .bars(symbol, bar.width_s, session.index)
                .filter(|(b, end, _)| b.start >= from && *end <= due)
                .last();
            found.map(|(b, end, _)| (b.close, due.duration_since(*end) <= limit))
        };
        let bars_between = |from: Timestamp, until: Timestamp| until.duration_since(from).as_secs_f64() / width as f64;
        let to_close = bars_between(bar.start, day.close);
        let mut exits: Vec<(usize, &Session, Timestamp, Timestamp, f64)> = Vec::new();
        for (i, minutes) in Horizon::MINUTES.into_iter().enumerate() {
            let due = bar.start + SignedDuration::from_mins(minutes);
            if due <= day.close {
                exits.push((i, day, bar.start, due, minutes as f64 * 60.0 / width as f64));
            }
        }
        exits.push((Horizon::Close as usize, day, bar.start, day.close, to_close));
        exits.push((
            Horizon::NextClose as usize,
            next,
            next.open,
            next.close,
            to_close + bars_between(next.open, next.close),
        ));
        for (i, session, from, due, length) in exits {
            match last(company, session, from, due) {
                Some((price, true)) => {
                    let after = last(&market, session, from, due).filter(|(_, fresh)| *fresh).map(|(price, _)| price);
                    fill(expected, i, bar.open, price, length, model, market_entry.zip(after));
                }
                Some((_, false)) => expected.stale = true,
                None => {}
            }
        }
        if let Some((opening, ..)) = self.bars(company, bar.width_s, next.index).next() {
            let after = self
                .bars(&market, bar.width_s, next.index)
                .find(|(b, ..)| b.start == opening.start)
                .map(|(b, ..)| b.open);
            let length = to_close + bars_between(next.open, opening.start);
            fill(expected, Horizon::NextOpen as usize, bar.open, opening.open, length, model, market_entry.zip(after));
        }
        expected.gap = self.gap(bar, (first_day, first), day, next);
        next.close
    }

    /// Whether there is no bar for at least a bar's width, from the first tradable minute on.
    fn gap(&self, entry: &Bar, (first_day, first): (&Session, Timestamp), day: &Session, next: &Session) -> bool {
        let mut stretches = vec![(if day == first_day { first } else { day.open }, day), (next.open, next)];
        if day != first_day {
            stretches.insert(0, (first, first_day));
        }
        let width = SignedDuration::from_secs(i64::from(entry.width_s));
        stretches.into_iter().any(|(from, session)| {
            let mut edges = vec![from];
            for (bar, end, _) in
                self.bars(&entry.symbol, entry.width_s, session.index).filter(|(b, ..)| b.start >= from)
            {
                edges.extend([bar.start, *end]);
            }
            edges.push(session.close);
            edges.chunks(2).any(|hole| hole[1].duration_since(hole[0]) >= width)
        })
    }

    fn volume_ratio(&self, entry: &Bar, day: &Session) -> Option<f64> {
        let mut volumes = Vec::new();
        for back in 1..=usize::from(config().baseline_sessions) {
            let session = &Calendar::xnys().sessions()[day.index - back];
            let start = session.open + entry.start.duration_since(day.open);
            let found = self.bars(&entry.symbol, entry.width_s, session.index).find(|(b, ..)| b.start == start);
            volumes.extend(found.map(|(b, ..)| b.volume));
        }
        let mean = volumes.iter().sum::<f64>() / volumes.len() as f64;
        (volumes.len() >= 5).then(|| entry.volume / mean)
    }

    /// From plain sums, as in a textbook; the join uses centred ones.
    fn model(&self, company: &Symbol, width_s: u32, entry: usize) -> Option<(f64, f64)> {
        let market = symbol("MKT");
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for session in entry - usize::from(config().baseline_sessions)..entry {
            for (bar, ..) in self.bars(company, width_s, session) {
                let before = |(b, end, _): &&(Bar, Timestamp, usize)| *end == bar.start && b.start < bar.start;
                let own = self.bars(company, width_s, session).find(before);
                let other = self.bars(&market, width_s, session).find(|(b, ..)| b.start == bar.start);
                let other_before = self.bars(&market, width_s, session).find(before);
                if let (Some(own), Some(other), Some(other_before)) = (own, other, other_before) {
                    let (x, y) = ((other.0.close / other_before.0.close).ln(), (bar.close / own.0.close).ln());
                    (n, sx, sy, sxx, sxy) = (n + 1.0, sx + x, sy + y, sxx + x * x, sxy + x * y);
                }
            }
        }
        if n < 30.0 {
            return None;
        }
        let beta = (n * sxy - sx * sy) / (n * sxx - sx * sx);
        Some(((sy - beta * sx) / n, beta))
    }
}

fn fill(
    expected: &mut Expected,
    i: usize,
    entry: f64,
    price: f64,
    length: f64,
    model: Option<(f64, f64)>,
    market: Option<(f64, f64)>,
) {
    let gained = (price / entry).ln();
    expected.returns[i] = Some(gained);
    if let (Some((alpha, beta)), Some((before, after))) = (model, market) {
        expected.abnormal[i] = Some(gained - alpha * length - beta * (after / before).ln());
    }
}

fn found(row: &Impact) -> Expected {
    Expected {
        status: Some(row.status),
        width: row.bar_width_s,
        before: row.price_before.zip(row.price_before_at),
        entry: row.entry_price.zip(row.entry_at),
        returns: row.returns,
        abnormal: row.abnormal,
        model: row.alpha.zip(row.beta),
        volume_ratio: row.volume_ratio,
        stale: row.quality.stale,
        halted: row.quality.halted,
        gap: row.quality.gap,
        late: row.quality.late,
    }
}

/// The age from which a price is stale, in seconds.
fn stale_after_s() -> i64 {
    i64::try_from(config().stale_after.as_secs()).unwrap()
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-8 * (1.0 + a.abs()),
        (None, None) => true,
        _ => false,
    }
}

fn assert_equal(found: &Expected, expected: &Expected, row: &Impact) {
    // The sums are made in another order; everything else is exact.
    let exact =
        |e: &Expected| Expected { abnormal: PerHorizon::default(), model: None, volume_ratio: None, ..clone(e) };
    assert_eq!(exact(found), exact(expected), "{row:#?}");
    let split = |e: &Expected| (e.model.map(|m| m.0), e.model.map(|m| m.1));
    let numbers =
        |e: &Expected| e.abnormal.into_iter().chain([split(e).0, split(e).1, e.volume_ratio]).collect::<Vec<_>>();
    for (a, b) in numbers(found).into_iter().zip(numbers(expected)) {
        assert!(near(a, b), "{a:?} is not {b:?}\n{found:#?}\n{expected:#?}\n{row:#?}");
    }
}

fn clone(e: &Expected) -> Expected {
    Expected { ..*e }
}

/// Number of rows compared, and of these with an entry, with a market model and with a usual volume.
fn compare(make: Make) -> [usize; 4] {
    let topics = make.topics();
    let history = History::of(&topics);
    let table = Process::start(&topics, &config()).finish(TOPICS);
    let mut counts = [0; 4];
    for row in table.rows() {
        let (mention, late) = history.mention(&row.mention);
        assert_eq!(row.mention, mention);
        let expected = history.expect(&mention, late);
        assert_equal(&found(row), &expected, row);
        let has = [true, expected.entry.is_some(), expected.model.is_some(), expected.volume_ratio.is_some()];
        counts.iter_mut().zip(has).for_each(|(count, has)| *count += usize::from(has));
    }
    counts
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn agrees_with_the_plain_join(seed in any::<u64>(), sessions in 5..9_usize) {
        compare(Make { seed, sessions, mentions: 30, late_bars: false, halts: true, bars_first: false });
    }
}

/// An article of the last session is edited a day later, before a weekend: its second session is four days later.
#[test]
fn agrees_where_an_entry_is_awaited_over_a_weekend() {
    let seed = 2_911_256_774_758_264_271;
    compare(Make { seed, sessions: 7, mentions: 30, late_bars: false, halts: true, bars_first: false });
}

#[test]
fn the_comparison_meets_every_kind_of_row() {
    let [rows, entered, modelled, with_volume] =
        compare(Make { seed: 11, sessions: 17, mentions: 300, late_bars: false, halts: true, bars_first: false });
    assert!(
        rows == 300 && entered > 120 && modelled > 60 && with_volume > 40,
        "{rows} {entered} {modelled} {with_volume}"
    );
}
