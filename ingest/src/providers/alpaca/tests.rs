//! Messages from Alpaca's documentation and from its users, sent by a server on loopback.

use super::parse::{Market, Message, frame};
use crate::providers::testing::{Answered, Server, Step, Stream, fixture};
use crate::providers::{
    ApiKey, BarsRequest, Frame, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Reject, Subscription,
};
use jiff::Timestamp;
use std::sync::Arc;
use tapewire_core::{BarUpdates, Halt, Trade};
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

const CONNECTED: &str = r#"[{"T":"success","msg":"connected"}]"#;
const AUTHENTICATED: &str = r#"[{"T":"success","msg":"authenticated"}]"#;
const SUBSCRIBED: &str = r#"[{"T":"subscription","trades":["AAPL"],"quotes":[],"bars":["AAPL"],"updatedBars":["AAPL"],"dailyBars":[],"statuses":["AAPL"],"lulds":[],"corrections":["AAPL"],"cancelErrors":["AAPL"]}]"#;
const TRADE: &str = r#"{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":100,"t":"2021-02-22T15:51:44.208123456Z","c":["@"],"z":"C"}"#;
const BAR: &str = r#"{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}"#;
const CORRECTION: &str = r#"{"T":"c","S":"AAPL","x":"D","oi":96921,"op":126.55,"os":100,"oc":["@"],"ci":96999,"cp":126.5,"cs":90,"cc":["@"],"z":"C","t":"2021-02-22T15:53:00Z"}"#;
const CANCEL: &str =
    r#"{"T":"x","S":"AAPL","i":96999,"x":"D","p":126.5,"s":90,"a":"C","z":"C","t":"2021-02-22T15:54:00Z"}"#;
const STATUS: &str = r#"{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Additional Information Requested","z":"C","t":"2021-02-22T19:15:00Z"}"#;

fn read(text: &str, market: Market) -> (Vec<Message>, Vec<Reject>) {
    frame(text, market, Timestamp::UNIX_EPOCH)
}

fn one(raw: &str) -> Message {
    let (mut messages, rejects) = read(raw, Market::Shares);
    assert_eq!((messages.len(), rejects.len()), (1, 0), "{rejects:?}");
    messages.remove(0)
}

fn trade(raw: &str) -> Trade {
    match one(raw) {
        Message::Market(MarketEvent::Trade(trade)) => trade,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_message_becomes_its_event() {
    let first = trade(TRADE);
    assert_eq!((first.symbol.as_str(), first.id.as_str(), first.price, first.size), ("AAPL", "D/96921", 126.55, 100.0));
    assert_eq!((first.at, first.counts), (at("2021-02-22T15:51:44.208123Z"), BarUpdates::EVERYTHING));
    let cancelled = trade(CANCEL);
    assert_eq!((cancelled.replaces.as_deref(), cancelled.counts), (Some("D/96999"), BarUpdates::NOTHING));
    assert_ne!(Some(&cancelled.id), cancelled.replaces.as_ref(), "it does not take itself back");
    for minute in [BAR.to_owned(), BAR.replace("\"b\"", "\"u\"")] {
        let Message::Market(MarketEvent::Bar(bar)) = one(&minute) else { panic!() };
        assert_eq!((bar.symbol.as_str(), bar.start, bar.width_s), ("SPY", at("2021-02-22T19:15:00Z"), 60));
        assert_eq!((bar.open, bar.high, bar.low, bar.close, bar.volume), (388.985, 389.13, 388.975, 389.12, 49378.0));
        assert_eq!((bar.vwap, bar.trades), (Some(389.062639), Some(461)));
    }
    let status = |code: &str, tape: &str| {
        let raw = STATUS
            .replace("\"sc\":\"H\"", &format!("\"sc\":\"{code}\""))
            .replace("\"z\":\"C\"", &format!("\"z\":\"{tape}\""));
        match one(&raw) {
            Message::Market(MarketEvent::Halt(Halt { halted, reason, .. })) => Some((halted, reason)),
            Message::Nothing => None,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status("H", "C"), Some((true, "H T12".into())));
    assert!(status("P", "O").unwrap().0);
    assert_eq!([status("T", "C").unwrap().0, status("3", "A").unwrap().0], [false, false]);
    assert!(status("2", "B").unwrap().0);
    assert_eq!([status("Q", "C"), status("D", "A"), status("H", "A")], [None, None, None]);
    assert_eq!(
        one(r#"{"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-28T14:00:00Z","z":"C"}"#),
        Message::Nothing
    );
}

#[test]
fn a_condition_letter_is_read_by_the_rules_of_its_consolidated_tape() {
    let counts = |letters: &str, tape: &str| {
        let raw = TRADE.replace("[\"@\"]", letters).replace("\"z\":\"C\"", &format!("\"z\":\"{tape}\""));
        let BarUpdates { open_close, high_low, volume } = trade(&raw).counts;
        (open_close, high_low, volume)
    };
    assert_eq!(counts("[\"@\",\"I\"]", "C"), (false, false, true));
    assert_eq!([counts("[\"B\"]", "A"), counts("[\"B\"]", "C")], [(false, false, true), (true, true, true)]);
    assert_eq!([counts("[\"W\"]", "A"), counts("[\"W\"]", "C")], [(true, true, true), (false, false, true)]);
    assert_eq!(counts("[\" \",\"7\",\"V\"]", "B"), (false, false, true));
    assert_eq!(counts("[\"Z\"]", "C"), (false, true, true));
    assert_eq!(counts("[\"M\"]", "C"), (false, false, false));
    // Before the open nearly every trade has this letter, and counts for prices all the same. This trade is in the
    // regular session, so only its volume counts.
    assert_eq!(counts("[\"T\"]", "C"), (false, false, true));
}

#[test]
fn coins_have_no_conditions_and_a_name_of_two_currencies() {
    let raw = r#"[{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,"tks":"S"},
        {"T":"b","S":"BTC/USD","o":26675.04,"h":26695.36,"l":26668.79,"c":26688.7,"v":3.227759152,"t":"2023-09-29T01:19:00Z","n":68,"vw":26681.2},
        {"T":"t","S":"AVAXUSD","p":1,"s":1,"t":"2024-03-12T10:27:48Z","i":1}]"#;
    let (messages, rejects) = read(raw, Market::Coins);
    let [Message::Market(MarketEvent::Trade(trade)), Message::Market(MarketEvent::Bar(bar))] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert_eq!(
        (trade.symbol.as_str(), trade.id.as_str(), trade.size),
        ("X:AVAXUSD", "3447222699101865076", 29.205707815)
    );
    assert_eq!((bar.symbol.as_str(), bar.close), ("X:BTCUSD", 26688.7));
    assert!(rejects.len() == 1 && rejects[0].reason.contains("AVAXUSD"), "{rejects:?}");
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    for (raw, reason) in [
        ("[", "not json"),
        ("[[1]]", "not an object"),
        (r#"[{"T":"q","S":"AAPL"}]"#, "`q`"),
        (&*TRADE.replace("126.55", "0"), "positive"),
        (&*TRADE.replace("\"s\":100", "\"s\":-1"), "negative"),
        (&*TRADE.replace("126.55", "\"cheap\""), "invalid type"),
        (&*TRADE.replace("2021-02-22T15", "1970-01-01T15"), "plausible"),
        (&*TRADE.replace("AAPL", "I:SPX"), "not a share"),
        (&*BAR.replace("389.13", "389.0"), "outside low..high"),
        (&*BAR.replace("19:15:00Z", "19:15:07Z"), "does not start"),
        (&*BAR.replace("\"S\":\"SPY\",", ""), "`S`"),
    ] {
        let (messages, rejects) = read(raw, Market::Shares);
        assert!(messages.is_empty() && rejects[0].reason.contains(reason), "{raw}: {messages:?} {rejects:?}");
    }
}

fn source_of(kind: &str, stream: &str, rest: &str, key: &str) -> Result<Arc<dyn PriceSource>, String> {
    let mut providers = ProvidersConfig::default();
    for (setting, value) in
        [("stream_url", stream), ("rest_url", rest), ("login_timeout", "1s"), ("silence_timeout", "600ms")]
    {
        providers.set(kind, setting, value);
    }
    providers.entry(kind).api_key = ApiKey::new(key);
    providers.price_source(kind, &Clock::wall()).map_err(|error| error.to_string())
}

fn source(stream: &str, rest: &str) -> Arc<dyn PriceSource> {
    source_of("alpaca", stream, rest, "PK1:s3cret").unwrap()
}

fn subscription() -> Subscription {
    Subscription { symbols: vec![symbol("AAPL")], bars: true, trades: true, halts: true }
}

fn opened() -> Vec<Step> {
    let say = |text: &str| Step::Say(text.into());
    vec![say(CONNECTED), Step::Hear, say(AUTHENTICATED), Step::Hear, say(SUBSCRIBED)]
}

/// What a connection returns until it ends.
async fn followed(script: Vec<Step>) -> (Vec<Frame>, ProviderError) {
    let stream = Stream::start(vec![script]).await;
    let mut frames = Vec::new();
    let mut connection = match source(&stream.url(), "http://127.0.0.1:1").connect(&subscription()).await {
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
async fn a_corrected_trade_has_the_time_of_its_original_and_counts_for_nothing_if_the_original_is_unknown() {
    let said = format!("[{TRADE},{CORRECTION},{CANCEL}]");
    let unknown = format!("[{}]", CORRECTION.replace("\"oi\":96921", "\"oi\":7"));
    let script = [opened(), vec![Step::Say(said), Step::Say(unknown), Step::Close]].concat();
    let (frames, error) = followed(script).await;
    assert!(error.is_retryable(), "{error}");
    let [MarketEvent::Trade(original), MarketEvent::Trade(corrected), MarketEvent::Trade(cancel)] =
        &frames[0].events[..]
    else {
        panic!("{frames:?}")
    };
    assert_eq!((corrected.at, corrected.price, corrected.size), (original.at, 126.5, 90.0));
    assert_eq!((corrected.replaces.as_ref(), corrected.counts), (Some(&original.id), BarUpdates::EVERYTHING));
    assert_eq!(cancel.replaces.as_ref(), Some(&corrected.id));
    let [MarketEvent::Trade(lost)] = &frames[1].events[..] else { panic!("{frames:?}") };
    assert_eq!((lost.replaces.as_deref(), lost.counts), (Some("D/7"), BarUpdates::NOTHING));
    assert!(frames[1].rejects[0].reason.contains("D/7"), "{frames:?}");
}

#[tokio::test]
async fn each_connection_logs_in_and_subscribes_again_and_data_before_the_confirmation_is_kept() {
    let mut script = opened();
    script.insert(4, Step::Say(format!("[{TRADE}]")));
    script.extend([Step::Say(format!("[{BAR},{{\"T\":\"b\"}}]")), Step::Close]);
    let stream = Stream::start(vec![script.clone(), script]).await;
    let source = source(&stream.url(), "http://127.0.0.1:1");
    for _ in 0..2 {
        let mut connection = source.connect(&subscription()).await.unwrap();
        assert!(matches!(connection.next().await.unwrap().events[..], [MarketEvent::Trade(_)]));
        let frame = connection.next().await.unwrap();
        assert!(matches!(frame.events[..], [MarketEvent::Bar(_)]) && frame.rejects.len() == 1, "{frame:?}");
        assert!(connection.next().await.unwrap_err().is_retryable());
    }
    let heard = stream.received();
    assert_eq!(heard[..2], heard[2..]);
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(read(&heard[0]), serde_json::json!({"action": "auth", "key": "PK1", "secret": "s3cret"}));
    let wanted = serde_json::json!({"action": "subscribe", "bars": ["AAPL"], "updatedBars": ["AAPL"], "trades": ["AAPL"], "statuses": ["AAPL"]});
    assert_eq!(read(&heard[1]), wanted);
}

#[tokio::test]
async fn refusals_are_told_apart_from_retryable_failures_and_the_key_is_never_shown() {
    let error =
        |code: u16, words: &str| Step::Say(format!("[{{\"T\":\"error\",\"code\":{code},\"msg\":\"{words}\"}}]"));
    let say = |text: &str| Step::Say(text.into());
    let at_log_in = |step: Step| vec![say(CONNECTED), Step::Hear, step];
    let at_subscription = |step: Step| vec![say(CONNECTED), Step::Hear, say(AUTHENTICATED), Step::Hear, step];
    for (script, is_retryable, word) in [
        (at_log_in(error(402, "auth failed")), false, "TAPEWIRE_ALPACA_API_KEY"),
        (at_log_in(error(404, "auth timeout")), true, "auth timeout"),
        (at_log_in(error(406, "connection limit exceeded")), true, "no further connection"),
        (at_log_in(Step::Deafen), true, "silent"),
        (at_subscription(error(405, "symbol limit exceeded")), false, "what your plan includes"),
        (at_subscription(error(409, "insufficient subscription")), false, "insufficient"),
        (at_subscription(error(400, "invalid syntax")), false, "invalid syntax"),
        (at_subscription(say(r#"[{"T":"subscription","bars":[],"trades":[]}]"#)), true, "alpaca"),
        ([opened(), vec![error(407, "slow client")]].concat(), true, "slow client"),
        ([opened(), vec![Step::Deafen]].concat(), true, "silent"),
    ] {
        let (frames, error) = followed(script).await;
        let words = format!("{} {error:?}", tapewire_runtime::chain(&error));
        assert!(error.is_retryable() == is_retryable && words.contains(word), "{words}");
        assert!(!words.contains("s3cret") && !words.contains("PK1") && frames.is_empty(), "{words}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused_with_the_remedy() {
    let nowhere = ("ws://127.0.0.1:1", "http://127.0.0.1:1");
    let error = source_of("alpaca", nowhere.0, nowhere.1, "PK1-without-a-secret").err().unwrap();
    assert!(error.contains("ID:SECRET") && !error.contains("PK1-without"), "{error}");
    let mut providers = ProvidersConfig::default();
    providers.set("alpaca", "feed", "us");
    let error = providers.price_source("alpaca", &Clock::wall()).err().unwrap().to_string();
    assert!(error.contains("iex, sip"), "{error}");
    let shares = source(nowhere.0, nowhere.1);
    shares.check(&subscription()).unwrap();
    let coin = Subscription { symbols: vec![symbol("X:BTCUSD")], halts: false, ..subscription() };
    assert!(shares.check(&coin).unwrap_err().to_string().contains("alpaca_crypto"));
    let coins = source_of("alpaca_crypto", nowhere.0, nowhere.1, "PK1:s3cret").unwrap();
    coins.check(&coin).unwrap();
    assert!(coins.check(&subscription()).is_err());
    assert!(coins.check(&Subscription { halts: true, ..coin }).unwrap_err().to_string().contains("halts"));
}

#[tokio::test]
async fn bars_of_the_past_come_in_pages_with_both_parts_of_the_key() {
    let row = |minute: u8, high: &str| {
        format!(
            "{{\"t\":\"2024-01-03T14:{minute}:00Z\",\"o\":184.22,\"h\":{high},\"l\":184.0,\"c\":184.1,\"v\":12000,\"n\":150,\"vw\":184.2}}"
        )
    };
    let first = format!(
        "{{\"bars\":[{},{}],\"symbol\":\"AAPL\",\"next_page_token\":\"QUFQTHxN\"}}",
        row(30, "184.4"),
        row(31, "1")
    );
    let coins = format!("{{\"bars\":{{\"BTC/USD\":[{}]}},\"next_page_token\":null}}", row(30, "184.4"));
    let path = "/v2/stocks/AAPL/bars";
    let server = Server::start(&[
        (path, Answered::ok(&first)),
        (path, Answered::ok("{\"bars\":null,\"symbol\":\"AAPL\",\"next_page_token\":null}")),
        (path, Answered::status(403, "{\"message\":\"forbidden.\"}")),
        (path, Answered::status(429, "").with("retry-after", "3")),
        ("/v1beta3/crypto/us/bars", Answered::ok(&coins)),
    ])
    .await;
    let source = source("ws://127.0.0.1:1", &server.url());
    let (from, to) = (at("2024-01-03T14:30:00Z"), at("2024-01-03T15:00:00Z"));
    let page = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), from, to), None).await.unwrap();
    assert_eq!((page.items.len(), page.rejects.len(), page.items[0].start), (1, 1, from));
    let last = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), from, to), page.next.as_ref()).await.unwrap();
    assert_eq!((last.items.len(), last.next), (0, None));
    let refused = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), from, to), None).await.unwrap_err();
    assert!(matches!(refused, ProviderError::NotAuthorized { .. }), "{refused}");
    let busy = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), from, to), None).await.unwrap_err();
    assert_eq!(busy.retry_after(), Some(std::time::Duration::from_secs(3)));
    let coin = source_of("alpaca_crypto", "ws://127.0.0.1:1", &server.url(), "PK1:s3cret").unwrap();
    let page = coin.bars_page(&BarsRequest::minutes(&symbol("X:BTCUSD"), from, to), None).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].symbol.as_str()), (1, "X:BTCUSD"));
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.keys == ["PK1", "s3cret"]), "{requests:?}");
    assert!(requests[0].query.contains("feed=iex") && requests[0].query.contains("adjustment=raw"), "{requests:?}");
    assert!(requests[1].query.contains("page_token=QUFQTHxN") && requests[4].query.contains("symbols=BTC%2FUSD"));
}

#[test]
fn bars_of_other_symbols_are_not_taken() {
    let row = "{\"t\":\"2024-01-03T14:30:00Z\",\"o\":2,\"h\":2,\"l\":2,\"c\":2,\"v\":1}";
    let read = |of: &str, body: String| {
        let now = at("2024-01-03T15:00:00Z");
        super::parse::bars_page(
            "alpaca",
            "/bars",
            body.as_bytes(),
            &symbol(of),
            crate::providers::BarWidth::Minute,
            now,
        )
    };
    let both = format!("{{\"bars\":{{\"AVAX/USD\":[{row},{row}],\"BTC/USD\":[{row}]}}}}");
    assert_eq!(read("X:BTCUSD", both.clone()).unwrap().items.len(), 1);
    assert_eq!(read("X:BTCUSD", "{\"bars\":{}}".into()).unwrap().items.len(), 0);
    let share = format!("{{\"bars\":[{row}],\"symbol\":\"MSFT\"}}");
    for (of, body, expected) in [("X:ETHUSD", both, "BTC/USD"), ("AAPL", share, "`MSFT`")] {
        let error = read(of, body).unwrap_err();
        assert!(matches!(error, ProviderError::Unreadable { .. }) && error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn captures_are_read_or_refused_with_the_reason() {
    let Some(captured) = fixture("live-captures/alpaca/ws_news.jsonl") else { return };
    let captured = String::from_utf8(captured).unwrap();
    let lines: Vec<&str> = captured.lines().collect();
    assert_eq!(one(lines[0]), Message::Success("connected".into()));
    assert_eq!(one(lines[1]), Message::Success("authenticated".into()));
    let Message::Subscribed(all) = one(lines[2]) else { panic!() };
    assert_eq!(all["news"], ["*"]);
    // A stream of prices refuses a news message.
    assert!(read(lines[3], Market::Shares).1[0].reason.contains("`n`"));
    let control = String::from_utf8(fixture("alpaca/ws_control.json").unwrap()).unwrap();
    let frames: Vec<serde_json::Value> = serde_json::from_str(&control).unwrap();
    let Message::Error { code, message } = one(&frames[2].to_string()) else { panic!() };
    assert_eq!((code, message.as_str()), (406, "connection limit exceeded"));
}

#[test]
fn a_correction_with_the_number_of_its_original_is_refused() {
    let raw = CORRECTION.replace("\"ci\":96999", "\"ci\":96921");
    let (messages, rejects) = read(&format!("[{raw}]"), Market::Shares);
    assert!(
        messages.is_empty() && rejects[0].reason.contains("number of the trade itself"),
        "{messages:?} {rejects:?}"
    );
}

#[tokio::test]
async fn daily_bars_are_as_printed_and_those_of_all_exchanges() {
    let row = |start: &str| {
        format!("{{\"t\":\"{start}\",\"o\":172.02,\"h\":173.07,\"l\":170.341,\"c\":171.21,\"v\":51861083}}")
    };
    let share = format!("{{\"bars\":[{}],\"next_page_token\":null}}", row("2023-09-29T04:00:00Z"));
    let coins = format!("{{\"bars\":{{\"BTC/USD\":[{}]}}}}", row("2023-09-29T00:00:00Z"));
    let paths = ["/v2/stocks/AAPL/bars", "/v1beta3/crypto/us/bars"];
    let server = Server::start(&[(paths[0], Answered::ok(&share)), (paths[1], Answered::ok(&coins))]).await;
    let (from, to) = (at("2023-01-01T00:00:00Z"), at("2023-12-31T23:59:59Z"));
    let source = source("ws://127.0.0.1:1", &server.url());
    let page = source.bars_page(&BarsRequest::days(&symbol("AAPL"), from, to), None).await.unwrap();
    let bar = &page.items[0];
    assert_eq!((bar.start, bar.width_s, bar.close), (at("2023-09-29T04:00:00Z"), 86_400, 171.21));
    assert_eq!(page.origin, "/v2/stocks/AAPL/bars AAPL 1d");
    let coin = source_of("alpaca_crypto", "ws://127.0.0.1:1", &server.url(), "PK1:s3cret").unwrap();
    let page = coin.bars_page(&BarsRequest::days(&symbol("X:BTCUSD"), from, to), None).await.unwrap();
    assert_eq!((page.items[0].start, page.items[0].width_s), (at("2023-09-29T00:00:00Z"), 86_400));
    assert!(source.has_daily_bars() && coin.has_daily_bars());
    let asked = server.requests();
    for part in ["timeframe=1Day", "adjustment=raw", "feed=sip", "start=2023-01-01T00%3A00%3A00Z"] {
        assert!(asked[0].query.contains(part), "{part}: {asked:?}");
    }
}
