//! Of two processes of the role `news` one works. When it is killed, or stands still, the other takes over, and no article is
//! missing. (The role `prices` takes its lease in the same way; that a feed goes on after a crash is tested in `ingest`.)
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::process::Stdio;
use support::provider::{Provider, free_port, get};
use support::{Installation, Process, wait_until};

/// One of the processes.
struct Member {
    address: String,
    process: Process,
}

impl Member {
    fn start(place: &Installation, provider: &Provider, name: &str) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = place.tapewire();
        provider.with(command.args(["run", "--role", "news", "--set", &format!("listen={address}")]));
        // These processes use the wall clock, by which the simulated day is far in the past.
        for setting in ["news.lookback=24000h", "news.every=1s"] {
            command.args(["--set", setting]);
        }
        let log = std::fs::File::create(place.folder.path().join(format!("{name}.log"))).unwrap();
        let process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap().into();
        Self { address, process }
    }

    /// Whether it works, or stands by.
    fn is(&self, active: bool) -> bool {
        let metrics = get(&format!("http://{}/metrics", self.address));
        let value = format!("tapewire_role_active{{role=\"news\"}} {}", u8::from(active));
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

    let mut first = Member::start(&place, &provider, "first");
    wait_until("the first process works", || first.is(true));
    let second = Member::start(&place, &provider, "second");
    wait_until("the second process stands by", || second.is(false));
    wait_until("the first process still works", || first.is(true));
    wait_until("articles arrive", || place.count("SELECT count() FROM articles") > 5);

    first.process.kill_9();
    wait_until("the second process takes over", || second.is(true));
    provider.assert_complete(&place);

    let third = Member::start(&place, &provider, "third");
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
