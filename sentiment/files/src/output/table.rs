//! A table for people: one line per row, truncated to the width of the terminal.

use super::RowWriter;
use crate::FilesError;
use crate::columns::Score;
use crate::resume::Target;
use crate::row::Row;

pub(super) struct Table {
    target: Target,
    /// Characters available for the text; unlimited if it is not shown on a terminal.
    text_width: usize,
    rows: u64,
}

const HEAD: &str = "label      score     pos    neu    neg  text";
/// Column in which the text begins.
const INDENT: usize = 40;
/// Texts get at least this width, even if lines wrap.
const MIN_TEXT_WIDTH: usize = 20;

impl Table {
    pub fn open(mut target: Target, width: Option<usize>) -> Result<Self, FilesError> {
        target.write(format!("{HEAD}\n").as_bytes())?;
        let text_width = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(MIN_TEXT_WIDTH));
        Ok(Self { target, text_width, rows: 0 })
    }

    /// The text on one line, without control characters: untrusted texts must not control the terminal.
    fn shown(&self, text: &str) -> String {
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let mut shown: String = printable.clone().take(self.text_width).collect();
        if printable.count() > self.text_width {
            shown.pop();
            shown.push('…');
        }
        shown
    }
}

impl RowWriter for Table {
    fn existing_score(&mut self, _: &Row) -> Result<Option<Option<Score>>, FilesError> {
        Ok(None)
    }

    fn write(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError> {
        self.rows += 1;
        let text = row.text.as_ref().map_or_else(|reason| format!("({reason})"), |text| self.shown(text));
        let line = match scored {
            Some(Score { probabilities: p, .. }) => format!(
                "{:8} {:+7.3}  {:6.3} {:6.3} {:6.3}  {text}\n",
                p.label(),
                p.score(),
                p.positive,
                p.neutral,
                p.negative
            ),
            None => format!("{:8} {:>7}  {:>6} {:>6} {:>6}  {text}\n", "-", "-", "-", "-", "-"),
        };
        self.target.write(line.as_bytes())
    }

    fn flush(&mut self) -> Result<(), FilesError> {
        self.target.flush()
    }

    fn finish(mut self: Box<Self>, _: bool) -> Result<u64, FilesError> {
        self.target.flush()?;
        Ok(self.rows)
    }
}
