//! Lines of text: one column, `text`.

use crate::buffer::{Buffer, Line, too_long};
use crate::encoding;
use crate::reader::{Next, Rows};
use crate::{Row, Unreadable, Value};
use std::sync::Arc;

pub(crate) struct Lines {
    buffer: Buffer,
    names: [Arc<str>; 1],
}

impl Lines {
    pub fn new(buffer: Buffer) -> Self {
        Self { buffer, names: ["text".into()] }
    }
}

impl Rows for Lines {
    fn next(&mut self) -> Next {
        let number = self.buffer.line_number();
        let Some(line) = self.buffer.line()? else { return Ok(None) };
        self.buffer.rows += 1;
        let (reason, raw) = match line {
            Line::Whole(raw) => match encoding::text(&raw) {
                Ok(text) => {
                    let fields = vec![(self.names[0].clone(), Value::Text(text.into_owned()))];
                    return Ok(Some(Ok(Row { number, fields, raw })));
                }
                Err(reason) => (reason, raw),
            },
            Line::TooLong(raw) => (too_long(), raw),
        };
        Ok(Some(Err(Unreadable { number, raw, reason })))
    }

    fn is_ready(&self) -> bool {
        self.buffer.has_line()
    }

    fn columns(&self) -> Option<&[Arc<str>]> {
        Some(&self.names)
    }

    fn without_rows(&self) -> &'static str {
        "blank lines"
    }
}
