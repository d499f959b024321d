//! Which columns the inputs have.

use super::*;

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
