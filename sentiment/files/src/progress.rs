//! Progress of a job.

/// Progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobProgress {
    /// Position in the inputs: bytes as they are stored, or texts of the command line.
    pub done: u64,
    /// The final value of `done`, if it is known.
    pub total: Option<u64>,
    /// Rows done, in this run and those it continues.
    pub rows: u64,
    /// Of these, the rows that an earlier run had written, with or without a score.
    pub resumed: u64,
}
