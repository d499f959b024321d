//! Messages as Marketaux and NewsAPI document them, and made-up ones, sent on loopback.

use crate::providers::testing::{Answered, Server};
use crate::providers::{ApiKey, NewsRequest, NewsSource, ProviderError, ProvidersConfig};
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;
use tapewire_testkit::at;

const PATH: &str = "/v1/news/all";
const KEY: &str = "marketaux-key";

fn configured(settings: &str) -> ProvidersConfig {
    let mut providers: ProvidersConfig = toml::from_str(&format!("[desk]\nkind = 'json'\n{settings}")).unwrap();
    providers.entry("desk").api_key = ApiKey::new(KEY);
    providers
}

fn source(settings: &str) -> Arc<dyn NewsSource> {
    configured(settings).news_source("desk", &Clock::wall()).unwrap()
}

fn since() -> NewsRequest {
    NewsRequest::Since(at("2025-06-02T12:00:00Z"))
}

fn marketaux(server: &Server, more: &str) -> Arc<dyn NewsSource> {
    source(&format!(
        "request_url = '{}{PATH}?language=en&published_after={{since}}&page={{page}}'\nlist = '/data'\n\
         key_in = 'query api_token'\nsince_format = '%Y-%m-%dT%H:%M'\n{more}",
        server.url()
    ))
}

fn item(id: &str, published: &str) -> String {
    format!(
        "{{\"uuid\":\"{id}\",\"title\":\"Story {id}\",\"description\":\"Text\",\"keywords\":\"rates, \",\"snippet\":\"Te\",\
         \"url\":\"https://m.test/{id}\",\"image_url\":\"\",\"language\":\"en\",\"published_at\":\"{published}\",\
         \"source\":\"desk.test\",\"relevance_score\":null,\"entities\":[{{\"symbol\":\"MKR\",\"name\":\"Maker\",\
         \"exchange\":null,\"match_score\":9.1,\"highlights\":[]}}],\"similar\":[]}}"
    )
}

fn page(items: &[String]) -> Answered {
    Answered::ok(&format!("{{\"meta\":{{\"found\":9,\"page\":1}},\"data\":[{}]}}", items.join(",")))
}

#[tokio::test]
async fn a_list_of_marketaux_is_read_by_settings_alone() {
    let first = [
        item("b", "2025-06-02T13:00:00.000000Z"),
        item("x", "2025-06-02 13:00:00"),
        item("y", "2025-06-02T13:00:00Z").replace("\"symbol\"", "\"name2\""),
    ];
    let second = [item("a", "2025-06-02T12:30:00.000000Z"), item("b", "2025-06-02T13:00:00.000000Z")];
    let server = Server::start(&[(PATH, page(&first)), (PATH, page(&second)), (PATH, page(&[]))]).await;
    let read = marketaux(&server, "").page(&since()).await.unwrap();
    let ids: Vec<String> = read.items.iter().map(|article| article.key()).collect();
    assert_eq!(ids, ["desk/a", "desk/b", "desk/y"]);
    let article = &read.items[0];
    assert_eq!((article.title.as_str(), article.description.as_str()), ("Story a", "Text"));
    assert_eq!((article.publisher.as_str(), article.keywords.as_slice()), ("desk.test", &["rates".to_owned()][..]));
    assert_eq!(
        (article.symbols.as_slice(), article.published_at),
        (&[Symbol::new("MKR").unwrap()][..], at("2025-06-02T12:30:00Z"))
    );
    assert!(article.received_at > at("2026-01-01T00:00:00Z"), "it is when the answer came");
    let reasons: Vec<&str> = read.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert!(reasons.len() == 2 && reasons[0].contains("zone") && reasons[1].contains("symbol"), "{reasons:?}");
    let asked: Vec<String> = server.requests().iter().map(|asked| asked.query.clone()).collect();
    let query = |page| format!("language=en&published_after=2025-06-02T12%3A00&page={page}&api_token={KEY}");
    assert_eq!(asked, [query(1), query(2), query(3)]);
}

#[tokio::test]
async fn a_short_page_or_one_that_reaches_back_is_the_last() {
    let old = [item("b", "2025-06-02T13:00:00Z"), item("a", "2025-06-02T11:59:59Z")];
    let server = Server::start(&[(PATH, page(&old))]).await;
    assert_eq!(marketaux(&server, "").page(&since()).await.unwrap().items.len(), 1);
    assert_eq!(server.requests().len(), 1);
    let server = Server::start(&[(PATH, page(&[item("b", "2025-06-02T13:00:00Z")]))]).await;
    assert_eq!(marketaux(&server, "full_page = 3").page(&since()).await.unwrap().items.len(), 1);
    assert_eq!(server.requests().len(), 1);
    let endless: Vec<(&str, Answered)> =
        (0..9).map(|number| (PATH, page(&[item(&number.to_string(), "2025-06-02T13:00:00Z")]))).collect();
    let server = Server::start(&endless).await;
    let cut = marketaux(&server, "most_pages = 4");
    assert_eq!((cut.page(&since()).await.unwrap().items.len(), cut.was_cut()), (4, true));
}

#[tokio::test]
async fn other_names_zones_and_tokens_of_pages_are_settings() {
    let item = |reference: &str, written: &str| {
        format!(
            "{{\"ref\":{reference},\"inner\":{{\"head\":\"H{reference}\"}},\"when\":\"{written}\",\"who\":\"MKR\"}}"
        )
    };
    let first = format!("{{\"out\":{{\"rows\":[{}],\"more\":\"t2\"}}}}", item("2", "2025-06-02 09:30:00"));
    let second = format!("{{\"out\":{{\"rows\":[{}],\"more\":null}}}}", item("1", "2025-06-02 08:30:00"));
    let server = Server::start(&[
        ("/rows", Answered::ok(&first)),
        ("/rows", Answered::status(429, "").with("retry-after", "7")),
        ("/rows", Answered::ok(&second)),
    ])
    .await;
    let source = source(&format!(
        "request_url = '{}/rows?cursor={{page}}&from={{since}}'\nlist = '/out/rows'\nnext_page = '/out/more'\n\
         since_format = '%s'\ntime_zone = 'America/New_York'\nkey_in = 'header X-Desk-Key'\n\
         fields = {{ id = 'ref', title = 'inner.head', published_at = 'when', symbols = 'who' }}",
        server.url()
    ));
    let error = source.page(&since()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)), "{error}");
    let read = source.page(&since()).await.unwrap();
    let found: Vec<(&str, &str)> =
        read.items.iter().map(|article| (article.id.as_str(), article.title.as_str())).collect();
    assert_eq!((found, read.rejects.len()), (vec![("1", "H1"), ("2", "H2")], 0));
    assert_eq!(read.items[1].published_at, at("2025-06-02T13:30:00Z"));
    let asked = server.requests();
    let queries: Vec<&str> = asked.iter().map(|asked| asked.query.as_str()).collect();
    assert_eq!(queries, ["from=1748865600", "cursor=t2&from=1748865600", "cursor=t2&from=1748865600"]);
    assert!(asked.iter().all(|asked| asked.header("x-desk-key") == KEY));
}

/// NewsAPI's plan for developers rejects the second page.
#[tokio::test]
async fn the_pages_before_a_rejected_one_are_returned() {
    let said =
        r#"{"status":"error","code":"maximumResultsReached","message":"You are limited to a max of 100 results."}"#;
    let server = Server::start(&[
        (PATH, page(&[item("b", "2025-06-02T13:00:00Z")])),
        (PATH, Answered::status(426, said)),
        (PATH, Answered::status(426, said)),
        (PATH, page(&[item("c", "2025-06-02T14:00:00Z")])),
        // A proxy that rejects a page once.
        (PATH, Answered::status(404, "")),
        (PATH, page(&[item("d", "2025-06-02T13:30:00Z")])),
        (PATH, page(&[])),
        (PATH, Answered::status(400, "no such list")),
    ])
    .await;
    let source = marketaux(&server, "");
    let ids = |read: &crate::providers::Page<tapewire_core::Article>| {
        read.items.iter().map(|article| article.id.clone()).collect::<Vec<_>>()
    };
    let rejected = source.page(&since()).await.unwrap_err();
    assert!(rejected.is_retryable() && rejected.to_string().contains("max of 100 results"), "{rejected}");
    assert_eq!((ids(&source.page(&since()).await.unwrap()), source.was_cut()), (vec!["b".to_owned()], true));
    assert!(source.page(&since()).await.unwrap_err().is_retryable());
    let all = ["d", "c"].map(str::to_owned).to_vec();
    assert_eq!((ids(&source.page(&since()).await.unwrap()), source.was_cut()), (all, false));
    let error = source.page(&since()).await.unwrap_err();
    assert!(matches!(error, ProviderError::BadRequest { .. }), "nothing was read: {error}");
}

#[tokio::test]
async fn an_expired_page_token_is_not_requested_again() {
    let list = |id: &str, more: &str| {
        Answered::ok(&format!("{{\"data\":[{}],\"more\":{more}}}", item(id, "2025-06-02T13:00:00Z")))
    };
    let server = Server::start(&[
        ("/rows", list("a", "\"t2\"")),
        ("/rows", Answered::status(503, "")),
        ("/rows", Answered::status(400, "t2 has expired")),
        ("/rows", list("a", "\"t3\"")),
        ("/rows", list("b", "\"t4\"")),
        ("/rows", Answered::status(400, "your plan has two pages")),
        ("/rows", Answered::status(400, "your plan has two pages")),
    ])
    .await;
    let source = source(&format!(
        "request_url = '{}/rows?cursor={{page}}'\nlist = '/data'\nnext_page = '/more'\nkey_in = 'bearer'",
        server.url()
    ));
    source.page(&since()).await.unwrap_err();
    let error = source.page(&since()).await.unwrap_err();
    assert!(error.is_retryable() && error.to_string().contains("page 2"), "{error}");
    assert!(source.page(&since()).await.unwrap_err().to_string().contains("your plan has two pages"));
    let read = source.page(&since()).await.unwrap();
    assert_eq!((read.items.len(), source.was_cut()), (2, true));
    let asked: Vec<String> = server.requests().iter().map(|asked| asked.query.clone()).collect();
    assert_eq!(asked, ["", "cursor=t2", "cursor=t2", "", "cursor=t3", "cursor=t4", "cursor=t4"]);
}

#[tokio::test]
async fn an_item_that_is_not_json_costs_only_itself() {
    let broken = [
        item("x", "2025-06-02T13:00:00Z").replace("Story", "Story\u{1}"),
        item("y", "2025-06-02T13:00:00Z").replace("9.1", "NaN"),
    ];
    let items = [&[item("b", "2025-06-02T13:00:00Z")][..], &broken, &[item("c", "2025-06-02T11:00:00Z")]].concat();
    let server = Server::start(&[(PATH, page(&items))]).await;
    let read = marketaux(&server, "").page(&since()).await.unwrap();
    assert_eq!(read.items.iter().map(|article| article.id.as_str()).collect::<Vec<_>>(), ["b"]);
    let letters: Vec<&[u8]> = read.rejects.iter().map(|reject| reject.bytes.as_slice()).collect();
    assert_eq!(letters, broken.each_ref().map(|raw| raw.as_bytes()));
    assert!(read.rejects.iter().all(|reject| reject.reason.contains("not JSON")), "{:?}", read.rejects);
}

#[tokio::test]
async fn a_relative_address_of_the_next_page_is_followed_and_a_token_needs_a_place() {
    let list = |id: &str, more: &str| {
        Answered::ok(&format!("{{\"data\":[{}],\"next\":{more}}}", item(id, "2025-06-02T13:00:00Z")))
    };
    let server = Server::start(&[
        ("/v1/rows", list("a", "\"/v1/rows?cursor=2\"")),
        ("/v1/rows", list("b", "\"?cursor=3\"")),
        ("/v1/rows", list("c", "\"more?from=4\"")),
        ("/v1/more", list("d", "null")),
        ("/tokens", list("a", "\"t2\"")),
    ])
    .await;
    let of = |path: &str| {
        source(&format!(
            "request_url = '{}{path}?from={{since}}'\nlist = '/data'\nnext_page = '/next'\nkey_in = 'bearer'",
            server.url()
        ))
    };
    assert_eq!(of("/v1/rows").page(&since()).await.unwrap().items.len(), 4);
    let asked: Vec<String> = server.requests().iter().skip(1).map(|asked| asked.query.clone()).collect();
    assert_eq!(asked, ["cursor=2", "cursor=3", "from=4"]);
    let error = of("/tokens").page(&since()).await.unwrap_err();
    assert!(matches!(error, ProviderError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("next_page") && error.to_string().contains("`t2`"), "{error}");
}

#[tokio::test]
async fn a_page_that_shows_what_the_last_one_did_is_not_the_end_of_the_list() {
    let first = page(&[item("b", "2025-06-02T13:00:00Z")]);
    let server = Server::start(&[(PATH, first)]).await;
    let source = marketaux(&server, "");
    assert_eq!((source.page(&since()).await.unwrap().items.len(), source.was_cut()), (1, true));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn refusals_are_told_apart_and_do_not_show_the_key() {
    let said = format!("{{\"error\":{{\"code\":\"invalid_api_token\",\"message\":\"{KEY} is invalid\"}}}}");
    let server = Server::start(&[
        (PATH, Answered::status(401, &said)),
        (PATH, Answered::ok(&said)),
        (PATH, Answered::ok("<html>")),
    ])
    .await;
    let source = marketaux(&server, "");
    let error = source.page(&since()).await.unwrap_err();
    assert!(matches!(error, ProviderError::NotAuthorized { .. }), "{error}");
    assert!(error.to_string().contains("TAPEWIRE_DESK_API_KEY") && !error.to_string().contains(KEY), "{error}");
    let error = source.page(&since()).await.unwrap_err();
    assert!(error.to_string().contains("`/data`") && !error.to_string().contains(KEY), "{error}");
    assert!(source.page(&since()).await.unwrap_err().to_string().contains("<html>"));
}

#[test]
fn settings_that_make_no_sense_are_refused_before_anything_is_asked() {
    let url = "request_url = 'https://m.test/news?page={page}'";
    for (settings, expected) in [
        ("", "request_url is not set"),
        ("request_url = 'm.test'", "request_url"),
        ("request_url = 'https://m.test/{page}/news'", "query"),
        (&format!("{url}\nlist = 'data'"), "JSON pointer"),
        (&format!("{url}\nkey_in = 'cookie'"), "key_in"),
        (&format!("{url}\nmost_pages = 0"), "most_pages"),
        (&format!("{url}\ntime_zone = 'Mars/Base'"), "time_zone"),
        (&format!("{url}\nfields = {{ heading = 'h' }}"), "heading"),
        (url, "key_in does not say"),
    ] {
        let error = configured(settings).check_key("desk").unwrap_err().to_string();
        assert!(error.contains("providers.desk") && error.contains(expected), "{settings}: {error}");
    }
    let mut without = configured(&format!("{url}\nkey_in = 'bearer'"));
    without.check_key("desk").unwrap();
    without.entry("desk").api_key = ApiKey::default();
    assert!(without.check_key("desk").unwrap_err().to_string().contains("TAPEWIRE_DESK_API_KEY"));
}

#[test]
fn an_address_without_placeholders_shows_only_its_latest_items() {
    let reaches_back = |query: &str| source(&format!("request_url = 'http://n.test/rows{query}'")).reaches_back();
    assert!(reaches_back("?from={since}") && reaches_back("?p={page}"));
    assert!(!reaches_back("?limit=50"));
}
