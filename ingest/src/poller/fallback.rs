//! A source that stands in for another: it is polled only while that one fails.

use super::NewsPoller;
use crate::IngestError;
use crate::health::SourceHealth;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The health of each source that has been started. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub(super) struct Healths(Arc<Mutex<HashMap<String, SourceHealth>>>);

impl Healths {
    /// Adds the health of a source, or replaces it if the source was started again.
    pub fn insert(&self, name: &str, health: SourceHealth) {
        self.0.lock().expect("no holder of this lock can panic").insert(name.to_owned(), health);
    }
}

/// The source that another stands in for.
pub(super) struct Primary {
    pub name: String,
    pub healths: Healths,
}

impl Primary {
    /// `None` before it is started.
    fn health(&self) -> Option<SourceHealth> {
        self.healths.0.lock().expect("no holder of this lock can panic").get(&self.name).cloned()
    }
}

impl NewsPoller {
    /// Whether the source that this one stands in for works, so that this one has nothing to do.
    pub(super) async fn stand_by_if_primary_works(&mut self) -> Result<bool, IngestError> {
        let Some(primary) = &self.primary else { return Ok(false) };
        let (name, health) = (primary.name.clone(), primary.health());
        let source = self.source_label();
        let Some(primary) = health.filter(SourceHealth::has_failed) else {
            if self.takeover_from.take().is_some() {
                tracing::info!(
                    source,
                    primary = name,
                    "the primary source works again; its fallback is no longer polled"
                );
                self.unfinished = None;
            }
            self.health.emit_standing_by().await?;
            return Ok(true);
        };
        if self.takeover_from.is_none() {
            // Without a watermark of this process nobody knows how far the other came.
            let from = primary.watermark().unwrap_or(Timestamp::MIN);
            tracing::info!(
                source,
                primary = name,
                %from,
                "the primary source has failed; its fallback is polled from where the primary ended"
            );
            self.takeover_from = Some(from);
        }
        Ok(false)
    }
}
