//! Recorded feeds, served on loopback.

use crate::providers::testing::{Answered, Server, fixture};
use crate::providers::{NewsRequest, NewsSource, ProviderError, ProvidersConfig};
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::Symbol;
use tapewire_runtime::Clock;

/// As GlobeNewswire sends it: a line break within a tag, no seconds, another language.
const FEED: &str = r#"<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel>
<item><guid isPermaLink="true">https://wire.test/b.html</guid><link>https://wire.test/b.html</link><category
domain="https://www.globenewswire.com/rss/stock">Nasdaq:FCEL</category><category
domain="https://www.globenewswire.com/rss/ISIN">US35952H5028</category><category>Earnings</category>
<title>FuelCell Announces Results</title><description><![CDATA[<p>DANBURY, Conn. -- results.</p>]]></description>
<pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate><dc:language>en-US</dc:language><dc:creator>FuelCell</dc:creator></item>
<item><guid>c</guid><title>Annonce</title><pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate><dc:language>fr</dc:language></item>
<item><guid>d</guid><title>No date</title></item>
<item><title>No id</title><pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate></item>
<item><link>https://wire.test/a.html</link><title>Example Corp (NYSE: EXM) opens a plant</title>
<pubDate>Tue, 25 Aug 2026 11:00:00 GMT</pubDate></item>
<item><guid>old</guid><title>Old</title><pubDate>Mon, 24 Aug 2026 11:00:00 GMT</pubDate></item>
</channel></rss>"#;

fn source(server: &Server, kind: &str) -> Arc<dyn NewsSource> {
    let mut providers = ProvidersConfig::default();
    providers.set(kind, "feed_url", format!("{}/feed.rss?lang=en", server.url()));
    providers.set(kind, "request_timeout", "2s");
    providers.news_source(kind, &Clock::wall()).unwrap()
}

fn since() -> NewsRequest {
    NewsRequest::Since("2026-08-25T00:00:00Z".parse::<Timestamp>().unwrap())
}

#[tokio::test]
async fn a_feed_becomes_articles_and_an_item_that_cannot_be_used_says_why() {
    let server = Server::start(&[("/feed.rss", Answered::ok(FEED))]).await;
    let page = source(&server, "globenewswire").page(&since()).await.unwrap();
    let ids: Vec<String> = page.items.iter().map(|article| article.key()).collect();
    assert_eq!(ids, ["globenewswire/https://wire.test/a.html", "globenewswire/https://wire.test/b.html"]);
    let named = |index: usize| page.items[index].symbols.iter().map(Symbol::as_str).collect::<Vec<_>>();
    assert_eq!((named(0), named(1)), (vec!["EXM"], vec!["FCEL"]));
    let article = &page.items[1];
    assert_eq!((article.publisher.as_str(), article.author.as_str()), ("GlobeNewswire", "FuelCell"));
    assert_eq!(article.keywords, ["Earnings"]);
    assert_eq!(article.published_at.to_string(), "2026-08-25T11:30:00Z");
    assert_eq!(article.cleaned().text(), "FuelCell Announces Results. DANBURY, Conn. -- results.");
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert!(reasons.len() == 2 && reasons[0].contains("date") && reasons[1].contains("guid"), "{reasons:?}");
    assert_eq!(server.requests()[0].query, "lang=en");
}

#[tokio::test]
async fn items_that_share_a_link_or_an_id_are_articles_of_their_own() {
    let item = |id: &str, title: &str, time: &str| {
        format!("<item>{id}<title>{title}</title><pubDate>Tue, 25 Aug 2026 {time} GMT</pubDate></item>")
    };
    let feed = |items: &[String]| {
        Answered::ok(&format!("<rss><channel><link>https://w.test/news</link>{}</channel></rss>", items.concat()))
    };
    let link = |path: &str| format!("<link>https://w.test{path}</link>");
    let items = [
        item(&link("/"), "Front one", "11:00"),
        item(&link("/news"), "Site one", "11:01"),
        item(&link("/section"), "Section one", "11:02"),
        item(&link("/section"), "Section two", "11:03"),
        item("<guid>7</guid>", "Guid one", "11:04"),
        item("<guid>7</guid>", "Guid two", "11:05"),
        item(&link("/own"), "Own", "11:06"),
    ];
    let alone = [0, 1, 3, 5, 6].map(|index: usize| items[index].clone());
    let server = Server::start(&[("/feed.rss", feed(&items)), ("/feed.rss", feed(&alone))]).await;
    let source = source(&server, "rss");
    let ids = |articles: &[tapewire_core::Article]| {
        articles.iter().map(|article| (article.title.clone(), article.id.clone())).collect::<Vec<_>>()
    };
    let first = ids(&source.page(&since()).await.unwrap().items);
    let different: std::collections::HashSet<&String> = first.iter().map(|(_, id)| id).collect();
    assert_eq!((first.len(), different.len()), (7, 7), "{first:?}");
    assert_eq!(first[6].1, "https://w.test/own", "an address of its own stays the id");
    let second = ids(&source.page(&since()).await.unwrap().items);
    assert_eq!(second, [0, 1, 3, 5, 6].map(|index: usize| first[index].clone()), "the ids stay what they were");
}

#[tokio::test]
async fn the_encoding_of_the_header_counts_where_the_feed_names_none() {
    // ISO-2022-JP, because the server of the test sends texts of seven bits only as they are.
    let feed = "<rss><channel><item><guid>a</guid><title>\u{1b}$B4A\u{1b}(B</title>\
                <pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate></item></channel></rss>";
    let answer = Answered::ok(feed).with("content-type", "application/rss+xml; charset=ISO-2022-JP");
    let server = Server::start(&[("/feed.rss", answer)]).await;
    let page = source(&server, "rss").page(&since()).await.unwrap();
    assert_eq!(page.items[0].title, "\u{6f22}");
}

#[tokio::test]
async fn relative_addresses_are_resolved_and_an_author_is_a_name() {
    let atom = |base: &str| {
        Answered::ok(&format!(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"{base}><entry><id>a</id><title>T</title><link href=\"/news/1\"/>\
             <author><name>John Doe</name><email>j@x.test</email></author><source><id>urn:w</id><title>Wire</title></source>\
             <updated>2026-08-25T11:30:00Z</updated></entry></feed>"
        ))
    };
    let rss = "<rss><channel><link>https://site.test/start</link><item><guid>b</guid><title>T</title><link>more?n=2</link>\
               <pubDate>Tue, 25 Aug 2026 11:30 GMT</pubDate></item></channel></rss>";
    let server = Server::start(&[
        ("/feed.rss", atom("")),
        ("/feed.rss", atom(" xml:base=\"https://base.test/\"")),
        ("/feed.rss", Answered::ok(rss)),
    ])
    .await;
    let source = source(&server, "rss");
    let mut urls = Vec::new();
    for _ in 0..3 {
        urls.push(source.page(&since()).await.unwrap().items.remove(0));
    }
    assert_eq!((urls[0].author.as_str(), urls[0].publisher.as_str()), ("John Doe", "Wire"));
    let urls = urls.into_iter().map(|article| article.url).collect::<Vec<_>>();
    let own = format!("{}/news/1", server.url());
    assert_eq!(urls, [own.as_str(), "https://base.test/news/1", "https://site.test/more?n=2"]);
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again_but_returned_again() {
    let answers = [
        Answered::ok(FEED).with("etag", "\"v1\"").with("last-modified", "Tue, 25 Aug 2026 11:31:00 GMT"),
        Answered::status(304, ""),
        Answered::status(500, "busy"),
        Answered::status(304, ""),
        Answered::ok(&FEED.replace("old", "older")),
        Answered::status(304, ""),
    ];
    let server = Server::start(&answers.map(|answer| ("/feed.rss", answer))).await;
    let source = source(&server, "prnewswire");
    let first = source.page(&since()).await.unwrap();
    assert_eq!(source.page(&since()).await.unwrap(), first);
    assert!(matches!(source.page(&since()).await.unwrap_err(), ProviderError::Failed { status: 500, .. }));
    assert_eq!(source.page(&since()).await.unwrap(), first);
    source.page(&since()).await.unwrap();
    // The last answer had no version, so the next request has no condition, and 304 is no answer to it.
    assert!(source.page(&since()).await.unwrap_err().to_string().contains("304"));
    let conditions: Vec<bool> = server.requests().iter().map(|request| request.if_none_match == "\"v1\"").collect();
    assert_eq!(conditions, [false, true, true, true, true, false]);
    assert_eq!(server.requests()[1].if_modified_since, "Tue, 25 Aug 2026 11:31:00 GMT");
}

#[tokio::test]
async fn faults_of_the_server_are_waited_out_as_it_asks() {
    let answers = [
        Answered::status(429, "").with("retry-after", "7"),
        Answered::status(503, "").with("retry-after", "9"),
        Answered::ok(&FEED[..FEED.len() / 2]),
        Answered::ok(FEED).cut(),
        Answered::ok("<html>busy</html>"),
        Answered::status(403, "blocked"),
        Answered::status(301, "").with("location", "https://wire.test/new.rss"),
    ];
    let server = Server::start(&answers.map(|answer| ("/feed.rss", answer))).await;
    let source = source(&server, "businesswire");
    let mut errors = Vec::new();
    for _ in 0..7 {
        errors.push(source.page(&since()).await.unwrap_err());
    }
    let waits: Vec<Option<Duration>> = errors[..2].iter().map(ProviderError::retry_after).collect();
    assert_eq!(waits, [Some(Duration::from_secs(7)), Some(Duration::from_secs(9))]);
    assert!(errors[..6].iter().all(ProviderError::is_retryable), "{errors:?}");
    assert!(errors[2].to_string().contains("no end") && errors[4].to_string().contains("busy"), "{errors:?}");
    assert!(matches!(errors[3], ProviderError::NoAnswer { .. }), "{errors:?}");
    assert!(!errors[6].is_retryable() && errors[6].to_string().contains("wire.test/new.rss"), "{errors:?}");
}

#[test]
fn a_feed_without_an_address_is_refused_before_anything_is_asked() {
    let error = ProvidersConfig::default().check_key("rss").unwrap_err().to_string();
    assert!(error.contains("providers.rss") && error.contains("feed_url"), "{error}");
}

#[test]
fn captures_are_read() {
    let received_at = Timestamp::UNIX_EPOCH;
    let feed =
        super::parse::FeedContext { provider: "rss", publisher: "", languages: &[], feed_url: None, received_at };
    for (path, expected, rejects) in [
        // The second is of a company in Toronto, whose ticker goes to the dead letters.
        ("live-captures/globenewswire/feed_shape.xml", vec![vec!["FCEL"], vec![]], 1),
        ("globenewswire/public_companies.rss", vec![vec!["GENK"]], 0),
        ("edgar/pressreleases.rss", vec![vec![]; 25], 0),
    ] {
        let Some(body) = fixture(path) else { return };
        let page = super::parse::page(&feed, path, &body).unwrap();
        let named: Vec<Vec<&str>> =
            page.items.iter().map(|article| article.symbols.iter().map(Symbol::as_str).collect()).collect();
        assert_eq!((named, page.rejects.len()), (expected, rejects), "{path}");
        assert!(page.items.iter().all(|article| article.published_at.as_second() > 1_600_000_000), "{path}");
    }
}
