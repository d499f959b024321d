//! Recorded messages, sent by the desk's server and read as the poller reads them.

use super::PROVIDER;
use super::server::{BUSY, DeskServer, KEY};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_ingest::providers::{NewsRequest, NewsSource, ProviderError};
use tapewire_runtime::Clock;

fn recorded() -> Vec<Value> {
    vec![
        json!({"ref": "a1", "ts": 1749049200, "head": "Maker lifts its outlook", "companies": ["MKR", "BRK/B", "mkr"]}),
        json!({"ref": "a2", "ts": "noon", "head": "Torn"}),
        json!({"ref": "a3", "ts": 1749049260, "head": "Plant opens", "text": "In Ohio.", "companies": ["A B", "MKR"]}),
        json!({"ref": "", "ts": 1749049320, "head": "Without an id"}),
        json!({"ref": "a5", "ts": 1749049320, "head": "Last", "text": null, "companies": null, "new": 1}),
    ]
}

fn source(desk: &DeskServer, key: &str) -> Arc<dyn NewsSource> {
    let make = PROVIDER.news.expect("the desk has news");
    make(&desk.account(key, &Clock::wall())).unwrap()
}

#[tokio::test]
async fn pages_are_followed_and_an_item_that_cannot_be_read_costs_only_itself() {
    let desk = DeskServer::start(recorded(), vec![]).await;
    let source = source(&desk, KEY);
    let (mut articles, mut reasons) = (vec![], vec![]);
    let mut request = Some(NewsRequest::Since(Timestamp::from_second(1749049200).unwrap()));
    while let Some(asked) = request {
        let page = source.page(&asked).await.unwrap();
        assert_eq!(page.origin, "/headlines");
        articles.extend(page.items);
        reasons.extend(page.rejects.into_iter().map(|reject| reject.reason));
        request = page.next.map(NewsRequest::Next);
    }
    let ids: Vec<String> = articles.iter().map(|article| article.key()).collect();
    assert_eq!(ids, ["desk/a1", "desk/a3", "desk/a5"]);
    assert_eq!(articles[0].symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["MKR", "BRK.B"]);
    assert_eq!(articles[0].published_at.as_second(), 1749049200);
    assert_eq!(articles[1].text(), "Plant opens. In Ohio.");
    let expected = ["invalid type", "`A B`", "id is empty"];
    assert!(reasons.len() == 3 && reasons.iter().zip(expected).all(|(is, has)| is.contains(has)), "{reasons:?}");
}

#[tokio::test]
async fn a_refused_key_is_final_and_a_rate_limit_says_how_long_to_wait() {
    let desk = DeskServer::start(recorded(), vec![]).await;
    let request = NewsRequest::Since(Timestamp::UNIX_EPOCH);
    let error = source(&desk, "wrong").page(&request).await.unwrap_err();
    assert!(!error.is_retryable() && error.to_string().contains("TAPEWIRE_DESK_API_KEY"), "{error}");
    let error = source(&desk, BUSY).page(&request).await.unwrap_err();
    assert!(matches!(error, ProviderError::RateLimited { .. }), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
}

/// The document's excerpts are parts of these files; a line with `…` stands for what is left out.
#[test]
fn the_document_shows_this_code() {
    let document = include_str!("../../../docs/adding-a-provider.md");
    let files = ["mod.rs", "config.rs", "messages.rs", "parse.rs", "tests.rs"];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/desk");
    let code: Vec<String> = files.iter().map(|file| std::fs::read_to_string(folder.join(file)).unwrap()).collect();
    let excerpts: Vec<&str> =
        document.split("\n```rust\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap()).collect();
    assert!(excerpts.len() >= files.len(), "an excerpt of each file");
    for part in excerpts.iter().flat_map(|excerpt| excerpt.split("// …")) {
        let part = part.trim_matches(['\n', ' ']);
        assert!(code.iter().any(|code| code.contains(part)), "not in tests/desk:\n{part}");
    }
}
