//! The articles of a page, each once.

use std::collections::HashMap;
use tapewire_core::Article;

/// Of each article, the text that was published last: a feed may list an article beside its correction, and sending both
/// would replace one by the other at every poll. What is left out is an earlier text of the same article: sources whose ids
/// several articles share give them others (`providers/feeds/shared.rs`).
pub(super) fn latest(articles: &[Article]) -> Vec<Article> {
    let mut last: HashMap<&str, &Article> = HashMap::new();
    for article in articles {
        let known = last.entry(&article.id).or_insert(article);
        if article.published_at >= known.published_at {
            *known = article;
        }
    }
    let is_last = |article: &&Article| last.get(article.id.as_str()).is_some_and(|own| std::ptr::eq(*own, *article));
    articles.iter().filter(is_last).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_article_that_is_listed_beside_its_correction_the_correction_counts() {
        let at = |time: &str| format!("2025-06-02T{time}Z").parse().unwrap();
        let article =
            |id: &str, title: &str, time| Article { id: id.into(), ..tapewire_testkit::article(title, at(time)) };
        let (first, corrected) = (article("g", "A", "12:00:00"), article("g", "A, corrected", "12:15:00"));
        let other = article("h", "B", "12:10:00");
        for order in [[&first, &other, &corrected], [&corrected, &first, &other]] {
            let titles: Vec<String> =
                latest(&order.map(Clone::clone)).into_iter().map(|article| article.title).collect();
            assert_eq!(titles.iter().filter(|title| title.starts_with('A')).collect::<Vec<_>>(), ["A, corrected"]);
            assert_eq!(titles.len(), 2);
        }
        // Of the same moment, the one that is listed last.
        let again = article("g", "A, again", "12:15:00");
        assert_eq!(latest(&[corrected, again])[0].title, "A, again");
    }
}
