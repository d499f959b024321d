//! Compressed contents, recognised by their first bytes: gzip, Zstandard, bzip2 and xz, of one or several members.

use crate::FormatError;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};

/// The most memory that decompressing xz may take, in bytes; files of `xz -9` need 65 MiB.
const XZ_MEMORY: u64 = 256 << 20;

/// How many bytes are read from the file at a time.
const READ_BYTES: usize = 64 << 10;

/// A kind of compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// A boxed source of bytes.
pub(crate) type ByteSource = Box<dyn Read + Send>;

impl Compression {
    /// The magic number of each kind of compression.
    pub const MAGIC: [(&[u8], Self); 4] = [
        (b"\x1f\x8b", Self::Gzip),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"BZh", Self::Bzip2),
        (b"\xfd7zXZ\0", Self::Xz),
    ];

    /// The kind of compression of contents that begin with these bytes.
    pub fn of(beginning: &[u8]) -> Option<Self> {
        let (_, compression) = Self::MAGIC.into_iter().find(|(magic, _)| beginning.starts_with(magic))?;
        // A text may also begin with `BZh`, so the block size and the magic number that follows it are checked, too.
        let is_block = |rest: &[u8]| rest.starts_with(b"\x31\x41\x59\x26") || rest.starts_with(b"\x17\x72\x45\x38");
        let is_bzip2 = || matches!(beginning.get(3), Some(b'1'..=b'9')) && beginning.get(4..).is_some_and(is_block);
        (compression != Self::Bzip2 || is_bzip2()).then_some(compression)
    }

    /// The name of the compression.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "Zstandard",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        }
    }

    /// A reader of the decompressed contents.
    ///
    /// # Errors
    /// There is not enough memory for the decompressor.
    pub fn open(self, source: ByteSource) -> io::Result<ByteSource> {
        let buffered = BufReader::with_capacity(READ_BYTES, source);
        let decoder: ByteSource = match self {
            Self::Gzip => Box::new(Gzip { decoder: Some(flate2::bufread::GzDecoder::new(buffered)) }),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(buffered)?),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(buffered, stream))
            }
        };
        Ok(Box::new(Named { decoder, compression: self }))
    }
}

/// Gzip data of several members, as `cat a.gz b.gz` and log shippers write it. Zeros may follow a member, as tapes and
/// block devices leave them.
struct Gzip<R> {
    /// `None` after the last member.
    decoder: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.decoder {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.decoder =
                self.decoder.take().map(flate2::bufread::GzDecoder::into_inner).map(next_member).transpose()?.flatten();
        }
        Ok(0)
    }
}

/// The next member, if there is one.
fn next_member<R: BufRead>(mut rest: R) -> io::Result<Option<flate2::bufread::GzDecoder<R>>> {
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        let is_member = zeros < bytes.len();
        rest.consume(zeros);
        if is_member {
            return Ok(Some(flate2::bufread::GzDecoder::new(rest)));
        }
    }
}

/// A fault of compressed contents.
#[derive(Debug)]
pub(crate) struct Fault {
    compression: &'static str,
    /// The problem; `None` if the data ends too early.
    problem: Option<String>,
}

impl Fault {
    /// The error for a file that has given this many rows.
    pub fn at(&self, place: &str, rows: u64) -> FormatError {
        let place = place.to_owned();
        match &self.problem {
            None => FormatError::CutOff { place, rows, what: format!("its {} data has no end", self.compression) },
            Some(problem) => {
                FormatError::Damaged { place, rows, problem: format!("its {} data: {problem}", self.compression) }
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.compression, self.problem.as_deref().unwrap_or("no end"))
    }
}

impl std::error::Error for Fault {}

/// A decompressor whose errors name the kind of compression.
struct Named {
    decoder: ByteSource,
    compression: Compression,
}

impl Read for Named {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            // An error of the operating system, or of another decompressor that this one reads from.
            if error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Fault>()) {
                return error;
            }
            let problem = (error.kind() != ErrorKind::UnexpectedEof).then(|| error.to_string());
            let kind = error.kind();
            io::Error::new(kind, Fault { compression: self.compression.name(), problem })
        })
    }
}
