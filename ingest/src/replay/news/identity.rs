//! What tells an article from others where its row has no id.

/// What tells an article from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replay) enum Identity {
    /// The row's own id.
    Id,
    /// The address.
    Url,
    /// A fingerprint of time, title and text.
    Fingerprint,
}

/// How many rows have no id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::replay) struct WithoutId {
    urls: u64,
    fingerprints: u64,
}

impl WithoutId {
    /// Counts a row.
    pub fn count(&mut self, identity: Identity) {
        match identity {
            Identity::Id => {}
            Identity::Url => self.urls += 1,
            Identity::Fingerprint => self.fingerprints += 1,
        }
    }

    /// What a person should know.
    pub fn note(self) -> Option<String> {
        let Self { urls, fingerprints } = self;
        let by_url = format!("{urls} rows have no id and are told apart by their url");
        let by_content = format!(
            "{fingerprints} rows have neither an id nor a url of their own and are told apart by time, title and text: \
             an edit of one is another article; --news-columns id=NAME names a column of ids"
        );
        match (urls, fingerprints) {
            (0, 0) => None,
            (_, 0) => Some(by_url),
            (0, _) => Some(by_content),
            _ => Some(format!("{by_url}; {by_content}")),
        }
    }
}
