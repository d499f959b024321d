//! The account of a replay: what was sent, compared by id with what the tables hold.

use crate::config::Config;
use anyhow::bail;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::fmt::Display;
use tapewire_core::{Run, Symbol};
use tapewire_ingest::replay::Summary;
use tapewire_ingest::writer::Sent;
use tapewire_store::account::{self, StoredBars, StoredMention, Table};

/// A message about a difference names at most this number of ids.
const MAX_NAMED: usize = 3;

/// Differences between what was sent and what is stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Rows that were sent but are not in the tables.
    pub missing: Vec<String>,
    /// Rows that are in the tables but were not sent now.
    pub further: Vec<String>,
}

/// Compares a run's tables with what was sent. Further rows in the tables are reported but are no error: an earlier
/// replay under the same name has sent them.
///
/// # Errors
/// Something that was sent is not stored, not scored, or not joined.
pub async fn check(config: &Config, sent: &Summary) -> anyhow::Result<()> {
    compare(config, sent).await?.report(config, &sent.run)
}

/// As [`check`], where earlier commands may have sent another part of the same run: further rows are not mentioned.
///
/// # Errors
/// As [`check`].
pub async fn check_part(config: &Config, sent: &Summary) -> anyhow::Result<()> {
    let found = compare(config, sent).await?;
    Differences { further: Vec::new(), ..found }.report(config, &sent.run)
}

async fn compare(config: &Config, sent: &Summary) -> anyhow::Result<Differences> {
    let (clickhouse, run) = (&config.clickhouse, &sent.run);
    let mut found = Differences::default();
    for (table, what) in
        [(Table::Articles, "articles"), (Table::Mentions, "scored mentions"), (Table::Joined, "joined rows")]
    {
        let stored = account::mentions(clickhouse, run, table).await?;
        found.mentions(what, &sent.sent, table == Table::Articles, &stored);
    }
    let stored = account::bars(clickhouse, run).await?;
    for ((symbol, width_s), starts) in &sent.sent.bars {
        let summed = stored.iter().find(|bars| bars.symbol == symbol.as_str() && bars.width_s == *width_s);
        if summed != Some(&expected_sums(symbol, *width_s, starts)) {
            let stored = account::bar_starts(clickhouse, run, symbol, *width_s).await?;
            found.bars(symbol, *width_s, starts, &stored.into_iter().collect());
        }
    }
    for bars in stored.iter().filter(|bars| !is_sent(bars, &sent.sent)) {
        found.further.push(format!("{} bars of {} ({} s)", bars.bars, bars.symbol, bars.width_s));
    }
    let letters = account::dead_letters(clickhouse, run).await?;
    let rejected = letters.iter().find(|(stage, _)| stage == "replay").map_or(0, |(_, letters)| *letters);
    if rejected < sent.dead_letters() {
        let lost = sent.dead_letters() - rejected;
        found.missing.push(format!("{lost} of {} rejected lines among the dead letters", sent.dead_letters()));
    }
    Ok(found)
}

impl Differences {
    fn mentions(&mut self, what: &str, sent: &Sent, articles_only: bool, stored: &[StoredMention]) {
        let mut wanted = BTreeSet::new();
        let mut withdrawn = BTreeSet::new();
        for ((provider, id), article) in &sent.articles {
            let key = |symbol: &str| (provider.as_str().to_owned(), id.clone(), symbol.to_owned());
            if articles_only || article.symbols.is_empty() {
                wanted.insert(key(""));
            } else {
                wanted.extend(article.symbols.iter().map(|symbol| key(symbol.as_str())));
            }
            // Earlier versions of the article may have named other companies, or none.
            withdrawn.extend(article.withdrawn.iter().map(|symbol| key(symbol.as_str())));
            withdrawn.insert(key(""));
        }
        let stored: BTreeSet<_> =
            stored.iter().map(|row| (row.provider.clone(), row.article_id.clone(), row.symbol.clone())).collect();
        let name = |(provider, id, symbol): &(String, String, String)| match symbol.as_str() {
            "" => format!("{provider}/{id}"),
            symbol => format!("{provider}/{id} ({symbol})"),
        };
        let missing: Vec<String> = wanted.difference(&stored).map(name).collect();
        let further: Vec<String> =
            stored.iter().filter(|k| !wanted.contains(k) && !withdrawn.contains(k)).map(name).collect();
        let all = wanted.len();
        self.missing.extend(first_few(&missing).map(|ids| format!("{} of {all} {what}: {ids}", missing.len())));
        self.further.extend(first_few(&further).map(|ids| format!("{} {what}: {ids}", further.len())));
    }

    fn bars(&mut self, symbol: &Symbol, width_s: u32, wanted: &BTreeSet<i64>, stored: &BTreeSet<i64>) {
        let at =
            |&start: &i64| Timestamp::from_microsecond(start).map_or_else(|_| start.to_string(), |at| at.to_string());
        let missing: Vec<String> = wanted.difference(stored).map(at).collect();
        let further: Vec<String> = stored.difference(wanted).map(at).collect();
        let all = wanted.len();
        self.missing.extend(
            first_few(&missing).map(|at| format!("{} of {all} bars of {symbol} ({width_s} s): {at}", missing.len())),
        );
        self.further
            .extend(first_few(&further).map(|at| format!("{} bars of {symbol} ({width_s} s): {at}", further.len())));
    }

    fn report(&self, config: &Config, run: &Run) -> anyhow::Result<()> {
        if !self.further.is_empty() {
            eprintln!(
                "tapewire: run {run} has rows that were not sent now, from an earlier replay under this name with other files or \
                 options: {}. They are in every result of this run; choose another --run to have these files alone",
                self.further.join("; ")
            );
        }
        if !self.missing.is_empty() {
            bail!(
                "run {run}: the account does not add up, database {} lacks {}. Send the same files again; if the difference stays, see the \
                 dead letters and whether other roles write to another database",
                config.clickhouse.database,
                self.missing.join("; ")
            );
        }
        Ok(())
    }
}

/// The sums that [`account::bars`] gives for these bars.
fn expected_sums(symbol: &Symbol, width_s: u32, starts: &BTreeSet<i64>) -> StoredBars {
    StoredBars {
        symbol: symbol.as_str().to_owned(),
        width_s,
        bars: starts.len() as u64,
        sum: starts.iter().fold(0, |sum, start| sum.wrapping_add(start.cast_unsigned())),
        xor: starts.iter().fold(0, |xor, start| xor ^ start.cast_unsigned()),
    }
}

fn is_sent(bars: &StoredBars, sent: &Sent) -> bool {
    sent.bars.keys().any(|(symbol, width_s)| bars.symbol == symbol.as_str() && bars.width_s == *width_s)
}

/// The first few of a list, or `None` if it is empty.
fn first_few(items: &[impl Display]) -> Option<String> {
    let named: Vec<String> = items.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    let more = if items.len() > MAX_NAMED { ", ..." } else { "" };
    (!items.is_empty()).then(|| format!("{}{more}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;
    use tapewire_ingest::writer::SentArticle;

    fn sent() -> Sent {
        let symbol = |ticker: &str| Symbol::new(ticker).unwrap();
        let article = |symbols: &[&str], withdrawn: &[&str]| SentArticle {
            symbols: symbols.iter().map(|ticker| symbol(ticker)).collect(),
            withdrawn: withdrawn.iter().map(|ticker| symbol(ticker)).collect(),
        };
        let key = |id: &str| ("replay".to_owned(), id.to_owned());
        let articles = [(key("1"), article(&["AAA", "BBB"], &["CCC"])), (key("2"), article(&[], &[]))];
        Sent { articles: articles.into(), bars: [((symbol("AAA"), 60), [60_000_000, 120_000_000].into())].into() }
    }

    fn row(id: &str, symbol: &str) -> StoredMention {
        StoredMention { provider: "replay".into(), article_id: id.into(), symbol: symbol.into() }
    }

    #[test]
    fn what_is_missing_and_what_is_there_beside_it_are_named() {
        let mut found = Differences::default();
        found.mentions("joined rows", &sent(), false, &[row("1", "AAA"), row("1", "BBB"), row("2", "")]);
        found.mentions("articles", &sent(), true, &[row("1", ""), row("2", "")]);
        // Mentions that an edit took back may stay in the tables.
        found.mentions(
            "joined rows",
            &sent(),
            false,
            &[row("1", "AAA"), row("1", "BBB"), row("1", "CCC"), row("2", "")],
        );
        assert_eq!(found, Differences::default());
        found.mentions("joined rows", &sent(), false, &[row("1", "BBB"), row("9", "AAA")]);
        assert_eq!(found.missing, ["2 of 3 joined rows: replay/1 (AAA), replay/2"]);
        assert_eq!(found.further, ["1 joined rows: replay/9 (AAA)"]);
    }

    #[test]
    fn bars_are_compared_start_by_start() {
        let ((symbol, width_s), wanted) = sent().bars.pop_first().unwrap();
        let mut found = Differences::default();
        found.bars(&symbol, width_s, &wanted, &[60_000_000, 180_000_000].into());
        assert_eq!(found.missing, ["1 of 2 bars of AAA (60 s): 1970-01-01T00:02:00Z"]);
        assert_eq!(found.further, ["1 bars of AAA (60 s): 1970-01-01T00:03:00Z"]);
        let same = expected_sums(&symbol, width_s, &wanted);
        assert_eq!((same.bars, same.sum, same.xor), (2, 180_000_000, 60_000_000 ^ 120_000_000));
        assert!(is_sent(&same, &sent()) && !is_sent(&StoredBars { width_s: 1, ..same }, &sent()));
    }
}
