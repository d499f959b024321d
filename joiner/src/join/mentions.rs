//! The mentions in memory, and which of them a record belongs to.

use super::mention::{MentionRevision, MentionState};
use super::time::EventTime;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use tapewire_core::Mention;

/// The mentions in memory by their ids. An id is the offset of a mention's first record.
///
/// They are found by provider, article and company, too. The table for that holds ids only, and the texts are compared with
/// those of the mention, so that they are in memory once. They are the same in all records of a mention.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    by_id: BTreeMap<u64, Box<MentionState>>,
    by_key: HashTable<u64>,
    hasher: RandomState,
}

fn hash(hasher: &RandomState, mention: &Mention) -> u64 {
    hasher.hash_one((&mention.symbol, &mention.provider, &mention.article_id))
}

fn has_key_of(state: &MentionState, mention: &Mention) -> bool {
    let own = &state.current().mention;
    own.article_id == mention.article_id && own.symbol == mention.symbol && own.provider == mention.provider
}

impl Mentions {
    /// The id of the mention that a record belongs to, if it is in memory.
    pub fn find(&self, mention: &Mention) -> Option<u64> {
        let is_same = |id: &u64| has_key_of(&self.by_id[id], mention);
        self.by_key.find(hash(&self.hasher, mention), is_same).copied()
    }

    /// Adds a mention that is not in memory, by its first record.
    pub fn insert(&mut self, id: u64, revision: MentionRevision, finalization: EventTime) {
        let Self { by_id, by_key, hasher } = self;
        let key = hash(hasher, &revision.mention);
        by_id.insert(id, Box::new(MentionState::new(id, revision, finalization)));
        by_key.insert_unique(key, id, |id| hash(hasher, &by_id[id].current().mention));
    }

    /// Removes a mention.
    pub fn remove(&mut self, id: u64) -> Option<Box<MentionState>> {
        let state = self.by_id.remove(&id)?;
        let key = hash(&self.hasher, &state.current().mention);
        if let Ok(entry) = self.by_key.find_entry(key, |known| *known == id) {
            entry.remove();
        }
        Some(state)
    }

    pub fn get(&self, id: u64) -> &MentionState {
        self.by_id.get(&id).expect("ids lead to mentions in memory")
    }

    pub fn get_mut(&mut self, id: u64) -> &mut MentionState {
        self.by_id.get_mut(&id).expect("ids lead to mentions in memory")
    }

    /// All ids, the smallest first.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.by_id.keys().copied()
    }

    /// The smallest id.
    pub fn first(&self) -> Option<u64> {
        self.ids().next()
    }

    /// The mentions by their ids.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &MentionState)> {
        self.by_id.iter().map(|(&id, state)| (id, &**state))
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::held::HeldEntry;
    use super::super::mention::Lateness;
    use super::super::window::EventWindow;
    use super::*;
    use crate::join::JoinConfig;
    use std::sync::Arc;
    use tapewire_core::exchange::Calendar;
    use tapewire_testkit::{at, mention};

    fn about(ticker: &str, provider: &str, article: usize) -> Mention {
        let published = mention(ticker, at("2024-07-01T14:00:00Z"));
        Mention { provider: provider.into(), article_id: format!("a{article}"), ..published }
    }

    fn insert(mentions: &mut Mentions, id: u64, mention: Mention) {
        let window = EventWindow::new(&mention, &JoinConfig::default(), Calendar::xnys());
        let revision = MentionRevision { mention: Arc::new(mention), window, lateness: Lateness::OnTime };
        mentions.insert(id, revision, EventTime::MAX);
    }

    #[test]
    fn a_mention_is_found_by_provider_article_and_company_while_it_is_in_memory() {
        let mut mentions = Mentions::default();
        let all: Vec<Mention> = (0..1_000)
            .flat_map(|n| [("AAA", "one"), ("BBB", "one"), ("AAA", "two")].map(|(of, by)| about(of, by, n)))
            .chain([Mention { symbol: None, ..about("AAA", "one", 0) }])
            .collect();
        for (id, mention) in (0..).zip(&all) {
            assert_eq!(mentions.find(mention), None);
            insert(&mut mentions, id, mention.clone());
        }
        for (id, mention) in (0..).zip(&all) {
            let edit = Mention { article_revision: 2, title: "another".into(), ..mention.clone() };
            assert_eq!(mentions.find(&edit), Some(id));
        }
        for id in (0..all.len() as u64).filter(|id| id % 3 != 1) {
            assert!(mentions.remove(id).is_some_and(|state| *state.current().mention == all[id as usize]));
        }
        assert!(mentions.remove(0).is_none());
        for (id, mention) in (0..).zip(&all) {
            assert_eq!(mentions.find(mention), (id % 3 == 1).then_some(id));
        }
        assert_eq!((mentions.len(), mentions.first()), (1_000, Some(1)));
    }

    // Allocators have a size of 160 bytes, and one of 320; the next ones are 192 and 384. An `Arc` is larger than what is in
    // it by two counters.
    const _: () = assert!(size_of::<MentionState>() <= 160);
    const _: () = assert!(size_of::<HeldEntry>() <= 160);
    const _: () = assert!(size_of::<[usize; 2]>() + size_of::<Mention>() <= 320);
}
