//! Messages as Kraken's documentation has them, sent on loopback.

use super::name_of;
use super::parse::{bars_page, message};
use crate::providers::testing::{Answered, Server, Step, Stream};
use crate::providers::{
    BarWidth, BarsRequest, Frame, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Subscription,
};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

const STATUS: &str = r#"{"channel":"status","type":"update","data":[{"api_version":"v2","connection_id":1,"system":"online","version":"2.0.0"}]}"#;
const HEARTBEAT: &str = r#"{"channel":"heartbeat"}"#;
const TRADES: &str = r#"{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"},{"symbol":"MATIC/USD","price":"cheap","qty":1,"trade_id":4665907,"timestamp":"2023-09-25T07:49:37.708706Z"},{"symbol":"MATIC/USD","side":"buy","price":0.5118,"qty":2,"ord_type":"limit","trade_id":4665905,"timestamp":"2023-09-25T07:49:36.1Z"}]}"#;

fn candle(begin: Timestamp, close: &str, volume: &str) -> String {
    let end = begin + SignedDuration::from_mins(1);
    format!(
        "{{\"channel\":\"ohlc\",\"type\":\"update\",\"timestamp\":\"{end}\",\"data\":[{{\"symbol\":\"BTC/USD\",\"open\":5.0,\"high\":9.0,\
         \"low\":5.0,\"close\":{close},\"trades\":12,\"volume\":{volume},\"vwap\":6.5,\"interval_begin\":\"{begin}\",\"interval\":1,\
         \"timestamp\":\"{end}\"}}]}}"
    )
}

fn confirmed(channel: &str, pair: &str) -> String {
    format!(
        "{{\"method\":\"subscribe\",\"result\":{{\"channel\":\"{channel}\",\"snapshot\":false,\"symbol\":\"{pair}\"}},\"success\":true,\
         \"time_in\":\"2023-09-25T09:04:31.742599Z\",\"time_out\":\"2023-09-25T09:04:31.742648Z\"}}"
    )
}

fn source(stream: &str, rest: &str) -> Arc<dyn PriceSource> {
    let mut providers = ProvidersConfig::default();
    for (setting, value) in
        [("stream_url", stream), ("rest_url", rest), ("login_timeout", "1s"), ("heartbeat_timeout", "600ms")]
    {
        providers.set("kraken", setting, value);
    }
    providers.price_source("kraken", &Clock::wall()).unwrap()
}

fn subscription(trades: bool) -> Subscription {
    Subscription { symbols: vec![symbol("X:BTCUSD")], bars: true, trades, halts: false }
}

/// What a connection returns until it ends.
async fn followed(script: Vec<String>) -> (Vec<Frame>, ProviderError) {
    let hear = [Step::Hear, Step::Hear];
    let stream = Stream::start(vec![hear.into_iter().chain(script.into_iter().map(Step::Say)).collect()]).await;
    let mut frames = Vec::new();
    let mut connection = match source(&stream.url(), "http://127.0.0.1:1").connect(&subscription(true)).await {
        Ok(connection) => connection,
        Err(error) => return (frames, error),
    };
    loop {
        match connection.next().await {
            Ok(frame) => frames.push(frame),
            Err(error) => return (frames, error),
        }
    }
}

#[test]
fn messages_become_trades_and_candles_or_are_refused_with_the_reason() {
    let read = |raw: &str| message(raw, Timestamp::UNIX_EPOCH);
    let trades = read(TRADES);
    let ids: Vec<&str> = trades.trades.iter().map(|trade| trade.id.as_str()).collect();
    assert_eq!(ids, ["4665905", "4665906"]);
    let last = &trades.trades[1];
    assert_eq!((last.symbol.as_str(), last.price, last.size), ("X:MATICUSD", 0.5117, 40.0));
    assert_eq!(last.at, at("2023-09-25T07:49:37.708706Z"));
    assert!(trades.rejects.len() == 1 && trades.rejects[0].reason.contains("number"));

    let begin = at("2026-07-04T11:55:00Z");
    let bar = &read(&candle(begin, "6.0", "16255.46368")).candles[0];
    assert_eq!((bar.symbol.as_str(), bar.start, bar.width_s), ("X:BTCUSD", begin, 60));
    assert_eq!((bar.open, bar.high, bar.low, bar.close, bar.volume), (5.0, 9.0, 5.0, 6.0, 16255.46368));
    assert_eq!((bar.vwap, bar.trades), (Some(6.5), Some(12)));
    assert!(read(&candle(begin, "6.0", "0")).candles.is_empty(), "nothing was traded");
    for quiet in [STATUS, HEARTBEAT, r#"{"method":"pong","time_in":"x"}"#] {
        assert_eq!(read(quiet), message(HEARTBEAT, Timestamp::UNIX_EPOCH), "{quiet}");
    }
    assert_eq!(read(&STATUS.replace("online", "maintenance")).system.as_deref(), Some("maintenance"));
    assert_eq!(read(&confirmed("trade", "BTC/USD")).subscribed, Some(("trade".into(), "BTC/USD".into())));
    for (raw, reason) in [
        ("{", "EOF"),
        ("[]", "not an object"),
        ("{}", "neither a channel"),
        (r#"{"channel":"book","data":[]}"#, "`book`"),
        (r#"{"method":"ping"}"#, "`ping`"),
        (&*candle(begin, "6.0", "1").replace("\"interval\":1", "\"interval\":5"), "5 minutes"),
        (&*candle(begin, "6.0", "1").replace("11:55:00", "11:55:00.123456"), "does not start at"),
        (&*candle(begin, "9.5", "1"), "outside low..high"),
        (&*candle(begin, "6.0", "1").replace("BTC/USD", "BTCUSD"), "`BTCUSD`"),
        (&*TRADES.replace("0.5118", "0"), "positive"),
        (&*TRADES.replace("2023-09-25T07:49:36.1Z", "1969-09-25T07:49:36.1Z"), "plausible"),
    ] {
        let reasons: Vec<String> = read(raw).rejects.into_iter().map(|reject| reject.reason).collect();
        assert!(reasons.iter().any(|found| found.contains(reason)), "{raw}: {reasons:?}");
    }
}

#[tokio::test]
async fn a_candle_is_sent_when_it_is_over_and_silence_ends_the_connection() {
    let this = tapewire_core::exchange::floor_minute(Clock::wall().now());
    let before = this - SignedDuration::from_mins(1);
    let (frames, error) = followed(vec![
        STATUS.into(),
        confirmed("ohlc", "BTC/USD"),
        TRADES.into(),
        confirmed("trade", "BTC/USD"),
        candle(before, "6.0", "1"),
        candle(before, "7.0", "2"),
        candle(this, "8.0", "1"),
        HEARTBEAT.into(),
    ])
    .await;
    let events: Vec<&MarketEvent> = frames.iter().flat_map(|frame| &frame.events).collect();
    let trades = events.iter().filter(|event| matches!(event, MarketEvent::Trade(_))).count();
    let closes: Vec<f64> = events
        .iter()
        .filter_map(|event| if let MarketEvent::Bar(bar) = event { Some(bar.close) } else { None })
        .collect();
    assert_eq!(trades, 2, "{frames:?}");
    assert_eq!(closes.last(), Some(&7.0), "the minute is whole, and the running one is not sent: {frames:?}");
    assert!(matches!(error, ProviderError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn refusals_and_missing_confirmations_are_told_apart() {
    let unknown = r#"{"error":"Currency pair not supported BTC/XYZ","method":"subscribe","success":false}"#;
    let (_, error) = followed(vec![STATUS.into(), unknown.into()]).await;
    assert!(matches!(error, ProviderError::Unsupported { .. }) && !error.is_retryable(), "{error}");
    let busy = r#"{"error":"Exceeded msg rate","method":"subscribe","success":false}"#;
    let (_, error) = followed(vec![busy.into()]).await;
    assert!(matches!(error, ProviderError::Closed { .. }) && error.is_retryable(), "{error}");
    let (_, error) = followed(vec![confirmed("ohlc", "BTC/USD")]).await;
    assert!(matches!(error, ProviderError::Silent { .. } | ProviderError::LoginTimeout { .. }), "{error}");
}

#[tokio::test]
async fn each_connection_subscribes_again() {
    let script = || vec![Step::Hear, Step::Say(confirmed("ohlc", "BTC/USD")), Step::Close];
    let stream = Stream::start(vec![script(), script()]).await;
    let source = source(&stream.url(), "http://127.0.0.1:1");
    for _ in 0..2 {
        let mut connection = source.connect(&subscription(false)).await.unwrap();
        assert!(connection.next().await.unwrap_err().is_retryable());
    }
    let heard = stream.received();
    assert_eq!(heard[0], heard[1]);
    let request: serde_json::Value = serde_json::from_str(&heard[0]).unwrap();
    let expected = serde_json::json!({"channel": "ohlc", "symbol": ["BTC/USD"], "snapshot": false, "interval": 1});
    assert_eq!(request["params"], expected);
}

#[tokio::test]
async fn bars_of_the_past_are_those_asked_for_and_errors_come_with_http_200() {
    let start = at("2023-07-06T19:20:00Z");
    let row = |minute: i64, close: &str, volume: &str| {
        let at = start.as_second() + minute * 60;
        format!("[{at},\"30306.1\",\"30307.2\",\"30305.7\",\"{close}\",\"30306.1\",\"{volume}\",23]")
    };
    let rows = [
        row(-1, "30306", "1"),
        row(0, "30306", "3.39"),
        row(1, "30306", "0"),
        row(2, "40000", "1"),
        row(3, "30307", "1"),
    ];
    let body = format!("{{\"error\":[],\"result\":{{\"XXBTZUSD\":[{}],\"last\":1688672160}}}}", rows.join(","));
    let failed = |words: &str| Answered::ok(&format!("{{\"error\":[\"{words}\"]}}"));
    let path = "/0/public/OHLC";
    let server = Server::start(&[
        (path, Answered::ok(&body)),
        (path, failed("EAPI:Rate limit exceeded")),
        (path, failed("EQuery:Unknown asset pair")),
        (path, failed("EService:Unavailable")),
        (path, Answered::ok("{\"error\":[],\"result\":{}}")),
    ])
    .await;
    let source = source("ws://127.0.0.1:1", &server.url());
    let (coin, to) = (symbol("X:BTCUSD"), start + SignedDuration::from_mins(10));
    let page = source.bars_page(&BarsRequest::minutes(&coin, start, to), None).await.unwrap();
    let found: Vec<(Timestamp, f64)> = page.items.iter().map(|bar| (bar.start, bar.close)).collect();
    assert_eq!(found, [(start, 30306.0), (start + SignedDuration::from_mins(3), 30307.0)]);
    assert!(page.rejects.len() == 1 && page.rejects[0].reason.contains("outside low..high") && page.next.is_none());
    let query = &server.requests()[0].query;
    assert!(query.contains("pair=BTCUSD&interval=1") && query.contains(&format!("since={}", start.as_second() - 60)));
    let error = async || source.bars_page(&BarsRequest::minutes(&coin, start, to), None).await.unwrap_err();
    assert!(matches!(error().await, ProviderError::RateLimited { .. }));
    assert!(!error().await.is_retryable());
    assert!(matches!(error().await, ProviderError::Failed { .. }));
    assert!(matches!(error().await, ProviderError::Unreadable { .. }));
    assert!(bars_page("kraken", "/", b"<html>", &coin, BarWidth::Minute, Timestamp::UNIX_EPOCH).is_err());
}

#[test]
fn bars_of_another_pair_are_refused_whatever_a_pair_is_called() {
    let read = |key: &str, of: &str| {
        let body = format!(
            "{{\"error\":[],\"result\":{{\"{key}\":[[1688671200,\"3\",\"3\",\"3\",\"3\",\"3\",\"1\",2]],\"last\":1}}}}"
        );
        bars_page("kraken", "/", body.as_bytes(), &symbol(of), BarWidth::Minute, Timestamp::UNIX_EPOCH)
    };
    for (key, of) in [
        ("XXBTZUSD", "X:BTCUSD"),
        ("XBTUSDC", "X:BTCUSDC"),
        ("BTC/USD", "X:BTCUSD"),
        ("XETHXXBT", "X:ETHBTC"),
        ("XDGUSD", "X:DOGEUSD"),
        ("SOLUSD", "X:SOLUSD"),
        ("USDTZUSD", "X:USDTUSD"),
    ] {
        assert_eq!(read(key, of).unwrap().items.len(), 1, "{key}");
    }
    for (key, of) in [("XETHZUSD", "X:BTCUSD"), ("XXBTZEUR", "X:BTCUSD"), ("SOLUSD", "X:ETHUSD")] {
        let error = read(key, of).unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable { .. }) && error.to_string().contains(key), "{error}");
    }
}

#[test]
fn symbols_are_pairs() {
    let name = |symbol_name: &str| name_of("kraken", &symbol(symbol_name)).ok();
    assert_eq!(name("X:BTCUSD").unwrap(), "BTC/USD");
    assert_eq!(name("X:ETHBTC").unwrap(), "ETH/BTC");
    assert_eq!(name("X:SOLUSDC").unwrap(), "SOL/USDC");
    assert_eq!([name("BTC"), name("X:BTCXYZ")], [None, None]);
    let halts = Subscription { halts: true, ..subscription(true) };
    assert!(source("ws://127.0.0.1:1", "http://127.0.0.1:1").check(&halts).is_err());
}

#[tokio::test]
async fn daily_bars_are_days_of_utc_and_reach_two_years_back() {
    let start = at("2026-07-03T00:00:00Z");
    let row = |at: i64| format!("[{at},\"30306.1\",\"30307.2\",\"30305.7\",\"30306\",\"30306.1\",\"3.39\",23]");
    let rows = [row(start.as_second()), row(start.as_second() + 60)].join(",");
    let body = format!("{{\"error\":[],\"result\":{{\"XXBTZUSD\":[{rows}],\"last\":1688672160}}}}");
    let server = Server::start(&[("/0/public/OHLC", Answered::ok(&body))]).await;
    let source = source("ws://127.0.0.1:1", &server.url());
    let request = BarsRequest::days(&symbol("X:BTCUSD"), start, at("2026-07-31T23:59:59Z"));
    let page = source.bars_page(&request, None).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].start, page.items[0].width_s), (1, start, 86_400));
    assert!(page.rejects[0].reason.contains("86400 s does not start at"), "{:?}", page.rejects);
    let query = &server.requests()[0].query;
    assert!(query.contains(&format!("interval=1440&since={}", start.as_second() - 86_400)), "{query}");
    let reach = |width| source.reaches_back_to(width, at("2026-07-04T06:00:00Z")).unwrap();
    assert_eq!(reach(BarWidth::Day), at("2024-07-15T00:00:00Z"));
    assert_eq!(reach(BarWidth::Minute), at("2026-07-03T18:00:00Z"));
}
