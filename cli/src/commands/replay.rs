//! `tapewire replay`: recorded news and bars through the same pipeline.

mod flags;

use crate::config::Config;
use crate::report;
use crate::roles::{self, Role};
use anyhow::Context as _;
pub use flags::Replay;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use tapewire_bus::Producer;
use tapewire_core::{Run, Symbol};
use tapewire_ingest::IngestError;
use tapewire_ingest::replay::{self, Prepared, ReplayOptions, ReplayProgress, Stage, Summary};
use tapewire_runtime::{Clock, Readiness, Shutdown};

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
        let working = shutdown.child_token();
        let roles = if self.send_only {
            None
        } else {
            let (config, working) = (config.clone(), working.clone());
            let roles = [Role::Sentiment, Role::Join];
            Some(tokio::spawn(async move {
                roles::run(&roles, &config, Clock::wall(), Readiness::default(), working).await
            }))
        };
        let sent = send_and_wait(&config, prepared, &working).await;
        working.cancel();
        if let Some(roles) = roles {
            // The error of a role is the cause; that of the wait it interrupted is not.
            roles.await.context("a role panicked")??;
        }
        report::print(&config, &sent?).await
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

async fn send_and_wait(config: &Config, prepared: Prepared, shutdown: &Shutdown) -> anyhow::Result<Run> {
    let producer = Producer::new(&config.kafka)?;
    let bar = progress_bar();
    let sending = prepared.send(producer, Clock::wall(), |progress| show(&bar, progress));
    let sent = match shutdown.run_until_cancelled(sending).await {
        Some(sent) => sent?,
        None => anyhow::bail!(
            "interrupted while sending; run the same command again: records that were sent already are replaced by the same"
        ),
    };
    report::wait_until_drained(config, shutdown, |backlog| bar.set_message(format!("left to do: {backlog}"))).await?;
    bar.finish_and_clear();
    println!("{}", account(&sent));
    Ok(sent.run)
}

/// What was sent, and what was not.
fn account(sent: &Summary) -> String {
    let mut account = format!(
        "sent {} articles ({} mentions) and {} bars; {} rows could not be read",
        sent.articles, sent.mentions, sent.bars, sent.unreadable
    );
    let others = [
        (sent.in_part, "kept without a part that could not be read"),
        (sent.repeated, "repeated another"),
        (sent.replaced, "were replaced by a later row of the same bar"),
    ];
    for (rows, what) in others.into_iter().filter(|(rows, _)| *rows > 0) {
        account.push_str(&format!("; {rows} {what}"));
    }
    account
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
