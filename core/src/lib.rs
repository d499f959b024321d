//! Domain types of tapewire: what an article, a mention, a bar and an impact *are*,
//! how they look on a topic, and when an exchange is open.
//!
//! This crate does no I/O, starts no task and never asks the time; every other crate
//! may use it and it uses none of them.
//!
//! | module | holds |
//! |---|---|
//! | [`symbol`] | [`Symbol`]: a normalised ticker and the asset class it tells |
//! | [`run`] | [`Run`]: live data, or one named replay, kept apart end to end |
//! | [`article`] | [`Article`]: one news item as a provider published it |
//! | [`mention`] | [`Mention`]: one article about one company, scored or not, and why |
//! | [`tape`] | [`Bar`], [`Trade`], [`Halt`]: what the market printed |
//! | [`impact`] | [`Impact`]: the joined row, and its [`Horizon`]s |
//! | [`watermark`] | [`Watermark`] and how several become one |
//! | [`record`] | the versioned JSON that travels on each topic |
//! | [`exchange`] | sessions, holidays and half days of an exchange |

pub mod article;
pub mod exchange;
pub mod impact;
pub mod mention;
pub mod record;
pub mod run;
pub mod symbol;
pub mod tape;
pub mod watermark;

pub use article::Article;
pub use impact::{Horizon, Impact};
pub use mention::{Mention, Probabilities, Sentiment, Unscored};
pub use record::{CodecError, DeadLetter, HaltRecord, NewsRecord, SentimentRecord, TapeRecord, TradeRecord};
pub use run::Run;
pub use symbol::Symbol;
pub use tape::{Bar, Halt, Trade};
pub use watermark::{Watermark, Watermarks};
