//! Splits and dividends of a feed's symbols.
//!
//! They are fetched at the start, before the gap is filled, and then every `actions_every`. Each time, all listed
//! actions are sent; an action that is sent again has the same key, so it does not count twice. An action that is no
//! longer listed was withdrawn or moved to another day: its withdrawn version is sent. Where a list has no action of a
//! symbol any more, the answer may have been empty by a fault of the provider: then nothing is withdrawn before the next
//! fetch shows the same. The state file `actions-NAME.json` holds what has been sent. A failure here does not stop the feed.

use super::PriceFeedConfig;
use crate::IngestError;
use crate::providers::{ActionList, ActionsRequest, Cursor, Page, PageGuard, PriceSource, ProviderError};
use crate::state::StateFile;
use crate::writer::Writer;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tapewire_bus::DeadLetters;
use tapewire_core::tape::ActionKind;
use tapewire_core::{CorporateAction, Symbol};
use tapewire_runtime::{Backoff, Clock, chain};
use tokio::sync::Notify;

/// The shortest time back for which actions are asked for: the joiner compares volumes over 20 sessions.
const LEAST_HISTORY: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How many days ahead announced actions are asked for.
const DAYS_AHEAD: i64 = 7;

/// Two splits of a symbol by the same ratio within this time are one split, whose date was moved.
const SAME_SPLIT: SignedDuration = SignedDuration::from_hours(45 * 24);

/// Longest wait after a failed attempt, in market time.
const LONGEST_RETRY: Duration = Duration::from_secs(3600);

/// The key of an action: symbol, ex-date, whether it is a split, id.
pub(super) type Key = (Symbol, Date, bool, String);

/// Follows the splits and dividends of one price source.
pub(super) struct ActionsFollower {
    pub config: PriceFeedConfig,
    pub source: Arc<dyn PriceSource>,
    pub clock: Clock,
    pub writer: Writer,
    pub dead_letters: DeadLetters,
    pub state: StateFile<Vec<CorporateAction>>,
    /// The actions that have been sent, without those that were withdrawn since or are too old.
    pub sent: Vec<CorporateAction>,
    /// The actions that the last fetch did not list, nor any other of their symbol and list.
    pub unconfirmed: HashSet<Key>,
}

/// What was read from the lists of a source.
#[derive(Default)]
struct Listed {
    /// The actions of our symbols.
    actions: BTreeMap<Key, CorporateAction>,
    /// The lists that were read completely, without a reject. Actions that are missing from these are withdrawn.
    whole: Vec<ActionList>,
    /// Whether the source has any list.
    is_offered: bool,
}

impl ActionsFollower {
    /// Fetches again and again, at first the actions since `since`. `settled` is notified when these have been sent, or
    /// when the first attempt has failed.
    pub async fn follow(mut self, since: Timestamp, settled: &Notify) -> Infallible {
        let mut next_since = Some(since);
        loop {
            let now = self.clock.now();
            let since = next_since.unwrap_or(now).min(self.history(now));
            let wait = match self.update(since, now, settled).await {
                Ok(true) => {
                    next_since = None;
                    self.config.actions_every
                }
                Ok(false) => {
                    tracing::info!(
                        source = self.source.name(),
                        "the source has no splits or dividends; outcomes across one are not adjusted"
                    );
                    settled.notify_one();
                    return std::future::pending().await;
                }
                Err(error) => self.failed(&error),
            };
            settled.notify_one();
            self.clock.sleep(wait).await;
        }
    }

    /// Logs the error, and returns how long to wait before the next attempt.
    fn failed(&self, error: &IngestError) -> Duration {
        let is_refused = matches!(error, IngestError::Provider(ProviderError::NotAuthorized { .. }));
        let is_full = matches!(error, IngestError::DiskFull { .. });
        let every = self.config.actions_every;
        let wait = if is_refused { every } else { every.min(LONGEST_RETRY) };
        let (source, error, wait_s) = (self.source.name(), chain(error), wait.as_secs_f64());
        if is_refused {
            tracing::error!(
                source,
                error,
                wait_s,
                "the provider refuses the key for splits and dividends; until they are fetched, outcomes across a new one are \
                 not adjusted; check the key and what your plan includes"
            );
        } else if is_full {
            tracing::error!(
                source,
                error,
                wait_s,
                "splits and dividends are not sent while it can't be noted which were; until they are, outcomes across a new one \
                 are not adjusted; trying again"
            );
        } else {
            tracing::warn!(
                source,
                error,
                wait_s,
                "splits and dividends could not be fetched; until they are, outcomes across a new one are not adjusted"
            );
        }
        wait
    }

    fn history(&self, now: Timestamp) -> Timestamp {
        let warmup = SignedDuration::try_from(self.config.warmup).unwrap_or(SignedDuration::MAX);
        now.saturating_sub(warmup.max(LEAST_HISTORY)).unwrap_or(Timestamp::MIN)
    }

    /// Fetches and sends once. Returns `false` if the source has no lists of actions.
    async fn update(&mut self, since: Timestamp, now: Timestamp, settled: &Notify) -> Result<bool, IngestError> {
        let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
        let (from, to) = (day(since), day(now).saturating_add(Span::new().days(DAYS_AHEAD)));
        let mut listed = self.listed(from, to, settled).await?;
        if !listed.is_offered {
            return Ok(false);
        }
        for (symbol, date) in remove_moved(&mut listed.actions) {
            tracing::warn!(
                source = self.source.name(), %symbol, %date,
                "a split is listed twice, for two days; this one, the earlier, is left out"
            );
        }
        let is_missing = |action: &CorporateAction| {
            (from..=to).contains(&action.ex_date)
                && self.config.symbols.contains(&action.symbol)
                && listed.whole.contains(&list_of(action))
                && !listed.actions.contains_key(&key(action))
        };
        let parts: HashSet<(&Symbol, ActionList)> =
            listed.actions.values().map(|action| (&action.symbol, list_of(action))).collect();
        let is_alone = |action: &CorporateAction| !parts.contains(&(&action.symbol, list_of(action)));
        let alone = self.sent.iter().filter(|action| is_missing(action) && is_alone(action)).map(key).collect();
        let is_withdrawn = |action: &CorporateAction| {
            is_missing(action) && (!is_alone(action) || self.unconfirmed.contains(&key(action)))
        };
        let is_kept = |action: &&CorporateAction| action.ex_date >= from && !listed.actions.contains_key(&key(action));
        let others: Vec<CorporateAction> = self.sent.iter().filter(is_kept).cloned().collect();
        let (withdrawn, kept): (Vec<_>, Vec<_>) = others.into_iter().partition(is_withdrawn);
        self.wait_for_confirmation(alone);
        // The state is saved before anything is sent: an action that may be on the topic must be known when it is no
        // longer listed.
        let current: Vec<CorporateAction> = listed.actions.into_values().chain(kept).collect();
        self.sent = current.iter().chain(&withdrawn).cloned().collect();
        self.state.save(&self.sent).await?;
        for action in &withdrawn {
            let (source, symbol) = (self.source.name(), action.symbol.as_str());
            tracing::warn!(
                source, symbol, ex_date = %action.ex_date, id = action.id,
                "a split or dividend is no longer listed; it is withdrawn, and outcomes across its day are joined again"
            );
            // The time must not be before that of the version it replaces, even if the clock was set back.
            let at = now.max(action.received_at);
            self.writer.action(action.clone().withdrawn(at)).await?;
        }
        let count = current.len();
        for action in &current {
            self.writer.action(action.clone()).await?;
        }
        self.writer.flush().await?;
        if !withdrawn.is_empty() {
            self.sent = current;
            self.state.save(&self.sent).await?;
        }
        let source = self.source.name().to_owned();
        metrics::gauge!("tapewire_actions_known", "source" => source.clone()).set(count as f64);
        metrics::gauge!("tapewire_actions_fetched_timestamp_seconds", "source" => source).set(now.as_second() as f64);
        Ok(true)
    }

    /// Keeps what is missing from this fetch, with all others of its symbol and list, for the next one to confirm.
    fn wait_for_confirmation(&mut self, missing: HashSet<Key>) {
        let actions = missing.difference(&self.unconfirmed).count();
        self.unconfirmed = missing;
        if actions > 0 {
            tracing::warn!(
                source = self.source.name(),
                actions,
                "all splits or all dividends of a symbol are no longer listed; they are kept, and withdrawn if the next fetch \
                 does not list them either"
            );
        }
    }

    /// All listed actions of our symbols with an ex-date within `from..=to`.
    async fn listed(&self, from: Date, to: Date, settled: &Notify) -> Result<Listed, IngestError> {
        let mut listed = Listed::default();
        for list in ActionList::ALL {
            let request = ActionsRequest { list, symbols: self.config.symbols.clone(), from, to };
            let pages = match self.pages(&request, settled).await {
                Ok(pages) => pages,
                Err(IngestError::Provider(ProviderError::Unsupported { .. })) => continue,
                Err(error) => return Err(error),
            };
            listed.is_offered = true;
            if pages.iter().all(|page| page.rejects.is_empty()) {
                listed.whole.push(list);
            }
            for page in pages {
                let origin = format!("{} {}", self.source.name(), page.origin);
                for reject in page.rejects {
                    self.dead_letters.publish(&origin, &reject.reason, &reject.bytes).await?;
                }
                let ours = page.items.into_iter().filter(|action| {
                    self.config.symbols.contains(&action.symbol) && (from..=to).contains(&action.ex_date)
                });
                listed.actions.extend(ours.map(|action| (key(&action), action)));
            }
        }
        Ok(listed)
    }

    /// Every page of a list.
    async fn pages(
        &self,
        request: &ActionsRequest,
        settled: &Notify,
    ) -> Result<Vec<Page<CorporateAction>>, IngestError> {
        let (mut pages, mut cursor, mut guard) = (Vec::new(), None, PageGuard::of_symbols(request.symbols.len()));
        loop {
            let page = self.page_with_retry(request, cursor.as_ref(), settled).await?;
            let next = guard.next(self.source.name(), &page, key)?;
            pages.push(page);
            match next {
                None => return Ok(pages),
                next => cursor = next,
            }
        }
    }

    /// Fetches a page, and retries as long as a retry can help.
    async fn page_with_retry(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
        settled: &Notify,
    ) -> Result<Page<CorporateAction>, IngestError> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        loop {
            let error = match self.source.actions_page(request, cursor).await {
                Ok(page) => return Ok(page),
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error.into()),
            };
            // Bars must not wait for a source that does not answer.
            settled.notify_one();
            let wait = backoff.next_wait_at_least(error.retry_after());
            tracing::warn!(
                source = self.source.name(),
                error = chain(&error),
                wait_s = wait.as_secs_f64(),
                list = request.list.name(),
                "fetching splits or dividends failed; retrying"
            );
            self.clock.sleep(wait).await;
        }
    }
}

/// Removes splits that are listed again, by the same ratio, for a later day. Returns the symbols and days of the
/// removed ones.
fn remove_moved(actions: &mut BTreeMap<Key, CorporateAction>) -> Vec<(Symbol, Date)> {
    let splits: Vec<(Key, ActionKind)> =
        actions.iter().filter(|(key, _)| key.2).map(|(key, action)| (key.clone(), action.kind.clone())).collect();
    let is_moved = |(key, kind): &&(Key, ActionKind)| {
        splits.iter().any(|(other, other_kind)| {
            let later = other.1.duration_since(key.1);
            key.0 == other.0 && kind == other_kind && later > SignedDuration::ZERO && later <= SAME_SPLIT
        })
    };
    let moved: Vec<&Key> = splits.iter().filter(is_moved).map(|(key, _)| key).collect();
    moved
        .into_iter()
        .map(|key| {
            actions.remove(key);
            (key.0.clone(), key.1)
        })
        .collect()
}

fn list_of(action: &CorporateAction) -> ActionList {
    match action.kind {
        ActionKind::Split { .. } => ActionList::Splits,
        ActionKind::Dividend { .. } => ActionList::Dividends,
    }
}

fn key(action: &CorporateAction) -> Key {
    (action.symbol.clone(), action.ex_date, list_of(action) == ActionList::Splits, action.id.clone())
}
