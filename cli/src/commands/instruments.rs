//! `tapewire instruments`: the list of instruments, as a file.

use crate::config::Config;
use crate::output::outln;
use anyhow::Context as _;
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;
use tapewire_ingest::instruments::{Listing, fetch_sec, to_csv};
use tapewire_runtime::Clock;

/// Gets the SEC's list of all tickers with their companies' names, and writes the file that the setting
/// sentiment.instruments names. Without such a file the list that is built in is used.
#[derive(Args)]
#[command(after_help = "Example:\n  tapewire instruments -o instruments.csv \
    --set \"instruments.sec_user_agent=Example Research admin@example.com\"\n  \
    tapewire run --set sentiment.instruments=instruments.csv\n\n\
    The file is replaced when the whole list is there. Roles read it when they start.")]
pub struct Instruments {
    /// Where the list goes
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl Instruments {
    pub async fn run(self, config: &Config) -> anyhow::Result<()> {
        let Listing { instruments, rejects } = fetch_sec(&config.instruments, Clock::wall()).await?;
        anyhow::ensure!(
            !instruments.is_empty(),
            "the SEC's list is empty; {} is left as it was",
            self.output.display()
        );
        let csv = to_csv(&instruments).context("can't make the file")?;
        let failed = || format!("can't write {}", self.output.display());
        let folder = self.output.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(".".as_ref())).with_context(failed)?;
        file.write_all(&csv).with_context(failed)?;
        file.persist(&self.output).with_context(failed)?;
        outln!("{}: {} instruments", self.output.display(), instruments.len())?;
        for reject in rejects.iter().take(5) {
            eprintln!("tapewire: left out: {}: {}", reject.reason, String::from_utf8_lossy(&reject.bytes));
        }
        if rejects.len() > 5 {
            eprintln!("tapewire: left out: {} rows", rejects.len());
        }
        Ok(())
    }
}
