//! The file of rows that could not be read or have no score, each with its location and the reason.

use super::FilesError;
use super::resume::Target;
use super::row::Place;
use std::path::{Path, PathBuf};
use tapewire_formats::RejectedLine;

/// The default file for the rejected rows of an output.
pub(crate) fn default_path(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".rejected.jsonl");
    name.into()
}

/// The file of rejected rows; it is created with the first of them.
pub(crate) struct Rejected {
    path: Option<PathBuf>,
    resume: bool,
    target: Option<Target>,
}

impl Rejected {
    /// Without a path, rows are only counted and reported. A new run removes an existing file;
    /// [`super::output_paths::check`] has checked that this is allowed.
    pub fn open(path: Option<PathBuf>, resume: bool) -> Result<Self, FilesError> {
        if let Some(path) = path.as_ref().filter(|path| !resume && path.is_file()) {
            std::fs::remove_file(path).map_err(FilesError::io(&path.display().to_string()))?;
        }
        Ok(Self { path, resume, target: None })
    }

    /// Writes a row, unless an earlier run has written it.
    pub fn put(&mut self, place: &Place, reason: &str, raw: &[u8]) -> Result<(), FilesError> {
        let Some(path) = &self.path else { return Ok(()) };
        let target = match &mut self.target {
            Some(target) => target,
            none => none.insert(Target::file(path, self.resume)?),
        };
        let line = RejectedLine { row: Some(place.row), ..RejectedLine::new(&place.input, reason, raw) }.to_json();
        if target.existing(line.as_bytes())?.is_none() {
            target.write(format!("{line}\n").as_bytes())?;
        }
        Ok(())
    }

    pub fn flush(&mut self) -> Result<(), FilesError> {
        self.target.as_mut().map_or(Ok(()), Target::flush)
    }

    /// The file, if there is one.
    pub fn finish(mut self) -> Result<Option<PathBuf>, FilesError> {
        match &mut self.target {
            Some(target) => target.sync().map(|()| self.path),
            None => Ok(None),
        }
    }
}
