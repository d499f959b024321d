//! Files of a replay, from the first byte to the records that would be sent.

use super::INPUTS;
use jiff::Timestamp;
use std::path::{Path, PathBuf};
use tapewire_core::tape::ActionKind;
use tapewire_core::{Article, Bar};
use tapewire_fuzzkit::json::{Fields, Json, fields};
use tapewire_fuzzkit::{Dice, bounded, folder, fuzz, table};
use tapewire_ingest::epoch::{is_plausible, whole_microseconds};
use tapewire_ingest::replay::values::ticker::ticker;
use tapewire_ingest::replay::{Inputs, Mapping, Records, ReplayOptions, SymbolOf, TradesOptions, fold_trades, prepare};

const BAR_COLUMNS: &str = "symbol,start,open,high,low,close,volume,vwap,trades";
const BAR_FILES: [&str; 3] = [
    "symbol,start,open,high,low,close,volume,vwap,trades
MKR,1748872800000,10,11,9,10.5,1918,10.25,7
MKR,1748872860000,10.5,11,9.75,10.5,7,10.25,1
SPY,1748872800000,590.1,590.2,590,590.15,100000,590.12,312
SPY,1748872860000,590.1,590.2,590,590.15,100000,,
",
    "symbol,start,open,high,low,close,volume,vwap,trades
MKR,2025-06-02T14:00:00Z,10,11,9,10.5,1918,10.25,7
MKR,2025-06-02T14:01:00Z,10.5,11,9.75,10.5,7,10.25,1
",
    "Date,Ticker,Open,High,Low,Close,Adj Close,Volume
2025-06-02,MKR,10,11,9,10.5,10.4,1918
2025-06-03,MKR,10.5,11,9.75,10.5,10.4,7
2025-06-04,MKR,10.5,11,9.75,10.5,10.4,7
",
];
const NEWS_COLUMNS: &str = "id,title,description,symbols,published_at,url";
const NEWS_FILES: [&str; 2] = [
    "id,title,description,symbols,published_at,url
1,Maker lifts its outlook,A teaser,MKR,2025-06-02T14:00:00Z,https://x.example/1
2,Maker and Selby merge,,MKR;SLB,1748872800000,https://x.example/2
1,Maker raises its outlook,A teaser,MKR,2025-06-02T14:05:00Z,https://x.example/1
",
    "headline,created_at,updated_at,symbols,source
Maker lifts its outlook,2025-06-02T14:00:00Z,2025-06-02T14:10:00Z,\"MKR\",wire
Loss widens,2025-06-02T14:00:00-04:00,,BRK.B,wire
",
];
const NEWS_ROWS: [&str; 3] = [
    r#"{"id":"8ec6","publisher":{"name":"Wire"},"title":"Markets","author":"Sam","published_utc":"2024-06-24T18:33:53Z",
    "article_url":"https://x.example/1","tickers":["UBS"],"description":"UBS warns","keywords":["rates"]}"#,
    r#"{"id":24803233,"headline":"Maker lifts","summary":"","author":"Sam","created_at":"2025-06-02T14:00:00Z",
    "updated_at":"2025-06-02T14:00:01Z","url":"https://x.example/2","content":"<p>x</p>","symbols":["MKR","BRK.B"],
    "source":"wire"}"#,
    r#"{"category":"company","datetime":1748872800,"headline":"Maker lifts","id":7,"image":"","related":"MKR",
    "source":"Wire","summary":"A teaser","url":"https://x.example/3"}"#,
];
const BAR_ROWS: [&str; 2] = [
    r#"{"symbol":"MKR","start":1748872800000,"open":10,"high":11,"low":9,"close":10.5,"volume":1918,"vwap":10.25,"trades":7}"#,
    r#"{"symbol":"MKR","start":"2025-06-02T14:01:00Z","open":"10","high":11.0,"low":9,"close":10.5,"volume":7,"vwap":null,
    "trades":1}"#,
];
const TRADES: [&str; 2] = [
    "ticker,conditions,correction,exchange,id,price,sequence_number,sip_timestamp,size
AAPL,,0,4,1,200.0,10,1748872800000100000,100
AAPL,14,0,11,2,201.0,11,1748872801000100000,50
AAPL,12,0,11,4,200.5,15,1748872860000000000,10
MSFT,,1,11,9,400.0,1,1748872800000100000,1
",
    "symbol,time,price,size
X:BTCUSD,2025-06-02T14:00:00.123Z,104000.25,0.001
X:BTCUSD,2025-06-02T14:01:00.5Z,104001,2
",
];
const ACTIONS: &str = "symbol,ex_date,kind,from,to,amount,currency
TSLA,2022-08-25,split,1,3,,
KO,2022-09-15,dividend,,,0.44,USD
KO,2022-09-15,dividend,,,0.1,
";

/// The records that a file becomes. Readers take some buffers whatever the file's size, so the memory is that of a larger file.
fn read(path: &Path, content: &[u8], inputs: impl Fn(PathBuf) -> Inputs, options: &ReplayOptions) -> Option<Records> {
    std::fs::write(path, content).unwrap();
    let inputs = inputs(path.to_owned());
    match bounded(content.len() + (64 << 10), || prepare(&inputs, options, |_| Ok(()))) {
        Ok(prepared) => {
            assert!(prepared.notes().iter().all(|note| !note.is_empty()));
            Some(prepared.into_records())
        }
        Err(error) => {
            assert!(error.to_string().len() < 4096);
            None
        }
    }
}

fn of_bars(path: PathBuf) -> Inputs {
    Inputs { news: Vec::new(), bars: vec![path] }
}

fn of_news(path: PathBuf) -> Inputs {
    Inputs { news: vec![path], bars: Vec::new() }
}

/// The rows of a file as the csv crate reads them, if its header is this one.
fn rows(content: &[u8], header: &str) -> Option<Vec<csv::StringRecord>> {
    // After a quote that is never closed, or that stands within a field, the reader of files finds whole lines again, and the
    // plain one does not.
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| b"\",;\t|\r\n".contains(byte));
    let is_stray = |at: usize| !is_edge(at.checked_sub(1).map(|at| &content[at])) && !is_edge(content.get(at + 1));
    let quotes: Vec<usize> = (0..content.len()).filter(|&at| content[at] == b'"').collect();
    if quotes.len() % 2 == 1 || quotes.into_iter().any(is_stray) {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(content);
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().ok()?;
    let first = rows.first()?.iter().collect::<Vec<_>>().join(",");
    (first == header).then(|| rows[1..].to_vec())
}

/// Whether a cell holds this number. Other spellings of numbers are compared by a target of their own.
fn is_of(number: f64, cell: Option<&str>) -> bool {
    let cell = cell.unwrap_or_default().trim();
    let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    cell.parse::<f64>().ok().filter(|_| plain).is_none_or(|cell| cell == number)
}

/// Whether a cell holds this moment, as a date, a time and a zone, or as a number of milliseconds.
fn is_at(at: Timestamp, cell: &str) -> bool {
    let milliseconds = cell.parse::<i64>().ok().filter(|_| cell.len() == 13);
    let plain = match milliseconds {
        Some(milliseconds) => Timestamp::from_millisecond(milliseconds).ok(),
        None => cell.trim().parse().ok(),
    };
    plain.is_none_or(|plain| whole_microseconds(plain) == at)
}

fn assert_sound(bar: &Bar) {
    assert_eq!(bar.fault(), None, "{bar:?}");
    // A daily bar is received when its session closes.
    assert!(is_plausible(bar.start) && bar.received_at > bar.start && bar.received_at <= bar.end(), "{bar:?}");
    assert!(bar.vwap.is_none_or(f64::is_finite), "{bar:?}");
}

fn assert_article(article: &Article) {
    assert!(is_plausible(article.published_at) && article.received_at >= article.published_at, "{article:?}");
    assert_eq!(article.published_at, whole_microseconds(article.published_at));
    assert!(!article.id.is_empty() && !article.provider.contains('/'), "{article:?}");
    let mut symbols = article.symbols.clone();
    symbols.sort();
    symbols.dedup();
    assert_eq!(symbols.len(), article.symbols.len(), "{article:?}");
}

#[test]
fn tables_of_bars() {
    let folder = folder();
    let path = folder.path().join("bars.csv");
    let options = ReplayOptions::default();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = table::file(&mut Dice::new(bytes), &BAR_FILES);
        let Some(records) = read(&path, &content, of_bars, &options) else { return };
        let plain = rows(&content, BAR_COLUMNS);
        for bar in records.bars {
            assert_sound(&bar);
            let Some(plain) = &plain else { continue };
            let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
            let found = plain.iter().any(|row| {
                ticker(&row[0]).is_ok_and(|symbol| symbol == bar.symbol)
                    && is_at(bar.start, row.get(1).unwrap_or_default())
                    && (2..).zip(numbers).all(|(at, number)| is_of(number, row.get(at)))
                    && bar.vwap.is_none_or(|vwap| is_of(vwap, row.get(7)))
                    && bar.trades.is_none_or(|trades| is_of(trades as f64, row.get(8)))
            });
            assert!(found, "{bar:?} {}", String::from_utf8_lossy(&content));
        }
    });
}

#[test]
fn tables_of_news() {
    let folder = folder();
    let path = folder.path().join("news.csv");
    let options = ReplayOptions::default();
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = table::file(&mut Dice::new(bytes), &NEWS_FILES);
        let Some(records) = read(&path, &content, of_news, &options) else { return };
        let plain = rows(&content, NEWS_COLUMNS);
        for article in records.articles {
            assert_article(&article);
            let Some(plain) = &plain else { continue };
            let text = |row: &csv::StringRecord, at| row.get(at).unwrap_or_default().trim().to_owned();
            let found = plain.iter().any(|row| {
                (text(row, 1) == article.title.trim() || article.title.is_empty())
                    && is_at(article.published_at, row.get(4).unwrap_or_default())
            });
            assert!(found, "{article:?} {}", String::from_utf8_lossy(&content));
        }
    });
}

/// A few rows of these as lines of JSON, some of them changed.
fn lines(dice: &mut Dice<'_>, seeds: &[Json]) -> Vec<u8> {
    let mut content = Vec::new();
    for _ in 0..dice.within(1..4) {
        let mut row = seeds[dice.below(seeds.len())].clone();
        for _ in 0..dice.below(4) {
            row.change(dice);
        }
        content.extend(row.text().into_bytes());
        content.push(b'\n');
    }
    if dice.once_in(8) {
        dice.damage(&mut content);
    }
    content
}

/// The rows of a file of lines. `None` if the plain reader refuses one of them: lone surrogates, NaN, and the like.
fn objects(content: &[u8]) -> Option<Vec<Fields>> {
    String::from_utf8_lossy(content).lines().filter(|line| !line.trim().is_empty()).map(fields).collect()
}

#[test]
fn lines_of_news() {
    let folder = folder();
    let path = folder.path().join("news.jsonl");
    let options = ReplayOptions::default();
    let seeds = NEWS_ROWS.map(Json::of);
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = lines(&mut Dice::new(bytes), &seeds);
        let Some(records) = read(&path, &content, of_news, &options) else { return };
        let rows = objects(&content);
        for article in records.articles {
            assert_article(&article);
            let Some(rows) = &rows else { continue };
            let is_moment = |row: &Fields| {
                let names = ["published_utc", "created_at", "datetime"];
                let cell = names.into_iter().find_map(|name| row.string(name).or(row.raw(name).map(str::to_owned)));
                cell.is_none_or(|cell| is_at(article.published_at, &cell))
            };
            assert!(rows.iter().any(is_moment), "{article:?} {}", String::from_utf8_lossy(&content));
        }
    });
}

#[test]
fn lines_of_bars() {
    let folder = folder();
    let path = folder.path().join("bars.jsonl");
    let options = ReplayOptions { width: Some(std::time::Duration::from_secs(60)), ..ReplayOptions::default() };
    let seeds = BAR_ROWS.map(Json::of);
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = lines(&mut Dice::new(bytes), &seeds);
        let Some(records) = read(&path, &content, of_bars, &options) else { return };
        let rows = objects(&content);
        for bar in records.bars {
            assert_sound(&bar);
            let Some(rows) = &rows else { continue };
            let cell = |row: &Fields, name: &str| row.string(name).or(row.raw(name).map(str::to_owned));
            let names = ["open", "high", "low", "close", "volume"];
            let numbers = [bar.open, bar.high, bar.low, bar.close, bar.volume];
            let found = rows.iter().any(|row| {
                is_at(bar.start, &cell(row, "start").unwrap_or_default())
                    && names.iter().zip(numbers).all(|(name, number)| is_of(number, cell(row, name).as_deref()))
            });
            assert!(found, "{bar:?} {}", String::from_utf8_lossy(&content));
        }
    });
}

#[test]
fn tables_of_splits_and_dividends() {
    let folder = folder();
    let (path, bars) = (folder.path().join("actions.csv"), folder.path().join("bars.csv"));
    std::fs::write(&bars, BAR_FILES[0]).unwrap();
    let options = ReplayOptions { actions: Some(path.clone()), ..ReplayOptions::default() };
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = table::file(&mut Dice::new(bytes), &[ACTIONS]);
        let Some(records) = read(&path, &content, |_| of_bars(bars.clone()), &options) else { return };
        let Some(plain) = rows(&content, ACTIONS.lines().next().unwrap()) else { return };
        assert_eq!(records.actions.len(), plain.len());
        for (action, row) in records.actions.iter().zip(&plain) {
            let number = |at: usize| row[at].trim().parse::<f64>().unwrap();
            assert_eq!(action.fault(), None);
            assert_eq!(action.symbol, ticker(&row[0]).unwrap());
            assert_eq!(action.ex_date, row[1].trim().parse().unwrap());
            match &action.kind {
                ActionKind::Split { from, to } => assert_eq!((*from, *to), (number(3), number(4))),
                ActionKind::Dividend { amount, .. } => assert_eq!(*amount, number(5)),
            }
        }
    });
}

#[test]
fn tables_of_trades() {
    let folder = folder();
    let path = folder.path().join("trades.csv");
    let options = TradesOptions {
        widths: tapewire_bars::Widths::new(&[60]).unwrap(),
        calendars: tapewire_core::exchange::Calendars::default(),
        lateness: jiff::SignedDuration::from_secs(10),
        zone: None,
        date_order: None,
        columns: Mapping::new(),
        symbol: SymbolOf::Column,
        format: tapewire_formats::Options::default(),
    };
    fuzz!(INPUTS, |bytes: &[u8]| {
        let content = table::file(&mut Dice::new(bytes), &TRADES);
        std::fs::write(&path, &content).unwrap();
        let mut bars = Vec::new();
        let folded = bounded(content.len() + (64 << 10), || {
            bars.clear();
            fold_trades(
                std::slice::from_ref(&path),
                &options,
                |_| Ok(()),
                |bar| {
                    bars.push(bar);
                    Ok(())
                },
            )
        });
        match folded {
            Ok(folded) => {
                assert_eq!(folded.bars, bars.len() as u64);
                assert!(
                    folded.trades <= content.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count() as u64 + 1
                );
            }
            Err(error) => assert!(error.to_string().len() < 4096),
        }
        assert!(
            bars.iter().all(|bar| bar.fault().is_none() && is_plausible(bar.start) && bar.width_s == 60),
            "{bars:?}"
        );
    });
}
