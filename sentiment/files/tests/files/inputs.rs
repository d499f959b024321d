//! Files as people have them: compressed, in other encodings, in every layout of JSON, without header; companies in
//! lists.

use super::*;
use tapewire_formats::FormatError;

/// The scored texts, in order.
fn texts(output: &Path, column: &str) -> Vec<String> {
    rows(output).iter().map(|row| text(&row[column])).collect()
}

#[test]
fn every_layout_of_json_becomes_json_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (a, b) = (r#"{"id":1.10,"headline":"Profit"}"#, r#"{"id":2,"headline":"Loss","n":[1, 2]}"#);
    for (number, content) in [
        format!("[{a},{b}]"),
        format!("[\n  {a},\n  {b}\n]\n"),
        format!("{{\"results\":[{a},{b}],\"status\":\"OK\"}}"),
        format!("{{\"feed\":[\n{a},\n{b}]}}"),
        format!("{a}{b}"),
        format!("{}\n{}\n", a.replace(',', ",\n "), b.replace("{", "{\n ")),
    ]
    .into_iter()
    .enumerate()
    {
        let (input, output) = (at(&format!("{number}.json")), at(&format!("{number}.jsonl")));
        std::fs::write(&input, content).unwrap();
        let summary = run(&job(&input, &output)).unwrap();
        assert_eq!((summary.rows, summary.scored), (2, 2), "{number}");
        assert_eq!(texts(&output, "headline"), ["Profit", "Loss"], "{number}");
        let scored = std::fs::read_to_string(&output).unwrap();
        assert!(scored.starts_with("{\"id\":1.10,"), "digits are kept: {scored}");
        assert_eq!(scored.lines().count(), 2);
        let resumed = run(&Job { resume: true, ..job(&input, &output) }).unwrap();
        assert_eq!(resumed.resumed, 2, "{number}");
        assert_eq!(std::fs::read_to_string(&output).unwrap(), scored);
    }
}

#[test]
fn latin1_without_header_is_read_with_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("phrases.csv"), b"Der Gewinn w\xe4chst,positive\nLoss,negative\n").unwrap();
    let options = Options {
        header: false,
        columns: Some(vec!["text".into(), "mood".into()]),
        encoding: Some("windows-1252".into()),
        ..Options::default()
    };
    let of = |output: &str| Job { input: options.clone(), ..job(&at("phrases.csv"), &at(output)) };
    for output in ["out.csv", "out.jsonl"] {
        let summary = run(&of(output)).unwrap();
        assert_eq!((summary.scored, summary.text_column.as_str()), (2, "text"));
        assert_eq!(texts(&at(output), "text"), ["Der Gewinn wächst", "Loss"], "{output}");
        assert_eq!(texts(&at(output), "mood"), ["positive", "negative"]);
        assert_scored(&rows(&at(output))[0], "Der Gewinn wächst", None);
    }
    // Without the encoding, a row that is not UTF-8 is among the rejected rows, with the remedy.
    let unnamed = Job { input: Options { encoding: None, ..options.clone() }, ..of("aside.csv") };
    assert_eq!(run(&unnamed).unwrap().unreadable, 1);
    let reason = text(&lines(&rejected(&at("aside.csv")))[0]["reason"]);
    assert!(
        reason.contains("line 1: not UTF-8 from byte 13") && reason.contains("--encoding windows-1252"),
        "{reason}"
    );
}

#[test]
fn a_company_column_with_a_list_of_one_is_that_company_and_with_several_has_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let headline = "Microsoft falls as Apple rises";
    let jsonl: String =
        [r#"["MSFT"]"#, r#""MSFT""#, r#"["AAPL","MSFT"]"#, r#"{"ticker":"MSFT"}"#, "7", "[]", r#""[\"MSFT\"]""#]
            .iter()
            .map(|symbols| format!("{{\"headline\":\"{headline}\",\"symbols\":{symbols}}}\n"))
            .collect();
    std::fs::write(at("news.jsonl"), jsonl).unwrap();
    let selection = Selection { company: Some("symbols".into()), ..Selection::default() };
    let summary = run(&Job { selection, ..job(&at("news.jsonl"), &at("out.jsonl")) }).unwrap();
    assert_eq!((summary.scored, summary.unscored), (4, 3));
    let rows = rows(&at("out.jsonl"));
    for asked in [0, 1, 6] {
        assert_scored(&rows[asked], headline, Some("MSFT"));
        assert_eq!(rows[asked]["score"], rows[1]["score"]);
    }
    assert_scored(&rows[5], headline, None);
    assert_ne!(rows[5]["score"], rows[1]["score"]);
    let reasons: Vec<String> = lines(&rejected(&at("out.jsonl"))).iter().map(|row| text(&row["reason"])).collect();
    for (reason, part) in reasons.iter().zip([
        "field symbols names 2 companies (AAPL, MSFT)",
        "field symbols is an object",
        "field symbols is a number",
    ]) {
        assert!(reason.starts_with(part), "{reason}");
    }
}

#[test]
fn a_name_with_an_ampersand_or_a_comma_is_one_company_and_names_in_a_list_are_several() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let headline = "AT&T lifts its outlook while Verizon cuts its forecast";
    let companies = ["AT & T", "AT&T", "AT and T", "Verizon", "AT & T / Verizon", "AT&T, Verizon", "AT&T and Verizon"];
    let rows_of = |company: &&str| format!("{{\"headline\":\"{headline}\",\"company\":\"{company}\"}}\n");
    std::fs::write(at("news.jsonl"), companies.iter().map(rows_of).collect::<String>()).unwrap();
    let selection = Selection { company: Some("company".into()), ..Selection::default() };
    let summary = run(&Job { selection, ..job(&at("news.jsonl"), &at("out.jsonl")) }).unwrap();
    assert_eq!((summary.scored, summary.unscored), (4, 3));
    let rows = rows(&at("out.jsonl"));
    rows[..3].iter().for_each(|row| assert_scored(row, headline, Some("T")));
    assert_scored(&rows[3], headline, Some("VZ"));
    assert!(rows[0]["score"].as_f64().unwrap() > 0.0 && rows[3]["score"].as_f64().unwrap() < 0.0, "{rows:?}");
    for row in lines(&rejected(&at("out.jsonl"))) {
        assert!(text(&row["reason"]).contains("2 companies (AT"), "{row}");
    }
}

#[test]
fn what_can_be_read_of_a_file_that_breaks_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("cut.json"), "[{\"title\":\"Profit\"},{\"title\":\"Loss\"},{\"title\":\"Ga").unwrap();
    let error = run(&Job {
        selection: Selection { text: Some("title".into()), company: None },
        ..job(&at("cut.json"), &at("out.jsonl"))
    })
    .unwrap_err();
    assert!(matches!(error, FilesError::Format(FormatError::CutOff { rows: 2, .. })), "{error}");
    assert!(error.to_string().contains("cut.json is cut off after row 2"), "{error}");
}

#[test]
fn an_empty_file_among_several_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, content) in
        [("none.csv", ""), ("a.csv", "id,title\n1,Profit doubled\n"), ("b.csv", "id,title\n2,Loss\n")]
    {
        std::fs::write(at(name), content).unwrap();
    }
    for order in [["none.csv", "a.csv", "b.csv"], ["a.csv", "none.csv", "b.csv"], ["a.csv", "b.csv", "none.csv"]] {
        let sources = order.map(|name| JobSource::File(at(name))).to_vec();
        let job = Job { sources, overwrite: true, ..job(&at("a.csv"), &at("out.csv")) };
        assert_eq!(run(&job).unwrap().written, 2, "{order:?}");
        let written = std::fs::read_to_string(at("out.csv")).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert!(lines[0].starts_with("id,title,p_positive") && lines.len() == 3, "{order:?}: {written}");
        assert!(lines[1].starts_with("1,Profit doubled,") && lines[2].starts_with("2,Loss,"), "{order:?}: {written}");
    }
}
