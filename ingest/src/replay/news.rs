//! A line of a news file.

use crate::providers::massive::parse;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;
use tapewire_core::{Article, Symbol};

/// ```json
/// {"id": "a1", "title": "Example Corp raises its outlook", "source": "Wire", "published_at": "2025-05-12T19:43:00Z", "symbols": ["EXMP"]}
/// {"id": "a2", "title": "...", "source": null, "published_ms": 1747078980000, "symbols": [], "description": "...", "url": "..."}
/// ```
#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    published_at: Option<Timestamp>,
    #[serde(default)]
    published_ms: Option<i64>,
    #[serde(default)]
    symbols: Vec<String>,
    #[serde(default)]
    keywords: Vec<String>,
}

/// Reads a line of our own shape or of Massive's, which has `published_utc`. Symbols are put in
/// the tape's spelling by `aliases`; `delay` after its publication the article counts as received.
///
/// The second part says what of the line could not be used although the article can.
///
/// # Errors
/// Why there is no article in it.
pub fn article(
    line: &[u8],
    delay: Duration,
    aliases: &BTreeMap<Symbol, Symbol>,
) -> Result<(Article, Vec<String>), String> {
    let text = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    let (mut article, faults) = if text.contains("\"published_utc\"") {
        let (article, fault) = parse::article(text, Timestamp::UNIX_EPOCH)?;
        (article, fault.into_iter().collect())
    } else {
        own_shape(text)?
    };
    let mut symbols: Vec<Symbol> = Vec::new();
    for symbol in article.symbols {
        let symbol = aliases.get(&symbol).cloned().unwrap_or(symbol);
        if !symbols.contains(&symbol) {
            symbols.push(symbol);
        }
    }
    article.symbols = symbols;
    article.revision = Article::fingerprint(&article.title, &article.description, &article.symbols);
    let delay = SignedDuration::try_from(delay).map_err(|error| format!("delay: {error}"))?;
    article.received_at = article.published_at.checked_add(delay).map_err(|error| format!("published: {error}"))?;
    article.provider = "replay".into();
    Ok((article, faults))
}

fn own_shape(text: &str) -> Result<(Article, Vec<String>), String> {
    let line: Line = serde_json::from_str(text).map_err(|error| format!("not an article: {error}"))?;
    let published = match (line.published_at, line.published_ms) {
        (Some(at), _) => at,
        (None, Some(ms)) => Timestamp::from_millisecond(ms).map_err(|error| format!("published_ms: {error}"))?,
        (None, None) => return Err("neither published_at nor published_ms says when".into()),
    };
    let (title, description) = (line.title.unwrap_or_default(), line.description.unwrap_or_default());
    if line.id.is_empty() || (title.trim().is_empty() && description.trim().is_empty()) {
        return Err("an article needs an id, and a title or a description".into());
    }
    let mut faults = Vec::new();
    let mut symbols = Vec::new();
    for symbol in &line.symbols {
        match Symbol::new(symbol) {
            Ok(symbol) => symbols.push(symbol),
            Err(error) => faults.push(error.to_string()),
        }
    }
    let published_at = Timestamp::from_microsecond(published.as_microsecond()).expect("cut to microseconds it is still in range");
    let article = Article {
        id: line.id,
        revision: 0,
        provider: String::new(),
        publisher: line.source.unwrap_or_default(),
        author: line.author.unwrap_or_default(),
        title,
        description,
        url: line.url.unwrap_or_default(),
        symbols,
        keywords: line.keywords,
        published_at,
        received_at: published_at,
    };
    Ok((article, faults))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<(Article, Vec<String>), String> {
        let symbol = |s| Symbol::new(s).unwrap();
        let aliases = BTreeMap::from([(symbol("GOOG"), symbol("GOOGL"))]);
        article(line.as_bytes(), Duration::from_secs(2), &aliases)
    }

    #[test]
    fn both_clocks_aliases_and_repeats() {
        let (article, faults) =
            read(r#"{"id":"a","title":"T","source":null,"published_ms":1747078980123,"symbols":["goog","GOOGL","AMZN"]}"#).unwrap();
        assert_eq!(article.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["GOOGL", "AMZN"]);
        assert_eq!(article.received_at.to_string(), "2025-05-12T19:43:02.123Z");
        assert!(faults.is_empty() && article.publisher.is_empty());
        let (article, _) = read(r#"{"id":"a","title":"T","published_at":"2025-05-12T19:43:00Z"}"#).unwrap();
        assert!(article.symbols.is_empty());
    }

    #[test]
    fn a_bad_symbol_costs_the_symbol_and_not_the_article() {
        let (article, faults) =
            read(r#"{"id":"a","title":"T","published_ms":1,"symbols":["AMZN","not a ticker"]}"#).unwrap();
        assert_eq!(article.symbols.len(), 1);
        assert!(faults[0].contains("not a ticker"), "{faults:?}");
    }

    #[test]
    fn what_is_missing_is_said() {
        for (line, reason) in [
            (r#"{"id":"a","title":"T"}"#, "published_at"),
            (r#"{"id":"a","published_ms":1}"#, "title"),
            (r#"{"id":"a","title":"T","published_ms":9223372036854775807}"#, "published_ms"),
            (r#"{"id":"#, "not an article"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.contains(reason), "{line}: {error}");
        }
        assert!(article(b"\xff", Duration::ZERO, &BTreeMap::new()).unwrap_err().contains("UTF-8"));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = article(&line, Duration::ZERO, &BTreeMap::new());
        }
    }
}
