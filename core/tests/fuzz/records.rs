//! Records of every topic.

use super::INPUTS;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tapewire_core::record::{Envelope, Print, Scored, SourceTrade, Tape};
use tapewire_core::tape::ActionKind;
use tapewire_core::{
    ActionRecord, Bar, DeadLetter, HaltRecord, InstrumentRecord, NewsRecord, PrintKind, PrintRef, Run, SentimentRecord,
    Symbol, TapeRecord, Trade, TradeRecord, TradeRef, Watermark, Watermarks, record::News,
};
use tapewire_fuzzkit::json::{Fields, Json, fields, message};
use tapewire_fuzzkit::{Dice, bounded, fuzz};

const ARTICLE: &str = r#"{"v":1,"run":"live","body":{"article":{"id":"a1","revision":18446744073709551615,
    "provider":"massive","publisher":"Wire","author":"","title":"Apple &amp; Maker rise","description":"<p>Teaser</p>",
    "url":"https://x.example/1","symbols":["AAPL","BRK.B"],"withdrawn":["MSFT",null],"keywords":["a"],
    "published_at":1700000000000001,"received_at":1700000001000002}}}"#;
const NEWS_WATERMARK: &str = r#"{"v":1,"run":"live","body":{"watermark":{"index":0,"count":2,"source":"desk","idle":true,
    "at":1700000000123456}}}"#;
const MENTION: &str = r#"{"v":1,"run":"replay-1","body":{"mention":{"article_id":"a1","article_revision":7,
    "symbol":"AAPL","title":"Apple rises","provider":"massive","publisher":"Wire","url":"https://x.example/1",
    "published_at":1700000000000001,"received_at":1700000001000002,"scored_at":1700000002000003,"relevance":0.5,
    "asked_as":"Apple","sentiment":{"probabilities":{"positive":0.7000000000000001,"neutral":0.2,"negative":0.1},
    "model":"m","model_revision":"r","windows":2},"unscored":null}}}"#;
const UNSCORED: &str = r#"{"v":1,"run":"live","body":{"mention":{"article_id":"a1","article_revision":7,"symbol":null,
    "title":"","provider":"massive","publisher":"","url":"","published_at":1700000000000001,
    "received_at":1700000001000002,"scored_at":1700000002000003,"relevance":null,"sentiment":null,
    "unscored":"empty_text"}}}"#;
const BAR: &str = r#"{"v":1,"run":"live","body":{"bar":{"symbol":"AAPL","start":1700000000000000,"width_s":60,
    "open":1.5,"high":2.25,"low":1.25,"close":2.0,"volume":1918.0,"vwap":1.75,"trades":12,
    "received_at":1700000061000000}}}"#;
const TRADE: &str = r#"{"v":1,"run":"live","body":{"symbol":"MSFT","at":1700000000000000,"id":"12345","sequence":3681328,
    "price":114.125,"size":100.0,"received_at":1700000000200000}}"#;
const FOLD: &str = r#"{"v":1,"run":"live","body":{"fold":{"source":"coinbase","trade":{"symbol":"X:BTCUSD",
    "at":1700000000000000,"id":"7","sequence":3,"price":114.125,"size":0.5,"counts":{"open_close":true,"high_low":true,
    "volume":false},"replaces":"6","received_at":1700000000200000}}}}"#;
const GAP: &str = r#"{"v":1,"run":"live","body":{"gap":{"source":"coinbase","from":1700000000000000,
    "to":1700000000200000}}}"#;
const HALT: &str = r#"{"v":1,"run":"live","body":{"symbol":"MSFT","at":1700000000000000,"halted":true,
    "reason":"LULD 17","received_at":1700000000200000}}"#;
const SPLIT: &str = r#"{"v":1,"run":"live","body":{"symbol":"AAPL","ex_date":"2020-08-31","id":"1:4",
    "kind":{"split":{"from":1.0,"to":4.0}},"received_at":1700000000200000}}"#;
const DIVIDEND: &str = r#"{"v":1,"run":"live","body":{"symbol":"AAPL","ex_date":"2021-11-05","id":"CD 0.22 USD",
    "kind":{"dividend":{"amount":0.22,"currency":"USD"}},"received_at":1700000000200000}}"#;
const INSTRUMENT: &str = r#"{"v":1,"run":"live","body":{"symbol":"FB","name":"WATERS CORP /DE/","aliases":["W"],
    "kind":"stock","exchange":"NYSE","cik":1326801,"figi":null,"valid_from":"2022-06-09","valid_to":null,"source":"sec",
    "seen_at":1700000000200000}}"#;
const DEAD_LETTER: &str = r#"{"v":1,"run":"live","stage":"joiner","origin":"topic news, partition 2, offset 77",
    "reason":"not a record","bytes":"e30=","at":1700000000200000}"#;

/// Runs a target whose inputs are messages made of these.
fn messages(seeds: &[&str], target: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let seeds: Vec<Json> = seeds.iter().map(|seed| Json::of(seed)).collect();
    fuzz!(INPUTS, |bytes: &[u8]| target(&message(&mut Dice::new(bytes), &seeds)));
}

/// Reads a record; one that is accepted is the same when it is written and read again.
fn decoded<Body>(bytes: &[u8]) -> Option<(Envelope<Body>, Fields)>
where
    Body: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let record = match bounded(bytes.len(), || Envelope::<Body>::decode(bytes)) {
        Ok(record) => record,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let again = Envelope::<Body>::decode(&record.encode()).unwrap();
    assert_eq!(again, record);
    // serde also reads a struct from a list of its fields' values. Nobody writes that, and it is not compared.
    let whole = fields(&String::from_utf8_lossy(bytes))?;
    assert_eq!(Some(record.run.as_str()), whole.string("run").as_deref());
    Some((record, whole.object("body")?))
}

fn assert_time(at: Timestamp, fields: &Fields, name: &str) {
    assert_eq!(Some(i128::from(at.as_microsecond())), fields.integer(name), "{name}");
    assert_eq!(at.as_nanosecond() % 1000, 0, "{name}");
}

fn assert_number(number: f64, fields: &Fields, name: &str) {
    assert_eq!(Some(number.to_bits()), fields.number(name).map(f64::to_bits), "{name} {fields:?}");
    assert!(number.is_finite());
}

fn assert_symbol(symbol: &Symbol, fields: &Fields, name: &str) {
    assert_eq!(Ok(symbol), Symbol::new(&fields.string(name).unwrap()).as_ref());
}

fn assert_watermark(watermark: &Watermark, body: &Fields) {
    let Some(fields) = body.object("watermark") else { return };
    assert_time(watermark.at, &fields, "at");
    assert_eq!(Some(i128::from(watermark.count)), fields.integer("count"));
    let mut all = Watermarks::default();
    all.observe(watermark);
    assert!(all.minimum().is_none_or(|minimum| minimum == watermark.at));
}

#[test]
fn articles() {
    messages(&[ARTICLE, ARTICLE, NEWS_WATERMARK], |bytes| {
        let Some((NewsRecord { body, .. }, plain)) = decoded::<News>(bytes) else { return };
        let article = match body {
            News::Article(article) => article,
            News::Watermark(watermark) => return assert_watermark(&watermark, &plain),
        };
        let Some(plain) = plain.object("article") else { return };
        assert_time(article.published_at, &plain, "published_at");
        assert_time(article.received_at, &plain, "received_at");
        assert_eq!(Some(i128::from(article.revision)), plain.integer("revision"));
        for (own, name) in [
            (&article.id, "id"),
            (&article.title, "title"),
            (&article.description, "description"),
            (&article.url, "url"),
        ] {
            assert_eq!(Some(own), plain.string(name).as_ref());
        }
        let symbols: Vec<Symbol> = plain.strings("symbols").unwrap().iter().map(|s| Symbol::new(s).unwrap()).collect();
        assert_eq!(article.symbols, symbols);
        assert!(article.subjects().len() == article.symbols.len().max(1));
        assert_eq!(article.key(), format!("{}/{}", article.provider, article.id));
        assert!(article.cleaned().text().len() <= 2 * bytes.len() + 2);
    });
}

#[test]
fn mentions() {
    messages(&[MENTION, MENTION, UNSCORED, NEWS_WATERMARK], |bytes| {
        let Some((SentimentRecord { body, .. }, plain)) = decoded::<Scored>(bytes) else { return };
        let mention = match body {
            Scored::Mention(mention) => mention,
            Scored::Watermark(watermark) => return assert_watermark(&watermark, &plain),
        };
        let Some(plain) = plain.object("mention") else { return };
        for (at, name) in [
            (mention.published_at, "published_at"),
            (mention.received_at, "received_at"),
            (mention.scored_at, "scored_at"),
        ] {
            assert_time(at, &plain, name);
            assert!(at <= mention.available_at());
        }
        if let Some(relevance) = mention.relevance {
            assert_number(relevance, &plain, "relevance");
        }
        assert_eq!(mention.sentiment.is_ok(), plain.raw("sentiment").is_some());
        assert_eq!(mention.sentiment.is_err(), plain.raw("unscored").is_some());
        if let Some(given) = mention.probabilities() {
            let plain = plain.object("sentiment").and_then(|sentiment| sentiment.object("probabilities"));
            let Some(plain) = plain else { return };
            for (number, name) in
                [(given.positive, "positive"), (given.neutral, "neutral"), (given.negative, "negative")]
            {
                assert_number(number, &plain, name);
            }
            assert!(["positive", "neutral", "negative"].contains(&given.label()));
        }
    });
}

fn assert_bar(bar: &Bar, plain: &Fields) {
    assert_symbol(&bar.symbol, plain, "symbol");
    assert_time(bar.start, plain, "start");
    assert_time(bar.received_at, plain, "received_at");
    assert_eq!(Some(i128::from(bar.width_s)), plain.integer("width_s"));
    for (number, name) in
        [(bar.open, "open"), (bar.high, "high"), (bar.low, "low"), (bar.close, "close"), (bar.volume, "volume")]
    {
        assert_number(number, plain, name);
    }
    if let Some(vwap) = bar.vwap {
        assert_number(vwap, plain, "vwap");
    }
    assert_eq!(bar.trades.map(i128::from), plain.integer("trades"));
    if bar.fault().is_none() {
        assert!(bar.end() > bar.start);
        assert!(bar.low > 0.0 && bar.low <= bar.open && bar.close <= bar.high && bar.volume >= 0.0);
    }
}

#[test]
fn bars() {
    let copy = BAR.replace("{\"bar\"", "{\"benchmark_bar\"");
    messages(&[BAR, BAR, &copy, NEWS_WATERMARK], |bytes| {
        let Some((TapeRecord { body, .. }, plain)) = decoded::<Tape>(bytes) else { return };
        match body {
            Tape::Bar(bar) => drop(plain.object("bar").map(|plain| assert_bar(&bar, &plain))),
            Tape::BenchmarkBar(bar) => drop(plain.object("benchmark_bar").map(|plain| assert_bar(&bar, &plain))),
            Tape::Watermark(watermark) => assert_watermark(&watermark, &plain),
        }
    });
}

#[test]
fn trades_and_halts() {
    messages(&[TRADE, HALT], |bytes| {
        if let Some((Envelope { body: trade, .. }, plain)) = decoded::<Trade>(bytes) {
            assert_trade(&trade, &plain);
            let read = TradeRecord::decode_print(bytes).unwrap();
            assert_eq!(read.body.into_trade(), Some(trade));
        }
        if let Some((HaltRecord { body: halt, .. }, plain)) = decoded(bytes) {
            let halt: tapewire_core::Halt = halt;
            assert_symbol(&halt.symbol, &plain, "symbol");
            assert_time(halt.at, &plain, "at");
            assert_eq!(plain.raw("halted"), Some(if halt.halted { "true" } else { "false" }));
        }
    });
}

fn assert_trade(trade: &Trade, plain: &Fields) {
    assert_symbol(&trade.symbol, plain, "symbol");
    assert_time(trade.at, plain, "at");
    assert_number(trade.price, plain, "price");
    assert_number(trade.size, plain, "size");
    assert_eq!(Some(i128::from(trade.sequence)), plain.integer("sequence"));
}

#[test]
fn trades_that_become_bars() {
    messages(&[FOLD, GAP, NEWS_WATERMARK], |bytes| {
        let Some((TradeRecord { body, .. }, plain)) = decoded::<Print>(bytes) else { return };
        match body {
            Print::Trade(trade) => drop(plain.object("trade").map(|plain| assert_trade(&trade, &plain))),
            Print::Fold(SourceTrade { source, trade }) => {
                let Some(plain) = plain.object("fold") else { return };
                assert_eq!(plain.string("source"), Some(source));
                let _ = plain.object("trade").map(|plain| assert_trade(&trade, &plain));
            }
            Print::BenchmarkFold(SourceTrade { trade, .. }) => {
                let plain = plain.object("benchmark_fold").and_then(|plain| plain.object("trade"));
                let _ = plain.map(|plain| assert_trade(&trade, &plain));
            }
            Print::Gap(gap) => {
                let Some(plain) = plain.object("gap") else { return };
                assert_time(gap.from, &plain, "from");
                assert_time(gap.to, &plain, "to");
            }
            Print::Watermark(watermark) => assert_watermark(&watermark, &plain),
        }
    });
}

/// Values in the records of trades.
const WRITTEN: [&str; 10] = [
    "\"X:BTCUSD\"",
    "\"coinbase\"",
    "\"6\"",
    "1700000000000000",
    "1700000000200000",
    ":3,",
    "114.125",
    "0.5",
    "true",
    "1,",
];
/// What may stand in place of them.
const ODD: [&str; 30] = [
    "0",
    "-1",
    "7",
    "01",
    "1.0",
    "0.10",
    "1.",
    ".5",
    "1e3",
    "1.5e3",
    "-0.0",
    "0.1",
    "00.1",
    "9007199254740993.0",
    "123456789.123456789",
    "1234567890123456.5",
    "0.000000000000000001",
    "0.30000000000000004",
    "253402207200000000",
    "18446744073709551615",
    "false",
    "null",
    "\"\"",
    "\"é\"",
    "\" mkr \"",
    "\"A B\"",
    "\"\\u0041\"",
    "\"\n\"",
    "{}",
    ":3,",
];

/// What is read without a copy is what the general reader reads.
#[test]
fn trades_read_without_a_copy() {
    // As records are written: the fields in their order and no spaces.
    let fold: String = FOLD.split_whitespace().collect();
    let copy = fold.replace("{\"fold\"", "{\"benchmark_fold\"");
    let plain: String = TRADE.split_whitespace().collect();
    let plain = plain.replace("\"body\":{", "\"body\":{\"trade\":{") + "}";
    let seeds = [&fold, &copy, &plain];
    assert!(seeds.iter().all(|seed| PrintRef::read(seed.as_bytes()).is_some()));
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let mut text = dice.of(&seeds).clone();
        for _ in 0..dice.below(4) {
            text = text.replacen(dice.of(&WRITTEN), dice.of(&ODD), 1);
        }
        let mut damaged = text.into_bytes();
        if dice.once_in(4) {
            dice.damage(&mut damaged);
        }
        let bytes = damaged.as_slice();
        let Some(print) = bounded(bytes.len(), || PrintRef::read(bytes)) else { return };
        let general = TradeRecord::decode_print(bytes);
        let Ok(symbol) = Symbol::new(print.trade.symbol) else {
            assert!(general.is_err());
            return;
        };
        let Envelope { run, body, .. } = general.unwrap();
        assert_eq!(run.as_str(), print.run);
        let (kind, trade) = match &body {
            Print::Trade(trade) => (PrintKind::Trade, trade),
            Print::Fold(SourceTrade { source, trade }) => (PrintKind::Fold { source }, trade),
            Print::BenchmarkFold(SourceTrade { source, trade }) => (PrintKind::BenchmarkFold { source }, trade),
            Print::Gap(_) | Print::Watermark(_) => panic!("{body:?} is not a trade"),
        };
        assert_eq!((print.kind, &symbol), (kind, &trade.symbol));
        assert_eq!(print.trade, TradeRef { symbol: print.trade.symbol, ..trade.borrowed() });
        let bits = |price: f64, size: f64| (price.to_bits(), size.to_bits());
        assert_eq!(bits(print.trade.price, print.trade.size), bits(trade.price, trade.size));
    });
}

#[test]
fn splits_and_dividends() {
    messages(&[SPLIT, DIVIDEND], |bytes| {
        let Some((ActionRecord { body: action, .. }, plain)) = decoded(bytes) else { return };
        let action: tapewire_core::CorporateAction = action;
        assert_symbol(&action.symbol, &plain, "symbol");
        assert_eq!(plain.string("ex_date").unwrap().parse::<Date>().unwrap(), action.ex_date);
        let Some(kind) = plain.object("kind") else { return };
        match &action.kind {
            ActionKind::Split { from, to } => {
                let Some(plain) = kind.object("split") else { return };
                assert_number(*from, &plain, "from");
                assert_number(*to, &plain, "to");
            }
            ActionKind::Dividend { amount, currency } => {
                let Some(plain) = kind.object("dividend") else { return };
                assert_number(*amount, &plain, "amount");
                assert_eq!(*currency, plain.string("currency").unwrap_or_default());
            }
        }
        let at = action.received_at;
        assert_eq!(action.withdrawn(at).fault(), None);
    });
}

#[test]
fn instruments_and_dead_letters() {
    messages(&[INSTRUMENT, DEAD_LETTER], |bytes| {
        if let Some((InstrumentRecord { body: listed, .. }, plain)) = decoded(bytes) {
            let listed: tapewire_core::record::ListedInstrument = listed;
            assert_symbol(&listed.instrument.symbol, &plain, "symbol");
            assert_eq!(listed.instrument.cik.map(i128::from), plain.integer("cik"));
            assert_eq!(Some(&listed.instrument.name), plain.string("name").as_ref());
            assert!(listed.key().starts_with(listed.instrument.symbol.as_str()));
            let days = [(listed.instrument.valid_from, "valid_from"), (listed.instrument.valid_to, "valid_to")];
            for (day, name) in days {
                assert_eq!(day, plain.string(name).map(|day| day.parse::<Date>().unwrap()), "{name}");
            }
        }
        if let Ok(letter) = bounded(bytes.len(), || serde_json::from_slice::<DeadLetter>(bytes)) {
            let again = serde_json::to_vec(&letter).unwrap();
            assert_eq!(serde_json::from_slice::<DeadLetter>(&again).unwrap(), letter);
            if let Some(plain) = fields(&String::from_utf8_lossy(bytes)) {
                assert_time(letter.at, &plain, "at");
            }
            assert!(letter.run.is_none_or(|run| run == Run::named(run.as_str())));
        }
    });
}
