//! How far the scoring of files is.

/// Numbers for whoever waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// How much of the inputs is done: bytes, or rows of Parquet.
    pub done: u64,
    /// What `done` will come to, if that is known.
    pub total: Option<u64>,
    /// Rows done, in this run and those it continues.
    pub rows: u64,
    /// Of these, what an earlier run had done.
    pub known: u64,
}
