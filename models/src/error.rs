//! Errors of finding a model's files.

use std::path::PathBuf;

/// Why a model is not available. No message contains the hub token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The string is not the name of a model.
    #[error(
        "`{input}` is not the name of a model: write `shipped`, a hub name such as `ProsusAI/finbert` (with `@REVISION` if you like), or an existing folder"
    )]
    NotASource {
        /// The string as given.
        input: String,
    },
    /// A folder lacks a file that every model has.
    #[error("model `{model}` in {} lacks {missing}; copy or download the whole model again", folder.display())]
    Incomplete {
        /// The model's name.
        model: String,
        /// The folder.
        folder: PathBuf,
        /// The missing file, with its alternatives.
        missing: &'static str,
    },
    /// The shipped model is in none of its possible places.
    #[error(
        "the shipped model is missing; looked in {}; set TAPEWIRE_MODELS_DIR to the folder that contains the model's \
         folder",
        list(searched)
    )]
    ShippedMissing {
        /// The places, in the order in which they were searched.
        searched: Vec<PathBuf>,
    },
    /// The model is not in the cache, and downloading is forbidden.
    #[error("model `{model}` is not in the cache {} and HF_HUB_OFFLINE forbids downloading: run once without it, copy the cache here, or name a folder", cache.display())]
    Offline {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// The cache that was searched.
        cache: PathBuf,
    },
    /// The hub has no such model, or does not give it to this user.
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
    /// The hub could not be reached, or the connection broke off.
    #[error(
        "download of model `{model}` from {endpoint} failed: {reason}; if this machine can't reach the hub, set HF_ENDPOINT to a mirror or name a folder"
    )]
    Download {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// The hub that was asked.
        endpoint: String,
        /// The client's error.
        reason: String,
    },
    /// A downloaded file does not have the hash that the hub announced; it was removed from the cache.
    #[error(
        "{file} of model `{model}` was damaged during the download (its hash is not the announced one) and was removed; try again"
    )]
    Damaged {
        /// Hub name, with the revision if one was asked for.
        model: String,
        /// Name of the file within the model.
        file: String,
    },
    /// There is no folder for the cache.
    #[error("no folder to cache models in: set HF_HOME")]
    NoCache,
    /// A file could not be read or written.
    #[error("{} can't be read or written", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl ModelError {
    /// Whether the same call may succeed later without any change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Download { .. } | Self::Damaged { .. })
    }
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
