//! Rows waiting to be written.

use std::collections::BTreeMap;
use tapewire_core::{Impact, Run, Symbol};
use tapewire_store::rows::{BarRow, HaltRow, ImpactRow, MentionRow, TradeRow};
use tapewire_store::{StoreError, Writer};

/// Facts in the order they came; of the joined rows only the newest of each key.
#[derive(Default)]
pub struct Batch {
    pub bars: Vec<BarRow>,
    pub mentions: Vec<MentionRow>,
    pub trades: Vec<TradeRow>,
    pub halts: Vec<HaltRow>,
    impacts: BTreeMap<(Run, Option<Symbol>, String), Impact>,
}

impl Batch {
    /// Takes a joined row; of several versions of one row only the highest is written.
    pub fn put(&mut self, impact: Impact) {
        let key = (impact.run.clone(), impact.mention.symbol.clone(), impact.mention.article_id.clone());
        match self.impacts.get(&key) {
            Some(newer) if newer.version > impact.version => {}
            _ => drop(self.impacts.insert(key, impact)),
        }
    }

    /// Rows held.
    pub fn rows(&self) -> usize {
        self.bars.len() + self.mentions.len() + self.trades.len() + self.halts.len() + self.impacts.len()
    }

    /// The joined rows held.
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
            writer.insert("impact", &impacts),
        )?;
        Ok(())
    }
}
