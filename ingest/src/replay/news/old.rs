//! A line of JSON to an article.

use super::{ReplayOptions, delayed};
use crate::epoch::{of_any_unit, whole_microseconds};
use crate::providers::items::{ItemResult, check_size, companies};
use crate::providers::registry::PROVIDERS;
use jiff::Timestamp;
use serde::Deserialize;
use tapewire_core::Article;

/// An article in our own shape.
///
/// ```json
/// {"id":"a1","title":"Maker lifts its outlook","source":"Desk One","published_ms":1748872800000,"symbols":["MKR"]}
/// {"id":"a2","title":"…","published_at":"2025-06-02T14:00:00Z","symbols":[],"description":"…","url":"…","author":"…","keywords":[]}
/// ```
#[derive(Debug, Deserialize)]
struct Line {
    id: Id,
    title: Option<String>,
    source: Option<String>,
    published_ms: Option<i64>,
    published_at: Option<Timestamp>,
    symbols: Option<Vec<String>>,
    description: Option<String>,
    url: Option<String>,
    author: Option<String>,
    keywords: Option<Vec<String>>,
}

/// Ids are text to us; some files have numbers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(i64),
}

/// Reads a line: `None` if it is blank; otherwise the article with what had to be left out of it, or
/// the reason why it can't be used. Lines in a provider's own shape are read too.
pub(super) fn article(line: &[u8], options: &ReplayOptions) -> Option<ItemResult<Article>> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return None;
    }
    Some(std::str::from_utf8(line).map_err(|error| error.to_string()).and_then(|text| read(text, options)))
}

fn read(text: &str, options: &ReplayOptions) -> ItemResult<Article> {
    check_size(text)?;
    let of_a_provider = PROVIDERS.iter().filter_map(|provider| provider.replay_line).find_map(|read| read(text));
    let (mut article, flaw) = of_a_provider.unwrap_or_else(|| own(text))?;
    let mut symbols = Vec::with_capacity(article.symbols.len());
    for symbol in article.symbols.into_iter().map(|symbol| options.alias(symbol)) {
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    article.symbols = symbols;
    article.revision = Article::fingerprint(&article.title, &article.description, &article.symbols);
    article.received_at = delayed(article.published_at, options.delay);
    Ok((article, flaw))
}

fn own(text: &str) -> ItemResult<Article> {
    let line: Line = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let published_at = match (line.published_at, line.published_ms) {
        (Some(at), _) => at,
        (None, Some(ms)) => of_any_unit(ms).map_err(|error| error.to_string())?,
        (None, None) => return Err("neither published_at nor published_ms".into()),
    };
    let id = match line.id {
        Id::Text(text) if text.is_empty() => return Err("the id is empty".into()),
        Id::Text(text) => text,
        Id::Number(number) => number.to_string(),
    };
    let (symbols, flaw) = companies(line.symbols.iter().flatten().map(String::as_str));
    let article = Article {
        id,
        revision: 0,
        provider: "replay".into(),
        publisher: line.source.unwrap_or_default(),
        author: line.author.unwrap_or_default(),
        title: line.title.unwrap_or_default(),
        description: line.description.unwrap_or_default(),
        url: line.url.unwrap_or_default(),
        symbols,
        withdrawn: Vec::new(),
        keywords: line.keywords.unwrap_or_default(),
        published_at: whole_microseconds(published_at),
        received_at: published_at,
    };
    Ok((article, flaw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use tapewire_core::Symbol;

    fn options() -> ReplayOptions {
        let symbol = |name| Symbol::new(name).unwrap();
        ReplayOptions {
            aliases: [(symbol("GOOG"), symbol("GOOGL"))].into(),
            delay: Duration::from_secs(2),
            ..ReplayOptions::default()
        }
    }

    fn one(line: &str) -> (Article, Option<String>) {
        article(line.as_bytes(), &options()).unwrap().unwrap()
    }

    #[test]
    fn our_own_shape_with_either_clock() {
        let (with_ms, flaw) = one(
            r#"{"id":"a:1","title":"T","source":null,"published_ms":1748872800000,"symbols":["GOOG","GOOGL","brk-b"]}"#,
        );
        assert_eq!(flaw, None);
        assert_eq!(with_ms.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["GOOGL", "BRK.B"]);
        assert_eq!(with_ms.received_at, "2025-06-02T14:00:02Z".parse().unwrap());
        assert_eq!((with_ms.provider.as_str(), with_ms.publisher.as_str()), ("replay", ""));
        let (with_at, _) =
            one(r#"{"id":17,"title":"T","published_at":"2025-06-02T10:00:00-04:00","description":"D","source":"S"}"#);
        assert_eq!((with_at.id.as_str(), with_at.published_at), ("17", with_ms.published_at));
        assert_eq!((with_at.text().as_str(), with_at.publisher.as_str()), ("T. D", "S"));
        assert!(with_at.symbols.is_empty());
    }

    #[test]
    fn a_providers_own_shape_is_read_too() {
        let (article, _) = one(
            r#"{"id":"m","published_utc":"2025-06-02T14:00:00Z","title":"T","tickers":["GOOG"],"publisher":{"name":"P"}}"#,
        );
        assert_eq!((article.provider.as_str(), article.publisher.as_str()), (PROVIDERS[0].kind, "P"));
        assert_eq!(article.symbols, [Symbol::new("GOOGL").unwrap()]);
        assert_eq!(article.received_at, "2025-06-02T14:00:02Z".parse().unwrap());
        assert_eq!(article.revision, Article::fingerprint("T", "", &article.symbols));
    }

    #[test]
    fn blank_lines_are_nothing_and_bad_ones_say_why() {
        assert!(article(b" \r", &options()).is_none());
        for (line, reason) in [
            (&b"{"[..], "EOF"),
            (b"[1]", "invalid"),
            (b"\xff{}", "utf-8"),
            (br#"{"id":"a","title":"T"}"#, "published"),
            (br#"{"id":"","published_ms":1}"#, "id is empty"),
            (br#"{"title":"T","published_ms":1}"#, "missing field `id`"),
        ] {
            let error = article(line, &options()).unwrap().unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        let (article, flaw) = one(r#"{"id":"a","published_ms":1748872800000,"symbols":["A B","C"]}"#);
        assert!(flaw.unwrap().contains("`A B`") && article.symbols.len() == 1);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = article(&bytes, &options());
        }
    }
}
