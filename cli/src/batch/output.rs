//! Output files, which are complete or absent, and the rows in them.

use crate::exit::UsageError;
use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use tapewire_core::Impact;
use tapewire_formats::{Cell, ColumnType, RejectedLine, write_parquet};
use tapewire_ingest::replay::Rejected;
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
    let same = |a: &Path, b: &Path| resolved(a) == resolved(b);
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
    if let Some(path) = outputs.iter().find(|path| path.exists() && !is_special_file(path)).filter(|_| !overwrite) {
        return Err(UsageError(format!("{} exists already; --overwrite replaces it", path.display())));
    }
    Ok(())
}

/// The path without links and `..`, also of a file that does not exist yet.
fn resolved(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let named = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(named).unwrap_or_else(|| path.to_owned())
}

/// Whether a path is that of a pipe, a terminal or another device, which is written to and not replaced.
fn is_special_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|of| !of.is_file() && !of.is_dir())
}

/// Writes a file that appears under its name only when it is complete, or to a pipe or a device.
///
/// # Errors
/// The file can't be written.
pub fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let failed = || format!("{} can't be written", path.display());
    if is_special_file(path) {
        let mut writer = std::io::BufWriter::new(OpenOptions::new().write(true).open(path).with_context(failed)?);
        content(&mut writer).with_context(failed)?;
        return writer.flush().with_context(failed);
    }
    // Of a link the file is replaced that it leads to.
    let path = &resolved(path);
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
pub fn write_rows(rows: &[Impact], format: Format, to: &mut dyn Write) -> anyhow::Result<()> {
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

/// Files that belong to an output: scores, and rows of the input that are rejected. `None` if neither a flag names such
/// a file nor an output is written to which it could belong.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    pub scores: Option<PathBuf>,
    pub rejected: Option<PathBuf>,
}

impl Beside {
    /// The files that flags name, or else `OUTPUT.scores.jsonl` and `OUTPUT.rejected.jsonl`.
    pub fn new(output: Option<&Path>, scores: Option<&PathBuf>, rejected: Option<&PathBuf>) -> Self {
        let beside = |named: Option<&PathBuf>, end: &str| {
            let default = || {
                let mut name = output?.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
                name.push(end);
                Some(output?.with_file_name(name))
            };
            named.cloned().or_else(default)
        };
        Self { scores: beside(scores, ".scores.jsonl"), rejected: beside(rejected, ".rejected.jsonl") }
    }

    /// Writes the rejected rows, each with its place and the reason, and says where they are. Without such rows an existing
    /// file is removed: it is of an earlier run.
    ///
    /// # Errors
    /// The file can't be written or removed.
    pub fn write_rejected(&self, rejected: &[Rejected]) -> anyhow::Result<()> {
        let Some(path) = &self.rejected else { return Ok(()) };
        if rejected.is_empty() {
            if is_special_file(path) {
                return Ok(());
            }
            return match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(error).with_context(|| format!("{} can't be removed", path.display()))
                }
                _ => Ok(()),
            };
        }
        write(path, |to| {
            for Rejected { origin, reason, raw } in rejected {
                let file = origin.file.display().to_string();
                let (line, row) = match origin.numbers_lines {
                    true => (Some(origin.number), None),
                    false => (None, Some(origin.number)),
                };
                writeln!(to, "{}", RejectedLine { line, row, ..RejectedLine::new(&file, reason, raw) }.to_json())?;
            }
            Ok(())
        })?;
        eprintln!("{}: the rows that can't be read, or not as a whole, with the reasons", path.display());
        Ok(())
    }
}

/// Whether a write failed because the reader of the pipe has closed it.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
