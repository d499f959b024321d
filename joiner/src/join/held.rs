//! What is kept of a mention's evaluation until the next one: a third of an [`Evaluation`], which has the whole row.

use super::evaluation::{Entry, Evaluation, Reached, Traces, UsualVolume};
use super::tape::BarRef;
use super::time::EventTime;
use tapewire_core::Horizon;
use tapewire_core::impact::{PerHorizon, Status};

/// Number of horizons in minutes.
const MINUTES: usize = Horizon::MINUTES.len();

/// When a mention is evaluated again, which bars can change its row, and what the next evaluation takes over.
#[derive(Debug)]
pub(super) struct HeldEvaluation {
    /// The version of the row.
    pub version: u64,
    /// [`Evaluation::complete_until`].
    pub complete_until: EventTime,
    /// [`Evaluation::covered_until`]; [`EventTime::MAX`] without one.
    pub covered_until: EventTime,
    /// The end of the bar that `price_before` is from; [`EventTime::MIN`] without one.
    pub price_before_at: EventTime,
    /// [`Evaluation::next_timer`]; [`EventTime::MAX`], which the tape never reaches, without one.
    next_timer: EventTime,
    pub status: Status,
    /// Whether there is a return at the next open.
    pub has_next_open: bool,
    /// In a box, because mentions without an entry have none: those without a company, or of the night.
    entry: Option<Box<HeldEntry>>,
}

/// The entry of a mention, and what was measured from it.
#[derive(Debug)]
pub(super) struct HeldEntry {
    pub bar: BarRef,
    price: f64,
    /// [`Evaluation::usual`].
    pub usual: UsualVolume,
    /// What the horizons in minutes that the tape had reached note.
    traces: Traces,
    returns: [f64; MINUTES],
    abnormal: [f64; MINUTES],
    pub width_s: u32,
    /// Number of horizons in minutes that the tape had reached.
    reached: u8,
    /// Bit `i`: there is a return at horizon `i`.
    has_return: u8,
    /// Bit `i`: there is an abnormal return at horizon `i`.
    has_abnormal: u8,
}

impl HeldEvaluation {
    /// What is kept of an evaluation whose row has this version. `last` is what was kept of the one before.
    pub fn new(version: u64, evaluation: &Evaluation, last: Option<Self>) -> Self {
        let entry = HeldEntry::new(evaluation).map(|entry| match last.and_then(|last| last.entry) {
            Some(mut known) => {
                *known = entry;
                known
            }
            None => Box::new(entry),
        });
        Self {
            version,
            complete_until: evaluation.complete_until,
            covered_until: evaluation.covered_until.unwrap_or(EventTime::MAX),
            price_before_at: evaluation.price_before.map_or(EventTime::MIN, |(_, at)| at),
            next_timer: evaluation.next_timer.unwrap_or(EventTime::MAX),
            status: evaluation.status,
            has_next_open: evaluation.returns[Horizon::NextOpen as usize].is_some(),
            entry,
        }
    }

    pub fn entry(&self) -> Option<&HeldEntry> {
        self.entry.as_deref()
    }

    /// [`Evaluation::next_timer`].
    pub fn next_timer(&self) -> Option<EventTime> {
        (self.next_timer != EventTime::MAX).then_some(self.next_timer)
    }
}

/// The values of the horizons in minutes, and which of them there are.
fn pack(values: &PerHorizon) -> ([f64; MINUTES], u8) {
    const { assert!(MINUTES <= 8, "a bit for each of them") };
    let is_known = (0..MINUTES).fold(0, |known, i| known | u8::from(values[i].is_some()) << i);
    (std::array::from_fn(|i| values[i].unwrap_or_default()), is_known)
}

impl HeldEntry {
    /// `None` if the evaluation has no entry.
    fn new(evaluation: &Evaluation) -> Option<Self> {
        let ((price, bar), width_s) = evaluation.entry.zip(evaluation.bar_width_s)?;
        let Reached { horizons, traces } = evaluation.reached;
        let (returns, has_return) = pack(&evaluation.returns);
        let (abnormal, has_abnormal) = pack(&evaluation.abnormal);
        let reached = u8::try_from(horizons).expect("there are a few horizons in minutes");
        let usual = evaluation.usual;
        Some(Self { bar, price, usual, traces, returns, abnormal, width_s, reached, has_return, has_abnormal })
    }

    /// Whether an entry has the start, width and price of this one; its bar may have become another record.
    pub fn has_start_and_price(&self, entry: &Entry<'_>) -> bool {
        (self.width_s, self.bar.start, self.price.to_bits()) == (entry.width_s, entry.bar.start, entry.price.to_bits())
    }

    /// Whether an entry is this one, so that the horizons that were measured from this one are its horizons.
    pub fn is(&self, entry: &Entry<'_>) -> bool {
        self.has_start_and_price(entry) && self.bar == entry.bar
    }

    /// Sets the horizons that the tape had reached.
    pub fn set_reached(&self, out: &mut Evaluation) {
        let horizons = usize::from(self.reached);
        out.reached = Reached { horizons, traces: self.traces };
        for i in 0..horizons {
            let value = |values: &[f64; MINUTES], known: u8| (known >> i & 1 == 1).then_some(values[i]);
            out.returns[i] = value(&self.returns, self.has_return);
            out.abnormal[i] = value(&self.abnormal, self.has_abnormal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_core::impact::Phase;

    fn evaluation() -> Evaluation {
        let [start, end] = [0, 60_000_000].map(EventTime::from_micros);
        // Whatever the values are, their bits come back.
        let returns = [Some(0.0), None, Some(-0.0), Some(f64::NAN), Some(0.4), Some(0.5), None, None];
        let abnormal = [None, None, Some(f64::NEG_INFINITY), Some(1e-310), Some(0.9), None, None, None];
        let traces = Traces { bars_end: 7, near_horizons: 3, stale: true };
        Evaluation {
            status: Status::Open,
            bar_width_s: Some(60),
            entry: Some((100.0, BarRef { start, end, offset: 6 })),
            returns,
            abnormal,
            reached: Reached { horizons: 4, traces },
            covered_until: Some(end),
            next_timer: Some(end),
            ..Evaluation::pending(Phase::Session)
        }
    }

    fn bits(values: &PerHorizon) -> Vec<Option<u64>> {
        values.iter().map(|value| value.map(f64::to_bits)).collect()
    }

    #[test]
    fn the_horizons_that_were_reached_come_back_bit_by_bit() {
        let made = evaluation();
        let held = HeldEvaluation::new(5, &made, None);
        let mut next = Evaluation::pending(Phase::Session);
        held.entry().unwrap().set_reached(&mut next);
        assert_eq!(next.reached, made.reached);
        for (found, made) in [(next.returns, made.returns), (next.abnormal, made.abnormal)] {
            assert_eq!(bits(&found)[..4], bits(&made)[..4]);
            assert_eq!(found[4..], [None; Horizon::COUNT - 4], "not reached");
        }
    }

    #[test]
    fn an_evaluation_without_an_entry_replaces_one_with_an_entry_and_back() {
        let with = HeldEvaluation::new(5, &evaluation(), None);
        assert_eq!((with.next_timer(), with.has_next_open), (evaluation().next_timer, false));
        let without = HeldEvaluation::new(6, &Evaluation::pending(Phase::Session), Some(with));
        assert!(without.entry().is_none() && without.next_timer().is_none());
        let with = HeldEvaluation::new(7, &evaluation(), Some(without));
        let again = HeldEvaluation::new(8, &evaluation(), Some(with));
        assert_eq!((again.version, again.entry().unwrap().bar.offset), (8, 6));
    }
}
