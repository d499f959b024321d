//! Rows that wait to be written.

use crate::join::MentionKey;
use std::collections::BTreeMap;
use tapewire_core::{Impact, Run};
use tapewire_store::rows::{ActionRow, BarRow, HaltRow, ImpactRow, MentionRow, TradeRow};
use tapewire_store::{StoreError, Writer};

/// Facts in the order of their records; of each joined row only the newest version.
#[derive(Default)]
pub struct Batch {
    pub bars: Vec<BarRow>,
    pub mentions: Vec<MentionRow>,
    pub trades: Vec<TradeRow>,
    pub halts: Vec<HaltRow>,
    pub actions: Vec<ActionRow>,
    impacts: BTreeMap<(Run, MentionKey), Impact>,
}

impl Batch {
    /// Adds a joined row; of several versions of one row only the highest is written.
    pub fn put(&mut self, impact: Impact) {
        let key = (impact.run.clone(), MentionKey::from(&*impact.mention));
        match self.impacts.get(&key) {
            Some(newer) if newer.version > impact.version => {}
            _ => drop(self.impacts.insert(key, impact)),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        let facts = self.bars.len() + self.mentions.len() + self.trades.len() + self.halts.len() + self.actions.len();
        facts + self.impacts.len()
    }

    /// Whether there is a joined row of this mention.
    pub fn has(&self, mention: &(Run, MentionKey)) -> bool {
        self.impacts.contains_key(mention)
    }

    /// The joined rows.
    pub fn impacts(&self) -> impl Iterator<Item = &Impact> {
        self.impacts.values()
    }

    /// Writes all rows; returns when ClickHouse has them.
    ///
    /// # Errors
    /// As [`Writer::insert`].
    pub async fn write(&self, writer: &Writer) -> Result<(), StoreError> {
        let impacts: Vec<ImpactRow> = self.impacts.values().map(ImpactRow::new).collect();
        tokio::try_join!(
            writer.insert("bars", &self.bars),
            writer.insert("mentions", &self.mentions),
            writer.insert("trades", &self.trades),
            writer.insert("halts", &self.halts),
            writer.insert("actions", &self.actions),
            writer.insert("impact", &impacts),
        )?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::{JoinConfig, JoinEvent, State};
    use std::sync::Arc;
    use tapewire_core::Mention;

    /// The first row of a mention of article 1.
    fn row(provider: &str) -> Impact {
        let json = serde_json::json!({
            "provider": provider, "article_id": "1", "article_revision": 1, "symbol": "AAA", "title": "", "publisher": "",
            "url": "", "published_at": 0, "received_at": 0, "scored_at": 0, "relevance": null, "sentiment": null,
            "unscored": "empty_text",
        });
        let mention: Mention = serde_json::from_value(json).unwrap();
        let mut state = State::new(Run::live(), Arc::new(JoinConfig::default()));
        state.step(JoinEvent::Mention { offset: 0, mention }).unwrap().remove(0)
    }

    #[test]
    fn the_highest_version_of_each_row_is_kept() {
        let mut batch = Batch::default();
        for (provider, version) in [("one", 5), ("one", 7), ("one", 6), ("two", 3)] {
            batch.put(Impact { version, ..row(provider) });
        }
        let kept: Vec<_> = batch.impacts().map(|row| (&*row.mention.provider, row.version)).collect();
        assert_eq!(kept, [("one", 7), ("two", 3)], "two providers may use one article id");
        assert_eq!(batch.rows(), 2);
    }
}
