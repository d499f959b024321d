//! Recorded messages, sent on loopback.

use super::parse::{PAGE, article, moment};
use crate::providers::testing::{Answered, Server, fixture};
use crate::providers::{ApiKey, NewsRequest, NewsSource, ProviderError, ProvidersConfig};
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;
use tapewire_testkit::at;

const PATH: &str = "/query";
const KEY: &str = "K3YOFALPHA";

fn source(server: &Server) -> Arc<dyn NewsSource> {
    let mut providers = ProvidersConfig::default();
    providers.set("alphavantage", "rest_url", server.url());
    providers.set("alphavantage", "topics", "earnings");
    providers.entry("alphavantage").api_key = ApiKey::new(KEY);
    providers.news_source("alphavantage", &Clock::wall()).unwrap()
}

fn since() -> NewsRequest {
    NewsRequest::Since(at("2025-11-28T13:20:59Z"))
}

fn item(number: usize, published: &str) -> String {
    format!(
        "{{\"title\":\"Story {number}\",\"url\":\"https://a.test/{number}\",\"time_published\":\"{published}\",\"authors\":[\"A\",\"B\"],\
         \"summary\":\"Text\",\"source\":\"Money\",\"topics\":[{{\"topic\":\"Earnings\",\"relevance_score\":\"1.0\"}}],\
         \"ticker_sentiment\":[{{\"ticker\":\"RCL\"}},{{\"ticker\":\"BRK-B\"}},{{\"ticker\":\"RCL\"}},\
         {{\"ticker\":\"CRYPTO:BTC\"}},{{\"ticker\":\"FOREX:USD\"}}]}}"
    )
}

fn feed(items: impl IntoIterator<Item = String>) -> Answered {
    let items: Vec<String> = items.into_iter().collect();
    Answered::ok(&format!("{{\"items\":\"{}\",\"feed\":[{}]}}", items.len(), items.join(",")))
}

fn notice(kind: &str, said: &str) -> Answered {
    Answered::ok(&format!("{{\"{kind}\":\"{said}\"}}"))
}

#[tokio::test]
async fn articles_are_read_and_what_cannot_be_read_costs_only_itself() {
    let bad = [
        item(2, "2025-11-28"),
        item(3, "20251128T133000").replace("https://a.test/3", ""),
        "{\"url\":\"https://a.test/4\",\"time_published\":\"20251128T133000\"}".into(),
        item(5, "20251128T133000").replace("\"RCL\"", "\"US0378331005\""),
    ];
    let server = Server::start(&[(PATH, feed([vec![item(1, "20251128T133000")], bad.to_vec()].concat()))]).await;
    let page = source(&server).page(&since()).await.unwrap();
    assert_eq!((page.items.len(), page.rejects.len(), page.next), (2, 4, None));
    let article = &page.items[0];
    assert_eq!((article.key().as_str(), article.author.as_str()), ("alphavantage/https://a.test/1", "A, B"));
    assert_eq!(article.published_at, at("2025-11-28T13:30:00Z"));
    assert_eq!(article.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["RCL", "BRK.B", "X:BTCUSD"]);
    assert_eq!((article.keywords.as_slice(), article.publisher.as_str()), (&["Earnings".to_owned()][..], "Money"));
    let asked = &server.requests()[0].query;
    assert_eq!(
        asked,
        "function=NEWS_SENTIMENT&sort=EARLIEST&limit=1000&time_from=20251128T1320&topics=earnings&apikey=K3YOFALPHA"
    );
}

#[tokio::test]
async fn a_full_page_leads_to_the_next_and_a_full_minute_does_not_stop_them() {
    let at = |number: usize| if number < 1200 { "20251128T133059" } else { "20251128T134500" };
    let server = Server::start(&[
        (PATH, feed((0..PAGE).map(|number| item(number, at(number))))),
        (PATH, feed((200..200 + PAGE).map(|number| item(number, at(number).replace("4500", "3059").as_str())))),
        (
            PATH,
            notice("Information", "No articles found. Please adjust the time range or refer to the API documentation"),
        ),
    ])
    .await;
    let source = source(&server);
    let (mut request, mut counts) = (Some(since()), Vec::new());
    while let Some(asked) = request {
        let page = source.page(&asked).await.unwrap();
        counts.push((page.items.len(), source.was_cut()));
        request = page.next.map(NewsRequest::Next);
    }
    assert_eq!(counts, [(PAGE, false), (PAGE, true), (0, false)]);
    let from = |query: &str| query.split("time_from=").nth(1).unwrap()[..13].to_owned();
    let starts: Vec<String> = server.requests().iter().map(|asked| from(&asked.query)).collect();
    assert_eq!(starts, ["20251128T1320", "20251128T1330", "20251128T1331"]);
}

/// The notices are as other users of Alpha Vantage have published them.
#[tokio::test]
async fn notices_with_http_200_say_what_to_do_and_never_the_key() {
    let day = format!("We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day.");
    let burst = "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 \
                 request per second). You may subscribe to lift the free key rate limit (25 requests per day).";
    let minute = "Thank you for using Alpha Vantage! API call frequency is 5 calls per minute.";
    let server = Server::start(&[
        (PATH, notice("Information", &day)),
        (PATH, notice("Information", burst)),
        (PATH, notice("Note", minute)),
        (PATH, notice("Error Message", &format!("the parameter apikey is invalid or missing: {KEY}"))),
        (PATH, notice("Information", "Invalid inputs. Please refer to the API documentation.")),
        (PATH, notice("Information", &format!("Something else about {KEY}"))),
        (PATH, Answered::ok("{}")),
        (PATH, Answered::ok(&format!("<html>{KEY}</html>"))),
        (PATH, Answered::status(503, KEY).with("retry-after", "9")),
    ])
    .await;
    let source = source(&server);
    let mut errors = Vec::new();
    for _ in 0..9 {
        errors.push(source.page(&since()).await.unwrap_err());
    }
    let waits: Vec<Option<u64>> = errors.iter().map(|error| error.retry_after().map(|wait| wait.as_secs())).collect();
    assert_eq!(waits, [Some(3600), Some(60), Some(60), None, None, None, None, None, Some(9)]);
    assert!(matches!(errors[3], ProviderError::NotAuthorized { .. }), "{errors:?}");
    assert!(matches!(errors[4], ProviderError::BadRequest { .. }), "{errors:?}");
    assert!(errors[5..].iter().all(ProviderError::is_retryable), "{errors:?}");
    assert!(errors.iter().all(|error| !format!("{error} {error:?}").contains(KEY)), "{errors:?}");
}

#[test]
fn the_plan_without_cost_is_the_default() {
    let source = ProvidersConfig::default().news_source("alphavantage", &Clock::wall()).unwrap();
    assert_eq!(source.requests_a_day(), Some(25));
    assert_eq!(Duration::from_secs(86_400) / 25, Duration::from_secs(3456));
}

#[test]
fn what_is_not_a_ticker_or_a_topic_costs_itself_and_not_the_article() {
    let raw = item(1, "20251128T133000")
        .replace("{\"ticker\":\"BRK-B\"}", "[\"MKR\"],7,{\"ticker\":null},{\"ticker\":\"BRK-B\"}")
        .replace("\"topics\":[", "\"topics\":[null,");
    let (article, flaw) = article("alphavantage", &raw, at("2025-11-28T14:00:00Z")).unwrap();
    assert_eq!(article.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["RCL", "BRK.B", "X:BTCUSD"]);
    assert_eq!((article.keywords.as_slice(), flaw), (&["Earnings".to_owned()][..], None));
}

#[test]
fn moments_have_seconds_or_none() {
    assert_eq!(moment("20240719T132152"), Ok(at("2024-07-19T13:21:52Z")));
    assert_eq!(moment("20240719T1321"), Ok(at("2024-07-19T13:21:00Z")));
    for text in ["", "20240719", "20240719T13152", "2024-07-19T13:21:52Z", "19700101T000000", "20240719T132160x"] {
        assert!(moment(text).is_err(), "{text}");
    }
}

#[test]
fn the_recorded_answer_is_read() {
    let Some(body) = fixture("alphavantage/news_sentiment_full.json") else { return };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let received_at = at("2024-07-19T14:00:00Z");
    let read = |item: &serde_json::Value| article("alphavantage", &item.to_string(), received_at);
    let articles: Vec<_> = answer["feed"].as_array().unwrap().iter().map(|item| read(item).unwrap()).collect();
    assert_eq!(articles.len(), 12);
    assert_eq!(articles[0].0.published_at, at("2024-07-19T13:21:52Z"));
    assert!(articles.iter().all(|(article, _)| !article.title.is_empty() && article.published_at <= received_at));
}
