//! Faults in the middle of a replay, in an order that a seed chooses: processes and servers are killed, or stopped for
//! a while, the network is cut or slow, records come twice, and some can't be read. The tables are those of an
//! undisturbed replay, row for row.
//!
//! ```text
//! SEED=7 SEEDS=20 cargo test --release --locked --workspace --test chaos -- --nocapture
//! ```
//!
//! runs the seeds 7 to 26, with [`FAULTS`] faults each, or as many as `FAULTS` says. A seed repeats the sequence of faults
//! and the times between them. At which record each strikes depends on how fast the machine is.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};
use support::market::{ARTICLES, JOIN, Market, SENTIMENT, STALLED};
use support::servers::Servers;
use support::{assert_same, number, small_market, wait_until};
use tapewire_bus::{Consumer, Event, KafkaConfig, Producer, Topic};
use tapewire_testkit::{Dice, Network};

const FAULTS: u64 = 8;

/// The topics that get records twice, and records that can't be read.
const TOPICS: [Topic; 3] = [Topic::News, Topic::Sentiment, Topic::Bars];

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
    /// The network to a server is another one for a while.
    Network(&'static str, Network, Duration),
    /// A topic gets a record that can't be read.
    Unreadable(Topic),
    /// Records of a topic come again, in another order.
    Twice(Topic),
}

impl Fault {
    fn drawn(dice: &mut Dice) -> Self {
        // From less to more than Kafka's session time-out, after which the broker loses its partitions for a while.
        let time = Duration::from_millis(200 + dice.below(6_000));
        match dice.below(24) {
            0..=2 => Self::KillRole(SENTIMENT),
            3..=5 => Self::KillRole(JOIN),
            6 => Self::PauseRole(SENTIMENT, time),
            7 => Self::PauseRole(JOIN, time),
            8..=9 => Self::KillReplay,
            10..=11 => Self::KillServer(dice.of(&SERVERS)),
            12..=14 => Self::PauseServer(dice.of(&SERVERS), time),
            15..=17 => Self::Unreadable(dice.of(&TOPICS)),
            18..=19 => Self::Twice(dice.of(&TOPICS)),
            20..=21 => Self::Network(dice.of(&SERVERS), Network::Cut, Self::outage(dice)),
            _ => {
                let latency = Duration::from_millis(20 + dice.below(280));
                let bytes_per_s = (32 + dice.below(480) as u32) << 10;
                let slow = Network::Slow { latency, bytes_per_s };
                Self::Network(dice.of(&SERVERS), slow, Self::outage(dice))
            }
        }
    }

    /// From one second to five.
    fn outage(dice: &mut Dice) -> Duration {
        Duration::from_millis(1_000 + dice.below(4_000))
    }
}

/// A replay, and the bytes that were sent to it and that no stage can read.
struct Struck<'a> {
    servers: &'a Servers,
    market: Market,
    unreadable: Vec<String>,
}

impl<'a> Struck<'a> {
    fn start(name: &str, servers: &'a Servers, news: &Path, bars: &Path) -> Self {
        Self { servers, market: Market::start(name, servers, news, bars), unreadable: Vec::new() }
    }

    fn kafka(&self) -> KafkaConfig {
        let prefix = format!("{}-", self.market.place.database());
        KafkaConfig { brokers: self.servers.brokers.clone(), prefix, ..KafkaConfig::default() }
    }

    async fn strike(&mut self, fault: Fault, dice: &mut Dice) {
        match fault {
            Fault::KillRole(role) => {
                self.market.assert_running(role);
                self.market.kill(role);
            }
            Fault::PauseRole(role, time) => {
                self.market.assert_running(role);
                self.market.roles[role].pause(time);
            }
            Fault::KillReplay => {
                self.market.replay.kill_9();
                self.market.send_again();
            }
            Fault::KillServer(server) => self.servers.kill(server),
            Fault::PauseServer(server, time) => self.servers.pause(server, time),
            Fault::Network(server, network, time) => self.servers.links().disturb(server, network, time),
            Fault::Unreadable(topic) => self.send_unreadable(topic, dice).await,
            Fault::Twice(topic) => self.send_again(topic, dice).await,
        }
    }

    async fn send_unreadable(&mut self, topic: Topic, dice: &mut Dice) {
        let number = self.unreadable.len();
        // Half a record, a record of another shape, and no JSON.
        let of_kind = [r#"{"v":1,"run":"market","body":{"#, r#"{"v":1,"run":"market","body":[]}"#, "symbol,price"];
        let text = format!("{} {number}", dice.of(&of_kind));
        let producer = Producer::new(&self.kafka()).unwrap();
        let partition = dice.below(producer.partitions(topic).await.unwrap() as u64) as i32;
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

    /// The rows of all tables once the replay has ended; checks that every unreadable record is a dead letter.
    fn content(&mut self) -> String {
        self.market.wait_until(Market::has_ended);
        let content = self.market.content();
        let letters = "SELECT DISTINCT bytes FROM dead_letters ORDER BY bytes FORMAT TSVRaw";
        self.unreadable.sort();
        wait_until("every unreadable record is a dead letter", || {
            self.market.place.query(letters).lines().count() >= self.unreadable.len()
        });
        assert_eq!(self.market.place.query(letters).lines().collect::<Vec<_>>(), self.unreadable);
        content
    }

    /// How long one more article takes, from the command to its row.
    fn fresh_article(&self) -> Duration {
        let text = std::fs::read_to_string(&self.market.news).unwrap();
        let fresh = self.market.place.folder.path().join("fresh.jsonl");
        std::fs::write(&fresh, text.lines().next().unwrap()).unwrap();
        let began = Instant::now();
        let mut replay = self.market.send_others("fresh", &fresh);
        wait_until("one more article is joined", || replay.ended().is_some());
        assert!(replay.ended().unwrap().success(), "{}", self.market.log("replay"));
        began.elapsed()
    }
}

async fn disturbed(seed: u64, faults: u64, servers: &Servers, news: &Path, bars: &Path) -> String {
    let mut dice = Dice(seed);
    let mut struck = Struck::start(&format!("chaos_{seed}"), servers, news, bars);
    let mentions = |struck: &Struck<'_>| struck.market.place.count("SELECT count() FROM mentions");
    // Before that, most of what is killed has done nothing yet.
    wait_until("mentions are being written", || mentions(&struck) > 0);
    let mut count = 0;
    for _ in 0..faults {
        std::thread::sleep(Duration::from_millis(100 + dice.below(3_000)));
        let fault = Fault::drawn(&mut dice);
        if struck.market.has_ended() {
            println!("  the replay is over");
            break;
        }
        println!("  at {} mentions: {fault:?}", mentions(&struck));
        struck.strike(fault, &mut dice).await;
        count += 1;
    }
    assert!(count >= faults.min(3), "the replay was over after {count} faults");
    let content = struck.content();
    println!("  one more article took {:.1} s", struck.fresh_article().as_secs_f64());
    content
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_the_same_after_faults_in_any_order() {
    if std::env::var("TAPEWIRE_KAFKA_BROKERS").is_err() {
        println!("skipped: chaos: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((news, bars)) = small_market("chaos", folder.path(), ARTICLES) else { return };
    let servers = Servers::behind_links(folder.path().join("servers"), 21_000);
    let expected = Struck::start("calm", &servers, &news, &bars).content();
    let (first, faults) = (number("SEED", 1), number("FAULTS", FAULTS));
    for seed in first..first + number("SEEDS", 1) {
        println!("SEED={seed}");
        let content = disturbed(seed, faults, &servers, &news, &bars).await;
        assert_same(&format!("SEED={seed}"), &content, &expected);
    }
}
