//! A Kafka to test with, and a simulated provider.
//!
//! Kafka is the one `TAPEWIRE_KAFKA_BROKERS` names, under a prefix of our own, or otherwise
//! librdkafka's in-process mock cluster, so that these tests run everywhere.

#![allow(dead_code, reason = "each test file uses a part of it")]

use jiff::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use tapewire_bus::{KafkaConfig, Producer, Topic, Topics};
use tapewire_core::record::{News, Tape};
use tapewire_core::{Article, Bar, DeadLetter, NewsRecord, Symbol, TapeRecord, Watermark};
use tapewire_ingest::providers::{ApiKey, ProvidersConfig};
use tapewire_ingest::simulate::{Simulator, SimulatorConfig, point_at, urls};
use tapewire_runtime::{Clock, Shutdown, Telemetry};

/// Partitions of every topic.
pub const PARTITIONS: i32 = 3;

pub struct Kafka {
    pub config: KafkaConfig,
    pub producer: Producer,
    /// Present unless a real broker is used.
    pub mock: Option<MockCluster<'static, DefaultProducerContext>>,
}

/// A record as it is stored on a topic.
#[derive(Debug, Clone)]
pub struct StoredRecord {
    pub partition: i32,
    pub payload: Vec<u8>,
}

impl Kafka {
    pub async fn start(test: &str) -> Self {
        let Ok(brokers) = std::env::var("TAPEWIRE_KAFKA_BROKERS") else {
            println!("TAPEWIRE_KAFKA_BROKERS is not set: using librdkafka's mock cluster");
            return Self::mocked();
        };
        let unique = format!("{test}-{}-{:08x}.", std::process::id(), Clock::wall().now().subsec_nanosecond());
        let config = KafkaConfig { brokers, prefix: unique, partitions: PARTITIONS, ..KafkaConfig::default() };
        Topics::new(&config).ensure().await.unwrap();
        Self { producer: Producer::new(&config).unwrap(), config, mock: None }
    }

    /// A cluster within this process, which can be told to refuse.
    pub fn mocked() -> Self {
        let mock = MockCluster::new(1).unwrap();
        for topic in Topic::ALL {
            mock.create_topic(topic.base_name(), PARTITIONS, 1).unwrap();
        }
        let config =
            KafkaConfig { brokers: mock.bootstrap_servers(), partitions: PARTITIONS, ..KafkaConfig::default() };
        Self { producer: Producer::new(&config).unwrap(), config, mock: Some(mock) }
    }

    /// Everything on a topic, by partition and offset.
    pub async fn read(&self, topic: Topic) -> Vec<StoredRecord> {
        let (brokers, name) = (self.config.brokers.clone(), Topics::new(&self.config).name(topic));
        tokio::task::spawn_blocking(move || read(&brokers, &name)).await.unwrap()
    }

    pub async fn articles(&self) -> Vec<Article> {
        let records = self.read(Topic::News).await;
        let bodies = records.iter().map(|record| NewsRecord::decode(&record.payload).unwrap().body);
        bodies.filter_map(|body| if let News::Article(article) = body { Some(article) } else { None }).collect()
    }

    pub async fn news_watermarks(&self) -> Vec<(i32, Watermark)> {
        let records = self.read(Topic::News).await;
        let decoded =
            records.iter().map(|record| (record.partition, NewsRecord::decode(&record.payload).unwrap().body));
        decoded.filter_map(|(p, body)| if let News::Watermark(w) = body { Some((p, w)) } else { None }).collect()
    }

    pub async fn tape(&self) -> Vec<(i32, Tape)> {
        let records = self.read(Topic::Bars).await;
        records.iter().map(|record| (record.partition, TapeRecord::decode(&record.payload).unwrap().body)).collect()
    }

    pub async fn bars(&self) -> Vec<Bar> {
        self.tape()
            .await
            .into_iter()
            .filter_map(|(_, body)| if let Tape::Bar(bar) = body { Some(bar) } else { None })
            .collect()
    }

    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        self.read(Topic::DeadLetter)
            .await
            .iter()
            .map(|record| serde_json::from_slice(&record.payload).unwrap())
            .collect()
    }

    /// Removes what was made on a real broker.
    pub async fn clean(self) {
        if self.mock.is_none() {
            Topics::new(&self.config).delete().await.unwrap();
        }
    }
}

fn read(brokers: &str, topic: &str) -> Vec<StoredRecord> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "looking-on")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "20")
        .create()
        .unwrap();
    let wait = Duration::from_secs(20);
    let mut assignment = TopicPartitionList::new();
    let mut remaining = 0;
    for partition in 0..PARTITIONS {
        let (low, high) = loop {
            match consumer.fetch_watermarks(topic, partition, wait) {
                // The topic is new, and the broker asked does not know its leader yet.
                Err(KafkaError::MetadataFetch(RDKafkaErrorCode::NotLeaderForPartition)) => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                known => break known.unwrap(),
            }
        };
        remaining += high - low;
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let mut records = Vec::new();
    while remaining > 0 {
        let message = consumer.poll(wait).expect("a record that the broker says it has").unwrap();
        records.push(StoredRecord { partition: message.partition(), payload: message.payload().unwrap().to_vec() });
        remaining -= 1;
    }
    records.sort_by_key(|record| record.partition);
    records
}

/// Name of the provider whose protocol the simulator speaks.
pub const SIMULATED: &str = tapewire_ingest::simulate::PROVIDER;

/// A provider on loopback, and how to reach it.
pub struct Provider {
    pub simulator: Simulator,
    pub providers: ProvidersConfig,
    pub clock: Clock,
    pub shutdown: Shutdown,
}

impl Provider {
    pub async fn start(config: SimulatorConfig, origin: &str, speed: f64) -> Self {
        let clock = Clock::accelerated(origin.parse().unwrap(), speed);
        let shutdown = Shutdown::new();
        let config = SimulatorConfig { listen: ([127, 0, 0, 1], 0).into(), api_key: ApiKey::new("the-key"), ..config };
        let simulator = Simulator::new(config, clock.clone(), shutdown.clone());
        let listener = simulator.listen().await.unwrap();
        let (rest_url, websocket_url) = urls(listener.local_addr().unwrap());
        tokio::spawn(simulator.clone().serve(listener));
        let mut providers = ProvidersConfig::default();
        point_at(&mut providers, &rest_url, &websocket_url, &ApiKey::new("the-key"));
        Self { simulator, providers, clock, shutdown }
    }

    /// Settings for the same provider, with a key that it refuses.
    pub fn with_wrong_key(&self) -> ProvidersConfig {
        let mut providers = self.providers.clone();
        providers.entry(SIMULATED).api_key = ApiKey::new("wrong-key");
        providers
    }
}

/// A counter of this process, summed over its labels.
pub fn counted(name: &str) -> f64 {
    static TELEMETRY: OnceLock<Telemetry> = OnceLock::new();
    let text = TELEMETRY.get_or_init(|| Telemetry::install().unwrap()).render();
    let values = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.map(|value| value.parse::<f64>().unwrap()).sum()
}

/// Waits until `done` is true. There is no timeout here: whoever runs the tests ends one that hangs.
pub async fn until(mut done: impl AsyncFnMut() -> bool) {
    while !done().await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes the next save of a state file fail as on a full disk. The poller or feed removes what it could not write, and with
/// it the full disk.
pub fn fill_disk_of(folder: &Path, state_file: &str) -> PathBuf {
    let written_first = folder.join(state_file).with_extension("new");
    std::os::unix::fs::symlink("/dev/full", &written_first).unwrap();
    written_first
}

/// A number from the environment, for tests that can be made longer by hand.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

pub fn symbol(name: &str) -> Symbol {
    Symbol::new(name).unwrap()
}

pub fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}
