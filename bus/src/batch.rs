//! Batches of records, for stages that write and commit many at once.

use crate::{BusError, Consumer, Event, Received};
use std::time::Duration;
use tapewire_runtime::Shutdown;

/// Why [`Consumer::fill`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filled {
    /// The batch is full or has waited long enough; it may be empty.
    Ready,
    /// Partitions were assigned or revoked. The reader must drop the batch without committing it.
    Changed {
        /// Whether they were assigned.
        assigned: bool,
    },
    /// Shutdown was requested; this is the last batch.
    Stopping,
}

impl Consumer {
    /// Adds records to a batch until it has `largest` of them or `longest_wait` has passed.
    ///
    /// # Errors
    /// As [`Consumer::next`].
    pub async fn fill(
        &mut self,
        batch: &mut Vec<Received>,
        largest: usize,
        longest_wait: Duration,
        shutdown: &Shutdown,
    ) -> Result<Filled, BusError> {
        let deadline = tokio::time::sleep(longest_wait);
        tokio::pin!(deadline);
        while batch.len() < largest {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(Filled::Stopping),
                () = &mut deadline => return Ok(Filled::Ready),
                event = self.next() => match event? {
                    Event::Record(record) => batch.push(record),
                    Event::Assigned(_) => return Ok(Filled::Changed { assigned: true }),
                    Event::Revoked => return Ok(Filled::Changed { assigned: false }),
                },
            }
        }
        Ok(Filled::Ready)
    }
}
