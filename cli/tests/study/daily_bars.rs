//! Studies of bars of a day.

use super::rows::findings_of;
use super::{BAD, GOOD, SYMBOLS, noise, said, tapewire};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use tapewire_testkit::Dice;

/// 235 bars of a day of each company and of `MKTX`, and from the 140th on an article about one of the companies before each open.
fn daily_market(folder: &Path) {
    let sessions = tapewire_core::exchange::Calendar::xnys();
    let first = sessions.on(jiff::civil::date(2024, 1, 2)).unwrap().index;
    let mut dice = Dice(12);
    let (mut bars, mut news) = ("symbol,start,open,high,low,close,volume\n".to_owned(), String::new());
    let mut prices = [100.0; 5];
    for (day, session) in sessions.sessions()[first..first + 235].iter().enumerate() {
        let market = noise(&mut dice) * 0.01;
        for (which, symbol) in SYMBOLS.into_iter().chain(["MKTX"]).enumerate() {
            let own = if which == 4 { 0.0 } else { noise(&mut dice) * 0.01 };
            let (open, close) = (prices[which], prices[which] * (1.0 + market + own));
            let (high, low) = (f64::max(open, close), f64::min(open, close));
            writeln!(bars, "{symbol},{},{open:.6},{high:.6},{low:.6},{close:.6},100", session.date).unwrap();
            prices[which] = close;
        }
        if day >= 140 {
            let (symbol, text) = (SYMBOLS[day % 4], if day / 4 % 2 == 0 { GOOD } else { BAD });
            let at = session.open - jiff::SignedDuration::from_mins(40);
            writeln!(news, r#"{{"id":"{day}","title":"{symbol} Corp {text}, report {day}","source":"Wire","published_at":"{at}","symbols":["{symbol}"]}}"#).unwrap();
        }
    }
    std::fs::write(folder.join("bars.csv"), bars).unwrap();
    std::fs::write(folder.join("news.jsonl"), news).unwrap();
}

/// Bars of a day give no abnormal returns from the entry. That is said, and what they give is studied: returns from the entry,
/// and days after it with the benchmark.
#[test]
fn bars_of_a_day_are_studied_and_compared_with_the_benchmark_by_day() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    daily_market(folder);
    let files = ["--news", "news.jsonl", "--bars", "bars.csv", "--benchmark", "MKTX", "--scores", "kept.jsonl"];
    let run = |arguments: &[&[&str]]| {
        let output = tapewire(folder, &arguments.concat());
        (output.status.code(), said(&output))
    };
    let why = "95 of 95 rows with an entry are joined with bars of a day, so they have no abnormal return (ar_*)";
    let results = ["--days", "5", "--json", "f.json", "-o", "r.html", "--overwrite"];
    let (code, said) = run(&[&["study"], &files, &results]);
    assert!(code == Some(0) && said.contains(why), "{said}");
    assert!(said.contains("returns from the entry are studied as they are, not adjusted for the market"), "{said}");
    assert!(std::fs::read_to_string(folder.join("r.html")).unwrap().contains(why));
    let found = findings_of(folder);
    let close = found["horizons"].as_array().unwrap().iter().find(|of| of["horizon"] == "close").unwrap();
    assert_eq!((found["settings"]["outcome"].as_str(), close["n"].as_u64()), (Some("raw"), Some(95)));
    assert_eq!(found["days"]["expected"], "market_model", "{said}");
    let (code, said) = run(&[&["study"], &files, &["--returns", "abnormal"]]);
    assert_eq!(code, Some(1), "{said}");
    let last = said.trim_end().lines().last().unwrap();
    assert!(last.contains("estimated from returns within sessions, and bars of a day have none"), "{said}");
    let (code, said) = run(&[&["join"], &files, &["-o", "rows.jsonl", "--overwrite"]]);
    assert!(code == Some(0) && said.contains(why), "{said}");
    let rows = std::fs::read_to_string(folder.join("rows.jsonl")).unwrap();
    assert!(rows.lines().all(|row| serde_json::from_str::<Value>(row).unwrap()["ar_close"].is_null()));
    // Rows that are joined already have days with the benchmark, too.
    for (more, expected) in
        [(&["--benchmark", "MKTX"][..], "market_model"), (&["--benchmark", "none"], "mean_adjusted")]
    {
        let (code, said) = run(&[&["study", "--impact", "rows.jsonl", "--bars", "bars.csv"], &results, more]);
        assert_eq!((code, findings_of(folder)["days"]["expected"].as_str()), (Some(0), Some(expected)), "{said}");
    }
    let raw = ["--benchmark", "MKTX", "--returns", "raw"];
    run(&[&["study", "--impact", "rows.jsonl", "--bars", "bars.csv"], &results, &raw]);
    assert_eq!(findings_of(folder)["days"]["expected"], "mean_adjusted");
}
