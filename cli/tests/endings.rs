//! Whatever ends a command, it exits within 10 seconds and prints the true error last: with real Kafka and ClickHouse.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::{Installation, succeeded};

const LIMIT: Duration = Duration::from_secs(10);

/// Files of a small replay: 200 articles about two companies, and a day of minute bars of these and the benchmark.
fn market(folder: &Path) -> (PathBuf, PathBuf) {
    let (news, bars) = (folder.join("news.jsonl"), folder.join("bars.csv"));
    let at = |minute: u32| format!("2025-06-02T{:02}:{:02}:00Z", 13 + (30 + minute) / 60, (30 + minute) % 60);
    let article = |n: u32| {
        let symbol = ["AAA", "BBB"][n as usize % 2];
        format!(
            r#"{{"id":"a{n}","title":"Profit doubled in quarter {n}","published_at":"{}","symbols":["{symbol}"]}}"#,
            at(n)
        )
    };
    std::fs::write(&news, (0..200).map(article).collect::<Vec<_>>().join("\n")).unwrap();
    let mut csv = "symbol,start,open,high,low,close,volume\n".to_owned();
    for symbol in ["AAA", "BBB", "SPY"] {
        csv.extend((0..390).map(|minute| format!("{symbol},{},10,11,9,10.5,100\n", at(minute))));
    }
    std::fs::write(&bars, csv).unwrap();
    (news, bars)
}

fn replay(place: &Installation, news: &Path, bars: &Path, run: &str) -> Command {
    let mut command = place.tapewire();
    command.arg("replay").arg("--news").arg(news).arg("--bars").arg(bars).args(["--run", run]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command and sends it signals, each after a delay from the one before. Returns its output, and how long it ran
/// after the last signal. It is killed if that is more than a minute.
fn ended(mut command: Command, signals: &[(Duration, &str)]) -> (Output, Duration) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().to_string();
    let mut asked = Instant::now();
    for (after, signal) in signals {
        std::thread::sleep(*after);
        // The signal fails if the command has ended by itself.
        let _ = Command::new("kill").args([signal, id.as_str()]).stderr(Stdio::null()).status();
        asked = Instant::now();
    }
    let waiter = std::thread::spawn(move || child.wait_with_output().unwrap());
    while !waiter.is_finished() {
        if asked.elapsed() > Duration::from_secs(60) {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let took = asked.elapsed();
    (waiter.join().unwrap(), took)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}

/// Whether the signal, sent this long after the start, ended the process before it listened for signals. It had not begun
/// anything then.
fn ended_before_it_began(output: &Output, after: Duration, signal: &str) -> bool {
    let number = if signal == "-INT" { 2 } else { 15 };
    let is_silent = output.stderr.is_empty() && output.stdout.is_empty();
    after <= Duration::from_millis(300) && output.status.signal() == Some(number) && is_silent
}

fn last_line(output: &Output) -> String {
    text(output).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn a_signal_ends_a_replay_and_roles_at_any_moment() {
    let Some(place) = Installation::new("signals") else { return };
    let (news, bars) = market(place.folder.path());
    let mut interrupted = 0;
    for milliseconds in [50, 100, 200, 300, 700, 1200, 1700, 2500] {
        let after = Duration::from_millis(milliseconds);
        for signal in ["-INT", "-TERM"] {
            let (output, took) = ended(replay(&place, &news, &bars, "signals"), &[(after, signal)]);
            assert!(took < LIMIT, "replay, {signal} after {after:?}: {took:?}\n{}", text(&output));
            let is_interrupted = last_line(&output).starts_with("tapewire: interrupted");
            interrupted += u32::from(is_interrupted);
            assert!(
                is_interrupted || output.status.success() || ended_before_it_began(&output, after, signal),
                "{signal} after {after:?}: {:?} {}",
                output.status,
                text(&output)
            );
        }
        let mut run = place.tapewire();
        run.args(["run", "--role", "sentiment,join"]);
        let (output, took) = ended(run, &[(after, "-TERM")]);
        assert!(took < LIMIT, "run, SIGTERM after {after:?}: {took:?}\n{}", text(&output));
        assert!(
            output.status.success() || ended_before_it_began(&output, after, "-TERM"),
            "{:?} {}",
            output.status,
            text(&output)
        );
    }
    assert!(interrupted > 0, "each replay ended before it was asked to");
    // The same command again completes it.
    let (output, _) = ended(replay(&place, &news, &bars, "signals"), &[]);
    succeeded(output);
    assert_eq!(place.count("SELECT uniqExact(article_id) FROM impact WHERE run = 'signals'"), 200);
}

#[test]
fn two_replays_at_once_do_not_disturb_each_other() {
    let Some(place) = Installation::new("together") else { return };
    let (news, bars) = market(place.folder.path());
    let rows = |run: &str| {
        let columns = "* EXCEPT (run, version, scored_at)";
        place.query(&format!("SELECT {columns} FROM impact FINAL WHERE run = '{run}' ORDER BY symbol, article_id"))
    };
    succeeded(replay(&place, &news, &bars, "alone").output().unwrap());
    let begun = ["first", "second"].map(|run| replay(&place, &news, &bars, run).spawn().unwrap());
    for child in begun {
        succeeded(child.wait_with_output().unwrap());
    }
    let alone = rows("alone");
    assert_eq!(alone.lines().count(), 200, "{alone}");
    assert!(rows("first") == alone && rows("second") == alone, "{}\n{}", rows("first"), rows("second"));
    assert_eq!(place.count("SELECT count() FROM dead_letters"), 0);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let Some(place) = Installation::new("twice") else { return };
    let (_, bars) = market(place.folder.path());
    // Scoring this file takes minutes.
    let news = place.folder.path().join("long.jsonl");
    // No two parts are the same, because equal ones are computed once.
    let text_of =
        |n: u32| (0..10_000).map(|region| format!("Sales rose in region {region} of plan {n}. ")).collect::<String>();
    let line = |n: u32| {
        let text_of = text_of(n);
        format!(
            r#"{{"id":"{n}","title":"T{n}","description":"{text_of}","published_at":"2025-06-02T14:00:00Z","symbols":["AAA","BBB"]}}"#
        )
    };
    std::fs::write(&news, [1, 2, 3, 4].map(line).join("\n")).unwrap();
    let scoring = Duration::from_secs(5);
    let (output, took) = ended(replay(&place, &news, &bars, "long"), &[(scoring, "-INT")]);
    assert!(took < LIMIT, "a long batch is not waited for: {took:?}\n{}", text(&output));
    assert_eq!((output.status.code(), last_line(&output).starts_with("tapewire: interrupted")), (Some(1), true));
    let half_a_second = Duration::from_millis(500);
    let (output, took) = ended(replay(&place, &news, &bars, "long"), &[(scoring, "-INT"), (half_a_second, "-INT")]);
    assert!(took < Duration::from_secs(1), "{took:?}\n{}", text(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_is_wrong_from_the_start_is_said_at_once() {
    let Some(place) = Installation::new("wrong") else { return };
    let (news, bars) = market(place.folder.path());
    let (news, bars) = (news.to_str().unwrap(), bars.to_str().unwrap());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen={}", taken.local_addr().unwrap());
    let folder = place.folder.path().to_str().unwrap();
    let no_model = format!("model={folder}");
    for (line, code, part) in [
        (&["replay", "--news", "nowhere.jsonl", "--bars", bars][..], 1, "can't read nowhere.jsonl"),
        (&["replay", "--news", news, "--bars", "nowhere.csv"], 1, "can't read nowhere.csv"),
        (&["replay", "--news", folder, "--bars", bars], 1, "is a folder"),
        (&["replay", "--news", news, "--bars", bars, "--run", "live"], 2, "`live` can't be the name"),
        (&["replay", "--news", news, "--bars", bars, "--run="], 2, "`` can't be the name"),
        (&["replay", "--news", news, "--bars", bars, "--set", &no_model], 1, "lacks config.json"),
        (&["run", "--role", "sentiment", "--set", &no_model], 1, "lacks config.json"),
        (&["run", "--role", "join", "--set", &listen], 1, "set TAPEWIRE_LISTEN to a free address"),
        (&["run", "--role", "sentiment", "--set", &listen], 1, "set TAPEWIRE_LISTEN to a free address"),
        (&["run"], 1, "set the variable TAPEWIRE_MASSIVE_API_KEY"),
        (&["run", "--role", "join", "--set", "kafka.prefix=none."], 1, "no topic none.news"),
        (&["run", "--role", "join", "--set", "clickhouse.database=none"], 1, "run `tapewire migrate`"),
        (
            &["replay", "--news", news, "--bars", bars, "--set", "kafka.brokers=127.0.0.1:9"],
            3,
            "no kafka broker answers",
        ),
        (
            &["replay", "--news", news, "--bars", bars, "--set", "clickhouse.url=http://127.0.0.1:9"],
            3,
            "clickhouse does not",
        ),
        (&["migrate", "--set", "kafka.brokers=127.0.0.1:9"], 3, "no kafka broker answers at 127.0.0.1:9"),
        (
            &["demo", "--set", "clickhouse.url=http://127.0.0.1:9"],
            3,
            "clickhouse does not answer at http://127.0.0.1:9",
        ),
    ] {
        let mut command = place.tapewire();
        command.args(line).current_dir(folder);
        let (output, took) = ended(command, &[]);
        let (last, all) = (last_line(&output), text(&output));
        assert!(took < LIMIT, "{line:?}: {took:?}\n{all}");
        assert!(last.starts_with("tapewire: ") && last.contains(part), "{line:?}: {all}");
        assert_eq!(output.status.code(), Some(code), "{line:?}: {all}");
        assert!(all.lines().count() < 20, "{line:?}: noise\n{all}");
        assert_eq!(place.count("SELECT count() FROM bars"), 0, "nothing was sent");
    }
}

#[test]
fn a_second_database_on_the_same_topics_is_refused_until_it_takes_them() {
    let Some(place) = Installation::new("bound") else { return };
    let (news, bars) = market(place.folder.path());
    let other = format!("{}_other", place.database());
    let elsewhere = |command: &mut Command| {
        command.env("TAPEWIRE_CLICKHOUSE_DATABASE", &other);
    };
    let mut migrate = place.tapewire();
    elsewhere(migrate.arg("migrate"));
    let (output, _) = ended(migrate, &[]);
    let said = last_line(&output);
    assert!(!output.status.success() && said.contains(place.database()) && said.contains("--take-topics"), "{said}");
    let mut second = replay(&place, &news, &bars, "second");
    elsewhere(&mut second);
    let (output, _) = ended(second, &[]);
    assert!(!output.status.success() && last_line(&output).contains("read into database"), "{}", text(&output));
    succeeded(ended(replay(&place, &news, &bars, "first"), &[]).0);
    let mut take = place.tapewire();
    elsewhere(take.args(["migrate", "--take-topics"]));
    succeeded(ended(take, &[]).0);
    let (output, _) = ended(replay(&place, &news, &bars, "first"), &[]);
    assert!(last_line(&output).contains("read into database"), "{}", text(&output));
    place.query(&format!("DROP DATABASE {other}"));
}

#[test]
fn the_account_adds_up_by_id_and_says_what_it_finds() {
    let Some(place) = Installation::new("account") else { return };
    let (news, bars) = market(place.folder.path());
    let mut bad = std::fs::read_to_string(&bars).unwrap();
    bad += "AAA,yesterday,1,1,1,1,5\n";
    std::fs::write(&bars, bad).unwrap();
    for _ in 0..2 {
        let said = succeeded(ended(replay(&place, &news, &bars, "account"), &[]).0);
        assert!(said.contains("dead letters        1"), "a replay again does not double them: {said}");
    }
    assert_eq!(place.query("SELECT run, count() FROM dead_letters FINAL GROUP BY run"), "account\t1");
    // The same run with half the news: the other rows stay, and a message says so.
    let half = place.folder.path().join("half.jsonl");
    let lines: Vec<String> = std::fs::read_to_string(&news).unwrap().lines().take(100).map(str::to_owned).collect();
    std::fs::write(&half, lines.join("\n")).unwrap();
    let mut again = replay(&place, &half, &bars, "account");
    again.args(["--set", "prices.benchmark=ZZZ"]);
    let (output, _) = ended(again, &[]);
    // Notes about the files are on the standard output, before the summary; the account is on the standard error.
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), text(&output));
    assert!(output.status.success() && said.contains("100 articles: replay/a100"), "{said}");
    assert!(said.contains("no bar of the benchmark ZZZ"), "{said}");
}
