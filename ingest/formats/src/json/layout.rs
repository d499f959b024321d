//! How the objects of a file are laid out.

use super::scan::{Scan, Scanned, State};
use crate::FormatError;
use crate::buffer::{Buffer, MAX_ROW_BYTES};

/// Keys under which the answers of providers have their list of rows.
const KEYS: [&str; 15] = [
    "results", "news", "feed", "data", "articles", "items", "bars", "values", "records", "rows", "stories", "hits",
    "quotes", "response", "candles",
];

/// How the objects of a file are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One on each line.
    Lines,
    /// One after the other, on one line or several.
    OneAfterTheOther,
    /// In a list, or several lists one after the other.
    List,
    /// In a list under this key of an object, or of several objects one after the other.
    Under(String),
}

impl Layout {
    /// How the objects are laid out; `None` if the contents are not JSON.
    pub fn of(buffer: &mut Buffer) -> Result<Option<Self>, FormatError> {
        match buffer.skip(|byte| byte.is_ascii_whitespace())? {
            Some(b'[') => Ok(is_list(buffer)?.then_some(Self::List)),
            Some(b'{') => Self::of_object(buffer),
            _ => Ok(None),
        }
    }

    fn of_object(buffer: &mut Buffer) -> Result<Option<Self>, FormatError> {
        if let Some(found) = list_under(buffer, None)?
            && !(found.is_empty && are_rows(buffer, &found.key)?)
        {
            return Ok(Some(Self::Under(found.key)));
        }
        let mut scan = Scan::value();
        // By now the whole object has been read, unless it is longer than a row may be.
        match scan.feed(buffer.unread()) {
            Scanned::End(length) if buffer.unread()[..length].contains(&b'\n') => Ok(Some(Self::OneAfterTheOther)),
            Scanned::End(length) => {
                // Waits for the rest of this line only, not for the next line.
                let line = buffer.line_length()?.unwrap_or(length);
                let rest = buffer.unread().get(length..line).unwrap_or_default().trim_ascii_start();
                Ok(Some(if rest.starts_with(b"{") { Self::OneAfterTheOther } else { Self::Lines }))
            }
            Scanned::Invalid(at) => {
                // The first object is broken: find out whether it is pretty-printed or on one line.
                let begins = buffer.unread()[..at].split(|&byte| byte == b'\n').next().unwrap_or_default();
                if begins.trim_ascii() == b"{" && begins.len() < at {
                    return Ok(Some(Self::OneAfterTheOther));
                }
                let has_name = begins[1..].trim_ascii_start().starts_with(b"\"");
                Ok(has_name.then_some(Self::Lines))
            }
            // The object is cut off, or longer than a row may be.
            Scanned::Open if buffer.unread().contains(&b'\n') => Ok(Some(Self::OneAfterTheOther)),
            Scanned::Open => Ok(Some(Self::Lines)),
        }
    }
}

/// Whether a list of objects begins here, and not a line of text that begins with a bracket.
fn is_list(buffer: &mut Buffer) -> Result<bool, FormatError> {
    let mut at = 1;
    loop {
        let rest = &buffer.unread()[at..];
        let white = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        match rest.get(white) {
            Some(byte) => return Ok(matches!(byte, b'{' | b']')),
            None if at + white > MAX_ROW_BYTES => return Ok(false),
            None => at += white,
        }
        if !buffer.read_more()? {
            return Ok(true);
        }
    }
}

/// Whether a list of lists of numbers and texts begins here, as exchanges answer with their bars.
pub(crate) fn is_list_of_lists(buffer: &mut Buffer) -> Result<bool, FormatError> {
    /// The longest beginning, in bytes, that a list is recognised by.
    const LONGEST: usize = 4096;
    let mut scan = Scan::value();
    for at in 0..LONGEST {
        while buffer.unread().len() <= at {
            if !buffer.read_more()? {
                return Ok(false);
            }
        }
        let byte = buffer.unread()[at];
        let goes_on = scan.step(byte) == Some(false);
        match (scan.depth(), scan.state()) {
            _ if !goes_on => return Ok(false),
            // The first value of the inner list has ended with a comma.
            (2, State::Value) => return Ok(true),
            (1 | 2, State::FirstValue) | (2, State::InText | State::Escape(_) | State::After) => {}
            (2, State::Word) if !byte.is_ascii_alphabetic() || matches!(byte, b'e' | b'E') => {}
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// A list of objects in an object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListUnder {
    pub key: String,
    /// Index of the first byte after the list's opening bracket.
    pub begins: usize,
    /// Whether nothing is in it.
    pub is_empty: bool,
}

/// Finds the list of rows in the object that begins here. With a `key` that is the list under it. Without a `key` it
/// is the first list under one of [`KEYS`] or under the object's only key. If the object is cut off or longer than a
/// row may be, it can also be the list that has not ended by then.
pub(super) fn list_under(buffer: &mut Buffer, key: Option<&str>) -> Result<Option<ListUnder>, FormatError> {
    let mut walk = Walk::new();
    let mut walked = 0;
    loop {
        let bytes = buffer.unread();
        while walked < bytes.len() && walked <= MAX_ROW_BYTES {
            match walk.step(walked, bytes) {
                Some(true) => return Ok(walk.list(key, true)),
                Some(false) => walked += 1,
                None => return Ok(None),
            }
        }
        // Where the key is given, there is no need to wait for the end of its list.
        if key.is_some_and(|key| walk.lists.iter().any(|list| list.key == key)) {
            return Ok(walk.list(key, false));
        }
        if walked > MAX_ROW_BYTES || !buffer.read_more()? {
            return Ok(walk.list(key, false));
        }
    }
}

/// Whether the objects of the file are rows with a list in the field `key`, and not answers of a provider, whose rows are
/// in that list. The first object's list is empty. They are rows if there are several, if they have other fields, and if
/// all these lists are empty, in as many bytes as a row may have.
fn are_rows(buffer: &mut Buffer, key: &str) -> Result<bool, FormatError> {
    let (mut objects, mut names) = (0, 0);
    let mut walk: Option<Walk> = None;
    let mut at = 0;
    loop {
        let bytes = buffer.unread();
        while at < bytes.len() && at <= MAX_ROW_BYTES {
            if walk.is_none() && bytes[at].is_ascii_whitespace() {
                at += 1;
                continue;
            }
            match walk.get_or_insert_with(Walk::new).step(at, bytes) {
                Some(false) => {}
                Some(true) => {
                    let Some(whole) = walk.take() else { break };
                    if whole.lists.iter().any(|list| list.key == key && !list.is_empty) {
                        return Ok(false);
                    }
                    (objects, names) = (objects + 1, names.max(whole.names));
                }
                // A broken row is reported when it is read.
                None => return Ok(objects > 1 && names > 1),
            }
            at += 1;
        }
        if at > MAX_ROW_BYTES || !buffer.read_more()? {
            return Ok(objects > 1 && names > 1);
        }
    }
}

/// Follows an object and notes which of its fields are lists of objects.
struct Walk {
    scan: Scan,
    /// Where the name that is being read begins.
    name_begins: usize,
    name: String,
    names: usize,
    /// Index after the opening bracket of a list whose first element has not been read yet.
    list_begins: Option<usize>,
    lists: Vec<ListUnder>,
}

impl Walk {
    fn new() -> Self {
        Self {
            scan: Scan::value(),
            name_begins: 0,
            name: String::new(),
            names: 0,
            list_begins: None,
            lists: Vec::new(),
        }
    }

    /// As [`Scan::step`] for the byte at this index.
    fn step(&mut self, at: usize, bytes: &[u8]) -> Option<bool> {
        let (before, byte) = (self.scan.state(), bytes[at]);
        let depth = self.scan.depth();
        let done = self.scan.step(byte)?;
        match (depth, before, self.scan.state()) {
            (1, State::FirstName | State::Name, State::InName) => self.name_begins = at + 1,
            (1, State::InName, State::Colon) => {
                self.name = String::from_utf8_lossy(&bytes[self.name_begins..at]).into_owned();
                self.names += 1;
            }
            (1, State::Value, State::FirstValue) => self.list_begins = Some(at + 1),
            (2, State::FirstValue, after) if after != State::FirstValue => {
                let begins = self.list_begins.take();
                if let Some(begins) = begins.filter(|_| matches!(byte, b'{' | b']')) {
                    self.lists.push(ListUnder { key: self.name.clone(), begins, is_empty: byte == b']' });
                }
            }
            _ => {}
        }
        Some(done)
    }

    fn list(self, key: Option<&str>, whole: bool) -> Option<ListUnder> {
        let only = self.names == 1 && self.lists.len() == 1;
        // In an object that is too long to be a row, or is cut off, this is the list that is still open.
        let open = !whole && self.scan.depth() > 1;
        let last = self.lists.len().checked_sub(1);
        let is_wanted = |at: usize, list: &ListUnder| match key {
            Some(key) => list.key == key,
            None => KEYS.contains(&list.key.as_str()) || only || (open && Some(at) == last),
        };
        self.lists.into_iter().enumerate().find(|(at, list)| is_wanted(*at, list)).map(|(_, list)| list)
    }
}
