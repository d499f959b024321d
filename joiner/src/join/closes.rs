//! Log returns from close to close, for studies of the days after the entry. They follow the rules of the join: which
//! prices of a bar are prices of a session, what splits and dividends change, and what looks like an unknown split.

use super::JoinConfig;
use super::actions::Actions;
use super::config::PossibleSplits;
use super::overnight::{Night, NightKind};
use super::placement::{DAY_S, Placed, Placement, place};
use super::time::EventTime;
use std::collections::{BTreeMap, HashMap};
use tapewire_core::exchange::{Market, Session};
use tapewire_core::{Bar, CorporateAction, Symbol};

/// The first and the last price of each session of each symbol. It keeps no bars.
///
/// The last price of a session is that of its closing auction where the bars have one, or of its last bar, whatever the
/// bar's age. Of several widths, bars of a day count before all others, then the narrowest. Of several bars of one day
/// the one that was received last counts, as in the join. A session that closes after the end of the newest bar of all
/// symbols is not over: its last price is not its close, so it has none.
#[derive(Debug)]
pub struct SessionCloses {
    config: JoinConfig,
    symbols: HashMap<Symbol, Tape>,
    /// The session of the bar that was placed last: the next bar is likely to be in it, too.
    near: Option<(Market, &'static Session)>,
    /// The end of the newest bar, cut to its session where it is in one.
    newest: EventTime,
    actions: u64,
    second_days: u64,
}

#[derive(Debug, Default)]
struct Tape {
    widths: BTreeMap<u32, BTreeMap<usize, Prices>>,
    actions: Actions,
}

#[derive(Debug, Clone, Copy, Default)]
struct Prices {
    /// When the bar of a day was received that these prices are from.
    received_at: Option<EventTime>,
    first: Option<(EventTime, f64)>,
    last: Option<(EventTime, f64)>,
    /// The first print after the close, in the minutes of the closing auction.
    auction: Option<(EventTime, f64)>,
}

impl SessionCloses {
    /// Without prices.
    pub fn new(config: JoinConfig) -> Self {
        Self { config, symbols: HashMap::new(), near: None, newest: EventTime::MIN, actions: 0, second_days: 0 }
    }

    /// Adds a bar. Each bar is added once, in any order.
    pub fn add_bar(&mut self, bar: &Bar) {
        let market = self.config.calendars.of(&bar.symbol);
        let calendar = market.calendar();
        let near = self.near.filter(|(own, _)| *own == market).map(|(_, session)| session);
        let (placed, is_auction) = match place(bar, near, calendar, &self.config) {
            Some(Placement::Session(placed)) => (placed, false),
            Some(Placement::Auction(placed)) => (placed, true),
            Some(Placement::Outside { end, .. }) => {
                // A bar of a day or more may have been written before it ended.
                if bar.width_s < DAY_S {
                    self.newest = self.newest.max(end);
                }
                return;
            }
            None => return,
        };
        self.newest = self.newest.max(placed.end);
        self.near = calendar.sessions().get(placed.session).map(|session| (market, session));
        if !self.symbols.contains_key(&bar.symbol) {
            self.symbols.insert(bar.symbol.clone(), Tape::default());
        }
        let Some(tape) = self.symbols.get_mut(&bar.symbol) else { return };
        let sessions = tape.widths.entry(bar.width_s).or_default();
        let prices = sessions.entry(placed.session).or_default();
        self.second_days += u64::from(prices.received_at.is_some());
        prices.add(bar, &placed, is_auction);
    }

    /// How many daily bars were added of sessions that had one already, with another start.
    pub fn second_days(&self) -> u64 {
        self.second_days
    }

    /// Adds a split or a dividend.
    pub fn add_action(&mut self, action: CorporateAction) {
        let calendar = self.config.calendars.of(&action.symbol).calendar();
        let Some(session) = calendar.from(action.ex_date) else { return };
        let tape = self.symbols.entry(action.symbol.clone()).or_default();
        tape.actions.insert(session.index, self.actions, action);
        self.actions += 1;
    }

    /// The market of a symbol, whose sessions its returns are counted by.
    pub fn market(&self, symbol: &Symbol) -> Market {
        self.config.calendars.of(symbol)
    }

    /// The log return of a holder from the close of the session before to that of each session, by the session's
    /// position in the calendar. A session has none without both closes, before it is over, and across a night whose
    /// prices can't be compared. A move that `benchmark` shares, if it is of the same market, is not taken for a split,
    /// unless the benchmark's price may have been split itself.
    ///
    /// `small` says whether sessions have a return whose night looks like a split of 3:2, 4:3 or 5:4, which the join only
    /// flags. Returned with the number of sessions that have none for this reason.
    pub fn returns(
        &self,
        symbol: &Symbol,
        benchmark: Option<&Symbol>,
        small: PossibleSplits,
    ) -> (BTreeMap<u64, f64>, usize) {
        let Some(tape) = self.symbols.get(symbol) else { return (BTreeMap::new(), 0) };
        let own_market = self.market(symbol);
        let benchmark = benchmark.filter(|benchmark| self.market(benchmark) == own_market);
        let benchmark = benchmark.and_then(|benchmark| self.symbols.get(benchmark)).map(|tape| (tape, tape.sessions()));
        let mut sessions = tape.sessions();
        let calendar = own_market.calendar().sessions();
        sessions.retain(|&number, _| calendar.get(number).is_some_and(|session| self.newest >= session.close.into()));
        let (mut returns, mut small_splits) = (BTreeMap::new(), 0);
        for (&session, prices) in &sessions {
            let before = session.checked_sub(1).and_then(|before| sessions.get(&before));
            let (Some(last), Some(close)) = (before.and_then(Prices::close), prices.close()) else { continue };
            let holding = tape.actions.holding(session - 1, session);
            let benchmark_return = benchmark.as_ref().and_then(|(tape, sessions)| {
                let before = sessions.get(&(session - 1))?.close()?;
                let after = sessions.get(&session)?.opening()?;
                Night::new(tape.actions.holding(session - 1, session), before, after, None).moved()
            });
            let opening = prices.opening().unwrap_or(close);
            let night = Night::new(holding, last, opening, benchmark_return);
            // Where a market does not close, prices do not jump by splits.
            let is_split = night.kind == NightKind::Split && !own_market.is_round_the_clock();
            let is_withheld =
                holding.has_foreign_cash || (is_split && self.config.possible_splits == PossibleSplits::Null);
            let is_small = night.kind == NightKind::MaybeSplit
                && !own_market.is_round_the_clock()
                && small == PossibleSplits::Null;
            if is_small && !is_withheld {
                small_splits += 1;
            } else if !is_withheld {
                returns.insert(session as u64, (holding.value(close) / last).ln());
            }
        }
        (returns, small_splits)
    }
}

impl Tape {
    /// The prices of each session, of the width that counts.
    fn sessions(&self) -> BTreeMap<usize, Prices> {
        let mut all = self.widths.get(&DAY_S).cloned().unwrap_or_default();
        for sessions in self.widths.values() {
            for (&session, &prices) in sessions {
                all.entry(session).or_insert(prices);
            }
        }
        all
    }
}

impl Prices {
    fn add(&mut self, bar: &Bar, placed: &Placed, is_auction: bool) {
        if bar.width_s == DAY_S {
            let received_at = Some(EventTime::from(bar.received_at));
            if self.received_at > received_at {
                return;
            }
            *self = Self { received_at, ..Self::default() };
        }
        let earliest = if is_auction { &mut self.auction } else { &mut self.first };
        if placed.has_open && earliest.is_none_or(|(at, _)| placed.start < at) {
            *earliest = Some((placed.start, bar.open));
        }
        if placed.has_close && self.last.is_none_or(|(at, _)| placed.end > at) {
            self.last = Some((placed.end, bar.close));
        }
    }

    /// The price of the closing auction, or the last of the session.
    fn close(&self) -> Option<f64> {
        self.auction.or(self.last).map(|(_, price)| price)
    }

    /// The first price of the session, or its close where only that is known.
    fn opening(&self) -> Option<f64> {
        self.first.map(|(_, price)| price).or_else(|| self.close())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_core::tape::ActionKind;
    use tapewire_testkit::{at, symbol};

    fn closes(bars: &[(&str, u32, f64, f64)]) -> SessionCloses {
        let mut closes = SessionCloses::new(JoinConfig::default());
        for &(start, width_s, open, close) in bars {
            closes.add_bar(&Bar { width_s, open, close, ..tapewire_testkit::bar("AAA", at(start), open) });
        }
        closes
    }

    fn returns(closes: &SessionCloses) -> Vec<f64> {
        closes.returns(&symbol("AAA"), None, PossibleSplits::Null).0.into_values().collect()
    }

    #[test]
    fn the_last_price_of_a_session_is_its_close() {
        let minutes = closes(&[
            ("2025-05-12T19:58:00Z", 60, 100.0, 101.0),
            ("2025-05-12T19:59:00Z", 60, 101.0, 102.0),
            ("2025-05-12T20:30:00Z", 60, 300.0, 300.0),
            ("2025-05-13T13:30:00Z", 60, 102.0, 103.0),
            ("2025-05-13T19:59:00Z", 60, 103.0, 104.0),
            ("2025-05-13T20:00:00Z", 60, 105.0, 109.0),
            ("2025-05-15T19:59:00Z", 60, 110.0, 110.0),
        ]);
        assert_eq!(returns(&minutes), [(105.0_f64 / 102.0).ln()], "the auction counts, after hours and a gap do not");
        let mut london = SessionCloses::new(JoinConfig::default());
        for (start, price) in [
            ("2025-05-12T15:29:00Z", 100.0),
            ("2025-05-12T15:31:00Z", 300.0),
            ("2025-05-12T15:35:00Z", 101.0),
            ("2025-05-13T15:29:00Z", 102.0),
            ("2025-05-13T15:36:00Z", 300.0),
        ] {
            london.add_bar(&tapewire_testkit::bar("AAA.L", at(start), price));
        }
        let found: Vec<f64> = london.returns(&symbol("AAA.L"), None, PossibleSplits::Null).0.into_values().collect();
        assert_eq!(found, [(102.0_f64 / 101.0).ln()], "in London it is five minutes after the close");
        let days = closes(&[
            ("2025-05-12T04:00:00Z", DAY_S, 99.0, 100.0),
            ("2025-05-13T04:00:00Z", DAY_S, 100.0, 102.0),
            ("2025-05-13T19:59:00Z", 60, 103.0, 104.0),
        ]);
        assert_eq!(returns(&days), [(102.0_f64 / 100.0).ln()], "bars of a day count first");
    }

    #[test]
    fn of_two_daily_bars_of_a_session_the_one_received_last_counts() {
        let day = |start: &str, price: f64, received: &str| Bar {
            width_s: DAY_S,
            received_at: at(received),
            ..tapewire_testkit::bar("AAA", at(start), price)
        };
        let bars = [
            day("2025-05-12T04:00:00Z", 100.0, "2025-05-12T20:15:00Z"),
            day("2025-05-13T04:00:00Z", 101.0, "2025-05-13T20:15:00Z"),
            day("2025-05-13T00:00:00Z", 102.0, "2025-05-13T20:20:00Z"),
            day("2025-05-13T13:30:00Z", 103.0, "2025-05-13T20:10:00Z"),
        ];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
            let mut closes = SessionCloses::new(JoinConfig::default());
            order.into_iter().for_each(|number: usize| closes.add_bar(&bars[number]));
            assert_eq!((returns(&closes), closes.second_days()), (vec![1.02_f64.ln()], 2), "{order:?}");
        }
    }

    #[test]
    fn a_night_that_looks_like_a_small_split_has_no_return_and_is_counted() {
        let closes = closes(&[
            ("2025-05-12T04:00:00Z", DAY_S, 150.0, 150.0),
            ("2025-05-13T04:00:00Z", DAY_S, 100.0, 101.0),
            ("2025-05-14T04:00:00Z", DAY_S, 101.0, 102.0),
        ]);
        let (returns, small) = closes.returns(&symbol("AAA"), None, PossibleSplits::Null);
        assert_eq!((returns.into_values().collect::<Vec<_>>(), small), (vec![(102.0_f64 / 101.0).ln()], 1));
        let (returns, small) = closes.returns(&symbol("AAA"), None, PossibleSplits::Keep);
        assert_eq!((returns.len(), small), (2, 0));
    }

    #[test]
    fn a_session_that_is_not_over_has_no_close() {
        let running = || {
            closes(&[
                ("2025-05-12T19:59:00Z", 60, 101.0, 102.0),
                ("2025-05-13T19:30:00Z", 60, 102.0, 104.0),
                ("2025-05-14T13:30:00Z", 60, 104.0, 105.0),
                ("2025-05-14T14:58:00Z", 60, 105.0, 90.0),
            ])
        };
        let first = (104.0_f64 / 102.0).ln();
        assert_eq!(
            returns(&running()),
            [first],
            "it is 11:00 in New York; a thin share's last price of the session before is its close"
        );
        let with = |name: &str, start: &str, width_s: u32| {
            let mut closes = running();
            closes.add_bar(&Bar { width_s, ..tapewire_testkit::bar(name, at(start), 1.0) });
            returns(&closes)
        };
        let both = [first, (90.0_f64 / 104.0).ln()];
        assert_eq!(with("BBB", "2025-05-14T19:59:00Z", 60), both, "another symbol's bar says that it is over");
        assert_eq!(with("AAA", "2025-05-14T20:30:00Z", 60), both, "and so does an after-hours bar");
        assert_eq!(with("AAA", "2025-05-12T04:00:00Z", 7 * DAY_S), [first], "a weekly bar may itself be unfinished");
        // The last hour from the open is cut at the close; a day's bar is of a session that is over.
        let hours =
            closes(&[("2025-05-13T19:30:00Z", 3600, 100.0, 101.0), ("2025-05-14T19:30:00Z", 3600, 101.0, 102.0)]);
        assert_eq!(returns(&hours), [(102.0_f64 / 101.0).ln()]);
        let days = closes(&[("2025-05-13T04:00:00Z", DAY_S, 1.0, 2.0), ("2025-05-14T04:00:00Z", DAY_S, 2.0, 3.0)]);
        assert_eq!(returns(&days), [(3.0_f64 / 2.0).ln()]);
    }

    #[test]
    fn a_split_is_no_return_and_an_unknown_one_gives_none() {
        let bars = [("2025-05-12T04:00:00Z", DAY_S, 300.0, 300.0), ("2025-05-13T04:00:00Z", DAY_S, 101.0, 103.0)];
        let mut closes = closes(&bars);
        assert_eq!(returns(&closes), [0.0; 0]);
        closes.add_action(CorporateAction {
            symbol: symbol("AAA"),
            ex_date: jiff::civil::date(2025, 5, 13),
            id: String::new(),
            kind: ActionKind::Split { from: 1.0, to: 3.0 },
            received_at: at("2025-05-13T00:00:00Z"),
        });
        assert_eq!(returns(&closes), [(3.0 * 103.0_f64 / 300.0).ln()]);
    }

    #[test]
    fn a_jump_that_the_benchmark_shares_is_a_return_unless_both_may_have_split() {
        let of_both = |benchmark: f64| {
            let days = ["2025-05-12T04:00:00Z", "2025-05-13T04:00:00Z"];
            let mut closes = closes(&[(days[0], DAY_S, 100.0, 100.0), (days[1], DAY_S, 50.0, 50.0)]);
            for (start, price) in days.into_iter().zip([100.0, benchmark]) {
                closes.add_bar(&Bar { width_s: DAY_S, ..tapewire_testkit::bar("MKT", at(start), price) });
            }
            let returns = |name: &str, of: Option<&Symbol>| {
                let (returns, _) = closes.returns(&symbol(name), of, PossibleSplits::Null);
                returns.into_values().collect::<Vec<f64>>()
            };
            (returns("AAA", Some(&symbol("MKT"))), returns("MKT", None))
        };
        assert_eq!(of_both(64.0), (vec![0.5_f64.ln()], vec![0.64_f64.ln()]), "the market fell by 36 %");
        assert_eq!(of_both(50.0), (Vec::new(), Vec::new()), "both may have split");
    }
}
