//! A recorded list, served on loopback.

use super::parse;
use crate::providers::testing::{Answered, Server, fixture};
use crate::providers::{BarsRequest, MarketEvent, PriceSource, ProvidersConfig, Subscription};
use jiff::Timestamp;
use std::sync::Arc;
use tapewire_core::Halt;
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

fn item(symbol: &str, time: &str, resumption: &str) -> String {
    let resumption = match resumption {
        "" => "<ndaq:ResumptionDate /><ndaq:ResumptionTradeTime />".to_owned(),
        time => format!(
            "<ndaq:ResumptionDate>06/02/2025</ndaq:ResumptionDate><ndaq:ResumptionTradeTime>{time}</ndaq:ResumptionTradeTime>"
        ),
    };
    format!(
        "<item><title>{symbol}</title><ndaq:HaltDate>06/02/2025</ndaq:HaltDate><ndaq:HaltTime>{time}</ndaq:HaltTime>\
         <ndaq:IssueSymbol>{symbol}</ndaq:IssueSymbol><ndaq:Market>NASDAQ</ndaq:Market><ndaq:ReasonCode>LUDP</ndaq:ReasonCode>\
         <ndaq:PauseThresholdPrice />{resumption}<ndaq:ResumptionQuoteTime /></item>"
    )
}

fn list(items: &[String]) -> Answered {
    let items = items.concat();
    Answered::ok(&format!("<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><ttl>1</ttl>{items}</channel></rss>"))
}

fn wanted(symbols: &[&str], halts: bool) -> Subscription {
    Subscription { symbols: symbols.iter().map(|name| symbol(name)).collect(), bars: true, trades: false, halts }
}

fn source(server: &Server, clock: &Clock) -> Arc<dyn PriceSource> {
    let mut providers = ProvidersConfig::default();
    providers.set("nasdaq_halts", "halts_url", format!("{}/rss.aspx?feed=tradehalts", server.url()));
    providers.set("nasdaq_halts", "halts_every", "20ms");
    providers.price_source("nasdaq_halts", clock).unwrap()
}

fn halts(events: Vec<MarketEvent>) -> Vec<(String, Timestamp, bool)> {
    let halt = |event| match event {
        MarketEvent::Halt(Halt { symbol, at, halted, .. }) => (symbol.to_string(), at, halted),
        other => panic!("{other:?}"),
    };
    events.into_iter().map(halt).collect()
}

#[tokio::test]
async fn a_halt_is_sent_once_and_its_resumption_when_the_time_has_come() {
    // New York is four hours behind: 10:00 is 14:00 UTC.
    let first =
        [item("MKR", "09:50:01.250", ""), item("EXM", "09:51:00", "09:56:00"), item("BRK.B", "09:52:00", "15:00:00")];
    let second = [
        item("MKR", "09:50:01.250", "09:55:01"),
        first[1].clone(),
        first[2].clone(),
        "<item><title>x</title></item>".into(),
    ];
    let server =
        Server::start(&[("/rss.aspx", list(&first)), ("/rss.aspx", list(&first)), ("/rss.aspx", list(&second))]).await;
    let clock = Clock::accelerated(at("2025-06-02T14:00:00Z"), 1.0);
    let mut connection = source(&server, &clock).connect(&wanted(&[], true)).await.unwrap();
    let frame = connection.next().await.unwrap();
    let expected = [
        ("MKR", "2025-06-02T13:50:01.25Z", true),
        ("EXM", "2025-06-02T13:51:00Z", true),
        ("BRK.B", "2025-06-02T13:52:00Z", true),
        ("EXM", "2025-06-02T13:56:00Z", false),
    ];
    assert_eq!(halts(frame.events), expected.map(|(name, moment, halted)| (name.to_owned(), at(moment), halted)));
    let frame = connection.next().await.unwrap();
    assert_eq!(halts(frame.events), [("MKR".to_owned(), at("2025-06-02T13:55:01Z"), false)]);
    assert_eq!(frame.rejects.len(), 1);
    assert_eq!(server.requests()[0].query, "feed=tradehalts");
}

#[tokio::test]
async fn a_list_of_symbols_limits_it_and_without_halts_it_is_refused() {
    let server =
        Server::start(&[("/rss.aspx", list(&[item("MKR", "09:50:01", ""), item("EXM", "09:51:00", "")]))]).await;
    let source = source(&server, &Clock::wall());
    source.check(&wanted(&["EXM"], true)).unwrap();
    assert!(source.check(&wanted(&[], false)).unwrap_err().to_string().contains("halts = true"));
    let mut connection = source.connect(&wanted(&["EXM"], true)).await.unwrap();
    assert_eq!(halts(connection.next().await.unwrap().events), [("EXM".to_owned(), at("2025-06-02T13:51:00Z"), true)]);
    let bars =
        source.bars_page(&BarsRequest::minutes(&symbol("EXM"), Timestamp::MIN, Timestamp::MAX), None).await.unwrap();
    assert_eq!((bars.items.len(), bars.next), (0, None));
}

#[test]
fn a_line_that_cannot_be_placed_in_time_is_refused() {
    let good = item("MKR", "09:50:01", "");
    for (raw, reason) in [
        (good.replace("09:50:01", "noon"), "not a moment"),
        (good.replace("06/02/2025", "02/30/2025"), "not a moment"),
        (good.replace("06/02/2025", "2025-06-02"), "not a moment"),
        // Twice at the end of daylight saving time, and never at its beginning.
        (good.replace("06/02/2025", "11/02/2025").replace("09:50:01", "01:30:00"), "not a moment"),
        (good.replace("06/02/2025", "03/09/2025").replace("09:50:01", "02:30:00"), "not a moment"),
        (item("MKR", "09:50:01", "09:40:00"), "before it was halted"),
        (item("A B", "09:50:01", ""), "not a ticker"),
        (good.replace("ndaq:IssueSymbol", "ndaq:Symbol"), "no ndaq:IssueSymbol"),
    ] {
        let body = format!("<rss>{raw}</rss>");
        let page = parse::page("nasdaq_halts", "/", body.as_bytes(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(page.items.is_empty() && page.rejects[0].reason.contains(reason), "{raw}: {page:?}");
    }
}

#[test]
fn the_capture_is_read() {
    let Some(body) = fixture("live-captures/nasdaq-halts/halts.xml") else { return };
    let page = parse::page("nasdaq_halts", "/", &body, Timestamp::UNIX_EPOCH).unwrap();
    let halts = page.items[0].until(Timestamp::MAX);
    assert_eq!((halts.len(), page.rejects.len()), (1, 0));
    assert_eq!((halts[0].symbol.as_str(), halts[0].reason.as_str()), ("ROCC", "T12"));
    assert_eq!(halts[0].at, at("2023-06-16T23:50:01Z"));
}
