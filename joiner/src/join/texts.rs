//! The texts of mentions in memory.

use foldhash::HashSet;
use std::sync::Arc;
use tapewire_core::Mention;

/// Texts that mentions have in common: providers, publishers, models and their revisions. Each is in memory once.
#[derive(Debug, Default)]
pub(super) struct SharedTexts(HashSet<Arc<str>>);

impl SharedTexts {
    /// Makes a mention use the shared texts, and drops the spare capacity of the others.
    pub fn share(&mut self, mention: &mut Mention) {
        let models = mention.sentiment.iter_mut().flat_map(|scored| [&mut scored.model, &mut scored.model_revision]);
        for text in [&mut mention.provider, &mut mention.publisher].into_iter().chain(models) {
            match self.0.get(&**text) {
                Some(known) => *text = Arc::clone(known),
                None => {
                    self.0.insert(Arc::clone(text));
                }
            }
        }
        let own = [&mut mention.article_id, &mut mention.title, &mut mention.url];
        own.into_iter().chain(&mut mention.asked_as).for_each(String::shrink_to_fit);
    }

    /// Evicts the texts that no mention has any more.
    pub fn evict_unused(&mut self) {
        self.0.retain(|text| Arc::strong_count(text) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_core::{Probabilities, Sentiment};
    use tapewire_testkit::{at, mention};

    fn scored(id: &str, provider: &str) -> Mention {
        let probabilities = Probabilities { positive: 0.5, neutral: 0.25, negative: 0.25 };
        let (model, model_revision) = ("m".into(), "0123".into());
        let mut article_id = String::with_capacity(100);
        article_id.push_str(id);
        Mention {
            article_id,
            provider: provider.into(),
            sentiment: Ok(Sentiment { probabilities, model, model_revision, windows: 1 }),
            ..mention("AAPL", at("2024-07-01T14:00:00Z"))
        }
    }

    #[test]
    fn equal_texts_are_one_and_a_mention_stays_what_it_is() {
        let mut texts = SharedTexts::default();
        let mut mentions = [scored("1", "one"), scored("2", "one"), scored("3", "two")];
        let before = mentions.clone();
        mentions.iter_mut().for_each(|mention| texts.share(mention));
        assert_eq!(mentions, before);
        let [first, second, third] = &mentions;
        assert!(Arc::ptr_eq(&first.provider, &second.provider) && !Arc::ptr_eq(&first.provider, &third.provider));
        let [revision, other] = [first, third].map(|mention| &mention.sentiment.as_ref().unwrap().model_revision);
        assert!(Arc::ptr_eq(revision, other));
        assert_eq!(first.article_id.capacity(), 1);
        // Two providers, the publisher that is not known, the model and its revision.
        assert_eq!(texts.0.len(), 5);
    }

    #[test]
    fn texts_without_a_mention_are_evicted() {
        let mut texts = SharedTexts::default();
        let [mut first, mut second] = [scored("1", "one"), scored("2", "two")];
        texts.share(&mut first);
        texts.share(&mut second);
        drop(second);
        texts.evict_unused();
        assert!(texts.0.contains("one") && !texts.0.contains("two"));
        drop(first);
        texts.evict_unused();
        assert!(texts.0.is_empty());
    }
}
