//! Checks the tables, and sends what is due.

use crate::due::{Alert, SentAlerts};
use crate::target::{DeliveryError, Target};
use crate::{AlertError, AlertsConfig};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tapewire_runtime::{Backoff, Clock, Readiness, Shutdown, chain};
use tapewire_store::alerts::{anomalies, sent_alerts, shocks};
use tapewire_store::sources::{SourceKind, source_progress};
use tapewire_store::{ClickHouseConfig, Writer};

/// Name of the role, for readiness.
const STAGE: &str = "alerts";
/// The name of the table as a target: every alert is written to it.
const TABLE: &str = "table";
/// An anomaly is sent if its bar ended within this time, so those from an outage of this role of up to an hour are
/// sent late.
const ANOMALIES_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// The shortest time of the wall clock from one check to the next, however fast a simulation is.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
/// The longest bar.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The sources that have to make progress: not those that stand by for others.
pub type Watched = Vec<(SourceKind, String)>;

/// Sends alerts until shutdown. `watched` says which sources have to make progress now; it is asked before each check.
///
/// # Errors
/// [`AlertError::Address`]; an error of ClickHouse that a retry can't fix. Outages are waited out.
pub fn run<'a>(
    config: &'a AlertsConfig,
    clickhouse: &'a ClickHouseConfig,
    watched: impl Fn() -> Watched + Send + Sync + 'a,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), AlertError>> {
    Box::pin(async move {
        let mut alerts = Alerts::new(config, clickhouse, clock.clone(), shutdown.clone())?;
        let working = async {
            readiness.waiting(STAGE, "the first check of the tables is not complete");
            let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
            let in_wall_time = |wait: Duration| clock.wall_time_of(wait).max(SHORTEST_WAIT);
            loop {
                alerts.watch(watched());
                match alerts.run_once().await {
                    Ok(_) => {
                        backoff.reset();
                        readiness.ready(STAGE);
                        tokio::time::sleep(in_wall_time(config.every)).await;
                    }
                    Err(error) if error.is_retryable() => {
                        let (wait, error) = (in_wall_time(backoff.next_wait()), chain(&error));
                        tracing::warn!(error, wait_s = wait.as_secs_f64(), "could not look for alerts; trying again");
                        readiness.waiting(STAGE, &error);
                        tokio::time::sleep(wait).await;
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        shutdown.run_until_cancelled(working).await.unwrap_or(Ok(()))
    })
}

/// Finds alerts in the tables and sends them. It knows what was sent, and where to.
pub struct Alerts {
    config: AlertsConfig,
    clickhouse: ClickHouseConfig,
    /// The watched sources, each with the time since which it has been watched.
    watched: BTreeMap<(SourceKind, String), Timestamp>,
    clock: Clock,
    writer: Writer,
    targets: Vec<Target>,
    /// `None` until the table has been read.
    sent: Option<SentAlerts>,
}

impl Alerts {
    /// Alerts by these settings.
    ///
    /// # Errors
    /// [`AlertError::Address`].
    pub fn new(
        config: &AlertsConfig,
        clickhouse: &ClickHouseConfig,
        clock: Clock,
        shutdown: Shutdown,
    ) -> Result<Self, AlertError> {
        let addresses = [(Target::WEBHOOK, &config.webhook_url), (Target::SLACK, &config.slack_url)];
        let targets = addresses.into_iter().filter_map(|(name, url)| Some(Target::new(name, url.as_deref()?)));
        let targets = targets.collect::<Result<Vec<_>, _>>()?;
        if targets.is_empty() {
            tracing::info!(
                "alerts.webhook_url and alerts.slack_url are not set; alerts are only in the table `alerts`"
            );
        }
        Ok(Self {
            config: config.clone(),
            clickhouse: clickhouse.clone(),
            watched: BTreeMap::new(),
            clock,
            writer: Writer::new(clickhouse, shutdown),
            targets,
            sent: None,
        })
    }

    /// The sources that have to make progress from now on. One that was not among them has [`AlertsConfig::stale_after`]
    /// from now to do so.
    pub fn watch(&mut self, sources: Watched) {
        let (now, former) = (self.clock.now(), std::mem::take(&mut self.watched));
        let since = |source: &_| former.get(source).copied().unwrap_or(now);
        self.watched =
            sources.into_iter().map(|source| (since(&source), source)).map(|(at, source)| (source, at)).collect();
    }

    /// Checks the tables once, and sends what is due. Returns how many messages were sent, the table's among them. What a
    /// target did not accept is sent by a later call, if it is found again then and is the latest of its kind and subject.
    ///
    /// # Errors
    /// [`AlertError::Store`].
    pub async fn run_once(&mut self) -> Result<usize, AlertError> {
        let now = self.clock.now();
        let quiet = SignedDuration::try_from(self.config.quiet).unwrap_or(SignedDuration::MAX);
        let candidates = self.candidates(now).await?;
        if self.sent.is_none() {
            self.sent = Some(self.already_sent(now, quiet).await?);
        }
        let known = self.sent.as_mut().expect("it was read just now");
        let mut rows: Vec<_> =
            known.due(&candidates, TABLE, now, quiet).iter().map(|alert| alert.row(TABLE, self.clock.now())).collect();
        for target in &self.targets {
            for alert in known.due(&candidates, target.name, now, quiet) {
                match target.post(&alert).await {
                    Ok(()) => rows.push(alert.row(target.name, self.clock.now())),
                    Err(DeliveryError { reason, is_rejected_alert }) => {
                        metrics::counter!("tapewire_alert_failures_total", "target" => target.name).increment(1);
                        // Without its text, which may have a headline in it.
                        let (webhook, kind, subject) = (target.name, alert.kind.as_str(), &alert.subject);
                        tracing::warn!(
                            webhook,
                            kind,
                            subject,
                            error = reason,
                            "a webhook did not accept an alert; it is in the table `alerts`, and is sent again while it is due. \
                             If this goes on, check the webhook's address"
                        );
                        if !is_rejected_alert {
                            break;
                        }
                    }
                }
            }
        }
        for row in &rows {
            let (kind, target) = (row.kind.clone(), row.target.clone());
            metrics::counter!("tapewire_alerts_total", "kind" => kind, "target" => target).increment(1);
            known.note(row);
        }
        // Noted before the table has them: if it does not take them, this process still knows what it has sent.
        if !rows.is_empty() {
            self.writer.insert("alerts", &rows).await?;
        }
        Ok(rows.len())
    }

    /// What was sent, according to the table, within the time in which the same alert could be found again.
    async fn already_sent(&self, now: Timestamp, quiet: SignedDuration) -> Result<SentAlerts, AlertError> {
        let window = SignedDuration::try_from(self.config.shock_window).unwrap_or(SignedDuration::MAX);
        let since = now.saturating_sub(quiet.max(window).max(ANOMALIES_WITHIN + DAY)).unwrap_or(Timestamp::MIN);
        let mut known = SentAlerts::default();
        sent_alerts(&self.clickhouse, since).await?.iter().for_each(|row| known.note(row));
        Ok(known)
    }

    /// What may be worth an alert now.
    async fn candidates(&self, now: Timestamp) -> Result<Vec<Alert>, AlertError> {
        let before = |span: SignedDuration| now.saturating_sub(span).unwrap_or(Timestamp::MIN);
        let mut candidates = Vec::new();
        if self.config.anomaly_z > 0.0 {
            let anomalies = anomalies(&self.clickhouse, before(ANOMALIES_WITHIN)).await?;
            let large = anomalies.iter().filter(|anomaly| anomaly.robust_z.abs() >= self.config.anomaly_z);
            candidates.extend(large.map(Alert::from));
        }
        if self.config.shock_z > 0.0 {
            let window = SignedDuration::try_from(self.config.shock_window).unwrap_or(SignedDuration::MAX);
            let (articles, z) = (self.config.shock_articles, self.config.shock_z);
            candidates.extend(shocks(&self.clickhouse, before(window), articles, z).await?.iter().map(Alert::from));
        }
        if !self.config.stale_after.is_zero() {
            candidates.extend(self.stale(now).await?);
        }
        Ok(candidates)
    }

    async fn stale(&self, now: Timestamp) -> Result<Vec<Alert>, AlertError> {
        let stale_after = SignedDuration::try_from(self.config.stale_after).unwrap_or(SignedDuration::MAX);
        let rows = source_progress(&self.clickhouse).await?;
        let alert = |((kind, source), &from): (&(SourceKind, String), &Timestamp)| {
            let row = rows.iter().find(|row| row.kind == kind.as_str() && row.source == *source);
            let watermark = row.and_then(|row| Timestamp::from_microsecond(row.watermark).ok());
            // Time before it was watched does not count: a source has `stale_after` from then to catch up.
            let since = watermark.map_or(from, |at| at.max(from));
            let is_stale = now.duration_since(since) >= stale_after;
            is_stale.then(|| Alert::stale(*kind, source, watermark, from, now))
        };
        Ok(self.watched.iter().filter_map(alert).collect())
    }
}
