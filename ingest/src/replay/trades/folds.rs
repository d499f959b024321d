//! The folds of all symbols of files of trades.

use super::TradesOptions;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};
use tapewire_bars::{Fold, SessionFold};
use tapewire_core::exchange::Market;
use tapewire_core::{Bar, Symbol, Trade};

/// The folds of each symbol.
pub(super) struct Folds<'o> {
    options: &'o TradesOptions,
    by_symbol: HashMap<Symbol, OfSymbol>,
}

/// The folds of a symbol.
struct OfSymbol {
    market: Market,
    /// Of bars by the clock.
    by_clock: Option<Fold>,
    /// Of bars that are cut by sessions.
    by_session: Option<SessionFold>,
    /// The time of its latest trade.
    latest: Timestamp,
    trades: u64,
    /// Trades that are in no bar that is cut by sessions.
    outside: u64,
}

impl OfSymbol {
    fn new(trade: &Trade, options: &TradesOptions) -> Self {
        let symbol = &trade.symbol;
        let market = options.calendars.of(symbol);
        let (by_clock, by_session) = options.widths.by_market(market);
        Self {
            market,
            by_clock: by_clock.map(|widths| Fold::new(symbol.clone(), widths, SignedDuration::ZERO)),
            by_session: by_session.map(|widths| SessionFold::new(symbol.clone(), widths, market.calendar())),
            latest: trade.at,
            trades: 0,
            outside: 0,
        }
    }

    fn add(&mut self, trade: &Trade) {
        self.latest = trade.at.max(self.latest);
        self.trades += 1;
        if let Some(fold) = &mut self.by_clock {
            let _ = fold.trade(trade);
        }
        if let Some(fold) = &mut self.by_session {
            self.outside += u64::from(!fold.trade(trade));
        }
    }

    /// The bars that are complete at a time.
    fn complete(&mut self, at: Timestamp) -> Vec<Bar> {
        let mut bars = self.by_clock.as_mut().map(|fold| fold.watermark(at)).unwrap_or_default();
        bars.extend(self.by_session.iter_mut().flat_map(|fold| fold.watermark(at)));
        bars
    }
}

impl<'o> Folds<'o> {
    pub fn new(options: &'o TradesOptions) -> Self {
        Self { options, by_symbol: HashMap::new() }
    }

    /// How many symbols have a trade.
    pub fn symbols(&self) -> usize {
        self.by_symbol.len()
    }

    /// Takes a trade, and returns the bars that are complete now.
    ///
    /// # Errors
    /// The trade is too far behind the latest of its symbol.
    pub fn trade(&mut self, trade: &Trade) -> Result<Vec<Bar>, String> {
        let lateness = self.options.lateness;
        if !self.by_symbol.contains_key(&trade.symbol) {
            self.by_symbol.insert(trade.symbol.clone(), OfSymbol::new(trade, self.options));
        }
        let own = self.by_symbol.get_mut(&trade.symbol).expect("it was just inserted");
        let behind = own.latest.duration_since(trade.at);
        if behind > lateness {
            return Err(format!(
                "the trade of {} at {} is {behind:#} behind one before it; sort the file by time, or allow more with \
                 --lateness",
                trade.symbol, trade.at
            ));
        }
        own.add(trade);
        match own.latest.checked_sub(lateness) {
            Ok(complete) => Ok(own.complete(complete)),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// What a person should know of bars that are cut by sessions.
    pub fn notes(&self) -> Vec<String> {
        let mut markets: BTreeMap<Market, (Vec<&Symbol>, u64, u64)> = BTreeMap::new();
        for (symbol, own) in self.by_symbol.iter().filter(|(_, own)| own.by_session.is_some()) {
            let (symbols, trades, outside) = markets.entry(own.market).or_default();
            symbols.push(symbol);
            *trades += own.trades;
            *outside += own.outside;
        }
        let note = |(market, (mut symbols, trades, outside)): (Market, (Vec<&Symbol>, u64, u64))| {
            symbols.sort_unstable();
            let widths = self.options.widths.by_market(market).1?;
            let widths: Vec<String> = widths.seconds().iter().map(|width| format!("{width} s")).collect();
            let (widths, first) = (widths.join(" and "), symbols[0]);
            let more = match symbols.len() - 1 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            Some(format!(
                "bars of {widths} are cut by the sessions of {market}: those of {first}{more}; {outside} of {trades} trades \
                 are outside of them and in no such bar; --market SYMBOL=MARKET says where a symbol is traded"
            ))
        };
        markets.into_iter().filter_map(note).collect()
    }

    /// The bars of the trades that are left, by symbol.
    pub fn finish(self) -> Vec<Bar> {
        let mut folds: Vec<(Symbol, OfSymbol)> = self.by_symbol.into_iter().collect();
        folds.sort_by(|(a, _), (b, _)| a.cmp(b));
        folds.into_iter().flat_map(|(_, mut own)| own.complete(Timestamp::MAX)).collect()
    }
}
