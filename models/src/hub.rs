//! Models of the hub: downloaded once, by commit, into the cache all hub clients share.

use crate::files::sha256;
use crate::{ModelError, ModelFiles};
use hf_hub::api::RepoInfo;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use std::fmt;
use std::path::{Path, PathBuf};

const RETRIES: usize = 3;

/// The hub's access token. It goes to the hub and nowhere else: its debug form is a word.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// A token without the white space files end in; `None` if nothing is left.
    pub(crate) fn new(text: &str) -> Option<Self> {
        Some(text.trim()).filter(|token| !token.is_empty()).map(|token| Self(token.to_owned()))
    }

    /// The token file that logging in to the hub leaves.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        Self::new(&std::fs::read_to_string(file).ok()?)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// A hub and the local cache of it.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    pub(crate) cache: PathBuf,
    pub(crate) token: Option<Token>,
    pub(crate) offline: bool,
    pub(crate) progress: bool,
}

/// One model in the words of a user and of the cache.
struct Wanted<'a> {
    repository: &'a str,
    revision: &'a str,
    /// For messages: the revision only if one was asked for.
    shown: String,
}

impl Hub {
    /// The files of `repository` at `revision`: from the cache if they are there, else downloaded.
    pub(crate) fn resolve(&self, repository: &str, revision: Option<&str>) -> Result<ModelFiles, ModelError> {
        let wanted = Wanted {
            repository,
            revision: revision.unwrap_or("main"),
            shown: revision.map_or(repository.to_owned(), |revision| format!("{repository}@{revision}")),
        };
        if let Some(files) = self.cached(&wanted) {
            return Ok(files);
        }
        if self.offline {
            return Err(ModelError::Offline { model: wanted.shown, cache: self.cache.clone() });
        }
        self.download(&wanted)
    }

    fn cached(&self, wanted: &Wanted) -> Option<ModelFiles> {
        let repo = self.repo(wanted.repository, wanted.revision);
        // A branch or tag is a file holding the commit; a commit is its own name.
        let reference = self.cache.join(folder_of(wanted.repository)).join("refs").join(wanted.revision);
        let commit =
            std::fs::read_to_string(reference).map_or(wanted.revision.to_owned(), |commit| commit.trim().to_owned());
        ModelFiles::in_folder(&repo.pointer_path(&commit), wanted.repository, Some(commit)).ok()
    }

    /// All files are of the one commit the hub names first, even if the branch moves meanwhile;
    /// the branch is pointed at it only when all are there.
    fn download(&self, wanted: &Wanted) -> Result<ModelFiles, ModelError> {
        let api = self.api().map_err(|error| self.failed(wanted, &error))?;
        let info = self.info(&api, wanted)?;
        let offered: Vec<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        let pinned = api.repo(repo(wanted.repository, &info.sha));
        tracing::info!(model = wanted.shown, commit = info.sha, endpoint = self.endpoint, "downloading model");
        for file in ModelFiles::wanted(&offered) {
            let path = pinned.get(file).map_err(|error| self.failed(wanted, &error))?;
            verify(&path, file, &wanted.shown)?;
        }
        let cached = self.repo(wanted.repository, wanted.revision);
        let folder = cached.pointer_path(&info.sha);
        cached.create_ref(&info.sha).map_err(|source| ModelError::Io { path: folder.clone(), source })?;
        ModelFiles::in_folder(&folder, wanted.repository, Some(info.sha))
    }

    fn info(&self, api: &Api, wanted: &Wanted) -> Result<RepoInfo, ModelError> {
        api.repo(repo(wanted.repository, wanted.revision)).info().map_err(|error| self.failed(wanted, &error))
    }

    fn api(&self) -> Result<Api, ApiError> {
        ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(self.token.clone().map(|token| token.0))
            .with_retries(RETRIES)
            .with_progress(self.progress)
            .build()
    }

    fn repo(&self, repository: &str, revision: &str) -> CacheRepo {
        Cache::new(self.cache.clone()).repo(repo(repository, revision))
    }

    fn failed(&self, wanted: &Wanted, error: &ApiError) -> ModelError {
        let (model, endpoint) = (wanted.shown.clone(), self.endpoint.clone());
        match refusal(error) {
            Some(status) => ModelError::NotOnHub { model, endpoint, status },
            None => ModelError::Download { model, endpoint, reason: error.to_string() },
        }
    }
}

/// The status by which the hub says "not for you", where it did.
fn refusal(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::TooManyRetries(error) => refusal(error),
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(status @ (401 | 403 | 404)) => Some(status),
            _ => None,
        },
        _ => None,
    }
}

fn repo(repository: &str, revision: &str) -> Repo {
    Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned())
}

fn folder_of(repository: &str) -> String {
    repo(repository, "main").folder_name()
}

/// Big files are stored under their SHA-256 in the cache; one that broke on its way must not stay there.
fn verify(path: &Path, file: &str, model: &str) -> Result<(), ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let blob = path.canonicalize().map_err(io)?;
    let announced = blob.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_sha256 = announced.len() == 64 && announced.chars().all(|c| c.is_ascii_hexdigit());
    if !is_sha256 || sha256(&blob)? == announced {
        return Ok(());
    }
    std::fs::remove_file(path).and_then(|()| std::fs::remove_file(&blob)).map_err(io)?;
    Err(ModelError::Damaged { model: model.to_owned(), file: file.to_owned() })
}
