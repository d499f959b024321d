//! The pipeline in one process, without servers: from files to joined rows, with the same code as the stages.

pub mod again;
pub mod nameless;
pub mod output;
pub mod scores;
mod shifted;
pub mod stored;

use crate::commands::reading::{Reading, prepare, progress_bar, set_markets};
use crate::config::Config;
use crate::roles;
use anyhow::Context as _;
use std::path::PathBuf;
use tapewire_core::exchange::Calendars;
use tapewire_core::{Impact, Symbol};
use tapewire_ingest::replay::{Records, Rejected};
use tapewire_joiner::JoinerError;
use tapewire_joiner::join::{JoinConfig, SessionCloses, batch};
use tapewire_runtime::Shutdown;
use tapewire_study::panels::{Shift, Shifted};

/// What an interrupted command has written, for its message.
const NOTHING: &str = "nothing was written";

/// The joined rows of files.
pub struct Joined {
    /// The rows, ordered by symbol, provider and article.
    pub rows: Vec<Impact>,
    /// The same mentions, joined as if their news had been available at other moments.
    pub shifted: Vec<Shifted>,
    /// The benchmark, if it has bars, so that rows may have abnormal returns.
    pub benchmark: Option<Symbol>,
    /// Closes of all sessions, if they were asked for.
    pub closes: Option<SessionCloses>,
    /// The market of each symbol.
    pub calendars: Calendars,
    /// Whether there is a benchmark with bars, so that rows may have abnormal returns.
    pub has_benchmark: bool,
    /// Rows of the files that can't be used, or not all of them.
    pub rejected: Vec<Rejected>,
    /// What a report says about where its rows are from.
    pub facts: Vec<String>,
}

/// Reads, scores and joins, also for the moments that `shifts` names; `with_closes` also keeps the closes of all sessions.
/// Rows are those of table `impact` after `tapewire replay` with the same flags and settings.
///
/// # Errors
/// A file can't be read, a text can't be scored, a setting is wrong, or a signal came.
pub async fn joined(
    reading: &Reading,
    mut config: Config,
    kept_scores: Option<PathBuf>,
    with_closes: bool,
    shifts: &'static [Shift],
    shutdown: &Shutdown,
) -> anyhow::Result<Joined> {
    let options = reading.options(&config)?;
    config.join.validate()?;
    let inputs = reading.inputs();
    let files = |what: &str, paths: &[PathBuf]| {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        format!("{what}: {}", paths.join(", "))
    };
    let mut facts = vec![files("news", &inputs.news), files("bars", &inputs.bars)];
    let prepared = prepare(inputs, options, shutdown, NOTHING).await?;
    set_markets(&mut config, prepared.options());
    let companies = config.sentiment.companies()?;
    facts.extend(prepared.notes().into_iter().chain(nameless::note(prepared.articles(), &companies)).map(printed));
    let benchmark = prepared.options().benchmark.clone();
    let benchmarks: Vec<String> = prepared.options().benchmarks().map(ToString::to_string).collect();
    let records = prepared.into_records();
    facts.push(format!("{} articles, {} bars", records.summary.articles, records.summary.bars));
    let has_benchmark = records.has_benchmark;
    let benchmark = benchmark.filter(|_| has_benchmark);
    facts.push(match has_benchmark {
        true => format!("benchmark: {}", benchmarks.join(", ")),
        false => "benchmark: none".to_owned(),
    });
    let loading = shutdown.run_until_cancelled(roles::load_engine(&config)).await;
    let engine = loading.with_context(|| format!("interrupted; {NOTHING}"))??;
    facts.push(format!("model: {} {}", engine.name(), engine.revision()));
    let Records { run, actions, bars, articles, rejected, .. } = records;
    let (stop, settings, of_run) = (shutdown.clone(), config.sentiment.clone(), run.clone());
    let scoring = tokio::task::spawn_blocking(move || {
        scores::mentions(&of_run, &articles, &companies, &engine, &settings, kept_scores.as_deref(), &stop)
    });
    let mentions = scoring.await.context("scoring panicked")??;
    let bar = progress_bar();
    bar.set_message("joining");
    let calendars = config.join.calendars.clone();
    let (join, stop) = (config.join, shutdown.clone());
    let mut closes = with_closes.then(|| SessionCloses::new(join.clone()));
    let joining = tokio::task::spawn_blocking(move || -> Result<_, JoinerError> {
        if let Some(closes) = &mut closes {
            actions.iter().for_each(|action| closes.add_action(action.clone()));
        }
        // After a signal the join ends early, and its rows are not used.
        let bars = bars.take_while(|_| !stop.is_cancelled());
        let bars = bars.inspect(|bar| closes.iter_mut().for_each(|closes| closes.add_bar(bar)));
        let mentions = shifted::with_shifted(mentions, shifts, &join.calendars);
        let rows = join_all(&run, join, actions, bars, mentions, &stop)?;
        Ok((rows, closes))
    });
    let (rows, closes) = joining.await.context("joining panicked")??;
    bar.finish_and_clear();
    if shutdown.is_cancelled() {
        anyhow::bail!("interrupted; {NOTHING}, and scores that are kept are not computed again");
    }
    let (rows, shifted) = shifted::apart(rows, shifts);
    facts.extend(without_abnormal(&rows).filter(|_| has_benchmark).map(printed));
    Ok(Joined { rows, shifted, benchmark, closes, calendars, has_benchmark, rejected, facts })
}

/// Prints what a person should know, which a report has among its facts, too.
pub fn printed(note: String) -> String {
    eprintln!("{note}");
    note
}

/// Why rows have no abnormal return though the benchmark has bars, where that is known of all rows, or of those with bars of a
/// day.
fn without_abnormal(rows: &[Impact]) -> Option<String> {
    let entered: Vec<&Impact> = rows.iter().filter(|row| row.entry_at.is_some()).collect();
    let of_days = entered.iter().filter(|row| row.bar_width_s.is_some_and(|width| width >= DAY_S)).count();
    if of_days > 0 {
        return Some(format!(
            "{of_days} of {} rows with an entry are joined with bars of a day, so they have no abnormal return (ar_*): the \
             market model is estimated from returns within sessions, and bars of a day have none",
            entered.len()
        ));
    }
    let has_none = entered.iter().all(|row| row.abnormal.iter().all(Option::is_none));
    (has_none && !entered.is_empty()).then(|| {
        "no row has an abnormal return (ar_*): the market model needs 30 returns of the symbol and the benchmark within the 20 \
         sessions before that of the entry; give bars that begin a few weeks before the news, or narrower ones"
            .to_owned()
    })
}

/// Bars of a day or more have no return within a session.
const DAY_S: u32 = 86_400;

fn join_all(
    run: &tapewire_core::Run,
    config: JoinConfig,
    actions: Vec<tapewire_core::CorporateAction>,
    bars: impl Iterator<Item = tapewire_core::Bar>,
    mentions: Vec<tapewire_core::Mention>,
    stop: &Shutdown,
) -> Result<Vec<Impact>, JoinerError> {
    let mentions = mentions.into_iter().take_while(|_| !stop.is_cancelled());
    batch::join(run, config, actions, bars, mentions)
}
