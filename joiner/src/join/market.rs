//! The market model and the usual volume of a symbol, computed from the sessions before the entry's session.

use super::session::Close;
use super::tape::Bars;
use super::time::EventTime;
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

/// Ordinary least squares over the bars of the `back` sessions before session `entry`. Only bars that were known when
/// session `entry` opened, at `as_of`, count.
///
/// A pair is the log return of symbol and benchmark from one close to the next within a session, where both have the
/// same two bars and the second starts where the first ends. `None` for fewer than 30 pairs, or a benchmark that never
/// moved.
pub(super) fn model(
    symbol: &Bars,
    benchmark: &Bars,
    entry: usize,
    back: usize,
    as_of: EventTime,
) -> Option<MarketModel> {
    let mut pairs = Vec::new();
    let (mut own, mut market) = (Vec::new(), Vec::new());
    for session in entry.saturating_sub(back)..entry {
        let Some((bars, others)) = symbol.in_session(session).zip(benchmark.in_session(session)) else { continue };
        own.clear();
        market.clear();
        bars.closes(as_of, &mut own);
        others.closes(as_of, &mut market);
        pair_returns(&own, &market, &mut pairs);
    }
    if pairs.len() < MINIMUM_PAIRS {
        return None;
    }
    let n = pairs.len() as f64;
    let mean_x = pairs.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = pairs.iter().map(|(_, y)| y).sum::<f64>() / n;
    let (mut xx, mut xy) = (0.0, 0.0);
    for (x, y) in &pairs {
        xx += (x - mean_x) * (x - mean_x);
        xy += (x - mean_x) * (y - mean_y);
    }
    if xx <= 0.0 {
        return None;
    }
    let beta = xy / xx;
    Some(MarketModel { alpha: mean_y - beta * mean_x, beta })
}

/// Appends the benchmark's and the symbol's returns over the same bars of one session.
fn pair_returns(symbol: &[Close], benchmark: &[Close], pairs: &mut Vec<(f64, f64)>) {
    let mut market = benchmark.iter().peekable();
    let mut last: Option<(EventTime, (f64, f64))> = None;
    for own in symbol {
        while market.next_if(|bar| bar.start < own.start).is_some() {}
        let Some(other) = market.next_if(|bar| bar.start == own.start) else { continue };
        // If either has no close in this bar, no return ends or begins with this bar.
        let Some(closes) = own.close.zip(other.close).filter(|_| own.end == other.end) else {
            last = None;
            continue;
        };
        if let Some((_, (own_before, other_before))) = last.filter(|(end, _)| *end == own.start) {
            pairs.push(((closes.1 / other_before).ln(), (closes.0 / own_before).ln()));
        }
        last = Some((own.end, closes));
    }
}

/// Mean volume of the bars at the entry bar's time of day over `sessions`, which are before session `entry`. Beside
/// each session is the number of today's shares that one of its shares became: its volume is multiplied by that.
/// Sessions without such a bar are left out; `None` if fewer than five are left, or nothing was traded.
pub(super) fn usual_volume(
    symbol: &Bars,
    calendar: &Calendar,
    entry: usize,
    start: EventTime,
    sessions: &[(usize, f64)],
    as_of: EventTime,
) -> Option<f64> {
    let open = |session: usize| Some(EventTime::from(calendar.sessions().get(session)?.open));
    let time_of_day = start - open(entry)?;
    let volumes: Vec<f64> = sessions
        .iter()
        .filter_map(|&(session, shares)| {
            let (bars, start) = (symbol.in_session(session)?, open(session)? + time_of_day);
            let mut alike = bars.starting_before(start)..bars.len();
            let found = alike.find(|&i| bars.open(i).is_some()).filter(|&i| bars.start(i) == start)?;
            (bars.visible_from(found) <= as_of).then(|| bars.volume(found) * shares)
        })
        .collect();
    let mean = volumes.iter().sum::<f64>() / volumes.len() as f64;
    (volumes.len() >= MINIMUM_SESSIONS && mean > 0.0).then_some(mean)
}

#[cfg(test)]
mod tests {
    use super::super::tape::StoredBar;
    use super::*;

    const AS_OF: EventTime = EventTime::from_micros(0);

    fn bars(sessions: usize, close: impl Fn(usize, i64) -> Option<f64>) -> Bars {
        let mut bars = Bars::default();
        for session in 0..sessions {
            for minute in 0..20 {
                let Some(close) = close(session, minute) else { continue };
                let start = session as i64 * 10_000 + minute;
                let bar = StoredBar {
                    start: EventTime::from_micros(start),
                    end: EventTime::from_micros(start + 1),
                    printed_start: EventTime::from_micros(start),
                    open: Some(close),
                    close: Some(close),
                    volume: 1.0,
                    received_at: EventTime::from_micros(0),
                    offset: 0,
                    first_offset: 0,
                    visible_from: StoredBar::ON_TIME,
                };
                bars.insert(session, bar);
            }
        }
        bars
    }

    fn market(session: usize, minute: i64) -> Option<f64> {
        Some(100.0 + (session as f64 * 7.0 + minute as f64 * 1.3).sin())
    }

    #[test]
    fn finds_the_line_the_symbol_was_made_from() {
        // The symbol's log price is 0.0002 a bar plus 1.5 times the market's.
        let own = |s, m| Some((0.0002 * m as f64 + 1.5 * market(s, m)?.ln()).exp());
        let found = model(&bars(4, own), &bars(4, market), 4, 20, AS_OF).unwrap();
        assert!((found.alpha - 0.0002).abs() < 1e-12 && (found.beta - 1.5).abs() < 1e-10, "{found:?}");
    }

    #[test]
    fn only_neighbouring_bars_of_both_make_a_pair() {
        let every_other = |s, m| market(s, m).filter(|_| m % 2 == 0);
        assert_eq!(model(&bars(20, every_other), &bars(20, market), 20, 20, AS_OF), None);
        assert_eq!(model(&bars(20, market), &bars(20, every_other), 20, 20, AS_OF), None);
    }

    #[test]
    fn too_few_pairs_or_a_flat_benchmark_give_no_model() {
        let flat = |_, _| Some(5.0);
        assert_eq!(model(&bars(4, market), &bars(4, flat), 4, 20, AS_OF), None);
        assert_eq!(model(&bars(1, market), &bars(1, market), 1, 20, AS_OF), None, "19 pairs");
        assert!(model(&bars(2, market), &bars(2, market), 2, 20, AS_OF).is_some(), "38 pairs");
        assert_eq!(model(&bars(2, market), &bars(2, market), 2, 1, AS_OF), None, "one session back");
    }
}
