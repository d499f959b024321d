//! When articles of the past could be known.

use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tapewire_core::Article;

tokio::task_local! {
    /// Where [`KnownFrom::note`] notes something; unset where nobody asks for it.
    static NOTED: KnownFrom;
}

/// By id, when a provider had articles in the version that it shows: it found them long after their publication, or they
/// were edited since. A backfill collects these times. Live, an article counts from when it is received.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownFrom(Arc<Mutex<HashMap<String, Timestamp>>>);

impl KnownFrom {
    /// Notes the time that the provider gives for an article, as it writes it. What is no moment is left out.
    pub fn note(article: &Article, written: Option<&str>) {
        let at = written.and_then(|written| written.parse().ok()).filter(|at| crate::epoch::is_plausible(*at));
        let Some(at) = at.map(crate::epoch::whole_microseconds) else { return };
        // Without a backfill there is nowhere to note it.
        let _ = NOTED.try_with(|known| {
            let mut known = known.0.lock().expect("no holder of this lock can panic");
            let noted = known.entry(article.id.clone()).or_insert(at);
            *noted = at.max(*noted);
        });
    }

    /// Waits for `asked`, and collects what is noted meanwhile.
    pub async fn collect<Asked: Future>(&self, asked: Asked) -> Asked::Output {
        NOTED.scope(self.clone(), asked).await
    }

    /// The earliest time (UTC) at which the article could be known: its publication, or the later time that was noted.
    pub fn of(&self, article: &Article) -> Timestamp {
        let known = self.0.lock().expect("no holder of this lock can panic");
        known.get(&article.id).map_or(article.published_at, |noted| article.published_at.max(*noted))
    }
}
