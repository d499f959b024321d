//! How many trades a second become bars from topic to topic.
//!
//! ```text
//! TAPEWIRE_KAFKA_BROKERS=… cargo run --release -p tapewire-ingest --example fold_topics -- [TRADES [MEMBERS]]
//! TAPEWIRE_KAFKA_BROKERS=… cargo run --release -p tapewire-ingest --example fold_topics -- resident TRADES MEMBERS
//! ```
//!
//! The trades are of 500 symbols on four partitions, some are late, and there is a watermark for each minute; bars are of 1 s,
//! 1 min and 5 min. Sending the trades, and the time in which the members find each other, are not part of the time.
//!
//! `resident` is for `bench/fold`, with bars of 1 min only. It sends the trades, names the topics, and answers each line `run`
//! on its standard input with the time in which a group of new members makes bars of all of them.
#![allow(clippy::print_stdout, reason = "a measuring tool: it prints what it measured")]

use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::types::RDKafkaErrorCode;
use serde_json::json;
use std::error::Error;
use std::time::{Duration, Instant};
use tapewire_bus::{KafkaConfig, Producer, Topic, Topics, lag::lag};
use tapewire_core::{BarUpdates, Run, Symbol, Trade};
use tapewire_ingest::fold::{self, BarsConfig, GROUP};
use tapewire_ingest::writer::{WatermarkStream, Writer};
use tapewire_runtime::{Clock, Readiness, Shutdown};

const SYMBOLS: usize = 500;
/// In each second of the market.
const TRADES_A_SECOND: usize = 20_000;
const PARTITIONS: i32 = 4;
/// Longest wait for members that have left a group to be gone.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let prefix = format!("fold_topics_{}.", std::process::id());
    let brokers = std::env::var("TAPEWIRE_KAFKA_BROKERS")?;
    // A member notices with a heartbeat that another has joined, by default after up to 3 s.
    let properties = [("heartbeat.interval.ms".to_owned(), "300".to_owned())].into();
    let kafka = KafkaConfig { brokers, prefix, partitions: PARTITIONS, properties, ..KafkaConfig::default() };
    match words[..] {
        ["resident", trades, members] => resident(&kafka, trades.parse()?, members.parse()?).await?,
        [] => once(&kafka, 4_000_000, 2).await?,
        [trades] => once(&kafka, trades.parse()?, 2).await?,
        [trades, members] => once(&kafka, trades.parse()?, members.parse()?).await?,
        _ => return Err("see the top of ingest/examples/fold_topics.rs".into()),
    }
    Topics::new(&kafka).delete().await?;
    Ok(())
}

async fn once(kafka: &KafkaConfig, wanted: usize, members: usize) -> Result<(), Box<dyn Error>> {
    let config = BarsConfig { widths: ["1s", "1m", "5m"].map(str::to_owned).to_vec(), ..BarsConfig::default() };
    Topics::new(kafka).ensure().await?;
    let Sent { trades, .. } = send(kafka, wanted).await?;
    let Measured { records, wall, cpu_s, .. } = measure(kafka, &config, members).await?;
    let rate = records as f64 / wall.as_secs_f64() / 1e6;
    println!("{trades} trades of {SYMBOLS} symbols, {members} members: {rate:.2} M records/s from topic to topic,");
    println!("{:.2} µs of this process's processor time for each", cpu_s * 1e6 / records as f64);
    Ok(())
}

/// Answers until the standard input ends.
async fn resident(kafka: &KafkaConfig, wanted: usize, members: usize) -> Result<(), Box<dyn Error>> {
    // The lateness is the same as the watermark's delay of Spark in `bench/fold/spark.py`.
    let config = BarsConfig { widths: vec!["1m".into()], lateness: Duration::from_secs(10), ..BarsConfig::default() };
    let topics = Topics::new(kafka);
    topics.ensure().await?;
    let sent = send(kafka, wanted).await?;
    let (trades, bars) = (topics.name(Topic::Trades), topics.name(Topic::Bars));
    let (from, to) = (sent.from.as_microsecond(), sent.to.as_microsecond());
    let of_topics = json!({ "trades": trades, "bars": bars, "partitions": PARTITIONS });
    println!("{}", json!({ "ready": true, "sent": sent.trades, "from": from, "to": to, "topics": of_topics }));
    for line in std::io::stdin().lines() {
        let line = line?;
        if line != "run" {
            return Err(format!("`{line}` is no question; ask `run`").into());
        }
        let Measured { records, wall, whole, cpu_s } = measure(kafka, &config, members).await?;
        let (wall_s, whole_s) = (wall.as_secs_f64(), whole.as_secs_f64());
        println!("{}", json!({ "records": records, "wall_s": wall_s, "whole_s": whole_s, "cpu_s": cpu_s }));
        forget(kafka).await?;
    }
    Ok(())
}

/// What happened from the first commit of the group to its last.
struct Measured {
    /// Records that were read meanwhile.
    records: u64,
    wall: Duration,
    /// From the start of the members to the last commit.
    whole: Duration,
    /// Processor time of this process.
    cpu_s: f64,
}

/// Starts members, waits until they have read everything, and stops them.
async fn measure(kafka: &KafkaConfig, config: &BarsConfig, members: usize) -> Result<Measured, Box<dyn Error>> {
    let unread = async || lag(kafka, GROUP, &[Topic::Trades]).await;
    let all = unread().await?;
    let shutdown = Shutdown::new();
    let started = Instant::now();
    let mut running = Vec::new();
    for _ in 0..members {
        let (kafka, config, shutdown) = (kafka.clone(), config.clone(), shutdown.clone());
        running.push(tokio::spawn(async move {
            fold::run(&kafka, &config, Clock::wall(), Readiness::default(), shutdown).await
        }));
    }
    // One that has ended before it was told to has failed, and its error is returned below.
    let has_failed = || running.iter().any(|member| member.is_finished());
    let mut first = all;
    while first == all && !has_failed() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        first = unread().await?;
    }
    let (began, worked) = (Instant::now(), processor_time());
    while unread().await? > 0 && !has_failed() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let measured =
        Measured { records: first, wall: began.elapsed(), whole: started.elapsed(), cpu_s: processor_time() - worked };
    shutdown.cancel();
    for member in running {
        member.await??;
    }
    Ok(measured)
}

/// Deletes the group, so that the next members read the topic from its beginning.
async fn forget(kafka: &KafkaConfig) -> Result<(), Box<dyn Error>> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create()?;
    let group = format!("{}{GROUP}", kafka.prefix);
    let deadline = Instant::now() + LEAVES_WITHIN;
    loop {
        match admin.delete_groups(&[&group], &AdminOptions::new()).await?.pop() {
            Some(Err((_, RDKafkaErrorCode::NonEmptyGroup))) if Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Some(Err((group, code))) => return Err(format!("group {group} can't be deleted: {code}").into()),
            None | Some(Ok(_)) => return Ok(()),
        }
    }
}

/// Seconds that this process has computed; 0 where the system does not say it.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths of a second.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

struct Sent {
    trades: usize,
    /// The first moment of which all trades were sent, and the end of the second that the last trade is of.
    from: Timestamp,
    to: Timestamp,
}

/// Sends about this number of trades, and a last watermark that completes all of their bars.
async fn send(kafka: &KafkaConfig, wanted: usize) -> Result<Sent, Box<dyn Error>> {
    let symbols = (0..SYMBOLS).map(|i| Symbol::new(&format!("S{i}"))).collect::<Result<Vec<_>, _>>()?;
    let mut writer = Writer::new(Producer::new(kafka)?, Run::live(), []);
    let stream = WatermarkStream::prices(0, 1, "source").with_folds(true);
    let mut rng = SmallRng::seed_from_u64(1);
    let start: Timestamp = "2025-06-02T13:30:00Z".parse()?;
    writer.gap("source", Timestamp::UNIX_EPOCH, start).await?;
    let (mut number, mut now) = (0, start);
    for second in 0.. {
        now = start + SignedDuration::from_secs(second);
        if second % 60 == 0 {
            writer.emit_tape_watermark(&stream, now).await?;
        }
        if number >= wanted {
            break;
        }
        for i in 0..TRADES_A_SECOND {
            let late = if rng.random_range(0..100) == 0 { rng.random_range(0..5_000_000) } else { 0 };
            number += 1;
            let trade = Trade {
                symbol: symbols[rng.random_range(0..SYMBOLS)].clone(),
                at: now + SignedDuration::from_micros((i * 1_000_000 / TRADES_A_SECOND) as i64 - late),
                id: number.to_string(),
                sequence: number as u64,
                price: 100.0 + f64::from(rng.random_range(0..1000_u32)) / 100.0,
                size: f64::from(rng.random_range(1..500_u32)),
                counts: BarUpdates::EVERYTHING,
                replaces: None,
                received_at: now,
            };
            writer.fold_trade("source", trade).await?;
        }
    }
    writer.emit_tape_watermark(&stream, now + SignedDuration::from_secs(300)).await?;
    writer.flush().await?;
    Ok(Sent { trades: number, from: start, to: now })
}
