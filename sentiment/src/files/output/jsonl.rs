//! JSON lines: the scores come after the row's own fields, which stay as they were to the byte.

use super::{Output, Writing, as_written, nothing_left};
use crate::files::FilesError;
use crate::files::columns::{Score, ScoreColumns};
use crate::files::input::{Keep, fields};
use crate::files::resume::Target;
use crate::files::row::{Row, json};

pub(super) struct Jsonl {
    target: Target,
    scores: ScoreColumns,
    /// `"name":` of each column; empty where rows are kept as they are.
    keys: Vec<String>,
    rows: u64,
}

impl Jsonl {
    pub fn open(target: Target, writing: &Writing<'_>) -> Result<Self, FilesError> {
        let columns = &writing.opened.columns;
        let mut keys = Vec::new();
        if writing.keep == Keep::Cells {
            super::unique(columns)?;
            keys = columns.iter().map(|column| format!("{}:", json(&column.name))).collect();
        }
        Ok(Self { target, scores: writing.scores.clone(), keys, rows: 0 })
    }

    /// Of rows that are JSON objects.
    pub fn of_objects(target: Target, scores: ScoreColumns) -> Self {
        Self { target, scores, keys: Vec::new(), rows: 0 }
    }

    /// The line up to the scores.
    fn beginning(&self, row: &Row) -> Vec<u8> {
        let mut line = if self.keys.is_empty() {
            row.raw.strip_suffix(b"}").unwrap_or(&row.raw).trim_ascii_end().to_vec()
        } else {
            let values = row.cells.iter().map(|cell| cell.as_ref().map_or("null", |value| value.get()));
            let pairs: Vec<String> = self.keys.iter().zip(values).map(|(key, value)| format!("{key}{value}")).collect();
            format!("{{{}", pairs.join(",")).into_bytes()
        };
        if line != b"{" {
            line.push(b',');
        }
        line
    }

    /// The line from the scores on, without its end.
    fn end(&self, scored: Option<&Score>) -> String {
        let cells = self.scores.cells(scored);
        let pairs: Vec<String> =
            self.scores.names().iter().zip(cells).map(|(name, value)| format!("{}:{value}", json(name))).collect();
        format!("{}}}", pairs.join(","))
    }
}

impl Output for Jsonl {
    fn known(&mut self, row: &Row) -> Result<Option<Option<Score>>, FilesError> {
        let beginning = self.beginning(row);
        let Some(rest) = self.target.existing(&beginning)? else { return Ok(None) };
        let object = [b"{", &rest[..]].concat();
        let values = fields(&object).unwrap_or_default();
        let values: Vec<&str> = values.iter().map(|(_, value)| value.get()).collect();
        let scored = ScoreColumns::read(&values).flatten();
        as_written(&self.target, &rest, self.end(scored.as_ref()).as_bytes())?;
        self.rows += 1;
        Ok(Some(scored))
    }

    fn write(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError> {
        let mut line = self.beginning(row);
        line.extend_from_slice(self.end(scored).as_bytes());
        line.push(b'\n');
        self.rows += 1;
        self.target.write(&line)
    }

    fn flush(&mut self) -> Result<(), FilesError> {
        self.target.flush()
    }

    fn finish(mut self: Box<Self>, whole: bool) -> Result<u64, FilesError> {
        nothing_left(&mut self.target, whole)?;
        Ok(self.rows)
    }
}
