//! Settings of the queue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::{NonZeroU32, NonZeroUsize};

/// Settings of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// Largest batch, in tokens per inference thread. Larger batches use the threads better; smaller ones shorten the
    /// wait of texts that arrive in the meantime.
    pub batch_tokens_per_thread: NonZeroUsize,
    /// Approximate number of tokens that may be in the queue and the engine at once. When it is reached, the worker
    /// waits, and HTTP requests are refused.
    pub capacity_tokens: NonZeroU32,
    /// Number of scores that are cached, about 150 bytes each; 0 disables the cache.
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
