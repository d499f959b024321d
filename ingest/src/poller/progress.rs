//! How far a news source has been followed.

use super::NewsPollerConfig;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use tapewire_core::{Article, Symbol};

/// Most articles that are remembered. A poll does not begin before the oldest of them, unless the overlap reaches
/// further back: then some are sent again, which is harmless.
const MAX_ARTICLES: usize = 50_000;

/// When the newest article was published, and the articles already sent that a later poll can see again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PollProgress {
    /// Publication time of the newest acknowledged article, but not after the poll that saw it. This is not the
    /// watermark that is sent on the topic.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    watermark: Option<Timestamp>,
    /// Every article that was sent and published since then is in `sent`. A poll that began earlier would send articles
    /// a second time. State files of earlier versions lack it.
    #[serde(default, with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    remembered_from: Option<Timestamp>,
    /// By article id, the revision last sent.
    sent: HashMap<String, Sent>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    revision: u64,
    /// Every subject of any revision. State files of earlier versions lack it.
    #[serde(default)]
    subjects: Vec<Option<Symbol>>,
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    published_at: Timestamp,
}

impl PollProgress {
    /// Whether the source has shown an article, in this process or an earlier one.
    pub fn has_followed(&self) -> bool {
        self.watermark.is_some()
    }

    /// Where poll number `poll` since the start begins.
    pub fn query_from(&self, now: Timestamp, poll: u64, config: &NewsPollerConfig) -> Timestamp {
        let Some(watermark) = self.watermark else { return before(now, config.lookback) };
        let at_the_latest = before(watermark, config.overlap);
        let remembered_from = self.remembered_from.unwrap_or(at_the_latest);
        before(watermark, config.look_back(poll)).max(remembered_from).min(at_the_latest)
    }

    /// Whether the provider has shown the article late: it was published more than `overlap` before the newest article,
    /// and is not an edit of one that was sent.
    pub fn is_late(&self, article: &Article, config: &NewsPollerConfig) -> bool {
        let expected_from = self.watermark.map(|watermark| before(watermark, config.overlap));
        expected_from.is_some_and(|from| article.published_at < from) && !self.sent.contains_key(&article.id)
    }

    /// Whether this revision of the article is not the one that was sent last.
    pub fn is_new(&self, article: &Article) -> bool {
        self.sent.get(&article.id).is_none_or(|sent| sent.revision != article.revision)
    }

    /// Subjects of earlier revisions of the article that this one does not have.
    pub fn withdrawn(&self, article: &Article) -> Vec<Option<Symbol>> {
        let subjects = article.subjects();
        let earlier = self.sent.get(&article.id).into_iter().flat_map(|sent| &sent.subjects);
        earlier.filter(|subject| !subjects.contains(subject)).cloned().collect()
    }

    /// Notes a page whose articles are all acknowledged, and returns whether that changed anything.
    pub fn acknowledge(&mut self, articles: &[Article], now: Timestamp, config: &NewsPollerConfig) -> bool {
        let old_watermark = self.watermark;
        let mut changed = false;
        if self.remembered_from.is_none() {
            self.remembered_from = Some(self.query_from(now, 0, config));
        }
        for article in articles {
            changed |= self.is_new(article);
            let mut subjects = article.subjects();
            subjects.extend(self.withdrawn(article));
            let sent = Sent { revision: article.revision, subjects, published_at: article.published_at };
            self.sent.insert(article.id.clone(), sent);
            // Embargoed articles and wrong dates can be in the future. They must not make later polls skip what is
            // published until then.
            self.watermark = self.watermark.max(Some(article.published_at.min(now)));
        }
        self.evict(config.overlap.max(config.late_window));
        changed || self.watermark != old_watermark
    }

    /// Evicts articles that no poll can show again: those published more than `look_back` before the newest article.
    fn evict(&mut self, look_back: Duration) {
        let Some(watermark) = self.watermark else { return };
        self.evict_before(before(watermark, look_back.saturating_add(Duration::from_secs(1))));
        if self.sent.len() > MAX_ARTICLES {
            let mut times: Vec<Timestamp> = self.sent.values().map(|sent| sent.published_at).collect();
            times.sort_unstable();
            self.evict_before(times[times.len() - MAX_ARTICLES]);
        }
    }

    fn evict_before(&mut self, oldest: Timestamp) {
        self.sent.retain(|_, sent| sent.published_at >= oldest);
        self.remembered_from = self.remembered_from.max(Some(oldest));
    }
}

fn before(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn config() -> NewsPollerConfig {
        NewsPollerConfig::default()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_748_872_800 + second).unwrap()
    }

    fn article(id: &str, published: i64, title: &str) -> Article {
        Article { id: id.into(), ..tapewire_testkit::article(title, at(published)) }
    }

    #[test]
    fn the_first_poll_looks_back_and_later_ones_overlap() {
        let mut progress = PollProgress::default();
        assert_eq!(progress.query_from(at(0), 0, &config()), at(-24 * 3600));
        assert!(progress.acknowledge(&[article("a", -50, "")], at(0), &config()));
        assert_eq!(progress.query_from(at(20), 1, &config()), at(-650));
        assert_eq!(progress.query_from(at(20), 2, &config()), at(-1250));
    }

    #[test]
    fn an_edit_is_new_and_so_is_its_undoing() {
        let mut progress = PollProgress::default();
        for title in ["first", "second", "first"] {
            let seen = article("a", 0, title);
            assert!(progress.is_new(&seen), "{title}");
            progress.acknowledge(std::slice::from_ref(&seen), at(1), &config());
            assert!(!progress.is_new(&seen));
            assert!(!progress.acknowledge(&[seen], at(1), &config()));
        }
    }

    #[test]
    fn what_earlier_revisions_named_is_withdrawn() {
        let symbol = |name: &str| Symbol::new(name).unwrap();
        let mut progress = PollProgress::default();
        let mut send = |symbols: &[&str]| {
            let symbols: Vec<Symbol> = symbols.iter().map(|name| symbol(name)).collect();
            let revised = Article { symbols, ..article("a", 0, "") };
            let withdrawn = progress.withdrawn(&revised);
            progress.acknowledge(&[revised], at(1), &config());
            progress = serde_json::from_slice(&serde_json::to_vec(&progress).unwrap()).unwrap();
            withdrawn.iter().map(|subject| subject.as_ref().map_or("-", Symbol::as_str).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(send(&[]), [""; 0]);
        assert_eq!(send(&["AAPL", "MSFT"]), ["-"]);
        // Once more, because the revision before may have been lost with the process.
        assert_eq!(send(&["MSFT"]), ["AAPL", "-"]);
        assert_eq!(send(&["AAPL"]), ["MSFT", "-"]);
    }

    #[test]
    fn a_date_in_the_future_does_not_move_the_watermark_there() {
        let mut progress = PollProgress::default();
        progress.acknowledge(&[article("a", 1_000_000, "")], at(5), &config());
        assert_eq!(progress.query_from(at(20), 1, &config()), at(5 - 600));
        assert!(!progress.is_new(&article("a", 1_000_000, "")));
    }

    #[test]
    fn what_is_shown_long_after_its_publication_is_late_and_an_edit_is_not() {
        let mut progress = PollProgress::default();
        let old = article("old", -5_000, "");
        assert!(!progress.is_late(&old, &config()), "nothing was seen before");
        progress.acknowledge(&[article("a", 0, ""), old], at(1), &config());
        assert!(progress.is_late(&article("b", -601, ""), &config()));
        assert!(!progress.is_late(&article("b", -600, ""), &config()));
        assert!(!progress.is_late(&article("old", -5_000, "another"), &config()));
    }

    #[test]
    fn no_poll_looks_back_to_what_is_not_remembered() {
        // As saved by a version that remembered the overlap only.
        let saved = r#"{"watermark":1748872800000000,"sent":{}}"#;
        let mut progress: PollProgress = serde_json::from_str(saved).unwrap();
        assert_eq!(progress.query_from(at(0), 0, &config()), at(-600));
        progress.acknowledge(&[article("a", 1_000, "")], at(1_000), &config());
        assert_eq!(progress.query_from(at(1_000), 0, &config()), at(-600));
        assert_eq!(progress.query_from(at(1_000), 1, &config()), at(400));
        progress.acknowledge(&[article("b", 90_000, "")], at(90_000), &config());
        assert_eq!(progress.query_from(at(90_000), 0, &config()), at(90_000 - 86_400));
    }

    proptest! {
        /// Whatever pages arrive, no article a later poll can show again is taken for new.
        #[test]
        fn what_can_be_seen_again_is_remembered(published in proptest::collection::vec(0i64..5_000, 1..60)) {
            let mut progress = PollProgress::default();
            let articles: Vec<Article> =
                published.iter().enumerate().map(|(i, &second)| article(&i.to_string(), second, "")).collect();
            let mut done = 0;
            for page in articles.chunks(7) {
                progress.acknowledge(page, at(5_000), &config());
                done += page.len();
                for poll in 0..8 {
                    let from = progress.query_from(at(5_000), poll, &config());
                    for seen in articles[..done].iter().filter(|article| article.published_at >= from) {
                        prop_assert!(!progress.is_new(seen));
                    }
                }
            }
            let noted: PollProgress = serde_json::from_slice(&serde_json::to_vec(&progress).unwrap()).unwrap();
            prop_assert_eq!(noted, progress);
        }
    }
}
