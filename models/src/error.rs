//! What can go wrong between a model's name and its files.

use std::path::PathBuf;

/// Why a model could not be had. No message ever holds the hub token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The string names no place a model can come from.
    #[error(
        "`{input}` names no model: write `shipped`, a hub name such as `ProsusAI/finbert` (with `@REVISION` if you like), or an existing folder"
    )]
    NotASource {
        /// The string as it came.
        input: String,
    },
    /// A folder lacks a file every model has.
    #[error("model `{model}` in {} lacks {missing}", folder.display())]
    Incomplete {
        /// The model's name.
        model: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// The file, with the alternatives that would do.
        missing: &'static str,
    },
    /// The shipped model is in none of the places it may be in.
    #[error(
        "the shipped model is missing; looked in {}; set TAPEWIRE_MODELS_DIR to the folder that holds it",
        list(searched)
    )]
    ShippedMissing {
        /// The places, in the order of search.
        searched: Vec<PathBuf>,
    },
    /// The hub may not be asked and the cache has not got it.
    #[error("model `{model}` is not in the cache {} and HF_HUB_OFFLINE forbids downloading: run once without it, copy the cache here, or name a folder", cache.display())]
    Offline {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// The cache that was searched.
        cache: PathBuf,
    },
    /// The hub says there is no such model, or not for this user.
    #[error(
        "{endpoint} has no model `{model}` for you (HTTP {status}): check the name and revision; a private or gated one needs a token in HF_TOKEN and its licence accepted"
    )]
    NotOnHub {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// The hub that was asked.
        endpoint: String,
        /// 401, 403 or 404.
        status: u16,
    },
    /// The hub could not be reached or broke off.
    #[error(
        "download of model `{model}` from {endpoint} failed: {reason}; if this machine can't reach the hub, set HF_ENDPOINT to a mirror or name a folder"
    )]
    Download {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// The hub that was asked.
        endpoint: String,
        /// What the client said.
        reason: String,
    },
    /// A downloaded file is not what the hub announced; it was removed from the cache.
    #[error("{file} of model `{model}` arrived damaged (its hash is not the announced one) and was removed")]
    Damaged {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// Name of the file within the model.
        file: String,
    },
    /// There is no folder to cache downloads in.
    #[error("no folder to cache models in: set HF_HOME")]
    NoCache,
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
}

impl ModelError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Download { .. } | Self::Damaged { .. })
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
