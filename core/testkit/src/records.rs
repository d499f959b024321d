//! Minimal records for tests to start from.

use jiff::{SignedDuration, Timestamp};
use tapewire_core::{Article, Bar, Mention, Symbol, Unscored};

/// The moment of a text such as `2024-07-01T14:00:00Z`.
///
/// # Panics
/// If it is not a timestamp.
pub fn at(text: &str) -> Timestamp {
    text.parse().expect("the test passes a timestamp")
}

/// The symbol of a ticker.
///
/// # Panics
/// If it is not a ticker.
pub fn symbol(ticker: &str) -> Symbol {
    Symbol::new(ticker).expect("the test passes a ticker")
}

/// Article `a` of provider `test` that names no company, received when it was published.
pub fn article(title: &str, published_at: Timestamp) -> Article {
    Article {
        id: "a".into(),
        revision: Article::fingerprint(title, "", &[]),
        provider: "test".into(),
        publisher: String::new(),
        author: String::new(),
        title: title.into(),
        description: String::new(),
        url: String::new(),
        symbols: Vec::new(),
        withdrawn: Vec::new(),
        symbols_found: false,
        keywords: Vec::new(),
        published_at,
        received_at: published_at,
    }
}

/// A mention in article `a`, with 1 as the article's revision. It has no score and is available when the article was
/// published.
pub fn mention(ticker: &str, published_at: Timestamp) -> Mention {
    Mention {
        article_id: "a".into(),
        article_revision: 1,
        symbol: Some(symbol(ticker)),
        title: String::new(),
        provider: "test".into(),
        publisher: "".into(),
        url: String::new(),
        published_at,
        received_at: published_at,
        scored_at: published_at,
        relevance: None,
        symbol_found: false,
        asked_as: None,
        sentiment: Err(Unscored::EmptyText),
    }
}

/// A minute bar in which one share was traded, all prices equal, received when it ended.
pub fn bar(ticker: &str, start: Timestamp, price: f64) -> Bar {
    Bar {
        symbol: symbol(ticker),
        start,
        width_s: 60,
        open: price,
        high: price,
        low: price,
        close: price,
        volume: 1.0,
        vwap: None,
        trades: None,
        received_at: start + SignedDuration::from_secs(60),
    }
}
