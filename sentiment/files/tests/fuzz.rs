//! Damaged outputs that a resumed run reads: it does not panic, uses no more memory than the sizes of the files
//! justify, and if it succeeds, the output has the rows of the input.
//!
//! `tapewire_fuzzkit` says how many inputs run, and how to run more.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

#[path = "../../tests/common/mod.rs"]
mod common;

use serde_json::Value;
use std::path::{Path, PathBuf};
use tapewire_files::{self as files, FilesError, Job, JobSource, OutputFormat, Selection};
use tapewire_formats::Options;
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::{Engine, EngineConfig};

/// How many inputs `cargo test` tries. Each runs a whole job.
const INPUTS: usize = 300;

const ROWS: &str = "{\"id\":1,\"title\":\"a b c\"}\n{\"id\":2,\"title\":\"\"}\n{\"id\":3,\"title\":\"d\"}\n[1]\n{\"id\":4,\"title\":\"e f\"}\n";

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
        batch_tokens: 16,
    }
}

/// The files that a run left: the output and, if that is an incomplete Parquet file, its journal.
struct Left {
    job: Job,
    files: Vec<(PathBuf, Vec<u8>)>,
    whole: Vec<u8>,
}

fn left(folder: &Path, input: &Path, name: &str, run: impl Fn(&Job, usize)) -> Vec<Left> {
    let output = folder.join(name);
    let job = job(input, &output);
    run(&job, usize::MAX);
    let whole = std::fs::read(&output).unwrap();
    let mut all = vec![Left {
        job: Job { resume: true, ..job.clone() },
        files: vec![(output.clone(), whole.clone())],
        whole: whole.clone(),
    }];
    if name.ends_with("parquet") {
        // A run that was stopped early leaves a part of the rows and the journal of their scores.
        std::fs::remove_file(&output).unwrap();
        run(&Job { overwrite: true, ..job.clone() }, 2);
        let journal = folder.join(format!("{name}.scores.jsonl"));
        let files = [output, journal].map(|path| (path.clone(), std::fs::read(path).unwrap()));
        all.push(Left { job: Job { resume: true, ..job }, files: files.into(), whole });
    }
    all
}

/// The rows of JSON lines without their scores.
fn rows(bytes: &[u8]) -> Vec<(Value, Value)> {
    let text = String::from_utf8_lossy(bytes);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        (row["id"].clone(), row["title"].clone())
    };
    text.lines().map(row).collect()
}

#[test]
fn outputs_that_are_continued() {
    let folder = tapewire_fuzzkit::folder();
    let model = folder.path().join("model");
    std::fs::create_dir(&model).unwrap();
    let model = common::write(&model, &common::TINY, common::STANDARD, 1.0, common::LABELS);
    let engine = Engine::load(&model, &EngineConfig { threads: 1, ..EngineConfig::default() }).unwrap();
    let companies = Companies::load(None).unwrap();
    let input = folder.path().join("in.jsonl");
    std::fs::write(&input, ROWS).unwrap();
    let run = |job: &Job, batches: usize| {
        let left = std::cell::Cell::new(batches);
        let count = |event: files::JobEvent<'_>| {
            if let files::JobEvent::Progress(_) = event {
                left.set(left.get().saturating_sub(1));
            }
        };
        files::score(&engine, &companies, job, || left.get() == 0, count).map(drop)
    };
    let all: Vec<Left> = ["out.jsonl", "out.csv", "out.parquet"]
        .iter()
        .flat_map(|name| left(folder.path(), &input, name, |job, batches| run(job, batches).unwrap()))
        .collect();
    let size: usize = all.iter().flat_map(|left| &left.files).map(|(_, bytes)| bytes.len()).max().unwrap();
    let all = std::panic::AssertUnwindSafe(&all);
    let run = std::panic::AssertUnwindSafe(&run);
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let Left { job, files, whole } = &all[dice.below(all.len())];
        let output = job.output.as_deref().unwrap();
        for leftover in [".partial", ".scores.jsonl", ".rejected.jsonl"] {
            let _ = std::fs::remove_file(format!("{}{leftover}", output.display()));
        }
        let mut damaged: Vec<(PathBuf, Vec<u8>)> = files.clone();
        for (_, content) in &mut damaged {
            for _ in 0..dice.below(4) {
                dice.damage(content);
            }
        }
        // 64 KiB for the buffers that the engine and the readers allocate for files of any size. The reader of Parquet
        // reserves as much as a page's header says, up to 2 GiB, and uses only what it decompresses.
        let is_parquet = output.extension().is_some_and(|end| end == "parquet");
        let ended = bounded(if is_parquet { (2 << 30) / 64 } else { size + (64 << 10) }, || {
            damaged.iter().for_each(|(path, content)| std::fs::write(path, content).unwrap());
            run(job, usize::MAX)
        });
        let made = std::fs::read(output).unwrap();
        match ended {
            Ok(()) if output.extension().is_some_and(|end| end == "jsonl") => assert_eq!(rows(&made), rows(whole)),
            Ok(()) => assert!(made.len() >= whole.len() / 2, "{} bytes of {}", made.len(), whole.len()),
            // An output of another job is left as it is, except for an incomplete last row, which is removed.
            Err(FilesError::Differs { .. }) => assert!(damaged[0].1.starts_with(&made)),
            Err(error) => assert!(error.to_string().len() < 4096, "{error}"),
        }
    });
}
