//! The reader of a file of any format.

use crate::buffer::Buffer;
use crate::delimited::{self, Dialect};
use crate::json::{Json, Layout, PANDAS_REMEDY, is_list_of_lists};
use crate::lines::Lines;
use crate::parquet::Parquet;
use crate::source::Input;
use crate::{Format, FormatError, Options, Row, Unreadable};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// What [`Rows::next`] returns.
pub(crate) type Next = Result<Option<Result<Row, Unreadable>>, FormatError>;

/// The rows of one format.
pub(crate) trait Rows: Send {
    /// The next row; an error ends the file.
    fn next(&mut self) -> Next;

    /// As [`Reader::is_ready`].
    fn is_ready(&self) -> bool;

    /// As [`Reader::columns`].
    fn columns(&self) -> Option<&[Arc<str>]>;

    /// As [`Reader::only`].
    fn only(&mut self, _: &[&str]) -> Result<(), FormatError> {
        Ok(())
    }

    /// As [`Reader::may_be_text`].
    fn may_be_text(&self, _: &str) -> bool {
        true
    }

    /// The numbers of rows so far and in all, if the format knows them.
    fn counted(&self) -> Option<(u64, u64)> {
        None
    }

    /// What a file of this format contains if it has no rows, for the error: `a header`.
    fn without_rows(&self) -> &'static str;
}

/// Reads the rows of a file, or of the standard input, one after the other, in memory that does not grow with the file.
///
/// As an iterator it returns
/// - `Ok(Ok(row))`: a [`Row`];
/// - `Ok(Err(unreadable))`: a row that can't be read; reading continues after it;
/// - `Err(error)`: nothing further can be read. It is the last item.
///
/// A file that has no row at all ends with [`FormatError::NoRows`].
pub struct Reader {
    place: String,
    format: Format,
    rows: Box<dyn Rows>,
    dialect: Option<Dialect>,
    numbers_lines: bool,
    is_stream: bool,
    position: Arc<std::sync::atomic::AtomicU64>,
    total: Option<u64>,
    returned: u64,
    ended: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("place", &self.place).field("format", &self.format).finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a file, which may be compressed. A named pipe is read as a stream.
    ///
    /// # Errors
    /// [`FormatError`]: it can't be opened, it is empty, it is of a kind that is not read, or its header can't be used.
    pub fn open(path: &Path, options: &Options) -> Result<Self, FormatError> {
        Self::of_input(Input::file(path)?, options)
    }

    /// Reads the standard input, which can be anything but Parquet.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn stdin(options: &Options) -> Result<Self, FormatError> {
        Self::of_input(Input::stream(Box::new(std::io::stdin()), "-"), options)
    }

    /// Reads anything but Parquet; `place` names it in errors.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn from_read(source: impl Read + Send + 'static, place: &str, options: &Options) -> Result<Self, FormatError> {
        Self::of_input(Input::stream(Box::new(source), place), options)
    }

    fn of_input(input: Input, options: &Options) -> Result<Self, FormatError> {
        options.check()?;
        let place = input.place.clone();
        let (is_stream, position, total) = (input.total.is_none(), input.position.clone(), input.total);
        let mut numbers_lines = true;
        let (format, rows, dialect): (_, Box<dyn Rows>, _) = match input.contents(options)? {
            crate::source::Contents::Parquet(file) => {
                numbers_lines = false;
                (Format::Parquet, Box::new(Parquet::open(file, &place, options)?), None)
            }
            crate::source::Contents::Text(mut buffer) => match detect(&mut buffer, options)? {
                Detected::Json(layout) => {
                    numbers_lines = matches!(layout, Layout::Lines | Layout::OneAfterTheOther);
                    (Format::Json, Box::new(Json::new(buffer, layout, options.tables)), None)
                }
                Detected::Text => (Format::Text, Box::new(Lines::new(buffer)), None),
                Detected::Csv => {
                    let (rows, dialect) = delimited::open(buffer, options)?;
                    (Format::Csv, Box::new(rows), Some(dialect))
                }
            },
        };
        Ok(Self { place, format, rows, dialect, numbers_lines, is_stream, position, total, returned: 0, ended: false })
    }

    /// The path of the file as it was given, or `-`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The format that was found.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether a row's number is that of its line; otherwise it counts rows. See [`Row::number`].
    pub fn numbers_lines(&self) -> bool {
        self.numbers_lines
    }

    /// The names of the columns, if they are known before the first row. `None` for JSON, where each row has its own
    /// names.
    pub fn columns(&self) -> Option<&[Arc<str>]> {
        self.rows.columns()
    }

    /// What the rows of CSV look like.
    pub fn dialect(&self) -> Option<&Dialect> {
        self.dialect.as_ref()
    }

    /// Reads only these columns from now on, which saves work for Parquet. Rows may still have other columns.
    ///
    /// # Errors
    /// [`FormatError::Options`] after the first row; [`FormatError::Damaged`].
    pub fn only(&mut self, columns: &[&str]) -> Result<(), FormatError> {
        self.rows.only(columns)
    }

    /// Whether values of this column can be texts, or lists of texts: `false` for columns of Parquet with another type.
    pub fn may_be_text(&self, column: &str) -> bool {
        self.rows.may_be_text(column)
    }

    /// How many bytes of the file have been read, before decompression. It can be ahead of the returned rows by the
    /// size of a buffer.
    pub fn position(&self) -> u64 {
        let read = self.position.load(std::sync::atomic::Ordering::Relaxed);
        match (self.rows.counted(), self.total) {
            // A Parquet file is not read from its beginning to its end.
            (Some((row, rows)), Some(total)) => {
                let share = u128::from(total) * u128::from(row) / u128::from(rows.max(1));
                u64::try_from(share).unwrap_or(total)
            }
            _ => read,
        }
    }

    /// The final [`Reader::position`]: the size of the file; `None` for a stream.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Whether the next row can be returned without waiting for the writer of the pipe.
    pub fn is_ready(&self) -> bool {
        !self.is_stream || self.rows.is_ready()
    }

    fn read(&mut self) -> Next {
        let next = self.rows.next()?;
        match next {
            Some(_) => self.returned += 1,
            None if self.returned == 0 => {
                return Err(FormatError::NoRows { place: self.place.clone(), what: self.rows.without_rows() });
            }
            None => {}
        }
        Ok(next)
    }
}

impl Iterator for Reader {
    type Item = Result<Result<Row, Unreadable>, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The format of contents that are text.
enum Detected {
    Csv,
    Json(Layout),
    Text,
}

fn detect(buffer: &mut Buffer, options: &Options) -> Result<Detected, FormatError> {
    let asked = options.format;
    if matches!(asked, Some(Format::Csv | Format::Text)) || (asked.is_none() && !options.header) {
        return Ok(if asked == Some(Format::Text) { Detected::Text } else { Detected::Csv });
    }
    match (Layout::of(buffer)?, asked) {
        (Some(layout), _) => Ok(Detected::Json(layout)),
        (None, _) if is_list_of_lists(buffer)? => Err(list_of_lists(buffer.place(), options.otherwise)),
        (None, Some(_)) => Ok(Detected::Json(Layout::Lines)),
        (None, None) if options.otherwise == Format::Text => Ok(Detected::Text),
        (None, None) if options.otherwise == Format::Json => Ok(Detected::Json(Layout::Lines)),
        (None, None) => Ok(Detected::Csv),
    }
}

/// The error for lists of values without names, of which each line would otherwise be taken for a row of CSV or a text.
fn list_of_lists(place: &str, otherwise: Format) -> FormatError {
    let as_texts = match otherwise {
        Format::Text => "; if each line is a text, give --input-format text",
        _ => "",
    };
    FormatError::Refused {
        place: place.to_owned(),
        what: "a list of lists, whose values have no names".to_owned(),
        remedy: format!(
            "write each inner list as a row of CSV (jq -r '.[] | @csv' {place} > rows.csv) and read that without a \
             header (--no-bar-header or --no-header), with names for c1, c2, ... (--bar-columns or --columns); if \
             pandas wrote it with orient=\"values\", {PANDAS_REMEDY}{as_texts}"
        ),
    }
}
