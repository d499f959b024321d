//! Recorded messages, sent on loopback.

use super::parse::{Message, PAGE, bars_page, message};
use crate::providers::testing::{Answered, Server, Step, Stream, fixture};
use crate::providers::{
    BarWidth, BarsRequest, Cursor, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Rejected, Subscription,
};
use jiff::Timestamp;
use std::sync::Arc;
use tapewire_core::Bar;
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

const TRADE: &str = r#"{"e":"trade","E":1617523773474,"s":"BTCUSDT","t":744644693,"p":"57497.07000000","q":"0.00034900","b":5441766279,"a":5441765967,"T":1617523773473,"m":false,"M":true}"#;
const OPEN: &str = r#"{"e":"kline","E":1617524175601,"s":"BTCUSDT","k":{"t":1617524100000,"T":1617524399999,"s":"BTCUSDT","i":"5m","o":"57479.99","c":"57520.11","h":"57527.97","l":"57446.11","v":"89.9","n":1365,"x":false,"q":"5170139.4"}}"#;
const CLOSED: &str = r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1783302599123,"s":"BTCUSDT","k":{"t":1783302540000,"T":1783302599999,"s":"BTCUSDT","i":"1m","o":"63606.01","c":"63611.81","h":"63611.82","l":"63581.70","v":"5.64552000","n":2095,"x":true,"q":"359042.49989920"}}}"#;

fn source(stream: &str, rest: &str, settings: &[(&str, &str)]) -> Arc<dyn PriceSource> {
    let mut providers = ProvidersConfig::default();
    let own = [("stream_url", stream), ("rest_url", rest), ("login_timeout", "500ms")];
    for (setting, value) in own.iter().chain(settings) {
        providers.set("binance", setting, *value);
    }
    providers.price_source("binance", &Clock::wall()).unwrap()
}

fn subscription(symbols: &[&str], trades: bool) -> Subscription {
    Subscription { symbols: symbols.iter().map(|name| symbol(name)).collect(), bars: true, trades, halts: false }
}

fn read(raw: &str) -> Result<Message, String> {
    message(raw, Timestamp::UNIX_EPOCH)
}

fn bar(raw: &str) -> Bar {
    match read(raw) {
        Ok(Message::Market(MarketEvent::Bar(bar))) => bar,
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_become_trades_and_finished_bars() {
    let Ok(Message::Market(MarketEvent::Trade(trade))) = read(TRADE) else { panic!() };
    assert_eq!((trade.symbol.as_str(), trade.id.as_str(), trade.sequence), ("X:BTCUSDT", "744644693", 744_644_693));
    assert_eq!((trade.price, trade.size, trade.at), (57497.07, 0.000349, at("2021-04-04T08:09:33.473Z")));
    let Ok(Message::Market(MarketEvent::Trade(sum))) =
        read(r#"{"e":"aggTrade","s":"BTCUSDT","a":5933014,"p":"0.001","q":"100","f":100,"l":105,"T":1672515782136}"#)
    else {
        panic!()
    };
    assert_eq!((sum.id.as_str(), sum.size), ("5933014", 100.0));

    assert_eq!(read(OPEN), Ok(Message::Nothing));
    let closed = bar(CLOSED);
    assert_eq!((closed.symbol.as_str(), closed.width_s, closed.start), ("X:BTCUSDT", 60, at("2026-07-06T01:49:00Z")));
    assert_eq!((closed.open, closed.high, closed.low, closed.close), (63606.01, 63611.82, 63581.7, 63611.81));
    assert_eq!((closed.volume, closed.trades), (5.64552, Some(2095)));
    assert!((closed.vwap.unwrap() - 359_042.499_899_2 / 5.64552).abs() < 1e-9);
    // Nothing was traded: the prices are those of before.
    assert_eq!(
        read(&CLOSED.replace("\"5.64552000\"", "\"0.0\"").replace("359042.49989920", "0")),
        Ok(Message::Nothing)
    );
    assert_eq!(read(r#"{"result":null,"id":3}"#), Ok(Message::Confirmed(3)));
    for ending in [r#"{"e":"serverShutdown","E":1770123456789}"#, r#"{"error":{"code":2,"msg":"Invalid"},"id":1}"#] {
        assert!(matches!(read(ending), Ok(Message::Ending(_))), "{ending}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    for (raw, reason) in [
        ("busy", "expected value"),
        ("{}", "no event"),
        (r#"{"e":"24hrTicker"}"#, "24hrTicker"),
        // serde would take the elements of a list for the fields, in their order.
        (r#"[{"e":"trade"},"trade",3,null]"#, "not an object"),
        (r#"{"data":["trade","BTCUSDT",744644693,1,"57497","0.1",1617523773473]}"#, "not an object"),
        (
            r#"{"e":"kline","s":"BTCUSDT","k":[1783302540000,1783302599999,"1","2","1","1","5",7,true,"8"]}"#,
            "expected an object",
        ),
        (&*TRADE.replace("57497.07000000", "NaN"), "number"),
        (&*TRADE.replace("57497.07000000", "0"), "positive"),
        (&*TRADE.replace("1617523773473", "123456785"), "between the years"),
        (&*TRADE.replace("BTCUSDT", "BTC USDT"), "pair"),
        (&*CLOSED.replace("63581.70", "63611.82"), "outside low..high"),
        (&*CLOSED.replace("1783302599999", "1783302540000"), "does not last"),
    ] {
        let error = read(raw).unwrap_err();
        assert!(error.contains(reason), "{raw}: {error}");
    }
}

#[tokio::test]
async fn it_subscribes_and_sends_what_comes_from_then_on_also_before_the_confirmation() {
    let script = vec![
        Step::Hear,
        Step::Say(TRADE.into()),
        Step::Say(r#"{"result":null,"id":1}"#.into()),
        Step::Say(OPEN.into()),
        Step::Say("{\"torn\":".into()),
        Step::Say(CLOSED.into()),
        Step::Close,
    ];
    let stream = Stream::start(vec![script]).await;
    let source = source(&stream.url(), "http://127.0.0.1:1", &[]);
    let mut connection = source.connect(&subscription(&["X:BTCUSDT", "X:ETHUSDT"], true)).await.unwrap();
    let request: serde_json::Value = serde_json::from_str(&stream.received()[0]).unwrap();
    assert_eq!(
        request["params"],
        serde_json::json!(["btcusdt@kline_1m", "ethusdt@kline_1m", "btcusdt@trade", "ethusdt@trade"])
    );
    assert!(matches!(connection.next().await.unwrap().events[..], [MarketEvent::Trade(_)]));
    assert_eq!(connection.next().await.unwrap().rejects[0].bytes, b"{\"torn\":");
    assert!(matches!(connection.next().await.unwrap().events[..], [MarketEvent::Bar(_)]));
    assert!(connection.next().await.unwrap_err().is_retryable());
}

#[tokio::test]
async fn a_refusal_a_silence_and_an_old_connection_are_told_apart() {
    let confirmed = || vec![Step::Hear, Step::Say(r#"{"result":null,"id":1}"#.into())];
    let refused = vec![Step::Hear, Step::Say(r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#.into())];
    let stream = Stream::start(vec![refused, vec![Step::Hear], confirmed()]).await;
    let wanted = subscription(&["X:BTCUSDT"], false);
    let error = async |settings: &[(&str, &str)]| match source(&stream.url(), "http://127.0.0.1:1", settings)
        .connect(&wanted)
        .await
    {
        Ok(mut connection) => connection.next().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(error(&[]).await.to_string().contains("Invalid request"));
    assert!(matches!(error(&[]).await, ProviderError::LoginTimeout { .. }));
    let old = error(&[("longest_connection", "900ms")]).await;
    assert!(old.to_string().contains("as old as") && old.is_retryable(), "{old}");

    let server = Server::start(&[
        ("/", Answered::status(451, "")),
        ("/", Answered::status(403, "")),
        ("/", Answered::status(429, "")),
    ])
    .await;
    let at_the_door = async || {
        let url = server.url().replace("http", "ws");
        source(&url, "http://127.0.0.1:1", &[]).connect(&wanted).await.map(drop).unwrap_err()
    };
    for _ in 0..2 {
        let error = at_the_door().await;
        assert!(matches!(error, ProviderError::Refused { .. }) && error.is_retryable(), "{error}");
    }
    assert!(matches!(at_the_door().await, ProviderError::RateLimited { .. }));
}

fn row(start: i64, volume: &str) -> String {
    format!("[{start},\"1.0\",\"3.0\",\"0.5\",\"2.0\",\"{volume}\",{},\"4.0\",7,\"1\",\"1\",\"0\"]", start + 59_999)
}

#[tokio::test]
async fn bars_of_the_past_come_in_pages() {
    let start = at("2026-07-06T00:00:00Z").as_millisecond();
    let rows =
        |from: i64, to: i64| (from..to).map(|minute| row(start + minute * 60_000, "2.0")).collect::<Vec<_>>().join(",");
    let last = format!("[{},{},[1],{}]", rows(1000, 1002), row(start + 1002 * 60_000, "0.00"), row(1, "1"));
    let path = "/api/v3/klines";
    let server = Server::start(&[
        (path, Answered::ok(&format!("[{}]", rows(0, 1000)))),
        (path, Answered::ok(&last)),
        (path, Answered::status(418, "").with("retry-after", "120")),
    ])
    .await;
    let source = source("ws://127.0.0.1:1", &server.url(), &[]);
    let (coin, from, to) = (symbol("X:BTCUSDT"), at("2026-07-06T00:00:00Z"), at("2026-07-07T00:00:00Z"));
    let first = source.bars_page(&BarsRequest::minutes(&coin, from, to), None).await.unwrap();
    assert_eq!((first.items.len(), first.items[0].vwap, first.items[0].trades), (1000, Some(2.0), Some(7)));
    let second = source.bars_page(&BarsRequest::minutes(&coin, from, to), first.next.as_ref()).await.unwrap();
    assert_eq!((second.items.len(), second.rejects.len(), second.next), (2, 2, None));
    assert_eq!(second.items[0].start, at("2026-07-06T16:40:00Z"));
    assert!(server.requests()[1].query.contains(&format!("startTime={}", start + 1000 * 60_000)));
    let banned = source.bars_page(&BarsRequest::minutes(&coin, from, to), None).await.unwrap_err();
    assert_eq!(banned.retry_after(), Some(std::time::Duration::from_secs(120)), "{banned}");
}

#[test]
fn a_full_page_goes_on_after_its_last_row_that_can_be_read() {
    let page = |rows: &[String]| {
        let body = format!("[{}]", rows.join(","));
        bars_page("binance", "/klines", body.as_bytes(), &symbol("X:BTCUSDT"), BarWidth::Minute, Timestamp::UNIX_EPOCH)
    };
    let start = at("2026-07-06T00:00:00Z").as_millisecond();
    let mut rows: Vec<String> = (0..PAGE as i64).map(|minute| row(start + minute * 60_000, "1")).collect();
    rows[999] = "[1]".to_owned();
    let read = page(&rows).unwrap();
    assert_eq!((read.items.len(), read.rejects.len()), (999, 1));
    assert_eq!(read.next, Some(Cursor((start + 999 * 60_000).to_string())));
    assert!(page(&rows[..999]).unwrap().next.is_none(), "it is not full");
    rows.fill("[1]".to_owned());
    assert!(matches!(page(&rows), Err(ProviderError::Unreadable { .. })));
}

#[test]
fn only_coins_can_be_subscribed_to() {
    let source = source("ws://127.0.0.1:1", "http://127.0.0.1:1", &[]);
    source.check(&subscription(&["X:BTCUSDT"], true)).unwrap();
    let error = source.check(&subscription(&["BTC"], true)).unwrap_err();
    assert!(error.to_string().contains("X:BTCUSD") && !error.is_retryable(), "{error}");
    let halts = Subscription { halts: true, ..subscription(&["X:BTCUSDT"], true) };
    assert!(source.check(&halts).unwrap_err().to_string().contains("halts"));
}

#[test]
fn captures_are_read_or_refused_with_the_reason() {
    let Some(captured) = fixture("live-captures/binance/ws.jsonl") else { return };
    let kinds: Vec<&str> = String::from_utf8(captured)
        .unwrap()
        .lines()
        .map(|line| match read(line).unwrap() {
            Message::Market(MarketEvent::Trade(_)) => "trade",
            Message::Market(MarketEvent::Bar(bar)) if bar.width_s == 1 => "second",
            Message::Market(MarketEvent::Bar(_)) => "minute",
            Message::Nothing => "open",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["trade", "open", "open", "second", "open", "minute"]);
    let document = |name: &str| String::from_utf8(fixture(&format!("binance/{name}.json")).unwrap()).unwrap();
    assert_eq!(bar(&document("kline_stream_closed")).volume, 1000.0);
    assert_eq!(read(&document("kline_stream_open")), Ok(Message::Nothing));
    // Their times are those of 1970 in any unit that Binance writes.
    for name in ["trade_stream", "agg_trade_stream"] {
        assert!(read(&document(name)).unwrap_err().contains("between the years"), "{name}");
    }
    assert!(read(&document("ticker_24hr_response")).unwrap_err().contains("no event"));
    assert!(read(&document("trades_response")).is_err());
    let (week, coin) = (document("klines_response"), symbol("X:BTCUSDT"));
    let weekly = bars_page("binance", "/", week.as_bytes(), &coin, BarWidth::Minute, Timestamp::UNIX_EPOCH).unwrap();
    assert!(weekly.items.is_empty() && weekly.rejects[0].reason.contains("a minute does not last"), "{weekly:?}");
}

#[tokio::test]
async fn daily_bars_are_days_of_utc() {
    let start = at("2026-07-06T00:00:00Z").as_millisecond();
    let day = |start: i64, end: i64| {
        format!("[{start},\"1.0\",\"3.0\",\"0.5\",\"2.0\",\"2\",{end},\"4.0\",7,\"1\",\"1\",\"0\"]")
    };
    let body = format!("[{},{}]", day(start, start + 86_399_999), day(start + 86_400_000, start + 86_459_999));
    let server = Server::start(&[("/api/v3/klines", Answered::ok(&body))]).await;
    let source = source("ws://127.0.0.1:1", &server.url(), &[]);
    let (from, to) = (at("2026-07-06T00:00:00Z"), at("2026-12-31T23:59:59Z"));
    let page = source.bars_page(&BarsRequest::days(&symbol("X:BTCUSDT"), from, to), None).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].start, page.items[0].width_s), (1, from, 86_400));
    assert!(page.rejects[0].reason.contains("a day does not last"), "{:?}", page.rejects);
    assert!(page.origin == "/api/v3/klines X:BTCUSDT 1d" && server.requests()[0].query.contains("interval=1d"));
    // Its rejects are not read again as minutes.
    let rejected = Rejected { place: &page.origin, raw: "[]", received_at: from };
    assert!(source.read_again(&rejected).await.is_err());
}
