//! How the columns of inputs are found, merged and refused.

use super::*;

#[test]
fn problems_of_an_input_are_reported_before_anything_is_scored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, content, part) in [
        ("a.csv", &b"id,body\n1,x\n"[..], "id, body"),
        ("b.jsonl", b"{\"id\":1,\"body\":\"x\"}\n", "id, body"),
        ("c.json", b"[\n{\"body\":\"x\"}\n]", "its columns are: body"),
        ("d.csv", b"title,label\nx,y\n", "label; --prefix"),
        ("e.txt", b"\xff\xfe\0\0x\0\0\0", "iconv"),
        ("f.csv", b"\x1f\x8b\x08", "its gzip data has no end"),
        ("g.csv", b"PAR1", "g.csv is damaged"),
        ("i.csv", b"PK\x03\x04\x14\0news.jsonl{\"headline\":\"x\"}\n", "is a zip archive; unpack it"),
        ("j.csv", b"Der Gewinn w\xc3\xa4chst,positive\n", "--no-header"),
        ("k.csv", b"Der Gewinn w\xe4chst,positive\n", "--encoding windows-1252"),
        ("l.csv", b"title,id,title\nx,1,y\n", "columns 1 and 3 are both called title"),
        ("h.parquet", b"PAR1", "h.parquet"),
    ] {
        std::fs::write(at(name), content).unwrap();
        let error = run(&job(&at(name), &at("out.jsonl"))).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
        assert!(!at("out.jsonl").exists());
    }
}

#[test]
fn files_with_the_same_columns_are_one_input() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("1.csv"), "id,title\n1,Profit\n").unwrap();
    std::fs::write(at("2.csv"), "id,title\n2,Loss\n3\n").unwrap();
    std::fs::write(at("3.csv"), "title,id\nGain,4\n").unwrap();
    let of = |names: &[&str]| Job {
        sources: names.iter().map(|name| JobSource::File(at(name))).collect(),
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
        sources: vec![JobSource::File(odd_parquet()), JobSource::File(odd_parquet())],
        ..job(&odd_parquet(), &at("two.parquet"))
    };
    assert_eq!(run(&two).unwrap().written, 14);
    assert_eq!(rows(&at("two.parquet")).len(), 14);
}

#[test]
fn json_lines_of_several_files_are_merged_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("0.jsonl"), "").unwrap();
    std::fs::write(
        at("1.jsonl"),
        "{\"id\":1,\"headline\":\"Profit\",\"source\":null}\n{\"id\":2,\"headline\":\"Loss\"}\n",
    )
    .unwrap();
    std::fs::write(at("2.jsonl"), "{\"title\":\"no\",\"headline\":\"Gain\",\"source\":\"x\",\"id\":3}\n").unwrap();
    std::fs::write(at("3.jsonl"), "{\"title\":\"Gain\"}\n").unwrap();
    let of = |names: &[&str], output: &str| Job {
        sources: names.iter().map(|name| JobSource::File(at(name))).collect(),
        ..job(&at("1.jsonl"), &at(output))
    };
    for output in ["out.csv", "out.parquet"] {
        let summary = run(&of(&["0.jsonl", "1.jsonl", "2.jsonl"], output)).unwrap();
        assert_eq!((summary.scored, summary.text_column.as_str()), (3, "headline"), "{output}");
        let rows = rows(&at(output));
        for (row, (id, headline, source, title)) in
            rows.iter().zip([("1", "Profit", "", ""), ("2", "Loss", "", ""), ("3", "Gain", "x", "no")])
        {
            let values = ["id", "headline", "source", "title"].map(|name| match &row[name] {
                Value::Null => String::new(),
                value => text(value),
            });
            assert_eq!(values, [id, headline, source, title], "{output}");
            assert_scored(row, headline, None);
        }
        let names: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
        assert_eq!(names.len(), 4 + SCORE_COLUMNS.len(), "{names:?}");
    }
    let error = run(&of(&["1.jsonl", "3.jsonl"], "mixed.csv")).unwrap_err().to_string();
    assert!(error.contains("3.jsonl") && error.contains("headline"), "{error}");
}

#[test]
fn csv_takes_any_value_and_parquet_rejects_what_its_column_cannot_hold() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut jsonl = "{\"text\":\"Profit\",\"n\":7}\n".repeat(1000);
    jsonl += "{\"text\":\"Loss\",\"n\":1.5}\n{\"text\":\"Loss\",\"n\":\"a,b\"}\n";
    std::fs::write(at("in.jsonl"), jsonl).unwrap();
    let summary = run(&job(&at("in.jsonl"), &at("out.csv"))).unwrap();
    assert_eq!((summary.scored, summary.unreadable), (1002, 0));
    let last: Vec<String> = rows(&at("out.csv"))[999..].iter().map(|row| text(&row["n"])).collect();
    assert_eq!(last, ["7", "1.5", "a,b"]);
    let summary = run(&job(&at("in.jsonl"), &at("out.parquet"))).unwrap();
    assert_eq!((summary.scored, summary.unreadable), (1000, 2));
    assert!(text(&lines(&rejected(&at("out.parquet")))[0]["reason"]).contains("field n is not a whole number"));
}
