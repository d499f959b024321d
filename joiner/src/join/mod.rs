//! The join: what the price did after each mention.
//!
//! Pure: a [`State`] applies one [`JoinEvent`] after the other and returns the rows that changed. It reads no clock and
//! does no I/O. The last row of each mention, its version included, is a function of the *set* of records: topics may be
//! interleaved in any way, records may arrive twice, bars in any order within the allowed lateness, and the process may
//! be killed and rebuilt at any record.
//!
//! This holds because:
//! - Nothing depends on which record arrived first. A row is evaluated whenever something it depends on changes, with
//!   the result that an evaluation from scratch has (`evaluation`), and only bars that ended before the tape's watermark
//!   are visible.
//! - A row's version ([`version`]) is made of the offsets of the records it depends on, so it says how much the row
//!   knows and not when it was evaluated.
//! - Whether a record is late depends only on the watermarks of its own topic: their order relative to the record is
//!   the same for every reader of the topic.
//! - Nothing is evicted while an unfinished row, or a mention still to come, may need it (`eviction`).
//!
//! # Example
//!
//! A headline at 14:00:10 UTC, within the session. The first tradable minute is 14:01; once the tape is complete up to
//! 14:02, the end of that minute, the row has an entry.
//!
//! ```
//! use std::sync::Arc;
//! use tapewire_core::impact::Status;
//! use tapewire_core::{Bar, Mention, Run, Watermark};
//! use tapewire_joiner::join::{JoinConfig, JoinEvent, State};
//!
//! let mention: Mention = serde_json::from_str(
//!     r#"{"article_id": "a1", "article_revision": 1, "symbol": "AAPL", "title": "Apple beats", "provider": "example",
//!         "publisher": "Example", "url": "", "published_at": 1719928810000000, "received_at": 1719928810000000,
//!         "scored_at": 1719928810000000, "relevance": 1.0, "unscored": null, "sentiment": {"model": "m",
//!         "model_revision": "1", "probabilities": {"positive": 0.7, "neutral": 0.2, "negative": 0.1}}}"#,
//! )?;
//! let bar: Bar = serde_json::from_str(
//!     r#"{"symbol": "AAPL", "start": 1719928860000000, "width_s": 60, "open": 216.5, "high": 217.0, "low": 216.4,
//!         "close": 216.9, "volume": 1000.0, "vwap": null, "trades": null, "received_at": 1719928920000000}"#,
//! )?;
//! let watermark = Watermark::new(0, 1, "2024-07-02T14:02:00Z".parse()?);
//!
//! let mut state = State::new(Run::live(), Arc::new(JoinConfig::default()));
//! let rows = state.step(JoinEvent::Mention { offset: 0, mention })?;
//! assert_eq!(rows[0].status, Status::Pending);
//! assert!(state.step(JoinEvent::Bar { offset: 0, bar })?.is_empty(), "not visible before the watermark");
//! let rows = state.step(JoinEvent::TapeWatermark { offset: 1, watermark })?;
//! assert_eq!(rows[0].status, Status::Open);
//! assert_eq!(rows[0].entry_price, Some(216.5));
//! assert_eq!(rows[0].returns[0], Some((216.9_f64 / 216.5).ln()), "one minute after the entry");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actions;
mod baseline;
pub mod batch;
mod checkpoint;
mod closes;
pub mod config;
mod evaluation;
mod eviction;
mod grid;
mod held;
pub mod inputs;
mod market;
mod mention;
mod mentions;
mod missing;
mod outcome;
mod overnight;
mod packed;
pub mod partition;
mod placement;
mod session;
pub mod state;
mod tape;
mod texts;
mod time;
mod tracker;
pub mod version;
mod window;

pub use closes::SessionCloses;
pub use config::JoinConfig;
pub use inputs::{JoinEvent, JoinTopic, PerTopic, Position};
pub(crate) use mention::MentionKey;
pub use partition::{EvictedRun, Partition};
pub use state::State;
