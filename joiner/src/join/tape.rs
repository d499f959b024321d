//! Bars and halts of one symbol, by session and start.

use super::Micros;
use std::collections::{BTreeMap, BTreeSet};

/// What the join keeps of a bar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cell {
    pub start: Micros,
    /// Exclusive; no later than the session's close.
    pub end: Micros,
    pub open: f64,
    pub close: f64,
    pub volume: f64,
    pub received_at: Micros,
    /// Position of the record these numbers came with.
    pub seq: u64,
    /// Position of the first record of this bar, whatever its numbers.
    pub first_seq: u64,
    /// For a bar that came after its lateness, where the tape's watermark stood then; else the
    /// beginning of time.
    pub late_since: Micros,
}

impl Cell {
    pub const ON_TIME: Micros = Micros::MIN;

    fn same_numbers(&self, other: &Self) -> bool {
        (self.open, self.close, self.volume) == (other.open, other.close, other.volume)
    }
}

/// Which bars can be seen: those that ended by `low`, less those that came too late for a mention
/// whose session opened at `as_of`.
///
/// A late bar is seen only by mentions of later sessions. Were it seen by the others too, it would
/// change rows or not depending on whether they are still in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    pub low: Micros,
    pub as_of: Micros,
}

impl Sight {
    pub fn sees(self, cell: &Cell) -> bool {
        cell.end <= self.low && cell.late_since <= self.as_of
    }
}

/// Bars of one width. Sessions are numbered as in the calendar.
#[derive(Debug, Default)]
pub(super) struct Bars {
    sessions: BTreeMap<usize, Vec<Cell>>,
}

impl Bars {
    /// Takes a bar in. `true` if something can look different now.
    ///
    /// Of two versions the one with the later `received_at` holds, of equally late ones the later in the
    /// topic. After its lateness a bar that is known is left as it is.
    pub fn insert(&mut self, session: usize, cell: Cell) -> bool {
        let cells = self.sessions.entry(session).or_default();
        let at = match cells.last() {
            Some(last) if last.start < cell.start => cells.len(),
            _ => cells.partition_point(|other| other.start < cell.start),
        };
        match cells.get_mut(at) {
            Some(known) if known.start == cell.start => Self::correct(known, cell),
            _ => {
                cells.insert(at, cell);
                true
            }
        }
    }

    fn correct(known: &mut Cell, new: Cell) -> bool {
        if new.late_since != Cell::ON_TIME {
            return false;
        }
        let before = (known.seq, known.first_seq);
        let first_seq = known.first_seq.min(new.seq);
        let newer = (known.received_at, known.seq) < (new.received_at, new.seq);
        if known.same_numbers(&new) {
            // The same again: what rests on it rests on the first record that said so.
            known.seq = known.seq.min(new.seq);
            known.received_at = known.received_at.max(new.received_at);
        } else if newer {
            *known = new;
        }
        known.first_seq = first_seq;
        before != (known.seq, known.first_seq)
    }

    /// Bars of a session, by start.
    pub fn of(&self, session: usize) -> &[Cell] {
        self.sessions.get(&session).map_or(&[], Vec::as_slice)
    }

    /// First bar of a session that starts at or after `from`.
    pub fn first_from(&self, session: usize, from: Micros, sight: Sight) -> Option<&Cell> {
        let cells = self.of(session);
        cells[cells.partition_point(|cell| cell.start < from)..].iter().find(|cell| sight.sees(cell))
    }

    /// Last bar of a session that starts at or after `from` and ended at or before `until`.
    pub fn last_within(&self, session: usize, from: Micros, until: Micros, sight: Sight) -> Option<&Cell> {
        let cells = self.of(session);
        let ended = &cells[..cells.partition_point(|cell| cell.end <= until)];
        ended.iter().rev().take_while(|cell| cell.start >= from).find(|cell| sight.sees(cell))
    }

    /// The bar that starts at exactly this moment.
    pub fn starting_at(&self, session: usize, start: Micros, sight: Sight) -> Option<&Cell> {
        self.first_from(session, start, sight).filter(|cell| cell.start == start)
    }

    /// Session and last bar that ended at or before `until`, no further back than session `oldest`.
    pub fn last_before(&self, oldest: usize, newest: usize, until: Micros, sight: Sight) -> Option<(usize, &Cell)> {
        let sessions = self.sessions.range(oldest..=newest).rev();
        let mut found = sessions.map(|(&session, _)| (session, self.last_within(session, Micros::MIN, until, sight)));
        found.find_map(|(session, cell)| Some((session, cell?)))
    }

    /// Whether any bar of these sessions can be seen.
    pub fn any(&self, oldest: usize, newest: usize, sight: Sight) -> bool {
        self.sessions.range(oldest..=newest).any(|(_, cells)| cells.iter().any(|cell| sight.sees(cell)))
    }

    /// How many bars there are.
    pub fn len(&self) -> usize {
        self.sessions.values().map(Vec::len).sum()
    }

    /// Forgets sessions before `oldest`; whether nothing is left.
    pub fn forget_before(&mut self, oldest: usize) -> bool {
        self.sessions = self.sessions.split_off(&oldest);
        self.sessions.is_empty()
    }
}

/// Trading stopped or went on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HaltCell {
    pub halted: bool,
    pub received_at: Micros,
    pub seq: u64,
}

/// What is known of one symbol.
#[derive(Debug, Default)]
pub(super) struct Instrument {
    /// Bars by width in seconds, the finest first.
    pub bars: BTreeMap<u32, Bars>,
    /// Halts by the moment they took effect.
    pub halts: BTreeMap<Micros, HaltCell>,
    /// Mentions in memory, by the position of their first record.
    pub mentions: BTreeSet<u64>,
}

impl Instrument {
    /// Takes a halt in. `true` if something can look different now.
    pub fn insert_halt(&mut self, at: Micros, new: HaltCell) -> bool {
        let Some(known) = self.halts.get_mut(&at) else {
            self.halts.insert(at, new);
            return true;
        };
        let before = known.seq;
        if known.halted == new.halted {
            known.seq = known.seq.min(new.seq);
            known.received_at = known.received_at.max(new.received_at);
        } else if (known.received_at, known.seq) < (new.received_at, new.seq) {
            *known = new;
        }
        before != known.seq
    }

    /// Whether trading was stopped at some moment of `from..=until`, as far as records since `oldest`
    /// tell, and one more than the last position this rests on.
    pub fn halted(&self, oldest: Micros, from: Micros, until: Micros) -> (bool, u64) {
        let mut stopped_before = false;
        let mut stopped_within = false;
        let mut rests_on = 0;
        for (&at, halt) in self.halts.range(oldest..=until) {
            if at <= from {
                stopped_before = halt.halted;
            } else {
                stopped_within |= halt.halted;
            }
            rests_on = rests_on.max(halt.seq + 1);
        }
        (stopped_before || stopped_within, rests_on)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(start: Micros, close: f64, received_at: Micros, seq: u64) -> Cell {
        let (end, late_since) = (start + 60, Cell::ON_TIME);
        Cell { start, end, open: 1.0, close, volume: 1.0, received_at, seq, first_seq: seq, late_since }
    }

    const ALL: Sight = Sight { low: Micros::MAX, as_of: Micros::MAX };

    #[test]
    fn whatever_the_order_the_same_version_holds() {
        let versions = [cell(0, 1.0, 10, 3), cell(0, 2.0, 20, 5), cell(0, 2.0, 20, 9), cell(0, 3.0, 15, 7)];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
            let mut bars = Bars::default();
            for i in order {
                bars.insert(0, versions[i].clone());
            }
            let [held] = bars.of(0) else { panic!("one bar") };
            assert_eq!((held.close, held.seq, held.first_seq), (2.0, 5, 3), "{order:?}");
        }
    }

    #[test]
    fn a_bar_after_its_lateness_changes_no_known_one_and_hides_from_earlier_mentions() {
        let mut bars = Bars::default();
        assert!(bars.insert(0, cell(0, 1.0, 10, 1)));
        assert!(!bars.insert(0, Cell { late_since: 500, ..cell(0, 9.0, 99, 2) }));
        assert!(bars.insert(0, Cell { late_since: 500, ..cell(60, 9.0, 99, 3) }));
        let early = Sight { low: 1000, as_of: 499 };
        assert_eq!(bars.last_within(0, 0, 1000, early).map(|c| c.close), Some(1.0));
        assert_eq!(bars.last_within(0, 0, 1000, Sight { as_of: 500, ..early }).map(|c| c.close), Some(9.0));
    }

    #[test]
    fn looks_no_further_than_asked() {
        let mut bars = Bars::default();
        for (session, start) in [(1, 0), (1, 60), (2, 1000), (2, 1120)] {
            bars.insert(session, cell(start, start as f64, 0, 0));
        }
        assert_eq!(bars.first_from(2, 1001, ALL).map(|c| c.start), Some(1120));
        assert_eq!(bars.starting_at(2, 1060, ALL), None);
        assert_eq!(bars.last_within(2, 1000, 1100, ALL).map(|c| c.start), Some(1000));
        assert_eq!(bars.last_within(2, 1000, 1059, ALL), None);
        assert_eq!(bars.last_before(0, 2, 1059, ALL).map(|(s, c)| (s, c.start)), Some((1, 60)));
        assert_eq!(bars.last_before(2, 2, 1059, ALL), None);
        assert!(bars.any(0, 1, ALL) && !bars.any(3, 9, ALL));
        assert!(!bars.forget_before(2) && bars.forget_before(3));
    }

    #[test]
    fn a_halt_holds_until_trading_goes_on() {
        let mut symbol = Instrument::default();
        for (at, halted, seq) in [(100, true, 4), (200, false, 6), (300, true, 8)] {
            assert!(symbol.insert_halt(at, HaltCell { halted, received_at: at, seq }));
        }
        assert!(!symbol.insert_halt(100, HaltCell { halted: true, received_at: 100, seq: 9 }), "the same again");
        assert_eq!(symbol.halted(0, 50, 90), (false, 0));
        assert_eq!(symbol.halted(0, 50, 100), (true, 5));
        assert_eq!(symbol.halted(0, 150, 199), (true, 5));
        assert_eq!(symbol.halted(0, 200, 299), (false, 7));
        assert_eq!(symbol.halted(0, 250, 400), (true, 9));
    }
}
