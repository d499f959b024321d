//! Recorded messages, sent on loopback.

use super::parse::article;
use crate::providers::testing::{Answered, Server, fixture};
use crate::providers::{ApiKey, NewsRequest, NewsSource, ProviderError, ProvidersConfig};
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;
use tapewire_testkit::at;

const PATH: &str = "/tiingo/news";
const KEY: &str = "0123456789abcdef";

fn source(server: &Server) -> Arc<dyn NewsSource> {
    let mut providers = ProvidersConfig::default();
    providers.set("tiingo", "rest_url", server.url());
    providers.set("tiingo", "news_symbols", vec!["AAPL", "BRK.B"]);
    providers.entry("tiingo").api_key = ApiKey::new(KEY);
    providers.news_source("tiingo", &Clock::accelerated(at("2024-02-22T07:00:00Z"), 1.0)).unwrap()
}

fn since() -> NewsRequest {
    NewsRequest::Since(at("2024-02-22T06:00:00Z"))
}

fn item(id: u64, published: &str) -> String {
    format!(
        "{{\"id\":{id},\"publishedDate\":\"{published}\",\"title\":\"Story {id}\",\"url\":\"https://t.test/{id}\",\
         \"description\":null,\"source\":\"barrons.com\",\"tags\":[\"Stock\",\"\"],\
         \"crawlDate\":\"2024-02-22T06:49:35.266249Z\",\"tickers\":[\"aapl\",\"as\",\"as\",\"brk-b\",\"bcpc\",\"btcusd\"]}}"
    )
}

fn list(items: &[String]) -> Answered {
    Answered::ok(&format!("[{}]", items.join(",")))
}

#[tokio::test]
async fn articles_count_from_their_publication_and_name_each_company_once() {
    let items = [
        item(2, "2024-02-22T06:45:23Z"),
        item(1, "2024-02-22T06:01:00+00:00"),
        item(0, "2024-02-22T06:00:00Z"),
        item(3, "yesterday"),
        item(4, "2024-02-22T06:30:00Z").replace("\"Story 4\"", "null"),
        item(5, "2024-02-22T05:59:59Z"),
    ];
    let server = Server::start(&[(PATH, list(&items))]).await;
    let page = source(&server).page(&since()).await.unwrap();
    let ids: Vec<&str> = page.items.iter().map(|article| article.id.as_str()).collect();
    assert_eq!(ids, ["https://t.test/0", "1", "2"], "an id of 0 does not count");
    let article = &page.items[2];
    assert_eq!(article.published_at, at("2024-02-22T06:45:23Z"));
    assert!(article.received_at >= at("2024-02-22T07:00:00Z"), "it is when we had it, not when it was crawled");
    let symbols: Vec<&str> = article.symbols.iter().map(Symbol::as_str).collect();
    assert_eq!(symbols, ["AAPL", "AS", "BRK.B", "BCPC", "X:BTCUSD"]);
    assert_eq!((article.keywords.as_slice(), article.description.as_str()), (&["Stock".to_owned()][..], ""));
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert!(reasons.len() == 2 && reasons[0].contains("`yesterday`") && reasons[1].contains("title"), "{reasons:?}");
    let asked = &server.requests()[0];
    assert_eq!(asked.query, "startDate=2024-02-22&sortBy=publishedDate&limit=1000&offset=0&tickers=aapl%2Cbrk-b");
    assert_eq!(asked.header("authorization"), format!("Token {KEY}"));
}

#[tokio::test]
async fn the_list_is_read_back_to_the_time_and_after_a_failure_from_the_page_that_failed() {
    let full =
        |first: u64, published: &str| list(&(first..first + 1000).map(|id| item(id, published)).collect::<Vec<_>>());
    let server = Server::start(&[
        (PATH, full(2001, "2024-02-22T06:40:00Z")),
        (PATH, Answered::status(429, "").with("retry-after", "7")),
        // The list has moved on by ten articles meanwhile.
        (PATH, full(1011, "2024-02-22T06:20:00Z")),
        (PATH, full(21, "2024-02-22T05:00:00Z")),
    ])
    .await;
    let source = source(&server);
    let error = source.page(&since()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{error}");
    let page = source.page(&since()).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1990, None));
    assert!(page.items.is_sorted_by_key(|article| article.published_at));
    let offset = |query: &str| query.split("offset=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let offsets: Vec<String> = server.requests().iter().map(|asked| offset(&asked.query)).collect();
    assert_eq!(offsets, ["0", "1000", "1000", "2000"]);
}

#[tokio::test]
async fn where_a_further_page_is_rejected_what_those_before_it_have_is_returned() {
    let full = list(&(1..=1000).map(|id| item(id, "2024-02-22T06:40:00Z")).collect::<Vec<_>>());
    let rejected = || (PATH, Answered::status(400, "offset is too large"));
    let server = Server::start(&[(PATH, full), rejected(), rejected()]).await;
    let source = source(&server);
    assert!(source.page(&since()).await.unwrap_err().is_retryable());
    assert_eq!((source.page(&since()).await.unwrap().items.len(), source.was_cut()), (1000, true));
}

/// As recorded: the free plan has no news.
#[tokio::test]
async fn a_plan_without_news_is_refused_for_good() {
    let said = r#"{"detail":"You do not have permission to access the News API"}"#;
    let answers = [Answered::status(403, said), Answered::ok(said)];
    let server = Server::start(&answers.map(|answer| (PATH, answer))).await;
    let source = source(&server);
    let error = source.page(&since()).await.unwrap_err();
    assert!(matches!(error, ProviderError::NotAuthorized { .. }) && !error.is_retryable(), "{error}");
    assert!(error.to_string().contains("permission") && !error.to_string().contains(KEY), "{error}");
    assert!(source.page(&since()).await.unwrap_err().to_string().contains("permission"));
}

#[test]
fn the_recorded_articles_are_read() {
    let Some(body) = fixture("tiingo/news_syndication_and_dup_tickers.json") else { return };
    let list: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    let read = |item: &serde_json::Value| article("tiingo", &item.to_string(), at("2024-02-22T07:00:00Z")).unwrap();
    let articles: Vec<_> = list.iter().map(read).collect();
    assert_eq!(articles.len(), 5);
    assert!(articles.iter().all(|(_, flaw)| flaw.is_none()), "{articles:?}");
    let symbols: Vec<&str> = articles[1].0.symbols.iter().map(Symbol::as_str).collect();
    assert_eq!(symbols, ["AAPL", "ARM", "AS", "BIRK", "CVX", "FLUT", "PFE", "SPX", "XOM"]);
}
