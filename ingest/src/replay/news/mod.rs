//! News: each row becomes an article, and the rows of one article become its revisions.

mod edits;
mod identity;
mod known;
mod midnights;
mod row;
mod times;
mod unknown;

pub(super) use edits::{Collected, Collector};
pub(super) use identity::WithoutId;
pub(super) use midnights::Midnights;
pub(super) use row::Reader;
