//! Which sources have to make progress, and since when each has been watched.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tapewire_store::sources::SourceKind;

/// A source, by what it gives and its name.
pub(crate) type Source = (SourceKind, String);

/// The sources that have to make progress: not those that stand by for others. Clones share one list, which a process
/// keeps up to date also while another process has the role, so that a source that stops is not given its time again
/// when the role changes hands.
#[derive(Debug, Clone, Default)]
pub struct WatchedSources(Arc<Mutex<BTreeMap<Source, Timestamp>>>);

impl WatchedSources {
    /// Watches these sources and no others. One that was not watched before has [`AlertsConfig::stale_after`] from
    /// `now` (UTC) to make progress.
    ///
    /// [`AlertsConfig::stale_after`]: crate::AlertsConfig::stale_after
    pub fn watch(&self, sources: impl IntoIterator<Item = (SourceKind, String)>, now: Timestamp) {
        let mut watched = self.0.lock().expect("no holder of this lock can panic");
        let former = std::mem::take(&mut *watched);
        let since = |source: &Source| former.get(source).copied().unwrap_or(now);
        watched.extend(sources.into_iter().map(|source| (since(&source), source)).map(|(at, source)| (source, at)));
    }

    /// The sources, each with the time since which it has been watched.
    pub(crate) fn list(&self) -> BTreeMap<Source, Timestamp> {
        self.0.lock().expect("no holder of this lock can panic").clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_watched_since_it_was_added_last() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let source = |name: &str| (SourceKind::News, name.to_owned());
        let watched = WatchedSources::default();
        watched.watch([source("first")], at(1));
        watched.clone().watch([source("first"), source("second")], at(2));
        assert_eq!(watched.list(), BTreeMap::from([(source("first"), at(1)), (source("second"), at(2))]));
        watched.watch([source("second")], at(3));
        watched.watch([source("first"), source("second")], at(4));
        assert_eq!(watched.list(), BTreeMap::from([(source("first"), at(4)), (source("second"), at(2))]));
    }
}
