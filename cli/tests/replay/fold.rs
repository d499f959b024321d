//! Trades on their topic become joined rows, by the roles `bars` and `join` as processes of their own.

use crate::support::{Installation, wait_until};
use jiff::{SignedDuration, Timestamp};
use tapewire_bars::{Fold, Widths};
use tapewire_bus::{KafkaConfig, Producer, Topic};
use tapewire_core::record::Scored;
use tapewire_core::{Bar, BarUpdates, Mention, Run, SentimentRecord, Trade, Watermark};
use tapewire_ingest::writer::{WatermarkStream, Writer};
use tapewire_testkit::{at, mention, symbol};

const SYMBOLS: [&str; 5] = ["AAPL", "MSFT", "NVDA", "TSLA", "SPY"];

/// Two hours of a session with a trade of each share every 20 seconds.
fn trades() -> Vec<Trade> {
    let open = at("2024-07-01T13:30:00Z");
    let trade = |number: i64, ticker: &str, order: usize| {
        let at = open + SignedDuration::from_millis(number * 20_000 + 13 * order as i64);
        let price = 100.0 + ((number * (7 + order as i64)) % 41) as f64 / 8.0;
        Trade {
            symbol: symbol(ticker),
            at,
            id: format!("{number}"),
            sequence: number as u64,
            price,
            size: 1.0 + (number % 9) as f64,
            counts: BarUpdates::EVERYTHING,
            replaces: None,
            received_at: at + SignedDuration::from_millis(50),
        }
    };
    (0..360)
        .flat_map(|number| SYMBOLS.iter().enumerate().map(move |(order, ticker)| trade(number, ticker, order)))
        .collect()
}

fn bars(trades: &[Trade]) -> Vec<Bar> {
    let of = |ticker: &&str| {
        let mut fold = Fold::new(symbol(ticker), Widths::new(&[60]).unwrap(), SignedDuration::ZERO);
        trades.iter().filter(|trade| trade.symbol.as_str() == *ticker).for_each(|trade| {
            let _ = fold.trade(trade);
        });
        fold.watermark(Timestamp::MAX)
    };
    SYMBOLS.iter().flat_map(of).collect()
}

async fn news(producer: &Producer, run: &Run) {
    for (number, ticker) in SYMBOLS.iter().take(4).enumerate() {
        let published = at("2024-07-01T13:41:30Z") + SignedDuration::from_secs(400 * number as i64);
        let mention = Mention { article_id: format!("a{number}"), ..mention(ticker, published) };
        let record = SentimentRecord::new(run.clone(), Scored::Mention(mention));
        producer.send(Topic::Sentiment, ticker, &record.encode()).await.unwrap();
    }
    let end = SentimentRecord::new(run.clone(), Scored::Watermark(Watermark::new(0, 1, Watermark::END)));
    producer.broadcast(Topic::Sentiment, "watermark", &end.encode()).await.unwrap();
}

/// Sends the bars of the trades, which a source without `fold_trades` would send, and the news.
async fn send_bars(producer: &Producer, run: &Run, trades: &[Trade]) {
    let mut writer = Writer::new(producer.clone(), run.clone(), [symbol("SPY")]);
    for bar in bars(trades) {
        writer.bar(bar).await.unwrap();
    }
    writer.emit_tape_watermark(&WatermarkStream::prices(0, 1, "finnhub"), Watermark::END).await.unwrap();
    news(producer, run).await;
}

/// Sends the news and the trades. `killed` is called in the middle, after a watermark.
async fn send_trades(producer: &Producer, run: &Run, trades: &[Trade], mut killed: impl FnMut()) {
    let stream = WatermarkStream::prices(0, 1, "finnhub").with_folds(true);
    let mut writer = Writer::new(producer.clone(), run.clone(), [symbol("SPY")]);
    writer.gap("finnhub", Timestamp::UNIX_EPOCH, trades[0].at).await.unwrap();
    news(producer, run).await;
    for (number, trade) in trades.iter().enumerate() {
        writer.fold_trade("finnhub", trade.clone()).await.unwrap();
        if number == trades.len() / 2 {
            writer.emit_tape_watermark(&stream, trade.at - SignedDuration::from_mins(1)).await.unwrap();
            killed();
        }
    }
    writer.emit_tape_watermark(&stream, Watermark::END).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn trades_are_joined_like_the_bars_that_a_source_sends() {
    let Some(place) = Installation::new("fold") else { return };
    let kafka = KafkaConfig {
        brokers: std::env::var("TAPEWIRE_KAFKA_BROKERS").unwrap(),
        prefix: format!("{}-", place.database()),
        ..KafkaConfig::default()
    };
    let producer = Producer::new(&kafka).unwrap();
    let (live, direct) = (Run::live(), Run::named("direct"));
    let trades = trades();
    let _join = place.role("join");
    let mut folding = place.role("bars");
    let mut indicating = place.role("indicators");

    send_bars(&producer, &direct, &trades).await;
    // The second half is read by a process that has to read again what it needs of the first half.
    send_trades(&producer, &live, &trades, || {
        wait_until("bars of trades are stored", || {
            place.count("SELECT count() FROM bars FINAL WHERE run = 'live'") >= 5 * 57
        });
        folding.kill_9();
        folding = place.role("bars");
        wait_until("some indicators are stored", || {
            place.count("SELECT count() FROM indicators FINAL WHERE run = 'live'") > 0
        });
        indicating.kill_9();
        indicating = place.role("indicators");
    })
    .await;

    let rows = |run: &Run, table: &str, what: &str, order: &str| {
        place.query(&format!(
            "SELECT {what} FROM {table} FINAL WHERE run = '{run}' ORDER BY {order} FORMAT TSVWithNames"
        ))
    };
    let joined = |run: &Run| rows(run, "impact", "* EXCEPT (run, version)", "symbol, article_id");
    wait_until("both runs are joined", || {
        joined(&live) == joined(&direct) && place.count("SELECT countIf(ret_60m IS NOT NULL) FROM impact FINAL") == 8
    });
    assert_eq!(joined(&live).lines().count(), 5);
    let stored = |run: &Run| rows(run, "bars", "* EXCEPT (run)", "symbol, width_s, start");
    assert_eq!(stored(&live), stored(&direct));
    assert_eq!(stored(&live).lines().count(), 1 + 5 * 120);
    assert_eq!(place.count("SELECT count() FROM trades FINAL WHERE run = 'live'"), trades.len() as u64);
    // The indicators of both runs are equal, though the process that made those of one was killed.
    let indicated = |run: &Run| rows(run, "indicators", "* EXCEPT (run, version)", "symbol, width_s, start");
    wait_until("both runs have all indicators", || {
        indicated(&live) == indicated(&direct) && place.count("SELECT count() FROM indicators FINAL") == 2 * 5 * 120
    });
    assert_averages_are_those_of_sql(&place);
    drop((folding, indicating));
}

/// Checks which rows have which indicators, and the average against one that SQL computes.
fn assert_averages_are_those_of_sql(place: &Installation) {
    // 20 closes make an average; 30 returns are needed to compare another with.
    let defined =
        "SELECT count(sma_20), count(macd), count(robust_z_60), count(vwap) FROM indicators FINAL WHERE run = 'live'";
    assert_eq!(place.query(defined), format!("{}\t{}\t{}\t{}", 5 * 101, 5 * 87, 5 * 89, 5 * 120));
    let by_sql = "SELECT max(abs(sma_20 - mean)) < 1e-9 FROM (
        SELECT sma_20, avg(close) OVER (PARTITION BY run, symbol ORDER BY start ROWS 19 PRECEDING) AS mean
        FROM indicators FINAL)";
    assert_eq!(place.query(by_sql), "1");
}
