//! Results on the standard output. `println!` would panic where a reader such as `head` has closed it, or where it is a
//! file on a full disk.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Why a result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Nobody reads on, as after `| head -1`.
    #[error("the standard output is closed")]
    Closed,
    /// A full disk, for example.
    #[error("can't write to the standard output")]
    Failed(#[source] std::io::Error),
}

impl From<std::io::Error> for OutputError {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe { Self::Closed } else { Self::Failed(error) }
    }
}

/// Writes a text, as `print!` and `println!` do, but returns what went wrong.
macro_rules! out {
    ($($text:tt)*) => { $crate::output::text(format_args!($($text)*)) };
}

/// As [`out!`], with a line feed.
macro_rules! outln {
    () => { $crate::output::text(format_args!("\n")) };
    ($($text:tt)*) => { $crate::output::line(format_args!($($text)*)) };
}

pub(crate) use {out, outln};

/// Writes a text.
///
/// # Errors
/// [`OutputError`].
pub fn text(text: Arguments<'_>) -> Result<(), OutputError> {
    write_to(&mut std::io::stdout().lock(), |out| out.write_fmt(text))
}

/// Writes a text and a line feed.
///
/// # Errors
/// [`OutputError`].
pub fn line(line: Arguments<'_>) -> Result<(), OutputError> {
    text(format_args!("{line}\n"))
}

/// Writes bytes as they are.
///
/// # Errors
/// [`OutputError`].
pub fn bytes(bytes: &[u8]) -> Result<(), OutputError> {
    write_to(&mut std::io::stdout().lock(), |out| out.write_all(bytes))
}

fn write_to<W: Write>(out: &mut W, write: impl FnOnce(&mut W) -> std::io::Result<()>) -> Result<(), OutputError> {
    // Otherwise what is in the buffer at the end would fail unseen.
    Ok(write(out).and_then(|()| out.flush())?)
}
