//! News: a row to an article, and the rows of one article to its revisions.

mod edits;
mod row;

pub(super) use edits::{Collected, Collector};
pub(super) use row::Reader;
