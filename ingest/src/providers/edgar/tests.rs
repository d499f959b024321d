//! Recorded filings, served on loopback.

use super::*;
use crate::providers::ProvidersConfig;
use crate::providers::testing::{Answered, Server, fixture};
use tapewire_runtime::Clock;

const LIST: &str = r#"{"fields":["cik","name","ticker","exchange"],"data":[[1652044,"Alphabet Inc.","GOOGL","Nasdaq"],
    [1652044,"Alphabet Inc.","GOOG","Nasdaq"],[14930,"BRUNSWICK CORP","BC-PC","NYSE"],[14930,"BRUNSWICK CORP","BC","NYSE"]]}"#;

fn entry(number: u32, company: &str, cik: &str, role: &str, at: &str) -> String {
    format!(
        "<entry><title>8-K - {company} ({cik}) ({role})</title>\
         <link rel=\"alternate\" type=\"text/html\" href=\"https://www.sec.gov/{number}-index.htm\"/>\
         <summary type=\"html\"> &lt;b&gt;Filed:&lt;/b&gt; 2026-09-01 &lt;b&gt;Size:&lt;/b&gt; 219 KB\n\
         &lt;br&gt;Item 2.02: Results of Operations\n&lt;br&gt;Item 9.01: Financial Statements and Exhibits\n</summary>\
         <updated>{at}</updated><category label=\"form type\" term=\"8-K\"/>\
         <id>urn:tag:sec.gov,2008:accession-number=0001193125-26-{number:06}</id></entry>"
    )
}

fn feed(entries: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?><feed xmlns=\"http://www.w3.org/2005/Atom\">{entries}</feed>"
    )
}

fn source(server: &Server) -> Arc<dyn NewsSource> {
    let mut providers = ProvidersConfig::default();
    providers.set("edgar", "rest_url", server.url());
    providers.set("edgar", "user_agent", "Example admin@example.com");
    providers.news_source("edgar", &Clock::wall()).unwrap()
}

fn since(text: &str) -> NewsRequest {
    NewsRequest::Since(text.parse().unwrap())
}

const FILES: &str = "/files/company_tickers_exchange.json";
const CURRENT: &str = "/cgi-bin/browse-edgar";

#[test]
fn without_a_contact_it_is_refused_before_anything_is_asked() {
    let mut providers = ProvidersConfig::default();
    let error = providers.check_key("edgar").unwrap_err().to_string();
    assert!(error.contains("providers.edgar") && error.contains("user_agent"), "{error}");
    for unusable in ["Example Research", "Example\nadmin@example.com", "Ex\u{e4}mple admin@example.com"] {
        providers.set("edgar", "user_agent", unusable);
        assert!(providers.check_key("edgar").is_err(), "{unusable}");
    }
    providers.set("edgar", "user_agent", "Example Research admin@example.com");
    providers.check_key("edgar").unwrap();
}

#[tokio::test]
async fn filings_are_articles_of_one_share_each_oldest_first() {
    let entries = [
        entry(2, "Alphabet Inc.", "0001652044", "Filer", "2026-09-01T13:20:17-04:00"),
        entry(2, "BRUNSWICK CORP (DE) - Marine", "0000014930", "Filer", "2026-09-01T13:20:17-04:00"),
        entry(2, "BRUNSWICK CORP (DE) - Marine", "0000014930", "Subject", "2026-09-01T13:20:17-04:00"),
        entry(1, "Unlisted Trust", "0001890107", "Filer", "2026-09-01T13:20:00-04:00"),
        "<entry><title>Corrected list</title><id>x</id></entry>".into(),
        entry(0, "Old Co", "0001890108", "Filer", "2026-09-01T09:00:00-04:00"),
    ];
    let server = Server::start(&[(FILES, Answered::ok(LIST)), (CURRENT, Answered::ok(&feed(&entries.concat())))]).await;
    let page = source(&server).page(&since("2026-09-01T17:00:00Z")).await.unwrap();
    let found: Vec<(&str, Vec<&str>)> = page
        .items
        .iter()
        .map(|article| (article.id.as_str(), article.symbols.iter().map(|symbol| symbol.as_str()).collect()))
        .collect();
    assert_eq!(
        found,
        [
            ("0001193125-26-000001/1890107", vec![]),
            ("0001193125-26-000002/1652044", vec!["GOOGL"]),
            ("0001193125-26-000002/14930", vec!["BC"]),
        ]
    );
    let article = &page.items[2];
    assert_eq!(article.title, "8-K - BRUNSWICK CORP (DE) - Marine");
    assert_eq!(article.description, "Item 2.02: Results of Operations; Item 9.01: Financial Statements and Exhibits");
    assert_eq!(article.keywords, ["8-K", "Item 2.02", "Item 9.01"]);
    assert_eq!(article.published_at.to_string(), "2026-09-01T17:20:17Z");
    assert_eq!(page.rejects.len(), 1, "{:?}", page.rejects);
    assert!(server.requests().iter().all(|request| request.user_agent == "Example admin@example.com"));
}

#[tokio::test]
async fn the_list_is_read_back_to_the_time_that_is_asked_for() {
    let entries = |from: u32| {
        (from..from + 100).rev().map(|number| {
            let at = format!("2026-09-01T{:02}:{:02}:00-04:00", 8 + number / 60, number % 60);
            entry(number, "Some Co", "0001890107", "Filer", &at)
        })
    };
    let (new, old) = (feed(&entries(150).collect::<String>()), feed(&entries(60).collect::<String>()));
    let server =
        Server::start(&[(FILES, Answered::ok(LIST)), (CURRENT, Answered::ok(&new)), (CURRENT, Answered::ok(&old))])
            .await;
    // Minute 120 is number 120: both pages are read, and what is on both counts once.
    let page = source(&server).page(&since("2026-09-01T14:00:00Z")).await.unwrap();
    assert_eq!(page.items.len(), 130);
    assert!(page.items.is_sorted_by_key(|article| article.published_at));
    assert_eq!(server.requests().iter().filter(|request| request.path == CURRENT).count(), 2);
    assert!(server.requests()[2].query.contains("start=100"));
}

#[tokio::test]
async fn an_empty_list_and_a_block_are_told_apart() {
    let empty = feed("<title>Latest Filings - No recent filings</title>");
    let server = Server::start(&[
        (FILES, Answered::ok(LIST)),
        (CURRENT, Answered::ok(&empty)),
        (CURRENT, Answered::status(403, "Request Rate Threshold Exceeded")),
    ])
    .await;
    let source = source(&server);
    assert_eq!(source.page(&since("2026-09-01T14:00:00Z")).await.unwrap().items, []);
    let error = source.page(&since("2026-09-01T14:00:00Z")).await.unwrap_err();
    assert!(matches!(error, ProviderError::Refused { .. }) && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("Threshold") && !error.to_string().contains("api key"), "{error}");
}

#[test]
fn captures_are_read_or_refused_with_the_reason() {
    let tickers = Tickers::default();
    let read = |path: &str, body: &[u8]| parse::page("edgar", path, body, &tickers, Timestamp::UNIX_EPOCH);
    for (path, articles, rejects) in [
        ("live-captures/edgar/getcurrent_8k.atom", 1, 0),
        ("live-captures/edgar/getcurrent_sc13e3.atom", 1, 0),
        ("live-captures/edgar/getcurrent_empty.atom", 0, 0),
        // The list of one company's filings has no company in its titles.
        ("edgar/atom_company_small.xml", 0, 10),
        ("edgar/atom_company_large.xml", 0, 100),
    ] {
        let Some(body) = fixture(path) else { return };
        let page = read(path, &body).unwrap();
        let all = page.items.len() + page.rejects.len();
        assert!(page.items.len() == articles && (rejects == 0) == page.rejects.is_empty(), "{path}: {all}");
        assert!(page.rejects.iter().all(|reject| reject.reason.contains("CIK")), "{path}");
    }
}
