//! `tapewire score` as a person or a shell uses it: pipes, signals, exit codes.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn score(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).arg("score").args(arguments).stdin(Stdio::null());
    command
}

fn output(folder: &Path, arguments: &[&str]) -> Output {
    score(folder, arguments).output().unwrap()
}

fn succeeds(folder: &Path, arguments: &[&str]) {
    let output = output(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A setting that makes each row a batch of its own, so that the command can be interrupted at many points.
const SLOWLY: &str = "sentiment.batch_tokens=1";

fn write_news(folder: &Path, rows: usize) {
    let mut csv = "id,title\n".to_owned();
    for id in 0..rows {
        csv += &format!("{id},\"Example Corp no. {id} raises its outlook, again\"\n");
        if id % 7 == 3 {
            csv += "no title\n";
        }
    }
    std::fs::write(folder.join("news.csv"), csv).unwrap();
}

fn lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|&&byte| byte == b'\n').count())
}

/// Starts a run, sends a signal once a file has `at` lines, and returns the exit code.
fn interrupt(folder: &Path, arguments: &[&str], watched: &str, at: usize, signal: &str) -> (Option<i32>, String) {
    // Waits for a line of this run, also if an earlier run has left enough lines.
    let at = at.max(lines(&folder.join(watched)) + 1);
    let child = score(folder, arguments).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while lines(&folder.join(watched)) < at {
        assert!(started.elapsed() < Duration::from_secs(120), "{watched} does not grow");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn interrupted_or_killed_it_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_news(folder, 60);
    for format in ["csv", "jsonl", "parquet"] {
        let (out, whole) = (format!("out.{format}"), format!("whole.{format}"));
        let watched = if format == "parquet" { format!("{out}.scores.jsonl") } else { out.clone() };
        succeeds(folder, &["news.csv", "-o", &whole]);
        for (signal, at) in [("-KILL", 4), ("-INT", 9), ("-KILL", 30)] {
            let (code, said) =
                interrupt(folder, &["news.csv", "-o", &out, "--resume", "--set", SLOWLY], &watched, at, signal);
            if signal == "-INT" {
                assert_eq!(code, Some(1), "{said}");
                assert!(said.contains("--resume"), "{said}");
                // The output is valid CSV, so it can be scored itself.
                succeeds(folder, &[&out, "-o", "again.jsonl", "--overwrite", "--prefix", "again_"]);
            }
        }
        succeeds(folder, &["news.csv", "-o", &out, "--resume"]);
        for suffix in ["", ".rejected.jsonl"] {
            let [out, whole] =
                [&out, &whole].map(|name| std::fs::read(folder.join(format!("{name}{suffix}"))).unwrap());
            assert!(out == whole, "{format}{suffix}");
        }
    }
}

#[test]
fn a_line_from_a_pipe_is_answered_before_the_next_comes() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = score(folder.path(), &["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    for (text, label) in [("Profit doubled", "positive"), ("Dividend cut after a loss", "negative")] {
        writeln!(stdin, "{text}").unwrap();
        let answer = answers.next().unwrap().unwrap();
        assert!(answer.contains(text) && answer.contains(&format!("\"label\":\"{label}\"")), "{answer}");
    }
    drop(stdin);
    assert!(answers.next().is_none());
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_stops_quietly_when_nobody_reads_on_and_at_once_when_interrupted_while_waiting() {
    let folder = tempfile::tempdir().unwrap();
    write_news(folder.path(), 30);
    let mut child = score(folder.path(), &["news.csv", "--set", SLOWLY])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let first = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert!(first.starts_with("{\"id\":\"0\""), "{first}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let mut child = score(folder.path(), &["-", "-o", "piped.jsonl"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "Profit doubled").unwrap();
    while lines(&folder.path().join("piped.jsonl")) == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

/// Waits until a process has installed its handler of SIGINT; before that, the signal would end it.
#[cfg(target_os = "linux")]
fn until_it_listens(process: u32) {
    let started = Instant::now();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        if u64::from_str_radix(caught.trim(), 16).unwrap() & 0b10 != 0 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "it does not listen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn one_interrupt_ends_it_before_a_pipe_has_said_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    for (said, arguments) in
        [("", &["-"][..]), ("{\"text\":\"Profit doubled\"}\n", &["-", "--input-format", "jsonl", "-o", "out.csv"])]
    {
        let mut child = score(folder.path(), arguments).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(said.as_bytes()).unwrap();
        until_it_listens(child.id());
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("stopped after 0 rows"), "{output:?}");
    }
}

/// What a command shows to a person at a terminal 100 columns wide.
#[cfg(target_os = "linux")]
fn shown(folder: &Path, arguments: &str) -> String {
    let command = format!("stty cols 100; {} score {arguments}", env!("CARGO_BIN_EXE_tapewire"));
    let output = Command::new("script")
        .current_dir(folder)
        // Without a kind of terminal, no bar is drawn.
        .env("TERM", "xterm")
        .args(["--quiet", "--return", "--command", &command, "/dev/null"])
        .stdin(Stdio::null())
        .output()
        .expect("`script` of util-linux plays the terminal");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments}: {shown}");
    shown
}

#[test]
#[cfg(target_os = "linux")]
fn a_person_sees_a_table_or_a_bar_with_rate_and_remaining_time_and_a_pipe_neither() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // As many that the bar is drawn before the last is scored.
    write_news(folder, 1000);
    let slowly = ["news.csv", "-o", "out.csv", "--overwrite", "--set", SLOWLY];
    let bar = shown(folder, &slowly.join(" "));
    assert!(["%", " rows, ", " a second", " left"].iter().all(|part| bar.contains(part)), "{bar}");
    let piped = output(folder, &slowly);
    let said = String::from_utf8_lossy(&piped.stderr);
    assert!(piped.stdout.is_empty() && said.starts_with("out.csv: 1000 rows, 1000 of them scored"), "{said}");
    assert!(said.contains("0 rows have no score and 143 could not be read; see out.csv.rejected.jsonl"), "{said}");

    let table = shown(folder, "'Profit doubled' 'Dividend cut after a loss'");
    let labels: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(labels, ["label", "positive", "negative"], "{table}");
    assert!(table.lines().nth(1).unwrap().ends_with("  Profit doubled"), "{table}");
}

#[test]
fn scores_of_another_precision_say_so_and_do_not_continue_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_news(folder, 3);
    succeeds(folder, &["news.csv", "-o", "out.jsonl"]);
    let scored = std::fs::read_to_string(folder.join("out.jsonl")).unwrap();
    // What follows `+int8` depends on the machine.
    assert!(scored.lines().all(|row| row.contains("+int8") && row.ends_with("\"windows\":1}")), "{scored}");
    let other = output(folder, &["news.csv", "-o", "out.jsonl", "--resume", "--set", "sentiment.engine.precision=f32"]);
    assert_eq!(other.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(folder.join("out.jsonl")).unwrap(), scored);
}

#[test]
fn what_is_asked_wrongly_is_told_from_what_fails() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_news(folder, 1);
    std::fs::write(folder.join("empty.txt"), "").unwrap();
    std::fs::write(folder.join("blank.txt"), "\n\n").unwrap();
    std::fs::write(folder.join("header.csv"), "id,title\n").unwrap();
    std::fs::write(folder.join("phrases.csv"), "The outlook is raised .,positive\nA loss .,negative\n").unwrap();
    std::fs::write(folder.join("latin1.csv"), b"title\nDer Gewinn w\xe4chst\n").unwrap();
    std::fs::write(folder.join("news.zip"), b"PK\x03\x04\x14\0\0\0\0\0news.jsonl{\"headline\":\"Loss\"}\n").unwrap();
    std::fs::write(folder.join("book.xlsx"), b"PK\x03\x04\x14\0\x06\0[Content_Types].xml\xa2\x04").unwrap();
    for (arguments, code, part) in [
        (&["nowhere.csv"][..], 2, "no file nowhere.csv"),
        (&["news.csv", "--text-column", "body"], 2, "id, title"),
        (&["news.csv", "a text"], 2, "either files or texts"),
        (&["news.csv", "--format", "parquet"], 2, "--output"),
        (&["news.csv", "-o", "news.xlsx"], 2, "--format"),
        (&["news.csv", "-o", "news.csv"], 2, "is the input"),
        (&["news.csv", "-o", "blank.txt", "--format", "jsonl"], 2, "--overwrite"),
        // This error comes before the model is looked for.
        (&["news.csv", "-o", "blank.txt", "--format", "jsonl", "--model", "./nowhere"], 2, "--overwrite"),
        (&["news.csv", "--text-column", "body", "--model", "./nowhere"], 2, "id, title"),
        (&["a text", "--set", "nonsense"], 2, "section.key=value"),
        (&["a text", "--config", "nowhere.toml"], 2, "nowhere.toml"),
        (&["news.csv", "-o", "no/such/folder.csv"], 1, "no/such/folder.csv"),
        (&["blank.txt"], 1, "no row could be scored"),
        (&["empty.txt"], 1, "there are no rows to score in empty.txt"),
        (&["header.csv"], 1, "there are no rows to score in header.csv"),
        (&["news.csv", "--columns", "a,b"], 2, "--no-header"),
        (&["news.csv", "--encoding", "nonsense"], 2, "no encoding nonsense"),
        (&["news.zip"], 1, "news.zip is a zip archive; unpack it (unzip news.zip)"),
        (&["book.xlsx"], 1, "book.xlsx is an Excel workbook (.xlsx); save the sheet as CSV"),
        (&["phrases.csv"], 2, "--no-header"),
        (&["latin1.csv"], 1, "--encoding windows-1252"),
        (&["."], 2, "is a folder"),
        (&["--model", "./nowhere", "Profit doubled"], 1, "nowhere"),
    ] {
        let output = output(folder, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    let nothing = output(folder, &["-"]);
    let said = String::from_utf8_lossy(&nothing.stderr);
    assert!(nothing.status.code() == Some(1) && nothing.stdout.is_empty() && said.contains("standard input"), "{said}");
}

#[test]
fn files_as_people_have_them_are_scored() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("list.json"), "[{\"title\":\"Profit doubled\"},\n{\"title\":\"Loss\"}]").unwrap();
    std::fs::write(folder.join("latin1.csv"), b"Der Gewinn w\xe4chst,positive\n").unwrap();
    let utf16: Vec<u8> = "{\"title\":\"Profit doubled\"}\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(folder.join("utf16.jsonl"), utf16).unwrap();
    let latin1 = ["latin1.csv", "--encoding", "windows-1252", "--no-header", "--columns", "title,mood"];
    for (arguments, text) in
        [(&["list.json"][..], "Profit doubled"), (&["utf16.jsonl"], "Profit doubled"), (&latin1, "Der Gewinn wächst")]
    {
        let output = output(folder, arguments);
        let scored = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(scored.starts_with(&format!("{{\"title\":\"{text}\",")) && scored.contains("\"label\":\""), "{scored}");
    }
}

#[test]
fn rows_that_no_file_keeps_are_counted_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("news.csv"), format!("title\nProfit doubled\n{}", "too,many\n".repeat(7)))
        .unwrap();
    let output = output(folder.path(), &["news.csv"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said.lines().count(), 5 + 1, "{said}");
    assert!(
        said.ends_with("0 rows have no score and 7 could not be read; --rejected FILE keeps them with their reasons\n"),
        "{said}"
    );
}

#[test]
fn every_command_has_examples() {
    for command in
        ["", "demo", "run", "replay", "study", "join", "score", "serve", "simulate", "instruments", "migrate", "config"]
    {
        let output =
            Command::new(env!("CARGO_BIN_EXE_tapewire")).args(command.split_whitespace()).arg("--help").output();
        let help = String::from_utf8(output.unwrap().stdout).unwrap();
        let (_, examples) = help.split_once("\nExample").unwrap_or_else(|| panic!("{command}: {help}"));
        assert!(examples.contains(&format!("tapewire {command}")), "{command}: {help}");
    }
}
