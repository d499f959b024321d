//! Random command lines and files for every subcommand: each ends within seconds, says what is wrong, and does not
//! panic.
//!
//! No server is needed: nothing listens at the addresses that the command lines name.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tapewire_testkit::Dice;

/// Command lines for each subcommand.
const CASES: u64 = 200;
/// How long each command may take. The machine may be busy with other commands.
const LIMIT: Duration = Duration::from_secs(10);
/// How many run at once.
const AT_ONCE: usize = 8;

/// A subcommand with its flags, read from its help, so that new ones are tried without a change here.
struct Subcommand {
    name: String,
    flags: Vec<String>,
}

/// What `tapewire --help` and the help of each subcommand list.
fn subcommands() -> Vec<Subcommand> {
    let help = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_tapewire")).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = help(&[]);
    let listed = whole.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Continuation lines of a description are indented further.
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    let of_name = |name: &str| {
        let text = help(&[name]);
        let words = text.lines().filter_map(|line| {
            let line = line.trim_start();
            line.starts_with('-').then(|| line.split([' ', ',', '=']).find(|word| word.starts_with("--")))?
        });
        let flags = words.map(str::to_owned).collect();
        Subcommand { name: name.to_owned(), flags }
    };
    names.map(of_name).collect()
}

/// Files of every kind that somebody might give.
fn files(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("empty", b"");
    write(
        "news.jsonl",
        b"{\"id\":\"1\",\"title\":\"T\",\"published_at\":\"2025-06-02T14:00:00Z\",\"symbols\":[\"AAA\"]}\n",
    );
    write("bars.csv", b"symbol,start,open,high,low,close,volume\nAAA,2025-06-02T14:00:00Z,1,1,1,1,1\n");
    write("header.csv", b"symbol,start,open,high,low,close,volume\n");
    write("binary.bin", &(0..=255).cycle().take(5000).collect::<Vec<u8>>());
    write("gzip.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03+\xce\xcf\x02\0\x8b\x9d\x13\x14\x03\0\0\0");
    write("zip.xlsx", b"PK\x03\x04\x14\0\0\0\x08\0garbage");
    write("broken.parquet", b"PAR1 nothing here PAR1");
    write("long.txt", &vec![b'x'; 300_000]);
    write("utf16.csv", b"\xff\xfes\0y\0m\0\n\0");
    write("wrong.toml", b"[kafka\nbrokers = ");
    write("unknown.toml", b"[kafka]\nbroker = \"x\"\n");
    std::fs::create_dir(folder.join("folder")).unwrap();
}

const FILES: [&str; 15] = [
    "empty",
    "news.jsonl",
    "bars.csv",
    "header.csv",
    "binary.bin",
    "gzip.csv.gz",
    "zip.xlsx",
    "broken.parquet",
    "long.txt",
    "utf16.csv",
    "wrong.toml",
    "unknown.toml",
    "folder",
    "nowhere/at/all.csv",
    "",
];
const NUMBERS: [&str; 12] =
    ["0", "-1", "1", "1e308", "NaN", "inf", "99999999999999999999", "1h", "-5m", "soon", "", "0.5"];
const SETTINGS: [&str; 16] = [
    "model=/nowhere",
    "model=",
    "model=folder",
    "listen=nowhere",
    "listen=300.1.1.1:99999",
    "kafka.partitions=0",
    "kafka.partitions=many",
    "kafka.brokers=",
    "clickhouse.url=ftp://x",
    "clickhouse.url=",
    "no.such=1",
    "nothing",
    "=",
    "sentiment.engine.precision=float",
    "prices.symbols=[\"a b\"]",
    "join.stale_after=never",
];
/// The arguments of a random command line.
fn arguments(Subcommand { name, flags }: &Subcommand, dice: &mut Dice) -> Vec<String> {
    let mut line = vec![name.clone()];
    let flags: Vec<&str> = flags.iter().map(String::as_str).chain(["--no-such-flag"]).collect();
    let mut add = |words: &[&str]| line.extend(words.iter().map(|word| (*word).to_owned()));
    if ["replay", "study", "join"].contains(&name.as_str()) && dice.below(10) > 0 {
        add(&["--news", dice.of(&FILES), "--bars", dice.of(&FILES)]);
    }
    if ["score", "bars"].contains(&name.as_str()) && dice.below(10) > 0 {
        add(&[dice.of(&FILES)]);
    }
    for _ in 0..dice.below(4) {
        match dice.below(6) {
            0 => add(&["--config", dice.of(&FILES)]),
            1 | 2 => add(&["--set", dice.of(&SETTINGS)]),
            3 => add(&[dice.of(&flags), dice.of(&NUMBERS)]),
            4 => add(&[dice.of(&flags), dice.of(&FILES)]),
            _ => add(&[dice.of(&flags)]),
        }
    }
    line
}

/// Runs a command: its output, how long it took, and whether it was sent SIGTERM because it is a service.
fn run(folder: &Path, line: &[String]) -> (Output, Duration, bool) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
    command.current_dir(folder).env_clear().args(line).stdin(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder).env("HF_HUB_OFFLINE", "1");
    for name in ["TAPEWIRE_MODELS_DIR", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.envs([
        ("TAPEWIRE_KAFKA_BROKERS", "127.0.0.1:9"),
        ("TAPEWIRE_CLICKHOUSE_URL", "http://127.0.0.1:9"),
        ("TAPEWIRE_LISTEN", "127.0.0.1:0"),
        ("TAPEWIRE_SERVE_LISTEN", "127.0.0.1:0"),
        ("TAPEWIRE_SIMULATOR_LISTEN", "127.0.0.1:0"),
        ("TAPEWIRE_SENTIMENT_ENGINE_THREADS", "1"),
    ]);
    let began = Instant::now();
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &id]).stderr(Stdio::null()).status().unwrap().success();
    // On a thread of its own, because a full pipe would stop the command.
    let reading = std::thread::spawn(move || child.wait_with_output().unwrap());
    let (mut stopped, mut killed) = (false, false);
    while !reading.is_finished() {
        std::thread::sleep(Duration::from_millis(10));
        if !stopped && is_a_service(line) && began.elapsed() > Duration::from_millis(1500) {
            stopped = signal("-TERM");
        }
        if !killed && began.elapsed() > LIMIT * 3 {
            killed = signal("-KILL");
        }
    }
    let took = began.elapsed();
    (reading.join().unwrap(), took, stopped)
}

/// Whether the command, with a correct command line, runs until it is stopped.
fn is_a_service(line: &[String]) -> bool {
    ["run", "serve", "simulate"].contains(&line[0].as_str())
}

/// What is wrong with how a command ended.
fn fault(line: &[String], (output, took, stopped): &(Output, Duration, bool)) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.trim_end().lines().last().unwrap_or_default();
    let what = if text.len() > 20_000 {
        "it says too much"
    } else if *took > LIMIT {
        "it took too long"
    } else if text.contains("panicked") || text.contains("RUST_BACKTRACE") {
        "it panicked"
    } else if output.status.code().is_none_or(|code| code > 3) {
        "its exit code has no meaning"
    } else if !stopped && !output.status.success() && text.trim().is_empty() {
        "it failed without a word"
    } else if !stopped && output.status.code() == Some(1) && !last.starts_with("tapewire: ") && line[0] != "score" {
        "its last line is not the error"
    } else if text.contains("Some(") || text.contains("Err(") || text.contains("Error {") {
        "its message is Rust's"
    } else if !stopped && !output.status.success() && !names_an_argument(line, &text) {
        "it does not name what was typed"
    } else {
        return None;
    };
    Some(format!("{what}: tapewire {} ({took:?}, {})\n{text}", line.join(" "), output.status))
}

/// Whether a message names a word of the command line, what is missing from it, or a server that could not be reached.
fn names_an_argument(line: &[String], text: &str) -> bool {
    let is_named = |word: &String| {
        let name = word.split('=').next().unwrap_or_default();
        !word.is_empty() && (text.contains(word.as_str()) || !name.is_empty() && text.contains(name))
    };
    let others = [
        "Usage: ",
        "for '<FILE>...'",
        "--news",
        "`` is",
        "the standard input",
        "command line, row 1",
        "127.0.0.1:9",
        "TAPEWIRE_MASSIVE_API_KEY",
        "an empty address; set serve.listen",
        "instruments.sec_user_agent",
    ];
    line[1..].iter().any(is_named) || others.iter().any(|part| text.contains(part))
}

#[test]
fn every_command_line_ends_soon_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    files(folder.path());
    let subcommands = subcommands();
    assert!(subcommands.len() >= 12 && subcommands.iter().all(|one| one.flags.len() >= 4), "help is read");
    let lines: Vec<Vec<String>> = (0..CASES)
        .flat_map(|case| subcommands.iter().zip(0..).map(move |(subcommand, n)| (case, subcommand, n)))
        .map(|(case, subcommand, n): (u64, _, u64)| arguments(subcommand, &mut Dice(case * 131 + n * 7919 + 17)))
        .collect();
    let mut distinct = lines.clone();
    distinct.sort();
    distinct.dedup();
    // Slow command lines take seconds each, so at most 60 of them are run.
    let mut slow = 0;
    distinct.retain(|line| {
        slow += usize::from(is_slow(line));
        !is_slow(line) || slow <= 60
    });
    let next = std::sync::atomic::AtomicUsize::new(0);
    let faults = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(line) = distinct.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let ended = run(folder.path(), line);
                    faults.lock().unwrap().extend(fault(line, &ended));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    let mut shown = std::io::stderr().lock();
    for fault in faults.iter().take(10) {
        writeln!(shown, "{fault}").unwrap();
    }
    assert!(faults.is_empty(), "{} of {} command lines", faults.len(), distinct.len());
}

/// Whether the command may take seconds: it has at most one argument (and is not `config`), or reads the long file.
fn is_slow(line: &[String]) -> bool {
    line.len() <= 2 && line[0] != "config" || line.iter().any(|word| word == "long.txt")
}

/// A reader such as `head` closes a pipe early, and a file may be on a full disk.
#[test]
fn an_output_that_takes_nothing_ends_a_command_without_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapewire"));
        command.args(arguments).current_dir(folder.path()).stdout(stdout).stderr(Stdio::piped()).stdin(Stdio::null());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for arguments in [&["config", "--example"][..], &["config"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (code, said) = run(arguments, full.into());
        assert_eq!(code, Some(1), "{said}");
        assert!(said.starts_with("tapewire: can't write to the standard output: "), "{said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(run(arguments, writer.into()), (Some(141), String::new()));
    }
}
