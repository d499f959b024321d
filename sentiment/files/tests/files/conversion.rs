//! From every format to every format: values, order, bytes.

use super::*;

#[test]
fn every_format_converts_to_every_format_in_order_with_all_columns() {
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
                // The input was scored already, so it has columns with the names of the score columns.
                assert!(matches!(run(&job), Err(FilesError::Clash { names }) if names == SCORE_COLUMNS));
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
fn rows_of_the_same_format_keep_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let csv = "\u{feff}\"id\";title;\"no\"\"te\"\r\n007;\"Profit; doubled\";\"two\r\nlines\"\r\n\"8\";Loss;\r\n";
    std::fs::write(at("a.csv"), csv).unwrap();
    run(&job(&at("a.csv"), &at("b.csv"))).unwrap();
    let scored = std::fs::read_to_string(at("b.csv")).unwrap();
    let (head, rest) = scored.split_once("\r\n").unwrap();
    assert_eq!(head, format!("\"id\";title;\"no\"\"te\";{}", SCORE_COLUMNS.join(";")));
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
        assert_eq!(copied.num_columns(), columns + SCORE_COLUMNS.len());
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
            None => assert!(SCORE_COLUMNS.iter().all(|name| after[name].is_null()), "{after}"),
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
        ("price", serde_json::json!(193.10)),
        ("weight", serde_json::json!(0.1)),
        ("tags", serde_json::json!(["a", "b"])),
        ("raw", "/wA=".into()),
    ] {
        assert_eq!(first[name], value, "{name}");
    }
}

#[test]
fn a_long_text_is_read_completely_and_its_row_has_the_number_of_windows() {
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
fn empty_inputs_give_empty_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (input, content, output, expected) in [
        ("a.txt", "", "a.jsonl", String::new()),
        ("b.jsonl", "", "b.csv", format!("{}\n", SCORE_COLUMNS.join(","))),
        ("c.csv", "", "c.csv.csv", format!("{}\n", SCORE_COLUMNS.join(","))),
        ("d.csv", "id,title\r\n", "d.csv.csv", format!("id,title,{}\r\n", SCORE_COLUMNS.join(","))),
    ] {
        std::fs::write(at(input), content).unwrap();
        let summary = run(&job(&at(input), &at(output))).unwrap();
        assert_eq!(summary.rows, 0);
        assert_eq!(std::fs::read_to_string(at(output)).unwrap(), expected, "{input}");
    }
    run(&job(&at("d.csv"), &at("d.parquet"))).unwrap();
    assert_eq!(rows(&at("d.parquet")).len(), 0);
}
