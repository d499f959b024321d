//! A complete Parquet output. Its values are encoded, so it can't be compared with the input row by row. Instead, it
//! contains a digest of the data it was made from, which a resumed run computes again. The scores are read from it, and
//! the model's name and revision are compared.

use super::{RowWriter, Writing, differs, other_scores};
use crate::FilesError;
use crate::columns::{Score, ScoreColumns};
use crate::input::catch_panic;
use crate::row::{Row, json};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Row as ParquetRow;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::Path;

/// A digest of the names of the columns and of the rows: their journal entries, and their values if the output is made
/// of values.
pub(super) struct SourceDigest(Sha256);

impl SourceDigest {
    /// The metadata key of the digest in a complete file.
    pub const KEY: &str = "tapewire:origin";

    pub fn of(writing: &Writing<'_>) -> Self {
        let mut origin = Self(Sha256::new());
        let columns = writing.opened.columns.iter().map(|column| &column.name);
        for name in columns.chain(writing.scores.names()) {
            origin.line(json(name).get().as_bytes());
        }
        origin
    }

    pub fn add(&mut self, row: &Row) {
        self.line(&row.journaled().raw);
        for cell in &row.cells {
            self.line(cell.as_ref().map_or("null", |value| value.get()).as_bytes());
        }
    }

    /// A line is JSON, so it contains no line feed.
    fn line(&mut self, line: &[u8]) {
        self.0.update(line);
        self.0.update(b"\n");
    }

    pub fn metadata(&self) -> KeyValue {
        KeyValue::new(Self::KEY.to_owned(), format!("{:x}", self.0.clone().finalize()))
    }
}

pub(super) struct CompleteParquet {
    place: String,
    scored: RowIter<'static>,
    scores: ScoreColumns,
    stored_origin: Option<KeyValue>,
    origin: SourceDigest,
    rows: u64,
}

impl CompleteParquet {
    pub fn open(path: &Path, writing: &Writing<'_>) -> Result<Self, FilesError> {
        let place = path.display().to_string();
        catch_panic(&place, || Self::read(path, &place, writing))
    }

    fn read(path: &Path, place: &str, writing: &Writing<'_>) -> Result<Self, FilesError> {
        let unreadable = |error: ParquetError| differs(place, &error.to_string());
        let file = File::open(path).map_err(FilesError::io(place))?;
        let reader = SerializedFileReader::new(file).map_err(unreadable)?;
        let metadata = reader.metadata().file_metadata();
        let stored_origin =
            metadata.key_value_metadata().into_iter().flatten().find(|pair| pair.key == SourceDigest::KEY).cloned();
        let root = metadata.schema_descr().root_schema_ptr();
        let ours = root.get_fields().iter().filter(|field| writing.scores.has(field.name())).cloned().collect();
        let scores = Type::group_type_builder(root.name()).with_fields(ours).build().map_err(unreadable)?;
        let scored = RowIter::from_file_into(Box::new(reader)).project(Some(scores)).map_err(unreadable)?;
        let (origin, scores) = (SourceDigest::of(writing), writing.scores.clone());
        Ok(Self { place: place.to_owned(), scored, scores, stored_origin, origin, rows: 0 })
    }

    fn next(&mut self) -> Result<Option<ParquetRow>, FilesError> {
        let (place, scored) = (&self.place, &mut self.scored);
        catch_panic(place, || scored.next().transpose().map_err(|error| differs(place, &error.to_string())))
    }
}

impl RowWriter for CompleteParquet {
    fn existing_score(&mut self, row: &Row) -> Result<Option<Option<Score>>, FilesError> {
        self.origin.add(row);
        self.rows += 1;
        let cells = self.next()?.ok_or_else(|| differs(&self.place, "it has fewer rows than the input"))?;
        let cells: Vec<String> =
            cells.into_columns().into_iter().map(|(_, value)| value.to_json_value().to_string()).collect();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        let scored = ScoreColumns::read(&cells).flatten();
        let expected = self.scores.cells(scored.as_ref());
        // Probabilities, `asked_as` and windows are taken as they were read; label, model and revision must be those
        // that this run would write.
        match cells.get(4..) {
            Some(cells) if *cells == expected[4..] => Ok(Some(scored)),
            _ => Err(other_scores(&self.place, &cells.join(","), &expected.join(","))),
        }
    }

    /// Never called: if a row is missing, [`RowWriter::existing_score`] returns an error.
    fn write(&mut self, _: &Row, _: Option<&Score>) -> Result<(), FilesError> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FilesError> {
        Ok(())
    }

    fn finish(mut self: Box<Self>, complete: bool) -> Result<u64, FilesError> {
        if complete && self.next()?.is_some() {
            return Err(differs(&self.place, "it has more rows than the input"));
        }
        if complete && self.stored_origin != Some(self.origin.metadata()) {
            return Err(differs(&self.place, "it was not made from this input"));
        }
        Ok(self.rows)
    }
}
