//! The flags that choose what is studied.

use crate::exit::UsageError;
use clap::{Args, ValueEnum};
use jiff::civil::Date;
use tapewire_core::impact::Phase;
use tapewire_core::{Horizon, Symbol};
use tapewire_ingest::replay::values::ticker::ticker;
use tapewire_study::filters::{PossibleSplits, ScoreQuantiles, SplitBy};
use tapewire_study::row::LABELS;
use tapewire_study::{Filters, Novelty, ScoreAs, Settings};

/// What is studied.
#[derive(Args)]
#[command(next_help_heading = "Which events")]
pub struct Choices {
    /// Companies, with commas between
    #[arg(long, value_name = "SYMBOL,...", value_delimiter = ',', value_parser = ticker)]
    symbols: Vec<Symbol>,
    /// First day (UTC) of news, such as 2024-07-01
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: Option<Date>,
    /// Last day (UTC) of news
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: Option<Date>,
    /// Classes: positive, neutral, negative
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',', value_parser = label)]
    label: Vec<&'static str>,
    /// Quantiles of the scores: top, bottom or outer fifths, or K/N, such as 10/10 for the highest tenth
    #[arg(long, value_name = "QUANTILE", value_parser = quantiles)]
    score_quantile: Option<ScoreQuantiles>,
    /// Least relevance of the article to the company, 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = share)]
    minimum_relevance: Option<f64>,
    /// Which of the mentions that tell one story are events [default: first]
    #[arg(long, value_name = "WHICH")]
    novelty: Option<Stories>,
    /// Outcomes across what may be an unknown split (flag_possible_split), and with --days such days [default: leave-out]
    #[arg(long, value_name = "WHAT")]
    possible_splits: Option<Splits>,
    /// Providers
    #[arg(long, value_name = "PROVIDER,...", value_delimiter = ',')]
    source: Vec<String>,
    /// Publishers
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    publisher: Vec<String>,
    /// When news became available: pre (before the open), regular, break (the session's lunch break), post (after
    /// the close), closed (weekend, holiday)
    #[arg(long, value_name = "PHASE,...", value_delimiter = ',', value_parser = phase)]
    session: Vec<Phase>,
    /// Horizons, such as 5m,60m,close [default: all]
    #[arg(long, value_name = "HORIZON,...", value_delimiter = ',', value_parser = horizon)]
    horizons: Vec<Horizon>,
    /// The same table for each part of the events; all tests are counted
    #[arg(long, value_name = "WHAT")]
    split_by: Option<Split>,
    /// What is correlated with returns [default: raw]
    #[arg(long, value_name = "KIND")]
    score: Option<Scores>,
    /// Days after the entry, 1 to 20: cumulative abnormal returns from close to close, with the tests of event studies
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=20))]
    days: Option<u8>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Stories {
    /// All but those that repeat a story of the 72 hours before
    First,
    /// All
    All,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Splits {
    /// They do not count; the study says how many there are
    LeaveOut,
    /// They count
    Keep,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Scores {
    /// The score
    Raw,
    /// The score less the company's mean, over its standard deviation
    Zscore,
    /// Which fifth of all scores the score is in
    Quantile,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Split {
    /// When in the trading day the news became available
    Session,
    /// First mentions of a story, and repeated ones
    Novelty,
    /// Provider
    Source,
    /// Publisher
    Publisher,
    /// Class
    Label,
    /// Company
    Symbol,
    /// Fifth of the scores
    Quantile,
    /// Month (UTC)
    Month,
}

impl Choices {
    /// The number of days after the entry; 0: none.
    pub fn days(&self) -> usize {
        self.days.map_or(0, usize::from)
    }

    /// Whether outcomes across what may be an unknown split count.
    fn possible_splits(&self) -> PossibleSplits {
        match self.possible_splits {
            Some(Splits::Keep) => PossibleSplits::Keep,
            Some(Splits::LeaveOut) | None => PossibleSplits::LeaveOut,
        }
    }

    /// The settings with these choices.
    ///
    /// # Errors
    /// [`UsageError`] if two flags contradict each other.
    pub fn settings(&self, settings: Settings) -> Result<Settings, UsageError> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to < from
        {
            return Err(UsageError(format!("--to {to} is before --from {from}")));
        }
        let split_by = self.split_by.map(|by| match by {
            Split::Session => SplitBy::Session,
            Split::Novelty => SplitBy::Novelty,
            Split::Source => SplitBy::Source,
            Split::Publisher => SplitBy::Publisher,
            Split::Label => SplitBy::Label,
            Split::Symbol => SplitBy::Symbol,
            Split::Quantile => SplitBy::Quantile,
            Split::Month => SplitBy::Month,
        });
        if split_by == Some(SplitBy::Novelty) && matches!(self.novelty, Some(Stories::First)) {
            return Err(UsageError("--split-by novelty needs all mentions; leave --novelty first out".into()));
        }
        let filters = Filters {
            symbols: self.symbols.clone(),
            from: self.from,
            to: self.to,
            sources: self.source.clone(),
            publishers: self.publisher.clone(),
            phases: self.session.clone(),
            labels: self.label.clone(),
            minimum_relevance: self.minimum_relevance,
            novelty: match self.novelty {
                Some(Stories::All) => Novelty::All,
                Some(Stories::First) | None => Novelty::First,
            },
            possible_splits: self.possible_splits(),
            score_quantiles: self.score_quantile.clone(),
        };
        let score = match self.score {
            Some(Scores::Zscore) => ScoreAs::ZScore,
            Some(Scores::Quantile) => ScoreAs::Quantile,
            Some(Scores::Raw) | None => ScoreAs::Raw,
        };
        let asked = |horizon: &Horizon| self.horizons.is_empty() || self.horizons.contains(horizon);
        let horizons = Horizon::ALL.into_iter().filter(asked).collect();
        Ok(Settings { filters, score, split_by, horizons, days: self.days(), ..settings })
    }
}

fn day(text: &str) -> Result<Date, String> {
    // jiff also parses a day with a time, and ignores the time.
    let day = text.parse().ok().filter(|_| !text.contains(['T', 't', ' ', ':']));
    day.ok_or_else(|| "write a day (UTC), such as 2024-07-01".to_owned())
}

fn label(text: &str) -> Result<&'static str, String> {
    let known = LABELS.into_iter().find(|label| *label == text);
    known.ok_or_else(|| format!("choose one of {}", LABELS.join(", ")))
}

fn phase(text: &str) -> Result<Phase, String> {
    let all = [Phase::PreMarket, Phase::Session, Phase::Break, Phase::AfterHours, Phase::Closed];
    let known = all.into_iter().find(|&phase| tapewire_study::filters::session_name(phase) == text);
    known.ok_or_else(|| "choose one of pre, regular, break, post, closed".to_owned())
}

fn horizon(text: &str) -> Result<Horizon, String> {
    let known = Horizon::ALL.into_iter().find(|horizon| horizon.name() == text);
    known.ok_or_else(|| format!("choose one of {}", Horizon::ALL.map(Horizon::name).join(", ")))
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a number from 0 to 1".to_owned())
}

fn quantiles(text: &str) -> Result<ScoreQuantiles, String> {
    let kept = match text {
        "top" => vec![5],
        "bottom" => vec![1],
        "outer" => vec![1, 5],
        _ => {
            let pair = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
            let pair = pair.filter(|&(k, n): &(usize, usize)| (2..=100).contains(&n) && (1..=n).contains(&k));
            let (k, n) = pair.ok_or("write top, bottom, outer, or K/N with N from 2 to 100, the lowest being 1/N")?;
            return Ok(ScoreQuantiles { of: n, kept: vec![k] });
        }
    };
    Ok(ScoreQuantiles { of: 5, kept })
}
