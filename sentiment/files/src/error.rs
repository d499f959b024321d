//! Errors that stop a job. An error that concerns only one row is written to the rejected rows instead.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use tapewire_formats::FormatError;

/// An error that stops a job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file can't be opened, read or written.
    #[error("{place} can't be opened, read or written")]
    Io {
        /// The file, or the standard input or output.
        place: String,
        /// The system's error.
        source: io::Error,
    },
    /// An input can't be read, or can't be read further. All of its rows before are in the output.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An input is not in the format of its name or of `--input-format`.
    #[error("{place}: {problem}")]
    Unreadable {
        /// The input.
        place: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// The requested column, or any column that could be the text, is missing.
    #[error("{input} has no column {wanted}; its columns are: {}; choose with {option}", columns.join(", "))]
    NoColumn {
        /// The input.
        input: String,
        /// The missing column.
        wanted: String,
        /// The existing columns.
        columns: Vec<String>,
        /// The option that chooses the column.
        option: Cow<'static, str>,
    },
    /// The input has columns with the names of score columns.
    #[error("the input already has columns called {}; --prefix NAME puts NAME before the names of the score columns", names.join(", "))]
    Clash {
        /// The names.
        names: Vec<String>,
    },
    /// The output exists, and the job does not say what to do with it.
    #[error("{} exists already; --resume continues it if it is incomplete, --overwrite replaces it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The output of an earlier run does not belong to this input and these options.
    #[error(
        "{place}: {problem}; --resume needs the same input, options and model as the run it continues; --overwrite starts from scratch"
    )]
    Differs {
        /// The file to be continued.
        place: String,
        /// The difference.
        problem: String,
    },
    /// The GPU failed. Another GPU or a restart can score the rest.
    #[error("the GPU failed: {0}; the scores so far are kept, and --resume continues from there")]
    Device(String),
    /// An invalid combination of options.
    #[error("{0}")]
    Usage(String),
}

impl FilesError {
    /// For `map_err`: an I/O error of `place`.
    pub(crate) fn io(place: &str) -> impl Fn(io::Error) -> Self + use<> {
        let place = place.to_owned();
        move |source| Self::Io { place: place.clone(), source }
    }

    /// Whether the command line is the cause.
    pub fn is_usage(&self) -> bool {
        let of_format = matches!(self, Self::Format(FormatError::Options(_) | FormatError::Folder { .. }));
        of_format || matches!(self, Self::NoColumn { .. } | Self::Clash { .. } | Self::Exists { .. } | Self::Usage(_))
    }

    /// Whether the reader of the standard output has closed it, as `head` does.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
