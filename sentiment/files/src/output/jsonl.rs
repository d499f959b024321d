//! JSON lines: the row's own fields, then the scores. A JSON object on one line is copied byte for byte.

use super::Writing;
use super::lines::{Layout, Lines};
use crate::FilesError;
use crate::columns::{Score, ScoreColumns};
use crate::input::Keep;
use crate::resume::Target;
use crate::row::{Row, json};
use serde_json::value::RawValue;
use std::collections::HashMap;

pub(super) struct Jsonl {
    scores: ScoreColumns,
    /// `"name":` of each column; empty if rows are copied.
    keys: Vec<String>,
}

impl Jsonl {
    pub fn open(target: Target, writing: &Writing<'_>) -> Result<Lines<Self>, FilesError> {
        let columns = &writing.opened.columns;
        let mut keys = Vec::new();
        if writing.keep == Keep::Cells {
            super::unique(columns)?;
            keys = columns.iter().map(|column| format!("{}:", json(&column.name))).collect();
        }
        Ok(Lines::new(target, Self { scores: writing.scores.clone(), keys }))
    }

    /// A writer of rows that are JSON objects already.
    pub fn for_objects(target: Target, scores: ScoreColumns) -> Lines<Self> {
        Lines::new(target, Self { scores, keys: Vec::new() })
    }
}

/// The scores of a row, as an earlier run wrote them: `{"p_positive":0.9,...,"windows":1}`
type Values<'a> = HashMap<String, &'a RawValue>;

impl Layout for Jsonl {
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

    fn end(&self, scored: Option<&Score>) -> String {
        let cells = self.scores.cells(scored);
        let pairs: Vec<String> =
            self.scores.names().iter().zip(cells).map(|(name, value)| format!("{}:{value}", json(name))).collect();
        format!("{}}}", pairs.join(","))
    }

    fn read(&self, end: &[u8]) -> Option<Score> {
        let object = [b"{", end].concat();
        let values: Values<'_> = serde_json::from_slice(&object).ok()?;
        let of = |name: &String| values.get(name.as_str()).map(|value| value.get());
        let values: Option<Vec<&str>> = self.scores.names().iter().map(of).collect();
        ScoreColumns::read(&values?).flatten()
    }
}
