//! The bars of one width in one session.
//!
//! Bars are on a grid almost always: they start a whole number of widths after each other, end a width later, and both
//! of their prices are prices of the session. Such bars are rows of 40 bytes while their session is the newest, and
//! columns of about 10 bytes a bar after it ([`Packed`]). Bars of any other kind are kept as they are, with all bars of
//! their session. The three forms are read in the same way and give the same bars to the bit; a bar that is added to a
//! packed session unpacks it.

use super::grid::{Exception, Grid, Row};
use super::packed::{Numbers, Packed};
use super::tape::{BarRef, HeldBar, Visibility};
use super::time::{EventTime, Span};

/// The bars of one width in one session, by start.
#[derive(Debug)]
pub(super) enum SessionBars {
    Plain(Vec<HeldBar>),
    Grid(Grid, Vec<Row>),
    Packed(Grid, Box<Packed>),
}

/// A bar's close, and when the bar was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Close {
    pub start: EventTime,
    pub end: EventTime,
    pub close: Option<f64>,
}

/// What is missing of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Coverage {
    /// Number of bars.
    pub missing: u32,
    /// One past the greatest first offset of the bars that are not missing (0: none).
    pub end: u64,
}

impl SessionBars {
    /// The first bar of a session.
    pub fn new(bar: &HeldBar) -> Self {
        let grid = Grid::beginning_with(bar);
        let mut bars = grid.map_or_else(|| Self::Plain(Vec::new()), |grid| Self::Grid(grid, Vec::new()));
        bars.insert(bar);
        bars
    }

    /// Adds or corrects a bar. `true` if a row that depends on it can change.
    pub fn insert(&mut self, bar: &HeldBar) -> bool {
        if let Self::Packed(..) = self {
            self.unpack();
        }
        if let Self::Grid(grid, rows) = self {
            grid.move_base(bar.start, rows);
            if let Some((slot, open, close)) = grid.slot(bar) {
                return grid.insert(rows, slot, Row::new(slot, bar, open, close), bar);
            }
            *self = Self::Plain((0..self.len()).map(|i| self.bar(i)).collect());
        }
        let Self::Plain(bars) = self else { unreachable!("it was made plain above") };
        let place = |bar: &HeldBar| (bar.start, bar.printed_start);
        let at = bars.partition_point(|other| place(other) < place(bar));
        match bars.get_mut(at) {
            Some(known) if place(known) == place(bar) => known.correct(bar),
            _ => {
                bars.insert(at, *bar);
                true
            }
        }
    }

    /// Puts the bars into columns, and returns the emptied vector of their rows, to be used again. `is_settled` if none of
    /// the bars can be corrected any more: when they were received then makes no difference, and is not kept.
    pub fn pack(&mut self, is_settled: bool) -> Option<Vec<Row>> {
        let Self::Grid(grid, rows) = self else { return None };
        let of_row = |row: &Row| {
            let numbers = grid.numbers(row);
            if is_settled { Numbers { received: 0, ..numbers } } else { numbers }
        };
        let packed = Packed::new(&rows.iter().map(of_row).collect::<Vec<_>>());
        let grid = grid.take();
        let mut emptied = std::mem::take(rows);
        emptied.clear();
        *self = Self::Packed(grid, Box::new(packed));
        Some(emptied)
    }

    /// Moves the rows into a vector that another session has emptied: it is as long, so it need not grow any more.
    pub fn move_into(&mut self, mut emptied: Vec<Row>) {
        if let Self::Grid(_, rows) = self
            && rows.capacity() < emptied.capacity()
        {
            emptied.append(rows);
            *rows = emptied;
        }
    }

    fn unpack(&mut self) {
        let Self::Packed(grid, packed) = self else { return };
        let row = |i| {
            let numbers = packed.numbers(i);
            Row::new(numbers.slot, &grid.bar(numbers), numbers.open, numbers.close)
        };
        let rows = (0..packed.len()).map(row).collect();
        *self = Self::Grid(grid.take(), rows);
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Plain(bars) => bars.len(),
            Self::Grid(_, rows) => rows.len(),
            Self::Packed(_, packed) => packed.len(),
        }
    }

    /// Whether no bar came late, so that every mention sees all of them.
    pub fn are_on_time(&self) -> bool {
        match self {
            Self::Plain(bars) => bars.iter().all(|bar| bar.visible_from == HeldBar::ON_TIME),
            Self::Grid(grid, _) | Self::Packed(grid, _) => grid.are_on_time(),
        }
    }

    /// Which bar is at an index.
    pub fn bar_ref(&self, i: usize) -> BarRef {
        let (grid, slot, offset) = match self {
            Self::Plain(bars) => return BarRef::from(&bars[i]),
            Self::Grid(grid, rows) => (grid, rows[i].slot(), rows[i].offset()),
            Self::Packed(grid, packed) => (grid, packed.slot(i), packed.offset(i)),
        };
        let start = grid.start(slot);
        BarRef { start, end: start + grid.width, offset }
    }

    /// The bar at an index.
    pub fn bar(&self, i: usize) -> HeldBar {
        match self {
            Self::Plain(bars) => bars[i],
            Self::Grid(grid, rows) => grid.bar(grid.numbers(&rows[i])),
            Self::Packed(grid, packed) => grid.bar(packed.numbers(i)),
        }
    }

    /// All bars, by start.
    #[cfg(test)]
    pub fn bars(&self) -> impl DoubleEndedIterator<Item = HeldBar> + Clone + '_ {
        (0..self.len()).map(|i| self.bar(i))
    }

    pub fn start(&self, i: usize) -> EventTime {
        match self {
            Self::Plain(bars) => bars[i].start,
            Self::Grid(grid, rows) => grid.start(rows[i].slot()),
            Self::Packed(grid, packed) => grid.start(packed.slot(i)),
        }
    }

    pub fn end(&self, i: usize) -> EventTime {
        match self {
            Self::Plain(bars) => bars[i].end,
            Self::Grid(grid, _) | Self::Packed(grid, _) => self.start(i) + grid.width,
        }
    }

    pub fn open(&self, i: usize) -> Option<f64> {
        match self {
            Self::Plain(bars) => bars[i].open,
            Self::Grid(_, rows) => Some(rows[i].open),
            Self::Packed(_, packed) => Some(packed.open(i)),
        }
    }

    pub fn has_open(&self, i: usize) -> bool {
        match self {
            Self::Plain(bars) => bars[i].open.is_some(),
            Self::Grid(..) | Self::Packed(..) => true,
        }
    }

    pub fn close(&self, i: usize) -> Option<f64> {
        match self {
            Self::Plain(bars) => bars[i].close,
            Self::Grid(_, rows) => Some(rows[i].close),
            Self::Packed(_, packed) => Some(packed.close(i)),
        }
    }

    pub fn volume(&self, i: usize) -> f64 {
        match self {
            Self::Plain(bars) => bars[i].volume,
            Self::Grid(_, rows) => rows[i].volume,
            Self::Packed(_, packed) => packed.volume(i),
        }
    }

    pub fn visible_from(&self, i: usize) -> EventTime {
        match self {
            Self::Plain(bars) => bars[i].visible_from,
            Self::Grid(grid, _) | Self::Packed(grid, _) if grid.exceptions.is_empty() => HeldBar::ON_TIME,
            Self::Grid(grid, rows) => grid.visible_from(rows[i].slot()),
            Self::Packed(grid, packed) => grid.visible_from(packed.slot(i)),
        }
    }

    pub fn is_visible(&self, i: usize, visibility: Visibility) -> bool {
        self.end(i) <= visibility.watermark && self.visible_from(i) <= visibility.as_of
    }

    /// Appends start, end and close of each bar that was known at `as_of`.
    pub fn closes(&self, as_of: EventTime, out: &mut Vec<Close>) {
        let mut append = |grid: &Grid, slot: u16, close: f64| {
            if grid.visible_from(slot) <= as_of {
                let start = grid.start(slot);
                out.push(Close { start, end: start + grid.width, close: Some(close) });
            }
        };
        match self {
            Self::Plain(bars) => {
                let known = bars.iter().filter(|bar| bar.visible_from <= as_of);
                out.extend(known.map(|bar| Close { start: bar.start, end: bar.end, close: bar.close }));
            }
            Self::Grid(grid, rows) => rows.iter().for_each(|row| append(grid, row.slot(), row.close)),
            Self::Packed(grid, packed) => packed.closes(|slot, close| append(grid, slot, close)),
        }
    }

    /// What is missing of a session between two moments, for bars of a width.
    pub fn coverage(&self, from: EventTime, until: EventTime, width: Span, visibility: Visibility) -> Coverage {
        let first = self.starting_before(from);
        let (grid, last) = match self {
            Self::Grid(grid, rows) if grid.can_count_slots(width, visibility) => (grid, rows.last().map(Row::slot)),
            Self::Packed(grid, packed) if grid.can_count_slots(width, visibility) => {
                (grid, packed.len().checked_sub(1).map(|last| packed.slot(last)))
            }
            _ => return self.coverage_by_bars(first, from, until, width, visibility),
        };
        let end = self.ended_by(until.min(visibility.watermark));
        if first >= end || last.is_none() {
            return Coverage { missing: (until - from).whole(width), end: 0 };
        }
        let (start, covered) = (self.start(first), self.end(end - 1));
        let slots = (covered - start).whole(width) as usize;
        let between = u32::try_from(slots - (end - first)).unwrap_or(u32::MAX);
        let missing = (start - from).whole(width) + between + (until - covered).whole(width);
        Coverage { missing, end: self.first_offsets_end(grid, first..end) }
    }

    fn coverage_by_bars(
        &self,
        first: usize,
        from: EventTime,
        until: EventTime,
        width: Span,
        visibility: Visibility,
    ) -> Coverage {
        let mut coverage = Coverage { missing: 0, end: 0 };
        let mut covered = from;
        for bar in (first..self.len()).map(|i| self.bar(i)).take_while(|bar| bar.end <= until) {
            if visibility.is_visible(&bar) {
                coverage.missing += (bar.start - covered).whole(width);
                coverage.end = coverage.end.max(bar.first_offset + 1);
                covered = bar.end;
            }
        }
        coverage.missing += (until - covered).whole(width);
        coverage
    }

    /// One past the greatest first offset of some bars.
    fn first_offsets_end(&self, grid: &Grid, bars: std::ops::Range<usize>) -> u64 {
        let greatest = |bars: std::ops::Range<usize>| match self {
            Self::Grid(grid, rows) if grid.is_rising => rows[bars].last().map(Row::offset),
            Self::Packed(grid, packed) if grid.is_rising => bars.last().map(|i| packed.offset(i)),
            Self::Grid(_, rows) => rows[bars].iter().map(Row::offset).max(),
            Self::Packed(_, packed) => packed.greatest_offset(bars),
            Self::Plain(bars) => bars.iter().map(|bar| bar.offset).max(),
        };
        let (mut from, mut end) = (bars.start, 0);
        let (first, last) = (self.start(bars.start), self.start(bars.end - 1));
        let is_within = |exception: &&Exception| (first..=last).contains(&grid.start(exception.slot));
        for exception in grid.exceptions.iter().filter(is_within) {
            let at = self.starting_before(grid.start(exception.slot));
            end = end.max(exception.first_offset + 1).max(greatest(from..at).map_or(0, |offset| offset + 1));
            from = at + 1;
        }
        end.max(greatest(from..bars.end).map_or(0, |offset| offset + 1))
    }

    /// Number of bars that start before a moment.
    pub fn starting_before(&self, at: EventTime) -> usize {
        match self {
            Self::Plain(bars) => bars.partition_point(|bar| bar.start < at),
            Self::Grid(grid, rows) => Grid::within(grid.slots_before(at), rows.len(), |i| rows[i].slot()),
            Self::Packed(grid, packed) => Grid::within(grid.slots_before(at), packed.len(), |i| packed.slot(i)),
        }
    }

    /// Number of bars that end at or before a moment.
    pub fn ended_by(&self, at: EventTime) -> usize {
        match self {
            Self::Plain(bars) => bars.partition_point(|bar| bar.end <= at),
            Self::Grid(grid, rows) => Grid::within(grid.slots_ended_by(at), rows.len(), |i| rows[i].slot()),
            Self::Packed(grid, packed) => Grid::within(grid.slots_ended_by(at), packed.len(), |i| packed.slot(i)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1_000_000;

    fn at(seconds: i64) -> EventTime {
        EventTime::from_micros(seconds * SECOND)
    }

    /// A bar of a minute, as most are on the grid and some not.
    fn bar() -> impl Strategy<Value = HeldBar> {
        let shape = prop_oneof![40 => Just(0), 1 => 1..6];
        (0_i64..30, shape, 1_u32..500, 0_i64..4, prop::option::weighted(0.1, 0_i64..40)).prop_map(
            |(minute, shape, cents, received, late)| {
                let start = 6_000 + 60 * minute + if shape == 1 { 30 } else { 0 };
                let price = if shape == 5 { 0.1 + 0.2 } else { f64::from(cents) / 100.0 };
                HeldBar {
                    start: at(start),
                    end: at(start + if shape == 2 { 20 } else { 60 }),
                    printed_start: at(start),
                    open: (shape != 3).then_some(price),
                    close: (shape != 4).then_some(price + 0.25),
                    volume: f64::from(cents % 7),
                    received_at: at(start + 60 + received),
                    offset: 0,
                    first_offset: 0,
                    visible_from: late.map_or(HeldBar::ON_TIME, |late| at(6_000 + 60 * late)),
                }
            },
        )
    }

    /// Bars and, now and then, that their session is packed.
    fn stream() -> impl Strategy<Value = Vec<(HeldBar, bool)>> {
        prop::collection::vec((bar(), prop::bool::weighted(0.05)), 1..80)
    }

    /// The bars as a sorted list, the plainest way to keep them.
    fn plain(stream: &[(HeldBar, bool)]) -> SessionBars {
        let mut plain = SessionBars::Plain(Vec::new());
        for (bar, _) in stream {
            plain.insert(bar);
        }
        plain
    }

    proptest! {
        #[test]
        fn every_form_gives_the_same_bars(mut stream in stream(), from in 5_900_i64..8_000, until in 5_900_i64..8_000) {
            for (offset, (bar, _)) in stream.iter_mut().enumerate() {
                (bar.offset, bar.first_offset) = (offset as u64, offset as u64);
            }
            let mut bars = SessionBars::new(&stream[0].0);
            let mut reference = plain(&stream[..1]);
            for (bar, is_packed) in &stream[1..] {
                prop_assert_eq!(bars.insert(bar), reference.insert(bar));
                if *is_packed {
                    bars.pack(false);
                }
            }
            let (from, until) = (at(from), at(until));
            for _ in 0..2 {
                prop_assert_eq!(bars.bars().collect::<Vec<_>>(), reference.bars().collect::<Vec<_>>());
                prop_assert_eq!(bars.starting_before(from), reference.starting_before(from));
                if !matches!(bars, SessionBars::Plain(_)) {
                    prop_assert_eq!(bars.ended_by(until), reference.ended_by(until));
                }
                for (watermark, as_of) in [(8_000, 9_000), (6_900, 9_000), (8_000, 6_500)] {
                    let visibility = Visibility { watermark: at(watermark), as_of: at(as_of) };
                    let missing = |bars: &SessionBars| bars.coverage(from, until, Span::MINUTE, visibility);
                    prop_assert_eq!(missing(&bars), missing(&reference));
                    let closes = |bars: &SessionBars| {
                        let mut closes = Vec::new();
                        bars.closes(visibility.as_of, &mut closes);
                        closes.into_iter().map(|close| (close.start, close.end, close.close)).collect::<Vec<_>>()
                    };
                    prop_assert_eq!(closes(&bars), closes(&reference));
                }
                for i in 0..reference.len() {
                    let bar = reference.bar(i);
                    prop_assert_eq!(bars.bar_ref(i), BarRef::from(&bar));
                    prop_assert_eq!((bars.start(i), bars.end(i)), (bar.start, bar.end));
                    prop_assert_eq!((bars.open(i), bars.close(i), bars.volume(i)), (bar.open, bar.close, bar.volume));
                    prop_assert_eq!(bars.visible_from(i), bar.visible_from);
                }
                bars.pack(false);
            }
        }
    }

    #[test]
    fn a_session_on_the_grid_is_packed_and_one_that_is_not_stays_as_it_is() {
        let bar = |minute: i64, open| HeldBar {
            start: at(60 * minute),
            end: at(60 * minute + 60),
            printed_start: at(60 * minute),
            open,
            close: Some(1.25),
            volume: 3.0,
            received_at: at(60 * minute + 75),
            offset: 10 + minute as u64,
            first_offset: 10 + minute as u64,
            visible_from: HeldBar::ON_TIME,
        };
        let mut bars = SessionBars::new(&bar(3, Some(1.5)));
        assert!(bars.insert(&bar(1, Some(1.5))), "before the first");
        assert!(bars.pack(true).is_some() && matches!(bars, SessionBars::Packed(..)));
        let settled = HeldBar { received_at: at(120), ..bar(1, Some(1.5)) };
        assert_eq!(bars.bar(0), settled, "when it was received makes no difference any more");
        assert!(bars.insert(&bar(2, Some(1.5))) && matches!(bars, SessionBars::Grid(..)));
        assert!(bars.insert(&bar(0, None)), "without an open");
        assert!(bars.pack(true).is_none() && matches!(bars, SessionBars::Plain(_)));
        assert_eq!(bars.bars().map(|bar| bar.offset).collect::<Vec<_>>(), [10, 11, 12, 13]);
    }
}
