//! What an operator does: doctor, dead letters, backfill, subscriptions in a file; with real Kafka and ClickHouse, and the
//! simulated provider.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use support::provider::Provider;
use support::{Installation, Process, succeeded, wait_until};

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn doctor_has_a_line_for_everything_and_an_end() {
    let Some(place) = Installation::new("doctor") else { return };
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "1", &[]);
    let doctor = |key: &str, further: &[&str]| {
        let mut command = place.tapewire();
        provider.with(command.arg("doctor").args(further)).env("TAPEWIRE_MASSIVE_API_KEY", key).output().unwrap()
    };
    let output = doctor("simulated", &[]);
    let text = both(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for part in [
        "settings               can be used",
        "massive                answers, and takes the key",
        "key massive            set, from the variable TAPEWIRE_MASSIVE_API_KEY",
        "the sources' clocks",
        "topics                 all ",
        "tables                 database ",
        "topics' database       they are read into database ",
        "state folder",
        "model                  the files of ",
    ] {
        assert!(part.split("  ").all(|word| text.contains(word.trim())), "{part} is not in {text}");
    }
    assert!(!text.contains("problem") && !text.contains("simulated"), "the key is never printed: {text}");

    // A refused key is not a network that does not work, and a secret that others can read is a warning.
    let secret = place.folder.path().join("key");
    std::fs::write(&secret, "s3cret").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = place.tapewire();
    provider
        .with(command.args(["doctor", "--set"]).arg(format!("providers.massive.api_key_file={}", secret.display())));
    let output = command.env_remove("TAPEWIRE_MASSIVE_API_KEY").output().unwrap();
    let text = both(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("refuses the api key") && text.contains("chmod 600"), "{text}");
    assert!(text.contains("mode 644") && !text.contains("s3cret"), "{text}");

    let output = doctor("", &[]);
    assert!(both(&output).contains("set the variable TAPEWIRE_MASSIVE_API_KEY"), "{}", both(&output));
    let output = doctor("simulated", &["--set", "clickhouse.database=nowhere_at_all"]);
    assert!(both(&output).contains("run `tapewire migrate`"), "{}", both(&output));
    let output = doctor("simulated", &["--set", "kafka.borkers=x"]);
    assert!(output.status.code() == Some(1) && both(&output).contains("kafka.brokers"), "{}", both(&output));
}

#[test]
fn retention_is_applied_by_migrate_and_looked_at_by_doctor() {
    let Some(place) = Installation::new("retention") else { return };
    let with = |command: &str, settings: &[&str]| {
        let mut tapewire = place.tapewire();
        tapewire.arg(command).args(["--set", "news.sources=[]", "--set", "prices.sources=[]"]);
        tapewire.args(settings.iter().flat_map(|setting| ["--set", *setting])).output().unwrap()
    };
    let set = ["clickhouse.retention.trades=30d", "clickhouse.cold.policy=tiered"];
    assert!(both(&with("doctor", &[])).contains("all rows are kept"), "{}", both(&with("doctor", &[])));
    let text = both(&with("doctor", &set));
    assert!(text.contains("table trades: rows of the run live are kept for 30d, on volume `cold` after 90d"), "{text}");
    assert!(text.contains("run `tapewire migrate`"), "{text}");
    let text = succeeded(with("migrate", &set));
    assert!(text.contains("table trades: rows of the run live are kept for 30d"), "{text}");
    assert!(text.contains("table bars: rows are kept for ever, on volume `cold` after 90d"), "{text}");
    assert!(!succeeded(with("migrate", &set)).contains("table "), "it is done once");
    let text = both(&with("doctor", &set));
    assert!(text.contains("in effect as set: trades 30d, on volume cold after 90d"), "{text}");

    // Another process, whose settings differ, does not remove more than its settings say without a word.
    let log = place.folder.path().join("log");
    let mut run = place.tapewire();
    run.args(["run", "--role", "join"]).stdin(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let _running = Process::from(run.spawn().unwrap());
    let said = || std::fs::read_to_string(&log).unwrap();
    wait_until("it warns", || said().contains("table trades: rows are kept for ever"));

    for command in ["migrate", "run"] {
        for (setting, part) in [
            ("clickhouse.retention.bars=5d", "clickhouse.retention.bars is 5d, but joined rows"),
            ("clickhouse.retention.bars=400", "write for example 400d"),
        ] {
            let output = with(command, &[setting]);
            assert!(output.status.code() == Some(2) && both(&output).contains(part), "{command}: {}", both(&output));
        }
    }
    let output = with("migrate", &["clickhouse.cold.policy=nope"]);
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    assert!(
        both(&output).contains("clickhouse.cold.policy: the server has no storage policy `nope`"),
        "{}",
        both(&output)
    );
}

#[test]
fn doctor_ends_and_says_what_is_wrong_when_nothing_answers() {
    let folder = tempfile::tempdir().unwrap();
    // It accepts connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let began = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_tapewire"))
        .args(["doctor", "--json", "--set", "news.sources=[\"gdelt\"]", "--set", "prices.sources=[\"binance\"]"])
        .args(["--set", "prices.benchmark=X:BTCUSDT"])
        .args(["--set", &format!("providers.gdelt.rest_url=http://{silent}")])
        .args(["--set", "providers.binance.rest_url=http://127.0.0.1:9"])
        .current_dir(folder.path())
        .env("TAPEWIRE_KAFKA_BROKERS", "127.0.0.1:9")
        .env("TAPEWIRE_CLICKHOUSE_URL", format!("http://{silent}"))
        .output()
        .unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let status = |what: &str| {
        let checks = report["checks"].as_array().unwrap();
        let found = checks.iter().find(|check| check["what"] == what).unwrap_or_else(|| panic!("{what}: {report}"));
        found["status"].as_str().unwrap().to_owned()
    };
    for what in ["news gdelt", "prices binance", "kafka", "clickhouse"] {
        assert_eq!(status(what), "problem", "{what}: {report}");
    }
    for (what, expected) in [("settings", "ok"), ("topics", "skipped"), ("tables", "skipped"), ("model", "ok")] {
        assert_eq!(status(what), expected, "{what}: {report}");
    }
    assert_eq!(report["problems"], 4);
}

#[test]
fn dead_letters_are_listed_shown_and_replayed_once() {
    let Some(place) = Installation::new("letters") else { return };
    let article = r#"{"id":"a1","publisher":{"name":"Wire"},"title":"Profit doubled","published_utc":"2025-06-02T13:59:00Z","tickers":["EXMP"]}"#;
    let record = r#"{"v":1,"run":"may","body":{"article":{"id":"b1","revision":7,"provider":"replay","publisher":"","author":"","title":"Sales rose","description":"","url":"","symbols":["EXMP"],"keywords":[],"published_at":1748872740000000,"received_at":1748872741000000}}}"#;
    let bar = r#"{"ev":"AM","sym":"EXMP","v":10,"o":1,"c":2,"h":3,"l":1,"s":1748872800000,"e":1748872860000}"#;
    let rows = [
        ("live", "a1", "news-poller", "massive /v2/reference/news", "an old build", article),
        ("", "a2", "price-feed", "massive websocket", "event type `XX` is not one we know", bar),
        ("may", "a3", "sentiment-worker", "topic news, partition 0, offset 3", "version 1 is newer", record),
        ("may", "a4", "archive", "topic news, partition 0, offset 3", "version 1 is newer", record),
        ("", "b5", "price-feed", "massive websocket", "not json", "{\"ev\":"),
        ("may", "c6", "replay", "news.csv line 3", "no date", "x,y"),
        ("", "d7", "joiner", "topic bars, partition 0, offset 9", "no run", "{\"v\":1}"),
        ("", "d8", "archive", "topic bars, partition 0, offset 9", "no run", "{\"v\":1}"),
    ];
    for (number, (run, id, stage, origin, reason, bytes)) in rows.into_iter().enumerate() {
        let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
        let values = [run, id].map(text).join(",")
            + &format!(",0,{number},")
            + &[stage, origin, reason, bytes].map(text).join(",");
        place.query(&format!("INSERT INTO dead_letters VALUES ({values},'2025-06-02 14:00:0{number}')"));
    }
    let letters = |arguments: &[&str]| place.tapewire().arg("dead-letter").args(arguments).output().unwrap();
    let listed = succeeded(letters(&["list"]));
    assert!(
        listed.contains("2  price-feed") || listed.contains("1  price-feed: event type `...` is not one we know"),
        "{listed}"
    );
    assert!(listed.contains("news.csv line 3") && listed.contains("may"), "{listed}");
    let some = succeeded(letters(&["list", "--origin", "MASSIVE WEB", "--reason", "json", "--json"]));
    let some: serde_json::Value = serde_json::from_str(&some).unwrap();
    assert_eq!((&some["letters"][0]["id"], some["letters"].as_array().unwrap().len()), (&"b5".into(), 1));
    assert!(succeeded(letters(&["show", "a2"])).contains("\"sym\":\"EXMP\""));
    assert!(succeeded(letters(&["show", "b5", "--hex"])).contains("7b 22 65 76"));
    assert!(both(&letters(&["show", "a"])).contains("give more digits"));
    assert_eq!(letters(&["replay"]).status.code(), Some(2));

    let dry = succeeded(letters(&["replay", "--all", "--dry-run"]));
    assert!(dry.contains("letters: 8; records that would be sent: 3; letters that can't be replayed: 4"), "{dry}");
    assert!(dry.contains("replay the file again") && dry.contains("another stage reported the same input"), "{dry}");
    let _roles = [place.role("sentiment"), place.role("join")];
    let sent = succeeded(letters(&["replay", "--all"]));
    assert!(sent.contains("letters: 8; records sent: 3; letters that can't be replayed: 4"), "{sent}");
    let articles = "SELECT count() FROM articles FINAL";
    wait_until("the articles are stored", || place.count(articles) == 2);
    wait_until("the bar is stored", || place.count("SELECT count() FROM bars FINAL WHERE close = 2") == 1);
    wait_until("both are scored", || place.count("SELECT count() FROM current_mentions") == 2);
    // What is live counts from now on, whatever the article says.
    let late = "SELECT count() FROM mentions FINAL WHERE run = 'live' AND available_at > now() - 600";
    assert_eq!(place.count(late), 1, "{}", place.query("SELECT run, available_at FROM mentions"));

    let again = succeeded(letters(&["replay", "--all"]));
    assert!(again.contains("letters: 4; records sent: 0") && again.contains("4 were replayed before"), "{again}");
    // An article that is stored is not sent once more even if it is asked for.
    let again = succeeded(letters(&["replay", "a1", "a3", "--again"]));
    assert!(again.contains("records sent: 0") && again.contains("the article is stored"), "{again}");
    assert!(succeeded(letters(&["list", "--stage", "news-poller"])).contains("replayed"));
    assert_eq!(letters(&["replay", "ffff"]).status.code(), Some(1));
}

#[test]
fn a_backfill_goes_on_after_a_kill_and_doubles_nothing() {
    let Some(place) = Installation::new("backfill") else { return };
    let settings = ["simulator.articles_per_hour=4", "simulator.faults.rate_limit_every=9"];
    let provider = Provider::start(&place, "2025-06-02T21:00:00Z", "1", &settings);
    let backfill = |further: &[&str]| {
        let mut command = place.tapewire();
        let days = ["--from", "2025-05-30", "--to", "2025-06-02", "--symbols", "AAPL,MSFT", "--prices", "massive"];
        provider.with(command.arg("backfill").args(days).args(further));
        command
    };
    let whole = succeeded(backfill(&["--run", "whole"]).output().unwrap());
    assert!(whole.contains("run whole") && whole.contains("sent "), "{whole}");
    let of = |run: &str, what: &str| place.query(&format!("SELECT {what} WHERE run = '{run}'"));
    let bars = "symbol, count(), round(sum(close), 4) FROM bars FINAL";
    let articles =
        "count(), uniqExact(article_id), sum(cityHash64(article_id, title, received_at)) FROM articles FINAL";
    let grouped =
        |run: &str| place.query(&format!("SELECT {bars} WHERE run = '{run}' GROUP BY symbol ORDER BY symbol"));
    // Two sessions of 390 minutes: Friday and Monday.
    assert_eq!(grouped("whole").lines().count(), 3, "{}", grouped("whole"));
    // A symbol may have a minute without a trade.
    let minutes = |line: &str| line.split('\t').nth(1).unwrap().parse::<u64>().unwrap();
    assert!(grouped("whole").lines().all(|line| (765..=780).contains(&minutes(line))), "{}", grouped("whole"));
    assert!(of("whole", "count() FROM articles FINAL").parse::<u64>().unwrap() > 20, "{whole}");
    // An article counts as known a second after its publication, not from now on.
    assert_eq!(of("whole", "countIf(received_at != published_at + toIntervalSecond(1)) FROM articles FINAL"), "0");
    assert!(of("whole", "countIf(entry_at IS NOT NULL) FROM impact FINAL").parse::<u64>().unwrap() > 0);

    // A request a second, so that it is killed in the middle: after some bars, and after some news.
    let slow = ["--run", "parts", "--requests-per-minute", "60"];
    let path = place.folder.path().join("state/backfill-parts.json");
    let noted = || std::fs::read_to_string(&path).unwrap_or_default();
    for until in ["\"SPY\"", "\"MSFT\""] {
        let mut child: Process = backfill(&slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap().into();
        wait_until("the state has been written", || noted().contains(until));
        child.kill_9();
    }
    let state = noted();
    assert!(state.contains("\"ended\":false") && state.contains("SPY"), "{state}");
    succeeded(backfill(&["--run", "parts"]).output().unwrap());
    assert_eq!(grouped("parts"), grouped("whole"));
    assert_eq!(of("parts", articles), of("whole", articles));

    let sent = place.count("SELECT count() FROM bars WHERE run = 'parts'");
    let twice = succeeded(backfill(&["--run", "parts"]).output().unwrap());
    assert!(twice.contains("every day of it was sent before"), "{twice}");
    assert!(place.count("SELECT count() FROM bars WHERE run = 'parts'") <= sent, "nothing is sent a second time");
    let other = backfill(&["--run", "parts", "--delay", "9s"]).output().unwrap();
    assert!(!other.status.success() && both(&other).contains("another --run"), "{}", both(&other));
    let feed = backfill(&["--news", "prnewswire"]).output().unwrap();
    assert!(both(&feed).contains("shows only its latest items"), "{}", both(&feed));
    let live = backfill(&["--run", "live"]).output().unwrap();
    assert!(!live.status.success() && both(&live).contains("`live` can't be the name"), "{}", both(&live));
}

#[test]
fn daily_bars_are_fetched_beside_minutes_and_after_a_kill_each_is_there_once() {
    let Some(place) = Installation::new("daily") else { return };
    let provider = Provider::start(&place, "2025-06-02T21:00:00Z", "1", &["simulator.faults.rate_limit_every=5"]);
    let backfill = |from: &str, further: &[&str]| {
        let mut command = place.tapewire();
        let days =
            ["--from", from, "--to", "2025-06-02", "--symbols", "AAPL,MSFT", "--prices", "massive", "--news", "none"];
        provider.with(command.arg("backfill").args(days).args(further));
        command
    };
    let daily = |run: &str| {
        let bars = format!("FROM bars FINAL WHERE run = '{run}' AND width_s = 86400");
        let sums = "symbol, count(), uniqExact(start), round(sum(close), 4), min(start), max(start), any(width_s)";
        place.query(&format!("SELECT {sums} {bars} GROUP BY symbol ORDER BY symbol"))
    };
    let days = ["--bar-width", "1d"];
    let whole = succeeded(backfill("2025-05-01", &[&days[..], &["--run", "whole"]].concat()).output().unwrap());
    let found = daily("whole");
    // 22 sessions, without Memorial Day. A bar is that of its session, from the open.
    assert_eq!(found.lines().count(), 3, "{whole} {found}");
    for line in found.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        assert_eq!(parts[1..3], ["22", "22"], "{found}");
        assert!(parts[4].starts_with("2025-05-01 13:30:00") && parts[5].starts_with("2025-06-02 13:30:00"), "{found}");
    }

    // A request a second, so that it is killed between two symbols.
    let slow = [&days[..], &["--run", "parts", "--requests-per-minute", "60"]].concat();
    let path = place.folder.path().join("state/backfill-parts.json");
    let noted = || std::fs::read_to_string(&path).unwrap_or_default();
    let mut child: Process =
        backfill("2025-05-01", &slow).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap().into();
    wait_until("the first symbol is noted", || noted().contains("\"SPY\":"));
    child.kill_9();
    assert!(noted().contains("\"ended\":false") && !noted().contains("\"MSFT\":"), "{}", noted());
    succeeded(backfill("2025-05-01", &slow).output().unwrap());
    assert_eq!(daily("parts"), found);
    let again = succeeded(backfill("2025-05-01", &slow).output().unwrap());
    assert!(again.contains("every day of it was sent before"), "{again}");

    // A run with minutes gets its days later, and the minutes are not sent again.
    succeeded(backfill("2025-05-30", &["--run", "both"]).output().unwrap());
    let both_widths = ["--run", "both", "--bar-width", "1m,1d", "--daily-from", "2025-05-01"];
    let added = succeeded(backfill("2025-05-30", &both_widths).output().unwrap());
    assert!(added.contains(" 66 bars"), "22 days of three symbols: {added}");
    assert_eq!(daily("both"), found);
    let closes = "SELECT count() = 2 AND uniqExact(last) = 1 FROM (SELECT width_s, argMax(close, start) AS last FROM bars FINAL \
                  WHERE run = 'both' AND symbol = 'SPY' AND start < '2025-05-31' GROUP BY width_s)";
    assert_eq!(place.count(closes), 1, "a day closes at the price of its last minute");
}

#[test]
fn daily_bars_that_can_not_be_fetched_are_refused_with_what_can() {
    let Some(place) = Installation::new("no_daily") else { return };
    let refused = |arguments: &[&str]| {
        let mut command = place.tapewire();
        command.args(["backfill", "--to", "2025-06-02", "--news", "none", "--symbols", "AAPL"]).args(arguments);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{arguments:?}: {}", both(&output));
        (output.status.code(), both(&output))
    };
    let (_, halts) = refused(&["--from", "2025-05-30", "--prices", "nasdaq_halts", "--bar-width", "1d"]);
    assert!(halts.contains("These have daily bars: alpaca"), "{halts}");
    let massive = ["--from", "2025-05-30", "--prices", "massive"];
    let (_, without_days) = refused(&[&massive[..], &["--daily-from", "2025-05-01"]].concat());
    assert!(without_days.contains("needs --bar-width 1d"), "{without_days}");
    let (code, hours) = refused(&[&massive[..], &["--bar-width", "1h"]].concat());
    assert!(code == Some(2) && hours.contains("there are 1m and 1d"), "{hours}");
}

#[test]
fn subscriptions_in_a_file_take_effect_without_a_restart_and_a_wrong_file_never() {
    let Some(place) = Installation::new("subscriptions") else { return };
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "60", &[]);
    let file = place.folder.path().join("subscriptions.toml");
    let subscribe = |text: &str| std::fs::write(&file, text).unwrap();
    subscribe("[prices]\nsymbols = [\"AAPL\"]\n");
    let log = place.folder.path().join("run.log");
    let mut command = place.tapewire();
    provider.with(command.args(["run", "--role", "prices,join", "--set", "subscriptions_file=subscriptions.toml"]));
    command.args(["--set", "prices.warmup=1h"]).stdin(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
    let mut pipeline: Process = command.spawn().unwrap().into();
    let bars = |symbol: &str| place.count(&format!("SELECT count() FROM bars FINAL WHERE symbol = '{symbol}'"));
    let said = |words: &str| std::fs::read_to_string(&log).unwrap().contains(words);
    wait_until("AAPL has bars", || bars("AAPL") > 1);
    assert_eq!(bars("MSFT"), 0);

    subscribe("[prices]\nsymbols = [\"AAPL\", \"MSF*\"]\n");
    let began = Instant::now();
    wait_until("the change takes effect", || said("changed subscriptions take effect"));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    wait_until("MSFT has bars", || bars("MSFT") > 1);
    assert!(bars("SPY") > 0, "the benchmark is always there");

    subscribe("[prices]\nsymbols = [\"NVDA\", \"X:BTCUSD\"]\n");
    wait_until("a wrong file is refused", || said("the changed subscriptions are refused"));
    let before = bars("MSFT");
    wait_until("the old ones go on", || bars("MSFT") > before + 2);
    assert_eq!(bars("NVDA"), 0);
    assert!(pipeline.is_running());

    subscribe("[prices]\nsymbols = [\"KO\"]\n");
    wait_until("a right one counts again", || bars("KO") > 1);
    pipeline.kill_9();
    subscribe("[prices\n");
    let mut command = place.tapewire();
    provider.with(command.args(["run", "--role", "prices", "--set", "subscriptions_file=subscriptions.toml"]));
    let output = command.output().unwrap();
    assert!(!output.status.success() && both(&output).contains("subscriptions.toml"), "{}", both(&output));
}
