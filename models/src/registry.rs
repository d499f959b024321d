//! Resolving the name of a model to its files.

use crate::hub::{Hub, Token};
use crate::{ModelError, ModelFiles, Source};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Folders and names of the models that ship with tapewire. The first is used unless another is named; the others are
/// smaller and faster.
pub const SHIPPED: [&str; 2] = ["tapewire-e5-sentiment", "tapewire-minilm-sentiment"];

const PUBLIC_HUB: &str = "https://huggingface.co";

/// Finds models, and downloads those on the hub once.
///
/// Settings come from the environment, under the names that all hub clients use:
/// `HF_ENDPOINT` (a mirror), `HF_HOME` (cache and token file; default `~/.cache/huggingface`),
/// `HF_TOKEN`, `HF_HUB_OFFLINE` (`1`: only the cache), and `TAPEWIRE_MODELS_DIR` (the folder
/// that contains the folders of the shipped models).
#[derive(Debug, Clone)]
pub struct Registry {
    shipped: Vec<PathBuf>,
    hub: Option<Hub>,
}

impl Registry {
    /// A registry with settings from the environment of this process.
    pub fn from_env() -> Self {
        Self::from_settings(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// A registry with settings from `setting`, which returns the value of an environment variable by its name.
    pub fn from_settings(setting: impl Fn(&str) -> Option<String>) -> Self {
        let shipped = match setting("TAPEWIRE_MODELS_DIR") {
            Some(folder) => vec![PathBuf::from(folder)],
            None => default_places(),
        };
        let home = setting("HF_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::home_dir().map(|home| home.join(".cache/huggingface")));
        let hub = home.map(|home| Hub {
            endpoint: setting("HF_ENDPOINT").unwrap_or_else(|| PUBLIC_HUB.into()).trim_end_matches('/').to_owned(),
            token: setting("HF_TOKEN")
                .and_then(|token| Token::new(&token))
                .or_else(|| Token::read(&home.join("token"))),
            cache: home.join("hub"),
            offline: setting("HF_HUB_OFFLINE")
                .is_some_and(|value| ["1", "true", "yes", "on"].contains(&value.to_ascii_lowercase().as_str())),
            progress: std::io::stderr().is_terminal(),
        });
        Self { shipped, hub }
    }

    /// The files of a model. Blocks during a download. A hub model whose files are in the cache is used without asking
    /// the hub.
    ///
    /// # Errors
    /// [`ModelError`], which names the model, the place and the remedy.
    pub fn resolve(&self, source: &Source) -> Result<ModelFiles, ModelError> {
        match source {
            Source::Shipped(name) => self.shipped(name),
            Source::Folder(folder) => ModelFiles::in_folder(folder, &folder_name(folder), None),
            Source::Hub { repository, revision } => {
                self.hub.as_ref().ok_or(ModelError::NoCache)?.resolve(repository, revision.as_deref())
            }
        }
    }

    fn shipped(&self, name: &str) -> Result<ModelFiles, ModelError> {
        let places: Vec<PathBuf> = self.shipped.iter().map(|place| place.join(name)).collect();
        match places.iter().find(|place| place.is_dir()) {
            Some(folder) => ModelFiles::in_folder(folder, name, None),
            None => Err(ModelError::ShippedMissing { searched: places }),
        }
    }
}

/// `models` next to the executable, then the source tree that this was built from.
fn default_places() -> Vec<PathBuf> {
    let installed = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("models")));
    let source_tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("shipped");
    installed.into_iter().chain([source_tree]).collect()
}

/// The last component of a path, however it is written (`.`, `a/`).
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_model_is_found_by_the_setting_or_the_error_names_the_place() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_str().unwrap().to_owned();
        let registry = Registry::from_settings(|name| (name == "TAPEWIRE_MODELS_DIR").then(|| place.clone()));
        for name in SHIPPED {
            let source = Source::Shipped(name);
            let error = registry.resolve(&source).unwrap_err();
            assert!(error.to_string().contains(&place) && error.to_string().contains(name), "{error}");
            assert!(!error.is_retryable());

            let model = folder.path().join(name);
            std::fs::create_dir(&model).unwrap();
            for file in ["config.json", "model.safetensors", "tokenizer.json"] {
                std::fs::write(model.join(file), "{}").unwrap();
            }
            assert_eq!(registry.resolve(&source).unwrap().name, name);
            assert_eq!(registry.resolve(&Source::Folder(model.join("."))).unwrap().name, name);
        }
    }
}
