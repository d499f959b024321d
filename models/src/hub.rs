//! Models on the hub: downloaded once, by commit, into the cache that all hub clients share.

use crate::files::{git_blob, sha256};
use crate::{ModelError, ModelFiles};
use backon::{BlockingRetryable as _, ExponentialBuilder};
use hf_hub::api::RepoInfo;
use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Retries of a file. Each continues where the download broke off.
const RETRIES: usize = 2;

/// Pause before the first retry. It doubles with each retry, and a random part of up to the same length is added, so
/// that workers which start at the same time do not retry at the same time.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The hub's access token; its debug form hides it.
///
/// It is sent only after a request without it has failed. hf-hub then also sends it to the host to which this hub
/// redirects for large files.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// A token, without the white space at the end of files; `None` if nothing is left.
    pub(crate) fn new(text: &str) -> Option<Self> {
        Some(text.trim()).filter(|token| !token.is_empty()).map(|token| Self(token.to_owned()))
    }

    /// Reads the token file that logging in to the hub creates.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        Self::new(&std::fs::read_to_string(file).ok()?)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(hidden)")
    }
}

/// A hub and its local cache.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) endpoint: String,
    pub(crate) cache: PathBuf,
    pub(crate) token: Option<Token>,
    pub(crate) offline: bool,
    pub(crate) progress: bool,
}

/// A model that a user asked for.
struct Request<'a> {
    repository: &'a str,
    revision: &'a str,
    /// For messages: includes the revision only if one was asked for.
    display_name: String,
}

impl Hub {
    /// The files of `repository` at `revision`, from the cache or else downloaded.
    pub(crate) fn resolve(&self, repository: &str, revision: Option<&str>) -> Result<ModelFiles, ModelError> {
        let request = Request {
            repository,
            revision: revision.unwrap_or("main"),
            display_name: revision.map_or(repository.to_owned(), |revision| format!("{repository}@{revision}")),
        };
        if let Some(files) = self.cached(&request) {
            return Ok(files);
        }
        if self.offline {
            return Err(ModelError::Offline { model: request.display_name, cache: self.cache.clone() });
        }
        match (self.download(&request, None), &self.token) {
            (Err(ModelError::NotOnHub { .. } | ModelError::Download { .. }), Some(token)) => {
                self.download(&request, Some(token))
            }
            (downloaded, _) => downloaded,
        }
    }

    fn cached(&self, request: &Request) -> Option<ModelFiles> {
        let repo = self.repo(request.repository, request.revision);
        // A branch or tag is a file that contains the commit; a commit stands for itself.
        let reference = self.cache.join(folder_of(request.repository)).join("refs").join(request.revision);
        let commit =
            std::fs::read_to_string(reference).map_or(request.revision.to_owned(), |commit| commit.trim().to_owned());
        ModelFiles::in_folder(&repo.pointer_path(&commit), request.repository, Some(commit)).ok()
    }

    /// Asks the hub which commit the revision is, and downloads all files at this commit, even if the branch moves in
    /// the meantime. The branch in the cache is set to this commit only after all files are complete.
    fn download(&self, request: &Request, token: Option<&Token>) -> Result<ModelFiles, ModelError> {
        let api = self.api(token).map_err(|error| self.failed(request, &error))?;
        let info = self.info(&api, request)?;
        let offered: Vec<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        let pinned = api.repo(repo(request.repository, &info.sha));
        tracing::info!(model = request.display_name, commit = info.sha, endpoint = self.endpoint, "downloading model");
        for file in ModelFiles::files_to_download(&offered) {
            self.fetch(&api, &pinned, file, request)?;
        }
        let cached = self.repo(request.repository, request.revision);
        let folder = cached.pointer_path(&info.sha);
        cached.create_ref(&info.sha).map_err(|source| ModelError::Io { path: folder.clone(), source })?;
        ModelFiles::in_folder(&folder, request.repository, Some(info.sha))
    }

    /// Downloads a file into the cache and verifies it. hf-hub continues an earlier attempt; its own retries would
    /// start from scratch.
    fn fetch(&self, api: &Api, pinned: &ApiRepo, file: &str, request: &Request) -> Result<(), ModelError> {
        let attempt = || match pinned.get(file) {
            Ok(path) => verify(&path, file, &request.display_name),
            Err(error) => {
                if is_complete_or_longer(&error) {
                    self.discard(api, pinned, file, request);
                }
                Err(self.failed(request, &error))
            }
        };
        let pauses = ExponentialBuilder::new().with_min_delay(FIRST_PAUSE).with_max_times(RETRIES).with_jitter();
        attempt
            .retry(pauses)
            .when(ModelError::is_retryable)
            .notify(|error, pause| {
                tracing::warn!(%error, file, model = request.display_name, ?pause, "retrying the download of a file of the model");
            })
            .call()
    }

    /// Removes a partly downloaded file from the cache. If that fails, the next attempt reports it.
    fn discard(&self, api: &Api, pinned: &ApiRepo, file: &str, request: &Request) {
        if let Ok(announced) = api.metadata(&pinned.url(file)) {
            let blob = self.repo(request.repository, request.revision).blob_path(announced.etag());
            let _ = std::fs::remove_file(blob.with_extension("part"));
        }
    }

    fn info(&self, api: &Api, request: &Request) -> Result<RepoInfo, ModelError> {
        api.repo(repo(request.repository, request.revision)).info().map_err(|error| self.failed(request, &error))
    }

    fn api(&self, token: Option<&Token>) -> Result<Api, ApiError> {
        ApiBuilder::from_cache(Cache::new(self.cache.clone()))
            .with_endpoint(self.endpoint.clone())
            .with_token(token.map(|token| token.0.clone()))
            .with_progress(self.progress)
            .build()
    }

    fn repo(&self, repository: &str, revision: &str) -> CacheRepo {
        Cache::new(self.cache.clone()).repo(repo(repository, revision))
    }

    fn failed(&self, request: &Request, error: &ApiError) -> ModelError {
        let (model, endpoint) = (request.display_name.clone(), self.endpoint.clone());
        match refusal(error) {
            Some(status) => ModelError::NotOnHub { model, endpoint, status },
            None => ModelError::Download { model, endpoint, reason: error.to_string() },
        }
    }
}

/// The status with which the hub refused a request, if it did.
fn refusal(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::RequestError(error) => match **error {
            ureq::Error::StatusCode(status @ (401 | 403 | 404)) => Some(status),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the partly downloaded file in the cache already has the full length or more, as when the process was killed just
/// before it renamed the file.
fn is_complete_or_longer(error: &ApiError) -> bool {
    match error {
        ApiError::InvalidResume => true,
        ApiError::RequestError(error) => matches!(**error, ureq::Error::StatusCode(416)),
        _ => false,
    }
}

fn repo(repository: &str, revision: &str) -> Repo {
    Repo::with_revision(repository.to_owned(), RepoType::Model, revision.to_owned())
}

fn folder_of(repository: &str) -> String {
    repo(repository, "main").folder_name()
}

/// Verifies a file by its name in the cache, which is the hash that the hub announced: the SHA-256 of a large file,
/// git's SHA-1 of another. A damaged file is removed. A mirror that announces neither hash is trusted.
fn verify(path: &Path, file: &str, model: &str) -> Result<(), ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let blob = path.canonicalize().map_err(io)?;
    let announced = blob.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_hex = announced.chars().all(|c| c.is_ascii_hexdigit());
    let found = match announced.len() {
        64 if is_hex => sha256(&blob)?,
        40 if is_hex => git_blob(&blob)?,
        _ => return Ok(()),
    };
    if found == announced {
        return Ok(());
    }
    std::fs::remove_file(path).and_then(|()| std::fs::remove_file(&blob)).map_err(io)?;
    Err(ModelError::Damaged { model: model.to_owned(), file: file.to_owned() })
}
