//! Pages and messages of the providers that need no key.

use super::INPUTS;
use jiff::Timestamp;
use std::panic::RefUnwindSafe;
use tapewire_core::{Article, Bar, Symbol, Trade};
use tapewire_fuzzkit::json::{Fields, Json, fields, message};
use tapewire_fuzzkit::{Dice, bounded, fuzz};
use tapewire_ingest::epoch::is_plausible;
use tapewire_ingest::instruments::Listing;
use tapewire_ingest::providers::edgar::tickers::Tickers;
use tapewire_ingest::providers::{BarWidth, MarketEvent, Page, binance, coinbase, edgar, feeds, gdelt, nasdaq_halts};

const WIRE: &str = r#"<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>
<item><guid isPermaLink="true">https://wire.test/b.html</guid><link>https://wire.test/b.html</link>
<category domain="https://www.globenewswire.com/rss/stock">Nasdaq:FCEL</category><category>Earnings</category>
<title>FuelCell Announces Results</title><description><![CDATA[<p>DANBURY, Conn.</p>]]></description>
<pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate><dc:language>en-US</dc:language></item>
<item><link>https://wire.test/a.html</link><title>Example Corp (NYSE: EXM) opens &amp; closes</title>
<pubDate>Tue, 25 Aug 2026 11:00:00 GMT</pubDate></item></channel></rss>"#;
const FILINGS: &str = r#"<?xml version="1.0" encoding="ISO-8859-1" ?><feed xmlns="http://www.w3.org/2005/Atom"><entry>
<title>8-K - Alphabet Inc. (0001652044) (Filer)</title>
<link rel="alternate" type="text/html" href="https://www.sec.gov/1-index.htm"/>
<summary type="html"> &lt;b&gt;Filed:&lt;/b&gt; 2026-09-01 &lt;br&gt;Item 2.02: Results</summary>
<updated>2026-09-01T13:20:17-04:00</updated><category label="form type" term="8-K"/>
<id>urn:tag:sec.gov,2008:accession-number=0001193125-26-000001</id></entry></feed>"#;
const HALTS: &str = r#"<?xml version="1.0"?><rss><channel><item><title>ROCC</title>
<ndaq:HaltDate>06/16/2023</ndaq:HaltDate><ndaq:HaltTime>19:50:01</ndaq:HaltTime>
<ndaq:IssueSymbol>ROCC</ndaq:IssueSymbol><ndaq:ReasonCode>T12</ndaq:ReasonCode>
<ndaq:ResumptionDate>06/20/2023</ndaq:ResumptionDate><ndaq:ResumptionTradeTime>09:30:00</ndaq:ResumptionTradeTime>
</item></channel></rss>"#;
const ARTICLES: &str = r#"{"articles":[{"url":"https://x.example/1","title":"Maker lifts","seendate":"20250510T120000Z",
    "domain":"x.example","language":"English"},{"url":"","title":"T","seendate":"20250510T120000Z"}]}"#;
const TRADE: &str = r#"{"e":"trade","E":1617523773474,"s":"BTCUSDT","t":744644693,"p":"57497.07000000","q":"0.00034900",
    "T":1617523773473,"m":false}"#;
const KLINE: &str = r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1783302599123,"s":"BTCUSDT","k":{
    "t":1783302540000,"T":1783302599999,"s":"BTCUSDT","i":"1m","o":"63606.01","c":"63611.81","h":"63611.82","l":"63581.70",
    "v":"5.64552000","n":2095,"x":true,"q":"359042.49989920"}}}"#;
const KLINES: &str =
    r#"[[1783302540000,"63606.01","63611.82","63581.70","63611.81","5.6",1783302599999,"359042.4",2095,"1","2","0"]]"#;
const MATCHES: &str = r#"{"channel":"market_trades","timestamp":"2026-07-06T01:49:00.123Z","sequence_num":3,"events":[{"type":
    "update","trades":[{"trade_id":"12345","product_id":"BTC-USD","price":"1260.01","size":"0.3","side":"BUY","time":
    "2026-07-06T01:49:00.115Z"}]}]}"#;
const CANDLES: &str = r#"{"channel":"candles","timestamp":"2026-07-06T01:49:00.123Z","sequence_num":4,"events":[{"type":
    "snapshot","candles":[{"start":"1783302300","high":"1867.72","low":"1865.63","open":"1867.38","close":"1866.81",
    "volume":"0.20269406","product_id":"ETH-USD"}]}]}"#;

/// Runs a target whose inputs are one of these feeds after some changes.
fn damaged(seed: &str, target: impl Fn(&[u8]) + RefUnwindSafe) {
    const PIECES: [&str; 22] = [
        "<",
        ">",
        "</item>",
        "<item>",
        "</",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "&",
        "&amp;",
        "&#0;",
        "&#xd800;",
        "&x;",
        "<!DOCTYPE a [<!ENTITY b \"cccccccc\">]>",
        "<?xml?>",
        "\"",
        "=",
        "<a:b c='d'/>",
        "\u{feff}",
        "\u{1}",
        "9999",
    ];
    fuzz!(INPUTS, |bytes: &[u8]| {
        let mut dice = Dice::new(bytes);
        let mut content = seed.as_bytes().to_vec();
        for _ in 0..dice.below(6) {
            if dice.once_in(2) {
                dice.damage(&mut content);
            } else {
                let at = dice.below(content.len() + 1);
                content.splice(at..at, dice.of(&PIECES).bytes());
            }
        }
        target(&content);
    });
}

/// Runs a target whose inputs are messages made of these.
fn messages(seeds: &[&str], target: impl Fn(&[u8]) + RefUnwindSafe) {
    let seeds: Vec<Json> = seeds.iter().map(|seed| Json::of(seed)).collect();
    fuzz!(INPUTS, |bytes: &[u8]| target(&message(&mut Dice::new(bytes), &seeds)));
}

fn received() -> Timestamp {
    Timestamp::constant(1_748_872_900, 0)
}

/// Readers take some buffers whatever the size.
fn size(bytes: &[u8]) -> usize {
    bytes.len() + 1024
}

fn assert_articles(page: Page<Article>) {
    for article in page.items {
        assert!(is_plausible(article.published_at), "{article:?}");
        assert!(!article.id.is_empty() && article.received_at == received(), "{article:?}");
        let again = Article::fingerprint(&article.title, &article.description, &article.symbols);
        assert_eq!(article.revision, again, "{article:?}");
    }
    assert!(page.rejects.iter().all(|reject| !reject.reason.is_empty()));
}

fn assert_bar(bar: &Bar) {
    assert_eq!(bar.fault(), None, "{bar:?}");
    assert!(is_plausible(bar.start) && bar.received_at == received(), "{bar:?}");
}

/// Compares a trade with the fields that hold its numbers.
fn assert_trade(trade: &Trade, plain: Option<&Fields>, [price, size]: [&str; 2]) {
    assert!(is_plausible(trade.at) && trade.price > 0.0 && trade.size > 0.0, "{trade:?}");
    let Some(plain) = plain else { return };
    assert_eq!((Some(trade.price), Some(trade.size)), (plain.number(price), plain.number(size)), "{plain:?}");
}

#[test]
fn feeds_of_wires() {
    let received_at = received();
    let feed =
        feeds::parse::FeedContext { provider: "wire", publisher: "", languages: &[], feed_url: None, received_at };
    damaged(WIRE, |bytes| {
        if let Ok(page) = bounded(size(bytes), || feeds::parse::page(&feed, "/rss", bytes)) {
            assert_articles(page);
        }
    });
}

#[test]
fn filings_of_the_sec() {
    let instrument = tapewire_core::Instrument {
        cik: Some(1_652_044),
        ..tapewire_core::Instrument::new(Symbol::new("GOOGL").unwrap(), "Alphabet Inc.")
    };
    let tickers = Tickers::new(Listing { instruments: vec![instrument], ..Listing::default() });
    damaged(FILINGS, |bytes| {
        if let Ok(page) = bounded(size(bytes), || edgar::parse::page("edgar", "/feed", bytes, &tickers, received())) {
            assert_articles(page);
        }
    });
}

#[test]
fn lists_of_halts() {
    damaged(HALTS, |bytes| {
        let page = bounded(size(bytes), || nasdaq_halts::parse::page("nasdaq", "/rss", bytes, received()));
        let Ok(page) = page else { return };
        for listed in page.items {
            let halts = listed.until(Timestamp::MAX);
            assert!(halts.iter().all(|halt| is_plausible(halt.at)) && halts[0].halted, "{halts:?}");
            assert!(halts.windows(2).all(|pair| pair[0].at <= pair[1].at && !pair[1].halted), "{halts:?}");
        }
    });
}

#[test]
fn answers_of_gdelt() {
    let from: Timestamp = "2025-05-10T00:00:00Z".parse().unwrap();
    messages(&[ARTICLES], |bytes| {
        if let Ok((page, _)) = bounded(size(bytes), || gdelt::page("gdelt", "/doc", bytes, from, received())) {
            assert_articles(page);
        }
    });
}

#[test]
fn messages_of_binance() {
    messages(&[TRADE, KLINE], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let plain = fields(&text).filter(|plain| plain.raw("data").is_none());
        match bounded(size(bytes), || binance::parse::message(&text, received())) {
            Ok(binance::parse::Message::Market(MarketEvent::Trade(trade))) => {
                assert_trade(&trade, plain.as_ref(), ["p", "q"]);
            }
            Ok(binance::parse::Message::Market(MarketEvent::Bar(bar))) => assert_bar(&bar),
            Ok(_) => {}
            Err(reason) => assert!(!reason.is_empty()),
        }
    });
}

#[test]
fn pages_of_binance() {
    let symbol = Symbol::new("X:BTCUSDT").unwrap();
    messages(&[KLINES], |bytes| {
        let page = bounded(size(bytes), || {
            binance::parse::bars_page("binance", "/klines", bytes, &symbol, BarWidth::Minute, received())
        });
        page.into_iter().flat_map(|page| page.items).for_each(|bar| assert_bar(&bar));
    });
}

#[test]
fn messages_of_coinbase() {
    messages(&[MATCHES, CANDLES], |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let read = bounded(size(bytes), || coinbase::parse::message(&text, received()));
        read.trades.iter().for_each(|trade| assert_trade(trade, None, ["", ""]));
        read.candles.iter().for_each(assert_bar);
        assert!(read.rejects.iter().all(|reject| !reject.reason.is_empty()));
    });
}
