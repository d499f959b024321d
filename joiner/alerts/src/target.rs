//! Where alerts are sent.

use crate::{Alert, AlertError};
use reqwest::{Client, StatusCode, Url};
use serde_json::json;
use std::fmt;
use std::time::Duration;

/// The longest that a target may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A webhook. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    url: Url,
    client: Client,
    /// Slack's webhooks take a text alone.
    is_slack: bool,
}

impl Target {
    pub(crate) const WEBHOOK: &'static str = "webhook";
    pub(crate) const SLACK: &'static str = "slack";

    pub(crate) fn new(name: &'static str, url: &str) -> Result<Self, AlertError> {
        let wrong = |problem: String| AlertError::Address { target: name, problem };
        let url = Url::parse(url.trim()).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(wrong(format!("it begins with {}:", url.scheme())));
        }
        let client = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(AlertError::Client)?;
        Ok(Self { name, url, client, is_slack: name == Self::SLACK })
    }

    /// Posts an alert.
    pub(crate) async fn post(&self, alert: &Alert) -> Result<(), DeliveryError> {
        let body = if self.is_slack { json!({"text": alert.text}) } else { json!(alert) };
        let answer = self.client.post(self.url.clone()).json(&body).send().await;
        let failed = |error: reqwest::Error| DeliveryError {
            reason: tapewire_runtime::chain(&error.without_url()),
            is_rejected_alert: false,
        };
        match answer.map_err(failed)?.status() {
            status if status.is_success() => Ok(()),
            status => Err(DeliveryError {
                reason: format!("it answered with HTTP {status}"),
                is_rejected_alert: matches!(
                    status,
                    StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
                ),
            }),
        }
    }
}

/// A target did not accept an alert.
pub(crate) struct DeliveryError {
    /// The reason in words, without the address, which is a secret.
    pub(crate) reason: String,
    /// Whether the target may accept others: it says that this one can't be read.
    pub(crate) is_rejected_alert: bool,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).finish_non_exhaustive()
    }
}
