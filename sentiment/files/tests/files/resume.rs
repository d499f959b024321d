//! Outputs that are continued.

use super::*;
use tapewire_models::{Registry, Source};

/// Resumes from every prefix of the output that a kill may leave, with the rejected rows of that moment or later.
#[test]
fn a_run_resumed_after_any_kill_gives_the_same_bytes() {
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

/// Neither the column of texts nor the labels are in the output, and the company only as the name that was asked about.
#[test]
fn an_output_of_other_options_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let csv = "id,title,body,company\n1,Profit doubled,Shares crash after a fraud,AAPL\n2,,Dividend cut after a loss,\n\
        3,Outlook raised,,\n";
    std::fs::write(at("in.csv"), csv).unwrap();
    let (shipped, companies) = (common::shipped(), Companies::load(None).unwrap());
    let model = Registry::from_env().resolve(&Source::default()).unwrap();
    let labels = Some("positive=negative, negative=positive".to_owned());
    let renamed = Engine::load(&model, &EngineConfig { labels, ..EngineConfig::default() }).unwrap();
    let select =
        |text: &str, company: Option<&str>| Selection { text: Some(text.into()), company: company.map(str::to_owned) };
    for output in ["out.jsonl", "out.csv", "out.parquet"] {
        let plain = Job { selection: select("title", None), ..job(&at("in.csv"), &at(output)) };
        let about = Job { selection: select("title", Some("company")), ..plain.clone() };
        for (first, then, part) in [
            (
                (&*shipped, plain.clone()),
                (&*shipped, Job { selection: select("body", None), ..plain.clone() }),
                "score",
            ),
            (
                (&*shipped, about.clone()),
                (&*shipped, plain.clone()),
                "about Apple there, and would be about no company",
            ),
            (
                (&*shipped, plain.clone()),
                (&*shipped, about.clone()),
                "about no company there, and would be about Apple",
            ),
            (
                (&*shipped, Job { company: Some("MSFT".into()), ..about.clone() }),
                (&*shipped, Job { company: Some("Pfizer".into()), ..about.clone() }),
                "about Microsoft there, and would be about Pfizer here",
            ),
            ((&*shipped, plain.clone()), (&renamed, plain.clone()), "its score is"),
        ] {
            let score = |(engine, job): &(&Engine, Job), resume: bool| {
                let job = Job { resume, overwrite: !resume, ..job.clone() };
                files::score(engine, &companies, &job, || false, |_| {})
            };
            score(&first, false).unwrap();
            let whole = std::fs::read(at(output)).unwrap();
            let error = score(&then, true).unwrap_err();
            assert!(matches!(error, FilesError::Differs { .. }), "{output}: {error}");
            let said = error.to_string();
            assert!(said.contains(part) && said.contains("--overwrite"), "{output} {part}: {said}");
            assert_eq!(std::fs::read(at(output)).unwrap(), whole, "{output}: {said}");
            assert_eq!(score(&first, true).unwrap().resumed, 3, "{output}");
        }
    }
}

#[test]
fn a_row_that_is_too_long_to_be_ours_is_refused_and_the_file_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.csv"), mixed_csv()).unwrap();
    let (output, job) = (at("out.csv"), Job { resume: true, ..job(&at("in.csv"), &at("out.csv")) });
    run(&job).unwrap();
    let mut damaged = std::fs::read_to_string(&output).unwrap();
    let second_row_ends = damaged.match_indices('\n').nth(1).unwrap().0;
    damaged.insert_str(second_row_ends, &"x".repeat(70 << 10));
    std::fs::write(&output, &damaged).unwrap();
    let error = run(&job).unwrap_err().to_string();
    assert!(error.contains("longer than any"), "{error}");
    assert_eq!(std::fs::read_to_string(&output).unwrap(), damaged);
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

        // Stopped as by Ctrl-C: the output is valid and holds as many of the scored rows as Parquet allows.
        let mut job = Job { batch_tokens: 1, overwrite: true, ..job(&input, &output) };
        let summary = run_some(&job, batches);
        assert!(summary.stopped);
        assert_eq!((rows(&output).len(), summary.written), (rows_in_part, rows_in_part as u64));
        assert!(matches!(run(&Job { overwrite: false, ..job.clone() }), Err(FilesError::Exists { .. })));

        (job.resume, job.overwrite) = (true, false);
        let scores_so_far = std::fs::read(&journal).unwrap();
        for cut in [0, 10, scores_so_far.len() / 2, scores_so_far.len() - 1, scores_so_far.len()] {
            // Killed: only the journal and an incomplete file exist.
            let _ = std::fs::remove_file(&output);
            std::fs::write(at("out.parquet.partial"), &whole[..cut.min(whole.len())]).unwrap();
            std::fs::write(&journal, &scores_so_far[..cut]).unwrap();
            run(&job).unwrap();
            assert_eq!(std::fs::read(&output).unwrap(), whole, "{} cut at {cut}", input.display());
            assert!(!journal.exists());
        }
        let summary = run(&job).unwrap();
        assert_eq!(summary.resumed, summary.written);
        assert_eq!(std::fs::read(&output).unwrap(), whole);
    }
}

#[test]
fn a_stopped_run_leaves_whole_rows_and_can_be_continued() {
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
    assert_eq!((summary.resumed, summary.stopped), (4, false));
    assert_eq!(std::fs::read(at("part.csv")).unwrap(), std::fs::read(at("whole.csv")).unwrap());
}

#[test]
fn a_complete_parquet_file_is_compared_with_input_options_and_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let output = at("out.parquet");
    let content = "id,title\n1,Profit doubled\n2,\n3,Loss\n";
    std::fs::write(at("in.csv"), content).unwrap();
    let whole = job(&at("in.csv"), &output);
    run(&whole).unwrap();
    let bytes = std::fs::read(&output).unwrap();
    let job = Job { resume: true, ..whole };
    let differs = |job: &Job, engine: &Engine| {
        let error = files::score(engine, &Companies::load(None).unwrap(), job, || false, |_| {}).unwrap_err();
        assert!(matches!(error, FilesError::Differs { .. }), "{error}");
        assert!(error.to_string().contains("--overwrite"), "{error}");
        error.to_string()
    };
    for (other, part) in [
        ("id,title\n1,Profit doubled\n2,\n3,Gain\n", "not made from this input"),
        ("id,title\n1,Profit doubled\n2,\n4,Loss\n", "not made from this input"),
        ("no,title\n1,Profit doubled\n2,\n3,Loss\n", "not made from this input"),
        ("id,title\n1,Profit doubled\n2,\n", "more rows"),
        ("id,title\n1,Profit doubled\n2,\n3,Loss\n4,Gain\n", "fewer rows"),
    ] {
        std::fs::write(at("in.csv"), other).unwrap();
        let error = differs(&job, &common::shipped());
        assert!(error.contains(part), "{other}: {error}");
    }
    std::fs::write(at("in.csv"), content).unwrap();
    differs(&Job { prefix: "again_".into(), ..job.clone() }, &common::shipped());
    differs(
        &Job { company: None, selection: Selection { text: Some("id".into()), company: None }, ..job.clone() },
        &common::shipped(),
    );
    let model = common::write(folder.path(), &common::TINY, common::STANDARD, 1.0, common::LABELS);
    let error = differs(&job, &Engine::load(&model, &EngineConfig::default()).unwrap());
    assert!(error.contains("this model would write"), "{error}");
    assert_eq!(std::fs::read(&output).unwrap(), bytes);
    let summary = run(&job).unwrap();
    assert_eq!((summary.resumed, summary.written, summary.unscored), (3, 3, 1));
    assert_eq!(std::fs::read(&output).unwrap(), bytes);

    for foreign in [std::fs::read(odd_parquet()).unwrap(), b"PAR1".to_vec(), Vec::new()] {
        std::fs::write(&output, &foreign).unwrap();
        differs(&job, &common::shipped());
        assert_eq!(std::fs::read(&output).unwrap(), foreign);
    }
    run(&Job { resume: false, overwrite: true, ..job.clone() }).unwrap();
    assert_eq!(std::fs::read(&output).unwrap(), bytes);
}

#[test]
fn csv_of_a_model_whose_name_has_the_separator_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.jsonl"), mixed_jsonl()).unwrap();
    let model = at("fin,\"bert\"");
    std::fs::create_dir(&model).unwrap();
    let model = common::write(&model, &common::TINY, common::STANDARD, 1.0, common::LABELS);
    let engine = Engine::load(&model, &EngineConfig { threads: 1, ..EngineConfig::default() }).unwrap();
    let companies = Companies::load(None).unwrap();
    let run = |job: &Job| files::score(&engine, &companies, job, || false, |_| {}).unwrap();
    let job = job(&at("in.jsonl"), &at("out.csv"));
    run(&job);
    let whole = std::fs::read_to_string(at("out.csv")).unwrap();
    assert!(whole.contains(r#","fin,""bert""","#), "{whole}");
    let begun: String = whole.split_inclusive('\n').take(3).collect();
    std::fs::write(at("out.csv"), begun).unwrap();
    run(&Job { resume: true, ..job });
    assert_eq!(std::fs::read_to_string(at("out.csv")).unwrap(), whole);
}

/// The library that reads Parquet panics on some damaged files.
#[test]
fn a_damaged_parquet_output_is_not_continued_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("in.jsonl"), mixed_jsonl()).unwrap();
    std::fs::create_dir(at("model")).unwrap();
    // A small model, because the job runs once for each byte.
    let model = common::write(&at("model"), &common::TINY, common::STANDARD, 1.0, common::LABELS);
    let engine = Engine::load(&model, &EngineConfig { threads: 1, ..EngineConfig::default() }).unwrap();
    let companies = Companies::load(None).unwrap();
    let run = |job: &Job| files::score(&engine, &companies, job, || false, |_| {});
    let output = at("out.parquet");
    run(&job(&at("in.jsonl"), &output)).unwrap();
    let whole = std::fs::read(&output).unwrap();
    let resumed = Job { resume: true, ..job(&at("in.jsonl"), &output) };
    for place in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[place] = 0;
        std::fs::write(&output, &damaged).unwrap();
        match run(&resumed) {
            Ok(_) => {}
            Err(FilesError::Differs { .. } | FilesError::Unreadable { .. }) => {
                assert_eq!(std::fs::read(&output).unwrap(), damaged, "byte {place}");
            }
            Err(error) => panic!("byte {place}: {error}"),
        }
    }
}
