//! Checks of the files that a job writes: they are all different, none is an input, and no file is replaced unless the
//! job says so.

use super::{FilesError, Job, JobSource, OutputFormat, output};
use std::path::{Path, PathBuf};

/// Refuses a job that would destroy data: repeating a command would replace an output that took hours, and a wrong
/// option could replace an input.
pub(crate) fn check(job: &Job) -> Result<(), FilesError> {
    if job.resume && job.output_format == OutputFormat::Table {
        return Err(FilesError::Usage("a table can't be continued; write JSON lines or CSV".into()));
    }
    let output = job.output.iter().flat_map(|path| output::files(path, job.output_format));
    let written: Vec<PathBuf> = output.chain(job.rejected_file()).filter(|path| !is_special_file(path)).collect();
    for (at, path) in written.iter().enumerate() {
        let is_input = |source: &JobSource| matches!(source, JobSource::File(input) if same(input, path));
        let usage = |problem| Err(FilesError::Usage(format!("{} {problem}", path.display())));
        if job.sources.iter().any(is_input) {
            return usage("is the input; the output needs another name");
        }
        if written[..at].iter().any(|other| same(other, path)) {
            return usage("is the output; the rejected rows need another file");
        }
    }
    match written.into_iter().find(|path| path.exists()) {
        Some(path) if !job.resume && !job.overwrite => Err(FilesError::Exists { path }),
        _ => Ok(()),
    }
}

/// Whether the path exists and is neither a regular file nor a folder. Writing to it destroys nothing, and it can't be continued.
pub(crate) fn is_special_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || identity(one).is_some_and(|one| identity(other) == Some(one))
}

/// The canonical path of a file that exists or will be created.
fn identity(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.canonicalize().ok().or_else(|| Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?)))
}
