//! How far a news source has been followed.

use super::NewsPollerConfig;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use tapewire_core::Article;

/// The most articles remembered. Where an overlap holds more, some are sent again, which is harmless.
const REMEMBERED: usize = 50_000;

/// The watermark, and the articles already sent that a later poll can see again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PollProgress {
    /// Publication time of the latest acknowledged article.
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::optional")]
    watermark: Option<Timestamp>,
    /// By article id, the revision last sent.
    sent: HashMap<String, Sent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    revision: u64,
    #[serde(with = "jiff::fmt::serde::timestamp::microsecond::required")]
    published_at: Timestamp,
}

impl PollProgress {
    /// Where the next poll begins.
    pub fn query_from(&self, now: Timestamp, config: &NewsPollerConfig) -> Timestamp {
        match self.watermark {
            Some(watermark) => before(watermark, config.overlap),
            None => before(now, config.lookback),
        }
    }

    /// Whether this revision of the article is not the one that was sent last.
    pub fn is_new(&self, article: &Article) -> bool {
        self.sent.get(&article.id).is_none_or(|sent| sent.revision != article.revision)
    }

    /// Notes a page whose articles are all acknowledged, and returns whether that changed anything.
    pub fn acknowledge(&mut self, articles: &[Article], now: Timestamp, config: &NewsPollerConfig) -> bool {
        let old_watermark = self.watermark;
        let mut changed = false;
        for article in articles {
            changed |= self.is_new(article);
            let sent = Sent { revision: article.revision, published_at: article.published_at };
            self.sent.insert(article.id.clone(), sent);
            // A date in the future, as embargoed or mistyped articles have, must not make us skip
            // what is published until then.
            self.watermark = self.watermark.max(Some(article.published_at.min(now)));
        }
        self.evict(config.overlap);
        changed || self.watermark != old_watermark
    }

    /// Evicts what no poll can show again.
    fn evict(&mut self, overlap: Duration) {
        let Some(watermark) = self.watermark else { return };
        let oldest = before(watermark, overlap + Duration::from_secs(1));
        self.sent.retain(|_, sent| sent.published_at >= oldest);
        if self.sent.len() > REMEMBERED {
            let mut times: Vec<Timestamp> = self.sent.values().map(|sent| sent.published_at).collect();
            times.sort_unstable();
            let oldest = times[times.len() - REMEMBERED];
            self.sent.retain(|_, sent| sent.published_at >= oldest);
        }
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
        assert_eq!(progress.query_from(at(0), &config()), at(-24 * 3600));
        assert!(progress.acknowledge(&[article("a", -50, "")], at(0), &config()));
        assert_eq!(progress.query_from(at(20), &config()), at(-650));
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
    fn a_date_in_the_future_does_not_move_the_watermark_there() {
        let mut progress = PollProgress::default();
        progress.acknowledge(&[article("a", 1_000_000, "")], at(5), &config());
        assert_eq!(progress.query_from(at(20), &config()), at(5 - 600));
        assert!(!progress.is_new(&article("a", 1_000_000, "")));
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
                let from = progress.query_from(at(5_000), &config());
                for seen in articles[..done].iter().filter(|article| article.published_at >= from) {
                    prop_assert!(!progress.is_new(seen));
                }
            }
            let noted: PollProgress = serde_json::from_slice(&serde_json::to_vec(&progress).unwrap()).unwrap();
            prop_assert_eq!(noted, progress);
        }
    }
}
