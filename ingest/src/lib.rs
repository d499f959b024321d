//! What comes in from outside: news, prices, files, and a simulated market to try it on.
//!
//! | module | holds |
//! |---|---|
//! | [`providers`] | one identical folder a provider: its messages, its REST and websocket clients |
//! | [`poller`] | news, every 20 seconds, onto topic `news` |
//! | [`feed`] | bars, trades and halts from the websocket onto their topics, holes filled over REST |
//! | [`replay`] | news and bars from files, as a run of their own |
//! | [`simulate`] | a simulated provider with a market in it whose truth is known |
//! | [`backoff`] | how long to wait before trying again |
//! | [`state`] | notes on how far we have come, in files |
//! | [`writer`] | records to their topics, acknowledged |
//! | [`epoch`] | moments as numbers, in whatever unit |
//!
//! Two promises hold everywhere: a watermark moves only after the broker has acknowledged all it
//! vouches for, and what can't be read goes to the dead letters with its bytes and the reason.

pub mod backoff;
pub mod epoch;
pub mod error;
pub mod feed;
pub mod poller;
pub mod providers;
pub mod replay;
pub mod simulate;
pub mod state;
pub mod writer;

pub use error::IngestError;
