//! A table for people: a line a row, cut to the width of the terminal.

use super::Output;
use crate::FilesError;
use crate::columns::Score;
use crate::resume::Target;
use crate::row::Row;

pub(super) struct Table {
    target: Target,
    /// Characters left for the text; unlimited where nobody looks.
    room: usize,
    rows: u64,
}

const HEAD: &str = "label      score     pos    neu    neg  text";
/// Where the text begins.
const INDENT: usize = 40;
/// Narrower than this the text says nothing; lines rather break.
const LEAST_ROOM: usize = 20;

impl Table {
    pub fn open(mut target: Target, width: Option<usize>) -> Result<Self, FilesError> {
        target.write(format!("{HEAD}\n").as_bytes())?;
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(INDENT).max(LEAST_ROOM));
        Ok(Self { target, room, rows: 0 })
    }

    /// On one line, and without what would steer the terminal: texts come from strangers.
    fn shown(&self, text: &str) -> String {
        let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        let mut shown: String = printable.clone().take(self.room).collect();
        if printable.count() > self.room {
            shown.pop();
            shown.push('…');
        }
        shown
    }
}

impl Output for Table {
    fn known(&mut self, _: &Row) -> Result<Option<Option<Score>>, FilesError> {
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
