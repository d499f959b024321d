//! The market model and the usual volume of a symbol, computed from the sessions before the entry's session.

use super::session::Close;
use super::tape::Bars;
use super::time::EventTime;
use std::collections::BTreeMap;
use tapewire_core::Bar;
use tapewire_core::exchange::Calendar;

/// Fewer pairs of returns give no market model.
const MINIMUM_PAIRS: usize = 30;
/// Fewer sessions with a bar at the time of day give no usual volume.
const MINIMUM_SESSIONS: usize = 5;

/// Market model (MacKinlay 1997): a symbol's log return over one bar is `alpha + beta` times the benchmark's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MarketModel {
    pub alpha: f64,
    pub beta: f64,
}

/// The sums of a regression over the pairs of returns of one session.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct RegressionSums {
    n: f64,
    mean_x: f64,
    mean_y: f64,
    /// Sums about the means.
    xx: f64,
    xy: f64,
}

impl RegressionSums {
    fn of(pairs: &[(f64, f64)]) -> Self {
        if pairs.is_empty() {
            return Self::default();
        }
        let n = pairs.len() as f64;
        let mean_x = pairs.iter().map(|(x, _)| x).sum::<f64>() / n;
        let mean_y = pairs.iter().map(|(_, y)| y).sum::<f64>() / n;
        let (mut xx, mut xy) = (0.0, 0.0);
        for (x, y) in pairs {
            xx += (x - mean_x) * (x - mean_x);
            xy += (x - mean_x) * (y - mean_y);
        }
        Self { n, mean_x, mean_y, xx, xy }
    }

    /// The sums of both together (Chan, Golub and LeVeque 1979).
    fn merge(self, other: Self) -> Self {
        if self.n == 0.0 || other.n == 0.0 {
            return if self.n == 0.0 { other } else { self };
        }
        let n = self.n + other.n;
        let (x, y) = (other.mean_x - self.mean_x, other.mean_y - self.mean_y);
        let weight = self.n * other.n / n;
        Self {
            n,
            mean_x: self.mean_x + x * other.n / n,
            mean_y: self.mean_y + y * other.n / n,
            xx: self.xx + other.xx + x * x * weight,
            xy: self.xy + other.xy + x * y * weight,
        }
    }
}

/// The sums of sessions of one symbol, by width in seconds and session, with the numbers of bars of symbol and benchmark
/// that they are from. Only sessions are kept that have no late bar, because then they are the same for every entry, and
/// that can't be corrected any more.
#[derive(Debug, Default)]
pub(super) struct SessionSums(
    /// Sorted.
    Vec<KeptSums>,
);

#[derive(Debug, Clone, Copy)]
struct KeptSums {
    /// Width in seconds, and session.
    key: (u32, usize),
    /// Numbers of bars of symbol and benchmark.
    counts: (usize, usize),
    sums: RegressionSums,
}

/// Sessions that are added before the first ones are evicted.
const SPARE_SESSIONS: usize = 4;

impl SessionSums {
    /// Evicts sessions before `oldest`.
    pub fn evict_before(&mut self, oldest: usize) {
        self.0.retain(|kept| kept.key.1 >= oldest);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The sums of a session, if they are from these numbers of bars.
    fn get(&self, key: (u32, usize), counts: (usize, usize)) -> Option<RegressionSums> {
        let place = self.0.binary_search_by_key(&key, |kept| kept.key).ok()?;
        Some(self.0[place]).filter(|kept| kept.counts == counts).map(|kept| kept.sums)
    }

    fn insert(&mut self, kept: KeptSums) {
        match self.0.binary_search_by_key(&kept.key, |known| known.key) {
            Ok(place) => self.0[place] = kept,
            Err(place) => self.0.insert(place, kept),
        }
    }
}

/// Ordinary least squares over the bars of the sessions that `benchmark` has. Only bars that were known when the entry's
/// session opened, at `as_of`, count.
///
/// A pair is the log return of symbol and benchmark from one close to the next within a session, where both have the
/// same two bars and the second starts where the first ends. `None` for fewer than [`MINIMUM_PAIRS`], or a
/// benchmark that never moved.
pub(super) fn model(
    symbol: &Bars,
    benchmark: &[BenchmarkSession],
    width_s: u32,
    as_of: EventTime,
    known: &mut SessionSums,
) -> Option<MarketModel> {
    let (mut own, mut pairs) = (Vec::new(), Vec::new());
    let mut all = RegressionSums::default();
    for BenchmarkSession { session, closes, is_on_time } in benchmark {
        let Some(bars) = symbol.in_session(*session) else { continue };
        let (key, counts) = ((width_s, *session), (bars.len(), closes.len()));
        let is_settled = *is_on_time && bars.are_on_time();
        let of_session = match known.get(key, counts).filter(|_| is_settled) {
            Some(sums) => sums,
            None => {
                own.clear();
                pairs.clear();
                bars.closes(as_of, &mut own);
                pair_returns(&own, closes, &mut pairs);
                let sums = RegressionSums::of(&pairs);
                if is_settled {
                    if known.is_empty() {
                        known.0.reserve_exact(benchmark.len() + SPARE_SESSIONS);
                    }
                    known.insert(KeptSums { key, counts, sums });
                }
                sums
            }
        };
        all = all.merge(of_session);
    }
    if all.n < MINIMUM_PAIRS as f64 || all.xx <= 0.0 {
        return None;
    }
    let beta = all.xy / all.xx;
    Some(MarketModel { alpha: all.mean_y - beta * all.mean_x, beta })
}

/// A close of the benchmark.
#[derive(Debug)]
pub(super) struct BenchmarkClose {
    bar: Close,
    /// Log return since the bar before, if both have a close.
    log_return: Option<f64>,
}

/// The benchmark's closes before the sessions that were entered last, which all symbols are compared with.
#[derive(Debug, Default)]
pub(super) struct BenchmarkCloses(BTreeMap<(usize, u32), Closes>);

/// The benchmark's closes in one session.
#[derive(Debug)]
pub(super) struct BenchmarkSession {
    session: usize,
    closes: Vec<BenchmarkClose>,
    /// Whether no bar of it came late.
    is_on_time: bool,
}

/// The benchmark's closes by session, ascending.
type Closes = Vec<BenchmarkSession>;

/// Closes are cached for this many pairs of session and width; mentions are of the newest sessions.
const MAX_CACHED_SESSIONS: usize = 8;

impl BenchmarkCloses {
    /// The closes of each of the `back` sessions before session `entry`, as far as they were known when that session
    /// opened, at `as_of`. Like a [`Baseline`](super::baseline::Baseline), they are looked up once an entry is visible.
    pub fn before(
        &mut self,
        benchmark: &Bars,
        entry: usize,
        width_s: u32,
        back: usize,
        as_of: EventTime,
    ) -> &[BenchmarkSession] {
        let key = (entry, width_s);
        if self.0.len() >= MAX_CACHED_SESSIONS && !self.0.contains_key(&key) {
            self.0.clear();
        }
        let in_session = |session| {
            let (mut bars, of_session) = (Vec::new(), benchmark.in_session(session)?);
            of_session.closes(as_of, &mut bars);
            let log_return = |i: usize| Some((bars[i].close? / bars[i.checked_sub(1)?].close?).ln());
            let close = |(i, &bar): (usize, &Close)| BenchmarkClose { bar, log_return: log_return(i) };
            let closes = bars.iter().enumerate().map(close).collect();
            Some(BenchmarkSession { session, closes, is_on_time: of_session.are_on_time() })
        };
        let closes = || (entry.saturating_sub(back)..entry).filter_map(in_session).collect();
        self.0.entry(key).or_insert_with(closes)
    }
}

/// Appends the benchmark's and the symbol's returns over the same bars of one session.
fn pair_returns(symbol: &[Close], benchmark: &[BenchmarkClose], pairs: &mut Vec<(f64, f64)>) {
    let mut next = 0;
    let mut last: Option<(EventTime, usize, (f64, f64))> = None;
    for own in symbol {
        next += benchmark[next..].iter().take_while(|other| other.bar.start < own.start).count();
        let Some(other) = benchmark.get(next).filter(|other| other.bar.start == own.start) else { continue };
        let at = next;
        next += 1;
        // If either has no close in this bar, no return ends or begins with this bar.
        let Some(closes) = own.close.zip(other.bar.close).filter(|_| own.end == other.bar.end) else {
            last = None;
            continue;
        };
        if let Some((_, before, (own_before, other_before))) = last.filter(|(end, ..)| *end == own.start) {
            let since_before = other.log_return.filter(|_| before + 1 == at);
            let log_return = since_before.unwrap_or_else(|| (closes.1 / other_before).ln());
            pairs.push((log_return, (closes.0 / own_before).ln()));
        }
        last = Some((own.end, at, closes));
    }
}

/// Mean volume of the bars at the entry bar's time of day over `sessions`, which are before session `entry`. Beside
/// each session is the number of today's shares that one of its shares became: its volume is multiplied by that.
/// Sessions without such a bar are left out; `None` if fewer than [`MINIMUM_SESSIONS`] are left, or nothing
/// was traded.
pub(super) fn usual_volume(
    symbol: &Bars,
    calendar: &Calendar,
    entry: usize,
    start: EventTime,
    sessions: &[(usize, f64)],
    as_of: EventTime,
) -> Option<f64> {
    let is_round_the_clock = calendar.market().is_round_the_clock();
    let beginning = |session: usize| {
        let open = EventTime::from(calendar.sessions().get(session)?.open);
        // Monday's session of currencies opens on Sunday evening; times of day count from midnight.
        Some(if is_round_the_clock { midnight_near(open) } else { open })
    };
    let time_of_day = start - beginning(entry)?;
    let volumes: Vec<f64> = sessions
        .iter()
        .filter_map(|&(session, shares)| {
            let (bars, start) = (symbol.in_session(session)?, beginning(session)? + time_of_day);
            let mut alike = bars.starting_before(start)..bars.len();
            let found = alike.find(|&i| bars.has_open(i)).filter(|&i| bars.start(i) == start)?;
            (bars.visible_from(found) <= as_of).then(|| bars.volume(found) * shares)
        })
        .collect();
    let mean = volumes.iter().sum::<f64>() / volumes.len() as f64;
    (volumes.len() >= MINIMUM_SESSIONS && mean > 0.0).then_some(mean)
}

/// The midnight (UTC) that is nearest.
fn midnight_near(at: EventTime) -> EventTime {
    let day = i64::from(Bar::DAY_S) * 1_000_000;
    EventTime::from_micros((at.as_micros() + day / 2).div_euclid(day) * day)
}

#[cfg(test)]
mod tests {
    use super::super::tape::HeldBar;
    use super::*;

    const AS_OF: EventTime = EventTime::from_micros(0);

    fn model(symbol: &Bars, benchmark: &Bars, entry: usize, back: usize, as_of: EventTime) -> Option<MarketModel> {
        let mut benchmark_closes = BenchmarkCloses::default();
        let sessions = benchmark_closes.before(benchmark, entry, 60, back, as_of);
        let mut known = SessionSums::default();
        let first = super::model(symbol, sessions, 60, as_of, &mut known);
        assert_eq!(super::model(symbol, sessions, 60, as_of, &mut known), first, "from sums that are kept");
        first
    }

    fn bars(sessions: usize, close: impl Fn(usize, i64) -> Option<f64>) -> Bars {
        let mut bars = Bars::default();
        for session in 0..sessions {
            for minute in 0..20 {
                let Some(close) = close(session, minute) else { continue };
                let start = session as i64 * 10_000 + minute;
                let bar = HeldBar {
                    start: EventTime::from_micros(start),
                    end: EventTime::from_micros(start + 1),
                    printed_start: EventTime::from_micros(start),
                    open: Some(close),
                    close: Some(close),
                    volume: 1.0,
                    received_at: EventTime::from_micros(0),
                    offset: 0,
                    first_offset: 0,
                    visible_from: HeldBar::ON_TIME,
                };
                bars.insert(session, bar);
            }
        }
        bars
    }

    fn benchmark(session: usize, minute: i64) -> Option<f64> {
        Some(100.0 + (session as f64 * 7.0 + minute as f64 * 1.3).sin())
    }

    #[test]
    fn finds_the_line_the_symbol_was_made_from() {
        // The symbol's log price is 0.0002 a bar plus 1.5 times the benchmark's.
        let own = |s, m| Some((0.0002 * m as f64 + 1.5 * benchmark(s, m)?.ln()).exp());
        let found = model(&bars(4, own), &bars(4, benchmark), 4, 20, AS_OF).unwrap();
        assert!((found.alpha - 0.0002).abs() < 1e-12 && (found.beta - 1.5).abs() < 1e-10, "{found:?}");
    }

    #[test]
    fn only_neighbouring_bars_of_both_make_a_pair() {
        let every_other = |s, m| benchmark(s, m).filter(|_| m % 2 == 0);
        assert_eq!(model(&bars(20, every_other), &bars(20, benchmark), 20, 20, AS_OF), None);
        assert_eq!(model(&bars(20, benchmark), &bars(20, every_other), 20, 20, AS_OF), None);
    }

    #[test]
    fn too_few_pairs_or_a_flat_benchmark_give_no_model() {
        let flat = |_, _| Some(5.0);
        assert_eq!(model(&bars(4, benchmark), &bars(4, flat), 4, 20, AS_OF), None);
        assert_eq!(model(&bars(1, benchmark), &bars(1, benchmark), 1, 20, AS_OF), None, "19 pairs");
        assert!(model(&bars(2, benchmark), &bars(2, benchmark), 2, 20, AS_OF).is_some(), "38 pairs");
        assert_eq!(model(&bars(2, benchmark), &bars(2, benchmark), 2, 1, AS_OF), None, "one session back");
    }
}
