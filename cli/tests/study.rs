//! `tapewire study` and `tapewire join` from files alone: without servers; the last test compares with a replay through
//! servers.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "study/daily_bars.rs"]
mod daily_bars;
#[path = "study/rows.rs"]
mod rows;
mod support;

use rows::findings_of;
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::{Installation, succeeded};
use tapewire_testkit::Dice;

fn tapewire(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    // Without these variables, a command that needs a server does not find the tests' servers.
    for variable in ["TAPEWIRE_KAFKA_BROKERS", "TAPEWIRE_CLICKHOUSE_URL"] {
        command.env_remove(variable);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Random, between -1 and 1.
fn noise(dice: &mut Dice) -> f64 {
    dice.uniform() * 2.0 - 1.0
}

const GOOD: &str = "raises its outlook after record profit";
const BAD: &str = "cuts its outlook after heavy loss";
const SYMBOLS: [&str; 4] = ["AAAA", "BBBB", "CCCC", "DDDD"];

/// On each of the 22 trading days of July 2024, half an hour of one-minute bars and one article about each company,
/// good and bad in turn. Prices move at random, and after the news by `effect` in its direction.
fn market(folder: &Path, effect: f64) {
    let mut dice = Dice(7);
    let (mut bars, mut news) = ("symbol,start,open,high,low,close,volume\n".to_owned(), String::new());
    let mut days = 0;
    for day in 1..=31 {
        // July 2024: the 4th is a holiday.
        let date = weekday(day);
        if matches!(date, Weekday::Closed) {
            continue;
        }
        days += 1;
        for (which, symbol) in SYMBOLS.into_iter().enumerate() {
            let is_good = (days + which) % 2 == 0;
            let mut price = 100.0;
            for minute in 0..30 {
                let planted = if minute == 12 { if is_good { effect } else { -effect } } else { 0.0 };
                let close = price * (1.0 + planted + noise(&mut dice) * 0.0004);
                let (high, low) = (f64::max(price, close), f64::min(price, close));
                let minute = minute + 30;
                writeln!(
                    bars,
                    "{symbol},2024-07-{day:02}T13:{minute}:00Z,{price:.6},{high:.6},{low:.6},{close:.6},100"
                )
                .unwrap();
                price = close;
            }
            let text = if is_good { GOOD } else { BAD };
            let (id, at) = (format!("{symbol}{day}"), format!("2024-07-{day:02}T13:40:30Z"));
            // With the number, the headline is not the one of the day before.
            writeln!(
                news,
                r#"{{"id":"{id}","title":"{symbol} Corp {text}, report {day}","source":"Wire","published_at":"{at}","symbols":["{symbol}"]}}"#
            )
            .unwrap();
        }
    }
    std::fs::write(folder.join("bars.csv"), bars).unwrap();
    std::fs::write(folder.join("news.jsonl"), news).unwrap();
}

enum Weekday {
    Open,
    Closed,
}

/// 1 July 2024 was a Monday.
fn weekday(day: u32) -> Weekday {
    if day == 4 || (day - 1) % 7 >= 5 { Weekday::Closed } else { Weekday::Open }
}

const FILES: [&str; 7] = ["study", "--news", "news.jsonl", "--bars", "bars.csv", "--benchmark", "none"];

fn studied(folder: &Path, more: &[&str]) -> (Value, String) {
    let arguments: Vec<&str> = FILES.iter().chain(more).copied().collect();
    let output = tapewire(folder, &arguments);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    println!("{said}");
    (serde_json::from_slice(&std::fs::read(folder.join("f.json")).unwrap()).unwrap(), said)
}

#[test]
fn a_planted_effect_is_found_and_a_second_study_scores_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, 0.004);
    let (found, first) = studied(folder, &["--json", "f.json", "-o", "report.html"]);
    assert_eq!(found["verdict"], "found", "{first}");
    assert!(first.contains("Yes: higher scores were followed by higher returns at 5m (rank IC +"), "{first}");
    assert!(first.contains("scored 88 texts; 0 of 88 mentions had a score already"), "{first}");
    let five = &found["horizons"][1];
    assert_eq!((&five["horizon"], five["n"].as_u64(), five["days"].as_u64()), (&"5m".into(), Some(88), Some(22)));
    let mean = five["positive"]["value"]["estimate"].as_f64().unwrap();
    assert!((mean - 0.004).abs() < 0.0005, "4 ‰ was planted, {mean} was found");
    // The bars end less than half an hour after 13:41, and the last bar is too old to be the close.
    assert_eq!(found["horizons"][3]["n"], 0);
    assert!(found["horizons"][3]["rank_ic"]["not_known"].as_str().unwrap().starts_with("not enough data"), "{found}");
    let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("n = 44") && page.contains("not enough data"), "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "{page}");

    let (again, second) = studied(folder, &["--json", "f.json", "-o", "report.html", "--overwrite"]);
    assert!(second.contains("scored 0 texts; 88 of 88 mentions had a score already"), "{second}");
    assert_eq!(again, found);
    assert_eq!(std::fs::read_to_string(folder.join("report.html")).unwrap(), page);
}

#[test]
fn without_an_effect_none_is_found() {
    let folder = tempfile::tempdir().unwrap();
    market(folder.path(), 0.0);
    let (found, said) = studied(folder.path(), &["--json", "f.json"]);
    assert_eq!(found["verdict"], "not_found", "{said}");
    assert!(said.contains("distinguishable from chance after correction for all"), "{said}");
    assert!(said.contains("n = 88, 22 days)"), "{said}");
    // Each horizon with data has six tests that are adjusted together; permutation tests are not counted.
    let tests = found["horizons"].as_array().unwrap().iter().map(|horizon| {
        let known = |name: &&str| !horizon[*name]["value"].is_null();
        ["rank_ic", "positive", "neutral", "negative", "hit_rate", "spread"].iter().filter(|name| known(name)).count()
    });
    assert_eq!(found["tests"].as_u64().unwrap() as usize, tests.sum::<usize>());
}

#[test]
fn what_can_not_be_studied_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, 0.0);
    let first = |count: usize, name: &str| {
        let text = std::fs::read_to_string(folder.join("news.jsonl")).unwrap();
        let lines: Vec<&str> = text.lines().take(count).collect();
        std::fs::write(folder.join(name), lines.join("\n")).unwrap();
    };
    first(12, "few.jsonl");
    let bars = ["--bars", "bars.csv", "--benchmark", "none"];
    let run = |news: &str, more: &[&str]| {
        let output = tapewire(folder, &[&["study", "--news", news], &bars[..], more].concat());
        (output.status.code(), said(&output))
    };
    // With few events, the study says that there are too few.
    let (code, few) = run("few.jsonl", &[]);
    assert_eq!(code, Some(0), "{few}");
    assert!(
        few.contains("Nothing can be said: no horizon has 30 events on 10 days (the most is 12 events on 3 days"),
        "{few}"
    );
    assert!(few.contains("--scores FILE keeps them"), "{few}");
    // Symbols that the bars do not have.
    let text = std::fs::read_to_string(folder.join("few.jsonl")).unwrap();
    let others = SYMBOLS.iter().fold(text, |text, symbol| text.replace(&format!("[\"{symbol}\"]"), "[\"ZZZZ\"]"));
    std::fs::write(folder.join("others.jsonl"), others).unwrap();
    let (code, none) = run("others.jsonl", &[]);
    assert_eq!(code, Some(1), "{none}");
    assert!(none.contains("12  no_bars: no bar of the symbol"), "{none}");
    assert!(none.trim_end().lines().last().unwrap().contains("no mention has a return; 12 of 12 mentions"), "{none}");
    // Outputs that would replace a file.
    std::fs::write(folder.join("there.html"), "mine").unwrap();
    for (output, why) in [("there.html", "--overwrite"), ("few.jsonl", "is an input")] {
        let (code, refused) = run("few.jsonl", &["-o", output]);
        assert_eq!(code, Some(2), "{refused}");
        assert!(refused.contains(why), "{refused}");
    }
    assert_eq!(std::fs::read_to_string(folder.join("there.html")).unwrap(), "mine");
    let (code, refused) = run("few.jsonl", &["-o", "one", "--json", "./one"]);
    assert!(code == Some(2) && refused.contains("is named for two outputs"), "{refused}");
}

/// A misspelled value of a filter is named, with what may be meant. If others keep events it is a warning, also in the
/// report.
#[test]
fn a_filter_that_keeps_nothing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, 0.0);
    let kept = ["--scores", "kept.jsonl", "--overwrite"];
    let (found, said) =
        studied(folder, &[&kept[..], &["--symbols", "AAAA,BBBC", "--json", "f.json", "-o", "r.html"]].concat());
    let warned = "--symbols BBBC keeps nothing: no mention has this value; the nearest that there are: BBBB";
    assert!(said.contains(warned) && found["events"] == 22, "{said}");
    assert!(std::fs::read_to_string(folder.join("r.html")).unwrap().contains(warned));
    for (filter, parts) in [
        (&["--symbols", "APPL"][..], &["--symbols APPL keeps nothing", "there are AAAA, BBBB, CCCC, DDDD"][..]),
        (&["--symbols", "BBBC,CCCB"], &["--symbols BBBC keeps", "BBBB", "--symbols CCCB keeps", "CCCC"]),
        (&["--publisher", "Wires"], &["--publisher Wires keeps nothing", "the nearest that there are: Wire"]),
        (&["--source", "massive"], &["--source massive keeps nothing", "there are replay"]),
        (&["--session", "post"], &["--session post keeps nothing", "there are regular"]),
        (&["--from", "2024-08-01"], &["--from 2024-08-01 keeps nothing", "2024-07-01 to 2024-07-31"]),
        (&["--horizons", "60m"], &["--horizons 60m: no event has a return then; there are some at 1m, 5m"]),
    ] {
        let arguments = [&FILES[..], &kept, filter].concat();
        let output = tapewire(folder, &arguments);
        let said = self::said(&output);
        let code = if filter[0] == "--horizons" { 1 } else { 2 };
        assert_eq!(output.status.code(), Some(code), "{filter:?}: {said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{filter:?}: {said}");
    }
}

#[test]
fn headlines_are_text_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, 0.0);
    let news = std::fs::read_to_string(folder.join("news.jsonl")).unwrap();
    std::fs::write(folder.join("news.jsonl"), news.replace(" Corp ", " Corp \\\"x' 3 < 4 & <<script>alert(1)< "))
        .unwrap();
    studied(folder, &["--json", "f.json", "-o", "r.html"]);
    let page = std::fs::read_to_string(folder.join("r.html")).unwrap();
    assert!(!page.contains("<script") && page.contains("3 &lt; 4 &amp;") && page.contains("&quot;x&#39;"), "{page}");
}

#[test]
fn an_interrupted_study_continues_with_the_scores_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, 0.0);
    let scores = folder.join("kept.jsonl");
    let lines = || std::fs::read(&scores).map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'\n').count());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).args(FILES).args(["--scores", "kept.jsonl", "--json", "f.json"]);
    // Each text is a batch of its own, so that the command can be interrupted at many points.
    command.args(["--set", "sentiment.batch_tokens=1"]).stderr(Stdio::piped()).stdin(Stdio::null());
    let child = command.spawn().unwrap();
    support::wait_until("some texts are scored", || lines() >= 5);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let first = said(&output);
    assert_eq!(output.status.code(), Some(1), "{first}");
    assert!(first.contains("of 88 texts; the same command continues with the scores in kept.jsonl"), "{first}");
    assert!(!folder.join("f.json").exists());
    let known = lines();
    assert!((5..88).contains(&known), "{known}");
    let (_, second) = studied(folder, &["--scores", "kept.jsonl", "--json", "f.json"]);
    assert!(second.contains(&format!("scored {} texts; {known} of 88 mentions", 88 - known)), "{second}");
    assert_eq!(lines(), 88);
}

/// 235 sessions of bars of an hour, and from the 140th on an article about each company on every third day, after which
/// its price drifts.
fn long_market(folder: &Path) {
    let sessions = tapewire_core::exchange::Calendar::xnys();
    let first = sessions.on(jiff::civil::date(2024, 1, 2)).unwrap().index;
    let mut dice = Dice(11);
    let (mut bars, mut news) = ("symbol,start,open,high,low,close,volume\n".to_owned(), String::new());
    let mut prices = [100.0; 5];
    let mut drift = [0.0; 5];
    for (day, session) in sessions.sessions()[first..first + 235].iter().enumerate() {
        for which in 0..4 {
            if day >= 140 && (day + which) % 3 == 0 {
                let is_good = (day / 3 + which) % 2 == 0;
                let text = if is_good { GOOD } else { BAD };
                drift[which] += if is_good { 0.0004 } else { -0.0004 };
                let at = session.open + jiff::SignedDuration::from_mins(17 + 60 * which as i64);
                let symbol = SYMBOLS[which];
                writeln!(news, r#"{{"id":"{symbol}{day}","title":"{symbol} Corp {text}, report {day}","source":"Wire","published_at":"{at}","symbols":["{symbol}"]}}"#).unwrap();
            }
        }
        let mut hour = session.open;
        while hour < session.close {
            let market = noise(&mut dice) * 0.002;
            for (which, symbol) in SYMBOLS.into_iter().chain(["MKTX"]).enumerate() {
                let own = if which == 4 { 0.0 } else { noise(&mut dice) * 0.003 + drift[which] };
                let (open, close) = (prices[which], prices[which] * (1.0 + market + own));
                let (high, low) = (f64::max(open, close), f64::min(open, close));
                writeln!(bars, "{symbol},{hour},{open:.6},{high:.6},{low:.6},{close:.6},100").unwrap();
                prices[which] = close;
            }
            hour += jiff::SignedDuration::from_hours(1);
        }
        drift.iter_mut().for_each(|drift| *drift *= 0.7);
    }
    std::fs::write(folder.join("bars.csv"), bars).unwrap();
    std::fs::write(folder.join("news.jsonl"), news).unwrap();
}

/// Compares the findings with those that pandas, scipy and statsmodels compute from the joined rows.
fn computed_again(folder: &Path, news: &str, bars: &str, more: &[&str], choices: &[&str]) -> Option<String> {
    let files = [&["--news", news, "--bars", bars, "--scores", "kept.jsonl", "--overwrite"], more].concat();
    for arguments in
        [&["join", "-o", "rows.jsonl"][..], &[&["study", "--json", "f.json", "--novelty", "all"], choices].concat()]
    {
        let output = tapewire(folder, &[arguments, &files].concat());
        assert!(output.status.success(), "{}", said(&output));
        println!("{}", said(&output));
    }
    let mut command = support::outcomes("findings are computed again")?;
    let script = support::repository().join("cli/tests/outcomes/findings.py");
    let program = command.get_program().to_owned();
    command = Command::new(program);
    command.arg(script).current_dir(folder).args(["--rows", "rows.jsonl", "--findings", "f.json", "--bars", bars]);
    if let Some(place) =
        more.iter().position(|flag| *flag == "--benchmark").filter(|_| more[..].last() != Some(&"none"))
    {
        command.args(["--benchmark", more[place + 1]]);
    }
    let told = succeeded(command.output().unwrap());
    println!("{told}");
    Some(told)
}

#[test]
fn findings_are_those_that_statsmodels_computes() {
    let folder = tempfile::tempdir().unwrap();
    long_market(folder.path());
    let market = ["--benchmark", "MKTX"];
    let Some(told) = computed_again(folder.path(), "news.jsonl", "bars.csv", &market, &["--days", "5"]) else { return };
    let compared: usize = told.split(' ').next().unwrap().parse().unwrap();
    assert!(compared > 400, "{told}");
}

/// The same comparison with real news and prices, where `TAPEWIRE_REAL_DATA` names the folder that has them.
#[test]
fn findings_of_real_data_are_those_that_statsmodels_computes() {
    let Ok(real) = std::env::var("TAPEWIRE_REAL_DATA") else {
        println!("skipped: findings of real data: TAPEWIRE_REAL_DATA is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (news, bars) = (format!("{real}/news.jsonl"), format!("{real}/bars_1h.csv"));
    let more = ["--alias", "GOOG=GOOGL", "--benchmark", "SPX"];
    computed_again(folder.path(), &news, &bars, &more, &["--days", "1"]);
}

/// Articles about two companies, about one of them in an edit, about none, about one without bars, without a text, and
/// after the close: id, title, and other fields.
const SPECIAL_ARTICLES: [(&str, &str, &str); 6] = [
    ("two", "BBBB and CCCC agree to merge", r#""published_at":"2024-07-09T13:45:00Z","symbols":["BBBB","CCCC"]"#),
    (
        "two",
        "BBBB agrees to merge",
        r#""published_at":"2024-07-09T13:45:00Z","updated_at":"2024-07-09T13:50:00Z","symbols":["BBBB"]"#,
    ),
    ("none", "Markets close higher", r#""published_at":"2024-07-10T13:45:00Z","symbols":[]"#),
    ("away", "ZZZZ raises its outlook", r#""published_at":"2024-07-10T13:46:00Z","symbols":["ZZZZ"]"#),
    ("empty", "<p></p>", r#""published_at":"2024-07-10T13:47:00Z","symbols":["DDDD"]"#),
    ("late", r#"DDDD \"wins\", says DDDD"#, r#""published_at":"2024-07-12T22:00:00Z","symbols":["DDDD"]"#),
];

/// `join` writes the rows that a replay through topics and servers gives, column by column.
#[test]
fn joined_rows_are_those_of_a_replay() {
    let Some(place) = Installation::new("join") else { return };
    let folder = place.folder.path();
    market(folder, 0.001);
    let mut news = std::fs::read_to_string(folder.join("news.jsonl")).unwrap();
    for (id, title, rest) in SPECIAL_ARTICLES {
        writeln!(news, r#"{{"id":"{id}","title":"{title}","source":"Wire",{rest}}}"#).unwrap();
    }
    std::fs::write(folder.join("news.jsonl"), news).unwrap();
    let files = ["--news", "news.jsonl", "--bars", "bars.csv", "--run", "small", "--benchmark", "AAAA"];
    succeeded(place.tapewire().arg("replay").args(files).output().unwrap());
    assert_run_is_studied_as_its_files(&place, &files);
    for (name, format) in [("rows.csv", "CSVWithNames"), ("rows.jsonl", "JSONEachRow")] {
        let output = tapewire(folder, &[&["join"], &files[..], &["-o", name]].concat());
        assert!(output.status.success(), "{}", said(&output));
        let sql = format!(
            "SELECT COLUMNS('.*') EXCEPT version FROM impact FINAL ORDER BY symbol, provider, article_id FORMAT {format} \
             SETTINGS output_format_json_quote_64bit_integers = 0, output_format_json_quote_denormals = 0"
        );
        let (expected, found) = (place.query(&sql), std::fs::read_to_string(folder.join(name)).unwrap());
        match format {
            "JSONEachRow" => assert_same_values(&expected, &found),
            _ => assert_same_columns(&expected, &found),
        }
    }
}

/// A study of the stored run `small` finds what a study of its files does; another run is not known.
fn assert_run_is_studied_as_its_files(place: &Installation, files: &[&str]) {
    let folder = place.folder.path();
    let choices = ["--json", "f.json", "--days", "3", "--minimum-days", "3", "--overwrite"];
    let output = tapewire(folder, &[&["study"], files, &choices].concat());
    assert!(output.status.success(), "{}", said(&output));
    let expected = findings_of(folder);
    let of_run = ["study", "--run", "small", "--benchmark", "AAAA"];
    let output = place.tapewire().args(of_run).args(choices).output().unwrap();
    assert!(output.status.success() && said(&output).contains("companies are joined again, from"), "{}", said(&output));
    assert_eq!(findings_of(folder), expected);
    assert_eq!(expected["rows"].as_u64(), Some(93), "the withdrawn mention does not count");
    let unknown = place.tapewire().args(["study", "--run", "smal"]).output().unwrap();
    assert_eq!(unknown.status.code(), Some(1), "{}", said(&unknown));
    assert!(said(&unknown).contains("has no joined row of run smal; it has small (94 rows)"), "{}", said(&unknown));
}

/// Compares rows as JSON lines, field by field; those of [`SPECIAL_ARTICLES`] are among them.
fn assert_same_values(expected: &str, found: &str) {
    let fields = |line: &str| -> Vec<String> {
        let Value::Object(fields) = serde_json::from_str(line).unwrap() else { panic!("{line}") };
        fields.into_iter().map(|(name, value)| format!("{name}={}", normal(value))).collect()
    };
    let parsed = |text: &str| text.lines().map(fields).collect::<Vec<_>>();
    let (expected, found) = (parsed(expected), parsed(found));
    assert_eq!(expected.len(), 88 + 6, "two mentions of article `two`, and one of each other article");
    let has = |what: &str| expected.iter().flatten().any(|field| field == what);
    for what in ["reason=withdrawn", "reason=no_symbol", "reason=no_bars", "unscored=empty_text"] {
        assert!(has(what), "no row has {what}");
    }
    assert!(expected.iter().flatten().any(|field| field.starts_with("ar_5m=") && field != "ar_5m=null"));
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

/// Compares the columns and the number of rows of CSV.
fn assert_same_columns(expected: &str, found: &str) {
    assert_eq!(found.lines().count(), expected.lines().count());
    let names = |text: &str| {
        let line = text.lines().next().unwrap().replace('"', "");
        line.split(',').map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(names(found), names(expected));
}

/// A value in the form in which both are compared: ClickHouse's times have no zone, and numbers may be written as
/// integers.
fn normal(value: Value) -> String {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(whole) => whole.to_string(),
            None => number.as_f64().unwrap().to_string(),
        },
        Value::String(text) if text.len() >= 19 && text.as_bytes()[10] == b' ' && text.starts_with("20") => {
            format!("{}Z", text.trim_end_matches('0').trim_end_matches('.').replace(' ', "T"))
        }
        Value::String(text) => text,
        other => other.to_string(),
    }
}
