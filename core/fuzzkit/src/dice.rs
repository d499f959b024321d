//! Choices made by the bytes of an input.

use std::ops::Range;

/// Takes choices from the bytes of an input, one after the other; without bytes it always takes the first.
#[derive(Debug, Clone)]
pub struct Dice<'a> {
    bytes: &'a [u8],
}

impl<'a> Dice<'a> {
    /// Choices from these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    /// A number of 64 bits.
    pub fn bits(&mut self) -> u64 {
        (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.byte()))
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 | 1 => 0,
            2..=256 => usize::from(self.byte()) % end,
            _ => (usize::from(self.byte()) << 16 | usize::from(self.byte()) << 8 | usize::from(self.byte())) % end,
        }
    }

    /// A number of the range.
    pub fn within(&mut self, range: Range<usize>) -> usize {
        range.start + self.below(range.len())
    }

    /// One of several.
    ///
    /// # Panics
    /// If the list is empty.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Whether something that happens once in `times` happens; it does not where there are no bytes.
    pub fn once_in(&mut self, times: u8) -> bool {
        self.byte() % times == times - 1
    }

    /// The bytes that no choice has taken yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// A short text of characters that readers tend to take for something else.
    pub fn text(&mut self) -> String {
        (0..self.below(12)).map(|_| self.of(&CHARACTERS)).collect()
    }

    /// Changes a few bytes of a text: some are removed, doubled or inserted, or it ends early.
    pub fn damage(&mut self, text: &mut Vec<u8>) {
        let at = self.below(text.len() + 1);
        let end = (at + self.below(4)).min(text.len());
        match self.below(5) {
            0 => drop(text.drain(at..end)),
            1 => text.truncate(at),
            2 => drop(text.splice(at..end, [self.byte()])),
            3 => {
                let again = text[at..end].to_vec();
                drop(text.splice(at..at, again));
            }
            _ => drop(text.splice(at..at, self.of(&PIECES).iter().copied())),
        }
    }
}

const CHARACTERS: [char; 64] = [
    'a',
    'Z',
    '0',
    '1',
    '9',
    ' ',
    '.',
    ',',
    '-',
    '+',
    '/',
    ':',
    '_',
    '^',
    'e',
    'E',
    '\'',
    '"',
    '\\',
    '&',
    '<',
    '>',
    ';',
    '#',
    '=',
    '(',
    ')',
    '$',
    '€',
    '%',
    '\t',
    '\n',
    '\r',
    '\0',
    '\u{7f}',
    '\u{85}',
    '\u{a0}',
    '\u{ad}',
    'é',
    'ß',
    'İ',
    'ı',
    'ſ',
    'K',
    '\u{200b}',
    '\u{200e}',
    '\u{202e}',
    '\u{2028}',
    '\u{feff}',
    '\u{fffd}',
    '\u{fffe}',
    '漢',
    '٣',
    '٫',
    '😀',
    '\u{10ffff}',
    '\u{e0041}',
    'T',
    'p',
    'w',
    'r',
    '|',
    '[',
    '{',
];

/// Pieces of text that readers of files and messages stumble over.
pub const PIECES: [&[u8]; 21] = [
    b"\"",
    b",",
    b"\n",
    b"\r\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"\\",
    b"\\ud83d",
    b"\xff",
    b"\xc3",
    b"\xf0\x9f",
    b"\0",
    b"null",
    b"\xef\xbb\xbf",
    b"1e999",
    b"1e5",
    b" ",
    b";",
];
