//! News and bars that are asked for over REST.

use super::INPUTS;
use jiff::Timestamp;
use jiff::civil::Date;
use std::panic::RefUnwindSafe;
use tapewire_core::ticker::Tickers;
use tapewire_core::{Article, Symbol};
use tapewire_fuzzkit::json::{Fields, Json, fields, items, message};
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_ingest::epoch::{is_plausible, of_any_unit, whole_microseconds};
use tapewire_ingest::providers::items::ItemResult;
use tapewire_ingest::providers::{ActionList, ActionsRequest, BarWidth, BarsRequest};
use tapewire_ingest::providers::{alpaca, alphavantage, finnhub, json, tiingo, yahoo};

const FINNHUB: &str = r#"{"category":"company","datetime":1616460843,"headline":"Volkswagen in transformation","id":64801070,
    "image":"","related":"TSLA,F","source":"x.example","summary":"The latest <b>conference</b>","url":"https://x.example/1"}"#;
const ALPHAVANTAGE: &str = r#"{"title":"Short sellers","url":"https://x.example/1","time_published":"20240719T132152",
    "authors":["C. J.","D"],"summary":"We have witnessed","source":"Money","topics":[{"topic":"Earnings","relevance_score":"1.0"}],
    "ticker_sentiment":[{"ticker":"RCL","relevance_score":"0.1"},{"ticker":"FOREX:USD"},{"ticker":"BRK-B"}]}"#;
const TIINGO: &str = r#"{"id":62518358,"publishedDate":"2024-02-22T06:45:00Z","title":"Why Arm lists","url":"https://x.example/1",
    "description":null,"source":"x.example","tags":["Energy","Stock"],"crawlDate":"2024-02-22T06:49:35.266249Z",
    "tickers":["aapl","as","as","brk-b",null]}"#;
const ALPACA: &str = r#"{"id":24918784,"headline":"Corsair reports","author":"Desk","created_at":"2022-01-05T22:00:37Z",
    "updated_at":"2022-01-05T22:00:38.5Z","summary":"","content":"<p>Corsair</p>","url":"https://x.example/1",
    "symbols":["CRSR","BTCUSD",null],"source":"benzinga"}"#;
const CHART: &str = r#"{"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","dataGranularity":"1m"},
    "timestamp":[1748872800,1748872860,1748872920,1748872925],"indicators":{"quote":[{"open":[200.5,null,201,203],
    "high":[203,null,202.25,203],"low":[189.32000732421875,null,200,203],"close":[190,null,201,203],
    "volume":[1482933,null,0,7]}]}}],"error":null}}"#;

const DAYS: &str = r#"{"chart":{"result":[{"meta":{"currency":"USD","symbol":"AAPL","dataGranularity":"1d"},
    "timestamp":[1598621400,1598880600,1598967000],"events":{"dividends":{"1596807000":{"amount":0.205,"date":1596807000}},
    "splits":{"1598880600":{"date":1598880600,"numerator":4,"denominator":1,"splitRatio":"4:1"}}},
    "indicators":{"quote":[{"open":[126.01249694824219,127.58000183105469,null],"high":[126.5,131.0,null],
    "low":[124.5,126.0,null],"close":[124.80750274658203,129.0399932861328,null],"volume":[187151424,225702700,null]}]}}],
    "error":null}}"#;

fn received() -> Timestamp {
    Timestamp::constant(1_748_872_985, 0)
}

/// Runs a target whose inputs are made of these.
fn messages(seeds: &[&str], target: impl Fn(&str) + RefUnwindSafe) {
    let seeds: Vec<Json> = seeds.iter().map(|seed| Json::of(seed)).collect();
    fuzz!(INPUTS, |bytes: &[u8]| target(&String::from_utf8_lossy(&message(&mut Dice::new(bytes), &seeds))));
}

/// Names of the fields that have an article's texts.
struct Named {
    title: &'static str,
    text: &'static [&'static str],
    publisher: &'static str,
}

/// Compares an article with its item as a plain reader sees it; returns both.
fn compared(raw: &str, read: impl Fn(&str) -> ItemResult<Article>, named: &Named) -> Option<(Article, Fields)> {
    let (article, flaw) = bounded(raw.len(), || read(raw)).ok()?;
    let plain = fields(raw).unwrap();
    let text = |name: &str| plain.string(name).unwrap_or_default();
    assert_eq!((&article.title, &article.publisher), (&text(named.title), &text(named.publisher)));
    let texts: Vec<String> = named.text.iter().map(|name| text(name)).collect();
    let first = texts.iter().find(|text| !text.trim().is_empty());
    assert!(first.is_none_or(|first| *first == article.description), "{raw}");
    assert_eq!(article.url, text("url"));
    let id = plain.string("id").map(|id| id.trim().to_owned()).or_else(|| plain.integer("id").map(|id| id.to_string()));
    let id = id.filter(|id| !id.is_empty() && id != "0").unwrap_or_else(|| article.url.trim().to_owned());
    assert!(article.id == id && !id.is_empty(), "{raw}");
    assert!(is_plausible(article.published_at) && article.received_at == received(), "{raw}");
    assert_eq!(article.revision, Article::fingerprint(&article.title, &article.description, &article.symbols));
    assert!(flaw.is_none_or(|flaw| flaw.contains("the article is kept")), "{raw}");
    let mut once = article.symbols.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), article.symbols.len(), "{raw}");
    Some((article, plain))
}

fn symbols(tickers: impl Iterator<Item = String>) -> Vec<Symbol> {
    let mut read = Tickers::default();
    tickers.for_each(|ticker| read.add_item(&ticker));
    read.symbols
}

/// The texts of a list that has nulls among them.
fn texts(plain: &Fields, name: &str) -> Vec<String> {
    let listed = plain.raw(name).and_then(items).unwrap_or_default();
    listed.iter().filter_map(|item| serde_json::from_str(item).ok()).collect()
}

#[test]
fn articles_of_finnhub() {
    let asked = Symbol::new("AAPL").unwrap();
    let named = Named { title: "headline", text: &["summary"], publisher: "source" };
    messages(&[FINNHUB], |raw| {
        let read = |raw: &str| finnhub::news::article("finnhub", &asked, raw, received());
        let Some((article, plain)) = compared(raw, read, &named) else { return };
        let at = i64::try_from(plain.integer("datetime").unwrap()).unwrap();
        assert_eq!(Ok(article.published_at), of_any_unit(at));
        assert!(!article.symbols.is_empty(), "the list is of a company");
    });
}

#[test]
fn articles_of_alpha_vantage() {
    messages(&[ALPHAVANTAGE], |raw| {
        let Ok((article, _)) = bounded(raw.len(), || alphavantage::parse::article("av", raw, received())) else {
            return;
        };
        let plain = fields(raw).unwrap();
        let text = |name: &str| plain.string(name).unwrap_or_default();
        assert_eq!(
            (&article.id, &article.title, &article.description),
            (&text("url"), &text("title"), &text("summary"))
        );
        let digits: String = article.published_at.strftime("%Y%m%dT%H%M%S").to_string();
        let written = text("time_published");
        assert!(digits == written || digits.strip_suffix("00") == Some(&written), "{digits} {raw}");
        assert!(is_plausible(article.published_at), "{raw}");
        let listed = plain.raw("ticker_sentiment").and_then(items).unwrap_or_default();
        let tickers = listed.iter().filter_map(|item| fields(item)?.string("ticker"));
        let tickers = tickers.filter(|ticker| !ticker.starts_with("FOREX:"));
        assert_eq!(article.symbols, symbols(tickers), "{raw}");
    });
}

#[test]
fn articles_of_tiingo() {
    let named = Named { title: "title", text: &["description"], publisher: "source" };
    messages(&[TIINGO], |raw| {
        let read = |raw: &str| tiingo::parse::article("tiingo", raw, received());
        let Some((article, plain)) = compared(raw, read, &named) else { return };
        let at: Timestamp = plain.string("publishedDate").unwrap().parse().unwrap();
        assert_eq!(article.published_at, whole_microseconds(at));
        let tickers = texts(&plain, "tickers").into_iter().map(|ticker| ticker.to_ascii_uppercase());
        assert_eq!(article.symbols, symbols(tickers), "{raw}");
    });
}

#[test]
fn articles_of_alpaca() {
    let named = Named { title: "headline", text: &["summary", "content"], publisher: "source" };
    messages(&[ALPACA], |raw| {
        let read = |raw: &str| alpaca::news::article("alpaca", raw, received());
        let Some((article, plain)) = compared(raw, read, &named) else { return };
        let at: Timestamp = plain.string("created_at").unwrap().parse().unwrap();
        assert_eq!(article.published_at, whole_microseconds(at));
        let shares = texts(&plain, "symbols").into_iter().filter(|ticker| !ticker.ends_with("USD"));
        assert!(symbols(shares).iter().all(|symbol| article.symbols.contains(symbol)), "{raw}");
    });
}

#[test]
fn days_splits_and_dividends_of_yahoo() {
    let symbol = Symbol::new("AAPL").unwrap();
    let lists = [ActionList::Splits, ActionList::Dividends];
    let requests =
        lists.map(|list| ActionsRequest { list, symbols: vec![symbol.clone()], from: Date::MIN, to: Date::MAX });
    let days = BarsRequest { symbol: symbol.clone(), width: BarWidth::Day, from: Timestamp::MIN, to: Timestamp::MAX };
    messages(&[DAYS], |raw| {
        let read = || yahoo::daily::bars("yahoo", "/chart", raw.as_bytes(), &days, received());
        let bars = bounded(raw.len(), read).map_or_else(|_| Vec::new(), |page| page.items);
        for bar in &bars {
            assert_eq!((bar.fault(), bar.width_s), (None, 86_400), "{raw}");
            assert!(is_plausible(bar.start), "{raw}");
        }
        assert!(bars.windows(2).all(|pair| pair[0].start < pair[1].start), "{raw}");
        for request in &requests {
            let read = || yahoo::daily::actions("yahoo", "/chart", raw.as_bytes(), &symbol, request, received());
            let Ok(page) = bounded(raw.len(), read) else { continue };
            assert!(page.items.iter().all(|action| action.fault().is_none()), "{raw}");
        }
    });
}

#[test]
fn charts_of_yahoo() {
    let symbol = Symbol::new("AAPL").unwrap();
    messages(&[CHART], |raw| {
        let read = || yahoo::parse::bars("yahoo", "/chart", raw.as_bytes(), &symbol, received());
        let Ok(page) = bounded(raw.len(), read) else { return };
        if page.items.is_empty() {
            return;
        }
        let first = |list: &str| fields(items(list).unwrap().first().unwrap()).unwrap();
        let result = first(fields(raw).unwrap().object("chart").unwrap().raw("result").unwrap());
        let quote = first(result.object("indicators").unwrap().raw("quote").unwrap());
        let numbers = |of: &Fields, name: &str| -> Vec<Option<f64>> {
            items(of.raw(name).unwrap()).unwrap().iter().map(|item| item.parse().ok()).collect()
        };
        let starts = numbers(&result, "timestamp");
        for bar in &page.items {
            assert_eq!((bar.fault(), bar.width_s, bar.start.as_second() % 60), (None, 60, 0), "{raw}");
            let is_listed = |position: usize| {
                let number = |name: &str| numbers(&quote, name).get(position).copied().flatten();
                // Prices are those of single precision.
                let is_same =
                    |name: &str, price: f64| number(name).is_some_and(|sent| (sent - price).abs() <= sent.abs() * 1e-6);
                starts[position] == Some(bar.start.as_second() as f64)
                    && number("volume") == Some(bar.volume)
                    && is_same("open", bar.open)
                    && is_same("high", bar.high)
                    && is_same("low", bar.low)
                    && is_same("close", bar.close)
            };
            assert!((0..starts.len()).any(is_listed), "{bar:?} is nowhere in {raw}");
            assert!(bar.volume != 0.0, "{raw}");
        }
        assert!(page.items.is_sorted_by(|a, b| a.start < b.start), "{raw}");
    });
}

/// A pointer leads to the value that a reader of whole documents finds there.
#[test]
fn pointers_into_answers() {
    const ANSWER: &str = r#"{"data":{"rows":[{"a":1},[2,"x"]],"a/b":{"m~n":[0]}},"":7,"next":"t"}"#;
    let pointers =
        ["", "/", "/data", "/data/rows", "/data/rows/0/a", "/data/rows/1/1", "/data/a~1b/m~0n/0", "/data/rows/9"];
    messages(&[ANSWER], |raw| {
        let Ok(answer) = serde_json::from_str::<&serde_json::value::RawValue>(raw) else { return };
        let plain: Option<serde_json::Value> = serde_json::from_str(raw).ok();
        for pointer in pointers {
            let found = bounded(raw.len() * 8, || json::value_at(answer, pointer).map(|value| value.get().to_owned()));
            let Some(plain) = &plain else { continue };
            let found = found.and_then(|found| serde_json::from_str::<serde_json::Value>(&found).ok());
            assert_eq!(found.as_ref(), plain.pointer(pointer), "{pointer} of {raw}");
        }
    });
}
