//! Writes batches. A batch that is sent several times is stored once.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::{Client, Row, RowOwned, RowWrite};
use std::time::Duration;
use tapewire_runtime::{Backoff, Shutdown};

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Longest wait for the server to take a part of a batch, and before that for its answer about the table's columns.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for the acknowledgement of a batch.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(120);

/// Writes batches, and waits for a ClickHouse that does not answer. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    url: String,
    shutdown: Shutdown,
}

impl Writer {
    /// A writer to the database of `config`. At shutdown it stops waiting for a server that does not answer.
    pub fn new(config: &ClickHouseConfig, shutdown: Shutdown) -> Self {
        Self { client: config.client(), url: config.url.clone(), shutdown }
    }

    /// Inserts `rows` into `table` and returns when the server has them, also in its materialized views. While the
    /// server does not answer, is busy or has a full disk it is tried again.
    ///
    /// A batch whose acknowledgement was lost is recognised by its content when it is sent again: tables have a
    /// deduplication window. After that window the versions of the rows have the same effect. No token is made from
    /// topic and offsets: when a topic is recreated, the same offsets name other records, and ClickHouse would drop
    /// these silently.
    ///
    /// ```no_run
    /// # async fn example(halt: tapewire_core::Halt) -> Result<(), tapewire_store::StoreError> {
    /// use tapewire_core::Run;
    /// use tapewire_runtime::Shutdown;
    /// use tapewire_store::{ClickHouseConfig, Writer, rows::HaltRow};
    ///
    /// let writer = Writer::new(&ClickHouseConfig::default(), Shutdown::new());
    /// writer.insert("halts", &[HaltRow::new(&Run::live(), &halt)]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Errors that trying again can't fix ([`StoreError::ClickHouse`], [`StoreError::NotMigrated`], [`StoreError::Login`]); at
    /// shutdown [`StoreError::Unreachable`], [`StoreError::Busy`], [`StoreError::DiskFull`] or [`StoreError::Certificate`]. The
    /// rows were not acknowledged then.
    pub async fn insert<T>(&self, table: &'static str, rows: &[T]) -> Result<(), StoreError>
    where
        T: RowOwned + RowWrite + Row,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        loop {
            let error = match self.attempt(table, rows).await {
                Ok(()) => {
                    metrics::counter!("tapewire_rows_written_total", "table" => table).increment(rows.len() as u64);
                    return Ok(());
                }
                Err(error) => StoreError::from_clickhouse(error, &self.url),
            };
            // A certificate that is not accepted any more is waited for, too: it was accepted when the role started, so it is
            // being renewed or a clock is wrong.
            if !error.is_retryable() && !matches!(error, StoreError::Certificate { .. }) {
                return Err(error);
            }
            let rows = rows.len();
            if matches!(error, StoreError::DiskFull { .. }) {
                tracing::error!(
                    %error,
                    table,
                    rows,
                    "ClickHouse has no room for a batch; nothing is lost, the same batch is sent until there is room"
                );
            } else {
                tracing::warn!(
                    %error,
                    table,
                    rows,
                    "ClickHouse did not accept a batch; nothing is lost, the same batch is sent again"
                );
            }
            if self.shutdown.run_until_cancelled(tokio::time::sleep(backoff.next_wait())).await.is_none() {
                return Err(error);
            }
        }
    }

    async fn attempt<T>(&self, table: &str, rows: &[T]) -> clickhouse::error::Result<()>
    where
        T: RowOwned + RowWrite + Row,
    {
        // The first insert into a table asks for its columns, without a time-out of its own.
        let begun = tokio::time::timeout(SEND_TIMEOUT, self.client.insert::<T>(table)).await;
        let mut insert = begun
            .unwrap_or(Err(clickhouse::error::Error::TimedOut))?
            .with_timeouts(Some(SEND_TIMEOUT), Some(ACKNOWLEDGE_TIMEOUT))
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            // A batch of daily bars has rows of hundreds of months, and each month is a partition.
            .with_setting("max_partitions_per_insert_block", "0");
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }
}
