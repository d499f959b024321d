//! How far each source has been followed: the table `source_progress`.

use crate::{ClickHouseConfig, StoreError};
use clickhouse::Row;
use serde::{Deserialize, Serialize};
use tapewire_core::{Run, Watermark};

/// What a source gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// Articles.
    News,
    /// Bars, trades and halts.
    Prices,
}

impl SourceKind {
    /// The kind as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::News => "news",
            Self::Prices => "prices",
        }
    }
}

/// Row of `source_progress`. Times are microseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the columns are described in the migration")]
pub struct SourceRow {
    pub run: String,
    pub kind: String,
    pub source: String,
    pub watermark: i64,
    pub idle: bool,
    pub position: u64,
}

impl SourceRow {
    /// The row of a source's watermark that was found at `position` in its partition. `None` if the watermark names no
    /// source, or is the end of a replay, which no time can be compared with.
    pub fn new(run: &Run, kind: SourceKind, watermark: &Watermark, position: u64) -> Option<Self> {
        (!watermark.source.is_empty() && !watermark.is_end_of_stream()).then(|| Self {
            run: run.as_str().to_owned(),
            kind: kind.as_str().to_owned(),
            source: watermark.source.clone(),
            watermark: watermark.at.as_microsecond(),
            idle: watermark.idle,
            position,
        })
    }
}

/// How far the sources of the live run have been followed.
///
/// # Errors
/// The [errors of queries](StoreError#errors-of-queries).
pub async fn source_progress(config: &ClickHouseConfig) -> Result<Vec<SourceRow>, StoreError> {
    let sql = "SELECT toString(run) AS run, toString(kind) AS kind, toString(source) AS source,
            toUnixTimestamp64Micro(watermark) AS watermark, idle, position
        FROM source_progress FINAL WHERE source_progress.run = {live:String} ORDER BY kind, source";
    config.answer(config.client().query(sql).param("live", Run::live().as_str()).fetch_all()).await
}
