//! Lines of a file of rejected rows, which say where a row is, why it is rejected, and what it has.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;

/// A row that is rejected, as a line of JSON:
///
/// ```json
/// {"input":"bars.csv","line":7,"reason":"`high` is below `low`","content":"AAPL,2025-05-12T14:00:00Z,5,4,6,5,10"}
/// ```
#[derive(Debug, Clone, Serialize)]
pub struct RejectedLine<'r> {
    /// The file, or `-` for the standard input.
    pub input: &'r str,
    /// The number of its line, counted from 1; `None` where `row` is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The number of the row, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// Why it is rejected.
    pub reason: &'r str,
    /// What it has, if that is UTF-8 and not empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'r str>,
    /// What it has, if that is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
}

impl<'r> RejectedLine<'r> {
    /// A row with these bytes, whose `line` and `row` are `None`.
    pub fn new(input: &'r str, reason: &'r str, raw: &'r [u8]) -> Self {
        let text = std::str::from_utf8(raw).ok();
        let content_base64 = text.is_none().then(|| BASE64_STANDARD.encode(raw));
        Self { input, line: None, row: None, reason, content: text.filter(|text| !text.is_empty()), content_base64 }
    }

    /// The line, without its end.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_row_as_text_or_its_bytes() {
        let text = RejectedLine { line: Some(7), ..RejectedLine::new("bars.csv", "no", b"a,b") };
        assert_eq!(text.to_json(), r#"{"input":"bars.csv","line":7,"reason":"no","content":"a,b"}"#);
        let bytes = RejectedLine { row: Some(1), ..RejectedLine::new("-", "no", b"\xff") };
        assert_eq!(bytes.to_json(), r#"{"input":"-","row":1,"reason":"no","content_base64":"/w=="}"#);
        assert_eq!(RejectedLine::new("-", "no", b"").to_json(), r#"{"input":"-","reason":"no"}"#);
    }
}
