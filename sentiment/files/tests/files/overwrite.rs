//! Files that the job did not write are neither replaced nor continued.

use super::*;

#[test]
fn foreign_files_are_neither_overwritten_nor_continued() {
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
fn the_file_of_rejected_rows_destroys_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let content = "title\nProfit doubled\ntoo,many\n";
    std::fs::write(at("in.csv"), content).unwrap();
    std::fs::write(at("mine.txt"), "mine").unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let to = |output: &str, rejected: &str| Job { rejected: Some(at(rejected)), ..job(&at("in.csv"), &at(output)) };
    for (output, rejected, part) in [
        ("out.csv", "in.csv", "is the input"),
        ("out.csv", "folder/../in.csv", "is the input"),
        ("out.csv", "out.csv", "is the output"),
        ("out.csv", "folder/../out.csv", "is the output"),
        ("out.parquet", "out.parquet.scores.jsonl", "is the output"),
        ("out.parquet", "out.parquet.partial", "is the output"),
        ("out.csv", "mine.txt", "mine.txt exists already"),
    ] {
        for overwrite in [false, true] {
            let job = Job { overwrite, ..to(output, rejected) };
            let result = run(&job);
            if overwrite && rejected == "mine.txt" {
                assert_eq!(result.unwrap().rejected, Some(at("mine.txt")));
                assert_eq!(lines(&at("mine.txt")).len(), 1);
                std::fs::write(at("mine.txt"), "mine").unwrap();
                continue;
            }
            let error = result.unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(part), "{output} {rejected}: {error}");
            assert_eq!(std::fs::read_to_string(at("in.csv")).unwrap(), content);
            assert_eq!(std::fs::read_to_string(at("mine.txt")).unwrap(), "mine");
            assert!(!at(output).exists());
        }
    }
    std::fs::write(at("out.csv.rejected.jsonl"), "of an earlier run").unwrap();
    std::fs::remove_file(at("out.csv")).unwrap();
    assert!(matches!(run(&job(&at("in.csv"), &at("out.csv"))), Err(FilesError::Exists { .. })));
}

#[test]
fn a_pipe_and_a_device_are_written_to_and_stay() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.csv"), "title\nProfit doubled\ntoo,many\n").unwrap();
    let mut pipes = Vec::new();
    for name in ["out.csv", "rejected.jsonl"] {
        assert!(std::process::Command::new("mkfifo").arg(at(name)).status().unwrap().success());
        let path = at(name);
        pipes.push(std::thread::spawn(move || std::fs::read_to_string(path).unwrap().lines().count()));
    }
    let to_pipes = Job { rejected: Some(at("rejected.jsonl")), ..job(&at("in.csv"), &at("out.csv")) };
    run(&to_pipes).unwrap();
    assert_eq!(pipes.into_iter().map(|pipe| pipe.join().unwrap()).collect::<Vec<_>>(), [2, 1]);
    assert!(at("out.csv").exists() && at("rejected.jsonl").exists());
    for (resume, overwrite) in [(false, false), (false, true), (true, false)] {
        let job = Job { output: Some("/dev/null".into()), rejected: None, resume, overwrite, ..to_pipes.clone() };
        let summary = run(&job).unwrap();
        assert_eq!((summary.written, summary.unreadable, summary.rejected), (1, 1, None));
    }
}
