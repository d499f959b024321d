//! Domain types of tapewire: what an article, a mention, a bar and an impact *are*,
//! how they look on a topic, and when an exchange is open.
//!
//! This crate does no I/O, starts no task and never asks the time; every other crate
//! may use it and it uses none of them.
//!
//! ```
//! use tapewire_core::{Run, TapeRecord, Watermark, record::Tape};
//!
//! let closed = Watermark::new(0, 1, "2025-06-02T20:00:00Z".parse()?);
//! let bytes = TapeRecord::new(Run::live(), Tape::Watermark(closed)).encode();
//! assert_eq!(TapeRecord::decode(&bytes)?.run, Run::live());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod article;
pub mod exchange;
pub mod impact;
pub mod instrument;
pub mod mention;
pub mod record;
pub mod run;
pub mod story;
pub mod symbol;
pub mod tape;
pub mod text;
pub mod ticker;
pub mod trade_ref;
pub mod watermark;

pub use article::Article;
pub use impact::{Horizon, Impact};
pub use instrument::Instrument;
pub use mention::{Mention, Probabilities, Sentiment, Unscored};
pub use record::{
    ActionRecord, CodecError, DeadLetter, HaltRecord, InstrumentRecord, NewsRecord, SentimentRecord, TapeRecord,
    TradeRecord,
};
pub use run::Run;
pub use symbol::Symbol;
pub use tape::{Bar, BarUpdates, CorporateAction, Halt, Trade};
pub use trade_ref::{PrintKind, PrintRef, TradeRef};
pub use watermark::{Watermark, Watermarks};
