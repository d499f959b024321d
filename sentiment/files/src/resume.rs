//! An output file that can be continued: rows of an earlier run are compared instead of being written again.

use super::FilesError;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

/// Longest scores of a row, as they are written. A longer line was not written by this program.
const MAX_SCORES_BYTES: u64 = 64 << 10;

/// The destination of rows: a new file, the standard output, or a file to be continued.
pub(crate) struct Target {
    place: String,
    out: BufWriter<Box<dyn Write>>,
    /// The part of an existing file that has not been compared yet.
    existing: Option<Existing>,
    /// For syncing to disk.
    file: Option<File>,
}

struct Existing {
    reader: BufReader<File>,
    /// Position of the next row.
    at: u64,
    rows: u64,
}

impl Target {
    /// The standard output.
    pub fn standard_output() -> Self {
        let out: Box<dyn Write> = Box::new(std::io::stdout());
        Self { place: "standard output".into(), out: BufWriter::new(out), existing: None, file: None }
    }

    /// A file, new or to be continued. It is created if it does not exist.
    pub fn file(path: &Path, resume: bool) -> Result<Self, FilesError> {
        let place = path.display().to_string();
        let io = FilesError::io(&place);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(&io)?;
        // Devices and pipes hold no rows.
        let holds_rows = file.metadata().map_err(&io)?.is_file();
        let existing = if holds_rows && resume {
            let reader = OpenOptions::new().read(true).write(true).open(path).map_err(&io)?;
            Some(Existing { reader: BufReader::new(reader), at: 0, rows: 0 })
        } else {
            if holds_rows {
                file.set_len(0).map_err(&io)?;
            }
            None
        };
        let out: Box<dyn Write> = Box::new(file.try_clone().map_err(&io)?);
        Ok(Self { place, out: BufWriter::new(out), existing, file: Some(file) })
    }

    /// Compares the next existing row with `beginning`, and returns what follows `beginning`, without the line end.
    /// Returns `None`, from then on for every row, if there is no further row or only an incomplete one, which is
    /// removed: the row then has to be written.
    ///
    /// # Errors
    /// [`FilesError::Differs`] if the next existing row begins differently, or is longer than this program writes.
    pub fn existing(&mut self, beginning: &[u8]) -> Result<Option<Vec<u8>>, FilesError> {
        let Some(existing) = &mut self.existing else { return Ok(None) };
        let io = FilesError::io(&self.place);
        let mut begun = vec![0; beginning.len()];
        let read = read_up_to(&mut existing.reader, &mut begun).map_err(&io)?;
        if begun[..read] != beginning[..read] {
            let problem = format!("its row {} was made from another row of the input", existing.rows + 1);
            return Err(FilesError::Differs { place: self.place.clone(), problem });
        }
        let mut rest = Vec::new();
        existing.reader.by_ref().take(MAX_SCORES_BYTES).read_until(b'\n', &mut rest).map_err(&io)?;
        if rest.len() as u64 == MAX_SCORES_BYTES && rest.last() != Some(&b'\n') {
            let problem = format!("its row {} is longer than any that this program writes", existing.rows + 1);
            return Err(FilesError::Differs { place: self.place.clone(), problem });
        }
        if rest.pop() != Some(b'\n') {
            let at = existing.at;
            self.existing = None;
            self.file.as_ref().map_or(Ok(()), |file| file.set_len(at)).map_err(&io)?;
            return Ok(None);
        }
        existing.at += (beginning.len() + rest.len() + 1) as u64;
        existing.rows += 1;
        Ok(Some(rest))
    }

    /// Writes a row that does not exist yet.
    pub fn write(&mut self, row: &[u8]) -> Result<(), FilesError> {
        self.out.write_all(row).map_err(FilesError::io(&self.place))
    }

    /// Hands all rows to the operating system: after this, a kill loses none of them.
    pub fn flush(&mut self) -> Result<(), FilesError> {
        self.out.flush().map_err(FilesError::io(&self.place))
    }

    /// Waits until all rows are on disk.
    pub fn sync(&mut self) -> Result<(), FilesError> {
        self.flush()?;
        match &self.file {
            // Pipes and devices can't be synced.
            Some(file) => match file.sync_all() {
                Err(error) if error.kind() != ErrorKind::InvalidInput => Err(FilesError::io(&self.place)(error)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Whether the file has further rows of an earlier run after those that were compared.
    pub fn has_more(&mut self) -> Result<bool, FilesError> {
        match &mut self.existing {
            Some(existing) => Ok(!existing.reader.fill_buf().map_err(FilesError::io(&self.place))?.is_empty()),
            None => Ok(false),
        }
    }

    pub fn place(&self) -> &str {
        &self.place
    }
}

fn read_up_to(reader: &mut impl Read, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match reader.read(&mut bytes[read..]) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
