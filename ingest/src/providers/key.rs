//! A provider's secret.

use std::fmt;

/// A secret that does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApiKey(String);

impl ApiKey {
    /// Takes a key as read from a file or variable; surrounding white space is not part of it.
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// The two parts of a key that consists of an id and a secret, written as `ID:SECRET`. `None` if it does not.
    pub fn parts(&self) -> Option<(Self, Self)> {
        let (id, secret) = self.0.split_once(':')?;
        let (id, secret) = (Self::new(id), Self::new(secret));
        (!id.0.is_empty() && !secret.0.is_empty()).then_some((id, secret))
    }

    /// The secret itself, for requests only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "ApiKey(none)" } else { "ApiKey(redacted)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_never_prints() {
        let key = ApiKey::new(" s3cret\n");
        assert_eq!(key.expose(), "s3cret");
        assert!(!format!("{key:?}").contains("s3cret"));
    }

    #[test]
    fn a_key_of_two_parts_is_written_with_a_colon() {
        let (id, secret) = ApiKey::new("PK1: s3c:ret\n").parts().unwrap();
        assert_eq!((id.expose(), secret.expose()), ("PK1", "s3c:ret"));
        for wrong in ["PK1", ":s", "PK1:", ""] {
            assert_eq!(ApiKey::new(wrong).parts(), None, "{wrong}");
        }
    }
}
