//! Writing batches: each once, however often it is tried.

use crate::JoinerError;
use crate::tables::ClickHouseConfig;
use clickhouse::{Client, Row, RowOwned, RowWrite};
use std::time::Duration;
use tapewire_bus::Shutdown;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Writes batches and outlasts a ClickHouse that is away. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    url: String,
    shutdown: Shutdown,
}

impl Writer {
    /// A writer to the database of `config`. It stops waiting for an absent server at shutdown.
    pub fn new(config: &ClickHouseConfig, shutdown: Shutdown) -> Self {
        Self { client: config.client(), url: config.url.clone(), shutdown }
    }

    /// Inserts `rows` into `table` and returns when the server has them, its materialized views
    /// included. A batch whose acknowledgement got lost is recognised by its content when it is
    /// sent again (tables have a deduplication window); behind that stand the versions of the rows.
    ///
    /// No token is made of topic and offsets: after a topic was recreated the same offsets would
    /// name other records, and these would be dropped without a word.
    ///
    /// # Errors
    /// What waiting can't mend ([`JoinerError::ClickHouse`]), or [`JoinerError::Unreachable`] if the
    /// server is still away at shutdown; nothing was acknowledged then.
    pub async fn insert<T>(&self, table: &'static str, rows: &[T]) -> Result<(), JoinerError>
    where
        T: RowOwned + RowWrite + Row,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let mut wait = FIRST_WAIT;
        loop {
            let error = match self.attempt(table, rows).await {
                Ok(()) => {
                    metrics::counter!("tapewire_rows_written_total", "table" => table).increment(rows.len() as u64);
                    return Ok(());
                }
                Err(error) => JoinerError::from_clickhouse(error, &self.url),
            };
            if !error.is_retryable() {
                return Err(error);
            }
            tracing::warn!(%error, table, rows = rows.len(), "clickhouse did not take a batch; nothing is lost, trying again");
            if self.shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return Err(error);
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    async fn attempt<T>(&self, table: &str, rows: &[T]) -> clickhouse::error::Result<()>
    where
        T: RowOwned + RowWrite + Row,
    {
        let mut insert = self
            .client
            .insert::<T>(table)
            .await?
            .with_timeouts(Some(Duration::from_secs(30)), Some(Duration::from_secs(120)))
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1");
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }
}
