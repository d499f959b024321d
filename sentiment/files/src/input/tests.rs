//! Properties of every input format, for any bytes.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::io::Read;
use std::path::Path;
use tapewire_formats::Reader;

/// The longest row that is read.
const MAX_ROW_BYTES: usize = 4 << 20;

/// Returns at most `size` bytes at a time, like a pipe.
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

/// The rows of an input: number, bytes, and the text or the reason why it is missing.
fn seen(format: Format, output: OutputFormat, bytes: &[u8], size: usize) -> Vec<Seen> {
    try_seen(format, output, bytes, size).unwrap()
}

fn try_seen(format: Format, output: OutputFormat, bytes: &[u8], size: usize) -> Result<Vec<Seen>, FilesError> {
    let reading = Reading { selection: Selection::default(), output, scores: ScoreColumns::new("", "m", "r") };
    let options = Options { format: Some(format), ..Options::default() };
    let reader = Reader::from_read(Pieces { bytes: Cursor::new(bytes.to_vec()), size }, "x", &options)?;
    let OpenedInput { mut input, columns, .. } = rows::rows(reader, &JobSource::StandardInput, &options, &reading)?;
    input.set_columns(&columns);
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
    Ok(all)
}

fn without_white_space(bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    bytes.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// Bytes, many of which have a meaning to a parser.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let meaningful = prop::sample::select(b",\"\n\r;\t{}[]:\\ntext1 \xff\xc3\xa4".to_vec());
    prop::collection::vec(prop_oneof![8 => meaningful, 1 => any::<u8>()], 0..200)
}

proptest! {
    #[test]
    fn the_size_of_reads_does_not_matter_and_only_white_space_is_left_out(bytes in bytes(), size in 1usize..40) {
        for (format, head) in [
            (Format::Text, &b""[..]),
            (Format::Json, b"{\"text\":\"n\"}\n"),
            (Format::Csv, b"text,n\n"),
        ] {
            let whole = [head, &bytes].concat();
            if whole.is_empty() {
                continue;
            }
            for output in [OutputFormat::Jsonl, OutputFormat::Csv, OutputFormat::Parquet] {
                let rows = seen(format, output, &whole, usize::MAX);
                prop_assert_eq!(&rows, &seen(format, output, &whole, size));
                // A character that was cut is written as U+FFFD, so that the output is text.
                if rows.iter().any(|(_, raw, _)| String::from_utf8_lossy(raw).contains('\u{fffd}')) {
                    continue;
                }
                let kept = without_white_space(rows.into_iter().flat_map(|(_, raw, _)| raw));
                let header = if format == Format::Csv { head.len() } else { 0 };
                prop_assert_eq!(kept, without_white_space(whole[header..].iter().copied()), "{:?}", format);
            }
        }
    }

    #[test]
    fn values_of_json_lines_are_in_their_columns_in_every_file(
        files in prop::collection::vec(prop::collection::vec(
            prop::collection::btree_map("[a-c]", prop::sample::select(vec!["1", "-2.5", "null", "true", "\"x\"", "[7]"]), 0..3), 1..4), 1..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Vec::new();
        for (number, rows) in files.iter().enumerate() {
            let path = folder.path().join(format!("{number}.jsonl"));
            let object = |row: &BTreeMap<String, &str>| {
                let fields: String = row.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
                format!("{{\"text\":\"t\"{fields}}}\n")
            };
            std::fs::write(&path, rows.iter().map(object).collect::<String>()).unwrap();
            sources.push(JobSource::File(path));
        }
        for output in [OutputFormat::Csv, OutputFormat::Parquet] {
            let reading = Reading { selection: Selection::default(), output, scores: ScoreColumns::new("", "m", "r") };
            let (opened, _) = open(&sources, &Options::default(), &reading).unwrap();
            for (rows, (_, mut input)) in files.iter().zip(opened.inputs) {
                for row in rows {
                    let Some(Item::Row(read)) = input.next().unwrap() else { panic!("no row") };
                    prop_assert_eq!(read.cells.len(), opened.columns.len());
                    for (column, cell) in opened.columns.iter().zip(&read.cells) {
                        let expected = if column.name == "text" { Some("\"t\"") } else { row.get(&column.name).copied() };
                        let expected = expected.filter(|value| *value != "null");
                        prop_assert_eq!(cell.as_ref().map(|value| value.get()), expected, "{}", &column.name);
                    }
                }
                prop_assert!(input.next().unwrap().is_none());
            }
        }
    }

    #[test]
    fn csv_of_another_writer_is_read_as_written(
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
            seen(Format::Csv, OutputFormat::Csv, &written, size).into_iter().map(|(_, _, text)| text.ok()).collect();
        let expected: Vec<Option<String>> =
            rows.into_iter().map(|(text, _)| Some(text).filter(|text| !text.trim().is_empty())).collect();
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn an_endless_row_does_not_fill_the_memory_and_the_next_is_read() {
    let long = vec![b'x'; MAX_ROW_BYTES + 100_000];
    for (format, head, next) in [
        (Format::Text, "", "n"),
        (Format::Json, "{\"text\":\"first\"}\n", "{\"text\":\"n\"}"),
        (Format::Csv, "text\n", "n"),
    ] {
        let content = [head.as_bytes(), &long, b"\n", next.as_bytes()].concat();
        let rows = seen(format, OutputFormat::Jsonl, &content, usize::MAX);
        let [.., (_, beginning, Err(reason)), (_, _, Ok(text))] = &rows[..] else { panic!("{}", rows.len()) };
        assert!(reason.contains("longer than 4 MiB") && beginning.len() < long.len(), "{reason}");
        assert_eq!(text, "n");
    }
}

#[test]
fn json_lines_are_read_ahead_to_the_first_row_with_a_field() {
    let row = b"{\"headline\":\"n\"}\n{\"headline\":\"m\"}\n";
    for beginning in [b"\n".to_vec(), b"{torn\n".to_vec(), b"{}\n".to_vec(), b"{torn\n".repeat(1200)] {
        for output in [OutputFormat::Jsonl, OutputFormat::Csv, OutputFormat::Parquet] {
            let content = [&beginning[..], row].concat();
            let rows = try_seen(Format::Json, output, &content, usize::MAX).unwrap();
            let texts: Vec<&str> = rows.iter().filter_map(|(_, _, text)| text.as_deref().ok()).collect();
            assert_eq!(texts, ["n", "m"]);
        }
    }
    let content = b"no object\n".repeat(1 << 20);
    let error = try_seen(Format::Json, OutputFormat::Jsonl, &content, usize::MAX).unwrap_err();
    assert!(error.to_string().contains("is a JSON object"), "{error}");
}

#[test]
fn errors_of_a_damaged_file_name_it() {
    let whole = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet/news.parquet")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let reading =
        Reading { selection: Selection::default(), output: OutputFormat::Csv, scores: ScoreColumns::new("", "m", "r") };
    for at in (0..whole.len()).step_by(61) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, damaged).unwrap();
        let read = open(&[JobSource::File(path.clone())], &Options::default(), &reading).and_then(|(opened, _)| {
            let batches = crate::batch::Batches::of(opened.inputs, 8192);
            while let crate::batch::Next::Batch(_) = batches.next(&|| false)? {}
            Ok(())
        });
        if let Err(error) = read {
            assert!(error.to_string().contains("damaged.parquet"), "byte {at}: {error}");
        }
    }
}
