//! Encodings: text in any encoding is converted to UTF-8.

use crate::compression::ByteSource;
use crate::{FormatError, Options};
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use std::borrow::Cow;
use std::io::{self, Read};

/// How many bytes are decoded at a time.
const READ_BYTES: usize = 16 << 10;

/// The encoding that was asked for, or the one that the contents show: by a byte order mark, or by the zeros of
/// UTF-16.
pub(crate) fn detect(beginning: &[u8], options: &Options, place: &str) -> Result<&'static Encoding, FormatError> {
    if beginning.starts_with(b"\xff\xfe\0\0") || beginning.starts_with(b"\0\0\xfe\xff") {
        return Err(FormatError::Refused {
            place: place.to_owned(),
            what: "UTF-32".into(),
            remedy: "convert it: iconv -f UTF-32 -t UTF-8".into(),
        });
    }
    if let Some((encoding, _)) = Encoding::for_bom(beginning) {
        return Ok(encoding);
    }
    match &options.encoding {
        Some(label) => Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            FormatError::Options(format!(
                "there is no encoding {label}; examples: utf-8, utf-16le, windows-1252, latin1, shift_jis"
            ))
        }),
        None => Ok(without_mark(beginning)),
    }
}

/// UTF-16 without a byte order mark has zeros in every second byte of Latin text.
fn without_mark(beginning: &[u8]) -> &'static Encoding {
    let sample = &beginning[..beginning.len().min(1024) & !1];
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), sample.len() / 2);
    match half {
        2.. if odd * 2 > half && even * 20 <= half => UTF_16LE,
        2.. if even * 2 > half && odd * 20 <= half => UTF_16BE,
        _ => UTF_8,
    }
}

/// The contents in UTF-8, without a byte order mark. Contents in UTF-8 are passed on unchanged, even where they are not
/// valid.
pub(crate) fn utf8(source: ByteSource, encoding: &'static Encoding, beginning: &[u8]) -> ByteSource {
    if encoding == UTF_8 {
        let mark = if beginning.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        return Box::new(Skip { source, left: mark });
    }
    let decoder = encoding.new_decoder_with_bom_removal();
    Box::new(Transcoded {
        source,
        decoder,
        input: Vec::new(),
        decoded: 0,
        ended: false,
        output: Vec::new(),
        returned: 0,
    })
}

/// A source without its first few bytes.
struct Skip {
    source: ByteSource,
    left: usize,
}

impl Read for Skip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left > 0 {
            let mut skipped = [0; 3];
            match self.source.read(&mut skipped[..self.left])? {
                0 => return Ok(0),
                read => self.left -= read,
            }
        }
        self.source.read(buffer)
    }
}

/// Converts another encoding to UTF-8. What is not valid in it, such as half a surrogate pair, becomes U+FFFD.
struct Transcoded {
    source: ByteSource,
    decoder: Decoder,
    input: Vec<u8>,
    /// How many bytes of the input have been decoded.
    decoded: usize,
    /// Whether the source has ended.
    ended: bool,
    output: Vec<u8>,
    /// How many bytes of the output have been returned.
    returned: usize,
}

impl Read for Transcoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.returned == self.output.len() {
            if self.ended && self.decoded == self.input.len() {
                return Ok(0);
            }
            self.decode()?;
        }
        let count = buffer.len().min(self.output.len() - self.returned);
        buffer[..count].copy_from_slice(&self.output[self.returned..self.returned + count]);
        self.returned += count;
        Ok(count)
    }
}

impl Transcoded {
    fn decode(&mut self) -> io::Result<()> {
        if self.decoded == self.input.len() {
            self.input.resize(READ_BYTES, 0);
            self.decoded = 0;
            let read = self.source.read(&mut self.input);
            self.input.truncate(*read.as_ref().unwrap_or(&0));
            self.ended = read? == 0;
        }
        // A byte of the source becomes at most three bytes of UTF-8.
        self.output.resize(READ_BYTES * 3 + 16, 0);
        let (result, read, written, _) =
            self.decoder.decode_to_utf8(&self.input[self.decoded..], &mut self.output, self.ended);
        debug_assert!(result == CoderResult::InputEmpty || written > 0);
        self.decoded += read;
        self.output.truncate(written);
        self.returned = 0;
        Ok(())
    }
}

/// The text of a row, or the reason why the row is not text. Some programs cut texts in the middle of a character or of
/// a surrogate pair: what is left of the character becomes U+FFFD. Any other byte that is not valid UTF-8 shows that
/// the file has another encoding.
pub(crate) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(Cow::Borrowed(text)),
        Err(error) => error,
    };
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut valid_up_to = error.valid_up_to();
    loop {
        let (valid, after) = rest.split_at(valid_up_to);
        text.push_str(&String::from_utf8_lossy(valid));
        let cut = cut_character(after).ok_or_else(|| {
            let at = bytes.len() - after.len() + 1;
            format!(
                "not UTF-8 from byte {at} of the row on; if the file is in another encoding, name it: --encoding {}",
                likely(bytes)
            )
        })?;
        text.push(char::REPLACEMENT_CHARACTER);
        rest = &after[cut..];
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Ok(Cow::Owned(text));
            }
            Err(error) => valid_up_to = error.valid_up_to(),
        }
    }
}

/// The name of the encoding that bytes most likely are in. It is only named, never used: a row is too short to be sure.
fn likely(bytes: &[u8]) -> String {
    let mut detector = chardetng::EncodingDetector::new();
    detector.feed(bytes, true);
    let guess = detector.guess(None, false);
    // A few bytes can be a letter with an accent in one encoding and a letter of another script in many others.
    let non_ascii = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    let is_shown = non_ascii >= if guess.is_single_byte() { 20 } else { 8 };
    if is_shown { guess.name().to_ascii_lowercase() } else { "windows-1252".to_owned() }
}

/// The length in bytes of a character that was cut, or of half a surrogate pair; `None` if the bytes are neither.
fn cut_character(bytes: &[u8]) -> Option<usize> {
    if let [0xed, 0xa0..=0xbf, 0x80..=0xbf, ..] = bytes {
        return Some(3);
    }
    let error = std::str::from_utf8(bytes).err()?;
    let length = error.error_len().unwrap_or(bytes.len() - error.valid_up_to());
    (length >= 2).then_some(length)
}
