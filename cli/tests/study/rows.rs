//! Studies of joined rows in a file, and the flags that they take.

use super::{market, said, tapewire};
use serde_json::Value;
use std::path::Path;

/// The findings in `f.json`.
pub(super) fn findings_of(folder: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("f.json")).unwrap()).unwrap()
}

/// The findings in `f.json`, without what only bars can tell.
fn findings_of_rows(folder: &Path) -> Value {
    let mut findings = findings_of(folder);
    for only in ["/panels/lead_lag", "/panels/delays"] {
        findings.pointer_mut(only).unwrap().take();
    }
    findings
}

/// What a command that succeeds prints.
fn succeeded(folder: &Path, arguments: &[&str]) -> String {
    let output = tapewire(folder, arguments);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// The findings of joined rows in a file are those of the files that they were joined from.
#[test]
fn joined_rows_in_a_file_give_the_same_findings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, 0.004);
    let files = ["--news", "news.jsonl", "--bars", "bars.csv", "--benchmark", "AAAA", "--scores", "kept.jsonl"];
    let choices = [
        &["--split-by", "label", "--horizons", "5m,close", "--symbols", "BBBB,CCCC,DDDD", "--json", "f.json"][..],
        &["--permutations", "999", "--bootstraps", "999"],
    ]
    .concat();
    let run = |arguments: &[&[&str]]| succeeded(folder, &arguments.concat());
    let findings = || findings_of_rows(folder);
    let table = run(&[&["study"], &files, &choices]);
    assert!(!table.contains("no column title"), "{table}");
    assert!(table.contains("filter symbols BBBB, CCCC, DDDD: 22 events removed, 66 left"), "{table}");
    let (expected, whole) = (findings(), findings_of(folder));
    assert!(
        whole["panels"]["delays"]["value"][4]["horizons"][0]["rank_ic"]["value"].is_object(),
        "{}",
        whole["panels"]
    );
    assert_eq!((&expected["settings"]["outcome"], expected["events"].as_u64()), (&"abnormal".into(), Some(66)));
    for name in ["impact.parquet", "impact.csv", "impact.jsonl"] {
        run(&[&["join"], &files, &["-o", name]]);
        run(&[&["study", "--impact", name, "--overwrite"], &choices]);
        assert_eq!(findings(), expected, "{name}");
        assert!(findings_of(folder)["panels"]["delays"]["not_known"].as_str().unwrap().contains("--bars FILES"));
    }
    // With the bars it has all panels of a study of the files.
    let bars = ["study", "--impact", "impact.csv", "--bars", "bars.csv", "--benchmark", "AAAA", "--overwrite"];
    run(&[&bars, &choices]);
    assert_eq!(findings_of(folder), whole);
    let days = ["--days", "3"];
    run(&[&bars, &choices, &days]);
    let of_rows = findings_of(folder);
    run(&[&["study", "--overwrite"], &files, &choices, &days]);
    assert_eq!((of_rows["days"]["expected"].as_str(), &findings_of(folder)), (Some("market_model"), &of_rows));
    let page = ["study", "--impact", "impact.csv", "--bars", "bars.csv", "--benchmark", "none", "-o", "page.html"];
    run(&[&page]);
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("have another entry or return than the rows that are studied"), "the benchmark is another");
}

#[test]
fn a_file_of_other_origin_needs_few_columns() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(
        folder.join("own.csv"),
        "article_id,symbol,available_at,entry_at,score,ret_5m\na,AAPL,2024-07-01T14:00:00Z,2024-07-01T14:01:00Z,3.5,0.01\n",
    )
    .unwrap();
    let own = succeeded(folder, &["study", "--impact", "own.csv"]);
    assert!(own.contains("the most is 1 event on 1 day, at 5m"), "{own}");
    let untitled = "own.csv has no column title: a story that is told again counts each time";
    assert!(own.contains(untitled), "{own}");
    succeeded(folder, &["study", "--impact", "own.csv", "--json", "f.json"]);
    let methods = findings_of(folder)["methods"].as_str().unwrap().to_owned();
    assert!(methods.contains("The rows have no titles, so a company's story that is told again"), "{methods}");
}

#[test]
fn a_title_that_a_program_wrote_for_a_missing_one_makes_no_story() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (title, events) in [("nan", "2 events on 1 day"), ("Maker rises", "1 event on 1 day")] {
        let row = |id: &str, hour: u32| {
            format!("{id},AAPL,2024-07-01T{hour}:00:00Z,2024-07-01T{hour}:01:00Z,3.5,0.01,{title}\n")
        };
        let rows = format!("{}{}", row("a", 14), row("b", 15));
        let header = "article_id,symbol,available_at,entry_at,score,ret_5m,title\n";
        std::fs::write(folder.join("titled.csv"), format!("{header}{rows}")).unwrap();
        let said = succeeded(folder, &["study", "--impact", "titled.csv"]);
        assert!(said.contains(&format!("the most is {events}, at 5m")), "{title}: {said}");
    }
}

#[test]
fn a_file_whose_rows_can_not_be_studied_is_refused_with_the_row_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (content, why) in [
        ("article_id,symbol,available_at,entry_at,ret_5m\na,AAPL,2024-07-01T14:00:00Z,,0.1\n", "no column score"),
        ("article_id,symbol,available_at,entry_at,score\na,AAPL,2024-07-01T14:00:00Z,,0.1\n", "no column of returns"),
        (
            "article_id,symbol,available_at,entry_at,score,ret_5m\na,AAPL,2024-07-01 14:00:00,,1,0.1\n",
            "row 2: available_at: \"2024-07-01 14:00:00\" is not a time with its zone",
        ),
        (
            "article_id,symbol,available_at,entry_at,score,ret_5m\na,AAPL,2024-07-01T14:00:00Z,2024-07-01T14:00:00Z,1,0.1\n",
            "row 2: entry_at 2024-07-01T14:00:00Z is not after available_at",
        ),
        (
            "article_id,symbol,available_at,entry_at,score,ret_5m\na,B,2024-07-01T14:00:00Z,,1,\na,B,2024-07-01T14:00:00Z,,1,\n",
            "row 3 has the provider, article and symbol of row 2",
        ),
        (
            "article_id,symbol,available_at,entry_at,score,ret_5m\na,AAPL,2024-07-01T14:00:00Z,,nan,0.1\n",
            "row 2: score: \"nan\" is not a finite number",
        ),
        (
            "ARTICLE_ID,SYMBOL,AVAILABLE_AT,ENTRY_AT,SCORE,RET_5M\na,AAPL,2024-07-01T14:00:00Z,,1,0.1\n",
            "bad.csv has no column article_id, but ARTICLE_ID, SYMBOL, AVAILABLE_AT, ENTRY_AT, SCORE, RET_5M; it needs",
        ),
        (
            "{\"Article_ID\":\"a\",\"available_at\":\"2024-07-01T14:00:00Z\"}\n",
            "row 1: it has no article_id; it has Article_ID, available_at",
        ),
        (
            "article_id,symbol,available_at,entry_at,score,ret_5m,phase\na,AAPL,2024-07-01T14:00:00Z,,1,0.1,pre\n",
            "row 2: phase \"pre\" is not one of pre_market, session, break, after_hours, closed",
        ),
    ] {
        std::fs::write(folder.join("bad.csv"), content).unwrap();
        let output = tapewire(folder, &["study", "--impact", "bad.csv"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
    }
}

/// Columns of returns over other times than those of table `impact` are named, in the report too, and not passed over.
#[test]
fn columns_of_returns_that_are_not_studied_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let times = r#""article_id":"a","symbol":"AAPL","available_at":"2024-07-01T14:00:00Z""#;
    let json = |returns: &str| format!(r#"{{{times},"entry_at":"2024-07-01T14:01:00Z","score":1,{returns}}}"#) + "\n";
    let csv = |names: &str, values: &str| {
        let needed = "article_id,symbol,available_at,entry_at,score";
        format!("{needed},{names}\na,AAPL,2024-07-01T14:00:00Z,2024-07-01T14:01:00Z,1,{values}\n")
    };
    let known = "known are ret_1m, ret_5m, ret_15m, ret_30m, ret_60m, ret_close, ret_next_open, ret_next_close, and";
    for (content, code, said_of) in [
        (csv("ret_5m,ret_1d,AR_10M,sector", "0.1,0.2,0.3,x"), 0, "own: ret_1d, AR_10M: not studied"),
        (json(r#""ret_5m":0.1,"ar_2h":0.2"#), 0, "own: ar_2h: not studied"),
        (csv("ret_1d", "0.1"), 1, "own has no column of returns that can be studied, but ret_1d; name them as"),
        (json(r#""RET_5M":0.1"#), 1, "own has no column of returns that can be studied, but RET_5M; name them as"),
    ] {
        std::fs::write(folder.join("own"), &content).unwrap();
        let output = tapewire(folder, &["study", "--impact", "own", "-o", "r.html", "--overwrite"]);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{content}: {said}");
        assert!(said.contains(said_of) && said.contains(&known["known are ".len()..]), "{content}: {said}");
        if code == 0 {
            let page = std::fs::read_to_string(folder.join("r.html")).unwrap();
            assert!(page.contains(said_of) && page.contains(known), "{page}");
        }
    }
    std::fs::write(folder.join("own"), csv("ret_5m,return,arm,retail", "0.1,1,1,1")).unwrap();
    let said = said(&tapewire(folder, &["study", "--impact", "own"]));
    assert!(!said.contains("not studied"), "{said}");
}

/// As in a study of files, a filter that keeps nothing is named; filters that keep nothing together are, too.
#[test]
fn a_filter_of_joined_rows_that_keeps_nothing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut rows = "article_id,symbol,available_at,entry_at,score,ret_5m,publisher,relevance\n".to_owned();
    for (day, symbol, publisher) in [(1, "AAPL", "Reuters"), (2, "AAPL", "Dow Jones"), (3, "MSFT", "Dow Jones")] {
        let at = |second: u32| format!("2024-07-{day:02}T14:00:{second:02}Z");
        rows += &format!("a{day},{symbol},{},{},0.{day},0.01,{publisher},0.5\n", at(0), at(30));
    }
    std::fs::write(folder.join("own.csv"), rows).unwrap();
    let left = "no event is left: filter publisher Reuters removed the last 1";
    for (filter, code, parts) in [
        (&["--symbols", "APPL"][..], 2, &["--symbols APPL keeps nothing", "the nearest that there are: AAPL"][..]),
        (&["--publisher", "reuters"], 2, &["--publisher reuters keeps nothing", "that there are: Reuters"]),
        (&["--publisher", "reuters,Dow Jones"], 0, &["--publisher reuters keeps nothing", "that there are: Reuters"]),
        (&["--symbols", "MSFT", "--publisher", "Reuters"], 1, &["no event is left, filter publisher Reuters", left]),
        (
            &["--minimum-relevance", "0.9"],
            1,
            &["no event is left, filter relevance of at least 0.9 removed the last 3"],
        ),
    ] {
        let output = tapewire(folder, &[&["study", "--impact", "own.csv"], filter].concat());
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{filter:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{filter:?}: {said}");
        assert!(!said.contains("at any horizon"), "the events have returns: {said}");
    }
}

/// Advice about bars is given where bars or symbols are the reason, and not where rows lack a score.
#[test]
fn rows_without_scores_are_not_blamed_on_the_bars() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (row, said_of, is_of_bars) in [
        ("2024-07-01T14:01:00Z,,0.1", "no mention has a score; 1 of 1 mentions: the row has no score", false),
        (",1,", "no mention has a return; 1 of 1 mentions: no entry yet", true),
    ] {
        let header = "article_id,symbol,available_at,entry_at,score,ret_5m";
        std::fs::write(folder.join("own.csv"), format!("{header}\na,AAPL,2024-07-01T14:00:00Z,{row}\n")).unwrap();
        let output = tapewire(folder, &["study", "--impact", "own.csv"]);
        let said = said(&output);
        assert!(output.status.code() == Some(1) && said.contains(said_of), "{said}");
        assert_eq!(said.contains("check that news and bars"), is_of_bars, "{said}");
    }
}

#[test]
fn flags_that_have_no_effect_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (arguments, why) in [
        (&["study"][..], "name what to study: --news and --bars, --run NAME, or --impact FILE"),
        (&["study", "--news", "n"], "--news needs --bars"),
        (&["study", "--run", "live", "--bars", "b"], "--bars has no effect with --run"),
        (&["study", "--run", "live", "--alias", "A=B"], "--alias has no effect with --run"),
        (&["study", "--run", "live", "--delay", "2s"], "--delay has no effect with --run"),
        (&["study", "--impact", "i", "--bar-time", "end"], "--bar-time has no effect with --impact"),
        (&["study", "--run", "live", "--price-scale", "1e-9"], "--price-scale has no effect with --run"),
        (&["study", "--run", "live", "--benchmark", "SPY"], "--benchmark has no effect with --run unless --days"),
        (
            &["study", "--impact", "i", "--benchmark", "A", "-o", "o"],
            "--benchmark has no effect with --impact unless --days",
        ),
        (&["study", "--impact", "i", "--bars", "b"], "--bars with --impact is for --days, --output and --json"),
        (&["study", "--impact", "i", "--days", "5"], "--days with --impact needs the prices"),
        (&["study", "--impact", "i", "--scores", "s"], "--scores has no effect with --impact"),
        (&["study", "--impact", "i", "--from", "2024-07-02", "--to", "2024-07-01"], "is before --from"),
        (&["study", "--impact", "i", "--from", "2025-05-13T10:00:00Z"], "write a day (UTC), such as 2024-07-01"),
        (&["study", "--impact", "i", "--to", "2025-05-13 10:00"], "write a day (UTC), such as 2024-07-01"),
        (&["study", "--impact", "i", "--horizons", "7m"], "choose one of 1m, 5m"),
        (&["study", "--impact", "i", "--score-quantile", "6/5"], "write top, bottom, outer, or K/N"),
        (&["study", "--impact", "i", "--days", "21"], "21 is not in 1..=20"),
    ] {
        let output = tapewire(folder, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(why), "{arguments:?}: {}", said(&output));
    }
}

/// A file's flags are read, and one without their columns is studied as before.
#[test]
fn an_outcome_across_a_possible_split_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let row = "a,AAPL,2024-07-01T14:00:00Z,2024-07-01T14:01:00Z,0.5,0.01,-0.405";
    let header = "article_id,symbol,available_at,entry_at,score,ret_5m,ret_next_open";
    let said_of = |flag: Option<&str>, more: &[&str]| {
        let (column, value) =
            flag.map_or_else(Default::default, |flag| (",flag_possible_split".to_owned(), format!(",{flag}")));
        std::fs::write(folder.join("own.csv"), format!("{header}{column}\n{row}{value}\n")).unwrap();
        succeeded(folder, &[&["study", "--impact", "own.csv"], more].concat())
    };
    let left_out = "at next_open, 1 outcome that may be across an unknown split (flag_possible_split) is left out";
    let said = said_of(Some("true"), &[]);
    assert!(said.contains(left_out), "{said}");
    let kept = said_of(Some("1"), &["--possible-splits", "keep"]);
    assert!(kept.contains("(flag_possible_split) counts nevertheless"), "{kept}");
    for flag in [None, Some("false"), Some("")] {
        assert!(!said_of(flag, &[]).contains("possible_split"), "{flag:?}");
    }
}
