//! Of two processes of a role one works. When it is killed, or stands still, the other takes over: no article is
//! missing, and each alert is sent once. (The role `prices` takes its lease in the same way as `news`; that a feed goes
//! on after a crash is tested in `ingest`.)
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "standby/webhook.rs"]
mod webhook;

mod support;

use std::process::{Command, Stdio};
use std::time::Duration;
use support::provider::{Provider, free_port, get};
use support::servers::Servers;
use support::{Installation, Process, wait_until};
use webhook::Webhook;

/// One of the processes.
struct Member {
    role: &'static str,
    address: String,
    process: Process,
}

impl Member {
    /// Starts a process of a role. `set` adds what it needs besides.
    fn start(place: &Installation, role: &'static str, name: &str, set: impl FnOnce(&mut Command)) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = place.tapewire();
        command.args(["run", "--role", role, "--set", &format!("listen={address}")]);
        set(&mut command);
        let log = std::fs::File::create(place.folder.path().join(format!("{name}.log"))).unwrap();
        let process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap().into();
        Self { role, address, process }
    }

    /// Whether it works, or stands by.
    fn is(&self, active: bool) -> bool {
        let metrics = get(&format!("http://{}/metrics", self.address));
        let value = format!("tapewire_role_active{{role=\"{}\"}} {}", self.role, u8::from(active));
        let ready = get(&format!("http://{}/ready", self.address));
        metrics.lines().any(|line| line == value)
            && ready.contains("\"ready\":true")
            && ready.contains("standing by") != active
    }
}

#[test]
fn of_two_processes_one_works_and_the_other_takes_over() {
    let Some(place) = Installation::new("standby") else { return };
    let provider = Provider::start(&place, "2025-06-02T18:00:00Z", "30", &["simulator.articles_per_hour=200"]);
    let _join = place.role("join");
    let start = |name| {
        Member::start(&place, "news", name, |command| {
            // These processes use the wall clock, by which the simulated day is far in the past.
            provider.with(command.args(["--set", "news.lookback=24000h", "--set", "news.every=1s"]));
        })
    };

    let mut first = start("first");
    wait_until("the first process works", || first.is(true));
    let second = start("second");
    wait_until("the second process stands by", || second.is(false));
    wait_until("the first process still works", || first.is(true));
    wait_until("articles arrive", || place.count("SELECT count() FROM articles") > 5);

    first.process.kill_9();
    wait_until("the second process takes over", || second.is(true));
    provider.assert_complete(&place);

    let third = start("third");
    wait_until("the third process stands by", || third.is(false));
    second.process.signal("-STOP");
    wait_until("the third process takes over", || third.is(true));
    second.process.signal("-CONT");
    wait_until("the second process stands by", || second.is(false));
    assert!(third.is(true));
    provider.assert_complete(&place);

    // One that is told to stop hands over at once.
    third.process.signal("-TERM");
    wait_until("the second process works again", || second.is(true));
    provider.assert_complete(&place);
}

/// Processes of the role `alerts`, and where they send what they find.
struct Watch<'a> {
    place: &'a Installation,
    webhook: Webhook,
}

impl Watch<'_> {
    fn start(&self, name: &str) -> Member {
        Member::start(self.place, "alerts", name, |command| {
            command.env("TAPEWIRE_ALERTS_WEBHOOK_URL", &self.webhook.url);
            // The sources of the settings are not followed here.
            command.args(["--set", "alerts.every=1s", "--set", "alerts.stale_after=0s"]);
        })
    }

    /// The price of a symbol falls just now.
    fn falls(&self, symbol: &str) {
        let row = format!("('live', '{symbol}', 60, now64(6) - 120, 1, 98.5, -0.02, -9, true)");
        let columns = "run, symbol, width_s, start, version, close, log_return, robust_z_60, is_anomaly";
        let said = self.place.query(&format!("INSERT INTO indicators ({columns}) VALUES {row}"));
        assert_eq!(said, "");
    }

    /// Waits until the alert of a symbol was sent, and the table says so.
    fn wait_for(&self, symbol: &str) {
        wait_until(&format!("the alert of {symbol} is sent"), || self.webhook.subjects().iter().any(|is| is == symbol));
        let written = format!("SELECT count() FROM alerts WHERE subject = '{symbol}' AND target = 'webhook'");
        wait_until("the table has it", || self.place.count(&written) > 0);
    }
}

#[test]
fn each_alert_is_sent_once_whichever_process_works() {
    let Some(place) = Installation::new("standby_alerts") else { return };
    let watch = Watch { place: &place, webhook: Webhook::start() };
    let mut first = watch.start("first");
    wait_until("the first process works", || first.is(true));
    let second = watch.start("second");
    wait_until("the second process stands by", || second.is(false));
    watch.falls("AAA");
    watch.wait_for("AAA");

    first.process.kill_9();
    watch.falls("BBB");
    watch.wait_for("BBB");
    wait_until("the second process has taken over", || second.is(true));

    let third = watch.start("third");
    wait_until("the third process stands by", || third.is(false));
    second.process.signal("-STOP");
    watch.falls("CCC");
    watch.wait_for("CCC");
    // It takes itself for the process that works until it hears of the other, and does not know what that one has sent.
    second.process.signal("-CONT");
    wait_until("the second process stands by", || second.is(false));
    assert!(third.is(true));

    third.process.signal("-TERM");
    watch.falls("DDD");
    watch.wait_for("DDD");
    wait_until("the second process works again", || second.is(true));
    // Some more checks, which find all of them.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(watch.webhook.subjects(), ["AAA", "BBB", "CCC", "DDD"]);
}

#[test]
fn alerts_are_sent_while_no_broker_can_be_reached() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: standby: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::start(folder.path().join("servers"), 27_000, &[]);
    let place = Installation::on("standby_broker", &servers.brokers, &servers.clickhouse);
    let watch = Watch { place: &place, webhook: Webhook::start() };
    let first = watch.start("first");
    wait_until("the first process works", || first.is(true));
    let second = watch.start("second");
    wait_until("the second process stands by", || second.is(false));

    servers.stack(&["kill", "kafka"]);
    // Longer than a process keeps the roles `news` and `prices` then.
    std::thread::sleep(Duration::from_secs(70));
    watch.falls("AAA");
    watch.wait_for("AAA");
    assert!(first.is(true));

    servers.stack(&["up"]);
    wait_until("one of them works, and the other stands by", || {
        first.is(true) && second.is(false) || first.is(false) && second.is(true)
    });
    // The brokers may still give the lease to the other one.
    std::thread::sleep(Duration::from_secs(20));
    watch.falls("BBB");
    watch.wait_for("BBB");
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(watch.webhook.subjects(), ["AAA", "BBB"]);
}
