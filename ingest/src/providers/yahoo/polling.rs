//! A connection to Yahoo: a round of requests, one for each symbol, again and again.

use super::{CORRECTS_WITHIN, Yahoo};
use crate::providers::{Frame, MarketEvent, PriceConnection, ProviderError, Reject};
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use tapewire_core::{Bar, Symbol};

/// Rounds, and what they have returned.
pub(super) struct Polling {
    source: Yahoo,
    symbols: Vec<Symbol>,
    /// When the last round began.
    began: Option<Timestamp>,
    /// The bars that may still change, as they were sent.
    sent: HashMap<(Symbol, Timestamp), Bar>,
    rejects: HashSet<Vec<u8>>,
}

impl Polling {
    pub fn new(source: Yahoo, symbols: Vec<Symbol>) -> Self {
        Self { source, symbols, began: None, sent: HashMap::new(), rejects: HashSet::new() }
    }

    /// Asks for the bars of each symbol, and returns what is new or has changed.
    async fn round(&mut self, now: Timestamp) -> Result<Frame, ProviderError> {
        let from = now.saturating_sub(CORRECTS_WITHIN).unwrap_or(Timestamp::MIN);
        let mut frame = Frame::default();
        for symbol in &self.symbols {
            let page = self.source.bars(symbol, from, now).await?;
            for bar in page.items {
                // When it was received says nothing about the bar.
                let is_known = |sent: &Bar| Bar { received_at: bar.received_at, ..sent.clone() } == bar;
                if self.sent.get(&(symbol.clone(), bar.start)).is_none_or(|sent| !is_known(sent)) {
                    self.sent.insert((symbol.clone(), bar.start), bar.clone());
                    frame.events.push(MarketEvent::Bar(bar));
                }
            }
            let new = page.rejects.into_iter().filter(|reject: &Reject| self.rejects.insert(reject.bytes.clone()));
            frame.rejects.extend(new.collect::<Vec<_>>());
        }
        self.sent.retain(|(_, start), _| *start >= from);
        Ok(frame)
    }
}

#[async_trait]
impl PriceConnection for Polling {
    fn origin(&self) -> &str {
        "polling"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        let (clock, every) = (self.source.http.clock().clone(), self.source.config.bars_every);
        if let Some(began) = self.began {
            let passed = clock.now().duration_since(began).try_into().unwrap_or_default();
            clock.sleep(every.saturating_sub(passed)).await;
        }
        let now = clock.now();
        self.began = Some(now);
        // The feed relies on it: a round that is too long must not be waited for while time goes on.
        let round = tokio::time::timeout(clock.wall_time_of(every), self.round(now)).await;
        round.map_err(|_| ProviderError::TooSlow {
            provider: self.source.http.provider().to_owned(),
            what: format!("a round of requests for {} symbols", self.symbols.len()),
            within: every,
        })?
    }
}
