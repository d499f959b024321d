//! Random bytes, and files with random changes, never cause a panic or unbounded memory, and an accepted row has the
//! values that a simple reader of the same format finds.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::Write as _;
use std::sync::Arc;
use tapewire_formats::{Format, FormatError, Options, Reader, Row, Unreadable, Value};
use tapewire_fuzzkit::{PIECES, bounded, fuzz};

/// How many inputs `cargo test` tries for each target.
const INPUTS: usize = 4000;

/// Small files in the shapes of real ones. The first byte of the input chooses one; the other bytes choose the changes.
const SEEDS: [&str; 14] = [
    "symbol,start,open,high,low,close,volume\nMKR,1748872800000,10,11,9,10.5,\"1,918\"\nMKR,1748872860000,10,11,9,10.5,7\n",
    "id;title;symbols\r\n7;\"Maker; lifts \"\"it\"\"\";MKR\r\n8;\"two\r\nlines\";\r\n",
    "ticker\tvolume\topen\twindow_start\nMKR\t4930\t200.29\t1744792500000000000\n",
    "sep=;\na;b\n1;2\n",
    "{\"id\":1,\"headline\":\"Maker lifts\",\"symbols\":[\"MKR\"],\"created_at\":\"2025-06-02T14:00:00Z\"}\n{\"id\":2,\"headline\":\"\\u00e9 \\ud83d\\ude00 \\ud83d\",\"x\":null}\n",
    "[{\"id\":1,\"title\":\"a\"},{\"id\":2,\"insights\":[{\"ticker\":\"MKR\"}]}]",
    "[\n  {\n    \"id\": 1,\n    \"n\": [1, 2]\n  },\n  {\n    \"id\": 2\n  }\n]\n",
    "{\"results\":[{\"id\":\"a\",\"title\":\"T\"},{\"id\":\"b\",\"n\":-1.5e3}],\"status\":\"OK\",\"count\":2}",
    "{\n \"items\": \"2\",\n \"feed\": [\n  {\"title\": \"T\"},\n  {\"title\": \"U\"}\n ]\n}\n",
    "{\"news\":[{\"id\":1}],\"next_page_token\":null}\n{\"news\":[{\"id\":2}],\"next_page_token\":null}\n",
    "{\n  \"id\": 1\n}\n{\n  \"id\": 2\n}\n",
    "{\"close\":NaN,\"high\":-Infinity,\"id\":12345678901234567890123}\n",
    "Shares of Maker rise.\nLoss widens\n",
    "\u{feff}id,title\n1,Überschuss\n",
];

/// A seed with some bytes replaced, removed or inserted, or cut off at its end; or the input's own bytes.
fn changed(bytes: &[u8]) -> Vec<u8> {
    let Some((&first, rest)) = bytes.split_first() else { return Vec::new() };
    let Some(seed) = SEEDS.get(usize::from(first) % 20) else { return rest.to_vec() };
    let mut file = seed.as_bytes().to_vec();
    for change in rest.chunks_exact(3).take(6) {
        let at = (usize::from(change[0]) << 3 | usize::from(change[1]) >> 5) % (file.len() + 1);
        let end = (at + usize::from(change[2] & 3)).min(file.len());
        match change[1] & 3 {
            0 => drop(file.drain(at..end)),
            1 => drop(file.splice(at..end, PIECES[usize::from(change[2]) % PIECES.len()].iter().copied())),
            2 => file.truncate(at),
            _ => drop(file.splice(at..at, PIECES[usize::from(change[2]) % PIECES.len()].iter().copied())),
        }
    }
    file
}

type Items = (Vec<Result<Row, Unreadable>>, Option<FormatError>);

fn read(bytes: &[u8], options: &Options) -> Items {
    let mut items = Vec::new();
    let reader = match Reader::from_read(std::io::Cursor::new(bytes.to_vec()), "file", options) {
        Ok(reader) => reader,
        Err(error) => return (items, Some(error)),
    };
    for item in reader {
        match item {
            Ok(item) => items.push(item),
            Err(error) => return (items, Some(error)),
        }
    }
    (items, None)
}

/// Runs a target.
fn run(target: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    fuzz!(INPUTS, target);
}

#[test]
fn any_bytes_are_read_in_any_way_without_panic_and_rows_hold_no_more_than_the_file() {
    run(|bytes| {
        let Some(&way) = bytes.last() else { return };
        let format = [None, Some(Format::Csv), Some(Format::Json), Some(Format::Text)][usize::from(way & 3)];
        let encoding = [None, None, Some("windows-1252"), Some("utf-16le")][usize::from(way >> 2 & 3)];
        let options = Options { format, encoding: encoding.map(str::to_owned), ..Options::default() };
        let file = changed(bytes);
        // The reader has buffers whatever the size of the file.
        let (items, _) = bounded(file.len() + (64 << 10), || read(&file, &options));
        let raw = items.iter().map(|item| match item {
            Ok(row) => row.raw.len(),
            Err(row) => row.raw.len(),
        });
        // A byte of another encoding becomes at most three bytes of UTF-8.
        assert!(raw.sum::<usize>() <= file.len() * 3 + 3);
    });
}

#[test]
fn rows_of_csv_have_the_values_that_the_csv_crate_finds() {
    run(|bytes| {
        let file = changed(bytes);
        let options = Options { format: Some(Format::Csv), separator: Some(b','), header: false, ..Options::default() };
        let (items, error) = read(&file, &options);
        if !matches!(error, None | Some(FormatError::Empty { .. })) {
            return;
        }
        for row in items.iter().flatten() {
            let mut reference = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&row.raw[..]);
            let records: Vec<csv::ByteRecord> = reference.byte_records().map(Result::unwrap).collect();
            assert_eq!(records.len(), 1, "{:?}", String::from_utf8_lossy(&row.raw));
            let values: Vec<Value> =
                records[0].iter().map(|value| Value::Text(String::from_utf8_lossy(value).into_owned())).collect();
            let own: Vec<Value> = row.fields.iter().map(|(_, value)| value.clone()).collect();
            // A lone surrogate, encoded in three bytes, is one U+FFFD in one reader and three in the other.
            if !row.raw.contains(&0xed) {
                assert_eq!(own, values);
            }
        }
    });
}

#[test]
fn whole_files_of_csv_have_the_rows_that_the_csv_crate_finds() {
    run(|bytes| {
        // Any texts, as a CSV writer writes them.
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["a", "b"]).unwrap();
        let texts: Vec<String> = bytes.chunks(5).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        for pair in texts.chunks_exact(2) {
            writer.write_record(pair).unwrap();
        }
        let file = writer.into_inner().unwrap();
        let options = Options { format: Some(Format::Csv), separator: Some(b','), ..Options::default() };
        let (items, error) = read(&file, &options);
        // Texts with many control characters are refused as another kind of file.
        if matches!(error, Some(FormatError::Refused { .. })) {
            return;
        }
        let own: Vec<Vec<Value>> =
            items.into_iter().map(|item| item.unwrap().fields.into_iter().map(|(_, value)| value).collect()).collect();
        let expected: Vec<Vec<Value>> =
            texts.chunks_exact(2).map(|pair| pair.iter().cloned().map(Value::Text).collect()).collect();
        assert_eq!(own, expected);
    });
}

/// Whether a value equals one of serde_json. Numbers are compared as doubles; of a repeated name the last value counts.
fn same(own: &Value, reference: &serde_json::Value) -> bool {
    match (own, reference) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(own), serde_json::Value::Bool(other)) => own == other,
        (Value::Number(own), serde_json::Value::Number(other)) => own.parse::<f64>().ok() == other.as_f64(),
        (Value::Text(own), serde_json::Value::String(other)) => own == other,
        (Value::List(own), serde_json::Value::Array(other)) => {
            own.len() == other.len() && own.iter().zip(other).all(|(own, other)| same(own, other))
        }
        (Value::Object(own), serde_json::Value::Object(other)) => {
            let last = |name: &str| own.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value);
            other.iter().all(|(name, value)| last(name).is_some_and(|own| same(own, value)))
                && own.iter().all(|(name, _)| other.contains_key(name))
        }
        _ => false,
    }
}

#[test]
fn rows_of_json_have_the_values_that_serde_json_finds() {
    run(|bytes| {
        let file = changed(bytes);
        let (items, _) = read(&file, &Options { format: Some(Format::Json), ..Options::default() });
        for row in items.into_iter().flatten() {
            // A row that serde_json refuses is accepted only if it has lone surrogates, NaN or control characters.
            let Ok(reference) = serde_json::from_slice::<serde_json::Value>(&row.raw) else { continue };
            let own = Value::Object(row.fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect());
            assert!(same(&own, &reference), "{own:?} {reference:?}");
        }
    });
}

#[test]
fn whole_files_of_json_have_the_rows_that_serde_json_finds() {
    run(|bytes| {
        let texts: Vec<String> = bytes.chunks(4).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
        let rows: Vec<serde_json::Value> = texts
            .chunks(2)
            .enumerate()
            .map(|(id, pair)| serde_json::json!({"id": id, "title": pair[0], "more": pair}))
            .collect();
        if rows.is_empty() {
            return;
        }
        let list = || serde_json::Value::Array(rows.clone());
        let wrapped = || serde_json::json!({"status": "OK", "results": rows, "next": null});
        let file = match bytes[bytes.len() - 1] % 6 {
            0 => rows.iter().map(|row| format!("{row}\n")).collect(),
            1 => rows.iter().map(|row| format!("{row:#}\n")).collect(),
            2 => format!("{}", list()),
            3 => format!("{:#}", list()),
            4 => format!("{}", wrapped()),
            _ => format!("{:#}", wrapped()),
        };
        let (items, error) = read(file.as_bytes(), &Options::default());
        assert!(error.is_none(), "{error:?} {file}");
        assert_eq!(items.len(), rows.len(), "{file}");
        for (item, row) in items.into_iter().zip(&rows) {
            let fields = item.unwrap().fields;
            let own = Value::Object(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect());
            assert!(same(&own, row), "{own:?} {row}");
        }
    });
}

#[test]
fn damaged_compressed_files_give_whole_rows_then_an_error() {
    run(|bytes| {
        let [at, kind, rest @ ..] = bytes else { return };
        let file = changed(rest);
        // Compressing takes longer than all else, so each input is compressed in one way.
        let whole = match kind % 3 {
            0 => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(&file).unwrap();
                gzip.finish().unwrap()
            }
            1 => {
                let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
                xz.write_all(&file).unwrap();
                xz.finish().unwrap()
            }
            _ => zstd::encode_all(&file[..], 1).unwrap(),
        };
        let plain = read(&file, &Options::default());
        assert_eq!(read(&whole, &Options::default()).0, plain.0);
        let place = usize::from(*at) % whole.len();
        let (items, _) = read(&whole[..place], &Options::default());
        assert!(items.len() <= plain.0.len() + 1);
        let mut damaged = whole;
        damaged[place] ^= 0x10;
        let _ = read(&damaged, &Options::default());
    });
}

#[test]
fn damaged_parquet_is_an_error_and_whole_parquet_has_the_values_of_the_library() {
    use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::file::writer::SerializedFileWriter;
    let folder = tapewire_fuzzkit::folder();
    let path = folder.path().join("file.parquet");
    let schema = "message m { required binary title (UTF8); optional int64 at (TIMESTAMP(MICROS,true)); }";
    let schema = Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
    fuzz!(INPUTS / 20, |bytes: &[u8]| {
        let texts: Vec<ByteArray> =
            bytes.chunks(3).map(|part| ByteArray::from(&*String::from_utf8_lossy(part).into_owned())).collect();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema.clone(), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let levels: Vec<i16> = (0..texts.len()).map(|row| i16::from(row % 3 != 0)).collect();
        let times: Vec<i64> = (0..).take(levels.iter().filter(|&&level| level > 0).count()).collect();
        column.typed::<Int64Type>().write_batch(&times, Some(&levels), None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
        let whole = writer.into_inner().unwrap();
        std::fs::write(&path, &whole).unwrap();
        let own: Vec<_> = Reader::open(&path, &Options::default()).unwrap().filter_map(Result::ok).flatten().collect();
        let reference = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
        let reference: Vec<_> = reference.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(own.len(), reference.len());
        for (own, reference) in own.iter().zip(&reference) {
            use parquet::record::RowAccessor as _;
            assert_eq!(own.get("title"), Some(&Value::Text(reference.get_string(0).unwrap().clone())));
            let at = reference.get_timestamp_micros(1).ok();
            let own = match own.get("at") {
                Some(Value::Instant(at)) => Some(at.as_microsecond()),
                _ => None,
            };
            assert_eq!(own, at);
        }
        let mut damaged = whole;
        if let Some(&at) = bytes.first() {
            let place = 4 + usize::from(at) * 7 % (damaged.len() - 4);
            damaged[place] ^= 0x55;
            std::fs::write(&path, &damaged).unwrap();
            if let Ok(reader) = Reader::open(&path, &Options::default()) {
                reader.for_each(drop);
            }
        }
    });
}
