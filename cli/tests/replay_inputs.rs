//! `tapewire replay` and `join` with files as people have them: they are refused before anything starts, or joined.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use support::{Installation, succeeded};

const BARS: &str = "symbol,start,open,high,low,close,volume
EXMP,2025-05-12T14:00:00Z,100,101,99,100,100
EXMP,2025-05-12T14:01:00Z,100,101,99,100,100
EXMP,2025-05-12T14:02:00Z,100,101,99,100,100
";
const NEWS: &str = r#"{"id": "a1", "title": "Example Corp raises its outlook", "published_at": "2025-05-12T14:00:00Z", "symbols": ["EXMP"]}
"#;

/// A replay without a Kafka that can be reached, so that every message is about the files.
fn offline(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).args(["replay", "--send-only", "--set", "kafka.brokers=127.0.0.1:1"]).args(arguments);
    command.output().unwrap()
}

#[test]
fn files_that_can_t_be_used_are_refused_before_anything_connects() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).unwrap();
    write("news.jsonl", NEWS.as_bytes());
    write("bars.csv", BARS.as_bytes());
    write("empty.jsonl", b"");
    write("header.csv", b"symbol,start,open,high,low,close,volume\n");
    write("naive.csv", BARS.replace('T', " ").replace('Z', "").as_bytes());
    write("one.csv", BARS.lines().take(2).fold(String::new(), |text, line| text + line + "\n").as_bytes());
    write("other.jsonl", b"{\"nothing\": \"we know\"}\n");
    let cases: [(&[&str], i32, &[&str]); 11] = [
        (&["--news", "nowhere.jsonl", "--bars", "bars.csv"], 1, &["nowhere.jsonl"]),
        (&["--news", "empty.jsonl", "--bars", "bars.csv"], 1, &["empty.jsonl", "empty"]),
        (&["--news", "other.jsonl", "--bars", "bars.csv"], 1, &["none of its 1 rows", "nothing", "--news-columns"]),
        (&["--news", "news.jsonl", "--bars", "header.csv"], 1, &["header.csv", "no rows"]),
        (&["--news", "news.jsonl", "--bars", "."], 1, &["folder"]),
        (
            &["--news", "news.jsonl", "--bars", "naive.csv"],
            1,
            &["naive.csv", "start `2025-05-12 14:00:00` has no time zone", "--bar-zone America/New_York"],
        ),
        (&["--news", "news.jsonl", "--bars", "one.csv"], 1, &["one.csv", "--bar-width"]),
        (&["--news", "news.jsonl", "--bars", "bars.csv", "--benchmark", "QQQ"], 2, &["no bar of QQQ"]),
        (&["--news", "news.jsonl", "--bars", "bars.csv", "--run", "live"], 2, &["can't be the name of a replay"]),
        (&["--news", "news.jsonl", "--bars", "bars.csv", "--bar-zone", "Mars/Olympus"], 2, &["time zone database"]),
        (
            &["--news", "news.jsonl", "--bars", "bars.csv", "--news-columns", "head=title"],
            2,
            &["there is no `head`", "title"],
        ),
    ];
    for (arguments, code, parts) in cases {
        let output = offline(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
        assert!(
            !said.contains("Connection refused") && !said.contains("rdkafka"),
            "{arguments:?} connected first: {said}"
        );
    }
}

/// Replays files of the installation's folder as a run without a benchmark, and returns what is printed.
fn replayed(place: &Installation, run: &str, news: &str, bars: &str) -> String {
    let mut command = place.tapewire();
    command.args(["replay", "--run", run, "--benchmark", "none", "--news", news, "--bars", bars]);
    succeeded(command.output().unwrap())
}

/// The title, entry and entry price of the only joined row of a run.
fn entry(place: &Installation, run: &str) -> String {
    let columns = "m.title, toString(i.entry_at), i.entry_price";
    let tables = "impact AS i FINAL INNER JOIN mentions AS m FINAL USING (run, article_id, symbol)";
    place.query(&format!("SELECT {columns} FROM {tables} WHERE i.run = '{run}'"))
}

#[test]
fn rows_of_one_article_are_joined_for_each_company_that_its_last_edit_names() {
    let Some(place) = Installation::new("inputs") else { return };
    let write = |name: &str, content: &str| std::fs::write(place.folder.path().join(name), content).unwrap();
    let mut bars = BARS.to_owned();
    for line in BARS.lines().skip(1) {
        writeln!(bars, "{}", line.replace("EXMP", "MKR")).unwrap();
    }
    write("bars.csv", &bars);
    let row = |id: &str, symbols: &str| {
        NEWS.replace("a1", id).replace(r#"["EXMP"]"#, symbols).replace("14:00:00", "13:59:30")
    };
    // One article has a row for each of its companies, and an edit of another takes a company back.
    let rows =
        [row("n1", r#"["EXMP"]"#), row("n1", r#"["MKR"]"#), row("n2", r#"["EXMP", "MKR"]"#), row("n2", r#"["EXMP"]"#)];
    write("news.jsonl", &rows.concat());
    let said = replayed(&place, "tickers", "news.jsonl", "bars.csv");
    assert!(said.contains("sent 2 articles (3 mentions) and 6 bars; 0 rows could not be read"), "{said}");
    assert!(said.contains("each 60 s wide, by the least distance between starts"), "{said}");
    assert_eq!(
        place.query("SELECT article_id, symbol FROM report WHERE run = 'tickers' ORDER BY 1, 2"),
        "n1\tEXMP\nn1\tMKR\nn2\tEXMP"
    );
    for table in ["current_mentions", "impact_by_horizon", "novelty"] {
        let query =
            format!("SELECT count() FROM {table} WHERE run = 'tickers' AND article_id = 'n2' AND symbol = 'MKR'");
        assert_eq!(place.count(&query), 0, "{table}");
    }
    let kept = "SELECT status, reason, unscored FROM impact FINAL WHERE run = 'tickers' AND article_id = 'n2' AND symbol = 'MKR'";
    assert_eq!(place.query(kept), "not_joined\twithdrawn\twithdrawn");
}

/// An edit that reports the jump counts from its own time; an edit without a time does not replace the first text.
#[test]
fn an_edit_is_joined_from_the_time_at_which_it_was_made() {
    let Some(place) = Installation::new("edits") else { return };
    let write = |name: &str, content: &str| std::fs::write(place.folder.path().join(name), content).unwrap();
    let minute = |minute: u32| {
        let price = if minute < 30 { 100 } else { 110 };
        let (hour, minute) = (14 + minute / 60, minute % 60);
        format!("EXMP,2025-05-12T{hour}:{minute:02}:00Z,{price},{price},{price},{price},100\n")
    };
    write(
        "jump.csv",
        &((0..119).map(minute).fold("symbol,start,open,high,low,close,volume\n".to_owned(), |all, row| all + &row)),
    );
    let edit = NEWS.replace("raises its outlook", "jumps 10%");
    let timed = edit.replace("\"symbols\"", r#""updated_at": "2025-05-12T14:40:00Z", "symbols""#);
    write("timed.jsonl", &(NEWS.to_owned() + &timed));
    replayed(&place, "timed", "timed.jsonl", "jump.csv");
    assert_eq!(entry(&place, "timed"), "Example Corp jumps 10%\t2025-05-12 14:41:00.000000\t110");
    write("untimed.jsonl", &(NEWS.to_owned() + &edit));
    let said = replayed(&place, "untimed", "untimed.jsonl", "jump.csv");
    assert!(
        said.contains("1 rows could not be read") && said.contains("an edit without the time of the edit"),
        "{said}"
    );
    assert_eq!(entry(&place, "untimed"), "Example Corp raises its outlook\t2025-05-12 14:01:00.000000\t100");
}

#[test]
fn a_daily_bar_is_the_session_of_its_day_however_it_is_stamped() {
    let Some(place) = Installation::new("daily_bars") else { return };
    let write = |name: &str, content: &str| std::fs::write(place.folder.path().join(name), content).unwrap();
    // At midnight in New York, at midnight in UTC, by the date, and at the open.
    for (run, stamp) in [("midnight", "T04:00:00Z"), ("utc", "T00:00:00Z"), ("date", ""), ("open", "T13:30:00Z")] {
        let day = |day: u32| {
            let open = 100 + day;
            format!("EXMP,2025-05-{day:02}{stamp},{open},{},{},{},100000\n", open + 3, open - 1, open + 1)
        };
        let days = [5, 6, 7, 8, 9, 12, 13, 14, 15, 16].map(day).concat();
        write("daily.csv", &format!("symbol,start,open,high,low,close,volume\n{days}"));
        write("early.jsonl", &NEWS.replace("2025-05-12T14:00:00Z", "2025-05-13T11:00:00Z"));
        let said = replayed(&place, run, "early.jsonl", "daily.csv");
        assert!(said.contains("each 1 day wide"), "{said}");
        assert_eq!(entry(&place, run), "Example Corp raises its outlook\t2025-05-13 13:30:00.000000\t113", "{run}");
    }
}

/// `tapewire join` of the files in a folder, and what it says.
fn join(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).args(["join", "--benchmark", "none", "--news", "news.jsonl", "--bars", "bars.csv"]);
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn join_keeps_the_rows_that_it_can_not_read_beside_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    write("news.jsonl", NEWS);
    write("bars.csv", &format!("{BARS}EXMP,2025-05-12T14:03:00Z,x,1,1,1,1\n"));
    let said = join(folder.path(), &["-o", "rows.jsonl"]);
    assert!(said.contains("rows.jsonl.rejected.jsonl: the rows that can't be read"), "{said}");
    let kept = std::fs::read_to_string(folder.path().join("rows.jsonl.rejected.jsonl")).unwrap();
    let kept: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!((&kept["input"], &kept["line"]), (&"bars.csv".into(), &5.into()));
    assert_eq!(kept["content"], "EXMP,2025-05-12T14:03:00Z,x,1,1,1,1");
    assert!(kept["reason"].as_str().unwrap().contains("`x`"), "{kept}");
    // Of a run without such rows no file is left.
    write("bars.csv", BARS);
    join(folder.path(), &["-o", "rows.jsonl", "--overwrite"]);
    assert!(!folder.path().join("rows.jsonl.rejected.jsonl").exists());
}

#[test]
fn join_writes_to_a_pipe_and_leaves_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("news.jsonl"), NEWS).unwrap();
    std::fs::write(folder.path().join("bars.csv"), BARS).unwrap();
    succeeded(Command::new("mkfifo").arg("pipe").current_dir(folder.path()).output().unwrap());
    let mut reader = Command::new("cat");
    let reader = reader.arg("pipe").current_dir(folder.path()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    join(folder.path(), &["-o", "pipe", "--format", "jsonl"]);
    let rows = succeeded(reader.wait_with_output().unwrap());
    assert!(rows.contains("\"symbol\":\"EXMP\""), "{rows}");
    let left = std::fs::symlink_metadata(folder.path().join("pipe")).unwrap();
    assert!(!left.is_file(), "the pipe was replaced");
}

#[test]
fn join_says_how_many_rows_repeat_or_replace_another() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    write("news.jsonl", &NEWS.repeat(2));
    write("bars.csv", &format!("{BARS}EXMP,2025-05-12T14:02:00Z,999,999,999,999,1\n"));
    let said = join(folder.path(), &[]);
    for part in [
        "bars.csv: 3 bars of 1 symbol, each 60 s wide",
        "1 rows repeat another",
        "1 rows are replaced by a later row of the same bar",
        "the first of EXMP in bars.csv line 4 by bars.csv line 5",
    ] {
        assert!(said.contains(part), "{said}");
    }
}
