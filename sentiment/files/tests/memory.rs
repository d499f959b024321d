//! Scoring of files needs constant memory. The only test of its process, because it measures the peak of the process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../../tests/common/mod.rs"]
mod common;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use tapewire_files::{self as files, Job, JobSource, OutputFormat, Selection};
use tapewire_formats::Options;
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::{Engine, EngineConfig};

/// Bytes of a row other than its text.
const FILLER: usize = 1024;

/// JSON lines; a row in a hundred can't be read.
fn write_news(path: &Path, rows: usize) {
    let mut news = BufWriter::new(File::create(path).unwrap());
    for id in 0..rows {
        // All different, so that Parquet's dictionaries can't compress them.
        let filler: String =
            (0..FILLER / 16).map(|part| format!("{:016x}", common::splitmix64(id as u64, part as u64))).collect();
        let text = char::from(b'a' + (id % 26) as u8);
        let end = if id % 100 == 99 { "" } else { "}" };
        writeln!(news, r#"{{"id":{id},"text":"{text} b c","filler":"{filler}"{end}"#).unwrap();
    }
    news.flush().unwrap();
}

/// Peak memory of the process in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Scores through every format, and resumes once.
fn score_all(engine: &Engine, folder: &Path, rows: usize) {
    let at = |name: &str| -> PathBuf { folder.join(name) };
    write_news(&at("news.jsonl"), rows);
    for (input, output, prefix, resume) in [
        ("news.jsonl", "scored.jsonl", "", false),
        ("news.jsonl", "scored.jsonl", "", true),
        ("news.jsonl", "scored.parquet", "", false),
        ("scored.parquet", "again.parquet", "again_", false),
        ("scored.parquet", "again.csv", "again_", false),
        ("again.csv", "once_more.csv", "once_more_", false),
    ] {
        let job = Job {
            sources: vec![JobSource::File(at(input))],
            input: Options::default(),
            selection: Selection::default(),
            company: None,
            output: Some(at(output)),
            output_format: OutputFormat::of(&at(output)).unwrap(),
            width: None,
            prefix: prefix.into(),
            rejected: None,
            resume,
            overwrite: !resume,
            batch_tokens: 8192,
        };
        let summary = files::score(engine, &Companies::load(None).unwrap(), &job, || false, |_| {}).unwrap();
        assert_eq!(summary.written, rows as u64 / 100 * 99, "{input} to {output}");
    }
}

#[test]
fn ten_times_the_rows_need_no_more_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (model, news) = (folder.path().join("model"), folder.path().join("news"));
    std::fs::create_dir(&model).unwrap();
    std::fs::create_dir(&news).unwrap();
    let files = common::write(&model, &common::TINY, common::STANDARD, 1.0, common::LABELS);
    let engine = Engine::load(&files, &EngineConfig::default()).unwrap();
    score_all(&engine, &news, 10_000);
    let few = peak();
    score_all(&engine, &news, 100_000);
    let many = peak();
    println!("{few} MiB for 10 000 rows, {many} MiB for 100 000");
    // The input is 90 MiB larger. Less than half of that may go to the allocator and to a Parquet row group that the
    // smaller input does not fill.
    assert!(many < few + 40, "{few} MiB for 10 000 rows, {many} MiB for 100 000");
}
