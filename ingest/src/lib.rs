//! Input from outside: news, prices, files, and a simulated market to try it on.
//!
//! A provider is a [`providers::NewsSource`] or a [`providers::PriceSource`]. For each configured news source a
//! [`poller`] asks for what is new and puts it on topic `news`; for each price source a [`feed`] puts bars, trades and
//! halts onto their topics and fills gaps. Each source is one watermark stream. [`fold`] is the stage that makes bars of
//! trades. [`replay`] sends recorded files as a run of their own. [`simulate`] is a market with the protocol of a real
//! provider, in which the effect of each article on prices is known.
//!
//! Two rules hold everywhere: a watermark moves only after the broker has acknowledged everything before it, and what
//! can't be read goes to the dead letters with its bytes and the reason.

pub mod backfill;
pub mod epoch;
pub mod error;
pub mod feed;
pub mod fold;
pub mod health;
pub mod instruments;
pub mod letters;
pub mod poller;
pub mod providers;
pub mod replay;
mod sale_conditions;
pub mod simulate;
pub mod state;
mod supervise;
pub mod writer;

pub use error::IngestError;
