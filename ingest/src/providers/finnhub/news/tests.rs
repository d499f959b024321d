//! Documented messages, sent on loopback.

use crate::providers::testing::{Answered, Server, fixture};
use crate::providers::{NewsRequest, NewsSource, ProviderError, ProvidersConfig};
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;
use tapewire_testkit::at;

const PATH: &str = "/api/v1/company-news";

const OF_TESLA: &str = r#"[
{"category":"company","datetime":1616460843,"headline":"Volkswagen In The Midst Of Transformation","id":64801070,
 "image":"","related":"TSLA","source":"seekingalpha.com","summary":"The latest conference.","url":"https://f.test/1"},
{"category":"company","datetime":1616457243,"headline":"Tesla rises","id":"64801069","related":"","source":"x","summary":"",
 "url":"https://f.test/2"},
{"category":"company","datetime":0,"headline":"No time","id":3,"related":"TSLA","url":"https://f.test/3"},
{"category":"company","datetime":1616457243,"headline":"","id":4,"related":"TSLA","summary":" "},
{"category":"company","datetime":1616457243,"headline":"Nothing to know it by","id":0,"related":"TSLA","url":""},
{"category":"company","datetime":1616371200,"headline":"Old","id":5,"related":"TSLA","url":"https://f.test/5"}]"#;

const OF_FORD: &str = r#"[
{"category":"company","datetime":1616460843,"headline":"Volkswagen In The Midst Of Transformation","id":64801070,
 "image":"","related":"F","source":"seekingalpha.com","summary":"The latest conference.","url":"https://f.test/1"}]"#;

const KEY: &str = "s3cret-token";

fn source(server: &Server) -> Arc<dyn NewsSource> {
    let mut providers = ProvidersConfig::default();
    providers.set("finnhub", "rest_url", server.url());
    providers.set("finnhub", "news_symbols", vec!["TSLA", "F"]);
    providers.set("finnhub", "requests_a_minute", 60_000);
    providers.entry("finnhub").api_key = crate::providers::ApiKey::new(KEY);
    providers.news_source("finnhub", &Clock::accelerated(at("2021-03-23T02:00:00Z"), 1.0)).unwrap()
}

fn since() -> NewsRequest {
    NewsRequest::Since(at("2021-03-22T12:00:00Z"))
}

#[tokio::test]
async fn the_lists_of_all_companies_are_one_page_oldest_first() {
    let server = Server::start(&[(PATH, Answered::ok(OF_TESLA)), (PATH, Answered::ok(OF_FORD))]).await;
    let page = source(&server).page(&since()).await.unwrap();
    let ids: Vec<String> = page.items.iter().map(|article| article.key()).collect();
    assert_eq!(ids, ["finnhub/64801069", "finnhub/64801070"]);
    let named = |index: usize| page.items[index].symbols.iter().map(Symbol::as_str).collect::<Vec<_>>();
    assert_eq!((named(0), named(1)), (vec!["TSLA"], vec!["TSLA", "F"]));
    assert_eq!(page.items[1].published_at, at("2021-03-23T00:54:03Z"));
    assert_eq!((page.items[1].publisher.as_str(), page.next), ("seekingalpha.com", None));
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons[0].contains("1970") && reasons[1].contains("headline") && reasons[2].contains("id"), "{reasons:?}");
    let asked = server.requests();
    assert_eq!(asked[0].query, "symbol=TSLA&from=2021-03-22&to=2021-03-23");
    assert!(asked.iter().all(|asked| asked.header("x-finnhub-token") == KEY), "{asked:?}");
}

#[tokio::test]
async fn after_a_rate_limit_the_round_goes_on_with_the_company_that_failed() {
    let server = Server::start(&[
        (PATH, Answered::ok(OF_TESLA)),
        (PATH, Answered::status(429, r#"{"error":"API limit reached."}"#).with("retry-after", "7")),
        (PATH, Answered::ok(r#"{"error":"API limit reached. Please try again later."}"#)),
        (PATH, Answered::ok(OF_FORD)),
    ])
    .await;
    let source = source(&server);
    let error = source.page(&since()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{error}");
    let error = source.page(&since()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)), "{error}");
    assert_eq!(source.page(&since()).await.unwrap().items.len(), 2);
    let companies: Vec<String> = server.requests().iter().map(|asked| asked.query[7..8].to_owned()).collect();
    assert_eq!(companies, ["T", "F", "F", "F"]);
}

#[tokio::test]
async fn a_company_whose_request_is_rejected_costs_only_itself() {
    let rejected = || Answered::status(422, r#"{"error":"symbol is not supported"}"#);
    let server = Server::start(&[
        (PATH, rejected()),
        (PATH, Answered::ok(OF_FORD)),
        (PATH, rejected()),
        (PATH, rejected()),
        (PATH, Answered::ok(OF_TESLA)),
        (PATH, rejected()),
    ])
    .await;
    let source = source(&server);
    assert_eq!((source.page(&since()).await.unwrap().items.len(), source.was_cut()), (1, true));
    let error = source.page(&since()).await.unwrap_err();
    assert!(matches!(error, ProviderError::BadRequest { .. }), "all companies are rejected: {error}");
    assert_eq!(source.page(&since()).await.unwrap().items.len(), 2);
    let companies: Vec<String> = server.requests().iter().map(|asked| asked.query[7..8].to_owned()).collect();
    assert_eq!(companies, ["T", "F", "T", "F", "T", "F"]);
}

#[tokio::test]
async fn a_refused_key_is_final_and_is_not_shown() {
    let said = format!("{{\"error\":\"Invalid API key {KEY}\"}}");
    let server = Server::start(&[(PATH, Answered::status(401, &said)), (PATH, Answered::ok(&said))]).await;
    let source = source(&server);
    let error = source.page(&since()).await.unwrap_err();
    assert!(matches!(error, ProviderError::NotAuthorized { .. }) && !error.is_retryable(), "{error}");
    let text = error.to_string();
    assert!(text.contains("TAPEWIRE_FINNHUB_API_KEY") && text.contains("news of TSLA"), "{text}");
    assert!(!text.contains(KEY), "{text}");
    let error = source.page(&since()).await.unwrap_err();
    assert!(error.is_retryable() && !error.to_string().contains(KEY), "{error}");
}

#[test]
fn without_companies_there_is_nothing_to_ask_for() {
    let mut providers = ProvidersConfig::default();
    providers.entry("finnhub").api_key = crate::providers::ApiKey::new(KEY);
    let error = providers.check_news("finnhub").unwrap_err().to_string();
    assert!(error.contains("news_symbols"), "{error}");
    providers.check_key("finnhub").unwrap();
}

#[test]
fn the_documented_article_is_read() {
    let Some(body) = fixture("finnhub/company_news.json") else { return };
    let text = String::from_utf8(body).unwrap();
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_str(&text).unwrap();
    let asked = Symbol::new("TSLA").unwrap();
    let (article, flaw) = super::article("finnhub", &asked, items[0].get(), at("2021-03-23T02:00:00Z")).unwrap();
    assert_eq!((article.id.as_str(), flaw), ("64801070", None));
    assert_eq!(article.published_at, at("2021-03-23T00:54:03Z"));
}

#[tokio::test]
async fn whether_it_takes_the_key_costs_one_request_however_many_companies_there_are() {
    let refused = Answered::status(401, "{\"error\":\"Invalid API key\"}");
    let path = "/api/v1/stock/market-status";
    let server = Server::start(&[(path, Answered::ok("{\"isOpen\":false}")), (path, refused)]).await;
    let source = source(&server);
    source.probe(at("2021-03-23T02:00:00Z")).await.unwrap();
    let error = source.probe(at("2021-03-23T02:00:00Z")).await.unwrap_err();
    assert!(matches!(error, ProviderError::NotAuthorized { .. }), "{error}");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_key_at_the_end_of_a_long_message_is_taken_out_whole() {
    let said = Answered::status(401, &format!("{{\"error\":\"{}{KEY}\"}}", "x".repeat(295)));
    let server = Server::start(&[("/api/v1/stock/market-status", said)]).await;
    let error = source(&server).probe(at("2021-03-23T02:00:00Z")).await.unwrap_err().to_string();
    assert!(error.contains("xxx") && !error.contains(&KEY[..3]), "{error}");
}
