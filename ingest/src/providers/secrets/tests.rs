//! No provider's words reach anybody with the account's key in them.

use super::*;
use crate::providers::ProvidersConfig;
use crate::providers::registry::PROVIDERS;
use axum::Router;
use axum::http::StatusCode;
use tapewire_runtime::{Clock, chain};
use tapewire_testkit::symbol;

/// Of two parts, as some providers need it.
const KEY: &str = "PK1part:s3cret/part";

/// Whether a part of the key is in the text.
fn is_told(text: &str) -> bool {
    ["PK1part", "s3cret/part", "s3cret%2Fpart"].iter().any(|part| text.contains(part))
}

/// A server that answers every request with this status, and with the key in all places where providers have an error.
async fn repeating(status: u16) -> String {
    let said = format!("Unknown API Key {KEY}");
    let names = ["error", "message", "msg", "detail", "errorMessage", "Error Message", "Information", "Note"];
    let mut body: serde_json::Map<String, Value> =
        names.map(|name| (name.to_owned(), said.clone().into())).into_iter().collect();
    body.insert("status".into(), "ERROR".into());
    let answer = (StatusCode::from_u16(status).unwrap(), Value::Object(body).to_string());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = Router::new().fallback(async move || answer);
    tokio::spawn(async { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn no_provider_repeats_its_key() {
    let now: Timestamp = "2025-06-02T14:00:00Z".parse().unwrap();
    let mut told = 0;
    for status in [200, 400, 401, 500] {
        let url = repeating(status).await;
        for provider in PROVIDERS.iter().filter(|provider| provider.needs_key) {
            let (mut providers, kind) = (ProvidersConfig::default(), provider.kind);
            let account = providers.entry(kind);
            account.api_key = ApiKey::new(KEY);
            for setting in account
                .settings
                .values_mut()
                .filter(|value| value.as_str().is_some_and(|text| text.starts_with("http")))
            {
                *setting = url.clone().into();
            }
            let mut errors = Vec::new();
            if provider.news.is_some() {
                let source = providers.news_source(kind, &Clock::wall()).unwrap();
                errors.extend(source.page(&NewsRequest::Since(now)).await.err());
                errors.extend(source.probe(now).await.err());
            }
            if provider.prices.is_some() {
                let source = providers.price_source(kind, &Clock::wall()).unwrap();
                let request = BarsRequest::minutes(&symbol("AAPL"), now, now);
                errors.extend(source.bars_page(&request, None).await.err());
            }
            for error in errors {
                let words = format!("{} {error:?}", chain(&error));
                assert!(!is_told(&words), "{kind}, HTTP {status}: {words}");
                told += usize::from(words.contains("[key]"));
            }
        }
    }
    assert!(told > 4, "the server's words are in the errors: {told}");
}

#[test]
fn an_error_is_of_the_same_kind_without_the_key() {
    let secrets = Secrets::of_keys([&ApiKey::new(KEY)]);
    let error = ProviderError::Closed { provider: "wire".into(), reason: format!("402 {KEY} and s3cret%2Fpart") };
    let cleaned = secrets.cleaned::<()>(Err(error)).unwrap_err();
    assert!(matches!(&cleaned, ProviderError::Closed { reason, .. } if reason == "402 [key] and [key]"), "{cleaned:?}");
    let source = tokio_tungstenite::tungstenite::Error::Io(std::io::Error::other(format!("no route to ?token={KEY}")));
    let cleaned = secrets.cleaned::<()>(Err(ProviderError::websocket("wire", source))).unwrap_err();
    assert!(cleaned.is_retryable() && !is_told(&format!("{} {cleaned:?}", chain(&cleaned))), "{cleaned:?}");
}

#[test]
fn secrets_in_addresses_are_those_of_the_account() {
    assert_eq!(of_address("https://me:s3cret@wire.test/a?limit=7&apikey=abcd#x"), ["s3cret", "abcd"]);
    assert!(of_address("https://wire.test/a?keywords=abcd&since={since}&page_token={page}").is_empty());
    assert!(of_address("no address, token=abcd").is_empty());
}

#[test]
fn an_address_is_shown_without_its_secrets() {
    let shown = |address: &str| masked_address(address);
    assert_eq!(
        shown("https://wire.test/a?limit=7&token=abcd&since={since}").as_deref(),
        Some("https://wire.test/a?limit=7&token=[hidden]&since={since}")
    );
    assert_eq!(shown("wss://wire.test?API_KEY=abcd#top").as_deref(), Some("wss://wire.test?API_KEY=[hidden]#top"));
    for plain in
        ["https://wire.test/a?rss=G1Q&limit=7", "https://wire.test/token", "token=abcd", "https://wire.test?key="]
    {
        assert_eq!(shown(plain), None, "{plain}");
    }
}
