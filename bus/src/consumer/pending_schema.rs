//! Fetching the schema of a record's writer, for as long as the registry does not answer.

use crate::avro::{Decoder, RegistryError};
use crate::{BusError, Topic};
use rdkafka::error::KafkaError;
use std::sync::Arc;
use std::time::Duration;
use tapewire_runtime::Backoff;
use tokio::task::JoinHandle;

/// A schema that is being fetched. A task of its own asks, because a reader gives up a wait for records and begins
/// another many times a second.
pub(super) struct PendingSchema(JoinHandle<Result<Result<(), String>, RegistryError>>);

impl PendingSchema {
    /// Fetches the schema `id` of the writer of a record of `topic`.
    pub fn begin(decoder: Arc<Decoder>, topic: Topic, id: u32) -> Self {
        Self(tokio::spawn(async move { fetch(&decoder, topic, id).await }))
    }

    /// Waits for the answer: why there is no such schema, in words, if that is so. Cancel-safe.
    ///
    /// # Errors
    /// [`BusError::Registry`], if waiting can't help.
    pub async fn answer(pending: &mut Option<Self>) -> Result<Result<(), String>, BusError> {
        let Some(Self(task)) = pending else { return std::future::pending().await };
        let answer = task.await.map_err(|_| BusError::Receive(KafkaError::Canceled.into()));
        *pending = None;
        Ok(answer??)
    }
}

impl Drop for PendingSchema {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn fetch(decoder: &Decoder, topic: Topic, id: u32) -> Result<Result<(), String>, RegistryError> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let mut is_waiting = false;
    loop {
        match decoder.fetch(topic, id).await {
            Err(error) if error.is_retryable() => {
                if !is_waiting {
                    let topic = topic.base_name();
                    tracing::warn!(
                        topic,
                        schema = id,
                        %error,
                        "a record waits for its schema, and those after it wait, too; none is lost or passed over"
                    );
                }
                is_waiting = true;
                tokio::time::sleep(backoff.next_wait()).await;
            }
            answer => {
                if is_waiting {
                    let topic = topic.base_name();
                    tracing::info!(topic, schema = id, "the schema registry has answered; reading goes on");
                }
                return answer;
            }
        }
    }
}
