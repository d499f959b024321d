//! Texts: one per line, or from the command line.

use super::buffer::{Buffer, Line, too_long, utf8};
use super::{Column, Counter, FilesError, InputFormat, Keep, OpenedInput, Parts, Reading, RowReader};
use crate::row::{Item, Row, Unreadable, json, scored_text};

const COLUMN: &str = "text";

struct Lines {
    buffer: Buffer,
    counter: Counter,
    is_stream: bool,
    keep: Keep,
}

pub(super) fn open(buffer: Buffer, place: &str, is_stream: bool, reading: &Reading) -> Result<Parts, FilesError> {
    let columns = vec![Column::text(COLUMN)];
    reading.selection.find(place, &columns)?;
    let lines = Lines { buffer, counter: Counter::new(place), is_stream, keep: reading.keep(InputFormat::Text) };
    Ok((Box::new(lines), columns, COLUMN.to_owned(), None))
}

impl RowReader for Lines {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        let Some(line) = self.buffer.line()? else { return Ok(None) };
        let place = self.counter.next();
        let (reason, raw) = match line {
            Line::Whole(line) => match utf8(&line) {
                Ok(text) => return Ok(Some(Item::Row(row(place, text, self.keep)))),
                Err(reason) => (reason, line),
            },
            Line::TooLong(beginning) => (too_long(), beginning),
        };
        Ok(Some(Item::Unreadable(Unreadable { place, reason, raw })))
    }

    fn position(&self) -> u64 {
        self.buffer.position()
    }

    fn is_ready(&self) -> bool {
        !self.is_stream || self.buffer.has_line()
    }
}

struct CommandLine {
    texts: std::vec::IntoIter<String>,
    counter: Counter,
    keep: Keep,
}

pub(super) fn from_command_line(texts: Vec<String>, reading: &Reading) -> Result<OpenedInput, FilesError> {
    let columns = vec![Column::text(COLUMN)];
    let place = "command line";
    reading.selection.find(place, &columns)?;
    let total = Some(texts.len() as u64);
    let input =
        CommandLine { texts: texts.into_iter(), counter: Counter::new(place), keep: reading.keep(InputFormat::Text) };
    Ok(OpenedInput { input: Box::new(input), columns, text_column: COLUMN.to_owned(), dialect: None, total })
}

impl RowReader for CommandLine {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        Ok(self.texts.next().map(|text| Item::Row(row(self.counter.next(), &text, self.keep))))
    }

    fn position(&self) -> u64 {
        self.counter.row
    }
}

fn row(place: crate::Place, text: &str, keep: Keep) -> Row {
    Row {
        place,
        raw: text.as_bytes().to_vec(),
        cells: if keep == Keep::Cells { vec![Some(json(text))] } else { Vec::new() },
        text: scored_text(text, "the line"),
        company: None,
    }
}
