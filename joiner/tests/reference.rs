//! The join against a second one that is as simple as it can be: it looks everything up in the whole history at
//! its end, without increments, watermarks or eviction.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "reference/follow.rs"]
mod follow;
mod support;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use support::expected::{Expected, assert_equal, found};
use support::market::{Make, config, symbol};
use support::night::{Held, Night, actions, held, look};
use support::print::{Print, auction, print};
use support::{Process, TOPICS, Topics, cases};
use tapewire_core::exchange::{Calendar, Calendars, Session};
use tapewire_core::impact::{Reason, Status};
use tapewire_core::record::{Scored, Tape};
use tapewire_core::{Bar, CorporateAction, Horizon, Mention, Symbol};

/// A whole history at its end.
struct History {
    /// The version of each bar that counts, by start.
    bars: Vec<Print>,
    /// The bars that start at a session's close.
    auctions: Vec<Print>,
    /// Symbols and moments of bars that are in no session.
    outside: Vec<(Symbol, Timestamp)>,
    halts: Vec<tapewire_core::Halt>,
    actions: Vec<CorporateAction>,
    news: Vec<Scored>,
}

impl History {
    fn of(topics: &Topics) -> Self {
        let (mut bars, mut auctions): (Vec<Print>, Vec<Print>) = (Vec::new(), Vec::new());
        let mut outside = Vec::new();
        for (_, tape) in &topics.bars {
            let (Tape::Bar(bar) | Tape::BenchmarkBar(bar)) = tape else { continue };
            let (list, new) = match (auction(bar), print(bar)) {
                (Some(new), _) => (&mut auctions, new),
                (None, Some(new)) => (&mut bars, new),
                (None, None) => {
                    outside.push((bar.symbol.clone(), bar.start));
                    continue;
                }
            };
            let same = |known: &&mut Print| {
                (&known.bar.symbol, known.bar.width_s, known.bar.start) == (&bar.symbol, bar.width_s, bar.start)
            };
            match list.iter_mut().find(same) {
                Some(known) if known.bar.received_at <= bar.received_at => *known = new,
                Some(_) => {}
                None => list.push(new),
            }
        }
        bars.sort_by_key(|print| (print.start, print.bar.start));
        let halts = topics.halts.iter().map(|(_, halt)| halt.clone()).collect();
        Self {
            bars,
            auctions,
            outside,
            halts,
            actions: actions(topics),
            news: topics.sentiment.iter().map(|(_, scored)| scored.clone()).collect(),
        }
    }

    fn bars<'a>(&'a self, symbol: &'a Symbol, width_s: u32, session: usize) -> impl Iterator<Item = &'a Print> {
        self.bars.iter().filter(move |p| p.bar.symbol == *symbol && p.bar.width_s == width_s && p.session == session)
    }

    /// The price of a session's closing auction.
    fn auction(&self, symbol: &Symbol, width_s: u32, session: usize) -> Option<f64> {
        let is_asked_for = |p: &&Print| p.bar.symbol == *symbol && p.bar.width_s == width_s && p.session == session;
        self.auctions.iter().find(is_asked_for).map(|p| p.bar.open)
    }

    /// The record of the row's mention that counts, and whether it was late.
    fn mention(&self, of_row: &Mention) -> (Mention, bool) {
        let key = |m: &Mention| (m.symbol.clone(), m.provider.clone(), m.article_id.clone());
        let mut watermarks = [None; 2];
        let mut records: Vec<(Mention, bool)> = Vec::new();
        for scored in &self.news {
            match scored {
                Scored::Watermark(watermark) => watermarks[watermark.index as usize] = Some(watermark.at),
                Scored::Mention(mention) if key(mention) == key(of_row) => {
                    let until = watermarks[0].min(watermarks[1]);
                    let late = until.is_some_and(|until| mention.published_at <= until);
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
        let calendar = Calendars::default().of(company).calendar();
        let available = mention.available_at();
        let (first_day, first) = calendar.first_tradable(available).unwrap();
        let oldest = first_day.index - usize::from(config().baseline_sessions);
        let mut expected = Expected { late, ..Expected::default() };
        let before = self.before(company, available, oldest, &mut expected);

        let session = |i: usize| &calendar.sessions()[i];
        let mut entry: Option<(&Session, &Print)> = None;
        'found: for (day, from) in
            [(first_day, first), (session(first_day.index + 1), session(first_day.index + 1).open)]
        {
            for width in [60, 300, 1800, 3600, 86_400] {
                let found = self.bars(company, width, day.index).find(|p| p.start >= from && p.open.is_some());
                if let Some(print) = found {
                    entry = Some((day, print));
                    break 'found;
                }
            }
        }
        let last = match entry {
            Some(entry) => self.follow((first_day, first), entry, before, &mut expected),
            None => {
                let until = session(first_day.index + 1);
                let mut prints = self.bars.iter().chain(&self.auctions);
                let printed = prints.any(|p| p.bar.symbol == *company && (oldest..=until.index).contains(&p.session));
                let from = session(oldest).open..session(until.index + 1).open;
                let outside = self.outside.iter().any(|(symbol, at)| symbol == company && from.contains(at));
                let reason = match (printed, outside) {
                    (true, _) => Reason::NoEntryBar,
                    (false, true) => Reason::NoRegularBars,
                    (false, false) => Reason::NoBars,
                };
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

    /// Returns the session of the price before the news.
    fn before(&self, company: &Symbol, available: Timestamp, oldest: usize, expected: &mut Expected) -> Option<usize> {
        let calendar = Calendar::xnys();
        let closes = self.bars.iter().filter_map(|p| Some((p.close?, p)));
        let auctions = self.auctions.iter().filter_map(|p| Some((p.open?, p)));
        let prices = closes.chain(auctions);
        let ended = |(_, p): &(f64, &Print)| p.bar.symbol == *company && p.end <= available && p.session >= oldest;
        let last = prices.filter(ended).max_by_key(|(_, p)| (p.end, -i64::from(p.bar.width_s)));
        let (price, Print { bar, end, session: day, .. }) = last?;
        expected.before = Some((price, *end));
        // The price's age is counted in trading minutes; a price from more than one night before is too old anyway.
        let mut age = 0;
        let mut minute = *end;
        while minute + SignedDuration::from_mins(1) <= available {
            age += i64::from(calendar.containing(minute).is_some());
            minute += SignedDuration::from_mins(1);
        }
        let nights = calendar.last_opened(available).unwrap().index - day;
        expected.stale = nights > 1 || age * 60 > stale_after_s().max(i64::from(bar.width_s));
        Some(*day)
    }

    /// The bar whose open is the session's first price; `Err` if the opening price is within a bar that starts before.
    fn opening<'a>(&'a self, company: &'a Symbol, width_s: u32, session: &Session) -> Option<Result<&'a Print, ()>> {
        let prints: Vec<&Print> = self.bars(company, width_s, session.index).collect();
        let mixed = prints.iter().any(|p| p.open.is_none());
        match prints.into_iter().find(|p| p.open.is_some()) {
            Some(p) if p.start == session.open => Some(Ok(p)),
            Some(p) if mixed || p.start < session.open + SignedDuration::from_secs(width_s.into()) => Some(Err(())),
            Some(p) => Some(Ok(p)),
            None => mixed.then_some(Err(())),
        }
    }

    /// Number of whole bars that are missing from the first tradable minute on, and their share.
    fn missing(
        &self,
        entry: &Bar,
        (first_day, first): (&Session, Timestamp),
        day: &Session,
        next: &Session,
    ) -> (i64, f64) {
        let mut stretches = vec![(if day == first_day { first } else { day.open }, day), (next.open, next)];
        if day != first_day {
            stretches.insert(0, (first, first_day));
        }
        let width = i64::from(entry.width_s);
        let (mut missing, mut expected) = (0, 0);
        for (from, session) in stretches {
            let mut edges = vec![from];
            for print in self.bars(&entry.symbol, entry.width_s, session.index).filter(|p| p.start >= from) {
                edges.extend([print.start, print.end]);
            }
            edges.push(session.close);
            missing += edges.chunks(2).map(|hole| hole[1].duration_since(hole[0]).as_secs() / width).sum::<i64>();
            expected += session.close.duration_since(from).as_secs() / width;
        }
        (missing, missing as f64 / (expected as f64).max(1.0))
    }

    fn volume_ratio(&self, entry: &Print, day: &Session) -> Option<f64> {
        let (company, width_s) = (&entry.bar.symbol, entry.bar.width_s);
        let mut volumes = Vec::new();
        let mut later = (day.index, entry.bar.open);
        for back in 1..=usize::from(config().baseline_sessions) {
            let session = &Calendar::xnys().sessions()[day.index - back];
            let Some(first) = self.first_price(company, width_s, session.index) else { continue };
            let closes = self.bars(company, width_s, session.index).filter_map(|p| p.close);
            let Some(last) = closes.last() else { continue };
            if look(last, later.1, self.held(company, session.index, later.0), None) == 2 {
                break;
            }
            later = (session.index, first);
            let start = session.open + entry.start.duration_since(day.open);
            let mut prints = self.bars(company, width_s, session.index);
            let volume = prints.find(|p| p.start == start && p.open.is_some()).map(|p| p.bar.volume);
            volumes.extend(volume.map(|volume| volume * self.held(company, session.index, day.index).shares));
        }
        let mean = volumes.iter().sum::<f64>() / volumes.len() as f64;
        (volumes.len() >= 5).then(|| entry.bar.volume / mean)
    }

    fn held(&self, company: &Symbol, before: usize, after: usize) -> Held {
        held(&self.actions, company, before, after)
    }

    fn first_price(&self, company: &Symbol, width_s: u32, session: usize) -> Option<f64> {
        self.bars(company, width_s, session).next().map(|p| p.open.unwrap_or(p.bar.close))
    }

    fn night(&self, entry: &Print, before: usize, after: usize, last: f64, first: f64) -> Night {
        // A jump of the market that may be a split tells nothing of the share.
        let market = self.market_night(entry, before, after).filter(|night| night.look == 0);
        Night::new(last, first, self.held(&entry.bar.symbol, before, after), market.map(|night| night.moved))
    }

    fn market_night(&self, entry: &Print, before: usize, after: usize) -> Option<Night> {
        let (width_s, market) = (entry.bar.width_s, symbol("MKT"));
        if entry.bar.symbol == market {
            return None;
        }
        let opened = |p: &Print| p.open.filter(|_| p.start == entry.start);
        let last = self.bars(&market, width_s, before).filter_map(|p| p.close).last();
        let last = last.or_else(|| self.bars(&market, width_s, before).find_map(opened))?;
        let first = self.first_price(&market, width_s, after).or_else(|| self.auction(&market, width_s, after))?;
        Some(Night::new(last, first, self.held(&market, before, after), None))
    }

    fn set_flags(&self, night: Night, expected: &mut Expected) {
        expected.adjusted |= (night.shares, night.cash, night.foreign) != (1.0, 0.0, false);
        expected.possible_split |= night.look > 0;
    }

    /// The market model from plain sums, as in a textbook; the join uses centred sums.
    fn model(&self, company: &Symbol, width_s: u32, entry: usize) -> Option<(f64, f64)> {
        let market = symbol("MKT");
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for session in entry - usize::from(config().baseline_sessions)..entry {
            for print in self.bars(company, width_s, session).filter(|p| p.close.is_some()) {
                let same = |p: &&Print| p.start == print.start && p.close.is_some();
                let before = |p: &&Print| p.end == print.start && p.start < print.start && p.close.is_some();
                let own = self.bars(company, width_s, session).find(before);
                let other = self.bars(&market, width_s, session).find(same);
                let other_before = self.bars(&market, width_s, session).find(before);
                if let (Some(own), Some(other), Some(other_before)) = (own, other, other_before) {
                    let (x, y) = (other.bar.close / other_before.bar.close, print.bar.close / own.bar.close);
                    let (x, y) = (x.ln(), y.ln());
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

const MAKE: Make = Make {
    seed: 11,
    sessions: 17,
    mentions: 300,
    late_bars: false,
    halts: true,
    bars_first: false,
    benchmark_splits: false,
};

/// The age from which a price is stale, in seconds.
fn stale_after_s() -> i64 {
    i64::try_from(config().stale_after.as_secs()).unwrap()
}

/// Number of rows compared, and of these with an entry, a market model, a usual volume, an adjusted price, a possible split,
/// a price before the news or a next close that is NULL for that reason, an official close, no opening price, and an
/// abnormal return to the next open that is NULL beside a return and a model.
fn compare(make: Make) -> [usize; 10] {
    let topics = make.topics();
    let history = History::of(&topics);
    let table = Process::start(&topics, &config()).finish(TOPICS);
    let mut counts = [0; 10];
    for row in table.rows() {
        let (mention, late) = history.mention(&row.mention);
        assert_eq!(*row.mention, mention);
        let expected = history.expect(&mention, late);
        assert_equal(&found(row), &expected, row);
        let next_open = Horizon::NextOpen as usize;
        let is_only_abnormal_null = expected.returns[next_open].is_some() && expected.abnormal[next_open].is_none();
        let has = [
            true,
            expected.entry.is_some(),
            expected.model.is_some(),
            expected.volume_ratio.is_some(),
            expected.adjusted,
            expected.possible_split,
            expected.possible_split && (expected.before.is_none() || expected.official[1].is_none()),
            expected.official.contains(&Some(true)),
            expected.no_open,
            expected.possible_split && expected.model.is_some() && is_only_abnormal_null,
        ];
        counts.iter_mut().zip(has).for_each(|(count, has)| *count += usize::from(has));
    }
    counts
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn agrees_with_the_plain_join(seed in any::<u64>(), sessions in 5..9_usize, benchmark_splits in any::<bool>()) {
        compare(Make { seed, sessions, mentions: 30, benchmark_splits, ..MAKE });
    }
}

/// An article of the last session is edited a day later, before a weekend: its second session is four days later.
#[test]
fn agrees_where_an_entry_is_awaited_over_a_weekend() {
    let seed = 2_911_256_774_758_264_271;
    compare(Make { seed, sessions: 7, mentions: 30, ..MAKE });
}

#[test]
fn the_comparison_meets_every_kind_of_row() {
    let counts = compare(MAKE);
    let at_least = [300, 120, 60, 40, 20, 8, 4, 40, 10];
    assert!(counts.iter().zip(at_least).all(|(count, least)| *count >= least), "{counts:?} of {at_least:?}");
    let with_splits = compare(Make { benchmark_splits: true, ..MAKE });
    assert!(with_splits[9] > counts[9], "{with_splits:?} {counts:?}");
}
