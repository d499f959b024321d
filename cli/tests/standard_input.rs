//! Files of news, bars and trades from the standard input, as the error for a zip archive advises.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the command with this on its standard input.
fn piped(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const TRADES: &str =
    "symbol,time,price,size\nAAPL,2025-06-02T14:00:00Z,200.5,100\nAAPL,2025-06-02T14:01:00Z,201.5,100\n";

#[test]
fn trades_become_bars_and_bars_are_joined_from_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let bars = succeeded(&piped(folder, &["bars", "-"], TRADES));
    assert_eq!(bars.lines().count(), 3, "{bars}");
    let news = "id,headline,published_at,tickers\n1,Apple raises its outlook,2025-06-02T13:59:00Z,AAPL\n";
    std::fs::write(folder.join("news.csv"), news).unwrap();
    std::fs::write(folder.join("bars.csv"), &bars).unwrap();
    let join = |news_file: &str, bars_file: &str, input: &str| {
        let files = ["join", "--news", news_file, "--bars", bars_file, "--benchmark", "none"];
        succeeded(&piped(folder, &files, input))
    };
    let from_files = join("news.csv", "bars.csv", "");
    let row: serde_json::Value = serde_json::from_str(&from_files).unwrap();
    assert!(row["symbol"] == "AAPL" && from_files.contains("200.5"), "{from_files}");
    assert_eq!(join("news.csv", "-", &bars), from_files);
    assert_eq!(join("-", "bars.csv", news), from_files);
    let twice = piped(folder, &["join", "--news", "-", "--bars", "-"], news);
    assert!(String::from_utf8_lossy(&twice.stderr).contains("two files") && !twice.status.success());
}
