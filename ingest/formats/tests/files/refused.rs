use super::*;

#[test]
fn files_of_other_kinds_are_refused_by_name_with_a_remedy() {
    let tar = [&[0; 257][..], b"ustar\x0000", &[0; 200]].concat();
    for (bytes, what, remedy) in [
        (
            &b"PK\x03\x04\x14\0\0\0\0\0xxxxxxxxxxxxxxxxnews.jsonl{\"headline\":\"x\"}\n"[..],
            "a zip archive",
            "unzip -p file NAME",
        ),
        (
            b"PK\x03\x04\x14\0\0\0\0\0xxxxxxxxxxxxxxxx[Content_Types].xml \xa2\x04",
            "an Excel workbook (.xlsx)",
            "as CSV",
        ),
        (
            b"PK\x03\x04\x14\0\0\0\0\0xxmimetypeapplication/vnd.oasis.opendocument.spreadsheet",
            "an OpenDocument workbook (.ods)",
            "as CSV",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0\0", "an Excel workbook (.xls)", "as CSV"),
        (&tar, "a tar archive", "tar -xf file"),
        (b"%PDF-1.7\n%\xe2", "a PDF", "CSV"),
        (b"SQLite format 3\0\x10\0", "an SQLite database", "sqlite3 -header -csv file"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08DUCK\x40\0", "a DuckDB database", "Parquet"),
        (b"ARROW1\0\0\xff\xff\xff\xff", "an Arrow (Feather) file", "read_feather('file')"),
        (b"\xff\xff\xff\xff\x10\x02\0\0", "an Arrow stream", "Parquet"),
        (b"Obj\x01\x04\x14avro.codec", "an Avro file", "tojson"),
        (b"ORC\x0a\x03", "an ORC file", "Parquet"),
        (b"\n <!DOCTYPE html><html><body>429", "a web page", "fetch the data again"),
        (b"<html>", "a web page", "fetch the data again"),
        (b"<?xml version=\"1.0\"?><rss>", "XML", "CSV or JSON lines"),
        (b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c", "a Python pickle", "Parquet"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive", "7z x file"),
        (b"\x04\x22\x4d\x18\x64\x40", "compressed with LZ4", "lz4 -d file"),
        (b"\xff\xfe\0\0a\0\0\0", "UTF-32", "iconv"),
    ] {
        for bytes in [bytes.to_vec(), compressed::gzip(bytes)] {
            for format in [None, Some(Format::Csv), Some(Format::Json)] {
                let error = error_of(&bytes, &Options { format, ..Options::default() });
                assert!(error.starts_with(&format!("file is {what}")), "{what}: {error}");
                assert!(error.contains(remedy), "{what}: {error}");
            }
        }
    }
}

#[test]
fn parquet_needs_a_file_and_a_file_that_is_said_to_be_parquet_has_to_be() {
    assert!(error_of(b"PAR1....PAR1", &Options::default()).contains("Parquet from a pipe"));
    assert!(error_of(&compressed::gzip(b"PAR1....PAR1"), &Options::default()).contains("compressed Parquet"));
    let parquet = Options { format: Some(Format::Parquet), ..Options::default() };
    assert!(error_of(b"a,b\n1,2\n", &parquet).contains("not Parquet"));
}

#[test]
fn a_folder_a_missing_file_and_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let error = Reader::open(folder.path(), &Options::default()).unwrap_err();
    assert!(matches!(error, FormatError::Folder { .. }), "{error}");
    let error = Reader::open(&folder.path().join("none.csv"), &Options::default()).unwrap_err();
    assert!(matches!(&error, FormatError::Io { .. }) && error.to_string().contains("none.csv"), "{error}");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::write(pipe, "a\n1\n").unwrap()
    });
    let mut reader = Reader::open(&pipe, &Options::default()).unwrap();
    assert_eq!((shown(&reader.next().unwrap().unwrap()).as_str(), reader.total()), ("2 a=1", None));
    writer.join().unwrap();
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let csv = |options: Options| error_of(b"a\n1\n", &options);
    let json = Options { format: Some(Format::Json), ..Options::default() };
    assert!(csv(Options { header: false, ..json.clone() }).contains("a header can be switched off for CSV only"));
    assert!(csv(Options { columns: Some(vec!["a".into()]), ..json }).contains("for CSV only"));
    assert!(csv(Options { columns: Some(vec![" ".into()]), ..Options::default() }).contains("without a name"));
    assert!(csv(Options { separator: Some(b'"'), ..Options::default() }).contains("separator"));
}

#[test]
fn a_text_may_begin_like_another_kind_of_file() {
    let without = Options { header: false, ..Options::default() };
    for first in ["ORCL", "PARE", "LZIP", "<headline>", "DUCKDUCKDUCK"] {
        assert_eq!(rows_of(format!("{first},1\nMKR,2\n").as_bytes(), &without).len(), 2, "{first}");
    }
    let noise: Vec<u8> = (1..300_u32).map(|at| (at * 37 % 64) as u8).collect();
    assert!(error_of(&noise, &Options::default()).contains("not text"));
}
