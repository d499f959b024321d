//! Folds trades into bars by event time. Pure: no I/O, no clock; the watermark comes from the caller, or for a
//! [`Partition`] of the topic `trades` from the topic.
//!
//! ```
//! use jiff::SignedDuration;
//! use tapewire_bars::{Fold, Widths};
//! use tapewire_core::{Symbol, Trade, BarUpdates};
//!
//! let widths = Widths::new(&[60])?;
//! let mut fold = Fold::new(Symbol::new("MKR")?, widths, SignedDuration::from_secs(10));
//! let trade = |at: &str, price| Trade {
//!     symbol: Symbol::new("MKR").unwrap(),
//!     at: at.parse().unwrap(),
//!     id: at.to_owned(),
//!     sequence: 0,
//!     price,
//!     size: 100.0,
//!     counts: BarUpdates::EVERYTHING,
//!     replaces: None,
//!     received_at: at.parse().unwrap(),
//! };
//! // The trades may arrive in any order.
//! fold.trade(&trade("2025-06-02T14:00:59Z", 10.2));
//! fold.trade(&trade("2025-06-02T14:00:01Z", 10.0));
//! let bars = fold.watermark("2025-06-02T14:01:00Z".parse()?);
//! assert_eq!((bars[0].open, bars[0].close, bars[0].volume), (10.0, 10.2, 200.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoint;
mod compact_trade;
mod fold;
mod partition;
mod sessions;
mod values;
mod widths;

pub use fold::{Arrival, Fold};
pub use partition::{FoldRules, Partition};
pub use sessions::SessionFold;
pub use widths::{WidthError, Widths};
