//! Answers as in Alpaca's documentation, sent by a server on loopback.

use crate::providers::testing::{Answered, Server, Step, Stream, fixture};
use crate::providers::{ApiKey, NewsRequest, NewsSource, ProviderError, ProvidersConfig};
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;
use tapewire_testkit::at;

const PATH: &str = "/v1beta1/news";
const KEY: &str = "PKTHEKEY";
const SECRET: &str = "thes3cret";

fn providers(url: &str) -> ProvidersConfig {
    let mut providers = ProvidersConfig::default();
    providers.set("alpaca", "rest_url", url);
    providers.entry("alpaca").api_key = ApiKey::new(&format!("{KEY}:{SECRET}"));
    providers
}

fn source(server: &Server) -> Arc<dyn NewsSource> {
    providers(&server.url()).news_source("alpaca", &Clock::wall()).unwrap()
}

fn since() -> NewsRequest {
    NewsRequest::Since(at("2022-01-05T21:00:00.9Z"))
}

fn item(id: &str, created: &str, updated: &str) -> String {
    format!(
        "{{\"id\":{id},\"headline\":\"Story\",\"author\":\"Desk\",\"created_at\":\"{created}\",\"updated_at\":\"{updated}\",\
         \"summary\":\" \",\"content\":\"<p>Text</p>\",\"url\":\"https://b.test/1\",\"images\":[],\
         \"symbols\":[\"CRSR\",\"BTCUSD\",\"ETHUSDT\",\"CRSR\",\"BRK.B\"],\"source\":\"benzinga\"}}"
    )
}

fn answer(items: &[String], token: &str) -> Answered {
    Answered::ok(&format!("{{\"news\":[{}],\"next_page_token\":{token}}}", items.join(",")))
}

#[tokio::test]
async fn pages_are_followed_by_their_tokens_and_both_secrets_are_sent() {
    let first = [
        item("1", "2022-01-05T22:00:37Z", "2022-01-05T22:00:38Z"),
        item("2", "2022-01-01T00:00:00Z", "2022-01-05T22:10:00Z"),
        item("3", "soon", "2022-01-05T22:10:00Z"),
        item("4", "2022-01-05T22:00:00Z", "2022-01-05T22:10:00Z").replace("BRK.B", "US0378331005"),
    ];
    let second = [item("\"5\"", "2022-01-05T23:00:00Z", "2022-01-05T23:00:00Z")];
    let server = Server::start(&[(PATH, answer(&first, "\"MTY0=\"")), (PATH, answer(&second, "null"))]).await;
    let source = source(&server);
    let page = source.page(&since()).await.unwrap();
    let ids: Vec<&str> = page.items.iter().map(|article| article.id.as_str()).collect();
    assert_eq!(ids, ["1", "4"], "the second was published long before");
    assert!(!source.is_by_publication(), "it is ordered by the last edit");
    let article = &page.items[0];
    assert_eq!(article.published_at, at("2022-01-05T22:00:37Z"));
    assert_eq!((article.description.as_str(), article.publisher.as_str()), ("<p>Text</p>", "benzinga"));
    let symbols: Vec<&str> = article.symbols.iter().map(Symbol::as_str).collect();
    assert_eq!(symbols, ["CRSR", "X:BTCUSD", "X:ETHUSDT", "BRK.B"]);
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert!(reasons.len() == 2 && reasons[0].contains("`soon`") && reasons[1].contains("ISIN"), "{reasons:?}");
    let page = source.page(&NewsRequest::Next(page.next.unwrap())).await.unwrap();
    assert_eq!((page.items[0].id.as_str(), page.next), ("5", None));
    let asked = server.requests();
    let first = "start=2022-01-05T21%3A00%3A00Z&sort=asc&limit=50&include_content=true";
    assert_eq!((asked[0].query.as_str(), asked[1].query.as_str()), (first, &*format!("{first}&page_token=MTY0%3D")));
    for asked in asked {
        assert_eq!((asked.header("apca-api-key-id"), asked.header("apca-api-secret-key")), (KEY, SECRET));
    }
}

#[tokio::test]
async fn an_edit_is_another_revision_of_the_same_article() {
    let edit = item("1", "2022-01-05T22:00:37Z", "2022-01-05T22:30:00Z").replace("Text", "Corrected text");
    let first = item("1", "2022-01-05T22:00:37Z", "2022-01-05T22:00:38Z");
    let server = Server::start(&[(PATH, answer(&[first], "null")), (PATH, answer(&[edit], "null"))]).await;
    let source = source(&server);
    let (first, edit) = (source.page(&since()).await.unwrap(), source.page(&since()).await.unwrap());
    assert_eq!(first.items[0].id, edit.items[0].id);
    assert_ne!(first.items[0].revision, edit.items[0].revision);
}

#[tokio::test]
async fn neither_secret_is_shown_whatever_is_refused() {
    let said = format!("{{\"message\":\"forbidden for {KEY} and {SECRET}\"}}");
    let server = Server::start(&[
        (PATH, Answered::status(403, &said)),
        (PATH, Answered::status(429, &said).with("retry-after", "7")),
        (PATH, Answered::status(500, &said)),
        (PATH, Answered::ok(&said)),
        (PATH, Answered::status(301, "").with("location", &format!("https://b.test/{SECRET}"))),
    ])
    .await;
    let providers = providers(&server.url());
    assert!(!format!("{providers:?} {}", serde_json::to_string(&providers).unwrap()).contains(SECRET));
    let source = source(&server);
    let mut errors = Vec::new();
    for _ in 0..5 {
        errors.push(source.page(&since()).await.unwrap_err());
    }
    assert!(matches!(errors[0], ProviderError::NotAuthorized { .. }) && !errors[0].is_retryable(), "{errors:?}");
    assert_eq!(errors[1].retry_after(), Some(Duration::from_secs(7)));
    assert!(errors[2].is_retryable() && errors[3].is_retryable() && !errors[4].is_retryable(), "{errors:?}");
    for error in errors {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(KEY) && !shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn a_key_without_its_secret_is_refused_before_anything_is_asked() {
    let mut providers = providers("http://127.0.0.1:1");
    providers.check_news("alpaca").unwrap();
    providers.entry("alpaca").api_key = ApiKey::new(KEY);
    let error = providers.check_news("alpaca").unwrap_err().to_string();
    assert!(error.contains("ID:SECRET") && !error.contains(KEY), "{error}");
    providers.entry("alpaca").api_key = ApiKey::default();
    assert!(providers.check_news("alpaca").unwrap_err().to_string().contains("TAPEWIRE_ALPACA_API_KEY"));
}

#[test]
fn the_documented_article_is_read() {
    let Some(body) = fixture("alpaca/ws_news.json") else { return };
    let list: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
    let read = super::article("alpaca", &list[0].to_string(), at("2022-01-05T22:01:00Z"));
    let (article, flaw) = read.unwrap();
    assert_eq!((article.id.as_str(), flaw), ("24918784", None));
    assert_eq!(article.symbols, [Symbol::new("CRSR").unwrap()]);
}

fn streaming(stream: &Stream) -> Arc<dyn NewsSource> {
    let mut providers = providers("http://127.0.0.1:1");
    for (setting, value) in [("stream_url", stream.url().as_str()), ("login_timeout", "2s")] {
        providers.set("alpaca", setting, value);
    }
    providers.news_source("alpaca", &Clock::wall()).unwrap()
}

fn logged_in(further: &[Step]) -> Vec<Step> {
    let say = |text: &str| Step::Say(text.into());
    let mut script = vec![
        say(r#"[{"T":"success","msg":"connected"}]"#),
        Step::Hear,
        say(r#"[{"T":"success","msg":"authenticated"}]"#),
        Step::Hear,
        say(r#"[{"T":"subscription","news":["*"]}]"#),
    ];
    script.extend_from_slice(further);
    script
}

async fn within(seconds: u64, source: &dyn NewsSource) -> bool {
    tokio::time::timeout(Duration::from_secs(seconds), source.published()).await.is_ok()
}

#[tokio::test]
async fn the_websocket_says_that_there_is_news_also_after_it_was_opened_again() {
    let Some(news) = fixture("alpaca/ws_news.json") else { return };
    let news = Step::Say(String::from_utf8(news).unwrap());
    let first = logged_in(&[Step::Say("{\"T\":".into()), news, Step::Close]);
    let stream = Stream::start(vec![first, logged_in(&[])]).await;
    let source = streaming(&stream);
    assert!(within(10, &*source).await, "it is open");
    // One more for the article, unless the first one stood for both; then one for the connection that was opened again.
    while stream.received().len() < 4 {
        assert!(within(10, &*source).await, "{:?}", stream.received());
    }
    let heard = stream.received();
    assert_eq!(heard[..2], heard[2..]);
    assert!(heard[0].contains(KEY) && heard[1].contains(r#""news":["*"]"#), "{heard:?}");
}

#[tokio::test]
async fn a_refused_websocket_is_not_asked_again_and_says_nothing() {
    let refused = r#"[{"T":"error","code":402,"msg":"auth failed"}]"#;
    let connected = r#"[{"T":"success","msg":"connected"}]"#;
    let stream =
        Stream::start(vec![vec![Step::Say(connected.into()), Step::Hear, Step::Say(refused.into())], logged_in(&[])])
            .await;
    let source = streaming(&stream);
    assert!(!within(3, &*source).await);
    assert_eq!(stream.received().len(), 1);
}
