//! What stops the scoring of files; what concerns one row only goes to the rejected rows.

use std::io;
use std::path::PathBuf;

/// An error that stops the scoring of files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// A file can't be opened, read or written.
    #[error("{place}: {source}")]
    Io {
        /// The file, or the standard input or output.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// An input is not what its name or the `--input-format` says.
    #[error("{place}: {problem}")]
    Unreadable {
        /// The input.
        place: String,
        /// What is wrong with it, and what would do.
        problem: String,
    },
    /// A column that was asked for, or any that could be the text, is not there.
    #[error("{input} has no column {wanted}; its columns are: {}; choose with {option}", columns.join(", "))]
    NoColumn {
        /// The input.
        input: String,
        /// What was looked for.
        wanted: String,
        /// The columns there are.
        columns: Vec<String>,
        /// The option that chooses.
        option: &'static str,
    },
    /// The input has columns of the names that the scores would have.
    #[error("the input has columns of its own called {}; --prefix NAME puts NAME before the names of the columns with the scores", names.join(", "))]
    Clash {
        /// The names.
        names: Vec<String>,
    },
    /// The output is there already, and nothing says what to do with it.
    #[error("{} is there already; --resume continues it if it is incomplete, --overwrite replaces it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// What an earlier run has written does not belong to this input and these options.
    #[error(
        "{place}: {problem}; --resume needs the same input, options and model as the run it continues; --overwrite starts anew"
    )]
    Differs {
        /// The file that is to be continued.
        place: String,
        /// Where it differs.
        problem: String,
    },
    /// The GPU failed. Another, or a restart, will score what this one could not.
    #[error("the GPU failed: {0}; what is scored by now is kept, and --resume goes on from there")]
    Device(String),
    /// A combination that can't work.
    #[error("{0}")]
    Usage(String),
}

impl FilesError {
    /// For `map_err`: an I/O error of one place.
    pub(crate) fn io(place: &str) -> impl Fn(io::Error) -> Self + use<> {
        let place = place.to_owned();
        move |source| Self::Io { place: place.clone(), source }
    }

    /// Whether another word on the command line would have helped.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoColumn { .. } | Self::Clash { .. } | Self::Exists { .. } | Self::Usage(_))
    }

    /// Whether the reader of the standard output has gone, as `head` does when it has enough.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
