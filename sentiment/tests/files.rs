//! Files in, files out, with the shipped model.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use tapewire_sentiment::Input;
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::files::{self, FilesError, Job, OutputFormat, Selection, Source, Summary};

const OURS: [&str; 8] =
    ["p_positive", "p_neutral", "p_negative", "score", "label", "model", "model_revision", "windows"];

/// What other writers put into Parquet; see `data/parquet/make.py`.
fn odd_parquet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet/news.parquet")
}

fn job(input: &Path, output: &Path) -> Job {
    Job {
        sources: vec![Source::File(input.to_owned())],
        input_format: None,
        selection: Selection::default(),
        company: None,
        output: Some(output.to_owned()),
        output_format: OutputFormat::of(output).unwrap(),
        width: None,
        prefix: String::new(),
        rejected: None,
        resume: false,
        overwrite: false,
        batch_tokens: 8192,
    }
}

fn run(job: &Job) -> Result<Summary, FilesError> {
    files::score(&common::shipped(), &Companies::load(None).unwrap(), job, || false, |_| {})
}

/// Stops after so many batches, as Ctrl-C does.
fn run_some(job: &Job, batches: usize) -> Summary {
    let left = Cell::new(batches);
    let count = |event: files::Event<'_>| {
        if let files::Event::Progress(_) = event {
            left.set(left.get() - 1);
        }
    };
    files::score(&common::shipped(), &Companies::load(None).unwrap(), job, || left.get() == 0, count).unwrap()
}

fn rejected(output: &Path) -> PathBuf {
    format!("{}.rejected.jsonl", output.display()).into()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn parquet_rows(path: &Path) -> Vec<Value> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_json_value()).collect()
}

/// Rows of an output of any format, values as JSON; those of CSV are all texts.
fn rows(path: &Path) -> Vec<Value> {
    match path.extension().unwrap().to_str().unwrap() {
        "parquet" => parquet_rows(path),
        "jsonl" => lines(path),
        _ => {
            let mut reader = csv::Reader::from_path(path).unwrap();
            let names = reader.headers().unwrap().clone();
            let row = |record: csv::StringRecord| {
                names.iter().zip(&record).map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
            };
            reader.records().map(|record| row(record.unwrap())).collect()
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the engine says about a text by itself.
fn expected(text: &str, company: Option<&str>) -> f64 {
    let companies = Companies::load(None).unwrap();
    let company = company.map(|company| companies.find(company));
    let scored = common::shipped().score(&[Input::new(text, company.as_deref())]).remove(0).unwrap();
    rounded(scored.probabilities.score())
}

/// As outputs have it.
fn rounded(score: f64) -> f64 {
    format!("{score:.6}").parse().unwrap()
}

fn assert_scored(row: &Value, text_of: &str, company: Option<&str>) {
    assert_eq!(text(&row["score"]).parse::<f64>().unwrap(), expected(text_of, company), "{row}");
    assert_eq!(text(&row["model"]), common::shipped().name());
    assert_eq!(text(&row["model_revision"]), common::shipped().revision());
    assert_eq!(text(&row["windows"]), "1");
}

const TEXTS: [&str; 4] = [
    "Example Corp raises its outlook",
    "Regulator fines \"Northwind\", shares fall; more to come",
    "Müller & Söhne: 12 % growth\u{2028}and a dividend",
    "Board meets on Tuesday",
];

#[test]
fn every_format_in_gives_every_format_out_in_order_with_the_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.txt"), TEXTS.join("\n")).unwrap();
    let objects = TEXTS.iter().enumerate().map(|(id, text)| {
        serde_json::json!({"id": format!("00{id}"), "price": 1.10 + id as f64, "headline": text, "ok": id % 2 == 0})
            .to_string()
    });
    std::fs::write(at("in.jsonl"), objects.collect::<Vec<_>>().join("\n")).unwrap();
    let mut writer = csv::Writer::from_path(at("in.csv")).unwrap();
    writer.write_record(["id", "headline", "price", "ok"]).unwrap();
    for row in lines(&at("in.jsonl")) {
        writer.write_record(["id", "headline", "price", "ok"].map(|name| text(&row[name]))).unwrap();
    }
    drop(writer);
    run(&job(&at("in.jsonl"), &at("in.parquet"))).unwrap();
    let plain = SerializedFileReader::new(File::open(at("in.parquet")).unwrap()).unwrap();
    let kinds: Vec<String> = plain.metadata().file_metadata().schema().get_fields()[..4]
        .iter()
        .map(|field| format!("{} {}", field.name(), field.get_physical_type()))
        .collect();
    assert_eq!(kinds, ["headline BYTE_ARRAY", "id BYTE_ARRAY", "ok BOOLEAN", "price DOUBLE"]);

    for input in ["in.txt", "in.jsonl", "in.csv", "in.parquet"] {
        for format in ["jsonl", "csv", "parquet"] {
            let output = at(&format!("{input}.out.{format}"));
            let mut job = job(&at(input), &output);
            if input == "in.parquet" {
                // It is scored already: our names are taken.
                assert!(matches!(run(&job), Err(FilesError::Clash { names }) if names == OURS));
                job.prefix = "again_".into();
            }
            let summary = run(&job).unwrap();
            assert_eq!((summary.rows, summary.scored, summary.written), (4, 4, 4), "{input} to {format}");
            let column = if input == "in.txt" { "text" } else { "headline" };
            assert_eq!(summary.text_column, column);
            for (id, (row, scored)) in rows(&output).iter().zip(TEXTS).enumerate() {
                assert_eq!(row[column], scored, "{input} to {format}");
                assert_scored(row, scored, None);
                if input != "in.txt" {
                    assert_eq!(row["id"], format!("00{id}"));
                    assert_eq!(text(&row["price"]).parse::<f64>().unwrap(), 1.10 + id as f64);
                    assert_eq!(text(&row["ok"]), (id % 2 == 0).to_string());
                }
                if input == "in.parquet" {
                    let again: f64 = text(&row["again_score"]).parse().unwrap();
                    assert_eq!(again, text(&row["score"]).parse::<f64>().unwrap());
                }
            }
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4 + 12, "journals and partial files are gone");
}

#[test]
fn rows_of_the_same_format_stay_as_they_were_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let csv = "\u{feff}\"id\";title;\"no\"\"te\"\r\n007;\"Profit; doubled\";\"two\r\nlines\"\r\n\"8\";Loss;\r\n";
    std::fs::write(at("a.csv"), csv).unwrap();
    run(&job(&at("a.csv"), &at("b.csv"))).unwrap();
    let scored = std::fs::read_to_string(at("b.csv")).unwrap();
    let (head, rest) = scored.split_once("\r\n").unwrap();
    assert_eq!(head, format!("\"id\";title;\"no\"\"te\";{}", OURS.join(";")));
    assert!(rest.starts_with("007;\"Profit; doubled\";\"two\r\nlines\";0."), "{rest}");
    assert!(rest.contains(";1\r\n\"8\";Loss;;0.") && rest.ends_with(";1\r\n"), "{rest}");

    let jsonl = "{\"a\" : 1.10, \"text\":\"Profit \\u0064oubled\", \"n\": 12345678901234567890123 }  \n\n{\"text\":\"Loss\",\"x\":{\"y\":[ ]}}";
    std::fs::write(at("a.jsonl"), jsonl).unwrap();
    run(&job(&at("a.jsonl"), &at("b.jsonl"))).unwrap();
    let scored = std::fs::read_to_string(at("b.jsonl")).unwrap();
    let scored: Vec<&str> = scored.lines().collect();
    assert!(scored[0].starts_with(
        "{\"a\" : 1.10, \"text\":\"Profit \\u0064oubled\", \"n\": 12345678901234567890123,\"p_positive\":"
    ));
    assert!(scored[1].starts_with("{\"text\":\"Loss\",\"x\":{\"y\":[ ]},\"p_positive\":"));
    assert_scored(&lines(&at("b.jsonl"))[0], "Profit doubled", None);
}

#[test]
fn parquet_of_other_writers_keeps_every_column_and_row_group() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let input = odd_parquet();
    let summary = run(&Job { company: Some("Contoso".into()), ..job(&input, &at("out.parquet")) }).unwrap();
    assert_eq!((summary.scored, summary.unscored, summary.written), (5, 2, 7));
    let open = |path: &Path| SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let (before, after) = (open(&input), open(&at("out.parquet")));
    let groups = |reader: &SerializedFileReader<File>| -> Vec<i64> {
        reader.metadata().row_groups().iter().map(|group| group.num_rows()).collect()
    };
    assert_eq!(groups(&before), groups(&after));
    let columns = before.metadata().file_metadata().schema_descr().num_columns();
    for (group, copied) in before.metadata().row_groups().iter().zip(after.metadata().row_groups()) {
        assert_eq!(copied.num_columns(), columns + OURS.len());
        for (column, copied) in group.columns().iter().zip(copied.columns()) {
            assert_eq!(column.statistics(), copied.statistics());
            assert_eq!(column.compression(), copied.compression());
        }
    }
    for (before, after) in parquet_rows(&input).iter().zip(parquet_rows(&at("out.parquet"))) {
        for (name, value) in before.as_object().unwrap() {
            assert_eq!(&after[name], value);
        }
        match before["headline"].as_str().filter(|text| !text.is_empty()) {
            Some(text) => assert_scored(&after, text, Some("Contoso")),
            None => assert!(OURS.iter().all(|name| after[name].is_null()), "{after}"),
        }
    }
    let reasons: Vec<_> =
        lines(&rejected(&at("out.parquet"))).iter().map(|row| (row["row"].clone(), row["reason"].clone())).collect();
    assert_eq!(reasons, [(3.into(), "column headline is null".into()), (5.into(), "column headline is empty".into())]);

    run(&job(&input, &at("out.jsonl"))).unwrap();
    let first = &lines(&at("out.jsonl"))[0];
    for (name, value) in [
        ("id", serde_json::json!(1_u64 << 60)),
        ("at_ns", "2023-11-14T22:13:20.123456789Z".into()),
        ("at_local", "2025-05-12T09:30:00".into()),
        ("day", "2025-05-01".into()),
        ("price", "193.10".into()),
        ("weight", serde_json::json!(0.1)),
        ("tags", serde_json::json!(["a", "b"])),
        ("raw", "/wA=".into()),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
}

#[test]
fn a_long_text_is_read_whole_and_its_row_says_in_how_many_windows() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let long = common::report(1200, 7);
    std::fs::write(at("in.csv"), format!("title\nProfit doubled\n{long}\n")).unwrap();
    let scored = common::shipped().score(&[Input::new(&long, None)]).remove(0).unwrap();
    assert!(scored.windows > 1);
    for format in ["csv", "jsonl", "parquet"] {
        let output = at(&format!("out.{format}"));
        run(&job(&at("in.csv"), &output)).unwrap();
        let rows = rows(&output);
        assert_scored(&rows[0], "Profit doubled", None);
        assert_eq!(text(&rows[1]["windows"]), scored.windows.to_string());
        assert_eq!(text(&rows[1]["score"]).parse::<f64>().unwrap(), rounded(scored.probabilities.score()));
    }
}

#[test]
fn a_text_too_long_for_the_memory_is_kept_without_a_score() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.csv"), folder.path().join("out.jsonl"));
    let long = "x".repeat((1 << 20) + 1);
    std::fs::write(&input, format!("title\n{long}\nProfit doubled\n")).unwrap();
    let summary = run(&job(&input, &output)).unwrap();
    assert_eq!((summary.scored, summary.unscored), (1, 1));
    assert_eq!(text(&lines(&rejected(&output))[0]["reason"]), "the text is longer than 1 MiB");
    let rows = rows(&output);
    assert_eq!(text(&rows[0]["title"]), long);
    assert!(rows[0]["score"].is_null());
    assert_scored(&rows[1], "Profit doubled", None);
}

/// Rows of which some can't be read, some have no text, and one is long and has a company whose name fills it.
fn mixed_csv() -> Vec<u8> {
    let mut csv = b"id,title,company\n1,Profit doubled,AAPL\n2,Loss,too,many\n3,,AAPL\n4,\xff\xfe,x\n".to_vec();
    csv.extend_from_slice(format!("5,Shares fall,{}\n", "long ".repeat(600)).as_bytes());
    csv.extend_from_slice("6,\"Two\nlines\",Zeta\n7,\"a stray quote,x\n8,Dividend cut,\n".as_bytes());
    csv
}

fn mixed_jsonl() -> Vec<u8> {
    let mut jsonl =
        b"{\"title\":\"Profit doubled\",\"company\":\"AAPL\"}\n[1]\n{\"title\":null}\n{\"title\":\"\xff\"}\n".to_vec();
    jsonl.extend_from_slice(
        format!("{{\"title\":\"Shares fall\",\"company\":\"{}\"}}\n", "long ".repeat(600)).as_bytes(),
    );
    jsonl.extend_from_slice(
        b"{\"title\":\"Two\\nlines\",\"company\":\"Zeta\"}\n{\"title\":\"torn\n{\"title\":\"Dividend cut\"}\n",
    );
    jsonl
}

#[test]
fn bad_rows_go_aside_with_their_reasons_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content, reasons) in [
        (
            "in.csv",
            mixed_csv(),
            [
                (2, "line 3: 4 fields where the header has 3"),
                (3, "column title is empty"),
                (4, "line 5: not UTF-8 from byte 3"),
                (5, "the company's name leaves the text less than half"),
                (7, "line 9: a quote opens in it and never closes"),
            ],
        ),
        (
            "in.jsonl",
            mixed_jsonl(),
            [
                (2, "not a JSON object"),
                (3, "field title is null"),
                (4, "not UTF-8 from byte 11"),
                (5, "the company's name leaves the text less than half"),
                (7, "not a JSON object: EOF"),
            ],
        ),
    ] {
        let (input, output) = (folder.path().join(name), folder.path().join(format!("out-{name}")));
        std::fs::write(&input, content).unwrap();
        let selection = Selection { company: Some("company".into()), ..Selection::default() };
        let summary = run(&Job { selection, ..job(&input, &output) }).unwrap();
        assert_eq!((summary.rows, summary.scored, summary.unscored, summary.unreadable), (8, 3, 2, 3), "{name}");
        assert_eq!(summary.rejected, Some(rejected(&output)));
        let aside = lines(&rejected(&output));
        assert_eq!(aside.len(), reasons.len());
        for (line, (row, reason)) in aside.iter().zip(reasons) {
            assert_eq!((&line["row"], &line["input"]), (&Value::from(row), &Value::from(input.to_str().unwrap())));
            assert!(text(&line["reason"]).contains(reason), "{line}");
        }
        let rows = rows(&output);
        assert_eq!(rows.len(), 5);
        // A ticker stands for its company's name.
        assert_scored(&rows[0], "Profit doubled", Some("Apple"));
        assert_eq!(text(&rows[2]["p_positive"]).replace("null", ""), "", "no score is invented");
        assert_scored(&rows[4], "Dividend cut", None);
    }
}

/// Every cut of the output that a kill may leave, with the side file as it was by then or later.
#[test]
fn a_run_resumed_after_a_kill_anywhere_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.csv"), mixed_csv()).unwrap();
    std::fs::write(at("in.jsonl"), mixed_jsonl()).unwrap();
    for (input, output) in
        [("in.csv", "out.csv"), ("in.jsonl", "out.jsonl"), ("in.jsonl", "cross.csv"), ("in.csv", "cross.jsonl")]
    {
        let (input, output) = (at(input), at(output));
        let mut job = job(&input, &output);
        job.selection.company = Some("company".into());
        job.batch_tokens = 16;
        run(&job).unwrap();
        let (whole, aside) = (std::fs::read(&output).unwrap(), std::fs::read(rejected(&output)).unwrap());
        job.resume = true;
        for cut in (0..whole.len()).step_by(whole.len() / 12 + 1).chain([whole.len() - 1, whole.len()]) {
            std::fs::write(&output, &whole[..cut]).unwrap();
            let summary = run(&job).unwrap();
            assert_eq!(std::fs::read(&output).unwrap(), whole, "cut at {cut}");
            assert_eq!(std::fs::read(rejected(&output)).unwrap(), aside, "cut at {cut}");
            assert_eq!((summary.rows, summary.written), (8, 5));
        }
        for cut in [0, aside.len() / 2] {
            std::fs::write(&output, b"").unwrap();
            std::fs::write(rejected(&output), &aside[..cut]).unwrap();
            run(&job).unwrap();
            assert_eq!(std::fs::read(&output).unwrap(), whole);
            assert_eq!(std::fs::read(rejected(&output)).unwrap(), aside);
        }
    }
}

#[test]
fn parquet_is_resumed_from_its_journal_and_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.jsonl"), mixed_jsonl()).unwrap();
    for (input, batches, rows_in_part) in [(odd_parquet(), 5, 3), (at("in.jsonl"), 3, 3)] {
        let (output, journal) = (at("out.parquet"), at("out.parquet.scores.jsonl"));
        let undisturbed = at("undisturbed.parquet");
        run(&Job { overwrite: true, ..job(&input, &undisturbed) }).unwrap();
        let whole = std::fs::read(&undisturbed).unwrap();

        // Stopped as by Ctrl-C: the output is valid, and holds what it can hold.
        let mut job = Job { batch_tokens: 1, overwrite: true, ..job(&input, &output) };
        let summary = run_some(&job, batches);
        assert!(summary.stopped);
        assert_eq!((rows(&output).len(), summary.written), (rows_in_part, rows_in_part as u64));
        assert!(matches!(run(&Job { overwrite: false, ..job.clone() }), Err(FilesError::Exists { .. })));

        (job.resume, job.overwrite) = (true, false);
        let noted = std::fs::read(&journal).unwrap();
        for cut in [0, 10, noted.len() / 2, noted.len() - 1, noted.len()] {
            // Killed: only the journal and a file without an end are there.
            let _ = std::fs::remove_file(&output);
            std::fs::write(at("out.parquet.partial"), &whole[..cut.min(whole.len())]).unwrap();
            std::fs::write(&journal, &noted[..cut]).unwrap();
            run(&job).unwrap();
            assert_eq!(std::fs::read(&output).unwrap(), whole, "{} cut at {cut}", input.display());
            assert!(!journal.exists());
        }
        assert!(run(&job).unwrap().finished_before);
        assert_eq!(std::fs::read(&output).unwrap(), whole);
    }
}

#[test]
fn a_stopped_run_leaves_whole_rows_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.csv"), mixed_csv()).unwrap();
    let mut whole = job(&at("in.csv"), &at("whole.csv"));
    whole.selection.company = Some("company".into());
    run(&whole).unwrap();
    let mut part = Job { batch_tokens: 1, output: Some(at("part.csv")), ..whole.clone() };
    let summary = run_some(&part, 4);
    assert!(summary.stopped);
    assert_eq!(rows(&at("part.csv")).len() as u64, summary.written);
    part.resume = true;
    let summary = run(&part).unwrap();
    assert_eq!((summary.known, summary.stopped), (4, false));
    assert_eq!(std::fs::read(at("part.csv")).unwrap(), std::fs::read(at("whole.csv")).unwrap());
}

#[test]
fn nothing_is_overwritten_or_continued_that_is_something_else() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.txt"), "Profit doubled\nLoss").unwrap();
    std::fs::write(at("other.txt"), "Profit doubled\nGain").unwrap();
    std::fs::write(at("shorter.txt"), "Profit doubled").unwrap();
    run(&job(&at("in.txt"), &at("out.jsonl"))).unwrap();
    let whole = std::fs::read(at("out.jsonl")).unwrap();
    let fails = |job: Job, part: &str| {
        let error = run(&job).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(std::fs::read(at("out.jsonl")).unwrap(), whole);
    };
    fails(job(&at("in.txt"), &at("out.jsonl")), "--resume continues");
    fails(job(&at("out.jsonl"), &at("out.jsonl")), "is the input");
    let resumed = |input: &str| Job { resume: true, ..job(&at(input), &at("out.jsonl")) };
    fails(resumed("other.txt"), "row 2 was made from another row");
    fails(resumed("shorter.txt"), "more rows than the input");
    let other_model = String::from_utf8(whole.clone()).unwrap().replace(common::shipped().revision(), "0000");
    std::fs::write(at("out.jsonl"), &other_model).unwrap();
    let error = run(&resumed("in.txt")).unwrap_err().to_string();
    assert!(error.contains("this model would write"), "{error}");
    assert_eq!(std::fs::read_to_string(at("out.jsonl")).unwrap(), other_model);
    run(&Job { overwrite: true, ..job(&at("other.txt"), &at("out.jsonl")) }).unwrap();
    assert_eq!(lines(&at("out.jsonl"))[1]["text"], "Gain");
}

#[test]
fn empty_inputs_give_empty_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (input, content, output, expected) in [
        ("a.txt", "", "a.jsonl", String::new()),
        ("b.jsonl", "", "b.csv", format!("{}\n", OURS.join(","))),
        ("c.csv", "", "c.csv.csv", format!("{}\n", OURS.join(","))),
        ("d.csv", "id,title\r\n", "d.csv.csv", format!("id,title,{}\r\n", OURS.join(","))),
    ] {
        std::fs::write(at(input), content).unwrap();
        let summary = run(&job(&at(input), &at(output))).unwrap();
        assert_eq!(summary.rows, 0);
        assert_eq!(std::fs::read_to_string(at(output)).unwrap(), expected, "{input}");
    }
    run(&job(&at("d.csv"), &at("d.parquet"))).unwrap();
    assert_eq!(rows(&at("d.parquet")).len(), 0);
}

#[test]
fn what_an_input_lacks_is_said_before_anything_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, content, part) in [
        ("a.csv", &b"id,body\n1,x\n"[..], "id, body"),
        ("b.jsonl", b"{\"id\":1,\"body\":\"x\"}\n", "id, body"),
        ("c.json", b"[\n{\"text\":\"x\"}\n]", "jq -c"),
        ("d.csv", b"title,label\nx,y\n", "label; --prefix"),
        ("e.txt", b"\xff\xfex\0", "iconv"),
        ("f.csv", b"\x1f\x8b\x08", "zcat"),
        ("g.csv", b"PAR1", "--input-format parquet"),
        ("h.parquet", b"PAR1", "h.parquet"),
    ] {
        std::fs::write(at(name), content).unwrap();
        let error = run(&job(&at(name), &at("out.jsonl"))).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
        assert!(!at("out.jsonl").exists());
    }
}

#[test]
fn several_files_are_one_input_if_their_columns_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("1.csv"), "id,title\n1,Profit\n").unwrap();
    std::fs::write(at("2.csv"), "id,title\n2,Loss\n3\n").unwrap();
    std::fs::write(at("3.csv"), "title,id\nGain,4\n").unwrap();
    let of = |names: &[&str]| Job {
        sources: names.iter().map(|name| Source::File(at(name))).collect(),
        ..job(&at("1.csv"), &at("out.csv"))
    };
    let summary = run(&of(&["1.csv", "2.csv"])).unwrap();
    assert_eq!((summary.scored, summary.unreadable), (2, 1));
    assert_eq!(rows(&at("out.csv")).iter().map(|row| text(&row["title"])).collect::<Vec<_>>(), ["Profit", "Loss"]);
    let aside = &lines(&rejected(&at("out.csv")))[0];
    assert_eq!((text(&aside["input"]), aside["row"].clone()), (at("2.csv").display().to_string(), 2.into()));
    let error = run(&Job { overwrite: true, ..of(&["1.csv", "3.csv"]) }).unwrap_err().to_string();
    assert!(error.contains("3.csv") && error.contains("1.csv"), "{error}");
    let two = Job {
        sources: vec![Source::File(odd_parquet()), Source::File(odd_parquet())],
        ..job(&odd_parquet(), &at("two.parquet"))
    };
    assert_eq!(run(&two).unwrap().written, 14);
    assert_eq!(rows(&at("two.parquet")).len(), 14);
}
