//! Bars of trades: the feed sends trades, the stage makes bars of them, through disconnects, kills and a slow Kafka.

use super::*;
use tapewire_core::record::{Gap, Print};
use tapewire_ingest::fold::{self, BarsConfig};
use tokio::task::JoinHandle;

fn folding() -> PricesConfig {
    PricesConfig { fold_trades: true, ..config() }
}

fn stage(kafka: &Kafka, provider: &Provider) -> JoinHandle<()> {
    let (kafka, clock) = (kafka.config.clone(), provider.clock.clone());
    let config = BarsConfig { widths: vec!["1m".into(), "5m".into()], ..BarsConfig::default() };
    tokio::spawn(async move {
        fold::run(&kafka, &config, clock, Readiness::default(), Shutdown::new()).await.unwrap();
    })
}

async fn prints(kafka: &Kafka) -> Vec<(i32, Print)> {
    let records = kafka.read(Topic::Trades).await;
    records.iter().map(|record| (record.partition, TradeRecord::decode(&record.payload).unwrap().body)).collect()
}

/// By partition, the times of which trades are missing.
///
/// A feed that is stopped after it sent a watermark and before it noted that names an earlier one when it starts again:
/// its gap then begins within a time whose trades have all been sent.
fn missing(prints: &[(i32, Print)]) -> Vec<(i32, Gap)> {
    let mut complete_to = BTreeMap::new();
    let mut gaps = Vec::new();
    for (partition, print) in prints {
        match print {
            Print::Watermark(watermark) => drop(complete_to.insert(*partition, watermark.at)),
            Print::Gap(gap) => {
                assert_eq!(gap.source, SIMULATED);
                let from = complete_to.get(partition).map_or(gap.from, |complete_to| gap.from.max(*complete_to));
                if from < gap.to {
                    gaps.push((*partition, Gap { from, ..gap.clone() }));
                }
            }
            _ => {}
        }
    }
    gaps
}

/// Whether a bar is of the stage: the connection sends a trade every ten seconds, and REST says that there were many more,
/// except of a share that is traded rarely.
fn is_folded(bar: &Bar) -> bool {
    bar.trades == Some(u64::from(bar.width_s / 10)) && bar.symbol != symbol("BRK-A")
}

/// On a partition, the closes of the benchmark's bars that are made of trades, by width in seconds and start.
fn benchmark_closes(tape: &[(i32, Tape)], partition: i32) -> BTreeMap<(u32, Timestamp), f64> {
    let of_partition = tape.iter().filter(|(number, _)| *number == partition);
    let bars = of_partition.filter_map(|(_, body)| match body {
        Tape::Bar(bar) | Tape::BenchmarkBar(bar) if bar.symbol.as_str() == "SPY" && is_folded(bar) => Some(bar),
        _ => None,
    });
    bars.map(|bar| ((bar.width_s, bar.start), bar.close)).collect()
}

#[tokio::test]
async fn bars_of_trades_are_whole_through_disconnects_and_kills() {
    let before = counted("tapewire_trade_gaps_total");
    let kafka = Kafka::start("folding").await;
    // A connection lasts about twelve minutes.
    let faults = Faults { disconnect_after: 12 * 6 * 4, ..Faults::default() };
    let provider = Provider::start(market(faults), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    let (first, second) = (time(ORIGIN) + SignedDuration::from_mins(20), time(ORIGIN) + SignedDuration::from_mins(45));
    for end in [first, second] {
        let running = stage(&kafka, &provider);
        follow(folding(), &kafka, &provider, state.path(), end).await;
        // Without a chance to commit.
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
    }
    assert!(counted("tapewire_trade_gaps_total") >= before + 3.0, "the test needs connections that break");

    let tape: Vec<(i32, Tape)> = kafka.tape().await;
    let minutes: Vec<(i32, Tape)> = tape
        .iter()
        .filter(|(_, body)| !matches!(body, Tape::Bar(bar) | Tape::BenchmarkBar(bar) if bar.width_s != 60))
        .cloned()
        .collect();
    let from = time(ORIGIN) - SignedDuration::from_hours(20);
    let wanted = expected(&provider, &config().symbols, from, watermark(&tape).unwrap());
    check_watermarks(&minutes, &wanted);
    let bars: Vec<(i32, Bar)> = minutes
        .into_iter()
        .filter_map(|(p, body)| if let Tape::Bar(bar) = body { Some((p, bar)) } else { None })
        .collect();
    let folded: BTreeSet<_> = bars
        .iter()
        .filter(|(_, bar)| is_folded(bar))
        .map(|(partition, bar)| (*partition, bar.symbol.clone(), bar.start))
        .collect();
    let held = held(bars.into_iter().map(|(_, bar)| bar).collect());
    for (key, close) in &wanted {
        assert_eq!(held[key].close, *close, "{key:?}");
    }
    assert!(folded.len() > 30, "{} bars are of trades", folded.len());

    // No bar is made of trades that may be missing, and the benchmark's bars are the same on every partition.
    let gaps = missing(&prints(&kafka).await);
    assert!(gaps.len() >= 6);
    let end = |start: Timestamp| start + SignedDuration::from_mins(1);
    for (partition, symbol, start) in &folded {
        let mut of_partition = gaps.iter().filter(|(of, _)| of == partition);
        let is_whole = of_partition.all(|(_, gap)| gap.to <= *start || end(*start) <= gap.from);
        assert!(is_whole, "{symbol} {start} on {partition}: {gaps:?}");
    }
    let common = |partition| {
        benchmark_closes(&tape, partition).into_iter().filter(|((_, start), _)| *start < first).collect::<Vec<_>>()
    };
    assert!(!common(0).is_empty() && (1..PARTITIONS).all(|partition| common(partition) == common(0)));
    assert!(benchmark_closes(&tape, 0).keys().any(|(width_s, _)| *width_s == 300), "bars of five minutes, too");
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn trades_that_were_dropped_are_a_gap_whose_bars_are_fetched() {
    let (gaps, dropped) = (counted("tapewire_trade_gaps_total"), counted("tapewire_feed_dropped_total"));
    let kafka = Kafka::start("dropped-trades").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let state = tempfile::tempdir().unwrap();
    // Every company, so that a minute comes in several frames at once.
    let symbols: Vec<Symbol> = instruments().map(|company| symbol(company.symbol)).collect();
    let config = PricesConfig { symbols: symbols.clone(), buffered_frames: 1, ..folding() };
    let running = stage(&kafka, &provider);
    follow(config, &kafka, &provider, state.path(), time(ORIGIN) + SignedDuration::from_mins(20)).await;
    running.abort();
    assert!(counted("tapewire_feed_dropped_total") > dropped && counted("tapewire_trade_gaps_total") > gaps);
    let tape = kafka.tape().await;
    let held = held(kafka.bars().await.into_iter().filter(|bar| bar.width_s == 60).collect());
    for (key, close) in expected(&provider, &symbols, time(ORIGIN), watermark(&tape).unwrap()) {
        assert_eq!(held[&key].close, close, "{key:?}");
    }
    provider.shutdown.cancel();
    kafka.clean().await;
}

#[tokio::test]
async fn a_watermark_of_trades_goes_to_its_own_partition_of_bars() {
    let kafka = Kafka::start("idle-fold").await;
    let provider = Provider::start(market(Faults::default()), ORIGIN, SPEED).await;
    let running = stage(&kafka, &provider);
    let stream = WatermarkStream::prices(1, 2, "finnhub").with_folds(true);
    let mut writer = tapewire_ingest::writer::Writer::new(kafka.producer.clone(), tapewire_core::Run::live(), []);
    let at = time(ORIGIN);
    writer.emit_tape_watermark(&stream, at).await.unwrap();
    until(async || watermark(&kafka.tape().await) == Some(at)).await;
    let tape = kafka.tape().await;
    assert_eq!(tape.iter().map(|(partition, _)| *partition).collect::<Vec<_>>(), (0..PARTITIONS).collect::<Vec<_>>());
    let Tape::Watermark(forwarded) = &tape[0].1 else { panic!("{tape:?}") };
    assert_eq!((forwarded.index, forwarded.count, forwarded.source.as_str()), (1, 2, "finnhub"));
    running.abort();
    provider.shutdown.cancel();
    kafka.clean().await;
}
