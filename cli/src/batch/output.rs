//! Output files, which are complete or absent, and the rows in them.

use crate::exit::UsageError;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use tapewire_core::Impact;
use tapewire_formats::{Cell, ColumnType, write_parquet};
use tapewire_store::rows::{ColumnKind, ImpactRow};

/// Format of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A JSON object a line
    Jsonl,
    /// CSV with a header; an empty field is NULL
    Csv,
    /// Parquet, compressed with Zstandard
    Parquet,
}

impl Format {
    /// The format that the file's extension names.
    ///
    /// # Errors
    /// [`UsageError`] for an extension of another format.
    pub fn of(path: &Path) -> Result<Self, UsageError> {
        match path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase).as_deref() {
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            Some("csv") => Ok(Self::Csv),
            Some("parquet" | "pq") => Ok(Self::Parquet),
            _ => Err(UsageError(format!("{}: name it .parquet, .jsonl or .csv, or say --format", path.display()))),
        }
    }
}

/// Refuses two outputs of one name and, unless `overwrite` is set, outputs that would replace a file. `kept` is a file
/// that is continued and may exist.
///
/// # Errors
/// [`UsageError`].
pub fn check(outputs: &[&Path], kept: Option<&Path>, inputs: &[PathBuf], overwrite: bool) -> Result<(), UsageError> {
    let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    };
    let mut seen: Vec<&Path> = Vec::new();
    for &path in outputs.iter().chain(&kept) {
        if inputs.iter().any(|input| same(input, path)) {
            return Err(UsageError(format!("{} is an input; name another output", path.display())));
        }
        if seen.iter().any(|other| same(other, path)) {
            return Err(UsageError(format!("{} is named for two outputs", path.display())));
        }
        if path.is_dir() {
            return Err(UsageError(format!("{} is a folder; name a file", path.display())));
        }
        seen.push(path);
    }
    if let Some(path) = outputs.iter().find(|path| path.exists()).filter(|_| !overwrite) {
        return Err(UsageError(format!("{} exists already; --overwrite replaces it", path.display())));
    }
    Ok(())
}

/// Writes a file that appears under its name only when it is complete.
///
/// # Errors
/// The file can't be written.
pub fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let failed = || format!("{} can't be written", path.display());
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let file = std::fs::File::create(&partial).with_context(failed)?;
    let mut writer = std::io::BufWriter::new(file);
    content(&mut writer).with_context(failed)?;
    writer.into_inner().map_err(|error| error.into_error()).and_then(|file| file.sync_all()).with_context(failed)?;
    std::fs::rename(&partial, path).with_context(failed)
}

/// Writes rows with the columns of table `impact`, except for `version`, which says where records were on topics. Times
/// are RFC 3339 in UTC.
///
/// # Errors
/// What `to` returns.
pub fn rows(rows: &[Impact], format: Format, to: &mut dyn Write) -> anyhow::Result<()> {
    let columns: Vec<(&str, ColumnKind)> = ImpactRow::columns().filter(|(name, _)| *name != "version").collect();
    let values = |row: &Impact| -> anyhow::Result<Vec<Value>> {
        let Value::Object(mut fields) = serde_json::to_value(ImpactRow::new(row))? else {
            unreachable!("a row is a struct")
        };
        let value = |&(name, kind): &(&str, ColumnKind)| match fields.remove(name).unwrap_or(Value::Null) {
            Value::Number(micros) if kind == ColumnKind::Moment => {
                let at = micros.as_i64().and_then(|micros| Timestamp::from_microsecond(micros).ok());
                at.map_or(Value::Null, |at| Value::String(at.to_string()))
            }
            value => value,
        };
        Ok(columns.iter().map(value).collect())
    };
    match format {
        Format::Jsonl => {
            for row in rows {
                let fields = columns.iter().zip(values(row)?).map(|((name, _), value)| format!("\"{name}\":{value}"));
                writeln!(to, "{{{}}}", fields.collect::<Vec<_>>().join(","))?;
            }
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(&mut *to);
            csv.write_record(columns.iter().map(|(name, _)| *name))?;
            for row in rows {
                let field = |value: Value| match value {
                    Value::Null => String::new(),
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                csv.write_record(values(row)?.into_iter().map(field))?;
            }
            csv.flush()?;
        }
        Format::Parquet => {
            let cells = rows.iter().map(values).collect::<anyhow::Result<Vec<_>>>()?;
            let cells = cells.into_iter().map(|row| row.into_iter().zip(&columns).map(cell).collect());
            let types: Vec<(&str, ColumnType)> =
                columns.iter().map(|&(name, kind)| (name, column_type(kind))).collect();
            let mut file = Vec::new();
            write_parquet(&mut file, &types, cells)?;
            to.write_all(&file)?;
        }
    }
    to.flush()?;
    Ok(())
}

fn column_type(kind: ColumnKind) -> ColumnType {
    match kind {
        ColumnKind::Text => ColumnType::Text,
        ColumnKind::Float => ColumnType::Float,
        ColumnKind::Integer => ColumnType::Integer,
        ColumnKind::Bool => ColumnType::Bool,
        ColumnKind::Moment => ColumnType::Instant,
    }
}

/// A value as Parquet has it. Times are texts in RFC 3339 here.
fn cell((value, &(_, kind)): (Value, &(&str, ColumnKind))) -> Cell {
    match (value, kind) {
        (Value::Bool(value), _) => Cell::Bool(value),
        (Value::Number(number), ColumnKind::Integer) => number.as_i64().map_or(Cell::Null, Cell::Integer),
        (Value::Number(number), _) => number.as_f64().map_or(Cell::Null, Cell::Float),
        (Value::String(text), ColumnKind::Moment) => text.parse().map_or(Cell::Null, Cell::Instant),
        (Value::String(text), _) => Cell::Text(text),
        _ => Cell::Null,
    }
}

/// The file of scores beside an output: `OUTPUT.scores.jsonl`.
pub fn scores_beside(output: &Path) -> PathBuf {
    let mut name = output.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".scores.jsonl");
    output.with_file_name(name)
}

/// Whether a write failed because the reader of the pipe has closed it.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
