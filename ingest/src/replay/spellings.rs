//! Symbols of the news that no bar has. Some are those of bars in another spelling, and then no outcome is joined.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tapewire_core::Symbol;
use tapewire_core::exchange::{Calendars, abroad};

/// How many symbols a note names.
const NAMED: usize = 5;

/// What a person should know of the symbols of the news that have no bars. `mentioned` has a symbol as often as
/// articles name it.
pub(super) fn notes<'s>(
    mentioned: impl Iterator<Item = &'s Symbol>,
    of_bars: &BTreeSet<&Symbol>,
    calendars: &Calendars,
) -> Vec<String> {
    let mut counts: BTreeMap<&Symbol, usize> = BTreeMap::new();
    mentioned.for_each(|symbol| *counts.entry(symbol).or_default() += 1);
    let all = counts.len();
    let mut without: Vec<(&Symbol, usize)> =
        counts.into_iter().filter(|(symbol, _)| !of_bars.contains(symbol)).collect();
    if without.is_empty() {
        return Vec::new();
    }
    without.sort_by_key(|(_, count)| Reverse(*count));
    let names: Vec<String> = without.iter().map(|(symbol, _)| symbol.to_string()).collect();
    let mut notes = vec![match names.len() == all {
        true => {
            let bars: Vec<String> = of_bars.iter().map(ToString::to_string).collect();
            format!(
                "none of the symbols of the news has bars: the news has {}, the bars have {}; --alias NEWS=TAPE reads \
                 a symbol of the news as one of the bars",
                some_of(&names),
                some_of(&bars)
            )
        }
        false => format!("{} of {all} symbols of the news have no bars: {}", names.len(), some_of(&names)),
    }];
    notes.extend(similar(without.iter().map(|(symbol, _)| *symbol), of_bars, calendars));
    notes
}

/// The symbols of the bars that may be the same as some of the news.
fn similar<'s>(
    without_bars: impl Iterator<Item = &'s Symbol>,
    of_bars: &BTreeSet<&Symbol>,
    calendars: &Calendars,
) -> Option<String> {
    let mut by_key: HashMap<String, &Symbol> = HashMap::new();
    for &symbol in of_bars {
        for key in keys(symbol, calendars) {
            by_key.entry(key).or_insert(symbol);
        }
    }
    let pairs: Vec<(&Symbol, &Symbol)> = without_bars
        .filter_map(|symbol| Some((symbol, *keys(symbol, calendars).find_map(|key| by_key.get(&key))?)))
        .collect();
    let (news, tape) = pairs.first()?;
    let listed: Vec<String> = pairs.iter().map(|(news, tape)| format!("{news} ({tape})")).collect();
    Some(format!(
        "symbols of the news without bars may be those of the bars in another spelling: {}; if they are, --alias \
         {news}={tape} joins them",
        some_of(&listed)
    ))
}

/// What other spellings of a symbol have, too: its letters and digits without the exchange, and the coin.
fn keys(symbol: &Symbol, calendars: &Calendars) -> impl Iterator<Item = String> {
    let ticker = symbol.as_str();
    let ticker = abroad::without_ending(ticker.split_once(':').map_or(ticker, |(_, ticker)| ticker));
    // `BCpC` is another share than `BCPC`, so the case counts. Hong Kong's tickers may have zeros in front.
    let plain: String = ticker.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.trim_start_matches('0').to_owned();
    let coin = calendars.coin_of(symbol).map(|coin| format!("coin {coin}"));
    std::iter::once(plain).filter(|plain| !plain.is_empty()).chain(coin)
}

fn some_of(names: &[String]) -> String {
    let named = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
