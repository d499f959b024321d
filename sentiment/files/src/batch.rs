//! Rows to be scored together, read while the ones before are computed.

use super::FilesError;
use super::input::{Input, guarded};
use super::row::Item;
use std::sync::mpsc::{Receiver, RecvError, RecvTimeoutError, sync_channel};
use std::time::Duration;
use tapewire_sentiment::engine;

/// A batch is closed at so many bytes, whatever its tokens: columns beside the text may be long.
const BYTES: usize = 8 << 20;

/// A longer text is refused: its tokens take a hundred times its bytes while windows are cut of them.
const LONGEST_TEXT: usize = 1 << 20;

/// How often somebody who waits for rows looks whether to go on.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(crate) struct Batch {
    pub items: Vec<Item>,
    /// How far the inputs are read behind it; see [`Input::position`].
    pub position: u64,
    tokens: usize,
    bytes: usize,
}

/// Batches that a thread reads ahead: one waits here while another is computed.
pub(crate) struct Batches(Receiver<Result<Batch, FilesError>>);

impl Batches {
    /// Batches of about so many tokens.
    pub fn of(inputs: Vec<(String, Box<dyn Input>)>, tokens: usize) -> Self {
        // Without room in the channel the thread has one batch in hand and reads no further.
        let (send, receive) = sync_channel(0);
        std::thread::spawn(move || {
            let mut done = 0;
            for (place, mut input) in inputs {
                loop {
                    let batch = guarded(&place, || read(&mut *input, tokens, done));
                    if batch.as_ref().is_ok_and(|batch| batch.items.is_empty()) {
                        break;
                    }
                    let failed = batch.is_err();
                    // Nobody receives any more if the run has ended by itself.
                    if send.send(batch).is_err() || failed {
                        return;
                    }
                }
                done += input.position();
            }
        });
        Self(receive)
    }

    /// The next batch, or [`Next::Stopped`] as soon as `stop` says so.
    pub fn next(&self, stop: &impl Fn() -> bool) -> Result<Next, FilesError> {
        match wait(&self.0, stop) {
            None => Ok(Next::Stopped),
            Some(Ok(batch)) => batch.map(Next::Batch),
            Some(Err(RecvError)) => Ok(Next::End),
        }
    }
}

/// What the other thread sends, or `None` as soon as `stop` says so: it may wait for a pipe that is silent.
pub(crate) fn wait<T>(receiver: &Receiver<T>, stop: &impl Fn() -> bool) -> Option<Result<T, RecvError>> {
    loop {
        if stop() {
            return None;
        }
        match receiver.recv_timeout(LOOK) {
            Ok(sent) => return Some(Ok(sent)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Some(Err(RecvError)),
        }
    }
}

/// What comes next.
pub(crate) enum Next {
    Batch(Batch),
    End,
    Stopped,
}

/// Reads until the batch is full, or the next row would have to be waited for; empty at the end.
fn read(input: &mut dyn Input, tokens: usize, done: u64) -> Result<Batch, FilesError> {
    let mut batch = Batch::default();
    while batch.tokens < tokens && batch.bytes < BYTES {
        let Some(mut item) = input.next()? else { break };
        refuse_long(&mut item);
        let (tokens, bytes) = weight(&item);
        batch.tokens += tokens;
        batch.bytes += bytes;
        batch.items.push(item);
        if !input.at_hand() {
            break;
        }
    }
    batch.position = done + input.position();
    Ok(batch)
}

fn refuse_long(item: &mut Item) {
    if let Item::Row(row) = item
        && row.text.as_ref().is_ok_and(|text| text.len() > LONGEST_TEXT)
    {
        row.text = Err(format!("the text is longer than {} MiB", LONGEST_TEXT >> 20));
    }
}

/// About how many tokens a row comes to, and its bytes.
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
