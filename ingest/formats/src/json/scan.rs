//! Finds where a JSON value ends, without keeping the value.

/// The deepest nesting of a value; a deeper one is refused.
pub(crate) const MAX_DEPTH: usize = 128;

/// Follows a value byte by byte.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    /// `true` for each open object, `false` for each open list.
    open: Vec<bool>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A value has to follow.
    Value,
    /// A value or `]`.
    FirstValue,
    /// A name or `}`.
    FirstName,
    /// A name.
    Name,
    /// `:`
    Colon,
    /// `,` or the end of the object or list.
    After,
    InName,
    InText,
    /// After a backslash in a text or a name; the flag is `true` in a name.
    Escape(bool),
    /// A number, or `true`, `false`, `null`, `NaN`.
    Word,
    /// The value is complete.
    Done,
}

/// The result of following a value through some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// The value goes on.
    Open,
    /// The value ends before this index.
    End(usize),
    /// The byte at this index can't be part of it.
    Invalid(usize),
}

impl Scan {
    /// A value from its first byte on.
    pub fn value() -> Self {
        Self { open: Vec::new(), state: State::Value }
    }

    /// The rest of an object, after the value of one of its fields.
    pub fn rest_of_object() -> Self {
        Self { open: vec![true], state: State::After }
    }

    pub fn depth(&self) -> usize {
        self.open.len()
    }

    pub fn state(&self) -> State {
        self.state
    }

    /// Follows the value through these bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Scanned {
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::InText {
                // Most bytes are in texts.
                let plain = |byte: &&u8| !matches!(byte, b'"' | b'\\' | b'\n');
                at += bytes[at..].iter().take_while(plain).count();
                if at == bytes.len() {
                    break;
                }
            }
            match self.step(bytes[at]) {
                Some(true) => return Scanned::End(at + 1),
                Some(false) => at += 1,
                // A number or a word that is not in a list or object ends at the first byte that can't continue it.
                None if self.state == State::Word && self.open.is_empty() => return Scanned::End(at),
                None => return Scanned::Invalid(at),
            }
        }
        Scanned::Open
    }

    /// Follows the value through one byte: `Some(true)` if the value is complete, `None` if the byte can't be part of
    /// it.
    pub fn step(&mut self, byte: u8) -> Option<bool> {
        let white = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.state = match (self.state, byte) {
            (State::InName | State::InText, b'\n') => return None,
            (State::InName, b'"') => State::Colon,
            (State::InText, b'"') => return Some(self.close_value()),
            (State::InName, b'\\') => State::Escape(true),
            (State::InText, b'\\') => State::Escape(false),
            (State::InName | State::InText, _) => self.state,
            (State::Escape(_), b'\n') => return None,
            (State::Escape(true), _) => State::InName,
            (State::Escape(false), _) => State::InText,
            (State::Word, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') => State::Word,
            (State::Word, b',' | b']' | b'}') if !self.open.is_empty() => {
                self.state = State::After;
                return self.step(byte);
            }
            (State::Word, _) if white && !self.open.is_empty() => State::After,
            (State::Word, _) => return None,
            (state, _) if white && state != State::Done => state,
            (State::Value | State::FirstValue, b'{') => self.open(true)?,
            (State::Value | State::FirstValue, b'[') => self.open(false)?,
            (State::Value | State::FirstValue, b'"') => State::InText,
            (State::Value | State::FirstValue, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'+') => State::Word,
            (State::FirstValue, b']') | (State::FirstName, b'}') => return Some(self.close()),
            (State::FirstName | State::Name, b'"') => State::InName,
            (State::Colon, b':') => State::Value,
            (State::After, b',') if self.open.last() == Some(&true) => State::Name,
            (State::After, b',') => State::Value,
            (State::After, b'}') if self.open.last() == Some(&true) => return Some(self.close()),
            (State::After, b']') if self.open.last() == Some(&false) => return Some(self.close()),
            _ => return None,
        };
        Some(false)
    }

    fn open(&mut self, object: bool) -> Option<State> {
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        self.open.push(object);
        Some(if object { State::FirstName } else { State::FirstValue })
    }

    fn close(&mut self) -> bool {
        self.open.pop();
        self.close_value()
    }

    fn close_value(&mut self) -> bool {
        self.state = if self.open.is_empty() { State::Done } else { State::After };
        self.open.is_empty()
    }
}
