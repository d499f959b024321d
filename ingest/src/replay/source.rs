//! Reads the rows of the files, and keeps those that can't be read for the dead letters.

use super::{ReplayProgress, Stage};
use crate::IngestError;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tapewire_formats::{Options, Reader, Row};

/// How many rows are read between two reports of progress.
const REPORT_EVERY: u64 = 1000;

/// How many reasons are written out.
const SHOWN: usize = 5;

/// The path that stands for the standard input.
const STANDARD_INPUT: &str = "-";

/// Whether a path stands for the standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path == Path::new(STANDARD_INPUT)
}

/// Refuses files among which the standard input is more than once.
///
/// # Errors
/// [`IngestError::Config`].
pub(super) fn check_standard_input<'f>(files: impl Iterator<Item = &'f PathBuf>) -> Result<(), IngestError> {
    match files.filter(|file| is_standard_input(file)).count() {
        0 | 1 => Ok(()),
        _ => Err(IngestError::Config(
            "the standard input, `-`, is given for two files, and can be read once; save one of them to a file".into(),
        )),
    }
}

/// Where a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The file.
    pub file: Arc<Path>,
    /// The number of the line, or of the row in Parquet and in a JSON list; counted from 1.
    pub number: u64,
    /// Whether lines are numbered, not rows.
    pub numbers_lines: bool,
}

impl Origin {
    /// What is numbered.
    pub(super) fn unit(&self) -> &'static str {
        if self.numbers_lines { "line" } else { "row" }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.file.display(), self.unit(), self.number)
    }
}

/// A row that can't be used, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Where the row is.
    pub origin: Origin,
    /// Why it can't be used.
    pub reason: String,
    /// The bytes of the row.
    pub raw: Vec<u8>,
}

/// Reads files one after the other and reports its progress.
pub(super) struct Files<'f, Report> {
    files: &'f [PathBuf],
    options: &'f Options,
    progress: ReplayProgress,
    report: Report,
}

impl<'f, Report: FnMut(ReplayProgress) -> Result<(), IngestError>> Files<'f, Report> {
    /// `before` is how many of all `total` bytes have been read already.
    pub fn new(files: &'f [PathBuf], options: &'f Options, before: u64, total: u64, report: Report) -> Self {
        Self { files, options, progress: ReplayProgress { stage: Stage::Reading, done: before, total }, report }
    }

    /// Calls `read` with each row of each file. `read` may refuse the row with a reason.
    ///
    /// # Errors
    /// A file can't be read, or none of its rows can; [`IngestError::Stopped`].
    pub fn each(
        &mut self,
        rejected: &mut Vec<Rejected>,
        mut read: impl FnMut(usize, Origin, &Row) -> Result<Result<(), String>, IngestError>,
    ) -> Result<(), IngestError> {
        for (index, file) in self.files.iter().enumerate() {
            let before = self.progress.done;
            let mut reader = match is_standard_input(file) {
                true => Reader::stdin(self.options)?,
                false => Reader::open(file, self.options)?,
            };
            let numbers_lines = reader.numbers_lines();
            let file: Arc<Path> = file.as_path().into();
            let (first_reject, mut rows, mut readable) = (rejected.len(), 0_u64, 0_u64);
            while let Some(row) = reader.next() {
                let origin = |number| Origin { file: file.clone(), number, numbers_lines };
                match row? {
                    Ok(row) => match read(index, origin(row.number), &row)? {
                        Ok(()) => readable += 1,
                        Err(reason) => rejected.push(Rejected { origin: origin(row.number), reason, raw: row.raw }),
                    },
                    Err(bad) => {
                        rejected.push(Rejected { origin: origin(bad.number), reason: bad.reason, raw: bad.raw });
                    }
                }
                rows += 1;
                if rows.is_multiple_of(REPORT_EVERY) {
                    self.progress.done = (before + reader.position()).min(self.progress.total);
                    (self.report)(self.progress)?;
                }
            }
            if readable == 0 {
                return Err(nothing_readable(&file, rows, &rejected[first_reject..]));
            }
            self.progress.done =
                (before + std::fs::metadata(&file).map_or(0, |file| file.len())).min(self.progress.total);
            (self.report)(self.progress)?;
        }
        Ok(())
    }
}

/// The error for a file of which no row can be replayed. It has the commonest reasons.
pub(super) fn nothing_readable(file: &Path, rows: u64, rejected: &[Rejected]) -> IngestError {
    let path = file.to_owned();
    if rows == 0 {
        return IngestError::Shape { path, reason: "it has no rows".into() };
    }
    let reasons = reasons(rejected);
    IngestError::Shape { path, reason: format!("none of its {rows} rows can be read: {}", reasons.join("; ")) }
}

/// The commonest reasons, each with its number of rows and its first row; then how many other reasons there are.
pub(super) fn reasons(rejected: &[Rejected]) -> Vec<String> {
    let mut counts: BTreeMap<String, (u64, &str, &Origin)> = BTreeMap::new();
    for row in rejected {
        // Rows with the same fault quote different values.
        let kind: String = row.reason.split('`').step_by(2).collect::<Vec<_>>().join("`");
        counts.entry(kind).or_insert((0, &row.reason, &row.origin)).0 += 1;
    }
    let mut counts: Vec<_> = counts.into_values().collect();
    counts.sort_by_key(|&(count, _, first)| (std::cmp::Reverse(count), first.number));
    let line = |&(count, reason, first): &(u64, &str, &Origin)| {
        let place = format!("{} {}", first.unit(), first.number);
        if count == 1 { format!("{reason} ({place})") } else { format!("{reason} ({place} and {} more)", count - 1) }
    };
    let mut lines: Vec<String> = counts.iter().take(SHOWN).map(line).collect();
    let others = counts.get(SHOWN..).unwrap_or_default();
    if !others.is_empty() {
        let rows: u64 = others.iter().map(|(count, ..)| count).sum();
        let firsts: Vec<String> = others.iter().take(SHOWN).map(|(_, _, first)| first.number.to_string()).collect();
        let unit = others[0].2.unit();
        let more = if others.len() > SHOWN { ", ..." } else { "" };
        let reasons = if others.len() == 1 { "reason" } else { "reasons" };
        let count = others.len();
        lines.push(format!("and {count} other {reasons} for {rows} rows ({unit} {}{more})", firsts.join(", ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_with_rare_reasons_are_counted_and_named() {
        let row = |number: u64, reason: &str| {
            let origin = Origin { file: Arc::from(Path::new("news.jsonl")), number, numbers_lines: true };
            Rejected { origin, reason: reason.to_owned(), raw: Vec::new() }
        };
        let mut rejected: Vec<Rejected> =
            (1..).zip(["a", "b", "c", "d", "e", "f `1`"]).map(|(n, why)| row(n, why)).collect();
        rejected.push(row(7, "f `2`"));
        let shown = ["f `1` (line 6 and 1 more)", "a (line 1)", "b (line 2)", "c (line 3)", "d (line 4)"];
        assert_eq!(reasons(&rejected), [&shown[..], &["and 1 other reason for 1 rows (line 5)"]].concat());
        rejected.extend((8..14).map(|n| row(n, &format!("reason {n}"))));
        assert_eq!(reasons(&rejected)[..5], shown);
        assert_eq!(reasons(&rejected)[5], "and 7 other reasons for 7 rows (line 5, 8, 9, 10, 11, ...)");
        assert_eq!(reasons(&rejected[..5]).len(), 5);
        // A file of Parquet has no lines.
        rejected.iter_mut().for_each(|row| row.origin.numbers_lines = false);
        let shown = reasons(&rejected);
        assert_eq!((shown[0].as_str(), shown[1].as_str()), ("f `1` (row 6 and 1 more)", "a (row 1)"));
        assert_eq!(shown[5], "and 7 other reasons for 7 rows (row 5, 8, 9, 10, 11, ...)");
    }
}
