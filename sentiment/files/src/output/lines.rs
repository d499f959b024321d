//! Outputs with one line per row: the row's own part, then the scores.

use super::{RowWriter, as_written, check_end};
use crate::FilesError;
use crate::columns::Score;
use crate::resume::Target;
use crate::row::Row;

/// The format of a line.
pub(super) trait Layout {
    /// The line up to the scores.
    fn beginning(&self, row: &Row) -> Vec<u8>;

    /// The line from the scores on, without the line feed.
    fn end(&self, scored: Option<&Score>) -> String;

    /// The inverse of [`Layout::end`]; `None` if there is no score, or if this program did not write `end`.
    fn read(&self, end: &[u8]) -> Option<Score>;
}

pub(super) struct Lines<L> {
    target: Target,
    layout: L,
    rows: u64,
}

impl<L> Lines<L> {
    pub fn new(target: Target, layout: L) -> Self {
        Self { target, layout, rows: 0 }
    }
}

impl<L: Layout> RowWriter for Lines<L> {
    fn existing_score(&mut self, row: &Row) -> Result<Option<Option<Score>>, FilesError> {
        let Some(rest) = self.target.existing(&self.layout.beginning(row))? else { return Ok(None) };
        let scored = self.layout.read(&rest);
        as_written(&self.target, &rest, self.layout.end(scored.as_ref()).as_bytes())?;
        self.rows += 1;
        Ok(Some(scored))
    }

    fn write(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError> {
        let mut line = self.layout.beginning(row);
        line.extend_from_slice(self.layout.end(scored).as_bytes());
        line.push(b'\n');
        self.rows += 1;
        self.target.write(&line)
    }

    fn flush(&mut self) -> Result<(), FilesError> {
        self.target.flush()
    }

    fn finish(mut self: Box<Self>, complete: bool) -> Result<u64, FilesError> {
        check_end(&mut self.target, complete)?;
        Ok(self.rows)
    }
}
