//! Rows that are joined already: of a run in ClickHouse, or in a file.

use crate::commands::reading::{Reading, prepare, progress_bar, set_markets};
use crate::config::Config;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use tapewire_core::exchange::Calendars;
use tapewire_core::impact::{PerHorizon, Phase};
use tapewire_core::tape::ActionKind;
use tapewire_core::{Bar, CorporateAction, Horizon, Run, Symbol};
use tapewire_formats::{Options, Reader, Row as FileRow, Value, is_missing_text};
use tapewire_ingest::replay::{Inputs, Records};
use tapewire_joiner::join::SessionCloses;
use tapewire_runtime::Shutdown;
use tapewire_store::stored::{self, JoinedRow, StoredAction, StoredBar};
use tapewire_study::Row;
use tapewire_study::daily::{ESTIMATION_DAYS, GAP_DAYS, MAXIMUM_DAYS};
use tapewire_study::row::{Flags, LABELS, REASONS, phase};

/// Rows, and what the report says about their origin.
pub struct Stored {
    /// The rows.
    pub rows: Vec<Row>,
    /// Facts for the report.
    pub facts: Vec<String>,
}

/// The rows of a run in ClickHouse.
///
/// # Errors
/// ClickHouse can't be reached or read; there is no such run.
pub async fn of_run(config: &Config, run: &str, shutdown: &Shutdown) -> anyhow::Result<Stored> {
    let bar = progress_bar();
    bar.set_message(format!("reading the rows of run {run}"));
    let reading = shutdown.run_until_cancelled(stored::joined(&config.clickhouse, &Run::named(run))).await;
    let rows = reading.context("interrupted; nothing was written")??;
    bar.finish_and_clear();
    if rows.is_empty() {
        let known = stored::runs(&config.clickhouse).await?;
        let known: Vec<String> = known.into_iter().map(|(run, rows)| format!("{run} ({rows} rows)")).collect();
        let database = &config.clickhouse.database;
        let known = if known.is_empty() {
            "it has no joined rows at all".to_owned()
        } else {
            format!("it has {}", known.join(", "))
        };
        bail!("database {database} has no joined row of run {run}; {known}");
    }
    let facts = vec![format!("run {run} in database {}", config.clickhouse.database)];
    let rows = rows.into_iter().map(of_table).collect::<anyhow::Result<_>>()?;
    Ok(Stored { rows, facts })
}

fn of_table(row: JoinedRow) -> anyhow::Result<Row> {
    let place = format!("row of {}/{} on {}", row.provider, row.article_id, row.symbol);
    let moment =
        |micros: i64| Timestamp::from_microsecond(micros).with_context(|| format!("{place}: a time is out of range"));
    let symbol = Some(row.symbol.as_str()).filter(|symbol| !symbol.is_empty());
    let symbol = symbol.map(Symbol::new).transpose().with_context(|| place.clone())?;
    let horizons = |values: Vec<Option<f64>>| -> anyhow::Result<PerHorizon> {
        PerHorizon::try_from(values)
            .map_err(|_| anyhow::anyhow!("{place}: the table does not have the horizons of this version"))
    };
    let reason = [&row.reason, &row.unscored].into_iter().find(|reason| !reason.is_empty());
    Ok(Row {
        available_at: moment(row.available_at)?,
        entry_at: row.entry_at.map(moment).transpose()?,
        label: label(&row.label).map_err(|wrong| anyhow::anyhow!("{place}: {wrong}"))?,
        phase: phase(&row.phase),
        reason: reason
            .map(|reason| named_reason(reason))
            .transpose()
            .map_err(|wrong| anyhow::anyhow!("{place}: {wrong}"))?,
        returns: horizons(row.returns)?,
        abnormal: horizons(row.abnormal)?,
        flags: Flags { possible_split: row.flag_possible_split, stale: row.flag_stale, gap: row.flag_gap },
        score: row.score,
        model: Some((row.model, row.model_revision)).filter(|(model, _)| !model.is_empty()),
        bar_width_s: row.bar_width_s,
        relevance: row.relevance,
        symbol,
        provider: row.provider,
        publisher: row.publisher,
        article_id: row.article_id,
        title: row.title,
        asked_as: row.asked_as,
    })
}

fn label(text: &str) -> Result<Option<&'static str>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let known = LABELS.into_iter().find(|label| *label == text).map(Some);
    known.ok_or_else(|| format!("label {text:?} is not one of {}", LABELS.join(", ")))
}

fn named_reason(text: &str) -> Result<&'static str, String> {
    let known = REASONS.into_iter().find(|reason| *reason == text);
    known.ok_or_else(|| format!("reason {text:?} is not one of {}", REASONS.join(", ")))
}

/// The columns that a file of rows needs, beside one of returns.
const NEEDED: [&str; 5] = ["article_id", "symbol", "available_at", "entry_at", "score"];

/// Further columns of a file of rows that are read.
const OPTIONAL: [&str; 15] = [
    "provider",
    "publisher",
    "title",
    "asked_as",
    "label",
    "model",
    "model_revision",
    "bar_width_s",
    "relevance",
    "phase",
    "reason",
    "unscored",
    "flag_possible_split",
    "flag_stale",
    "flag_gap",
];

/// The rows of a file with columns of table `impact`.
///
/// # Errors
/// The file can't be read, lacks a column, or has a value that can't be used.
pub fn of_file(path: &Path) -> anyhow::Result<Stored> {
    let returns = Horizon::ALL.map(Horizon::return_column);
    let abnormal = Horizon::ALL.map(Horizon::abnormal_column);
    let wanted: Vec<&str> = NEEDED.iter().chain(&OPTIONAL).chain(&returns).chain(&abnormal).copied().collect();
    let mut reader = Reader::open(path, &Options::default())?;
    let place = path.display();
    if let Some(columns) = reader.columns()
        && let Some(missing) = NEEDED.iter().find(|name| columns.iter().all(|own| &**own != **name))
    {
        bail!("{}", no_column(&place.to_string(), missing, columns));
    }
    // Rows of JSON have no header, and each has fields of its own.
    let mut others = OtherReturns::default();
    let has_header = reader.columns().is_some();
    reader.columns().into_iter().flatten().for_each(|name| others.add(name));
    reader.only(&wanted)?;
    let (mut rows, mut seen) = (Vec::<Row>::new(), HashSet::new());
    let mut first: HashMap<(String, String, Option<Symbol>), u64> = HashMap::new();
    let bar = progress_bar();
    for row in reader {
        let row = row?.map_err(|bad| anyhow::anyhow!("{place} row {}: {}", bad.number, bad.reason))?;
        seen.extend(wanted.iter().copied().filter(|name| row.get(name).is_some()));
        if !has_header {
            row.fields.iter().for_each(|(name, _)| others.add(name));
        }
        let number = row.number;
        let row = of_file_row(&row).map_err(|wrong| anyhow::anyhow!("{place} row {number}: {wrong}"))?;
        let key = (row.provider.clone(), row.article_id.clone(), row.symbol.clone());
        if let Some(before) = first.insert(key, number) {
            bail!(
                "{place} row {number} has the provider, article and symbol of row {before}; each combination may \
                 occur once. When you export table impact, select one run and use FINAL"
            );
        }
        rows.push(row);
        if rows.len() % 10_000 == 0 {
            bar.set_message(format!("read {} rows", rows.len()));
        }
    }
    bar.finish_and_clear();
    if let Some(missing) = NEEDED.iter().find(|name| !seen.contains(*name)) {
        bail!("{}", no_column(&place.to_string(), missing, &[]));
    }
    if !returns.iter().chain(&abnormal).any(|name| seen.contains(name)) {
        let there = others.names().map_or_else(String::new, |names| format!(" that can be studied, but {names}"));
        bail!("{place} has no column of returns{there}; name them as table impact does: {}", known_returns());
    }
    let mut facts = vec![format!("joined rows: {place}, {} rows", rows.len())];
    let untitled = || format!("{place} has no column title: a story that is told again counts each time");
    let notes = [(!seen.contains("title")).then(untitled), others.note(&place.to_string())];
    for note in notes.into_iter().flatten() {
        eprintln!("{note}");
        facts.push(note);
    }
    Ok(Stored { rows, facts })
}

/// Columns that are named as returns are, but by no horizon of table `impact`, in the order of the file.
#[derive(Default)]
struct OtherReturns(Vec<String>);

impl OtherReturns {
    fn add(&mut self, name: &str) {
        let start = |of: &str| name.get(..of.len()).is_some_and(|start| start.eq_ignore_ascii_case(of));
        let is_known = || Horizon::ALL.iter().any(|own| name == own.return_column() || name == own.abnormal_column());
        if (start("ret_") || start("ar_")) && !is_known() && !self.0.iter().any(|own| own == name) {
            self.0.push(name.to_owned());
        }
    }

    fn names(&self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.join(", "))
    }

    /// What a person should know of them.
    fn note(&self, place: &str) -> Option<String> {
        let names = self.names()?;
        Some(format!("{place}: {names}: not studied, since no horizon has this name; known are {}", known_returns()))
    }
}

/// The columns of returns that are studied, in words.
fn known_returns() -> String {
    let names = Horizon::ALL.map(Horizon::return_column).join(", ");
    format!("{names}, and the same with ar_ for abnormal returns")
}

/// The error for a file without a column that it needs.
fn no_column(place: &str, missing: &str, columns: &[Arc<str>]) -> String {
    let there = match columns {
        [] => String::new(),
        columns => format!(", but {}", columns.join(", ")),
    };
    format!(
        "{place} has no column {missing}{there}; it needs {}, and a return such as ret_5m or ar_5m",
        NEEDED.join(", ")
    )
}

/// Why a row lacks a value that it needs: it is empty, or no field has this name.
fn lacks(row: &FileRow, name: &str) -> String {
    match row.get(name) {
        Some(_) => format!("{name} is empty"),
        None => {
            let names: Vec<&str> = row.fields.iter().map(|(name, _)| &**name).collect();
            format!("it has no {name}; it has {}", names.join(", "))
        }
    }
}

fn of_file_row(row: &FileRow) -> Result<Row, String> {
    let horizons = |column: fn(Horizon) -> &'static str| -> Result<PerHorizon, String> {
        let mut all = PerHorizon::default();
        for (value, horizon) in all.iter_mut().zip(Horizon::ALL) {
            *value = number(row, column(horizon))?;
        }
        Ok(all)
    };
    let symbol = text(row, "symbol")?;
    let symbol = symbol.map(|symbol| Symbol::new(&symbol)).transpose().map_err(|wrong| format!("symbol: {wrong}"))?;
    let reason = text(row, "reason")?.or(text(row, "unscored")?);
    let phase_name = text(row, "phase")?;
    let available_at = moment(row, "available_at")?.ok_or_else(|| lacks(row, "available_at"))?;
    let entry_at = moment(row, "entry_at")?;
    if let Some(entry_at) = entry_at.filter(|&entry_at| entry_at <= available_at) {
        return Err(format!(
            "entry_at {entry_at} is not after available_at {available_at}, when the news became known"
        ));
    }
    let of_day = phase_name
        .as_deref()
        .map(|name| phase(name).ok_or_else(|| format!("phase {name:?} is not one of {}", Phase::NAMES.join(", "))));
    Ok(Row {
        symbol,
        provider: text(row, "provider")?.unwrap_or_default(),
        publisher: text(row, "publisher")?.unwrap_or_default(),
        article_id: text(row, "article_id")?.ok_or_else(|| lacks(row, "article_id"))?,
        // A word for a missing title in all rows would make one story of them.
        title: text(row, "title")?.filter(|title| !is_missing_text(title)).unwrap_or_default(),
        asked_as: text(row, "asked_as")?,
        available_at,
        entry_at,
        score: number(row, "score")?,
        label: label(&text(row, "label")?.unwrap_or_default())?,
        model: text(row, "model")?
            .map(|model| Ok::<_, String>((model, text(row, "model_revision")?.unwrap_or_default())))
            .transpose()?,
        bar_width_s: number(row, "bar_width_s")?.map(seconds).transpose()?,
        relevance: number(row, "relevance")?,
        phase: of_day.transpose()?,
        reason: reason.as_deref().map(named_reason).transpose()?,
        returns: horizons(Horizon::return_column)?,
        abnormal: horizons(Horizon::abnormal_column)?,
        flags: Flags {
            possible_split: flag(row, "flag_possible_split")?,
            stale: flag(row, "flag_stale")?,
            gap: flag(row, "flag_gap")?,
        },
    })
}

/// A width of bars in whole seconds.
fn seconds(width: f64) -> Result<u32, String> {
    if width.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&width) {
        return Ok(width as u32);
    }
    Err(format!("bar_width_s: {width} is not a whole number of seconds of at least 1"))
}

/// Whether a flag is set; one that is missing or empty is not.
fn flag(row: &FileRow, name: &str) -> Result<bool, String> {
    let words = match row.get(name) {
        None | Some(Value::Null) => return Ok(false),
        Some(Value::Bool(flag)) => return Ok(*flag),
        Some(Value::Text(words) | Value::Number(words)) => words.trim(),
        Some(other) => return Err(format!("{name}: {} is not true or false", other.to_json())),
    };
    match words.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" | "" => Ok(false),
        _ => Err(format!("{name}: {words:?} is not true or false")),
    }
}

/// A text; `None` if it is empty.
fn text(row: &FileRow, name: &str) -> Result<Option<String>, String> {
    match row.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text) | Value::Number(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(other) => Err(format!("{name}: {} is not a text", other.to_json())),
    }
}

fn number(row: &FileRow, name: &str) -> Result<Option<f64>, String> {
    let digits = match row.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(digits) | Value::Text(digits)) => digits.trim(),
        Some(other) => return Err(format!("{name}: {} is not a number", other.to_json())),
    };
    if digits.is_empty() {
        return Ok(None);
    }
    let finite = digits.parse::<f64>().ok().filter(|number| number.is_finite());
    let wrong = || format!("{name}: {digits:?} is not a finite number; leave out a value that is not known");
    finite.map(Some).ok_or_else(wrong)
}

fn moment(row: &FileRow, name: &str) -> Result<Option<Timestamp>, String> {
    let at = match row.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Instant(at)) => *at,
        Some(Value::Text(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::Text(text)) => text
            .trim()
            .parse()
            .map_err(|_| format!("{name}: {text:?} is not a time with its zone; write it as 2024-07-01T14:00:00Z"))?,
        Some(other) => {
            let value = other.to_json();
            return Err(format!("{name}: {value} is not a time with its zone; write it as 2024-07-01T14:00:00Z"));
        }
    };
    Ok(Timestamp::from_microsecond(at.as_microsecond()).ok())
}

/// The closes of the sessions around the entries of a run.
///
/// # Errors
/// As [`of_run`].
pub async fn closes_of_run(
    config: &Config,
    run: &str,
    benchmark: Option<&Symbol>,
    rows: &[Row],
    shutdown: &Shutdown,
) -> anyhow::Result<SessionCloses> {
    let mut closes = SessionCloses::new(config.join.clone());
    let run = Run::named(run);
    for action in stored::actions(&config.clickhouse, &run).await? {
        closes.add_action(of_action(action)?);
    }
    let entries = rows.iter().filter_map(|row| row.entry_at);
    let (Some(first), Some(last)) = (entries.clone().min(), entries.max()) else { return Ok(closes) };
    // More calendar days than these sessions span, with weekends and holidays.
    let days = |sessions: usize| jiff::SignedDuration::from_hours(24 * (sessions as i64 * 8 / 5 + 10));
    let from = first.saturating_sub(days(ESTIMATION_DAYS + GAP_DAYS)).unwrap_or(Timestamp::MIN);
    let until = last.saturating_add(days(MAXIMUM_DAYS)).unwrap_or(Timestamp::MAX);
    let bar = progress_bar();
    let (mut count, mut wrong) = (0_u64, None);
    let name = benchmark.map_or("", Symbol::as_str);
    let span = (from.as_microsecond(), until.as_microsecond());
    let reading = stored::bars(&config.clickhouse, &run, name, span, |stored| {
        count += 1;
        if count.is_multiple_of(100_000) {
            bar.set_message(format!("read {count} bars"));
        }
        match of_bar(&stored) {
            Ok(bar) => closes.add_bar(&bar),
            Err(error) => wrong = Some(error),
        }
    });
    shutdown.run_until_cancelled(reading).await.context("interrupted; nothing was written")??;
    bar.finish_and_clear();
    wrong.map_or(Ok(closes), Err)
}

/// A bar of table `bars` with its open and close only: volume is 0, high and low are the larger and smaller of the two.
///
/// # Errors
/// Its symbol or start can't be used.
pub(super) fn of_bar(stored: &StoredBar) -> anyhow::Result<Bar> {
    let what = || format!("a bar of table bars, of {:?} at {} microseconds", stored.symbol, stored.start);
    let start = Timestamp::from_microsecond(stored.start).with_context(what)?;
    Ok(Bar {
        symbol: Symbol::new(&stored.symbol).with_context(what)?,
        start,
        width_s: stored.width_s,
        open: stored.open,
        high: stored.open.max(stored.close),
        low: stored.open.min(stored.close),
        close: stored.close,
        volume: 0.0,
        vwap: None,
        trades: None,
        received_at: Timestamp::from_microsecond(stored.received_at).with_context(what)?,
    })
}

/// A split or a dividend of table `actions`.
///
/// # Errors
/// It has no amount, or its symbol or day can't be used.
pub(super) fn of_action(stored: StoredAction) -> anyhow::Result<CorporateAction> {
    let what = format!("{} of {} on {}", stored.kind, stored.symbol, stored.ex_date);
    let kind = match (stored.split_from, stored.split_to, stored.amount) {
        (Some(from), Some(to), _) => ActionKind::Split { from, to },
        (_, _, Some(amount)) => ActionKind::Dividend { amount, currency: stored.currency },
        _ => bail!("{what} has neither a split's shares nor a dividend's amount"),
    };
    Ok(CorporateAction {
        symbol: Symbol::new(&stored.symbol).with_context(|| what.clone())?,
        ex_date: stored.ex_date.parse().with_context(|| what.clone())?,
        id: stored.id,
        kind,
        received_at: Timestamp::UNIX_EPOCH,
    })
}

/// The closes of the sessions in files of bars, the benchmark, and the calendars. The calendars may differ from the
/// configured ones, because bars on weekends show which symbols are traded at all hours.
///
/// # Errors
/// A file can't be read, or a setting is wrong.
pub async fn closes_of_files(
    reading: &Reading,
    config: &Config,
    shutdown: &Shutdown,
) -> anyhow::Result<(SessionCloses, Option<Symbol>, Calendars)> {
    let options = reading.options(config)?;
    let inputs = Inputs { news: Vec::new(), bars: reading.inputs().bars };
    let prepared = prepare(inputs, options, shutdown, "nothing was written").await?;
    let mut config = config.clone();
    set_markets(&mut config, prepared.options());
    // If the files have no bars of the benchmark that was asked for, `prepare` may have put another one in its place.
    let benchmark = prepared.options().benchmark.clone();
    let Records { actions, bars, .. } = prepared.into_records();
    let calendars = config.join.calendars.clone();
    let mut closes = SessionCloses::new(config.join);
    actions.into_iter().for_each(|action| closes.add_action(action));
    bars.take_while(|_| !shutdown.is_cancelled()).for_each(|bar| closes.add_bar(&bar));
    if shutdown.is_cancelled() {
        bail!("interrupted; nothing was written");
    }
    Ok((closes, benchmark, calendars))
}
