//! Messages as Yahoo sends them, sent on loopback.

use super::parse::bars;
use crate::providers::testing::{Answered, Server};
use crate::providers::{BarsRequest, Frame, MarketEvent, PriceSource, ProviderError, ProvidersConfig, Subscription};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tapewire_runtime::Clock;
use tapewire_testkit::{at, symbol};

const PATH: &str = "/v8/finance/chart/AAPL";

/// A Monday, 40 minutes after the open.
const NOW: &str = "2025-06-02T14:10:30Z";

/// A minute: its start, open, high, low and close as prices around one, and its volume.
fn minute(start: &str, close: &str, volume: &str) -> [String; 6] {
    let number = |text: &str| text.to_owned();
    let start = at(start).as_second().to_string();
    [start, number("200.5"), number("203"), number("189"), number(close), number(volume)]
}

fn nothing(start: &str) -> [String; 6] {
    let mut row = [const { String::new() }; 6].map(|_| "null".to_owned());
    row[0] = at(start).as_second().to_string();
    row
}

fn chart(rows: &[[String; 6]]) -> String {
    let column = |index: usize| rows.iter().map(|row| row[index].clone()).collect::<Vec<_>>().join(",");
    format!(
        "{{\"chart\":{{\"result\":[{{\"meta\":{{\"currency\":\"USD\",\"symbol\":\"AAPL\",\"exchangeName\":\"NMS\",\
         \"instrumentType\":\"EQUITY\",\"dataGranularity\":\"1m\",\"range\":\"\"}},\"timestamp\":[{}],\"indicators\":{{\"quote\":[{{\
         \"open\":[{}],\"high\":[{}],\"low\":[{}],\"close\":[{}],\"volume\":[{}]}}]}}}}],\"error\":null}}}}",
        column(0),
        column(1),
        column(2),
        column(3),
        column(4),
        column(5)
    )
}

fn source(url: &str, settings: &[(&str, &str)]) -> Arc<dyn PriceSource> {
    let mut providers = ProvidersConfig::default();
    providers.set("yahoo", "rest_url", url);
    for (setting, value) in settings {
        providers.set("yahoo", setting, *value);
    }
    providers.price_source("yahoo", &Clock::accelerated(at(NOW), 1.0)).unwrap()
}

fn subscription(symbols: &[&str]) -> Subscription {
    Subscription { symbols: symbols.iter().map(|name| symbol(name)).collect(), bars: true, trades: false, halts: false }
}

/// Minute of the hour, close and volume of each bar.
fn shown(frame: &Frame) -> Vec<(i64, f64, f64)> {
    let bar = |event: &MarketEvent| match event {
        MarketEvent::Bar(bar) => ((bar.start.as_second() / 60) % 60, bar.close, bar.volume),
        other => panic!("{other:?}"),
    };
    frame.events.iter().map(bar).collect()
}

#[tokio::test]
async fn a_bar_is_sent_once_it_has_settled_and_again_when_it_has_changed() {
    let old = minute("2025-06-02T13:50:00Z", "190", "10");
    let first = [
        old.clone(),
        minute("2025-06-02T14:05:00Z", "201", "1000"),
        nothing("2025-06-02T14:06:00Z"),
        minute("2025-06-02T14:07:00Z", "202", "0"),
        minute("2025-06-02T14:08:00Z", "189.32000732421875", "900"),
        minute("2025-06-02T14:09:00Z", "203", "500"),
        minute("2025-06-02T14:10:00Z", "202", "7"),
        minute("2025-06-02T14:10:28Z", "202", "9"),
    ];
    let mut second = first.clone();
    second[4][5] = "950".into();
    second[5][5] = "501".into();
    let server = Server::start(&[
        (PATH, Answered::ok(&chart(&first))),
        (PATH, Answered::ok(&chart(&first))),
        (PATH, Answered::ok(&chart(&second))),
    ])
    .await;
    let source = source(&server.url(), &[("bars_every", "200ms")]);
    let mut connection = source.connect(&subscription(&["AAPL"])).await.unwrap();
    let frame = connection.next().await.unwrap();
    // 14:09 ended 30 seconds ago, and is still changed; 13:50 is fetched as a gap; in 14:06 and 14:07 nothing was traded.
    assert_eq!(shown(&frame), [(5, 201.0, 1000.0), (8, 189.32, 900.0)]);
    assert!(frame.rejects.is_empty(), "{frame:?}");
    let frame = connection.next().await.unwrap();
    assert_eq!(shown(&frame), [(8, 189.32, 950.0)]);
    let asked = server.requests();
    assert_eq!((asked.len(), asked[0].user_agent.as_str()), (3, "Mozilla/5.0"));
    assert!(
        asked[0].query.starts_with("interval=1m&period1=1748872470&period2=1748873431&includePrePost=false"),
        "{asked:?}"
    );
}

/// The feed promises a minute by time: a round that does not end must not be waited for.
#[tokio::test]
async fn a_round_that_is_too_long_ends_the_connection() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let source = source(&url, &[("bars_every", "200ms")]);
    let mut connection = source.connect(&subscription(&["AAPL"])).await.unwrap();
    let error = connection.next().await.unwrap_err();
    assert!(matches!(error, ProviderError::TooSlow { .. }) && error.is_retryable(), "{error}");
    assert_eq!(source.shows_within(), Duration::from_millis(90_000 + 2 * 200 + 5_000));
}

#[tokio::test]
async fn the_past_is_read_in_weeks_as_far_back_as_there_is_any() {
    let server = Server::start(&[(PATH, Answered::ok(&chart(&[minute("2025-06-02T14:08:00Z", "190", "10")])))]).await;
    let source = source(&server.url(), &[]);
    let (from, to) = (at("2025-01-01T00:00:00Z"), at(NOW));
    let (mut cursor, mut count) = (None, 0);
    loop {
        let page = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), from, to), cursor.as_ref()).await.unwrap();
        count += page.items.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(count, 1, "only the last page's range has the bar");
    let range = |query: &str| {
        let number = |name: &str| query.split(name).nth(1).unwrap().split('&').next().unwrap().parse::<i64>().unwrap();
        (number("period1="), number("period2="))
    };
    let ranges: Vec<(i64, i64)> = server.requests().iter().map(|asked| range(&asked.query)).collect();
    let now = at(NOW).as_second();
    assert_eq!(ranges.len(), 5, "{ranges:?}");
    assert!((0..5).contains(&(ranges[0].0 - (now - 29 * 86_400))), "{ranges:?}");
    assert_eq!(ranges[4].1, now + 1);
    assert!(ranges.windows(2).all(|pair| pair[0].1 == pair[1].0), "{ranges:?}");
    assert!(ranges.iter().all(|(from, to)| to - from <= 7 * 86_400 + 1), "{ranges:?}");
}

#[tokio::test]
async fn a_rate_limit_is_waited_out_and_an_unknown_symbol_costs_only_itself() {
    let good = chart(&[minute("2025-06-02T14:08:00Z", "190", "10")]);
    let unknown = r#"{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found, symbol may be delisted"}}}"#;
    let server = Server::start(&[
        (PATH, Answered::status(429, "Too Many Requests").with("retry-after", "7")),
        (PATH, Answered::ok(&good)),
        ("/v8/finance/chart/BRK-B", Answered::status(404, unknown)),
    ])
    .await;
    let source = source(&server.url(), &[("bars_every", "5s")]);
    let error = source.connect(&subscription(&["BRK.B", "AAPL"])).await.unwrap().next().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{error}");
    let frame = source.connect(&subscription(&["BRK.B", "AAPL"])).await.unwrap().next().await.unwrap();
    assert_eq!(shown(&frame), [(8, 190.0, 10.0)]);
}

/// As others have recorded them: of a share that was listed later, and of times that are too long ago.
#[tokio::test]
async fn a_time_before_the_first_bar_of_a_share_has_no_bars_and_ends_nothing() {
    let said = |code: &str, text: &str| {
        format!("{{\"chart\":{{\"result\":null,\"error\":{{\"code\":\"{code}\",\"description\":\"{text}\"}}}}}}")
    };
    let unlisted = said("Bad Request", "Data doesn't exist for startDate = 1746367830, endDate = 1746972631");
    let too_old = said(
        "Unprocessable Entity",
        "1m data not available for startDate=1746367830 and endDate=1746972631. The requested range must be within the \
         last 30 days.",
    );
    let good = chart(&[minute("2025-06-02T14:08:00Z", "190", "10")]);
    let server = Server::start(&[
        (PATH, Answered::status(400, &unlisted)),
        (PATH, Answered::status(422, &too_old)),
        (PATH, Answered::ok(&chart(&[]))),
        (PATH, Answered::ok(&good)),
        (PATH, Answered::status(400, "Bad Request")),
        (PATH, Answered::status(404, "<html>Not Found</html>")),
    ])
    .await;
    let source = source(&server.url(), &[]);
    let (from, to) = (at(NOW) - jiff::SignedDuration::from_hours(22 * 24), at(NOW));
    let (mut cursor, mut counts) = (None, Vec::new());
    loop {
        let page = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), from, to), cursor.as_ref()).await.unwrap();
        counts.push(page.items.len());
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(counts, [0, 0, 0, 1]);
    // Nothing says that these are about one symbol: taken for an answer without bars, they would be noted as filled.
    for status in [400, 404] {
        let error = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), to, to), None).await.unwrap_err();
        assert!(matches!(error, ProviderError::BadRequest { status: said, .. } if said == status), "{error}");
    }
    assert!(super::is_before_the_first_bar(&unlisted) && super::is_before_the_first_bar(&too_old));

    let server =
        Server::start(&[("/v8/finance/chart/BRK-B", Answered::status(400, &unlisted)), (PATH, Answered::ok(&good))])
            .await;
    let source = self::source(&server.url(), &[("bars_every", "5s")]);
    let frame = source.connect(&subscription(&["BRK.B", "AAPL"])).await.unwrap().next().await.unwrap();
    assert_eq!(shown(&frame), [(8, 190.0, 10.0)]);

    let moved = Answered::status(302, "").with("location", "https://elsewhere.test/");
    let server = Server::start(&[(PATH, moved)]).await;
    let source = self::source(&server.url(), &[]);
    let error = source.bars_page(&BarsRequest::minutes(&symbol("AAPL"), to, to), None).await.unwrap_err();
    assert!(matches!(error, ProviderError::BadRequest { .. }), "it is about all symbols: {error}");
}

#[test]
fn only_shares_are_taken_and_neither_trades_nor_halts() {
    let source = source("http://127.0.0.1:1", &[]);
    source.check(&subscription(&["SPY", "BRK.B"])).unwrap();
    for name in ["X:BTCUSD", "I:SPX", "BCpC"] {
        assert!(source.check(&subscription(&[name])).unwrap_err().to_string().contains(name), "{name}");
    }
    let trades = Subscription { trades: true, ..subscription(&["SPY"]) };
    assert!(source.check(&trades).unwrap_err().to_string().contains("prices.override.yahoo.trades = false"));
    let halts = Subscription { halts: true, ..subscription(&["SPY"]) };
    assert!(source.check(&halts).is_err());
}

fn read(body: &str) -> Result<crate::providers::Page<tapewire_core::Bar>, ProviderError> {
    bars("yahoo", PATH, body.as_bytes(), &symbol("AAPL"), at(NOW))
}

#[test]
fn an_answer_about_something_else_is_refused() {
    let good = chart(&[minute("2025-06-02T14:08:00Z", "190", "10")]);
    assert_eq!(read(&good).unwrap().items.len(), 1);
    // Of one symbol only, so that the others go on.
    for (from, to, expected) in [
        ("\"1m\"", "\"5m\"", "5m"),
        ("\"USD\"", "\"GBp\"", "GBp"),
        ("\"USD\"", "null", "nothing"),
        ("\"AAPL\"", "\"AAPL.MX\"", "AAPL.MX"),
    ] {
        assert!(good.contains(from), "{from}");
        let page = read(&good.replacen(from, to, 1)).unwrap();
        assert!(page.items.is_empty() && page.rejects.len() == 1, "{:?}", page.items);
        assert!(page.rejects[0].reason.contains(expected), "{:?}", page.rejects);
    }
    for (from, to, expected) in [
        ("\"volume\":[10]", "\"volume\":[10,11]", "1, 2"),
        ("\"volume\":[10]", "\"volume\":null", "1, 0"),
        ("\"error\":null", "\"error\":{\"code\":\"Internal\",\"description\":\"busy\"}", "Internal: busy"),
        ("\"result\":[", "\"result\":null,\"others\":[", "no result"),
    ] {
        assert!(good.contains(from), "{from}");
        let error = read(&good.replacen(from, to, 1)).unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains(expected), "{error}");
    }
    let empty = good.replace("\"timestamp\":[1748873280],", "").replace("{\"open\":[200.5],", "{\"other\":[200.5],");
    assert_eq!(read(&empty).unwrap().items, []);
}

#[test]
fn a_bar_that_cannot_be_costs_only_itself() {
    let mut torn = minute("2025-06-02T14:01:00Z", "190", "10");
    torn[3] = "null".into();
    let rows = [
        minute("2025-06-02T14:02:00Z", "190", "10"),
        torn,
        minute("2025-06-02T14:03:00Z", "999", "10"),
        minute("2025-06-02T14:04:00Z", "190", "null"),
        minute("2025-06-02T14:02:00Z", "191", "11"),
    ];
    let page = read(&chart(&rows)).unwrap();
    let closes: Vec<(Timestamp, f64)> = page.items.iter().map(|bar| (bar.start, bar.close)).collect();
    assert_eq!(closes, [(at("2025-06-02T14:02:00Z"), 191.0)], "of a minute that is listed twice the later counts");
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert!(reasons.len() == 3 && reasons[0].contains("missing") && reasons[1].contains("outside"), "{reasons:?}");
}
