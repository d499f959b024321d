//! Checks the tables, and sends what is due.

use crate::due::{Alert, SentAlerts};
use crate::target::{DeliveryError, Target};
use crate::watched::{Source, WatchedSources};
use crate::{AlertError, AlertsConfig};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};
use tapewire_runtime::{Backoff, Clock, Readiness, Shutdown, chain};
use tapewire_store::alerts::{AlertRow, anomalies, sent_alerts, shocks};
use tapewire_store::sources::source_progress;
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
/// Nothing is sent unless the table was asked within this time what has been sent. It is shorter than the time after
/// which another process takes over from one that stands still, so a process that was paused learns what the other has
/// sent.
const READ_WITHIN: Duration = Duration::from_secs(3);

/// Sends alerts until shutdown, at which it finishes the message that it is sending. The caller keeps `watched` up to
/// date. Two processes that work side by side for a moment send nothing twice, except what both send in the same
/// instant.
///
/// # Errors
/// [`AlertError::Address`]; an error of ClickHouse that a retry can't fix. Outages are waited out.
pub fn run<'a>(
    config: &'a AlertsConfig,
    clickhouse: &'a ClickHouseConfig,
    watched: WatchedSources,
    clock: Clock,
    readiness: Readiness,
    shutdown: Shutdown,
) -> BoxFuture<'a, Result<(), AlertError>> {
    Box::pin(async move {
        let mut alerts = Alerts::new(config, clickhouse, watched, clock.clone(), shutdown.clone())?;
        readiness.waiting(STAGE, "the first check of the tables is not complete");
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
        let in_wall_time = |wait: Duration| clock.wall_time_of(wait).max(SHORTEST_WAIT);
        loop {
            let wait = match alerts.run_once().await {
                Ok(_) => {
                    backoff.reset();
                    readiness.ready(STAGE);
                    in_wall_time(config.every)
                }
                Err(error) if error.is_retryable() => {
                    let (wait, error) = (in_wall_time(backoff.next_wait()), chain(&error));
                    tracing::warn!(error, wait_s = wait.as_secs_f64(), "could not look for alerts; trying again");
                    readiness.waiting(STAGE, &error);
                    wait
                }
                Err(error) => return Err(error),
            };
            if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Ok(());
            }
        }
    })
}

/// Finds alerts in the tables and sends them. It knows what was sent, and where to.
pub struct Alerts {
    config: AlertsConfig,
    clickhouse: ClickHouseConfig,
    watched: WatchedSources,
    clock: Clock,
    writer: Writer,
    targets: Vec<Target>,
    sent: SentAlerts,
    /// When the table was last asked what was sent.
    read_at: Option<Instant>,
    shutdown: Shutdown,
}

impl Alerts {
    /// Alerts by these settings.
    ///
    /// # Errors
    /// [`AlertError::Address`].
    pub fn new(
        config: &AlertsConfig,
        clickhouse: &ClickHouseConfig,
        watched: WatchedSources,
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
            watched,
            clock,
            writer: Writer::new(clickhouse, shutdown.clone()),
            targets,
            sent: SentAlerts::default(),
            read_at: None,
            shutdown,
        })
    }

    /// Checks the tables once, and sends what is due. Returns how many messages were sent, the table's among them. What a
    /// target did not accept is sent by a later call, if it is found again then and is the latest of its kind and subject.
    /// At shutdown nothing more is sent, and what was sent is still written to the table.
    ///
    /// # Errors
    /// [`AlertError::Store`].
    pub async fn run_once(&mut self) -> Result<usize, AlertError> {
        let (now, shutdown) = (self.clock.now(), self.shutdown.clone());
        let Some(found) = shutdown.run_until_cancelled(self.candidates(now)).await else { return Ok(0) };
        let found = found?;
        let mut rows = Vec::new();
        for alert in self.sent.due(&found, TABLE, now, self.quiet()) {
            if self.is_still_due(&alert, TABLE, now).await? {
                rows.push(alert.row(TABLE, self.clock.now()));
            }
        }
        self.remember(&rows).await?;
        let mut messages = rows.len();
        for target in self.targets.clone() {
            messages += self.send(&target, &found, now).await?;
        }
        Ok(messages)
    }

    /// Sends to a target what is due there. Returns how much it took.
    async fn send(&mut self, target: &Target, found: &[Alert], now: Timestamp) -> Result<usize, AlertError> {
        let mut messages = 0;
        for alert in self.sent.due(found, target.name, now, self.quiet()) {
            if !self.is_still_due(&alert, target.name, now).await? {
                continue;
            }
            match target.post(&alert).await {
                // At once, because after a kill what is not in the table is sent again.
                Ok(()) => {
                    self.remember(&[alert.row(target.name, self.clock.now())]).await?;
                    messages += 1;
                }
                Err(error) => {
                    report(target, &alert, &error);
                    if !error.is_rejected_alert {
                        break;
                    }
                }
            }
        }
        Ok(messages)
    }

    /// Whether an alert is due also by what another process may have written to the table. At shutdown none is.
    async fn is_still_due(&mut self, alert: &Alert, target: &str, now: Timestamp) -> Result<bool, AlertError> {
        let shutdown = self.shutdown.clone();
        if shutdown.is_cancelled() {
            return Ok(false);
        }
        if self.read_at.is_none_or(|at| at.elapsed() > READ_WITHIN) {
            // Before the answer, which is no newer than the question.
            let asked_at = Instant::now();
            match shutdown.run_until_cancelled(self.already_sent(now)).await {
                None => return Ok(false),
                Some(rows) => rows?.iter().for_each(|row| self.sent.note(row)),
            }
            self.read_at = Some(asked_at);
        }
        Ok(self.sent.is_due(alert, target, now, self.quiet()))
    }

    /// Notes what was sent, also in the table.
    async fn remember(&mut self, rows: &[AlertRow]) -> Result<(), AlertError> {
        for row in rows {
            let (kind, target) = (row.kind.clone(), row.target.clone());
            metrics::counter!("tapewire_alerts_total", "kind" => kind, "target" => target).increment(1);
            self.sent.note(row);
        }
        // Noted before the table has them: if it does not take them, this process still knows what it has sent.
        Ok(self.writer.insert("alerts", rows).await?)
    }

    /// [`AlertsConfig::quiet`].
    fn quiet(&self) -> SignedDuration {
        SignedDuration::try_from(self.config.quiet).unwrap_or(SignedDuration::MAX)
    }

    /// What was sent, according to the table, within the time in which the same alert could be found again.
    async fn already_sent(&self, now: Timestamp) -> Result<Vec<AlertRow>, AlertError> {
        let window = SignedDuration::try_from(self.config.shock_window).unwrap_or(SignedDuration::MAX);
        let since = now.saturating_sub(self.quiet().max(window).max(ANOMALIES_WITHIN + DAY)).unwrap_or(Timestamp::MIN);
        Ok(sent_alerts(&self.clickhouse, since).await?)
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
        let alert = |((kind, source), from): (Source, Timestamp)| {
            let row = rows.iter().find(|row| row.kind == kind.as_str() && row.source == source);
            let watermark = row.and_then(|row| Timestamp::from_microsecond(row.watermark).ok());
            // Time before it was watched does not count: a source has `stale_after` from then to catch up.
            let since = watermark.map_or(from, |at| at.max(from));
            let is_stale = now.duration_since(since) >= stale_after;
            is_stale.then(|| Alert::stale(kind, &source, watermark, from, now))
        };
        Ok(self.watched.list().into_iter().filter_map(alert).collect())
    }
}

/// Says that a target did not take an alert.
fn report(target: &Target, alert: &Alert, refusal: &DeliveryError) {
    metrics::counter!("tapewire_alert_failures_total", "target" => target.name).increment(1);
    // Without its text, which may have a headline in it.
    let (webhook, kind, subject, error) = (target.name, alert.kind.as_str(), &alert.subject, &refusal.reason);
    tracing::warn!(
        webhook,
        kind,
        subject,
        error,
        "a webhook did not accept an alert; it is in the table `alerts`, and is sent again while it is due. \
         If this goes on, check the webhook's address"
    );
}
