//! Every recorded or documented message of a stream becomes what it says, or is refused with the reason: each file that
//! `TAPEWIRE_FIXTURES` holds of a provider's websocket, and small ones of the same kinds.

use super::alpaca::parse::{Market, Message as Alpaca};
use super::massive::parse::Message as Massive;
use super::testing::fixture;
use super::{MarketEvent, Reject, alpaca, binance, coinbase, finnhub, massive};
use jiff::Timestamp;

/// What was read of a message, in few words.
type Said = Vec<String>;

fn event(event: &MarketEvent) -> String {
    match event {
        MarketEvent::Bar(bar) => format!(
            "bar {} {} {}s {} {} {} {} {}",
            bar.symbol, bar.start, bar.width_s, bar.open, bar.high, bar.low, bar.close, bar.volume
        ),
        MarketEvent::Trade(trade) => format!("trade {} {} {} {}", trade.symbol, trade.at, trade.price, trade.size),
        MarketEvent::Halt(halt) => format!("halt {} {} {}", halt.symbol, halt.at, halt.halted),
    }
}

fn refused(rejects: &[Reject]) -> impl Iterator<Item = String> {
    rejects.iter().map(|reject| format!("refused: {}", reject.reason))
}

fn of_massive(text: &str) -> Said {
    let frame = massive::parse::frame(text, Timestamp::UNIX_EPOCH);
    let said = frame.messages.iter().map(|message| match message {
        Massive::Market(one) => event(one),
        Massive::PriceBand => "price band".into(),
        Massive::Status(status) => format!("status {}", status.status),
    });
    said.chain(refused(&frame.rejects)).collect()
}

fn of_alpaca(text: &str) -> Said {
    let (messages, rejects) = alpaca::parse::frame(text, Market::Shares, Timestamp::UNIX_EPOCH);
    let said = messages.iter().map(|message| match message {
        Alpaca::Market(one) => event(one),
        Alpaca::Success(step) => format!("success {step}"),
        Alpaca::Error { code, message } => format!("error {code} {message}"),
        Alpaca::Subscribed(all) => format!("subscribed to {}", all.keys().cloned().collect::<Vec<_>>().join(" ")),
        other => format!("{other:?}"),
    });
    said.chain(refused(&rejects)).collect()
}

fn of_finnhub(text: &str) -> Said {
    let mut last = 0;
    let mut number = || {
        last += 1;
        last
    };
    match finnhub::parse::message(text, Timestamp::UNIX_EPOCH, &mut number) {
        Ok(finnhub::parse::Message::Trades(events, rejects)) => {
            events.iter().map(event).chain(refused(&rejects)).collect()
        }
        Ok(finnhub::parse::Message::Nothing) => vec!["nothing".into()],
        Ok(finnhub::parse::Message::Error(words)) => vec![format!("error {words}")],
        Err(reason) => vec![format!("refused: {reason}")],
    }
}

fn of_binance(text: &str) -> Said {
    vec![match binance::parse::message(text, Timestamp::UNIX_EPOCH) {
        Ok(binance::parse::Message::Market(one)) => event(&one),
        Ok(other) => format!("{other:?}"),
        Err(reason) => format!("refused: {reason}"),
    }]
}

fn of_coinbase(text: &str) -> Said {
    let message = coinbase::parse::message(text, Timestamp::UNIX_EPOCH);
    let trades = message.trades.iter().map(|trade| event(&MarketEvent::Trade(trade.clone())));
    let candles = message.candles.iter().map(|bar| event(&MarketEvent::Bar(bar.clone())));
    let others = message.error.iter().map(|words| format!("error {words}"));
    let heartbeat = message.heartbeat.iter().map(|number| format!("heartbeat {number}"));
    trades.chain(candles).chain(others).chain(heartbeat).chain(refused(&message.rejects)).collect()
}

/// The beginnings of what each line of a file says.
fn assert_lines(path: &str, read: fn(&str) -> Said, expected: &[&[&str]]) {
    let Some(file) = fixture(path) else { return };
    let text = String::from_utf8(file).unwrap();
    let lines: Vec<Said> = text.lines().filter(|line| !line.trim().is_empty()).map(read).collect();
    assert_eq!(lines.len(), expected.len(), "{path}: {lines:?}");
    for (said, expected) in lines.iter().zip(expected) {
        assert_eq!(said.len(), expected.len(), "{path}: {said:?}");
        for (said, expected) in said.iter().zip(*expected) {
            assert!(said.starts_with(expected), "{path}: `{said}` does not start with `{expected}`");
        }
    }
}

#[test]
fn streams_of_shares() {
    assert_lines(
        "live-captures/massive/ws_stocks_live.jsonl",
        of_massive,
        &[&["bar FCX 2026-09-08T14:17:23Z 1s 78.1 78.125 78.07 78.08 4989"], &["price band"], &["price band"]],
    );
    assert_lines(
        "live-captures/massive/ws_stocks_published_samples.jsonl",
        of_massive,
        &[
            &["trade MSFT 2018-09-04T04:53:38.784Z 114.125 100"],
            &["bar SPCE 2021-01-08T22:27:48Z 1s 25.39 25.39 25.39 25.39 200"],
            &["bar GTE 2021-01-08T22:24:00Z"],
            &["bar TSLA 2020-10-19T15:27:00Z 60s 438.72 439.2199 438.72 438.91 35177"],
            &["price band"],
            &["refused: event type `NOI`"],
        ],
    );
    assert_lines(
        "live-captures/alpaca/ws_news.jsonl",
        of_alpaca,
        &[&["success connected"], &["success authenticated"], &["subscribed to news"], &["refused: type `n`"]],
    );
    assert_lines(
        "live-captures/finnhub/ws_trades.jsonl",
        of_finnhub,
        &[
            &["trade X:BTCUSDT 2024-07-21T09:58:0"; 10],
            &["nothing"],
            &["trade X:BTCBRL 2021-01-09T15:17:49.61Z 222457 0.07274"],
            &["trade X:BTCUSDT", "trade X:BTCUSDT"],
            &["trade X:ETHUSDT 2023-09-30T11:33:46.534Z 1675.58 0.2082"],
            &["error Subscribing to too many symbols"],
        ],
    );
}

#[test]
fn streams_of_coins() {
    assert_lines(
        "live-captures/binance/ws.jsonl",
        of_binance,
        &[
            &["trade X:BTCUSDT 2021-04-04T08:09:33.473Z 57497.07 0.000349"],
            &["Nothing"],
            &["Nothing"],
            &["bar X:BTCUSDT 2024-01-30T06:47:49Z 1s 43297.45 43298.97 43296.79 43296.79 0.10212"],
            &["Nothing"],
            &["bar X:BTCUSDT 2026-07-06T01:49:00Z 60s 63606.01"],
        ],
    );
    assert_lines(
        "live-captures/coinbase/ws.jsonl",
        of_coinbase,
        &[
            &[],
            &["trade X:BTCUSD 2026-08-25T03:35:57.096368Z 80691.53 0.00000001"],
            &["trade X:BTCUSD 2026-08-25T03:35:57.198335Z 80691.53"],
            &["refused: type `l2update`"],
            &["error Failed to subscribe: level2"],
            &["trade X:BTCUSD 2023-01-02T14:43:29.610435Z 16695.41 0.00020377"],
            &["trade X:ETHUSD 2021-11-10T21:37:07.988255Z 4606.8 0.00269988"],
        ],
    );
}

#[test]
fn documents() {
    let whole = |path: &str, read: fn(&str) -> Said| read(&String::from_utf8(fixture(path).unwrap()).unwrap());
    let Some(examples) = fixture("massive/ws_examples_from_spec.json") else { return };
    let examples: std::collections::BTreeMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_slice(&examples).unwrap();
    let said: Vec<String> = examples.values().flat_map(|example| of_massive(example.get())).collect();
    let expected = [
        "refused: event type `FMV`",
        "bar SPCE 2021-01-08T22:27:48Z 1s",
        "bar GTE 2021-01-08T22:24:00Z 60s 0.4488 0.4489 0.4486 0.4486 4110",
        "price band",
        "refused: event type `Q`",
        "trade MSFT 2018-09-04T04:53:38.784Z 114.125 100",
    ];
    assert_eq!(said.len(), expected.len(), "{said:?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "`{said}` does not start with `{expected}`");
    }
    for (path, read, expected) in [
        ("alpaca/ws_news.json", of_alpaca as fn(&str) -> Said, &["refused: type `n`"][..]),
        ("binance/kline_stream_open.json", of_binance, &["Nothing"]),
        ("binance/trade_stream.json", of_binance, &["refused: 123456785 is not a time between the years"]),
        ("binance/agg_trade_stream.json", of_binance, &["refused: "]),
        (
            "coinbase/ws_candles.json",
            of_coinbase,
            &["bar X:BTCUSD 2026-04-07T00:30:00Z 300s 68900 68950 68850 68920.5 42.15"],
        ),
        (
            "coinbase/ws_market_trades.json",
            of_coinbase,
            &["trade X:BTCUSD 2026-04-07T14:30:02.789012Z", "trade X:BTCUSD"],
        ),
        ("coinbase/ws_heartbeats.json", of_coinbase, &["heartbeat 42"]),
        ("coinbase/ws_subscriptions.json", of_coinbase, &[]),
        ("coinbase/ws_ticker.json", of_coinbase, &["refused: channel `ticker`"]),
    ] {
        let said = whole(path, read);
        assert_eq!(said.len(), expected.len(), "{path}: {said:?}");
        let is_expected = said.iter().zip(expected).all(|(said, expected)| said.starts_with(expected));
        assert!(is_expected, "{path}: {said:?}");
    }
}

/// The surprises of those files, typed again.
#[test]
fn surprises_of_the_captures() {
    // Numbers as texts, and fields that are missing or new.
    let second = r#"[{"ev":"A","sym":"MKR","v":4989,"av":4332125,"vw":78.0894,"o":78.1,"c":78.08,"h":78.125,"l":78.07,"s":1788877043000,"e":1788877044000,"dv":"4989.5","dav":"4332125.038360"}]"#;
    assert_eq!(of_massive(second), ["bar MKR 2026-09-08T14:17:23Z 1s 78.1 78.125 78.07 78.08 4989.5"]);
    assert!(of_massive(&second.replace("1788877044000", "1788877103000"))[0].starts_with("refused: a bar of 1 s"));
    // Nanoseconds, although the specification says milliseconds.
    let band = r#"[{"ev":"LULD","h":3.63,"l":2.97,"i":[15],"z":3,"T":"ATHR","t":1788877046310003385,"q":3209681}]"#;
    assert_eq!(of_massive(band), ["price band"]);
    assert_eq!(of_massive(&band.replace("[15]", "[17]")), ["halt ATHR 2026-09-08T14:17:26.310003Z true"]);
    // What we do not subscribe to.
    for (other, name) in
        [(r#"[{"ev":"FMV","fmv":189.22,"sym":"AAPL","t":1678220098130}]"#, "FMV"), (r#"{"ev":"NOI"}"#, "NOI")]
    {
        assert_eq!(of_massive(other), [format!("refused: event type `{name}` is not one we know")]);
    }
    // Conditions that are null, and equal trades.
    let batch = r#"{"data":[{"c":null,"p":1,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":2},{"c":null,"p":1,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":2}],"type":"trade"}"#;
    assert_eq!(of_finnhub(batch), ["trade X:BTCUSDT 2024-07-21T09:58:06.208Z 1 2"; 2]);
}
