//! `tapewire join`: files of news and bars to joined rows, without servers.

use super::reading::Reading;
use crate::batch::output::{self, Beside, Format};
use crate::batch::{self, Joined};
use crate::config::Config;
use clap::Args;
use std::path::PathBuf;
use tapewire_runtime::Shutdown;

/// Joins files of news and bars without servers: scores every article for every company it names, and writes what the
/// price did next. The rows are those that `tapewire replay` writes to the table `impact`.
#[derive(Args)]
#[command(after_help = "Examples:\n  tapewire join --news news.jsonl --bars bars.csv -o impact.parquet\n  \
    tapewire join --news news.csv --bars hourly.parquet --benchmark SPX --alias GOOG=GOOGL -o impact.csv\n  \
    tapewire join --news news.jsonl --bars bars.csv | jq 'select(.ret_60m != null) | [.symbol, .score, .ret_60m]'\n\n\
    Rows have the columns of the table impact except for version: one row for each article and company, joined or\n\
    with the reason why not. Times are in UTC, returns are logarithmic; null or an empty field means not known.\n\n\
    Scores are kept in OUTPUT.scores.jsonl, or in the file that --scores names, and are not computed again; a run that was\n\
    interrupted continues there. Rows of the files that can't be read are in OUTPUT.rejected.jsonl with the reasons. Bars are\n\
    in memory while they are joined.")]
pub struct Join {
    #[command(flatten)]
    reading: Reading,
    /// Where the rows go [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format of the rows [default: by the extension of --output, otherwise jsonl]
    #[arg(long)]
    format: Option<Format>,
    /// Where scores are kept [default: OUTPUT.scores.jsonl]
    #[arg(long, value_name = "FILE")]
    scores: Option<PathBuf>,
    /// Where rows of the files go that can't be read, with the reasons [default: OUTPUT.rejected.jsonl]
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Replace the output and the file of rejected rows if they exist
    #[arg(long)]
    overwrite: bool,
}

impl Join {
    pub async fn run(self, config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        let format = match (self.format, &self.output) {
            (Some(format), _) => format,
            (None, Some(path)) => Format::of(path)?,
            (None, None) => Format::Jsonl,
        };
        let beside = Beside::new(self.output.as_deref(), self.scores.as_ref(), self.rejected.as_ref());
        let outputs: Vec<_> = self.output.as_deref().into_iter().chain(beside.rejected.as_deref()).collect();
        output::check(&outputs, beside.scores.as_deref(), &self.reading.files(), self.overwrite)?;
        let scores = beside.scores.clone();
        let Joined { rows, rejected, .. } = batch::joined(&self.reading, config, scores, false, &[], &shutdown).await?;
        let Some(path) = &self.output else {
            beside.write_rejected(&rejected)?;
            let mut stdout = std::io::stdout().lock();
            return match output::write_rows(&rows, format, &mut stdout) {
                // The reader of the output has closed it.
                Err(error) if output::is_closed_pipe(&error) => Ok(()),
                written => written,
            };
        };
        output::write(path, |to| output::write_rows(&rows, format, to))?;
        beside.write_rejected(&rejected)?;
        let joined = rows.iter().filter(|row| row.entry_at.is_some()).count();
        eprintln!("{}: {} rows, {joined} of them with an entry", path.display(), rows.len());
        Ok(())
    }
}
