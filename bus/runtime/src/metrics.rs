//! The metrics of all stages: what each counts, in which unit, with which labels.
//!
//! A stage writes a metric by its name where something happens. This list has every name, so that `/metrics` explains
//! them, and `docs/metrics.md`, the alerts and the dashboards of `deploy/` can be held to it.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// What a metric is, in Prometheus's terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, until the process starts again.
    Counter,
    /// The newest value.
    Gauge,
    /// How many values were at most each of these bounds, in the metric's unit.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Prometheus's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One metric of `/metrics`.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name. That of a counter ends in `_total`, that of a histogram in its unit.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says, for `/metrics` and the documentation.
    pub help: &'static str,
}

/// Bounds for how long an article takes from the wire to its row, in seconds of the wall clock.
const PIPELINE_SECONDS: &[f64] =
    &[0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0];
/// Bounds for how long inference and a request take, in seconds.
const REQUEST_SECONDS: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Bounds for the size of a batch, in tokens.
const BATCH_TOKENS: &[f64] = &[16.0, 64.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0];

/// Every metric, by name.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "tapewire_actions_fetched_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["source"],
        help: "When splits and dividends were last fetched, in seconds since 1970",
    },
    Metric {
        name: "tapewire_actions_known",
        kind: Kind::Gauge,
        labels: &["source"],
        help: "Splits and dividends that the price source has listed",
    },
    Metric {
        name: "tapewire_alert_failures_total",
        kind: Kind::Counter,
        labels: &["target"],
        help: "Alerts that a webhook refused or did not answer; they are sent later if they are still due",
    },
    Metric {
        name: "tapewire_alerts_total",
        kind: Kind::Counter,
        labels: &["kind", "target"],
        help: "Alerts that were sent, by what they are about and where to",
    },
    Metric {
        name: "tapewire_articles_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Articles sent to the topic news: new ones and edits",
    },
    Metric {
        name: "tapewire_bars_outside_sessions_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Bars that are not in a session of their market, which the join leaves out",
    },
    Metric {
        name: "tapewire_bars_total",
        kind: Kind::Counter,
        labels: &["source", "way"],
        help: "Bars sent to the topic bars, by the way they came: websocket or rest",
    },
    Metric {
        name: "tapewire_cache_hits_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Texts whose score was known already",
    },
    Metric {
        name: "tapewire_cache_misses_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Texts whose score had to be computed",
    },
    Metric {
        name: "tapewire_dead_letters_total",
        kind: Kind::Counter,
        labels: &["stage"],
        help: "Inputs that can't be used; they are kept in the topic dead-letter",
    },
    Metric {
        name: "tapewire_feed_dropped_total",
        kind: Kind::Counter,
        labels: &["source", "kind"],
        help: "Items that Kafka was too slow for; bars are fetched again, everything else is lost",
    },
    Metric {
        name: "tapewire_feed_sequence_gaps_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Gaps in the numbers of a websocket's messages, after which it is connected again",
    },
    Metric {
        name: "tapewire_folded_bars_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Bars that were made of trades",
    },
    Metric {
        name: "tapewire_http_requests_total",
        kind: Kind::Counter,
        labels: &["route", "status"],
        help: "Requests to the HTTP API that were answered",
    },
    Metric {
        name: "tapewire_http_seconds",
        kind: Kind::Histogram(REQUEST_SECONDS),
        labels: &["route"],
        help: "Time from a request to its answer",
    },
    Metric {
        name: "tapewire_indicator_bars_left_out_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Bars without indicators: outside sessions, late by over 60 bars, or second daily bars of a session",
    },
    Metric {
        name: "tapewire_inference_batch_tokens",
        kind: Kind::Histogram(BATCH_TOKENS),
        labels: &[],
        help: "Tokens in a batch",
    },
    Metric {
        name: "tapewire_inference_seconds",
        kind: Kind::Histogram(REQUEST_SECONDS),
        labels: &[],
        help: "Time that the model takes for a batch",
    },
    Metric {
        name: "tapewire_items_of_other_languages_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Items of a feed that were left out because of their language",
    },
    Metric {
        name: "tapewire_late_articles_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Articles that the provider showed later than news.overlap after their publication",
    },
    Metric {
        name: "tapewire_late_trades_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Trades that came too late to change a bar",
    },
    Metric {
        name: "tapewire_mentions_sent_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Mentions sent to the topic sentiment",
    },
    Metric {
        name: "tapewire_mentions_unscored_total",
        kind: Kind::Counter,
        labels: &["reason"],
        help: "Mentions sent to the topic sentiment with a reason instead of a score",
    },
    Metric {
        name: "tapewire_news_poll_failures_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Polls of a news source that failed, and are tried again",
    },
    Metric {
        name: "tapewire_news_watermark_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["source"],
        help: "Up to when a news source has been followed, in seconds since 1970",
    },
    Metric {
        name: "tapewire_price_feed_reconnects_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Connections to a price source that ended and were made again",
    },
    Metric {
        name: "tapewire_provider_requests_total",
        kind: Kind::Counter,
        labels: &["provider"],
        help: "Requests to a provider over HTTP",
    },
    Metric {
        name: "tapewire_queue_refused_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Requests that were refused because the queue for inference was full",
    },
    Metric { name: "tapewire_queue_tokens", kind: Kind::Gauge, labels: &[], help: "Tokens in the queue for inference" },
    Metric {
        name: "tapewire_queue_wait_seconds",
        kind: Kind::Histogram(REQUEST_SECONDS),
        labels: &[],
        help: "Time that a text waits in the queue for inference",
    },
    Metric {
        name: "tapewire_role_active",
        kind: Kind::Gauge,
        labels: &["role"],
        help: "1 if this process has the role news, prices or alerts, 0 if it stands by",
    },
    Metric {
        name: "tapewire_rows_written_total",
        kind: Kind::Counter,
        labels: &["table"],
        help: "Rows that ClickHouse has acknowledged",
    },
    Metric {
        name: "tapewire_scoring_seconds",
        kind: Kind::Histogram(REQUEST_SECONDS),
        labels: &[],
        help: "Time that an article takes to be scored for all its companies",
    },
    Metric {
        name: "tapewire_source_idle",
        kind: Kind::Gauge,
        labels: &["source", "kind"],
        help: "1 while a source is down and not waited for, otherwise 0",
    },
    Metric {
        name: "tapewire_source_outages_total",
        kind: Kind::Counter,
        labels: &["source", "kind"],
        help: "Times that a source was down for longer than its idle_timeout",
    },
    Metric {
        name: "tapewire_spans_exported_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Spans that the receiver of traces has taken; the others wait or are lost",
    },
    Metric {
        name: "tapewire_spans_total",
        kind: Kind::Counter,
        labels: &[],
        help: "Spans that have ended, of articles that are traced",
    },
    Metric {
        name: "tapewire_tape_watermark_timestamp_seconds",
        kind: Kind::Gauge,
        labels: &["source"],
        help: "Up to when the bars of a price source are complete, in seconds since 1970",
    },
    Metric {
        name: "tapewire_trade_gaps_total",
        kind: Kind::Counter,
        labels: &["source"],
        help: "Gaps in a source's trades; bars that overlap one are not made of trades",
    },
    Metric {
        name: "tapewire_trades_in_memory",
        kind: Kind::Gauge,
        labels: &[],
        help: "Trades that a bar may still need",
    },
    Metric {
        name: "tapewire_wire_to_row_seconds",
        kind: Kind::Histogram(PIPELINE_SECONDS),
        labels: &[],
        help: "Time from the receipt of an article until its first joined row is in ClickHouse",
    },
];

/// Sets the bounds of every histogram.
pub(crate) fn with_buckets(builder: PrometheusBuilder) -> Result<PrometheusBuilder, BuildError> {
    METRICS.iter().try_fold(builder, |builder, metric| match metric.kind {
        Kind::Histogram(bounds) => builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds),
        Kind::Counter | Kind::Gauge => Ok(builder),
    })
}

/// Gives the installed recorder the explanation of every metric.
pub(crate) fn describe() {
    for Metric { name, kind, help, .. } in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram(_) => metrics::describe_histogram!(*name, *help),
        }
    }
}

/// An upper bound of a quantile of the histogram `name` in `page`, which is in Prometheus's text format: the smallest
/// bucket bound such that at least `share` of the values are at or below it. Infinite if only the last bucket reaches
/// `share`. `None` if the histogram has no values, or has labels.
///
/// ```
/// use tapewire_runtime::metrics::quantile_bound;
///
/// let page = "a_seconds_bucket{le=\"0.1\"} 97\na_seconds_bucket{le=\"0.2\"} 99\na_seconds_bucket{le=\"+Inf\"} 100\n";
/// assert_eq!(quantile_bound(page, "a_seconds", 0.5), Some(0.1));
/// assert_eq!(quantile_bound(page, "a_seconds", 0.99), Some(0.2));
/// assert_eq!(quantile_bound(page, "a_seconds", 0.999), Some(f64::INFINITY));
/// assert_eq!(quantile_bound(page, "b_seconds", 0.5), None);
/// ```
pub fn quantile_bound(page: &str, name: &str, share: f64) -> Option<f64> {
    let start = format!("{name}_bucket{{le=\"");
    let buckets = page.lines().filter_map(|line| {
        let (bound, count) = line.strip_prefix(&start)?.split_once("\"} ")?;
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? };
        Some((bound, count.parse::<f64>().ok()?))
    });
    let buckets: Vec<(f64, f64)> = buckets.collect();
    let total = buckets.last().map(|(_, count)| *count).filter(|total| *total > 0.0)?;
    buckets.iter().find(|(_, count)| *count >= share * total).map(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names_say_their_unit_and_are_in_order() {
        assert!(METRICS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for Metric { name, kind, .. } in METRICS {
            assert_eq!(matches!(kind, Kind::Counter), name.ends_with("_total"), "{name}");
            assert!(name.starts_with("tapewire_"), "{name}");
            if let Kind::Histogram(bounds) = kind {
                assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{name}");
                assert!(["_seconds", "_tokens"].iter().any(|unit| name.ends_with(unit)), "{name}");
            }
        }
    }

    #[test]
    fn the_page_in_the_documentation_has_every_metric() {
        let page =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md")).unwrap();
        let written: Vec<&str> = page.lines().filter(|line| line.starts_with("| `tapewire_")).collect();
        let labels = |labels: &[&str]| labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let expected: Vec<String> = METRICS
            .iter()
            .map(|m| format!("| `{}` | {} | {} | {} |", m.name, m.kind.name(), labels(m.labels), m.help))
            .collect();
        assert_eq!(written, expected, "the table should be:\n{}", expected.join("\n"));
    }
}
