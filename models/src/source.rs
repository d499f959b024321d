//! The string that names a model.

use crate::registry::SHIPPED;
use crate::{ModelError, ModelFiles, Registry};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a model comes from.
///
/// A string is parsed (`FromStr`) in this order:
/// - empty or `shipped`: the first of the models that ship with tapewire, [`SHIPPED`]; the name of one: that one;
/// - an existing folder, or anything without `@` that looks like a path (`./x`, `../x`, `/x`, `a/b/c`): a folder;
/// - `OWNER/NAME` or `OWNER/NAME@REVISION`: a model on the hub. A revision is a branch, a tag or a commit.
///
/// So an existing folder `ProsusAI/finbert` hides the hub model of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A model that ships with tapewire: one of [`SHIPPED`].
    Shipped(&'static str),
    /// A folder on this machine.
    Folder(PathBuf),
    /// A model on the hub.
    Hub {
        /// `OWNER/NAME`.
        repository: String,
        /// Branch, tag or commit; `None` is the hub's `main`.
        revision: Option<String>,
    },
}

impl Default for Source {
    fn default() -> Self {
        Self::Shipped(SHIPPED[0])
    }
}

impl Source {
    /// The model's files, with settings from the environment of this process; see [`Registry::resolve`].
    ///
    /// # Errors
    /// [`ModelError`].
    pub fn resolve(&self) -> Result<ModelFiles, ModelError> {
        Registry::from_env().resolve(self)
    }
}

impl FromStr for Source {
    type Err = ModelError;

    fn from_str(input: &str) -> Result<Self, ModelError> {
        let name = input.trim();
        if name.is_empty() || name == "shipped" {
            return Ok(Self::default());
        }
        if let Some(shipped) = SHIPPED.into_iter().find(|shipped| *shipped == name) {
            return Ok(Self::Shipped(shipped));
        }
        let looks_like_path = name.starts_with(['/', '.']) || name.matches('/').count() > 1;
        if looks_like_path && !name.contains('@') || Path::new(name).is_dir() {
            return Ok(Self::Folder(name.into()));
        }
        let (repository, revision) = match name.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (name, None),
        };
        let hub_name =
            repository.split_once('/').is_some_and(|(owner, model)| is_hub_word(owner) && is_hub_word(model));
        if !hub_name || revision.is_some_and(|revision| !is_revision(revision)) {
            return Err(ModelError::NotASource { input: name.chars().take(200).collect() });
        }
        Ok(Self::Hub { repository: repository.to_owned(), revision: revision.map(str::to_owned) })
    }
}

fn is_hub_word(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('.')
        && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// Stricter than git's rules: these names can't point outside the cache folder.
fn is_revision(revision: &str) -> bool {
    revision.split('/').all(is_hub_word)
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shipped(name) => f.write_str(if *self == Self::default() { "shipped" } else { name }),
            Self::Folder(folder) => write!(f, "{}", folder.display()),
            Self::Hub { repository, revision: None } => f.write_str(repository),
            Self::Hub { repository, revision: Some(revision) } => write!(f, "{repository}@{revision}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_name_is_parsed() {
        let hub = |repository: &str, revision: Option<&str>| Source::Hub {
            repository: repository.into(),
            revision: revision.map(str::to_owned),
        };
        let here = env!("CARGO_MANIFEST_DIR");
        for (input, expected) in [
            ("", Source::Shipped(SHIPPED[0])),
            (" shipped ", Source::Shipped(SHIPPED[0])),
            (SHIPPED[1], Source::Shipped(SHIPPED[1])),
            ("ProsusAI/finbert", hub("ProsusAI/finbert", None)),
            ("ProsusAI/finbert@main", hub("ProsusAI/finbert", Some("main"))),
            ("a/b@refs/pr/3", hub("a/b", Some("refs/pr/3"))),
            ("./finbert", Source::Folder("./finbert".into())),
            ("/srv/models/finbert", Source::Folder("/srv/models/finbert".into())),
            ("models/ours/finbert", Source::Folder("models/ours/finbert".into())),
            (here, Source::Folder(here.into())),
        ] {
            assert_eq!(input.parse::<Source>().unwrap(), expected, "{input}");
            assert_eq!(expected.to_string().parse::<Source>().unwrap(), expected, "{input}");
        }
    }

    #[test]
    fn other_strings_are_refused_with_a_remedy() {
        for input in
            ["finbert", "owner/", "/..@x", "a b/c", "owner/name@", "owner/name@../../etc", "https://hub/owner/name@x"]
        {
            let error = input.parse::<Source>().unwrap_err();
            assert!(error.to_string().contains("ProsusAI/finbert"), "{input}: {error}");
            assert!(!error.is_retryable());
        }
    }
}
