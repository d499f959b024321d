//! What is worth an alert, and which alerts are due: pure.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use tapewire_store::alerts::{AlertRow, Anomaly, SentimentShock};
use tapewire_store::sources::SourceKind;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A bar's return is out of the ordinary.
    Anomaly,
    /// The sentiment of a symbol's news is out of the ordinary.
    SentimentShock,
    /// A source has stopped.
    StaleSource,
}

impl Kind {
    /// The kind as messages and the table have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Anomaly => "anomaly",
            Self::SentimentShock => "sentiment_shock",
            Self::StaleSource => "stale_source",
        }
    }
}

/// Something that may be worth a message. A webhook gets it as JSON:
///
/// ```json
/// {"kind": "anomaly", "subject": "AAPL", "at": "2026-11-27T14:31:00Z", "value": -7.2,
///  "text": "AAPL: the bar of 60 s at 2026-11-27T14:31:00Z fell 1.84 %, 7.2 robust standard deviations, to 228.1"}
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// What it is about.
    pub kind: Kind,
    /// The symbol or the source.
    pub subject: String,
    /// The bar's start, the newest article of the shock, or the source's watermark (UTC).
    pub at: Timestamp,
    /// Standard deviations; of a stale source, seconds.
    pub value: f64,
    /// A sentence for a person.
    pub text: String,
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl From<&Anomaly> for Alert {
    fn from(found: &Anomaly) -> Self {
        let Anomaly { symbol, width_s, start, log_return, robust_z, close } = found;
        let (at, percent, z) = (time(*start), 100.0 * log_return.exp_m1().abs(), robust_z.abs());
        let moved = if *log_return < 0.0 { "fell" } else { "rose" };
        let text = format!(
            "{symbol}: the bar of {width_s} s at {at} {moved} {percent:.2} %, {z:.1} robust standard deviations, to {close}"
        );
        Self { kind: Kind::Anomaly, subject: symbol.clone(), at, value: *robust_z, text }
    }
}

impl From<&SentimentShock> for Alert {
    fn from(found: &SentimentShock) -> Self {
        let SentimentShock { symbol, at, articles, mean, usual, z, title } = found;
        let text = format!(
            "{symbol}: the mean score of {articles} headlines is {mean:+.2}, usually {usual:+.2}: {:.1} standard deviations. \
             {title}",
            z.abs()
        );
        Self { kind: Kind::SentimentShock, subject: symbol.clone(), at: time(*at), value: *z, text }
    }
}

/// Which roles a source's watermark goes through until it is in the table.
fn roles(kind: SourceKind) -> &'static str {
    match kind {
        SourceKind::News => "news and join",
        SourceKind::Prices => "prices and indicators, and of bars if the source has fold_trades",
    }
}

impl Alert {
    /// The alert of a source whose watermark has not moved. Without a watermark, `since` is when we began to watch the
    /// source.
    pub fn stale(
        kind: SourceKind,
        source: &str,
        watermark: Option<Timestamp>,
        since: Timestamp,
        now: Timestamp,
    ) -> Self {
        let at = watermark.unwrap_or(since);
        let (age, roles, kind) = (now.duration_since(at).as_secs(), roles(kind), kind.as_str());
        let text = match watermark {
            Some(at) => {
                format!(
                    "{source} ({kind}) is stale: it was followed until {at}, {age} s ago; see the logs of the roles {roles}"
                )
            }
            None => format!("{source} ({kind}) has given nothing for {age} s; see the logs of the roles {roles}"),
        };
        Self { kind: Kind::StaleSource, subject: format!("{kind}/{source}"), at, value: age as f64, text }
    }

    /// The row of table `alerts` which says that this alert was sent.
    pub(crate) fn row(&self, target: &str, sent_at: Timestamp) -> AlertRow {
        AlertRow {
            kind: self.kind.as_str().to_owned(),
            subject: self.subject.clone(),
            at: self.at.as_microsecond(),
            target: target.to_owned(),
            value: self.value,
            text: self.text.clone(),
            sent_at: sent_at.as_microsecond(),
        }
    }
}

/// The latest alert that was sent, by target, kind and subject.
#[derive(Debug, Clone, Default)]
pub struct SentAlerts(BTreeMap<(String, String, String), LatestSent>);

#[derive(Debug, Clone, Copy)]
struct LatestSent {
    /// [`Alert::at`].
    at: Timestamp,
    sent_at: Timestamp,
}

impl SentAlerts {
    /// Notes that an alert was sent.
    pub fn note(&mut self, row: &AlertRow) {
        let key = (row.target.clone(), row.kind.clone(), row.subject.clone());
        let (at, sent_at) = (time(row.at), time(row.sent_at));
        let latest = self.0.entry(key).or_insert(LatestSent { at, sent_at });
        *latest = LatestSent { at: latest.at.max(at), sent_at: latest.sent_at.max(sent_at) };
    }

    /// Of some alerts, those that are to be sent to a target now: of each kind and subject the latest, if it is about
    /// something later than what was sent, and nothing was sent within `quiet`; a stale source also if it is still the same.
    pub fn due(&self, alerts: &[Alert], target: &str, now: Timestamp, quiet: SignedDuration) -> Vec<Alert> {
        let mut latest: BTreeMap<(Kind, &str), &Alert> = BTreeMap::new();
        for alert in alerts {
            let known = latest.entry((alert.kind, &alert.subject)).or_insert(alert);
            if alert.at > known.at {
                *known = alert;
            }
        }
        latest.values().filter(|alert| self.is_due(alert, target, now, quiet)).map(|&alert| alert.clone()).collect()
    }

    /// Whether an alert is to be sent to a target now, as [`SentAlerts::due`] has it.
    pub(crate) fn is_due(&self, alert: &Alert, target: &str, now: Timestamp, quiet: SignedDuration) -> bool {
        let key = (target.to_owned(), alert.kind.as_str().to_owned(), alert.subject.clone());
        self.0.get(&key).is_none_or(|&LatestSent { at, sent_at }| {
            // The alert of a source that is still stale is sent again.
            let is_new = alert.at > at || alert.kind == Kind::StaleSource;
            is_new && now.duration_since(sent_at) >= quiet
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn alert(kind: Kind, subject: &str, second: i64) -> Alert {
        Alert { kind, subject: subject.into(), at: at(second), value: 4.0, text: format!("{subject} at {second}") }
    }

    const QUIET: SignedDuration = SignedDuration::from_secs(100);

    #[test]
    fn each_subject_gives_one_alert_of_a_kind_and_then_none_for_a_while() {
        let mut sent = SentAlerts::default();
        let found = [alert(Kind::Anomaly, "A", 10), alert(Kind::Anomaly, "A", 20), alert(Kind::SentimentShock, "A", 5)];
        let due = sent.due(&found, "slack", at(30), QUIET);
        assert_eq!(due, [found[1].clone(), found[2].clone()], "the latest of each kind");
        due.iter().for_each(|alert| sent.note(&alert.row("slack", at(30))));
        assert_eq!(sent.due(&found, "slack", at(500), QUIET), [], "what was sent is not sent again");
        assert_eq!(sent.due(&found, "webhook", at(31), QUIET).len(), 2, "another target has not got them");
        let later = [alert(Kind::Anomaly, "A", 60), alert(Kind::Anomaly, "B", 60)];
        assert_eq!(sent.due(&later, "slack", at(61), QUIET), [later[1].clone()], "A is quiet");
        assert_eq!(sent.due(&later, "slack", at(130), QUIET).len(), 2);
    }

    #[test]
    fn a_source_that_stays_stale_is_told_again_after_the_quiet_time() {
        let mut sent = SentAlerts::default();
        let stale = Alert::stale(SourceKind::News, "wire", Some(at(10)), at(0), at(1_000));
        assert!(stale.text.contains("wire (news) is stale") && stale.text.contains("990 s ago"), "{}", stale.text);
        sent.note(&stale.row("table", at(1_000)));
        assert_eq!(sent.due(std::slice::from_ref(&stale), "table", at(1_099), QUIET), []);
        assert_eq!(sent.due(std::slice::from_ref(&stale), "table", at(1_100), QUIET).len(), 1);
    }

    #[test]
    fn a_stale_source_names_every_role_that_its_watermark_goes_through() {
        for (kind, roles) in [
            (SourceKind::News, "see the logs of the roles news and join"),
            (
                SourceKind::Prices,
                "see the logs of the roles prices and indicators, and of bars if the source has fold_trades",
            ),
        ] {
            for watermark in [None, Some(at(10))] {
                let text = Alert::stale(kind, "wire", watermark, at(0), at(1_000)).text;
                assert!(text.ends_with(roles), "{text}");
            }
        }
    }

    #[test]
    fn the_sentence_says_what_happened() {
        let fall = Anomaly {
            symbol: "ACME".into(),
            width_s: 60,
            start: 1_764_253_860_000_000,
            log_return: -0.02,
            robust_z: -7.25,
            close: 98.5,
        };
        let text = Alert::from(&fall).text;
        assert_eq!(
            text,
            "ACME: the bar of 60 s at 2025-11-27T14:31:00Z fell 1.98 %, 7.2 robust standard deviations, to 98.5"
        );
        let shock = SentimentShock {
            symbol: "ACME".into(),
            at: 0,
            articles: 3,
            mean: -0.8,
            usual: 0.1,
            z: -5.04,
            title: "Acme warns".into(),
        };
        let text = Alert::from(&shock).text;
        assert!(text.contains("of 3 headlines is -0.80, usually +0.10: 5.0 standard deviations. Acme warns"), "{text}");
    }
}
