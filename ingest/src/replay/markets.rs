//! Where the symbols of files are traded, and what files say of it.

use std::collections::{BTreeSet, HashSet};
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendars, Market, Venue, abroad, venue};

/// How many symbols a note names.
const NAMED: usize = 5;

/// Endings of exchanges in Canada that have Toronto's hours, although their calendars are not in our table.
const CANADIAN: [&str; 4] = [".V", ".CN", ".NE", ".NEO"];

/// Refuses a ticker of another country whose sessions nobody has said: it would be taken for one of New York.
///
/// # Errors
/// What it seems to be, and the flag that says its market.
pub(super) fn has_market(symbol: &Symbol, calendars: &Calendars) -> Result<(), String> {
    let ticker = symbol.as_str();
    let ending = abroad::without_calendar(ticker);
    let is_number = ticker.bytes().all(|c| c.is_ascii_digit());
    if ending.is_none() && !is_number || calendars.is_known(symbol) {
        return Ok(());
    }
    let (what, rule) = match ending {
        Some(ending) if ending == ".V" => {
            ("may be a ticker of TSX Venture, or a share of class V or when issued in New York", ending)
        }
        Some(ending) => ("is a ticker of an exchange whose calendar is not known", ending),
        None => ("is a ticker of Asia without its exchange, which `7203.T` or `0700.HK` has", ticker),
    };
    let (market, hours) = if CANADIAN.contains(&rule) { ("toronto", "Toronto") } else { ("xetra", "Xetra") };
    Err(format!(
        "`{ticker}` {what}; --market {rule}={market} joins it by the hours of {hours}, if it has them, and --market \
         {ticker}=us by those of New York"
    ))
}

/// What a column of exchanges says of a symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Listed {
    /// Nothing beyond what is known without it.
    AsKnown,
    /// It is not the name of an exchange that we know.
    Unknown,
    /// The symbol is traded in this market.
    In(Market),
    /// Its normal spelling has the exchange's ending.
    As(Symbol),
}

/// What a column says of where a symbol is traded. What the user says of the symbol counts more.
///
/// # Errors
/// It contradicts the spelling of the symbol, or names an exchange whose calendar is not known.
pub(super) fn listed(symbol: &Symbol, exchange: &str, calendars: &Calendars) -> Result<Listed, String> {
    let venue = venue(exchange);
    if venue == Venue::Unknown {
        return Ok(Listed::Unknown);
    }
    if calendars.has_rule_for(symbol) {
        return Ok(Listed::AsKnown);
    }
    let by_spelling = Calendars::default();
    let spelled = by_spelling.is_known(symbol).then(|| by_spelling.of(symbol));
    let contradicts = |what: String| {
        Err(format!(
            "the exchange of `{symbol}` is `{exchange}`, and by its spelling {what}; --market {symbol}=MARKET says where \
             it is traded, and --bar-columns exchange= leaves the column out"
        ))
    };
    // A class of one letter in New York is spelled as an ending abroad.
    let ending = abroad::without_calendar(symbol.as_str()).filter(|ending| ending.len() > 2);
    match (venue, spelled, ending) {
        (Venue::Market(market), Some(own), _) if own == market => Ok(Listed::AsKnown),
        (Venue::Market(market), Some(own), _) if own.is_round_the_clock() && market.is_round_the_clock() => {
            Ok(Listed::In(market))
        }
        (_, Some(own), _) => contradicts(format!("it is of {own}")),
        (Venue::Market(_), None, Some(ending)) => contradicts(format!("it ends in that of another, `{ending}`")),
        (Venue::Market(market), None, None) => match abroad::spelled_in(market, symbol.as_str()) {
            Some(Ok(spelled)) => Symbol::new(&spelled).map(Listed::As).map_err(|error| error.to_string()),
            Some(Err(why)) => Err(format!("`{symbol}` {why}, and its exchange is `{exchange}`")),
            None => Ok(Listed::In(market)),
        },
        _ if calendars.is_known(symbol) => Ok(Listed::AsKnown),
        _ => Err(format!(
            "the exchange of `{symbol}` is `{exchange}`, whose calendar is not known, or which may be one of two; --market \
             {symbol}=xetra joins it by the hours of Xetra, if it has them, and --bar-columns exchange= leaves the column out"
        )),
    }
}

/// What a person should know of symbols that are joined by the sessions of New York and may be of another country by their
/// spelling. `tickers` are those that are known.
pub(super) fn doubtful(
    symbols: &BTreeSet<&Symbol>,
    calendars: &Calendars,
    tickers: Option<&HashSet<Symbol>>,
) -> Option<String> {
    let is_listed = |symbol: &Symbol| tickers.is_some_and(|tickers| tickers.contains(symbol));
    let doubtful = symbols.iter().filter(|symbol| !calendars.is_known(symbol) && !is_listed(symbol));
    let doubtful: Vec<(&Symbol, &str)> =
        doubtful.filter_map(|symbol| Some((*symbol, abroad::also_of(symbol.as_str())?))).collect();
    let (first, _) = doubtful.first()?;
    let mut names: Vec<String> =
        doubtful.iter().take(NAMED).map(|(symbol, city)| format!("{symbol} ({city})")).collect();
    if let others @ 1.. = doubtful.len().saturating_sub(NAMED) {
        names.push(format!("{others} more"));
    }
    Some(format!(
        "joined by the sessions of New York, and spelled as tickers of another country are: {}; --market {first}=us says that \
         {first} is traded in New York, and --market {first}=MARKET where else",
        names.join(", ")
    ))
}
