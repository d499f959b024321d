//! What can be set about the queue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroUsize};

/// Settings of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// A batch holds at most so many tokens for each inference thread: more keeps the threads
    /// better filled, fewer let what comes meanwhile wait less.
    pub batch_tokens_per_thread: NonZeroUsize,
    /// About how many tokens may be in the queue or being computed; beyond that callers wait or are refused.
    pub capacity_tokens: NonZeroU32,
    /// Scores remembered for texts that come again, about 150 bytes each; 0 remembers none.
    pub cache_entries: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            batch_tokens_per_thread: NonZeroUsize::new(1024).expect("1024 is not zero"),
            capacity_tokens: NonZeroU32::new(65_536).expect("65536 is not zero"),
            cache_entries: 65_536,
        }
    }
}
