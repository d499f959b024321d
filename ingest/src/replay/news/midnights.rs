//! Files of news whose times may be days without a time of day.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The delay with which news that is dated with the midnight of its day counts from the end of the day.
const DAY: Duration = Duration::from_secs(86_400);
/// How many rows at a midnight are no chance, if they are more than one in [`ONE_IN`] of the file.
const FEWEST: u64 = 3;
/// By chance, one row in 1,440 is of the minute after a midnight.
const ONE_IN: u64 = 50;

/// How many rows of a file count from a midnight.
#[derive(Debug)]
pub(in crate::replay) struct Midnights {
    file: Arc<Path>,
    rows: u64,
    at_midnight: u64,
}

impl Midnights {
    /// Counts a row. All rows of a file come one after the other.
    pub fn count(files: &mut Vec<Self>, file: &Arc<Path>, is_midnight: bool) {
        if files.last().is_none_or(|last| last.file != *file) {
            files.push(Self { file: file.clone(), rows: 0, at_midnight: 0 });
        }
        if let Some(last) = files.last_mut() {
            last.rows += 1;
            last.at_midnight += u64::from(is_midnight);
        }
    }

    /// What a person should know, unless news counts from the end of its day anyway.
    pub fn note(&self, delay: Duration) -> Option<String> {
        let Self { file, rows, at_midnight } = self;
        let is_doubtful = *at_midnight >= FEWEST && at_midnight.saturating_mul(ONE_IN) > *rows && delay < DAY;
        is_doubtful.then(|| {
            let others = if at_midnight < rows { "; it delays the other rows as much" } else { "" };
            format!(
                "{}: {at_midnight} of {rows} rows are dated exactly midnight; if these are days without a time of day, \
                 the news counts before it was known, and --delay 24h lets it count from the end of its day (with \
                 --news-columns received_at= where rows have a time of receipt){others}",
                file.display()
            )
        })
    }
}
