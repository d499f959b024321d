//! The join: what the price did after each mention.
//!
//! Pure: a [`State`] takes one [`Event`] after the other and answers with the rows that changed.
//! It reads no clock and does no I/O. The last row of each mention, its version included, is a
//! function of the *set* of records: topics may be interleaved in any way, records may come twice,
//! bars in any order within the lateness, and the process may be killed and rebuilt anywhere.
//!
//! What makes it so:
//! - Nothing is decided by what happens to have come first. A row is computed anew from everything
//!   known whenever something it rests on changes ([`outcome`]), and only bars that ended before
//!   the tape's watermark are looked at.
//! - A row's version ([`version`]) is made of the positions of the records it rests on, so it says
//!   how much the row knows and not when it was computed.
//! - What comes too late is told by watermarks of its own topic alone: their order against the
//!   record is the same for every reader of the topic.
//! - Nothing is forgotten while an unfinished row, or a mention still to come, may need it ([`memory`]).
//!
//! | module | holds |
//! |---|---|
//! | [`config`] | [`JoinConfig`] |
//! | [`partition`] | [`Partition`]: the states of all runs on one partition, and its rewind points |
//! | [`state`] | [`State`]: one run, event by event |
//! | [`memory`] | forgetting what is finished, and rebuilding what is not |
//! | [`mention`] | one article and company, of all its versions the one that counts |
//! | [`note`] | what a commit says to the next owner |
//! | [`plan`] | what the calendar alone says of a mention |
//! | [`outcome`] | entry, horizons and flags, from the bars that can be seen |
//! | [`market`] | market model and usual volume, from the sessions before |
//! | [`tape`] | bars and halts of one symbol |
//! | [`progress`] | watermarks, and which record moved them |
//! | [`version`] | how much a row knows, as one number |

pub mod config;
mod market;
mod memory;
mod mention;
mod note;
mod outcome;
pub mod partition;
mod plan;
mod progress;
pub mod state;
mod tape;
pub mod version;

pub use config::JoinConfig;
pub use partition::{Partition, Position, Topic};
pub use state::{Event, State};

/// Moments are microseconds since 1970 UTC, as on the topics.
type Micros = i64;

const MINUTE: Micros = 60_000_000;

fn timestamp(at: Micros) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at).expect("moments come from timestamps and stay near them")
}
