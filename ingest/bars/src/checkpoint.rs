//! How far the trades of each source are complete, as text in the metadata of each commit.

use crate::partition::FoldRules;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tapewire_core::Run;

/// Kafka takes metadata of up to 4096 bytes (`offset.metadata.max.bytes`).
const MAX_BYTES: usize = 4_000;

/// After the first watermark that is known of a source, its trades may be incomplete for this long, in microseconds:
/// delayed sources are up to 15 minutes behind.
const UNKNOWN_FOR_MICROS: i64 = 20 * 60 * 1_000_000;

/// How far the trades of a source are complete, and where they are not. Times are microseconds since 1970 (UTC).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TradeCompleteness {
    /// The last watermark.
    pub watermark: Option<i64>,
    /// Start and end of each gap, the end excluded; sorted. No two overlap or touch.
    gaps: Vec<(i64, i64)>,
}

impl TradeCompleteness {
    /// Notes that trades are missing.
    pub fn add_gap(&mut self, mut from: i64, mut to: i64) {
        if from >= to {
            return;
        }
        self.gaps.retain(|&(other_from, other_to)| {
            let is_apart = other_to < from || to < other_from;
            if !is_apart {
                (from, to) = (from.min(other_from), to.max(other_to));
            }
            is_apart
        });
        self.gaps.push((from, to));
        self.gaps.sort_unstable();
    }

    /// Whether trades are missing in `from..to`.
    pub fn is_in_gap(&self, from: i64, to: i64) -> bool {
        self.gaps.iter().any(|&(gap_from, gap_to)| gap_from < to && from < gap_to)
    }

    /// Evicts the gaps that end by `before`: no bar that may still change overlaps them.
    pub fn evict_gaps(&mut self, before: i64) {
        self.gaps.retain(|&(_, to)| to > before);
    }

    /// Moves the watermark forward, never back, and returns it. If the source had neither a watermark nor a gap before,
    /// everything until [`UNKNOWN_FOR_MICROS`] after `at` becomes a gap, because it is not known where its trades begin.
    pub fn advance(&mut self, at: Timestamp) -> Timestamp {
        let micros = at.as_microsecond();
        if self.watermark.is_none() && self.gaps.is_empty() {
            self.add_gap(i64::MIN, micros.saturating_add(UNKNOWN_FOR_MICROS));
        }
        let furthest = self.watermark.map_or(micros, |before| before.max(micros));
        self.watermark = Some(furthest);
        Timestamp::from_microsecond(furthest).unwrap_or(at)
    }

    /// Trades before this time no longer change any bar.
    pub fn open_from(&self, rules: &FoldRules) -> i64 {
        rules.widths.open_from(self.watermark.unwrap_or(i64::MIN / 2), rules.lateness())
    }
}

/// What is known of one source and run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceState {
    pub run: Run,
    pub source: String,
    pub completeness: TradeCompleteness,
}

/// What the next owner of a partition needs.
///
/// ```json
/// {"rewind":120,"widths":[60],"lateness":300000000,"sources":[["live","coinbase",1719252000000000,[[1719251000000000,1719251100000000]]]]}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The first record to read: at or before the committed offset.
    pub rewind: u64,
    /// Widths of the bars, in seconds.
    widths: Vec<u32>,
    /// In microseconds.
    lateness: i64,
    /// Each source just before that record.
    sources: Vec<SourceEntry>,
}

/// Run, name, watermark and gaps of a source.
type SourceEntry = (String, String, Option<i64>, Vec<(i64, i64)>);

impl Checkpoint {
    pub fn new(rules: &FoldRules, rewind: u64, known: &[SourceState]) -> Self {
        let source = |SourceState { run, source, completeness }: &SourceState| {
            (run.as_str().to_owned(), source.clone(), completeness.watermark, completeness.gaps.clone())
        };
        let sources = known.iter().map(source).collect();
        Self { rewind, widths: rules.widths.seconds().to_vec(), lateness: rules.lateness(), sources }
    }

    /// `None` if the text is not a checkpoint, as after somebody moved the group's offsets by hand.
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The text, at most [`MAX_BYTES`] long. If it would be longer, all gaps of a source become one that spans them; if
    /// that is not enough, the last sources are left out, and their trades count as unknown.
    pub fn encode(mut self) -> String {
        loop {
            let text = serde_json::to_string(&self).expect("a checkpoint is strings and numbers");
            if text.len() <= MAX_BYTES {
                return text;
            }
            let longest = self.sources.iter_mut().map(|(_, _, _, gaps)| gaps).max_by_key(|gaps| gaps.len());
            match longest.filter(|gaps| gaps.len() > 1) {
                Some(gaps) => *gaps = vec![(gaps[0].0, gaps[gaps.len() - 1].1)],
                None => drop(self.sources.pop()),
            }
        }
    }

    /// What was known of each source. If the checkpoint was made with other rules than `rules`, trades that count by
    /// `rules` may be missing, and become a gap.
    pub fn source_states(self, rules: &FoldRules) -> Vec<SourceState> {
        let is_same = self.widths == rules.widths.seconds() && self.lateness == rules.lateness();
        let known = |(run, source, watermark, gaps): SourceEntry| {
            let mut completeness = TradeCompleteness { watermark, gaps: Vec::new() };
            gaps.into_iter().for_each(|(from, to)| completeness.add_gap(from, to));
            if !is_same && let Some(at) = watermark {
                completeness.add_gap(i64::MIN, at.saturating_add(UNKNOWN_FOR_MICROS));
            }
            SourceState { run: Run::named(&run), source, completeness }
        };
        self.sources.into_iter().map(known).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Widths;
    use jiff::SignedDuration;
    use std::sync::Arc;

    fn rules(width_s: u32) -> FoldRules {
        let lateness = SignedDuration::from_secs(300);
        FoldRules { widths: Widths::new(&[width_s]).unwrap(), calendars: Arc::default(), lateness }
    }

    #[test]
    fn gaps_that_touch_are_one_and_are_forgotten_when_no_bar_overlaps_them() {
        let mut completeness = TradeCompleteness::default();
        for (from, to) in [(30, 40), (10, 20), (20, 25), (35, 50), (60, 60)] {
            completeness.add_gap(from, to);
        }
        assert_eq!(completeness.gaps, [(10, 25), (30, 50)]);
        let in_gap = |from, to| completeness.is_in_gap(from, to);
        assert!(in_gap(24, 30) && in_gap(0, 11) && in_gap(49, 60));
        assert!(!in_gap(0, 10) && !in_gap(25, 30) && !in_gap(50, 60));
        completeness.evict_gaps(25);
        assert_eq!(completeness.gaps, [(30, 50)]);
    }

    #[test]
    fn a_checkpoint_survives_the_commit_and_always_fits() {
        let known = |source: &str, gaps: &[(i64, i64)]| SourceState {
            run: Run::live(),
            source: source.into(),
            completeness: TradeCompleteness { watermark: Some(1_719_252_000_000_000), gaps: gaps.to_vec() },
        };
        let some = [known("binance", &[(1, 2), (4, 9)]), known("finnhub", &[])];
        let text = Checkpoint::new(&rules(60), 120, &some).encode();
        assert_eq!(Checkpoint::decode(&text).unwrap().source_states(&rules(60)), some);
        assert_eq!(Checkpoint::decode(""), None);

        let gaps: Vec<(i64, i64)> = (0..400).map(|i| (i * 10, i * 10 + 5)).collect();
        let text = Checkpoint::new(&rules(60), 120, &[known("binance", &gaps)]).encode();
        assert_eq!(Checkpoint::decode(&text).unwrap().source_states(&rules(60)), [known("binance", &[(0, 3995)])]);
        let many: Vec<SourceState> = (0..200).map(|i| known(&format!("source_{i}"), &[])).collect();
        let text = Checkpoint::new(&rules(60), 120, &many).encode();
        let kept = Checkpoint::decode(&text).unwrap().source_states(&rules(60));
        assert!(text.len() <= MAX_BYTES && kept.len() > 50 && many.starts_with(&kept));
    }

    #[test]
    fn what_was_made_by_other_rules_is_unknown_for_a_while() {
        let completeness = TradeCompleteness { watermark: Some(1_000_000), gaps: Vec::new() };
        let known = SourceState { run: Run::live(), source: "x".into(), completeness };
        let text = Checkpoint::new(&rules(60), 7, &[known]).encode();
        let other = Checkpoint::decode(&text).unwrap().source_states(&rules(300));
        assert!(
            other[0].completeness.is_in_gap(0, 1)
                && !other[0].completeness.is_in_gap(1_000_000 + UNKNOWN_FOR_MICROS, i64::MAX)
        );
    }
}
