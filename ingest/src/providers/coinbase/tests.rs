//! Recorded messages, sent on loopback.

use super::parse::message;
use super::product_of;
use crate::providers::testing::{Answered, Server, Step, Stream, fixture};
use crate::providers::{BarsRequest, Frame, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Subscription};
use jiff::Timestamp;
use std::sync::Arc;
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

fn enveloped(channel: &str, number: u64, sent_at: &str, event: &str) -> String {
    format!(
        "{{\"channel\":\"{channel}\",\"client_id\":\"\",\"timestamp\":\"{sent_at}\",\"sequence_num\":{number},\"events\":[{event}]}}"
    )
}

const NOW: &str = "2026-04-07T14:31:00.000000Z";

fn trades(number: u64) -> String {
    let trade = |id: u64, size: &str| {
        format!(
            "{{\"trade_id\":\"{id}\",\"product_id\":\"BTC-USD\",\"price\":\"68900.50\",\"size\":\"{size}\",\"side\":\"BUY\",\
             \"time\":\"2026-04-07T14:30:02.789012Z\"}}"
        )
    };
    let (newest, torn, older) = (trade(995_098_701, "0.5"), trade(995_098_702, "lots"), trade(995_098_700, "0.0015"));
    enveloped("market_trades", number, NOW, &format!("{{\"type\":\"update\",\"trades\":[{newest},{torn},{older}]}}"))
}

fn candle(number: u64, sent_at: &str, close: &str) -> String {
    let candle = format!(
        "{{\"start\":\"1775572200\",\"high\":\"68950\",\"low\":\"68850.00\",\"open\":\"68900.00\",\"close\":\"{close}\",\
         \"volume\":\"42.15\",\"product_id\":\"BTC-USD\"}}"
    );
    enveloped("candles", number, sent_at, &format!("{{\"type\":\"update\",\"candles\":[{candle}]}}"))
}

/// serde would take the elements of a list for the fields of a message, in their order.
#[test]
fn a_list_in_the_place_of_an_object_is_refused_with_the_reason() {
    let whole = format!(r#"["market_trades","{NOW}",7,[]]"#);
    let event = enveloped("market_trades", 1, NOW, "[[]]");
    let trade = r#"["995098700","BTC-USD","68900.50","0.5","2026-04-07T14:30:02.789012Z"]"#;
    let trade = enveloped("market_trades", 1, NOW, &format!("{{\"trades\":[{trade}]}}"));
    let candle = r#"["1775572200","68900","68950","68850","68910","42","BTC-USD"]"#;
    let candle = enveloped("candles", 1, NOW, &format!("{{\"candles\":[{candle}]}}"));
    for raw in [whole, event, trade, candle, enveloped("heartbeats", 1, NOW, "[5]")] {
        let read = message(&raw, Timestamp::UNIX_EPOCH);
        assert!(read.trades.is_empty() && read.candles.is_empty() && read.heartbeat.is_none(), "{raw}: {read:?}");
        let [reject] = &read.rejects[..] else { panic!("{raw}: {read:?}") };
        assert!(reject.reason.contains("not an object"), "{raw}: {}", reject.reason);
    }
}

fn heartbeat(number: u64, sent_at: &str, counter: u64) -> String {
    enveloped("heartbeats", number, sent_at, &format!("{{\"heartbeat_counter\":\"{counter}\"}}"))
}

fn subscribed(number: u64, listed: &str) -> String {
    enveloped("subscriptions", number, NOW, &format!("{{\"subscriptions\":{{{listed}}}}}"))
}

const ALL: &str = "\"heartbeats\":[\"heartbeats\"],\"candles\":[\"BTC-USD\"],\"market_trades\":[\"BTC-USD\"]";

fn source(stream: &str, rest: &str) -> Arc<dyn PriceSource> {
    let mut providers = ProvidersConfig::default();
    for (setting, value) in
        [("stream_url", stream), ("rest_url", rest), ("login_timeout", "1s"), ("heartbeat_timeout", "600ms")]
    {
        providers.set("coinbase", setting, value);
    }
    providers.price_source("coinbase", &Clock::wall()).unwrap()
}

fn subscription(trades: bool) -> Subscription {
    Subscription { symbols: vec![symbol("X:BTCUSD")], bars: true, trades, halts: false }
}

/// What a connection returns until it ends.
async fn followed(script: Vec<String>) -> (Vec<Frame>, ProviderError) {
    let hear = vec![Step::Hear, Step::Hear, Step::Hear];
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

#[tokio::test]
async fn trades_and_finished_candles_are_sent_and_silence_ends_the_connection() {
    let (frames, error) = followed(vec![
        heartbeat(0, NOW, 1),
        subscribed(1, "\"heartbeats\":[\"heartbeats\"]"),
        trades(2),
        subscribed(3, ALL),
        candle(4, NOW, "68910.00"),
        candle(5, "2026-04-07T14:34:59Z", "68920.50"),
        heartbeat(6, "2026-04-07T14:35:01Z", 2),
        heartbeat(7, "2026-04-07T14:35:02Z", 3),
    ])
    .await;
    let [MarketEvent::Trade(first), MarketEvent::Trade(second)] = &frames[0].events[..] else { panic!("{frames:?}") };
    assert_eq!((first.sequence, first.id.as_str(), first.size), (995_098_700, "995098700", 0.0015));
    assert_eq!((second.symbol.as_str(), second.price), ("X:BTCUSD", 68900.5));
    assert_eq!(second.at, at("2026-04-07T14:30:02.789012Z"));
    assert!(frames[0].rejects[0].bytes.starts_with(b"{\"trade_id\":\"995098702\""));
    let [MarketEvent::Bar(bar)] = &frames[1].events[..] else { panic!("{frames:?}") };
    assert_eq!((bar.start, bar.width_s, bar.close), (at("2026-04-07T14:30:00Z"), 300, 68920.5));
    assert_eq!(frames.len(), 2, "a candle is sent once, when it is over");
    assert!(matches!(error, ProviderError::Silent { .. }), "{error}");
}

#[tokio::test]
async fn missing_messages_end_the_connection_and_overtaken_ones_do_not() {
    let opened = || vec![heartbeat(0, NOW, 1), subscribed(1, ALL)];
    let with = |more: &[String]| opened().into_iter().chain(more.iter().cloned()).collect::<Vec<_>>();
    let (_, error) = followed(with(&[heartbeat(2, NOW, 2), heartbeat(5, NOW, 3)])).await;
    assert!(error.to_string().contains("2 messages before number 5") && error.is_retryable(), "{error}");
    let (_, error) = followed(with(&[heartbeat(2, NOW, 4)])).await;
    assert!(error.to_string().contains("2 heartbeats before number 4"), "{error}");
    let (frames, error) = followed(with(&[heartbeat(2, NOW, 2), trades(1), heartbeat(3, NOW, 3)])).await;
    assert!(matches!(error, ProviderError::Silent { .. }) && frames.len() == 1, "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_apart_from_a_missing_confirmation() {
    let needs_key =
        r#"{"type":"error","message":"Failed to subscribe","reason":"these channels now require authentication."}"#;
    let (_, error) = followed(vec![needs_key.into()]).await;
    assert!(matches!(error, ProviderError::Refused { .. }), "{error}");
    let (_, error) = followed(vec![r#"{"type":"error","message":"rate limit exceeded"}"#.into()]).await;
    assert!(matches!(error, ProviderError::Closed { .. }), "{error}");
    let some = "\"heartbeats\":[\"heartbeats\"],\"candles\":[\"BTC-USD\"]";
    let beats: Vec<String> = (2..4).map(|number| heartbeat(number, NOW, number)).collect();
    let (_, error) = followed([vec![subscribed(1, some)], beats].concat()).await;
    assert!(matches!(error, ProviderError::Silent { .. } | ProviderError::LoginTimeout { .. }), "{error}");
}

#[tokio::test]
async fn each_connection_subscribes_again() {
    let script = || vec![Step::Hear, Step::Hear, Step::Say(subscribed(0, ALL)), Step::Close];
    let stream = Stream::start(vec![script(), script()]).await;
    let source = source(&stream.url(), "http://127.0.0.1:1");
    for _ in 0..2 {
        let mut connection = source.connect(&subscription(false)).await.unwrap();
        assert!(connection.next().await.unwrap_err().is_retryable());
    }
    let heard = stream.received();
    assert_eq!(heard.len(), 4);
    assert_eq!(heard[..2], heard[2..]);
    assert!(
        heard[0].contains("heartbeats") && heard[1].contains("candles") && heard[1].contains("BTC-USD"),
        "{heard:?}"
    );
}

#[test]
fn symbols_become_products_and_a_pair_in_usdc_is_refused_because_coinbase_would_send_the_pair_in_usd() {
    let product = |name: &str| product_of("coinbase", &symbol(name)).map_err(|error| error.to_string());
    assert_eq!(product("X:BTCUSD").unwrap(), "BTC-USD");
    assert_eq!(product("X:BTCUSDT").unwrap(), "BTC-USDT");
    assert_eq!(product("X:ETHBTC").unwrap(), "ETH-BTC");
    assert_eq!(product("X:USDTUSDC").unwrap(), "USDT-USDC");
    assert!(product("X:BTCUSDC").unwrap_err().contains("X:BTCUSD"));
    assert!(product("BTC").is_err() && product("X:USD").is_err() && product("X:BTCXYZ").is_err());
}

#[tokio::test]
async fn bars_of_the_past_have_the_width_of_the_streams_and_come_oldest_first() {
    let item = |start: i64, volume: &str| {
        format!(
            "{{\"start\":\"{start}\",\"low\":\"1\",\"high\":\"3\",\"open\":\"2\",\"close\":\"2.5\",\"volume\":\"{volume}\"}}"
        )
    };
    let start = at("2026-04-07T00:00:00Z").as_second();
    let body = format!(
        "{{\"candles\":[{},{},{},{}]}}",
        item(start + 600, "4"),
        item(start + 300, "0"),
        item(start, "5"),
        item(start + 7, "1")
    );
    let path = "/api/v3/brokerage/market/products/BTC-USD/candles";
    let server = Server::start(&[(path, Answered::ok(&body)), (path, Answered::ok("{\"candles\":[]}"))]).await;
    let source = source("ws://127.0.0.1:1", &server.url());
    let (from, to) = (at("2026-04-07T00:02:00Z"), at("2026-04-08T06:00:00Z"));
    let page = source.bars_page(&BarsRequest::minutes(&symbol("X:BTCUSD"), from, to), None).await.unwrap();
    let starts: Vec<i64> = page.items.iter().map(|bar| bar.start.as_second() - start).collect();
    assert_eq!((starts, page.rejects.len()), (vec![0, 600], 1));
    assert!(page.items.iter().all(|bar| bar.width_s == 300));
    let next =
        source.bars_page(&BarsRequest::minutes(&symbol("X:BTCUSD"), from, to), page.next.as_ref()).await.unwrap();
    assert_eq!(next.next, None);
    let queries: Vec<String> = server.requests().into_iter().map(|request| request.query).collect();
    assert!(queries[0].contains(&format!("start={start}&end={}", start + 299 * 300)), "{queries:?}");
    assert!(queries[1].contains(&format!("start={}&end={}", start + 300 * 300, to.as_second())), "{queries:?}");
}

#[test]
fn captures_are_read_or_refused_with_the_reason() {
    let Some(captured) = fixture("live-captures/coinbase/ws.jsonl") else { return };
    let read = |raw: &str| message(raw, Timestamp::UNIX_EPOCH);
    let found: Vec<String> = String::from_utf8(captured)
        .unwrap()
        .lines()
        .map(|line| {
            let message = read(line);
            let trades = message.trades.iter().map(|trade| format!("{} {}", trade.symbol, trade.price));
            let rejects = message.rejects.iter().map(|reject| reject.reason.clone());
            trades.chain(rejects).chain(message.error.clone()).collect()
        })
        .collect();
    assert_eq!(found[0], "");
    assert_eq!(found[1..3], ["X:BTCUSD 80691.53", "X:BTCUSD 80691.53"]);
    assert!(found[3].contains("l2update") && found[4].contains("authentication"), "{found:?}");
    assert_eq!(found[5..], ["X:BTCUSD 16695.41", "X:ETHUSD 4606.8"]);
    let document = |name: &str| read(&String::from_utf8(fixture(&format!("coinbase/{name}.json")).unwrap()).unwrap());
    assert_eq!(document("ws_market_trades").trades.len(), 2);
    assert_eq!(document("ws_candles").candles[0].close, 68920.5);
    assert_eq!(document("ws_heartbeats").heartbeat, Some(42));
    assert_eq!(document("ws_subscriptions").subscribed.unwrap().len(), 2);
    assert!(document("ws_ticker").rejects[0].reason.contains("`ticker`"));
}

#[tokio::test]
async fn daily_bars_are_days_of_utc_in_pages_of_300() {
    let item = |start: i64| {
        format!(
            "{{\"start\":\"{start}\",\"low\":\"1\",\"high\":\"3\",\"open\":\"2\",\"close\":\"2.5\",\"volume\":\"4\"}}"
        )
    };
    let start = at("2025-04-07T00:00:00Z").as_second();
    let body = format!("{{\"candles\":[{},{}]}}", item(start), item(start + 300));
    let path = "/api/v3/brokerage/market/products/BTC-USD/candles";
    let server = Server::start(&[(path, Answered::ok(&body)), (path, Answered::ok("{\"candles\":[]}"))]).await;
    let source = source("ws://127.0.0.1:1", &server.url());
    let request = BarsRequest::days(&symbol("X:BTCUSD"), at("2025-04-07T00:00:00Z"), at("2026-04-06T23:59:59Z"));
    let page = source.bars_page(&request, None).await.unwrap();
    assert_eq!((page.items.len(), page.rejects.len(), page.items[0].width_s), (1, 1, 86_400));
    let last = source.bars_page(&request, page.next.as_ref()).await.unwrap();
    assert_eq!(last.next, None);
    let asked: Vec<String> = server.requests().into_iter().map(|request| request.query).collect();
    assert!(asked[0].contains(&format!("start={start}&end={}&granularity=ONE_DAY", start + 299 * 86_400)), "{asked:?}");
    assert!(asked[1].contains(&format!("start={}", start + 300 * 86_400)), "{asked:?}");
}
