//! Parquet. From Parquet, encoded columns are copied row group by row group and the scores are added; from other
//! formats, columns are made from the values.
//!
//! A Parquet file can't be read before its end is written, and can't be continued after that. So the file has another
//! name (`.partial`) while it is written, and each score is first written to a journal of JSON lines next to it, which
//! a resumed run reads instead of scoring again. When the file is complete, it contains a digest of the data it was
//! made from, and the journal is removed.

use super::finished::SourceDigest;
use super::jsonl::Jsonl;
use super::lines::Lines;
use super::{RowWriter, Writing, unique};
use crate::columns::{Column, Kind, Score, ScoreColumns};
use crate::input::Keep;
use crate::resume::Target;
use crate::row::{Cell, Row};
use crate::{FilesError, JobSource};
use parquet::basic::{Compression, LogicalType, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaData};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A new row group is closed at this number of rows, or bytes of values.
const GROUP_ROWS: usize = 65_536;
const GROUP_BYTES: usize = 16 << 20;
/// Values that are encoded at once.
const SLICE: usize = 4096;
/// Metadata key of Arrow's schema. It is left out, because the schema lacks the score columns and would contradict the
/// file.
const ARROW_SCHEMA: &str = "ARROW:schema";

pub(super) struct Parquet {
    path: PathBuf,
    partial: PathBuf,
    journal: Box<Lines<Jsonl>>,
    writer: SerializedFileWriter<File>,
    scores: ScoreColumns,
    columns: Columns,
    origin: SourceDigest,
    /// Scores of the current row group.
    scored: Vec<Option<Score>>,
    rows: u64,
}

/// The source of the columns other than the scores.
enum Columns {
    /// Row groups of the inputs, the next one last.
    Copied(Vec<Group>),
    /// Values of the current row group.
    Made { columns: Vec<Column>, rows: Vec<Vec<Cell>>, bytes: usize },
}

/// A row group of an input.
struct Group {
    file: Arc<File>,
    metadata: Arc<ParquetMetaData>,
    index: usize,
}

/// The journal of an output.
pub(super) fn journal(path: &Path) -> PathBuf {
    with_suffix(path, ".scores.jsonl")
}

/// The name of an output while it is written.
pub(super) fn partial(path: &Path) -> PathBuf {
    with_suffix(path, ".partial")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

impl Parquet {
    pub fn open(path: &Path, writing: &Writing<'_>) -> Result<Self, FilesError> {
        let partial = partial(path);
        let (schema, columns, metadata) = if writing.keep == Keep::Nothing { copied(writing)? } else { made(writing)? };
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties =
            WriterProperties::builder().set_compression(compression).set_key_value_metadata(metadata).build();
        let file = File::create(&partial).map_err(FilesError::io(&partial.display().to_string()))?;
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed(path))?;
        let journal = Jsonl::for_objects(Target::file(&journal(path), writing.resume)?, writing.scores.clone());
        Ok(Self {
            path: path.to_owned(),
            partial,
            journal: Box::new(journal),
            writer,
            scores: writing.scores.clone(),
            columns,
            origin: SourceDigest::of(writing),
            scored: Vec::new(),
            rows: 0,
        })
    }

    fn push(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError> {
        self.origin.add(row);
        self.scored.push(scored.cloned());
        let full = match &mut self.columns {
            Columns::Copied(groups) => groups.last().is_some_and(|group| group.rows() == self.scored.len()),
            Columns::Made { rows, bytes, .. } => {
                *bytes += row.cells.iter().flatten().map(|value| value.get().len()).sum::<usize>();
                rows.push(row.cells.clone());
                rows.len() >= GROUP_ROWS || *bytes >= GROUP_BYTES
            }
        };
        if full { self.close_group().map_err(failed(&self.path)) } else { Ok(()) }
    }

    fn close_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        match &mut self.columns {
            Columns::Copied(groups) => groups.pop().map_or(Ok(()), |source| source.copy(&mut group))?,
            Columns::Made { columns, rows, bytes } => {
                for (at, column) in columns.iter().enumerate() {
                    let cells = rows.iter().map(|row| row[at].as_ref().map(|value| value.get().to_owned()));
                    write_column(&mut group, kind(column), cells)?;
                }
                (*bytes, *rows) = (0, Vec::new());
            }
        }
        for (at, kind) in ScoreColumns::KINDS.into_iter().enumerate() {
            let cells =
                self.scored.iter().map(|scored| scored.as_ref().map(|scored| self.scores.cell(at, Some(scored))));
            write_column(&mut group, kind, cells)?;
        }
        group.close()?;
        self.rows += self.scored.len() as u64;
        self.scored.clear();
        Ok(())
    }
}

impl RowWriter for Parquet {
    fn existing_score(&mut self, row: &Row) -> Result<Option<Option<Score>>, FilesError> {
        let known = self.journal.existing_score(&row.journaled())?;
        if let Some(scored) = &known {
            self.push(row, scored.as_ref())?;
        }
        Ok(known)
    }

    fn write(&mut self, row: &Row, scored: Option<&Score>) -> Result<(), FilesError> {
        self.journal.write(&row.journaled(), scored)?;
        self.push(row, scored)
    }

    fn flush(&mut self) -> Result<(), FilesError> {
        self.journal.flush()
    }

    fn finish(mut self: Box<Self>, complete: bool) -> Result<u64, FilesError> {
        // A row group can't be copied in part; the scores of an incomplete one stay in the journal.
        if matches!(self.columns, Columns::Made { .. }) && !self.scored.is_empty() {
            self.close_group().map_err(failed(&self.path))?;
        }
        if complete {
            self.writer.append_key_value_metadata(self.origin.metadata());
        }
        self.writer.finish().map_err(failed(&self.path))?;
        self.journal.finish(complete)?;
        let io = FilesError::io(&self.path.display().to_string());
        self.writer.inner().sync_all().map_err(&io)?;
        std::fs::rename(&self.partial, &self.path).map_err(&io)?;
        if complete {
            std::fs::remove_file(journal(&self.path)).map_err(&io)?;
        }
        Ok(self.rows)
    }
}

type Layout = (TypePtr, Columns, Option<Vec<KeyValue>>);

/// The schema of the inputs with the score columns, and the row groups to copy.
fn copied(writing: &Writing<'_>) -> Result<Layout, FilesError> {
    let mut groups = Vec::new();
    let mut first: Option<Arc<ParquetMetaData>> = None;
    for source in writing.sources {
        let JobSource::File(path) = source else { continue };
        let open = || File::open(path).map_err(FilesError::io(&source.to_string()));
        let options = ReadOptionsBuilder::new().with_page_index().build();
        let reader = SerializedFileReader::new_with_options(open()?, options).map_err(failed(path))?;
        let (file, metadata) = (Arc::new(open()?), Arc::new(reader.metadata().clone()));
        let schema = |metadata: &ParquetMetaData| metadata.file_metadata().schema_descr().root_schema_ptr();
        if first.as_ref().is_some_and(|first| schema(first) != schema(&metadata)) {
            let problem = format!("its columns have other types than those in {}", writing.sources[0]);
            return Err(FilesError::Unreadable { place: source.to_string(), problem });
        }
        let of_file = |index| Group { file: file.clone(), metadata: metadata.clone(), index };
        groups.extend((0..metadata.num_row_groups()).map(of_file).filter(|group| group.rows() > 0));
        first.get_or_insert(metadata);
    }
    groups.reverse();
    let first = first.ok_or_else(|| FilesError::Usage("there is no file to copy from".into()))?;
    let root = first.file_metadata().schema_descr().root_schema_ptr();
    let fields = root.get_fields().to_vec();
    let schema = schema(root.name(), fields, writing).map_err(failed(Path::new("schema")))?;
    let mut metadata = first.file_metadata().key_value_metadata().cloned();
    if let Some(pairs) = &mut metadata {
        pairs.retain(|pair| pair.key != ARROW_SCHEMA && pair.key != SourceDigest::KEY);
    }
    Ok((schema, Columns::Copied(groups), metadata))
}

/// A schema for the columns of the inputs and the score columns.
fn made(writing: &Writing<'_>) -> Result<Layout, FilesError> {
    let columns = writing.opened.columns.clone();
    unique(&columns)?;
    let fields = columns.iter().map(|column| field(&column.name, kind(column))).collect::<Result<_, _>>();
    let schema = fields.and_then(|fields| schema("schema", fields, writing)).map_err(failed(Path::new("schema")))?;
    Ok((schema, Columns::Made { columns, rows: Vec::new(), bytes: 0 }, None))
}

fn schema(name: &str, mut fields: Vec<TypePtr>, writing: &Writing<'_>) -> Result<TypePtr, ParquetError> {
    for (name, kind) in writing.scores.names().iter().zip(ScoreColumns::KINDS) {
        fields.push(field(name, kind)?);
    }
    Ok(Arc::new(Type::group_type_builder(name).with_fields(fields).build()?))
}

/// A column that was null so far may contain anything later.
fn kind(column: &Column) -> Kind {
    column.kind.unwrap_or(Kind::Json)
}

fn field(name: &str, kind: Kind) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Bool => (PhysicalType::BOOLEAN, None),
        Kind::Int => (PhysicalType::INT64, None),
        Kind::Float => (PhysicalType::DOUBLE, None),
        Kind::Text => (PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Json => (PhysicalType::BYTE_ARRAY, Some(LogicalType::Json)),
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(builder.with_logical_type(logical).build()?))
}

impl Group {
    fn rows(&self) -> usize {
        usize::try_from(self.metadata.row_group(self.index).num_rows()).unwrap_or(0)
    }

    /// Copies the encoded columns.
    fn copy(&self, group: &mut SerializedRowGroupWriter<'_, File>) -> Result<(), ParquetError> {
        let index = self.metadata.page_index();
        for (at, column) in self.metadata.row_group(self.index).columns().iter().enumerate() {
            let close = ColumnCloseResult {
                bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
                rows_written: self.rows() as u64,
                metadata: column.clone(),
                bloom_filter: Sbbf::read_from_column_chunk(column, &*self.file)?,
                column_index: index.and_then(|index| index.column_index(self.index, at)).cloned(),
                offset_index: index.and_then(|index| index.offset_index(self.index, at)).cloned(),
            };
            group.append_column(&*self.file, close)?;
        }
        Ok(())
    }
}

/// Writes the next column from values as JSON text; `None` is NULL.
fn write_column(
    group: &mut SerializedRowGroupWriter<'_, File>,
    kind: Kind,
    mut cells: impl Iterator<Item = Option<String>>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Err(ParquetError::EOF("a column too many".into())) };
    loop {
        let slice: Vec<Option<String>> = cells.by_ref().take(SLICE).collect();
        if slice.is_empty() {
            return column.close();
        }
        let text =
            |value: &str| serde_json::from_str::<String>(value).ok().map(|text| ByteArray::from(text.into_bytes()));
        match kind {
            Kind::Bool => write_slice::<BoolType>(&mut column, &slice, |value| value.parse().ok())?,
            Kind::Int => write_slice::<Int64Type>(&mut column, &slice, |value| value.parse().ok())?,
            Kind::Float => write_slice::<DoubleType>(&mut column, &slice, |value| value.parse().ok())?,
            Kind::Text => write_slice::<ByteArrayType>(&mut column, &slice, text)?,
            Kind::Json => {
                write_slice::<ByteArrayType>(&mut column, &slice, |value| Some(value.as_bytes().to_vec().into()))?
            }
        }
    }
}

/// Writes values that `read` converts. It succeeds for every value, because the kind of a column holds all of its
/// values.
fn write_slice<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    cells: &[Option<String>],
    read: impl Fn(&str) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<Option<T::T>> = cells.iter().map(|cell| cell.as_deref().and_then(&read)).collect();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// For `map_err`: an error of the Parquet library with the name of the file; an I/O error stays an I/O error.
fn failed(path: &Path) -> impl Fn(ParquetError) -> FilesError {
    move |error| {
        let place = path.display().to_string();
        match error {
            ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(source) => FilesError::Io { place, source: *source },
                Err(source) => FilesError::Unreadable { place, problem: source.to_string() },
            },
            other => FilesError::Unreadable { place, problem: other.to_string() },
        }
    }
}
