//! Scoring of files with the shipped model.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod columns;
#[path = "../../../tests/common/mod.rs"]
mod common;
mod conversion;
mod inputs;
mod overwrite;
mod rejected;
mod resume;

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;
use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use tapewire_files::{self as files, FilesError, Job, JobSource, OutputFormat, Selection, Summary};
use tapewire_formats::Options;
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::{Engine, EngineConfig, Input};

const SCORE_COLUMNS: [&str; 9] =
    ["p_positive", "p_neutral", "p_negative", "score", "label", "model", "model_revision", "asked_as", "windows"];

/// A Parquet file with features of other writers; see `data/parquet/make.py`.
fn odd_parquet() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet/news.parquet")
}

fn job(input: &Path, output: &Path) -> Job {
    Job {
        sources: vec![JobSource::File(input.to_owned())],
        input: Options::default(),
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

/// Stops after `batches` batches, as Ctrl-C does.
fn run_some(job: &Job, batches: usize) -> Summary {
    let left = Cell::new(batches);
    let count = |event: files::JobEvent<'_>| {
        if let files::JobEvent::Progress(_) = event {
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

/// Rows of an output in any format, with values as JSON. All values of CSV are strings.
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

/// The engine's score of a text by itself.
fn expected(text: &str, company: Option<&str>) -> f64 {
    let companies = Companies::load(None).unwrap();
    let company = company.map(|company| companies.find(company));
    let scored = common::shipped().score(&[Input::new(text, company.as_deref())]).remove(0).unwrap();
    rounded(scored.probabilities.score())
}

/// Rounded as in outputs.
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

/// Rows of which some can't be read or have no text; one has a company whose long name fills its windows.
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
