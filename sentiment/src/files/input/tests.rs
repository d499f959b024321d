//! What holds for every input whatever its bytes.

use super::*;
use proptest::prelude::*;
use std::io::Cursor;

/// Gives no more than so many bytes at a time, as a pipe does.
struct Pieces {
    bytes: Cursor<Vec<u8>>,
    size: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let size = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

type Seen = (u64, Vec<u8>, Result<String, String>);

/// Rows as they come: number, bytes, and the text or why there is none.
fn seen(format: InputFormat, output: OutputFormat, bytes: &[u8], size: usize) -> Vec<Seen> {
    let (selection, scores) = (Selection::default(), ScoreColumns::new("", "m", "r"));
    let reading = Reading { selection: &selection, output, scores: &scores };
    let mut buffer = Buffer::new(Box::new(Pieces { bytes: Cursor::new(bytes.to_vec()), size }), "x");
    let (mut input, columns, ..) = match format {
        InputFormat::Text => text::open(buffer, "x", false, &reading),
        InputFormat::Jsonl => jsonl::open(buffer, "x", false, &reading),
        _ => {
            buffer.peek(1).unwrap();
            csv::open(buffer, "x", false, &reading)
        }
    }
    .unwrap();
    let mut all = Vec::new();
    while let Some(item) = input.next().unwrap() {
        all.push(match item {
            Item::Row(row) => {
                let cells = if reading.keep(format) == Keep::Cells { columns.len() } else { 0 };
                assert_eq!(row.cells.len(), cells);
                (row.place.row, row.raw, row.text)
            }
            Item::Unreadable(row) => (row.place.row, row.raw, Err(row.reason)),
        });
    }
    assert_eq!(input.position(), bytes.len() as u64);
    all
}

fn without_white_space(bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// Bytes of which many mean something to a parser.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let telling = prop::sample::select(b",\"\n\r;\t{}[]:\\ntext1 \xff\xc3\xa4".to_vec());
    prop::collection::vec(prop_oneof![8 => telling, 1 => any::<u8>()], 0..200)
}

proptest! {
    #[test]
    fn no_byte_is_lost_and_pieces_make_no_difference(bytes in bytes(), size in 1usize..40) {
        for (format, head) in [
            (InputFormat::Text, &b""[..]),
            (InputFormat::Jsonl, b"{\"text\":\"n\"}\n"),
            (InputFormat::Csv, b"text,n\n"),
        ] {
            let whole = [head, &bytes].concat();
            for output in [OutputFormat::Jsonl, OutputFormat::Csv, OutputFormat::Parquet] {
                let rows = seen(format, output, &whole, usize::MAX);
                prop_assert_eq!(&rows, &seen(format, output, &whole, size));
                let kept = without_white_space(rows.into_iter().flat_map(|(_, raw, _)| raw));
                let header = if format == InputFormat::Csv { head.len() } else { 0 };
                prop_assert_eq!(kept, without_white_space(whole[header..].iter().copied()), "{:?}", format);
            }
        }
    }

    #[test]
    fn csv_of_another_writer_reads_as_it_was_written(
        rows in prop::collection::vec(("[a,\"\n\r;ä ]{0,8}", "[a,\"\n\r;ä ]{0,8}"), 0..20), crlf: bool, separator in prop::sample::select(b",;\t|".to_vec()), size in 1usize..40,
    ) {
        let end = if crlf { ::csv::Terminator::CRLF } else { ::csv::Terminator::Any(b'\n') };
        let mut writer = ::csv::WriterBuilder::new().terminator(end).delimiter(separator).from_writer(Vec::new());
        writer.write_record(["text", "other"]).unwrap();
        for (text, other) in &rows {
            writer.write_record([text, other]).unwrap();
        }
        let written = writer.into_inner().unwrap();
        let read: Vec<Option<String>> =
            seen(InputFormat::Csv, OutputFormat::Csv, &written, size).into_iter().map(|(_, _, text)| text.ok()).collect();
        let expected: Vec<Option<String>> =
            rows.into_iter().map(|(text, _)| Some(text).filter(|text| !text.trim().is_empty())).collect();
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn a_row_without_an_end_does_not_fill_the_memory_and_the_next_is_read() {
    let long = vec![b'x'; buffer::LONGEST_ROW + 100_000];
    for (format, head, next) in [
        (InputFormat::Text, "", "n"),
        (InputFormat::Jsonl, "{\"text\":\"first\"}\n", "{\"text\":\"n\"}"),
        (InputFormat::Csv, "text\n", "n"),
    ] {
        let content = [head.as_bytes(), &long, b"\n", next.as_bytes()].concat();
        let rows = seen(format, OutputFormat::Jsonl, &content, usize::MAX);
        let [.., (_, beginning, Err(reason)), (_, _, Ok(text))] = &rows[..] else { panic!("{}", rows.len()) };
        assert!(reason.contains("longer than 4 MiB") && beginning.len() < long.len(), "{reason}");
        assert_eq!(text, "n");
    }
}
