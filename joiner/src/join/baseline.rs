//! What is computed from the sessions before an entry: the market model, and which of them have volumes that can be
//! compared with the entry's.

use super::actions::Holding;
use super::evaluation::Entry;
use super::market::{BenchmarkCloses, MarketModel, SessionSums, model};
use super::overnight::{Night, NightKind};
use super::tape::Bars;
use std::ops::Range;

/// What is computed once for one symbol: it depends on sessions whose bars can't be corrected once an entry is visible.
#[derive(Debug, Default)]
pub(super) struct Baselines {
    /// By entry session and bar width in seconds, sorted. Each symbol with a mention has such a list, mostly of one to
    /// three.
    of_entries: Vec<((usize, u32), Baseline)>,
    sums: SessionSums,
}

impl Baselines {
    fn place(&self, session: usize, width_s: u32) -> Result<usize, usize> {
        self.of_entries.binary_search_by_key(&(session, width_s), |(key, _)| *key)
    }

    /// The baseline of the entries of a session, from bars of a width in seconds.
    pub fn get(&self, session: usize, width_s: u32) -> Option<&Baseline> {
        self.place(session, width_s).ok().map(|place| &self.of_entries[place].1)
    }

    /// As [`Self::get`].
    pub fn get_mut(&mut self, session: usize, width_s: u32) -> Option<&mut Baseline> {
        self.place(session, width_s).ok().map(|place| &mut self.of_entries[place].1)
    }

    /// Computes the baseline of the entries of a session, unless it is known.
    pub fn ensure(&mut self, session: usize, width_s: u32, compute: impl FnOnce(&mut SessionSums) -> Baseline) {
        let Err(place) = self.place(session, width_s) else { return };
        let baseline = compute(&mut self.sums);
        if self.of_entries.is_empty() {
            self.of_entries.reserve_exact(1);
        }
        self.of_entries.insert(place, ((session, width_s), baseline));
    }

    /// Evicts the baselines of entries in sessions before `oldest_entry`, and what is kept of sessions before `oldest` to
    /// compute others. `true` if nothing is left.
    pub fn evict_before(&mut self, oldest_entry: usize, oldest: usize) -> bool {
        self.of_entries.retain(|((session, _), _)| *session >= oldest_entry);
        self.sums.evict_before(oldest);
        self.of_entries.is_empty() && self.sums.is_empty()
    }
}

/// The sessions before an entry's session. Their bars can no longer be corrected once an entry is visible, so this is
/// computed once for all mentions of a symbol in a session, however often each is evaluated.
#[derive(Debug)]
pub(super) struct Baseline {
    pub model: Option<MarketModel>,
    /// The sessions that have prices, the latest first.
    sessions: Vec<PricedSession>,
    has_nights: bool,
    /// What [`Baseline::scales`] gives unless the night before the entry looks like a split, for one generation of the
    /// actions.
    scales: Option<(u64, Vec<(usize, f64)>)>,
}

/// A session with its first and its last visible price.
#[derive(Debug, Clone, Copy)]
struct PricedSession {
    session: usize,
    first: f64,
    last: f64,
}

impl Baseline {
    /// The baseline of an entry from `sessions`, which are before the entry's. `benchmark` has the benchmark's bars of the entry's width. Where the
    /// market has no nights, prices do not jump by splits.
    pub fn new(
        entry: &Entry<'_>,
        benchmark: Option<&Bars>,
        benchmark_closes: &mut BenchmarkCloses,
        sums: &mut SessionSums,
        sessions: Range<usize>,
        has_nights: bool,
    ) -> Self {
        let visibility = entry.visibility;
        let priced = |session: usize| {
            let bars = entry.bars.in_session(session)?;
            let visible = |&i: &usize| bars.is_visible(i, visibility);
            let first = (0..bars.len()).find(visible)?;
            let last = (0..bars.len()).rev().filter(visible).find_map(|i| bars.close(i))?;
            Some(PricedSession { session, first: bars.open(first).or(bars.close(first))?, last })
        };
        let mut priced: Vec<PricedSession> = sessions.clone().rev().filter_map(priced).collect();
        priced.shrink_to_fit();
        Self {
            model: benchmark.and_then(|benchmark| {
                let before =
                    benchmark_closes.before(benchmark, sessions.end, entry.width_s, sessions.len(), visibility.as_of);
                model(entry.bars, before, entry.width_s, visibility.as_of, sums)
            }),
            sessions: priced,
            has_nights,
            scales: None,
        }
    }

    /// For each session before the entry's, the latest first: how many shares of the entry's session one of its shares
    /// became. Ends at a night that looks like an unknown split. `held` says what one share became between two
    /// sessions, by the actions of this generation.
    pub fn scales(
        &mut self,
        entry_session: usize,
        entry_price: f64,
        generation: u64,
        held: impl Fn(usize, usize) -> Holding,
    ) -> &[(usize, f64)] {
        let has_nights = self.has_nights;
        let is_split = |before: PricedSession, later: usize, first: f64| {
            has_nights && Night::new(held(before.session, later), before.last, first, None).kind == NightKind::Split
        };
        let Some(&latest) = self.sessions.first() else { return &[] };
        if is_split(latest, entry_session, entry_price) {
            return &[];
        }
        let (known, scales) = self.scales.get_or_insert_with(|| (u64::MAX, Vec::new()));
        if *known != generation {
            let nights = self.sessions.windows(2).take_while(|pair| !is_split(pair[1], pair[0].session, pair[0].first));
            let sessions = 1 + nights.count();
            let shares = |priced: &PricedSession| (priced.session, held(priced.session, entry_session).shares);
            *scales = self.sessions[..sessions].iter().map(shares).collect();
            *known = generation;
        }
        scales
    }
}
