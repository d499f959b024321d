//! Settings of the simulator.

use crate::providers::ApiKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// The simulated provider and its market.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimulatorConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The key that clients must send.
    #[serde(skip)]
    pub api_key: ApiKey,
    /// The same seed and first day give the same market and the same news.
    pub seed: u64,
    /// Sessions of history before the clock's first day.
    pub history_sessions: u32,
    /// Articles an hour on a business day; nights and weekends have fewer.
    pub articles_per_hour: f64,
    /// Planted effect κ: the log return, in basis points, that an article of sentiment 1 has added when the effect is
    /// over.
    pub effect_bp: f64,
    /// Time constant τ of the effect, in trading time.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub effect_time: Duration,
    /// Trading time between publication and the beginning of the effect.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub reaction_delay: Duration,
    /// Faults for tests; 0 means never.
    pub faults: Faults,
}

impl Default for SimulatorConfig {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 8787).into(),
            api_key: ApiKey::new("simulated"),
            seed: 1,
            history_sessions: 25,
            articles_per_hour: 60.0,
            effect_bp: 30.0,
            effect_time: Duration::from_secs(20 * 60),
            reaction_delay: Duration::from_secs(60),
            faults: Faults::default(),
        }
    }
}

/// What goes wrong on purpose; 0 means never.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// After every n articles of a page, adds one that can't be read.
    pub malformed_article_every: usize,
    /// After every n bars, the websocket sends one that can't be read.
    pub malformed_bar_every: usize,
    /// After every n bars, the websocket sends a message of an unknown type.
    pub unknown_message_every: usize,
    /// A websocket is dropped without a close frame after this many bars and trades.
    pub disconnect_after: usize,
    /// Every n-th request is answered 429 with `Retry-After: 1`.
    pub rate_limit_every: usize,
    /// Every n-th request is answered 200 with an error in the body.
    pub error_body_every: usize,
}
