//! Recorded messages, sent on loopback.

use super::parse::{Message, message};
use crate::providers::testing::{Answered, Server, Step, Stream, fixture};
use crate::providers::{ApiKey, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Reject, Subscription};
use jiff::Timestamp;
use std::sync::Arc;
use tapewire_core::{BarUpdates, Trade};
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

const COINS: &str = r#"{"data":[{"c":null,"p":66972.77,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":0.01559},{"c":null,"p":66972.77,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":0.01559}],"type":"trade"}"#;
const SHARES: &str = r#"{"data":[{"c":["1","8"],"p":122.1,"s":"TSLA","t":1672327287195,"v":100},{"c":["1","8","12"],"p":122.09,"s":"TSLA","t":1672327287196,"v":4},{"c":["16"],"p":121.8,"s":"TSLA","t":1672327287197,"v":900},{"p":122.3,"s":"TSLA","t":1672327287198,"v":0},{"c":["x"],"p":122.3,"s":"TSLA","t":1672327287199,"v":1}],"type":"trade"}"#;

fn read(raw: &str) -> Result<(Vec<Trade>, Vec<Reject>), String> {
    let mut last = 0;
    let mut number = || {
        last += 1;
        last
    };
    match message(raw, Timestamp::UNIX_EPOCH, &mut number)? {
        Message::Trades(events, rejects) => {
            let trade = |event| if let MarketEvent::Trade(trade) = event { trade } else { panic!("{event:?}") };
            Ok((events.into_iter().map(trade).collect(), rejects))
        }
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn equal_trades_of_a_batch_are_two_trades() {
    let (trades, rejects) = read(COINS).unwrap();
    let [first, second] = &trades[..] else { panic!("{trades:?}") };
    assert_eq!((first.symbol.as_str(), first.price, first.size), ("X:BTCUSDT", 66972.77, 0.01559));
    assert_eq!((first.at, second.at), (at("2024-07-21T09:58:06.208Z"), at("2024-07-21T09:58:06.208Z")));
    assert!(first.id != second.id && first.sequence < second.sequence && rejects.is_empty());
}

#[test]
fn conditions_count_as_on_the_consolidated_tape_and_an_update_without_shares_is_no_trade() {
    let (trades, rejects) = read(SHARES).unwrap();
    let counts: Vec<BarUpdates> = trades.iter().map(|trade| trade.counts).collect();
    let odd_lot = BarUpdates { volume: true, ..BarUpdates::NOTHING };
    assert_eq!(counts, [BarUpdates::EVERYTHING, odd_lot, BarUpdates::NOTHING]);
    assert!(rejects.len() == 1 && rejects[0].reason.contains("`x`"), "{rejects:?}");
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    let one = |item: &str| format!("{{\"type\":\"trade\",\"data\":[{item}]}}");
    for (item, reason) in [
        (r#"{"p":1,"s":"KRAKEN:XBTUSD","t":1721555886208,"v":1}"#, "KRAKEN"),
        (r#"{"p":1,"s":"A B","t":1721555886208,"v":1}"#, "A B"),
        (r#"{"p":1,"s":"I:SPX","t":1721555886208,"v":1}"#, "`I`"),
        (r#"{"p":0,"s":"AAPL","t":1721555886208,"v":1}"#, "positive"),
        (r#"{"p":1,"s":"AAPL","t":1721555886208,"v":-1}"#, "negative"),
        (r#"{"p":1,"s":"AAPL","t":7,"v":1}"#, "between the years"),
        (r#"{"p":"NaN","s":"AAPL","t":1721555886208,"v":1}"#, "number"),
        ("[1]", "not an object"),
    ] {
        let (trades, rejects) = read(&one(item)).unwrap();
        assert!(trades.is_empty() && rejects[0].reason.contains(reason), "{item}: {rejects:?}");
    }
    for (raw, reason) in [("{", "EOF"), (r#"{"type":"news","data":[]}"#, "`news`"), ("[]", "not an object")] {
        assert!(read(raw).unwrap_err().contains(reason), "{raw}");
    }
}

fn source(stream: &str) -> Arc<dyn PriceSource> {
    let mut providers = ProvidersConfig::default();
    for (setting, value) in [("stream_url", stream), ("login_timeout", "1s"), ("silence_timeout", "600ms")] {
        providers.set("finnhub", setting, value);
    }
    providers.entry("finnhub").api_key = ApiKey::new("s3cret");
    providers.price_source("finnhub", &Clock::wall()).unwrap()
}

fn subscription(symbols: &[&str]) -> Subscription {
    let symbols = symbols.iter().map(|name| symbol(name)).collect();
    Subscription { symbols, bars: false, trades: true, halts: false }
}

#[tokio::test]
async fn each_connection_subscribes_again_and_numbers_go_on() {
    let script = || {
        let said = ["{\"type\":\"ping\"}", COINS, "{\"torn\":"].map(|text| Step::Say(text.into()));
        [vec![Step::Hear, Step::Hear], said.to_vec(), vec![Step::Close]].concat()
    };
    let stream = Stream::start(vec![script(), script()]).await;
    let source = source(&stream.url());
    let mut last = 0;
    for _ in 0..2 {
        let mut connection = source.connect(&subscription(&["TSLA", "X:BTCUSDT"])).await.unwrap();
        let frame = connection.next().await.unwrap();
        let [MarketEvent::Trade(first), MarketEvent::Trade(_)] = &frame.events[..] else { panic!("{frame:?}") };
        assert!(first.sequence > last);
        last = first.sequence;
        assert_eq!(connection.next().await.unwrap().rejects[0].bytes, b"{\"torn\":");
        assert!(connection.next().await.unwrap_err().is_retryable());
    }
    let heard = stream.received();
    assert_eq!(heard[..2], heard[2..]);
    assert!(heard[0].contains("\"TSLA\"") && heard[1].contains("\"BINANCE:BTCUSDT\""), "{heard:?}");
}

#[tokio::test]
async fn refusals_are_told_apart_from_mishaps_and_the_key_is_never_shown() {
    let error_of = async |script: Vec<Step>| {
        let stream = Stream::start(vec![[vec![Step::Hear], script].concat()]).await;
        let mut connection = source(&stream.url()).connect(&subscription(&["TSLA"])).await.unwrap();
        connection.next().await.unwrap_err()
    };
    let say = |text: &str| vec![Step::Say(text.into())];
    let many = error_of(say(r#"{"type":"error","msg":"Subscribing to too many symbols"}"#)).await;
    assert!(matches!(many, ProviderError::NotAuthorized { .. }) && !many.is_retryable(), "{many}");
    let mishap = error_of(say(r#"{"type":"error","msg":"internal"}"#)).await;
    assert!(matches!(mishap, ProviderError::Closed { .. }) && mishap.is_retryable(), "{mishap}");
    let silent = error_of(vec![Step::Deafen]).await;
    assert!(matches!(silent, ProviderError::Silent { .. }), "{silent}");

    let refusals = [("/", Answered::status(401, "")), ("/", Answered::status(429, ""))];
    let server = Server::start(&refusals).await;
    let at_the_door = async |url: &str| source(url).connect(&subscription(&["TSLA"])).await.map(drop).unwrap_err();
    let url = server.url().replace("http", "ws");
    let refused = at_the_door(&url).await;
    assert!(matches!(refused, ProviderError::NotAuthorized { .. }) && !refused.is_retryable(), "{refused}");
    assert!(refused.to_string().contains("TAPEWIRE_FINNHUB_API_KEY"), "{refused}");
    assert!(matches!(at_the_door(&url).await, ProviderError::RateLimited { .. }));
    assert!(server.requests()[0].query.contains("token=s3cret"));
    for url in [url.as_str(), "ws://127.0.0.1:1", "nowhere", "ftp://x", "ws://"] {
        let error = at_the_door(url).await;
        let words = format!("{} {error:?}", tapewire_runtime::chain(&error));
        assert!(!words.contains("s3cret"), "{words}");
    }
}

#[test]
fn without_the_fold_it_is_refused_with_the_remedy() {
    let source = source("ws://127.0.0.1:1");
    let error = source.check(&Subscription { bars: true, ..subscription(&["AAPL"]) }).unwrap_err();
    assert!(error.to_string().contains("prices.override.finnhub.fold_trades = true"), "{error}");
    source.check(&subscription(&["AAPL", "X:BTCUSDT", "BRK.B"])).unwrap();
    assert!(source.check(&subscription(&["I:SPX"])).is_err());
    assert!(source.check(&Subscription { halts: true, ..subscription(&["AAPL"]) }).is_err());
}

#[test]
fn captures_are_read_or_refused_with_the_reason() {
    let Some(captured) = fixture("live-captures/finnhub/ws_trades.jsonl") else { return };
    let found: Vec<String> = String::from_utf8(captured)
        .unwrap()
        .lines()
        .map(|line| match read(line) {
            Ok((trades, rejects)) => {
                let prices = trades.iter().map(|trade| format!("{} {}", trade.symbol, trade.price)).next_back();
                let reasons = rejects.into_iter().map(|reject| reject.reason).next();
                format!("{} {}", trades.len(), prices.or(reasons).unwrap_or_default())
            }
            Err(other) => other,
        })
        .collect();
    assert_eq!(
        found,
        [
            "10 X:BTCUSDT 66972.77",
            "Nothing",
            "1 X:BTCBRL 222457",
            "2 X:BTCUSDT 95372.09",
            "1 X:ETHUSDT 1675.58",
            "Error(\"Subscribing to too many symbols\")"
        ]
    );
    let documented = String::from_utf8(fixture("finnhub/ws_messages.jsonl").unwrap()).unwrap();
    let documented: Vec<&str> = documented.lines().collect();
    assert_eq!(read(documented[0]).unwrap().0[0].at, at("2019-12-05T06:18:11.134Z"));
    assert_eq!(read(documented[1]).unwrap_err(), "Nothing");
    assert!(read(documented[2]).unwrap_err().contains("too many symbols"));
}
