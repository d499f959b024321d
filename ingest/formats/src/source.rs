//! Where the bytes of a file come from, and what kind of file they are.

use crate::buffer::Buffer;
use crate::compression::{ByteSource, Compression};
use crate::{Format, FormatError, Options, encoding, signature};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes at the beginning of a file are looked at to recognise it. A tar archive needs 512; a workbook needs
/// more, because it is recognised by the names of its parts.
const BEGINNING: usize = 4096;

/// How many layers of compression may be nested.
const MAX_LAYERS: usize = 3;

const PARQUET: &[u8] = b"PAR1";

/// A file or a stream that has not been read yet.
pub(crate) struct Input {
    pub place: String,
    /// Bytes read so far.
    pub position: Arc<AtomicU64>,
    /// The size of a file.
    pub total: Option<u64>,
    source: ByteSource,
    /// The file itself, if it can be read in any order.
    file: Option<File>,
}

/// The kind of the contents.
pub(crate) enum Contents {
    Parquet(File),
    /// Text in UTF-8, decompressed.
    Text(Buffer),
}

impl Input {
    /// Opens a file. A named pipe is read as a stream.
    pub fn file(path: &Path) -> Result<Self, FormatError> {
        let place = path.display().to_string();
        let io = |source| FormatError::Io { place: place.clone(), source };
        let file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(FormatError::Folder { place });
        }
        if !metadata.is_file() {
            return Ok(Self::stream(Box::new(file), &place));
        }
        let position = Arc::new(AtomicU64::new(0));
        let copy = file.try_clone().map_err(io)?;
        let source = Box::new(Counted { source: Box::new(file), position: position.clone() });
        Ok(Self { place, position, total: Some(metadata.len()), source, file: Some(copy) })
    }

    /// Takes a stream.
    pub fn stream(source: ByteSource, place: &str) -> Self {
        let position = Arc::new(AtomicU64::new(0));
        let source = Box::new(Counted { source, position: position.clone() });
        Self { place: place.to_owned(), position, total: None, source, file: None }
    }

    /// Looks at the beginning: refuses kinds of files that are not read, decompresses and decodes the others.
    pub fn contents(self, options: &Options) -> Result<Contents, FormatError> {
        let Self { place, source, file, .. } = self;
        let reading = FormatError::reading(&place, 0);
        let mut source = Peeked::new(source);
        let mut layers = 0;
        while let Some(compression) = Compression::of(source.peek().map_err(&reading)?) {
            if layers == MAX_LAYERS {
                let what = format!("compressed more than {MAX_LAYERS} times");
                return Err(FormatError::Refused { place, what, remedy: "decompress it".into() });
            }
            layers += 1;
            let contents = compression.open(Box::new(source));
            source = Peeked::new(contents.map_err(|source| FormatError::Io { place: place.clone(), source })?);
        }
        let beginning = source.peek().map_err(&reading)?;
        if beginning.is_empty() {
            return Err(FormatError::Empty { place });
        }
        if beginning.starts_with(PARQUET) {
            return match file.filter(|_| layers == 0) {
                Some(mut file) => {
                    file.rewind().map_err(|source| FormatError::Io { place, source })?;
                    Ok(Contents::Parquet(file))
                }
                None => Err(unseekable(place, layers)),
            };
        }
        if options.format == Some(Format::Parquet) {
            return Err(FormatError::Refused {
                place,
                what: "not Parquet".into(),
                remedy: "leave the format out, or give the one it has".into(),
            });
        }
        signature::refuse_other_kinds(beginning, &place)?;
        let encoding = encoding::detect(beginning, options, &place)?;
        if encoding == encoding_rs::UTF_8 {
            signature::refuse_binary(beginning, &place)?;
        }
        let beginning: [u8; 4] = std::array::from_fn(|at| beginning.get(at).copied().unwrap_or_default());
        let text = encoding::utf8(Box::new(source), encoding, &beginning);
        Ok(Contents::Text(Buffer::new(text, &place)))
    }
}

/// A Parquet file has its table of contents at its end.
fn unseekable(place: String, layers: usize) -> FormatError {
    let (what, remedy) = match layers {
        0 => ("Parquet from a pipe", "its table of contents is at its end, so save it to a file and give that"),
        _ => ("compressed Parquet", "its table of contents is at its end, so decompress it to a file and give that"),
    };
    FormatError::Refused { place, what: what.into(), remedy: remedy.into() }
}

/// Counts the bytes that are read.
struct Counted {
    source: ByteSource,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.position.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A source whose beginning can be looked at.
struct Peeked {
    source: ByteSource,
    beginning: Vec<u8>,
    /// How many bytes of the beginning have been returned.
    returned: usize,
}

impl Peeked {
    fn new(source: ByteSource) -> Self {
        Self { source, beginning: Vec::new(), returned: 0 }
    }

    /// Reads the beginning and returns it. One line is enough for text, so that a typed line is answered at once; for
    /// what could be a binary file more is read.
    fn peek(&mut self) -> io::Result<&[u8]> {
        while self.beginning.is_empty() || self.could_be_binary() {
            let end = self.beginning.len();
            self.beginning.resize(end + BEGINNING, 0);
            let read = loop {
                match self.source.read(&mut self.beginning[end..]) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read,
                }
            };
            self.beginning.truncate(end + *read.as_ref().unwrap_or(&0));
            if read? == 0 {
                break;
            }
        }
        Ok(&self.beginning)
    }

    /// Whether the bytes so far could belong to a binary file, so that more bytes are needed to tell.
    fn could_be_binary(&self) -> bool {
        let begun = &self.beginning[..];
        let magics = Compression::MAGIC.iter().map(|(magic, _)| *magic).chain([PARQUET, b"PK\x03\x04"]);
        let mut magics = magics.map(|magic| begun.starts_with(magic) || magic.starts_with(begun));
        let is_one_line = !begun.trim_ascii_start().contains(&b'\n');
        begun.len() < BEGINNING
            && (is_one_line || magics.any(|is_magic| is_magic) || begun.iter().any(signature::is_control))
    }
}

impl Read for Peeked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.returned == self.beginning.len() {
            return self.source.read(buffer);
        }
        let count = buffer.len().min(self.beginning.len() - self.returned);
        buffer[..count].copy_from_slice(&self.beginning[self.returned..self.returned + count]);
        self.returned += count;
        Ok(count)
    }
}
