//! Backfill: news, bars of a minute and of a day, splits and dividends of past days from the configured sources, as a run of their own.
//!
//! In the live run an article that is fetched today counts as known from today on, which is right there and useless for a
//! study of last year. So a backfill is a run of its own, like a replay of files: an article counts as known a configured
//! delay after its publication, a bar when it ends. What providers show today is the archive as it is today: an article
//! that was edited since has its last text. Where a provider says when it had an article, or when that was last edited, the
//! delay counts from then, because before nobody could have this text.
//!
//! Days are those of UTC. For each source, and each symbol of a price source, the state file says from which day on
//! something is missing. It is written after the broker has acknowledged everything before that day, so a backfill that was
//! interrupted goes on there, and what is sent twice has the same keys. Days that a price source can't show any more are not
//! noted as done.

mod daily;
mod prices;
mod progress;
#[cfg(test)]
mod tests;

pub use progress::{Progress, Sources};

use crate::IngestError;
use crate::providers::{
    BarWidth, KnownFrom, NewsRequest, NewsSource, Page, PageGuard, PriceSource, ProvidersConfig, Reject,
};
use crate::state::StateFile;
use crate::writer::{Sent, WatermarkStream, Writer};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use progress::{Days, State};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tapewire_bus::{DeadLetters, Producer};
use tapewire_core::exchange::Calendars;
use tapewire_core::{Article, Run, Symbol, Watermark};
use tapewire_runtime::{Backoff, Clock, chain};

/// Stage of the dead letters.
pub(crate) const STAGE: &str = "backfill";

/// How often in a row a request may fail before the backfill ends with the error. It goes on there when it is run again.
const ATTEMPTS: u32 = 10;

/// What is fetched, and how it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackfillOptions {
    /// The run that everything belongs to.
    pub run: Run,
    /// First day, UTC.
    pub from: Date,
    /// Last day, UTC.
    pub to: Date,
    /// The time from publication until an article counts as known; where the provider says when it had this text, from then.
    pub delay: Duration,
    /// The time between two requests to the same source, on the wall clock.
    pub pause: Duration,
    /// How wide the bars are that are fetched.
    pub widths: BTreeSet<BarWidth>,
    /// First day of the daily bars, UTC; at most [`BackfillOptions::from`].
    pub daily_from: Date,
    /// Where symbols are traded: a daily bar is that of a session.
    pub calendars: Calendars,
    /// Benchmarks, whose bars go to every partition.
    pub benchmarks: Vec<Symbol>,
    /// News sources whose articles get the companies that are found in them, where the provider names none.
    pub find_companies: Vec<String>,
    /// Whether what was sent before is sent again.
    pub again: bool,
}

impl BackfillOptions {
    /// The first day of bars of a width.
    fn first_day(&self, width: BarWidth) -> Date {
        match width {
            BarWidth::Minute => self.from,
            BarWidth::Day => self.daily_from,
        }
    }
}

/// What a backfill has sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filled {
    /// Articles.
    pub articles: u64,
    /// Bars.
    pub bars: u64,
    /// Splits and dividends.
    pub actions: u64,
    /// Items that could not be read, or only in part, and became dead letters.
    pub dead_letters: u64,
    /// Articles and bars by id.
    pub sent: Sent,
    /// Remarks for a person, such as lists that a source does not have.
    pub remarks: Vec<String>,
    /// Whether everything had been sent before.
    pub was_complete: bool,
}

/// Fetches what is missing of the range and sends it: splits and dividends, bars, news, and at the end
/// [`Watermark::END`]. `report` is told how far it is.
///
/// # Errors
/// [`IngestError::Config`] if the run was begun with another range or delay, or a source has no past, or none of these days;
/// any error of a provider that did not go away. What was acknowledged before it is noted.
pub async fn run(
    options: BackfillOptions,
    sources: Sources,
    providers: &ProvidersConfig,
    state_folder: &Path,
    producer: Producer,
    clock: Clock,
    report: impl FnMut(&Progress) + Send,
) -> Result<Filled, IngestError> {
    let file = StateFile::new(state_folder, &state_name(&options.run)?)?;
    let stored = if options.again { None } else { file.load()? };
    let state = State::continuing(stored, &options)?;
    let news = check_news(&sources.news, providers, &clock)?;
    let names: Vec<String> = sources.prices.iter().map(|(name, _)| name.clone()).collect();
    check_prices(&names, &options.widths, providers, &clock)?;
    let mut price_sources: Vec<Arc<dyn PriceSource>> = Vec::new();
    for (name, symbols) in &sources.prices {
        let source = providers.price_source(name, &clock)?;
        prices::check_past(&source, &state, &options, symbols, clock.now())?;
        price_sources.push(source);
    }
    let writer = Writer::new(producer.clone(), options.run.clone(), options.benchmarks.clone()).with_record_of_sent();
    let letters = DeadLetters::new(producer, clock.clone(), STAGE).of_run(&options.run);
    let progress = Progress::new(&options, &sources, &state, &clock);
    let filled = Filled { was_complete: state.ended && progress.is_done(), ..Filled::default() };
    let mut backfill = Backfill { options, writer, letters, clock, state, file, filled, progress, report };
    if backfill.filled.was_complete {
        return Ok(backfill.filled);
    }
    backfill.state.ended = false;
    for ((name, symbols), source) in sources.prices.iter().zip(&price_sources) {
        backfill.prices(name, source, symbols).await?;
    }
    for source in news {
        let is_searched = backfill.options.find_companies.iter().any(|name| name == source.name());
        let source = if is_searched { providers.with_companies(source) } else { source };
        backfill.news(&source).await?;
    }
    backfill.finish().await
}

/// The news sources of these names, all of which have a past.
///
/// # Errors
/// [`IngestError::Config`] if there is no such source or it shows only its latest items; [`IngestError::Provider`] if a
/// setting is missing.
pub fn check_news(
    names: &[String],
    providers: &ProvidersConfig,
    clock: &Clock,
) -> Result<Vec<Arc<dyn NewsSource>>, IngestError> {
    let source = |name: &String| {
        let source = providers.news_source(name, clock)?;
        source.check()?;
        if source.reaches_back() {
            return Ok(source);
        }
        let words = format!("{name} shows only its latest items, so it can't be backfilled; leave it out of --news");
        Err(IngestError::Config(words))
    };
    names.iter().map(source).collect()
}

/// Refuses price sources that lack bars of one of these widths.
///
/// # Errors
/// [`IngestError::Config`] if there is no such source or it has no daily bars, with the names of those that have;
/// [`IngestError::Provider`] if a setting is missing.
pub fn check_prices(
    names: &[String],
    widths: &BTreeSet<BarWidth>,
    providers: &ProvidersConfig,
    clock: &Clock,
) -> Result<(), IngestError> {
    if !widths.contains(&BarWidth::Day) {
        return Ok(());
    }
    for name in names {
        if !providers.price_source(name, clock)?.has_daily_bars() {
            let others = crate::providers::registry::with_daily_bars().join(", ");
            let words = format!("{name} has no daily bars; leave it out of --prices. These have daily bars: {others}");
            return Err(IngestError::Config(words));
        }
    }
    Ok(())
}

/// Refuses a name that a backfill can't have.
///
/// # Errors
/// [`IngestError::Config`].
pub fn check_run(run: &Run) -> Result<(), IngestError> {
    state_name(run).map(drop)
}

/// The name of the state file of a run, whose name has to be one of a file, too.
fn state_name(run: &Run) -> Result<String, IngestError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = run.as_str();
    if run.is_live() || name.is_empty() || !name.chars().all(is_plain) {
        let words = format!(
            "`{name}` can't be the name of a backfill: use letters, digits, `-`, `_` and `.`; what the run `live` misses its own \
             poller and feed fetch"
        );
        return Err(IngestError::Config(words));
    }
    Ok(format!("backfill-{name}.json"))
}

struct Backfill<Report> {
    options: BackfillOptions,
    writer: Writer,
    letters: DeadLetters,
    clock: Clock,
    state: State,
    file: StateFile<State>,
    filled: Filled,
    progress: Progress,
    report: Report,
}

/// The beginning of a day (UTC).
fn start_of(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn after(day: Date) -> Date {
    day.tomorrow().unwrap_or(Date::MAX)
}

impl<Report: FnMut(&Progress) + Send> Backfill<Report> {
    /// The news of one source, page by page from the first day that is missing.
    async fn news(&mut self, source: &Arc<dyn NewsSource>) -> Result<(), IngestError> {
        let name = source.name().to_owned();
        let end = start_of(after(self.options.to));
        let first = self.state.news_from(&name, self.options.from);
        let mut request = Some(NewsRequest::Since(start_of(first)));
        let mut guard = PageGuard::default();
        while let Some(asked) = request.take().filter(|_| first <= self.options.to) {
            let known = KnownFrom::default();
            let page = self.retried(&name, || known.collect(source.page(&asked))).await?;
            if source.was_cut() {
                return Err(IngestError::Config(format!(
                    "{name}: more articles were published since {first} than its pages hold; choose a later --from, or name \
                     fewer companies in its settings"
                )));
            }
            let last = page.items.iter().map(|article| article.published_at).max();
            let next = guard.next(&name, &page, |article| (article.id.clone(), article.revision))?;
            self.articles(page, &name, (start_of(first), end), &known).await?;
            let is_in_order = source.is_by_publication();
            let is_last = next.is_none() || is_in_order && last.is_some_and(|last| last >= end);
            // Pages are oldest first: with an article of a day, the days before it are complete.
            let missing_from = match is_last {
                true => after(self.options.to),
                false => last.filter(|_| is_in_order).map_or(first, day_of).max(first),
            };
            self.complete(Days::News(&name), missing_from).await?;
            request = next.map(NewsRequest::Next).filter(|_| !is_last);
        }
        Ok(())
    }

    async fn articles(
        &mut self,
        page: Page<Article>,
        name: &str,
        (from, end): (Timestamp, Timestamp),
        known: &KnownFrom,
    ) -> Result<(), IngestError> {
        let delay = SignedDuration::try_from(self.options.delay).unwrap_or(SignedDuration::MAX);
        let page = page.without_large_records();
        for article in page.items.into_iter().filter(|article| (from..end).contains(&article.published_at)) {
            // Not the time at which it is fetched now.
            let received_at = known.of(&article).saturating_add(delay).unwrap_or(Timestamp::MAX);
            self.writer.article(Article { received_at, ..article }).await?;
            self.filled.articles += 1;
        }
        self.rejects(&format!("{name} {}", page.origin), page.rejects).await
    }

    async fn rejects(&mut self, origin: &str, rejects: Vec<Reject>) -> Result<(), IngestError> {
        for Reject { reason, bytes } in rejects {
            self.letters.publish(origin, &reason, &bytes).await?;
            self.filled.dead_letters += 1;
        }
        Ok(())
    }

    /// Notes that everything before `missing_from` has been sent, once the broker has it.
    async fn complete(&mut self, of: Days<'_>, missing_from: Date) -> Result<(), IngestError> {
        self.writer.flush().await?;
        self.progress.reached(of, missing_from, &self.clock);
        if self.state.reached(of, missing_from) {
            self.file.save(&self.state).await?;
        }
        (self.report)(&self.progress);
        Ok(())
    }

    /// Asks until there is an answer, with the pause that the options want before each request.
    async fn retried<T, Asked>(&self, name: &str, ask: impl Fn() -> Asked) -> Result<T, IngestError>
    where
        Asked: Future<Output = Result<T, crate::providers::ProviderError>> + Send,
    {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut failures = 0;
        loop {
            tokio::time::sleep(self.options.pause).await;
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            if !error.is_retryable() || failures >= ATTEMPTS {
                return Err(error.into());
            }
            let wait = backoff.next_wait_at_least(error.retry_after());
            tracing::warn!(
                source = name,
                error = chain(&error),
                wait_s = wait.as_secs_f64(),
                "a request failed; retrying"
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Ends the run's streams, so that the join finalizes every row.
    async fn finish(mut self) -> Result<Filled, IngestError> {
        self.writer.emit_tape_watermark(&WatermarkStream::prices(0, 1, ""), Watermark::END).await?;
        self.writer.emit_news_watermark(&WatermarkStream::news(0, 1, ""), Watermark::END).await?;
        self.state.ended = true;
        self.file.save(&self.state).await?;
        Ok(Filled { sent: self.writer.take_sent(), ..self.filled })
    }
}
