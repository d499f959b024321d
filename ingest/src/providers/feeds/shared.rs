//! Ids of items that share one: several items may have the address of a section, or one `guid`.
//!
//! The id of an item must not change from one poll to the next, otherwise it is sent again as another article. So:
//!
//! - an item without a `guid` whose address is a front page, or the page that the feed itself names, never has the address
//!   for an id (`parse.rs`);
//! - an id that two items of an answer have had, with another title and another time, is remembered, and no item has it from
//!   then on, even if it is alone in a later answer. What was sent before under that id is sent once more;
//! - two items of one id with the same title, or of the same time, are an article and its correction.

use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use tapewire_core::Article;

/// The ids that more than one item has had since the start. A feed has few.
#[derive(Debug, Default)]
pub struct SharedIds(HashSet<String>);

impl SharedIds {
    /// Gives each article whose id is shared a fingerprint as its id. `articles` are all those of one answer.
    pub fn replace(&mut self, articles: &mut [Article]) {
        let mut first: HashMap<&str, &Article> = HashMap::new();
        for article in articles.iter() {
            let known = *first.entry(&article.id).or_insert(article);
            if known.title != article.title && known.published_at != article.published_at {
                self.0.insert(article.id.clone());
            }
        }
        for article in articles.iter_mut().filter(|article| self.0.contains(&article.id)) {
            article.id = fingerprint(article);
        }
    }
}

/// An id of an address, title and time of publication. An item whose title is edited becomes another article.
pub fn fingerprint(article: &Article) -> String {
    let named = format!("{}\0{}\0{}", article.url, article.title, article.published_at);
    hex::encode(&Sha256::digest(named)[..8])
}

/// Whether an address is that of a site, and not of an article on it: it has neither a path nor a query.
pub fn is_front_page(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return url.is_empty() };
    rest.split_once(['/', '?']).is_none_or(|(_, path)| path.is_empty() || path.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_testkit::at;

    fn article(id: &str, title: &str, time: &str) -> Article {
        Article { id: id.into(), ..tapewire_testkit::article(title, at(time)) }
    }

    #[test]
    fn an_id_that_was_shared_once_is_no_id_from_then_on() {
        let (first, second) = (article("s", "A", "2025-06-02T12:00:00Z"), article("s", "B", "2025-06-02T12:15:00Z"));
        let other = article("t", "C", "2025-06-02T12:15:00Z");
        let mut shared = SharedIds::default();
        let mut page = [first.clone(), second.clone(), other.clone()];
        shared.replace(&mut page);
        assert!(page[0].id != page[1].id && page[0].id != "s" && page[1].id != "s", "{page:?}");
        assert_eq!(page[2], other);
        let mut alone = [second];
        shared.replace(&mut alone);
        assert_eq!(alone[0].id, page[1].id, "the item has the id of the poll before");
    }

    #[test]
    fn a_correction_keeps_its_id() {
        let first = article("g", "A", "2025-06-02T12:00:00Z");
        for later in [article("g", "A", "2025-06-02T12:15:00Z"), article("g", "A, corrected", "2025-06-02T12:00:00Z")] {
            let mut page = [first.clone(), later];
            SharedIds::default().replace(&mut page);
            assert!(page.iter().all(|article| article.id == "g"), "{page:?}");
        }
    }

    #[test]
    fn a_front_page_is_told_from_an_article() {
        for url in ["", "https://x.test", "https://x.test/", "https://x.test/#top"] {
            assert!(is_front_page(url), "{url}");
        }
        for url in ["/a", "https://x.test/a", "https://x.test/?p=1", "https://x.test?p=1"] {
            assert!(!is_front_page(url), "{url}");
        }
    }
}
