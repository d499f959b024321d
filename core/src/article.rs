//! One news item as a provider published it.

use crate::Symbol;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A news item, normalised from any provider. (`provider`, `id`) names it on topics, in the join and in every table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Article {
    /// The provider's own id, unique within `provider`.
    pub id: String,
    /// Fingerprint of what can be edited (title, description, symbols). Two records with the same id and revision are
    /// the same article seen twice; a record with another revision is an edit.
    pub revision: u64,
    /// Who delivered it to us: `massive`, `replay`, ...
    pub provider: String,
    /// Publisher: `Reuters`; empty if the provider does not say.
    pub publisher: String,
    /// Author; empty if the provider does not say.
    pub author: String,
    /// Headline as the provider sent it; [`Article::cleaned`] is readable.
    pub title: String,
    /// Teaser or body as the provider sent it, possibly HTML; empty if the article has only a headline.
    pub description: String,
    /// Where to read it; empty if the provider does not say.
    pub url: String,
    /// Companies named by the provider, without duplicates, in the provider's order; or found by us.
    pub symbols: Vec<Symbol>,
    /// Whether `symbols` were found by us in the text, because the provider named no company.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub symbols_found: bool,
    /// Subjects of earlier revisions that this revision does not have: their mentions no longer count. `null` stands
    /// for the mention of an article that named no company.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Option<Symbol>>,
    /// The provider's keywords.
    pub keywords: Vec<String>,
    /// When the provider says it was published (UTC).
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub published_at: Timestamp,
    /// When we received it (UTC); in a replay `published_at` plus the configured delay.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    pub received_at: Timestamp,
}

impl Article {
    /// The key of records about this article: provider and id, see [`article_key`].
    pub fn key(&self) -> String {
        article_key(&self.provider, &self.id)
    }

    /// What the article's mentions are about: each company that it names, or a single `None` if it names no company.
    pub fn subjects(&self) -> Vec<Option<Symbol>> {
        if self.symbols.is_empty() { vec![None] } else { self.symbols.iter().cloned().map(Some).collect() }
    }

    /// The fingerprint for [`Article::revision`]: FNV-1a (64 bit) over the editable fields,
    /// each ended by a zero byte so that text moved from one field to the next changes it.
    ///
    /// FNV is implemented here because the value is stored: it must never change with a
    /// library or compiler version. Specification: draft-eastlake-fnv, 64-bit parameters.
    pub fn fingerprint(title: &str, description: &str, symbols: &[Symbol]) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut absorb = |bytes: &[u8]| {
            for &byte in bytes.iter().chain(std::iter::once(&0)) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        absorb(title.as_bytes());
        absorb(description.as_bytes());
        for symbol in symbols {
            absorb(symbol.as_str().as_bytes());
        }
        hash
    }

    /// The article as a reader sees it: title and description without markup and invisible characters
    /// ([`text::clean`](crate::text::clean)).
    pub fn cleaned(&self) -> Self {
        let cleaned = |text: &str| crate::text::clean(text).trim().to_owned();
        Self { title: cleaned(&self.title), description: cleaned(&self.description), ..self.clone() }
    }

    /// The text of an article: the headline, and the teaser after it where there is one.
    ///
    /// ```
    /// # use tapewire_core::Article;
    /// # let at = jiff::Timestamp::UNIX_EPOCH;
    /// let article = Article {
    ///     id: "1".into(),
    ///     provider: "massive".into(),
    ///     title: "Apple raises its outlook".into(),
    ///     description: "Demand is strong".into(),
    ///     // ...
    /// #   revision: 0,
    /// #   publisher: String::new(),
    /// #   author: String::new(),
    /// #   url: String::new(),
    /// #   symbols: Vec::new(),
    /// #   symbols_found: false,
    /// #   withdrawn: Vec::new(),
    /// #   keywords: Vec::new(),
    /// #   published_at: at,
    /// #   received_at: at,
    /// };
    /// assert_eq!(article.text(), "Apple raises its outlook. Demand is strong");
    /// assert_eq!(article.key(), "massive/1");
    /// ```
    pub fn text(&self) -> String {
        match (self.title.trim(), self.description.trim()) {
            (title, "") => title.to_owned(),
            ("", description) => description.to_owned(),
            (title, description) if title.ends_with(['.', '!', '?']) => format!("{title} {description}"),
            (title, description) => format!("{title}. {description}"),
        }
    }
}

/// The key of an article: provider and id, because two providers may give the same id to different articles. A
/// provider's name has no slash, so the first slash of a key is the one between them.
pub fn article_key(provider: &str, id: &str) -> String {
    format!("{provider}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_sees_every_editable_field_and_their_borders() {
        let aapl = [Symbol::new("AAPL").unwrap()];
        let base = Article::fingerprint("ab", "c", &aapl);
        assert_eq!(base, Article::fingerprint("ab", "c", &aapl));
        for other in [
            Article::fingerprint("a", "bc", &aapl),
            Article::fingerprint("ab", "c", &[]),
            Article::fingerprint("ab", "d", &aapl),
        ] {
            assert_ne!(base, other);
        }
        // Fingerprints are stored in tables, so they must never change.
        assert_eq!(Article::fingerprint("", "", &[]), 0x0832_8807_b4eb_6fed);
    }
}
