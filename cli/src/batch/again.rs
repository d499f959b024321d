//! Rows that are joined already, joined again for other moments: for what moved before the news, and what a delay costs.
//!
//! The bars are those of the run in ClickHouse, read and joined a few companies at a time, or those of files.

use super::shifted::{apart, with_shifted};
use super::stored;
use crate::commands::reading::{Reading, prepare, progress_bar, set_markets};
use crate::config::Config;
use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Instant;
use tapewire_core::exchange::Calendars;
use tapewire_core::impact::PerHorizon;
use tapewire_core::{Bar, CorporateAction, Impact, Mention, Probabilities, Run, Sentiment, Symbol};
use tapewire_ingest::replay::{Inputs, Records};
use tapewire_joiner::join::{JoinConfig, batch};
use tapewire_runtime::Shutdown;
use tapewire_store::stored as store;
use tapewire_study::Row;
use tapewire_study::panels::{Shift, Shifted};

/// The most bars that are in memory at a time, beside those of the benchmarks, unless one company has more.
const BARS_AT_A_TIME: u64 = 500_000;

/// What an interrupted command has written, for its message.
const NOTHING: &str = "interrupted; nothing was written";

/// Rows with their prices, and the same mentions joined for other moments.
#[derive(Default)]
pub struct Again {
    /// The rows.
    pub rows: Vec<Impact>,
    /// For each shift, the rows of the same mentions.
    pub shifted: Vec<Shifted>,
    /// What a report says of it.
    pub facts: Vec<String>,
    /// The calendars by which files of bars were joined, which may show that a symbol is traded at all hours.
    pub calendars: Option<Calendars>,
}

/// Joins the events of a run again, from its bars in ClickHouse.
///
/// # Errors
/// ClickHouse can't be reached or read; a setting is wrong; a signal came.
pub async fn of_run(config: &Config, run: &str, rows: &[Row], shutdown: &Shutdown) -> anyhow::Result<Again> {
    config.join.validate()?;
    let run = Run::named(run);
    let mentions = by_company(rows);
    let Some(span) = span(&config.join, rows) else { return Ok(Again::default()) };
    let actions = actions_of(config, &run).await?;
    let counts = shutdown.run_until_cancelled(store::bar_counts(&config.clickhouse, &run, span)).await;
    let counts: HashMap<String, u64> = counts.context(NOTHING)??.into_iter().collect();
    let benchmarks: HashSet<&Symbol> = mentions.keys().filter_map(|symbol| config.join.benchmark_of(symbol)).collect();
    let market = bars(config, &run, benchmarks.iter().copied(), span, shutdown).await?;
    let all: u64 = mentions.keys().filter_map(|symbol| counts.get(symbol.as_str())).sum();
    eprintln!(
        "what moved before the news, and delays: {} events of {} companies are joined again, from {all} bars of run {run}",
        mentions.values().map(Vec::len).sum::<usize>(),
        mentions.len()
    );
    let (bar, began, mut done) = (progress_bar(), Instant::now(), 0);
    let (mut again, mut waiting) = (Again::default(), mentions.into_iter().peekable());
    while waiting.peek().is_some() {
        let (mut some, mut count) = (Vec::new(), 0);
        while let Some((symbol, _)) = waiting.peek() {
            let own = counts.get(symbol.as_str()).copied().unwrap_or_default();
            if !some.is_empty() && count + own > BARS_AT_A_TIME {
                break;
            }
            count += own;
            some.extend(waiting.next());
        }
        let symbols = some.iter().map(|(symbol, _)| symbol).filter(|symbol| !benchmarks.contains(symbol));
        let mut tape = bars(config, &run, symbols, span, shutdown).await?;
        tape.extend(market.iter().cloned());
        let mentions: Vec<Mention> = some.into_iter().flat_map(|(_, mentions)| mentions).collect();
        let (of_run, join, actions, stop) = (run.clone(), config.join.clone(), actions.clone(), shutdown.clone());
        let joining = tokio::task::spawn_blocking(move || join_some(&of_run, join, actions, tape, mentions, &stop));
        again.add(joining.await.context("joining panicked")??);
        done += count;
        bar.set_message(format!("joining again: {done} of {all} bars{}", left(began, done, all)));
    }
    bar.finish_and_clear();
    anyhow::ensure!(!shutdown.is_cancelled(), NOTHING);
    again.compare(rows);
    Ok(again)
}

/// Joins the events of a file of joined rows again, from files of bars.
///
/// # Errors
/// A file can't be read; a setting is wrong; a signal came.
pub async fn of_files(reading: &Reading, config: &Config, rows: &[Row], shutdown: &Shutdown) -> anyhow::Result<Again> {
    let inputs = Inputs { news: Vec::new(), bars: reading.inputs().bars };
    let names: Vec<String> = inputs.bars.iter().map(|path| path.display().to_string()).collect();
    let prepared = prepare(inputs, reading.options(config)?, shutdown, "nothing was written").await?;
    let mut config = config.clone();
    set_markets(&mut config, prepared.options());
    let Records { actions, bars, .. } = prepared.into_records();
    let mentions: Vec<Mention> = by_company(rows).into_values().flatten().collect();
    let bar = progress_bar();
    bar.set_message(format!("joining {} events again", mentions.len()));
    let calendars = config.join.calendars.clone();
    let (join, stop) = (config.join, shutdown.clone());
    let joining = tokio::task::spawn_blocking(move || {
        join_some(&Run::named("again"), join, actions, bars.take_while(|_| !stop.is_cancelled()), mentions, &stop)
    });
    let mut again = joining.await.context("joining panicked")??;
    bar.finish_and_clear();
    anyhow::ensure!(!shutdown.is_cancelled(), NOTHING);
    again.facts.push(format!("bars: {}", names.join(", ")));
    again.calendars = Some(calendars);
    again.compare(rows);
    Ok(again)
}

/// About how long the rest takes.
fn left(began: Instant, done: u64, all: u64) -> String {
    let seconds = began.elapsed().as_secs_f64();
    if seconds < 2.0 || done == 0 || done >= all {
        return String::new();
    }
    format!(", about {:.0} s left", seconds * (all - done) as f64 / done as f64)
}

/// The mentions of all events, by company.
fn by_company(rows: &[Row]) -> BTreeMap<Symbol, Vec<Mention>> {
    let mut all: BTreeMap<Symbol, Vec<Mention>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.reason.is_none() && row.entry_at.is_some()) {
        if let (Some(symbol), Some(score)) = (&row.symbol, row.score) {
            all.entry(symbol.clone()).or_default().push(mention(row, symbol, score));
        }
    }
    all
}

/// The mention that a row was made from, as far as the join and the panels need it.
fn mention(row: &Row, symbol: &Symbol, score: f64) -> Mention {
    let score = score.clamp(-1.0, 1.0);
    let probabilities =
        Probabilities { positive: score.max(0.0), neutral: 1.0 - score.abs(), negative: (-score).max(0.0) };
    let (model, model_revision) = row.model.clone().unwrap_or_default();
    Mention {
        article_id: row.article_id.clone(),
        article_revision: 0,
        symbol: Some(symbol.clone()),
        title: String::new(),
        provider: row.provider.as_str().into(),
        publisher: "".into(),
        url: String::new(),
        published_at: row.available_at,
        received_at: row.available_at,
        scored_at: row.available_at,
        relevance: row.relevance,
        symbol_found: false,
        asked_as: None,
        sentiment: Ok(Sentiment {
            probabilities,
            model: model.into(),
            model_revision: model_revision.into(),
            windows: 1,
        }),
    }
}

/// The time that bars are needed of: the sessions that models are computed from, and those of the last horizon.
fn span(config: &JoinConfig, rows: &[Row]) -> Option<(i64, i64)> {
    let known = || rows.iter().map(|row| row.available_at);
    // A session takes at most a day and its share of weekends and holidays.
    let days = |sessions: i64| SignedDuration::from_hours(24 * (sessions * 8 / 5 + 10));
    let from = known().min()?.saturating_sub(days(i64::from(config.baseline_sessions) + 1)).unwrap_or(Timestamp::MIN);
    let until = known().max()?.saturating_add(days(3)).unwrap_or(Timestamp::MAX);
    Some((from.as_microsecond(), until.as_microsecond()))
}

async fn actions_of(config: &Config, run: &Run) -> anyhow::Result<Vec<CorporateAction>> {
    store::actions(&config.clickhouse, run).await?.into_iter().map(stored::of_action).collect()
}

async fn bars(
    config: &Config,
    run: &Run,
    symbols: impl Iterator<Item = &Symbol>,
    span: (i64, i64),
    shutdown: &Shutdown,
) -> anyhow::Result<Vec<Bar>> {
    let symbols: Vec<&str> = symbols.map(Symbol::as_str).collect();
    let mut tape = Vec::new();
    let reading = store::bars_of(&config.clickhouse, run, &symbols, span, |bar| tape.push(stored::of_bar(&bar)));
    shutdown.run_until_cancelled(reading).await.context(NOTHING)??;
    tape.into_iter().collect()
}

fn join_some(
    run: &Run,
    config: JoinConfig,
    actions: Vec<CorporateAction>,
    bars: impl IntoIterator<Item = Bar>,
    mentions: Vec<Mention>,
    stop: &Shutdown,
) -> anyhow::Result<Again> {
    let mentions = with_shifted(mentions, &Shift::ALL, &config.calendars);
    let mentions = mentions.into_iter().take_while(|_| !stop.is_cancelled());
    let (rows, shifted) = apart(batch::join(run, config, actions, bars, mentions)?, &Shift::ALL);
    Ok(Again { rows, shifted, ..Again::default() })
}

impl Again {
    fn add(&mut self, other: Self) {
        self.rows.extend(other.rows);
        if self.shifted.is_empty() {
            self.shifted = other.shifted;
            return;
        }
        for (own, other) in self.shifted.iter_mut().zip(other.shifted) {
            own.rows.extend(other.rows);
        }
    }

    /// Says how many events have another entry or return now: their bars, or the settings, have changed since.
    fn compare(&mut self, rows: &[Row]) {
        let key = |row: &Row| (row.symbol.clone(), row.provider.clone(), row.article_id.clone());
        let known: HashMap<_, &Row> = rows.iter().map(|row| (key(row), row)).collect();
        // Only what was known then is compared: columns may be missing.
        let near = |now: Option<f64>, then: Option<f64>| {
            then.is_none_or(|then| now.is_some_and(|now| (now - then).abs() <= 1e-9))
        };
        let differs = |now: &Row| {
            let Some(then) = known.get(&key(now)) else { return false };
            let differ =
                |now: &PerHorizon, then: &PerHorizon| now.iter().zip(then).any(|(now, then)| !near(*now, *then));
            now.entry_at != then.entry_at
                || differ(&now.returns, &then.returns)
                || differ(&now.abnormal, &then.abnormal)
        };
        let differing = self.rows.iter().filter(|row| differs(&Row::from(*row))).count();
        self.facts.push(match differing {
            0 => format!("{} events joined again for other moments, with the same outcomes", self.rows.len()),
            _ => format!(
                "{differing} of {} events joined again for other moments have another entry or return than the rows that \
                 are studied: the bars, the benchmark (--benchmark) or the settings of the join are not those of then",
                self.rows.len()
            ),
        });
        if differing > 0 {
            eprintln!("{}", self.facts[self.facts.len() - 1]);
        }
    }
}
