//! Faults in the middle of a replay, in an order that a seed chooses: processes and servers are killed, or stopped for a
//! while, records come twice, and some can't be read. The tables are those of an undisturbed replay, row for row.
//!
//! ```text
//! SEED=7 SEEDS=20 cargo test --release --locked --workspace --test chaos -- --nocapture
//! ```
//!
//! runs the seeds 7 to 26, with [`FAULTS`] faults each, or as many as `FAULTS` says. A seed repeats the sequence of faults
//! and the times between them. At which record each strikes depends on how fast the machine is.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use support::servers::Servers;
use support::{Installation, Process, small_market, wait_until};
use tapewire_bus::{Consumer, Event, KafkaConfig, Producer, Topic};
use tapewire_testkit::Dice;

const ARTICLES: usize = 600;
const FAULTS: u64 = 8;

/// After this long without a new row a replay counts as stalled.
const STALLED: Duration = Duration::from_mins(3);

/// The topics that get records twice, and records that can't be read.
const TOPICS: [Topic; 3] = [Topic::News, Topic::Sentiment, Topic::Bars];

const ROLES: [&str; 2] = ["sentiment", "join"];
const SERVERS: [&str; 2] = ["clickhouse", "kafka"];

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// kill -9 of the process of a role; another one is started.
    KillRole(usize),
    /// A process of a role does nothing for a while.
    PauseRole(usize, Duration),
    /// kill -9 of the replay, before it has sent everything or after; the same command is given again.
    KillReplay,
    /// kill -9 of a server, which is started again.
    KillServer(&'static str),
    /// A server does nothing for a while.
    PauseServer(&'static str, Duration),
    /// A topic gets a record that can't be read.
    Unreadable(Topic),
    /// Records of a topic come again, in another order.
    Twice(Topic),
}

impl Fault {
    fn drawn(dice: &mut Dice) -> Self {
        // From less to more than Kafka's session time-out, after which the broker loses its partitions for a while.
        let time = Duration::from_millis(200 + dice.below(6_000));
        match dice.below(20) {
            0..=2 => Self::KillRole(0),
            3..=5 => Self::KillRole(1),
            6 => Self::PauseRole(0, time),
            7 => Self::PauseRole(1, time),
            8..=9 => Self::KillReplay,
            10..=11 => Self::KillServer(dice.of(&SERVERS)),
            12..=14 => Self::PauseServer(dice.of(&SERVERS), time),
            15..=17 => Self::Unreadable(dice.of(&TOPICS)),
            _ => Self::Twice(dice.of(&TOPICS)),
        }
    }
}

/// A replay with each role in a process of its own.
struct Market<'a> {
    servers: &'a Servers,
    place: Installation,
    news: PathBuf,
    bars: PathBuf,
    roles: [Process; 2],
    replay: Process,
    /// The bytes that no stage can read.
    unreadable: Vec<String>,
}

/// Starts to send a replay.
fn send(place: &Installation, run: &str, news: &Path, bars: &Path) -> Process {
    let mut replay = place.tapewire();
    replay.args(["replay", "--send-only", "--benchmark", "MKT", "--run", run]);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(place.folder.path().join("replay.log"));
    replay.arg("--news").arg(news).arg("--bars").arg(bars);
    replay.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap().into()
}

impl<'a> Market<'a> {
    fn start(name: &str, servers: &'a Servers, news: &Path, bars: &Path) -> Self {
        let mut place = Installation::on(name, &servers.brokers, &servers.clickhouse);
        place.set("TAPEWIRE_PRICES_BENCHMARK", "MKT");
        // Small batches, so that a role can be killed in the middle of its work.
        place.set("TAPEWIRE_SENTIMENT_BATCH_TOKENS", "128");
        // Which model scores does not matter here, and this one takes half the time.
        place.set("TAPEWIRE_MODEL", "tapewire-minilm-sentiment");
        let roles = ROLES.map(|role| place.role(role));
        let replay = send(&place, "chaos", news, bars);
        Self { servers, place, news: news.into(), bars: bars.into(), roles, replay, unreadable: Vec::new() }
    }

    fn kafka(&self) -> KafkaConfig {
        let prefix = format!("{}-", self.place.database());
        KafkaConfig { brokers: self.servers.brokers.clone(), prefix, ..KafkaConfig::default() }
    }

    async fn strike(&mut self, fault: Fault, dice: &mut Dice) {
        match fault {
            Fault::KillRole(role) => {
                self.assert_running(role);
                self.roles[role].kill_9();
                self.roles[role] = self.place.role(ROLES[role]);
            }
            Fault::PauseRole(role, time) => {
                self.assert_running(role);
                self.roles[role].pause(time);
            }
            Fault::KillReplay => {
                self.replay.kill_9();
                self.replay = send(&self.place, "chaos", &self.news, &self.bars);
            }
            Fault::KillServer(server) => self.servers.kill(server),
            Fault::PauseServer(server, time) => self.servers.pause(server, time),
            Fault::Unreadable(topic) => self.send_unreadable(topic, dice).await,
            Fault::Twice(topic) => self.send_again(topic, dice).await,
        }
    }

    /// No fault may end a role.
    fn assert_running(&mut self, role: usize) {
        let name = ROLES[role];
        assert!(self.roles[role].is_running(), "the role {name} has ended by itself\n{}", self.log(name));
    }

    async fn send_unreadable(&mut self, topic: Topic, dice: &mut Dice) {
        let number = self.unreadable.len();
        // Half a record, a record of another shape, and no JSON.
        let of_kind = [r#"{"v":1,"run":"chaos","body":{"#, r#"{"v":1,"run":"chaos","body":[]}"#, "symbol,price"];
        let text = format!("{} {number}", dice.of(&of_kind));
        let producer = Producer::new(&self.kafka()).unwrap();
        let partition = dice.below(3) as i32;
        let sent = producer.enqueue_to(topic, partition, "chaos", text.as_bytes()).await.unwrap();
        sent.acknowledged().await.unwrap();
        self.unreadable.push(text);
    }

    /// Sends up to 50 of the topic's records again, the later ones first. Watermarks are not among them: that of the end
    /// of a replay would begin the replay again.
    async fn send_again(&self, topic: Topic, dice: &mut Dice) {
        let config = self.kafka();
        let mut consumer = Consumer::new(&config, "chaos", &[topic], |_, _| 0).unwrap();
        let mut records = Vec::new();
        let wanted = 1 + dice.below(400) as usize;
        while records.len() < wanted {
            // The first record may be long in coming, after a server was killed; the others are there.
            let limit = if records.is_empty() { STALLED } else { Duration::from_secs(5) };
            let Ok(event) = tokio::time::timeout(limit, consumer.next()).await else { break };
            match event.unwrap() {
                Event::Record(record) if !String::from_utf8_lossy(&record.payload).contains(r#"{"watermark":"#) => {
                    records.push(record);
                }
                _ => {}
            }
        }
        assert!(!records.is_empty(), "nothing of {topic:?} was read");
        let producer = Producer::new(&config).unwrap();
        for record in records.iter().rev().take(50) {
            let sent = producer.enqueue_to(topic, record.partition, "chaos", &record.payload).await.unwrap();
            sent.acknowledged().await.unwrap();
        }
    }

    /// Whether the replay has succeeded. One that failed, because it lost its server, is started again.
    fn has_ended(&mut self) -> bool {
        let Some(status) = self.replay.ended() else { return false };
        if !status.success() {
            println!("  the replay ended with an error, and is started again: {}", last_line(&self.log("replay")));
            self.replay = send(&self.place, "chaos", &self.news, &self.bars);
        }
        status.success()
    }

    fn log(&self, of: &str) -> String {
        std::fs::read_to_string(self.place.folder.path().join(format!("{of}.log"))).unwrap()
    }

    /// Waits until the replay has ended. Panics once no row was written for [`STALLED`].
    fn wait_for_end(&mut self) {
        let (mut rows, mut since) = (0, Instant::now());
        while !self.has_ended() {
            // 0 while the server is away.
            let now = self.place.count("SELECT (SELECT count() FROM mentions) + (SELECT count() FROM impact)");
            if now != rows {
                (rows, since) = (now, Instant::now());
            }
            let logs = || ["replay", "sentiment", "join"].map(|of| format!("{of}:\n{}", self.log(of))).join("\n");
            assert!(since.elapsed() < STALLED, "the replay stands at {rows} rows\n{}", logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Checks what has to hold after any faults; returns the rows of all tables.
    fn checked(&mut self) -> String {
        let articles = self.place.count("SELECT uniqExact(article_id) FROM impact");
        assert_eq!(articles, ARTICLES as u64, "{}", self.log("replay"));
        (0..ROLES.len()).for_each(|role| self.assert_running(role));
        let content = self.place.content();
        let letters = "SELECT DISTINCT bytes FROM dead_letters ORDER BY bytes FORMAT TSVRaw";
        let mut expected = self.unreadable.clone();
        expected.sort();
        wait_until("every unreadable record is a dead letter", || {
            self.place.query(letters).lines().count() >= expected.len()
        });
        assert_eq!(self.place.query(letters).lines().collect::<Vec<_>>(), expected);
        content
    }

    /// How long one more article takes, from the command to its row.
    fn fresh_article(&self) -> Duration {
        let text = std::fs::read_to_string(&self.news).unwrap();
        let fresh = self.place.folder.path().join("fresh.jsonl");
        std::fs::write(&fresh, text.lines().next().unwrap()).unwrap();
        let began = Instant::now();
        let mut replay = send(&self.place, "fresh", &fresh, &self.bars);
        wait_until("one more article is joined", || replay.ended().is_some());
        assert!(replay.ended().unwrap().success(), "{}", self.log("replay"));
        began.elapsed()
    }
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

async fn disturbed(seed: u64, faults: u64, servers: &Servers, news: &Path, bars: &Path) -> String {
    let mut dice = Dice(seed);
    let mut market = Market::start(&format!("chaos_{seed}"), servers, news, bars);
    // Before that, most of what is killed has done nothing yet.
    wait_until("mentions are being written", || market.place.count("SELECT count() FROM mentions") > 0);
    let mut struck = 0;
    for _ in 0..faults {
        std::thread::sleep(Duration::from_millis(100 + dice.below(3_000)));
        let fault = Fault::drawn(&mut dice);
        if market.has_ended() {
            println!("  the replay is over");
            break;
        }
        println!("  at {} mentions: {fault:?}", market.place.count("SELECT count() FROM mentions"));
        market.strike(fault, &mut dice).await;
        struck += 1;
    }
    assert!(struck >= faults.min(3), "the replay was over after {struck} faults");
    market.wait_for_end();
    let content = market.checked();
    println!("  one more article took {:.1} s", market.fresh_article().as_secs_f64());
    content
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_the_same_after_faults_in_any_order() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: chaos: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((news, bars)) = small_market("chaos", folder.path(), ARTICLES) else { return };
    let servers = Servers::start(folder.path().join("servers"), 21_000, &[]);
    let mut undisturbed = Market::start("calm", &servers, &news, &bars);
    undisturbed.wait_for_end();
    let expected = undisturbed.checked();
    drop(undisturbed);
    let (first, faults) = (number("SEED", 1), number("FAULTS", FAULTS));
    for seed in first..first + number("SEEDS", 1) {
        println!("SEED={seed}");
        let content = disturbed(seed, faults, &servers, &news, &bars).await;
        if content != expected {
            let differ = content.lines().zip(expected.lines()).filter(|(found, expected)| found != expected);
            let shown: Vec<String> = differ.take(5).map(|(found, expected)| format!("{found}\n{expected}")).collect();
            panic!("SEED={seed}: the tables differ from those of an undisturbed replay:\n{}", shown.join("\n"));
        }
    }
}
