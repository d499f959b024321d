//! How many trades a second become bars from topic to topic:
//! `TAPEWIRE_KAFKA_BROKERS=… cargo run --release -p tapewire-ingest --example fold_topics -- [TRADES [MEMBERS]]`.
//!
//! The trades are of 500 symbols on four partitions, some are late, and there is a watermark for each minute; bars are of 1 s,
//! 1 min and 5 min. Sending the trades, and the time in which the members find each other, are not part of the time.

use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
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

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let wanted: usize = arguments.next().map_or(Ok(4_000_000), |text| text.parse())?;
    let members: usize = arguments.next().map_or(Ok(2), |text| text.parse())?;
    let brokers = std::env::var("TAPEWIRE_KAFKA_BROKERS")?;
    let prefix = format!("fold_topics_{}.", std::process::id());
    let kafka = KafkaConfig { brokers, prefix, partitions: PARTITIONS, ..KafkaConfig::default() };
    Topics::new(&kafka).ensure().await?;
    let sent = send(&kafka, wanted).await?;
    let shutdown = Shutdown::new();
    let config = BarsConfig { widths: ["1s", "1m", "5m"].map(str::to_owned).to_vec(), ..BarsConfig::default() };
    let mut running = Vec::new();
    for _ in 0..members {
        let (kafka, config, shutdown) = (kafka.clone(), config.clone(), shutdown.clone());
        running.push(tokio::spawn(async move {
            fold::run(&kafka, &config, Clock::wall(), Readiness::default(), shutdown).await
        }));
    }
    let unread = async || lag(&kafka, GROUP, &[Topic::Trades]).await;
    let all = unread().await?;
    let mut first = unread().await?;
    while first == all {
        tokio::time::sleep(Duration::from_millis(20)).await;
        first = unread().await?;
    }
    let (began, worked) = (Instant::now(), processor_time());
    while unread().await? > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (rate, worked) = (first as f64 / began.elapsed().as_secs_f64() / 1e6, processor_time() - worked);
    println!("{sent} trades of {SYMBOLS} symbols, {members} members: {rate:.2} M records/s from topic to topic,");
    println!("{:.2} µs of this process's processor time for each", worked * 1e6 / first as f64);
    shutdown.cancel();
    for member in running {
        member.await??;
    }
    Topics::new(&kafka).delete().await?;
    Ok(())
}

/// Seconds that this process has computed; 0 where the system does not say it.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // User and system time, in hundredths of a second.
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Sends about this number of trades.
async fn send(kafka: &KafkaConfig, wanted: usize) -> Result<usize, Box<dyn std::error::Error>> {
    let symbols = (0..SYMBOLS).map(|i| Symbol::new(&format!("S{i}"))).collect::<Result<Vec<_>, _>>()?;
    let mut writer = Writer::new(Producer::new(kafka)?, Run::live(), []);
    let stream = WatermarkStream::prices(0, 1, "source").with_folds(true);
    let mut rng = SmallRng::seed_from_u64(1);
    let start: Timestamp = "2025-06-02T13:30:00Z".parse()?;
    writer.gap("source", Timestamp::UNIX_EPOCH, start).await?;
    let mut number = 0;
    for second in 0.. {
        let now = start + SignedDuration::from_secs(second);
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
    writer.flush().await?;
    Ok(number)
}
