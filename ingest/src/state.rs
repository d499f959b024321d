//! State files: small files that say how far a source has been read.
//!
//! A full disk loses nothing: the file keeps what was saved before, and is written again when there is room.

use crate::IngestError;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use tapewire_runtime::chain;

/// A JSON file that holds one `T`, old or new but never half, whenever the process dies.
#[derive(Debug, Clone)]
pub struct StateFile<T> {
    path: PathBuf,
    content: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> StateFile<T> {
    /// The file `name` in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// [`IngestError::State`] or [`IngestError::DiskFull`] if the folder can't be made.
    pub fn new(folder: &Path, name: &str) -> Result<Self, IngestError> {
        let state = Self { path: folder.join(name), content: PhantomData };
        fs::create_dir_all(folder).map_err(|error| state.not_written(error))?;
        Ok(state)
    }

    /// As [`StateFile::new`]; if there is no such file yet, one called `former` is taken over.
    ///
    /// # Errors
    /// As [`StateFile::new`].
    pub fn taking_over(folder: &Path, name: &str, former: &str) -> Result<Self, IngestError> {
        let state = Self::new(folder, name)?;
        let former = folder.join(former);
        if !state.path.exists() && former.exists() {
            fs::rename(&former, &state.path).map_err(|error| state.failed(&error.to_string()))?;
            tracing::info!(from = %former.display(), to = %state.path.display(), "the state file of an earlier version is taken over");
        }
        Ok(state)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was saved last; `None` if nothing ever was.
    ///
    /// # Errors
    /// [`IngestError::State`]: a file that can't be read is never taken for a missing one, because
    /// starting from scratch would skip or repeat articles and bars unasked.
    pub fn load(&self) -> Result<Option<T>, IngestError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(&error.to_string())),
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| self.failed(&format!("{error}; restore it, or remove it to start without its state")))
    }

    /// Saves, and returns when it is on the disk.
    ///
    /// # Errors
    /// [`IngestError::State`], [`IngestError::DiskFull`]. What was saved before is still in the file then.
    pub async fn save(&self, content: &T) -> Result<(), IngestError> {
        let bytes = serde_json::to_vec(content).expect("state is strings and numbers");
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || replace(&path, &bytes))
            .await
            .expect("writing a file does not panic")
            .map_err(|error| self.not_written(error))
    }

    /// As [`StateFile::save`]; if the disk is full, logs that and returns `false`. For whoever can go on meanwhile,
    /// because without the file only work is repeated after a restart, and saves again later.
    ///
    /// # Errors
    /// [`IngestError::State`].
    pub async fn save_if_room(&self, content: &T) -> Result<bool, IngestError> {
        match self.save(content).await {
            Ok(()) => Ok(true),
            Err(error @ IngestError::DiskFull { .. }) => {
                tracing::error!(
                    error = chain(&error),
                    "a state file can't be written; the source is followed all the same, and the file is written once there \
                     is room. If this process ends before, the next one sends again what was sent since the file was last \
                     written"
                );
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn not_written(&self, error: std::io::Error) -> IngestError {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                IngestError::DiskFull { path: self.path.clone(), source: error }
            }
            _ => self.failed(&error.to_string()),
        }
    }

    fn failed(&self, reason: &str) -> IngestError {
        IngestError::State { path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// Writes beside the file and moves it over: a rename is all or nothing.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    // Half a file would only take room on a full disk.
    write(&beside, bytes).inspect_err(|_| drop(fs::remove_file(&beside)))?;
    fs::rename(&beside, path)?;
    // The rename itself is durable only once the folder is.
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_saved_last_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFile::<Vec<u64>>::new(&folder.path().join("deep/er"), "news.json").unwrap();
        assert_eq!(state.load().unwrap(), None);
        state.save(&vec![1]).await.unwrap();
        state.save(&vec![1, u64::MAX]).await.unwrap();
        assert_eq!(state.load().unwrap(), Some(vec![1, u64::MAX]));
    }

    #[tokio::test]
    async fn a_former_file_is_taken_over_once_and_never_over_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let former = StateFile::<u64>::new(folder.path(), "news.json").unwrap();
        former.save(&1).await.unwrap();
        let open = || StateFile::<u64>::taking_over(folder.path(), "news-wire.json", "news.json").unwrap();
        assert_eq!(open().load().unwrap(), Some(1));
        assert_eq!(former.load().unwrap(), None);
        former.save(&2).await.unwrap();
        assert_eq!(open().load().unwrap(), Some(1));
    }

    #[tokio::test]
    async fn a_damaged_file_is_an_error_and_not_a_fresh_start() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFile::<Vec<u64>>::new(folder.path(), "news.json").unwrap();
        fs::write(folder.path().join("news.json"), b"[1,").unwrap();
        let error = state.load().unwrap_err();
        assert!(error.to_string().contains("news.json") && !error.is_retryable(), "{error}");
    }

    #[tokio::test]
    async fn a_crash_before_the_rename_leaves_the_old_content() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFile::<Vec<u64>>::new(folder.path(), "news.json").unwrap();
        state.save(&vec![1]).await.unwrap();
        fs::write(folder.path().join("news.new"), b"[2").unwrap();
        assert_eq!(state.load().unwrap(), Some(vec![1]));
        state.save(&vec![3]).await.unwrap();
        assert_eq!(state.load().unwrap(), Some(vec![3]));
    }

    #[tokio::test]
    async fn a_full_disk_leaves_the_old_content_and_is_said_with_the_folder_and_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFile::<Vec<u64>>::new(folder.path(), "news.json").unwrap();
        state.save(&vec![1]).await.unwrap();
        // Every write to it fails as on a full disk. It is removed as a half-written file is.
        let fill = || std::os::unix::fs::symlink("/dev/full", folder.path().join("news.new")).unwrap();
        fill();
        let error = state.save(&vec![2]).await.unwrap_err();
        let said = chain(&error);
        assert!(matches!(error, IngestError::DiskFull { .. }) && error.is_retryable(), "{said}");
        let expected = format!("the disk of folder {} is full, and the state file news.json", folder.path().display());
        assert!(said.starts_with(&expected) && said.contains("make room there"), "{said}");
        assert!(said.contains("No space left on device"), "{said}");
        assert_eq!(state.load().unwrap(), Some(vec![1]));
        let files = || fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(files(), 1, "half a file is left");

        fill();
        assert!(!state.save_if_room(&vec![2]).await.unwrap());
        assert_eq!(state.load().unwrap(), Some(vec![1]));
        assert!(state.save_if_room(&vec![3]).await.unwrap());
        assert_eq!((state.load().unwrap(), files()), (Some(vec![3]), 1));
    }
}
