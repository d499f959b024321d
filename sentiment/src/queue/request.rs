//! A request to the queue.

use crate::companies::Company;
use crate::engine::Input;
use crate::engine::windows::Overflow;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// A text to score, and the company it is scored for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// See [`Input::text`].
    pub text: Arc<str>,
    /// See [`Input::company`].
    pub company: Option<Arc<Company>>,
    /// See [`Input::overflow`].
    pub overflow: Overflow,
}

/// A hash of everything that a score depends on except the model: two requests with the same key have the same score.
pub type Key = [u8; 32];

impl Request {
    /// A text that is read completely, at any length.
    pub fn new(text: impl Into<Arc<str>>, company: Option<Arc<Company>>) -> Self {
        Self { text: text.into(), company, overflow: Overflow::Windows }
    }

    /// The input of the engine.
    pub fn input(&self) -> Input<'_> {
        Input { text: &self.text, company: self.company.as_deref(), overflow: self.overflow }
    }

    /// About how many tokens the model will read.
    pub fn tokens(&self) -> usize {
        self.input().tokens()
    }

    /// See [`Key`]. It stays the same between processes.
    pub fn key(&self) -> Key {
        let company = self.company.iter().flat_map(|company| company.key());
        let mut hash = Sha256::new_with_prefix([self.overflow as u8, u8::from(self.company.is_some())]);
        // The lengths make the hash depend on where one part ends and the next begins.
        for part in std::iter::once(self.text.as_bytes()).chain(company) {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::companies::Companies;
    use std::collections::HashSet;

    #[test]
    fn the_key_covers_everything_a_score_depends_on() {
        let companies = Companies::load(None).unwrap();
        let of = |text: &str, company: Option<&str>| Request::new(text, company.map(|company| companies.find(company)));
        let requests = [
            of("Apple rises", None),
            of("Apple", Some(" rises")),
            of("Apple rises", Some("")),
            of("Apple rises", Some("AAPL")),
            of("Apple rises", Some("Apple Records")),
            of("Apple falls", Some("AAPL")),
            Request { overflow: Overflow::KeepStart, ..of("Apple rises", None) },
        ];
        let keys: HashSet<Key> = requests.iter().map(Request::key).collect();
        assert_eq!(keys.len(), requests.len());
        assert_eq!(of("Apple rises", Some("apple")).key(), requests[3].key());
    }
}
