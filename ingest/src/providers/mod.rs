//! The outside world, one folder a provider, all alike:
//!
//! | file | holds |
//! |---|---|
//! | `config.rs` | where the provider is and how to log in |
//! | `messages.rs` | its messages as it sends them, the raw text above each struct |
//! | `parse.rs` | bytes to domain types; what can't be read becomes a [`Reject`] |
//! | `rest.rs` | its HTTP interface |
//! | `websocket.rs` | its streaming protocol |
//! | `error.rs` | what can go wrong, and whether trying again can help |

pub mod massive;

/// Largest item we take, in bytes. Kafka takes messages of about a million; an article of that
/// size is a provider's mistake, and must not stop those behind it.
pub const LARGEST_ITEM: usize = 600_000;

/// One item of a page or frame that could not be used, or not whole: goes to the dead-letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Why, in words for a person.
    pub reason: String,
    /// The item as it came.
    pub bytes: Vec<u8>,
}

impl Reject {
    /// The item `raw`, refused for `reason`.
    pub fn new(raw: &str, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), bytes: raw.as_bytes().to_vec() }
    }
}
