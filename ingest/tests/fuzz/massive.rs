//! Massive's pages and frames.

use super::INPUTS;
use jiff::Timestamp;
use jiff::civil::{Date, date};
use std::panic::RefUnwindSafe;
use tapewire_core::tape::ActionKind;
use tapewire_core::{Bar, Symbol};
use tapewire_fuzzkit::json::{Fields, Json, fields, items, message};
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_ingest::epoch::{is_plausible, whole_microseconds};
use tapewire_ingest::providers::massive::parse::{Message, bars_page, frame, news_page};
use tapewire_ingest::providers::massive::reference::actions_page;
use tapewire_ingest::providers::{ActionList, ActionsRequest, BarWidth, MarketEvent, Page, Reject};

const NEWS: &str = r#"{"results":[{"id":"8ec638777ca0","publisher":{"name":"Wire","homepage_url":"https://x.example"},
    "title":"Markets are underestimating","author":"Sam","published_utc":"2024-06-24T18:33:53Z",
    "article_url":"https://x.example/1","tickers":["UBS","BRK-B","UBS"],"description":"UBS warns",
    "keywords":["rates",null],"insights":[{"ticker":"UBS","sentiment":"positive"}]},
    {"id":"b","title":null,"published_utc":"2024-06-24T18:33:53.123456789-04:00","tickers":null},
    {"id":"c","title":"T","published_utc":"2024-06-24T18:33:53+00:00","tickers":["A B","MKR",null]}],
    "status":"OK","count":3,"next_url":"https://api.massive.com:443/v2/reference/news?cursor=eyJ"}"#;
const BARS: &str = r#"{"ticker":"AAPL","queryCount":3,"resultsCount":3,"adjusted":false,"results":[
    {"v":642646396.0,"vw":1.469,"o":1.5032,"c":1.4604,"h":1.5064,"l":1.4489,"t":1112331600000,"n":82132},
    {"v":"1918.5","dv":"1918.25","o":10,"c":10.5,"h":11,"l":9,"t":1748872800000},
    {"v":7,"dv":null,"vw":null,"o":194.6,"c":194.6,"h":194.6,"l":194.6,"t":1748872860000,"n":1}],
    "status":"DELAYED","request_id":"x"}"#;
const FAILED: &str =
    r#"{"status":"NOT_AUTHORIZED","request_id":"6c1f","message":"You are not entitled to this data."}"#;
const FRAME: &str = r#"[{"ev":"AM","sym":"GTE","v":4110,"dv":"4110.25","av":9470157,"op":0.4372,"vw":0.4488,"o":0.4488,
    "c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000},
    {"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"ds":"100.5","c":[0,12],"t":1536036818784,
    "q":3681328},
    {"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[17],"z":3,"t":1601316752683746,"q":290317},
    {"ev":"LULD","T":"MSFT","h":218.96,"l":198.11,"i":[21],"z":3,"t":1601316752683,"q":290317},
    {"ev":"status","status":"success","message":"subscribed to: AM.AAPL"}]"#;
const SPLITS: &str = r#"{"results":[{"execution_date":"2022-07-18","split_from":1,"split_to":20,"ticker":"GOOGL"},
    {"execution_date":"2022-06-29","split_from":1,"split_to":10,"ticker":"SHOP","id":"E1"},
    {"execution_date":"2022-05-02","split_from":"3","split_to":4.5,"ticker":"BRK-B"}],"status":"OK"}"#;
const DIVIDENDS: &str = r#"{"results":[{"cash_amount":0.22,"currency":"USD","declaration_date":"2021-10-28",
    "dividend_type":"CD","ex_dividend_date":"2021-11-05","frequency":4,"id":"E8e3","ticker":"AAPL"},
    {"cash_amount":"0.3","currency":null,"dividend_type":null,"ex_dividend_date":"2022-05-19","ticker":"SHOP"}],
    "status":"OK"}"#;

/// Runs a target whose inputs are messages made of these.
fn messages(seeds: &[&str], target: impl Fn(&[u8]) + RefUnwindSafe) {
    let seeds: Vec<Json> = seeds.iter().map(|seed| Json::of(seed)).collect();
    fuzz!(INPUTS, |bytes: &[u8]| target(&message(&mut Dice::new(bytes), &seeds)));
}

fn received() -> Timestamp {
    Timestamp::constant(1_748_872_900, 0)
}

/// Compares what was made of a list with its elements, as they are written. Every element is an item, or a reject with its
/// bytes, or both.
fn assert_items<T>(raw: &[String], items: Vec<T>, rejects: Vec<Reject>, compare: impl Fn(&T, &Fields)) {
    let (mut items, mut rejects) = (items.into_iter(), rejects.into_iter().peekable());
    for element in raw {
        let reject = rejects.next_if(|reject| reject.bytes == element.as_bytes());
        if reject.as_ref().is_none_or(|reject| reject.reason.starts_with("the article is kept")) {
            let item = items.next().unwrap_or_else(|| panic!("{element} is nowhere"));
            compare(&item, &fields(element).unwrap());
        }
    }
    assert_eq!((items.count(), rejects.count()), (0, 0), "{raw:?}");
}

fn results(page: &[u8]) -> Vec<String> {
    let page = String::from_utf8_lossy(page);
    items(fields(&page).unwrap().raw("results").unwrap_or("[]")).unwrap()
}

fn assert_page<T>(bytes: &[u8], page: Page<T>, compare: impl Fn(&T, &Fields)) {
    assert_items(&results(bytes), page.items, page.rejects, compare);
}

#[test]
fn pages_of_news() {
    messages(&[NEWS, NEWS, NEWS, FAILED], |bytes| {
        let page = bounded(bytes.len(), || news_page("massive", "/v2/reference/news", bytes, received()));
        let Ok(page) = page else { return };
        assert_page(bytes, page, |article, plain| {
            let text = |name| plain.string(name).unwrap_or_default();
            let at: Timestamp = text("published_utc").parse().unwrap();
            assert_eq!(article.published_at, whole_microseconds(at));
            assert!(is_plausible(at), "{at}");
            assert_eq!(article.received_at, received());
            assert_eq!((&*article.id, &*article.title), (&*text("id"), &*text("title")));
            assert_eq!((&*article.description, &*article.author), (&*text("description"), &*text("author")));
            assert_eq!(article.url, text("article_url"));
            let publisher = plain.object("publisher").and_then(|publisher| publisher.string("name"));
            assert_eq!(article.publisher, publisher.unwrap_or_default());
            let mut symbols: Vec<Symbol> = Vec::new();
            for symbol in plain.strings("tickers").unwrap_or_default().iter().filter_map(|text| Symbol::new(text).ok())
            {
                if !symbols.contains(&symbol) {
                    symbols.push(symbol);
                }
            }
            assert_eq!(article.symbols, symbols);
            assert_eq!(article.keywords, plain.strings("keywords").unwrap_or_default());
        });
    });
}

/// Compares a bar with the fields that all of Massive's bars have.
fn assert_bar(bar: &Bar, plain: &Fields, start: &str) {
    assert_eq!(bar.fault(), None);
    let width_ms = plain.integer("e").zip(plain.integer("s")).map(|(end, start)| end - start);
    assert_eq!(i128::from(bar.width_s), width_ms.map_or(60, |ms| ms / 1000));
    assert_eq!(Some(i128::from(bar.start.as_microsecond())), plain.integer(start).map(|ms| ms * 1000));
    assert!(is_plausible(bar.start), "{}", bar.start);
    for (number, name) in [(bar.open, "o"), (bar.high, "h"), (bar.low, "l"), (bar.close, "c")] {
        assert_eq!(Some(number.to_bits()), plain.number(name).map(f64::to_bits), "{name} {plain:?}");
    }
    let refined = plain.number("dv").filter(|volume| volume.is_finite());
    assert_eq!(Some(bar.volume.to_bits()), refined.or(plain.number("v")).map(f64::to_bits), "{plain:?}");
    // An impossible one is left out.
    if let Some(vwap) = bar.vwap {
        assert_eq!(Some(vwap.to_bits()), plain.number("vw").map(f64::to_bits));
        assert!(vwap >= bar.low / 2.0 && vwap <= bar.high * 2.0, "{plain:?}");
    }
    assert_eq!(bar.start.as_microsecond() % (i64::from(bar.width_s) * 1_000_000), 0, "{plain:?}");
}

#[test]
fn pages_of_bars() {
    let aapl = Symbol::new("AAPL").unwrap();
    messages(&[BARS, BARS, BARS, FAILED], |bytes| {
        let page =
            bounded(bytes.len(), || bars_page("massive", "/v2/aggs", bytes, &aapl, BarWidth::Minute, received()));
        let Ok(page) = page else { return };
        assert_page(bytes, page, |bar, plain| {
            assert_bar(bar, plain, "t");
            assert_eq!(bar.symbol, aapl);
            assert_eq!(bar.trades.map(i128::from), plain.integer("n"));
        });
    });
}

#[test]
fn frames_of_the_websocket() {
    messages(&[FRAME], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let read = bounded(bytes.len(), || frame(&text, received()));
        let raw = items(&text).unwrap_or_else(|| vec![text.clone().into_owned()]);
        if serde_json::from_str::<&serde_json::value::RawValue>(&text).is_err() {
            assert_eq!((read.messages.len(), read.rejects.len()), (0, 1));
            return;
        }
        let raw: Vec<String> = raw.iter().map(|element| element.trim().to_owned()).collect();
        assert_items(&raw, read.messages, read.rejects, |message, plain| match message {
            Message::Status(status) => assert_eq!(Some(&status.status), plain.string("status").as_ref()),
            Message::PriceBand => assert_eq!(plain.string("ev").unwrap(), "LULD"),
            Message::Market(MarketEvent::Bar(bar)) => {
                assert_bar(bar, plain, "s");
                assert_eq!(bar.symbol, Symbol::new(&plain.string("sym").unwrap()).unwrap());
            }
            Message::Market(MarketEvent::Trade(trade)) => {
                let size = plain.number("ds").filter(|size| size.is_finite()).or(plain.number("s"));
                assert_eq!((Some(trade.price), Some(trade.size)), (plain.number("p"), size));
                assert!(trade.price.is_finite() && trade.price > 0.0 && trade.size.is_finite() && trade.size >= 0.0);
                assert_eq!(Some(i128::from(trade.at.as_microsecond())), plain.integer("t").map(|ms| ms * 1000));
                assert!(is_plausible(trade.at), "{}", trade.at);
                assert_eq!(Some(i128::from(trade.sequence)), plain.integer("q"));
                let part = |name| plain.integer(name).unwrap_or(0);
                assert_eq!(trade.id, format!("{}/{}/{}", part("x"), part("trfi"), plain.string("i").unwrap()));
            }
            Message::Market(MarketEvent::Halt(halt)) => {
                let t = plain.integer("t").unwrap();
                let in_units = [1_000_000, 1000, 1].map(|microseconds| t * microseconds);
                let at = i128::from(halt.at.as_microsecond());
                assert!(in_units.contains(&at) || at == t / 1000, "{t} is {at}");
                assert!(is_plausible(halt.at), "{}", halt.at);
                let indicators = items(plain.raw("i").unwrap()).unwrap();
                assert!(indicators.contains(&(if halt.halted { "17" } else { "18" }).to_owned()));
            }
        });
    });
}

/// Lists of splits and dividends. What is of another ticker and can't be read is left out of both items and rejects.
fn actions(list: ActionList, seed: &str, compare: impl Fn(&ActionKind, Date, &Fields) + RefUnwindSafe) {
    let symbols = ["SHOP", "AAPL", "GOOGL"].map(|ticker| Symbol::new(ticker).unwrap()).to_vec();
    let request = ActionsRequest { list, symbols, from: date(2022, 5, 1), to: date(2022, 7, 31) };
    messages(&[seed, seed, seed, FAILED], |bytes| {
        let page = bounded(bytes.len(), || actions_page("massive", "/v3/reference", bytes, &request, received()));
        let Ok(page) = page else { return };
        let raw = results(bytes);
        let is_item = |element: &str| {
            let alone = format!(r#"{{"status":"OK","results":[{element}]}}"#);
            let page = actions_page("massive", "/v3/reference", alone.as_bytes(), &request, received());
            page.is_ok_and(|page| page.items.len() == 1)
        };
        assert!(page.items.len() + page.rejects.len() <= raw.len());
        let mut items = page.items.iter();
        let mut rejects = page.rejects.iter().peekable();
        for element in raw {
            let plain = fields(&element);
            let symbol = plain.as_ref().and_then(|plain| Symbol::new(&plain.string("ticker")?).ok());
            if rejects.next_if(|reject| reject.bytes == element.as_bytes()).is_some() {
                continue;
            }
            let next = items.clone().next().filter(|action| {
                // A later element with the same ticker and day may have made the next item, so this element has to be one
                // that makes an item by itself.
                let day = plain.as_ref().and_then(|plain| day(plain).parse::<Date>().ok());
                symbol.as_ref() == Some(&action.symbol) && day == Some(action.ex_date) && is_item(&element)
            });
            match next {
                Some(action) => {
                    items.next();
                    assert_eq!(action.fault(), None);
                    compare(&action.kind, action.ex_date, &plain.unwrap());
                }
                None => assert!(symbol.is_some_and(|symbol| !request.symbols.contains(&symbol)), "{element} is lost"),
            }
        }
        assert_eq!((items.count(), rejects.count()), (0, 0));
    });
}

fn day(plain: &Fields) -> String {
    plain.string("execution_date").or(plain.string("ex_dividend_date")).unwrap_or_default()
}

#[test]
fn lists_of_splits() {
    actions(ActionList::Splits, SPLITS, |kind, ex_date, plain| {
        assert_eq!(day(plain).parse::<Date>().unwrap(), ex_date);
        let ActionKind::Split { from, to } = kind else { panic!("{kind:?} is no split") };
        assert_eq!((Some(*from), Some(*to)), (plain.number("split_from"), plain.number("split_to")));
    });
}

#[test]
fn lists_of_dividends() {
    actions(ActionList::Dividends, DIVIDENDS, |kind, ex_date, plain| {
        assert_eq!(day(plain).parse::<Date>().unwrap(), ex_date);
        let ActionKind::Dividend { amount, currency } = kind else { panic!("{kind:?} is no dividend") };
        assert_eq!(Some(*amount), plain.number("cash_amount"));
        assert_eq!(*currency, plain.string("currency").unwrap_or_default().trim().to_ascii_uppercase());
    });
}
