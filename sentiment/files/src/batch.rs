//! Batches of rows. A thread reads the next batch while the previous one is scored.

use super::FilesError;
use super::input::{RowReader, catch_panic};
use super::row::Item;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, sync_channel};
use std::time::Duration;
use tapewire_sentiment::engine;

/// Largest size of a batch in bytes, whatever its tokens: other columns may be long.
const MAX_BYTES: usize = 8 << 20;

/// Longest text that is scored. While a text is split into windows, its tokens take about a hundred times its size in
/// memory.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Interval at which a thread that waits for rows checks whether to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(crate) struct Batch {
    pub items: Vec<Item>,
    /// Position in the inputs after this batch; see [`RowReader::position`].
    pub position: u64,
    tokens: usize,
    bytes: usize,
}

/// The receiving end of the thread that reads batches.
pub(crate) struct Batches(Receiver<Result<Batch, FilesError>>);

impl Batches {
    /// Batches of approximately `tokens` tokens.
    pub fn of(inputs: Vec<(String, Box<dyn RowReader>)>, tokens: usize) -> Self {
        // The channel has no buffer, so the thread holds one batch and reads no further.
        let (send, receive) = sync_channel(0);
        std::thread::spawn(move || {
            let mut done = 0;
            for (place, mut input) in inputs {
                loop {
                    let mut batch = Batch::default();
                    let read = catch_panic(&place, || read(&mut *input, &mut batch, tokens, done));
                    // Rows that were read before an error are still scored. Sending fails if the job has ended.
                    let is_empty = batch.items.is_empty();
                    if !is_empty && send.send(Ok(batch)).is_err() {
                        return;
                    }
                    if let Err(error) = read {
                        let _ = send.send(Err(error));
                        return;
                    }
                    if is_empty {
                        break;
                    }
                }
                done += input.position();
            }
        });
        Self(receive)
    }

    /// The next batch, or [`Next::Stopped`] as soon as `stop` returns true.
    pub fn next(&self, stop: &impl Fn() -> bool) -> Result<Next, FilesError> {
        match wait(&self.0, stop) {
            None => Ok(Next::Stopped),
            Some(Ok(batch)) => batch.map(Next::Batch),
            Some(Err(RecvError)) => Ok(Next::End),
        }
    }
}

/// The next message from `receiver`, or `None` as soon as `stop` returns true: the sender may be waiting for a pipe.
pub(crate) fn wait<T>(receiver: &Receiver<T>, stop: &impl Fn() -> bool) -> Option<Result<T, RecvError>> {
    loop {
        if stop() {
            return None;
        }
        match receiver.recv_timeout(STOP_CHECK_INTERVAL) {
            Ok(sent) => return Some(Ok(sent)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Some(Err(RecvError)),
        }
    }
}

/// The next step of a job.
pub(crate) enum Next {
    Batch(Batch),
    End,
    Stopped,
}

/// Reads until the batch is full or the next row is not ready yet. The batch is empty at the end of the input.
fn read(input: &mut dyn RowReader, batch: &mut Batch, tokens: usize, done: u64) -> Result<(), FilesError> {
    while batch.tokens < tokens && batch.bytes < MAX_BYTES {
        let Some(mut item) = input.next()? else { break };
        refuse_long(&mut item);
        let (more, bytes) = weight(&item);
        batch.tokens += more;
        batch.bytes += bytes;
        batch.items.push(item);
        if !input.is_ready() {
            break;
        }
    }
    batch.position = done + input.position();
    Ok(())
}

fn refuse_long(item: &mut Item) {
    if let Item::Row(row) = item
        && row.text.as_ref().is_ok_and(|text| text.len() > MAX_TEXT_BYTES)
    {
        row.text = Err(format!("the text is longer than {} MiB", MAX_TEXT_BYTES >> 20));
    }
}

/// Approximate number of tokens of a row, and its size in bytes.
fn weight(item: &Item) -> (usize, usize) {
    match item {
        Item::Row(row) => {
            let text = row.text.as_deref().unwrap_or_default();
            let cells: usize = row.cells.iter().flatten().map(|value| value.get().len()).sum();
            (engine::Input::new(text, None).tokens(), text.len() + cells + row.raw.len())
        }
        Item::Unreadable(row) => (0, row.raw.len()),
    }
}
