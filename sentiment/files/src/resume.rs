//! A file that is written once: what an earlier run has left is compared rather than written again.

use super::FilesError;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

/// No row's scores are longer; what is, is no row of ours.
const LONGEST_SCORES: u64 = 64 << 10;

/// Where rows go, one after the other: a new file, the standard output, or a file to be continued.
pub(crate) struct Target {
    place: String,
    out: BufWriter<Box<dyn Write>>,
    /// What stands in the file and is not compared yet.
    existing: Option<Existing>,
    /// To be sure of what was written.
    file: Option<File>,
}

struct Existing {
    reader: BufReader<File>,
    /// Where the row that comes next begins.
    at: u64,
    rows: u64,
}

impl Target {
    /// The standard output.
    pub fn standard_output() -> Self {
        let out: Box<dyn Write> = Box::new(std::io::stdout());
        Self { place: "standard output".into(), out: BufWriter::new(out), existing: None, file: None }
    }

    /// A file, new or to be continued. It is there from now on.
    pub fn file(path: &Path, resume: bool) -> Result<Self, FilesError> {
        let place = path.display().to_string();
        let io = FilesError::io(&place);
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(&io)?;
        // A device or a pipe holds nothing.
        let holds = file.metadata().map_err(&io)?.is_file();
        let existing = if holds && resume {
            let reader = OpenOptions::new().read(true).write(true).open(path).map_err(&io)?;
            Some(Existing { reader: BufReader::new(reader), at: 0, rows: 0 })
        } else {
            if holds {
                file.set_len(0).map_err(&io)?;
            }
            None
        };
        let out: Box<dyn Write> = Box::new(file.try_clone().map_err(&io)?);
        Ok(Self { place, out: BufWriter::new(out), existing, file: Some(file) })
    }

    /// If the next row stands there already: what comes after `beginning` in it, without the end of
    /// the line. If none stands there, or only a torn one, which is removed: `None`, now and from
    /// then on, and the row is to be written.
    ///
    /// # Errors
    /// [`FilesError::Differs`] if another row stands there.
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
        existing.reader.by_ref().take(LONGEST_SCORES).read_until(b'\n', &mut rest).map_err(&io)?;
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

    /// Writes a row, which must not stand there already.
    pub fn write(&mut self, row: &[u8]) -> Result<(), FilesError> {
        self.out.write_all(row).map_err(FilesError::io(&self.place))
    }

    /// Hands everything to the system: after this a kill loses none of it.
    pub fn flush(&mut self) -> Result<(), FilesError> {
        self.out.flush().map_err(FilesError::io(&self.place))
    }

    /// Waits until the disk has everything.
    pub fn sync(&mut self) -> Result<(), FilesError> {
        self.flush()?;
        match &self.file {
            // A pipe or device given as a file has nothing to wait for.
            Some(file) => match file.sync_all() {
                Err(error) if error.kind() != ErrorKind::InvalidInput => Err(FilesError::io(&self.place)(error)),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Whether something of an earlier run stands there that has not been asked for.
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
