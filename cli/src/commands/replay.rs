//! `tapewire replay`: recorded news and bars through the same pipeline.

mod flags;

use crate::config::Config;
use crate::roles::{self, Role};
use crate::{account, ending, preflight, report};
use anyhow::Context as _;
pub use flags::Replay;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use tapewire_bus::Producer;
use tapewire_core::Symbol;
use tapewire_ingest::IngestError;
use tapewire_ingest::replay::{self, Prepared, ReplayOptions, ReplayProgress, Stage, Summary};
use tapewire_runtime::{Clock, Readiness, Shutdown};
use tapewire_sentiment::Queue;

impl Replay {
    pub async fn run(self, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let options = self.options(&config)?;
        // Files are read, and refused, before anything connects or starts.
        let prepared = self.prepare(options.clone(), &shutdown).await?;
        for note in prepared.notes() {
            println!("{note}");
        }
        // No bar has a symbol like this.
        let none = || Symbol::new("_NONE").expect("it has the characters of a ticker");
        config.join.benchmark = options.benchmark.clone().unwrap_or_else(none);
        let checked = async {
            preflight::servers(&config, true).await?;
            if self.send_only { Ok(None) } else { roles::prepare(&[Role::Sentiment, Role::Join], &config).await }
        };
        let queue = shutdown.run_until_cancelled(checked).await.context("interrupted before anything was sent")??;
        let working = shutdown.child_token();
        let roles = (!self.send_only).then(|| {
            let (config, queue, working) = (config.clone(), queue.clone(), working.clone());
            let roles = [Role::Sentiment, Role::Join];
            tokio::spawn(async move {
                roles::run(&roles, &config, queue, Clock::wall(), Readiness::default(), working).await
            })
        });
        // A role that fails cancels `working`, and is the cause of the error here.
        let sent = send_and_wait(&config, queue.as_ref(), prepared, &working).await.inspect_err(ending::because);
        working.cancel();
        if let Some(roles) = roles {
            roles.await.context("a role panicked")??;
        }
        let sent = sent?;
        report::print(&config, &sent.run).await?;
        account::check(&config, &sent).await
    }

    /// Reads the files on a thread of their own, which a signal stops.
    async fn prepare(&self, options: ReplayOptions, shutdown: &Shutdown) -> anyhow::Result<Prepared> {
        let inputs = self.inputs();
        let (bar, stop) = (progress_bar(), shutdown.clone());
        let shown = bar.clone();
        let reading = tokio::task::spawn_blocking(move || {
            replay::prepare(&inputs, &options, |progress| {
                show(&shown, progress);
                if stop.is_cancelled() { Err(IngestError::Stopped) } else { Ok(()) }
            })
        });
        let prepared = reading.await.context("the files could not be read")?;
        bar.finish_and_clear();
        match prepared {
            Err(IngestError::Stopped) => anyhow::bail!("interrupted while reading the files; nothing was sent"),
            prepared => Ok(prepared?),
        }
    }
}

async fn send_and_wait(
    config: &Config,
    queue: Option<&Queue>,
    prepared: Prepared,
    shutdown: &Shutdown,
) -> anyhow::Result<Summary> {
    let producer = Producer::new(&config.kafka)?;
    let bar = progress_bar();
    let sending = prepared.send(producer, Clock::wall(), |progress| show(&bar, progress));
    let sent = match shutdown.run_until_cancelled(sending).await {
        Some(sent) => sent?,
        None => anyhow::bail!(
            "interrupted while sending; run the same command again: records that were sent already are replaced by the same"
        ),
    };
    let say = |backlog| bar.set_message(format!("left to do: {backlog}"));
    report::wait_until_drained(config, queue, shutdown, say).await?;
    bar.finish_and_clear();
    println!("{}", in_words(&sent));
    Ok(sent)
}

/// What was sent, and what was not.
fn in_words(sent: &Summary) -> String {
    let mut words = format!(
        "sent {} articles ({} mentions) and {} bars; {} rows could not be read",
        sent.articles, sent.mentions, sent.bars, sent.unreadable
    );
    let others = [
        (sent.in_part, "kept without a part that could not be read"),
        (sent.repeated, "repeated another"),
        (sent.replaced, "were replaced by a later row of the same bar"),
    ];
    for (rows, what) in others.into_iter().filter(|(rows, _)| *rows > 0) {
        words.push_str(&format!("; {rows} {what}"));
    }
    words
}

fn show(bar: &ProgressBar, progress: ReplayProgress) {
    let ReplayProgress { stage, done, total } = progress;
    bar.set_message(match stage {
        Stage::Reading => format!("read {} of {} KiB", done / 1024, total / 1024),
        Stage::Sending => format!("sent {done} of {total} records"),
    });
}

/// A line of progress on a terminal; nothing in a pipe.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("the template is valid"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
