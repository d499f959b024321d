//! Messages of the websockets of Alpaca, Finnhub and Kraken.

use super::INPUTS;
use jiff::Timestamp;
use std::panic::RefUnwindSafe;
use tapewire_core::{Bar, Trade};
use tapewire_fuzzkit::json::{Fields, Json, fields, items, message as changed};
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_ingest::epoch::is_plausible;
use tapewire_ingest::providers::MarketEvent;
use tapewire_ingest::providers::alpaca::parse::{Market, Message, frame};
use tapewire_ingest::providers::{finnhub, kraken};

const ALPACA: &str = r#"[{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":100,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"},
    {"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.06,"t":"2021-02-22T19:15:00Z"},
    {"T":"c","S":"AAPL","x":"D","oi":96921,"op":126.55,"os":100,"oc":["@"],"ci":96999,"cp":126.5,"cs":90,"cc":["@"],"z":"C","t":"2021-02-22T15:53:00Z"},
    {"T":"x","S":"AAPL","i":96999,"x":"D","p":126.5,"s":90,"a":"C","z":"C","t":"2021-02-22T15:54:00Z"},
    {"T":"s","S":"AAPL","sc":"H","rc":"T12","z":"C","t":"2021-02-22T19:15:00Z"},
    {"T":"error","code":406,"msg":"connection limit exceeded"},{"T":"subscription","trades":["AAPL"],"bars":[]}]"#;
const FINNHUB: &str = r#"{"data":[{"c":["1","12"],"p":122.09,"s":"TSLA","t":1672327287196,"v":4},
    {"c":null,"p":66972.77,"s":"BINANCE:BTCUSDT","t":1721555886208,"v":0.01559}],"type":"trade"}"#;
const KRAKEN_TRADES: &str = r#"{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.5117,"qty":40.0,
    "ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"}]}"#;
const KRAKEN_CANDLES: &str = r#"{"channel":"ohlc","type":"update","timestamp":"2023-10-04T16:26:30.524394914Z","data":[{"symbol":"MATIC/USD",
    "open":0.5624,"high":0.5628,"low":0.5622,"close":0.5627,"trades":12,"volume":30927.68066226,"vwap":0.5626,
    "interval_begin":"2023-10-04T16:25:00.000000000Z","interval":1,"timestamp":"2023-10-04T16:26:00.000000Z"}]}"#;

fn messages(seeds: &[&str], target: impl Fn(&str, usize) + RefUnwindSafe) {
    let seeds: Vec<Json> = seeds.iter().map(|seed| Json::of(seed)).collect();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let bytes = changed(&mut Dice::new(bytes), &seeds);
        target(&String::from_utf8_lossy(&bytes), bytes.len());
    });
}

fn received() -> Timestamp {
    Timestamp::constant(1_748_872_900, 0)
}

/// What any trade has, whatever was read.
fn assert_trade(trade: &Trade) {
    assert!(trade.price.is_finite() && trade.price > 0.0 && trade.size.is_finite() && trade.size >= 0.0, "{trade:?}");
    assert!(is_plausible(trade.at) && trade.received_at == received() && !trade.id.is_empty(), "{trade:?}");
    assert_ne!(trade.replaces.as_ref(), Some(&trade.id));
}

fn assert_bar(bar: &Bar) {
    assert_eq!((bar.fault(), bar.width_s, bar.start.as_microsecond() % 60_000_000), (None, 60, 0), "{bar:?}");
    assert!(is_plausible(bar.start), "{bar:?}");
}

/// The numbers of a bar or trade are those of its fields.
fn assert_numbers(plain: &Fields, numbers: &[(f64, &str)]) {
    for (number, name) in numbers {
        assert_eq!(Some(number.to_bits()), plain.number(name).map(f64::to_bits), "{name} {plain:?}");
    }
}

/// A number that may be written as text.
fn written(plain: &Fields, name: &str) -> Option<f64> {
    plain.number(name).or_else(|| plain.string(name)?.parse().ok())
}

#[test]
fn frames_of_alpaca() {
    for market in [Market::Shares, Market::Coins] {
        messages(&[ALPACA], |text, length| {
            let (read, rejects) = bounded(length, || frame(text, market, received()));
            let Some(raw) = items(text) else { return };
            assert_eq!(read.len() + rejects.len(), raw.len(), "each element once");
            let refused: Vec<&[u8]> = rejects.iter().map(|reject| &reject.bytes[..]).collect();
            let kept = raw.iter().filter(|element| !refused.contains(&element.trim().as_bytes()));
            for (message, element) in read.iter().zip(kept).filter(|_| refused.len() + read.len() == raw.len()) {
                let Some(plain) = fields(element) else { continue };
                match message {
                    Message::Market(MarketEvent::Trade(trade)) => {
                        assert_trade(trade);
                        assert_numbers(&plain, &[(trade.price, "p"), (trade.size, "s")]);
                    }
                    Message::Correction(original, trade) => {
                        assert_trade(trade);
                        assert_eq!(trade.replaces.as_ref(), Some(original));
                        assert_numbers(&plain, &[(trade.price, "cp"), (trade.size, "cs")]);
                    }
                    Message::Market(MarketEvent::Bar(bar)) => {
                        assert_bar(bar);
                        let numbers =
                            [(bar.open, "o"), (bar.high, "h"), (bar.low, "l"), (bar.close, "c"), (bar.volume, "v")];
                        assert_numbers(&plain, &numbers);
                    }
                    Message::Market(MarketEvent::Halt(halt)) => assert!(is_plausible(halt.at)),
                    Message::Success(_) | Message::Error { .. } | Message::Subscribed(_) | Message::Nothing => {}
                }
            }
        });
    }
}

#[test]
fn messages_of_finnhub() {
    messages(&[FINNHUB, FINNHUB, r#"{"msg":"Subscribing to too many symbols","type":"error"}"#], |text, length| {
        let mut last = 7;
        let mut number = || {
            last += 1;
            last
        };
        let read = bounded(length, || finnhub::parse::message(text, received(), &mut number));
        let Ok(finnhub::parse::Message::Trades(events, rejects)) = read else { return };
        let raw = fields(text).and_then(|plain| items(plain.raw("data")?)).unwrap_or_default();
        assert!(events.len() + rejects.len() <= raw.len());
        let mut numbers = Vec::new();
        for event in &events {
            let MarketEvent::Trade(trade) = event else { panic!("{event:?}") };
            assert_trade(trade);
            assert!(trade.size > 0.0, "an update of a price is no trade");
            let is_there = raw
                .iter()
                .filter_map(|item| fields(item))
                .any(|plain| written(&plain, "p") == Some(trade.price) && written(&plain, "v") == Some(trade.size));
            assert!(is_there, "{trade:?} of {raw:?}");
            numbers.push(trade.sequence);
        }
        assert!(numbers.is_sorted() && numbers.windows(2).all(|pair| pair[0] != pair[1]));
    });
}

#[test]
fn messages_of_kraken() {
    let ended = r#"{"method":"subscribe","error":"Currency pair not supported","success":false}"#;
    messages(&[KRAKEN_TRADES, KRAKEN_CANDLES, KRAKEN_TRADES, KRAKEN_CANDLES, ended], |text, length| {
        let read = bounded(length, || kraken::parse::message(text, received()));
        let raw = fields(text).and_then(|plain| items(plain.raw("data")?)).unwrap_or_default();
        let refused_whole = read.rejects.first().is_some_and(|reject| reject.bytes == text.as_bytes());
        assert!(refused_whole || read.trades.len() + read.candles.len() + read.rejects.len() <= raw.len(), "{read:?}");
        let has = |wanted: &[(f64, &str)]| {
            let is_it = |plain: Fields| wanted.iter().all(|(number, name)| written(&plain, name) == Some(*number));
            raw.iter().filter_map(|item| fields(item)).any(is_it)
        };
        for trade in &read.trades {
            assert_trade(trade);
            assert!(has(&[(trade.price, "price"), (trade.size, "qty")]), "{trade:?} of {raw:?}");
        }
        for bar in &read.candles {
            assert_bar(bar);
            assert!(
                bar.volume > 0.0 && has(&[(bar.open, "open"), (bar.close, "close"), (bar.volume, "volume")]),
                "{bar:?}"
            );
        }
    });
}
