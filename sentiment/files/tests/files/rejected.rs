//! Rows without a score, and the file of rejected rows.

use super::*;

#[test]
fn a_text_that_needs_too_much_memory_is_kept_without_a_score() {
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

#[test]
fn bad_rows_are_rejected_with_their_reasons_and_the_rest_is_scored() {
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
        // A ticker is replaced by the company's name.
        assert_scored(&rows[0], "Profit doubled", Some("Apple"));
        assert_eq!(text(&rows[2]["p_positive"]).replace("null", ""), "", "no score is invented");
        assert_scored(&rows[4], "Dividend cut", None);
    }
}

#[test]
fn a_rejected_row_of_parquet_keeps_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let long = "x".repeat((1 << 20) + 1);
    std::fs::write(at("in.csv"), format!("title\n{long}\nLoss\n")).unwrap();
    run(&job(&at("in.csv"), &at("in.parquet"))).unwrap();
    run(&Job { prefix: "again_".into(), ..job(&at("in.parquet"), &at("out.jsonl")) }).unwrap();
    assert_eq!(text(&lines(&rejected(&at("out.jsonl")))[0]["content"]), long);
}
