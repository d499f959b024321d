//! What can be set about the worker.

use crate::{EngineConfig, QueueConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of the worker.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkerConfig {
    /// A batch is closed when its texts come to about this many tokens: it bounds memory, and how
    /// much is scored again after a kill.
    pub batch_tokens: NonZeroUsize,
    /// How long a lone article waits for company, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "String")]
    pub longest_wait: Duration,
    /// CSV with further companies: `symbol,name,aliases`.
    pub companies: Option<PathBuf>,
    /// How the engine runs.
    pub engine: EngineConfig,
    /// How texts are brought to it.
    pub queue: QueueConfig,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            batch_tokens: NonZeroUsize::new(8192).expect("8192 is not zero"),
            longest_wait: Duration::from_millis(20),
            companies: None,
            engine: EngineConfig::default(),
            queue: QueueConfig::default(),
        }
    }
}
