//! Texts from the command line.

use super::{Counter, FilesError, Keep, OpenedInput, Reading, RowReader};
use crate::columns::Column;
use crate::row::{Item, Row, json};
use tapewire_formats::Format;

const COLUMN: &str = "text";

struct CommandLine {
    texts: std::vec::IntoIter<String>,
    counter: Counter,
    keep: Keep,
}

pub(super) fn open(texts: Vec<String>, reading: &Reading) -> Result<OpenedInput, FilesError> {
    let columns = vec![Column::text(COLUMN)];
    let place = "command line";
    reading.selection.find(place, &columns)?;
    let total = Some(texts.len() as u64);
    let input =
        CommandLine { texts: texts.into_iter(), counter: Counter::new(place), keep: reading.keep(Format::Text) };
    Ok(OpenedInput {
        input: Box::new(input),
        columns,
        text_column: COLUMN.to_owned(),
        dialect: None,
        total,
        format: Some(Format::Text),
    })
}

impl RowReader for CommandLine {
    fn next(&mut self) -> Result<Option<Item>, FilesError> {
        Ok(self.texts.next().map(|text| Item::Row(self.row(text))))
    }

    fn position(&self) -> u64 {
        self.counter.row
    }
}

impl CommandLine {
    fn row(&mut self, text: String) -> Row {
        Row {
            place: self.counter.next(),
            raw: text.as_bytes().to_vec(),
            cells: if self.keep == Keep::Cells { vec![Some(json(&text))] } else { Vec::new() },
            text: if text.trim().is_empty() { Err("the text is empty".into()) } else { Ok(text) },
            company: None,
        }
    }
}
