//! Rows that wait to be written.

use crate::JoinerError;
use crate::join::MentionKey;
use crate::tables::Writer;
use crate::tables::rows::{BarRow, HaltRow, ImpactRow, MentionRow, TradeRow};
use std::collections::BTreeMap;
use tapewire_core::{Impact, Run};

/// Facts in the order of their records; of each joined row only the newest version.
#[derive(Default)]
pub struct Batch {
    pub bars: Vec<BarRow>,
    pub mentions: Vec<MentionRow>,
    pub trades: Vec<TradeRow>,
    pub halts: Vec<HaltRow>,
    impacts: BTreeMap<(Run, MentionKey), Impact>,
}

impl Batch {
    /// Adds a joined row; of several versions of one row only the highest is written.
    pub fn put(&mut self, impact: Impact) {
        let key = (impact.run.clone(), MentionKey::from(&impact.mention));
        match self.impacts.get(&key) {
            Some(newer) if newer.version > impact.version => {}
            _ => drop(self.impacts.insert(key, impact)),
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.bars.len() + self.mentions.len() + self.trades.len() + self.halts.len() + self.impacts.len()
    }

    /// The joined rows.
    pub fn impacts(&self) -> impl Iterator<Item = &Impact> {
        self.impacts.values()
    }

    /// Writes all rows; returns when ClickHouse has them.
    ///
    /// # Errors
    /// As [`Writer::insert`].
    pub async fn write(&self, writer: &Writer) -> Result<(), JoinerError> {
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
