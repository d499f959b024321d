//! The bars of one width in one session.
//!
//! Bars are on a grid almost always: they start a whole number of widths after each other, end a width later, and both
//! of their prices are prices of the session. Such bars are rows of 40 bytes while their session is the newest, and
//! columns of about 10 bytes a bar after it ([`Packed`]). Bars of any other kind are kept as they are, with all bars of
//! their session. The three forms are read in the same way and give the same bars to the bit; a bar that is added to a
//! packed session unpacks it.

use super::packed::{Numbers, Packed};
use super::tape::{Source, StoredBar, Visibility};
use super::time::{EventTime, Span};

/// The bars of one width in one session, by start.
#[derive(Debug)]
pub(super) enum SessionBars {
    Plain(Vec<StoredBar>),
    Grid(Grid, Vec<Row>),
    Packed(Grid, Box<Packed>),
}

/// Where bars are, by slots: bar number `n` of the grid starts `n` widths after `base`.
#[derive(Debug)]
pub(super) struct Grid {
    base: EventTime,
    width: Span,
    /// Bars with another first offset than offset, and late bars; by slot.
    odd: Vec<Odd>,
    /// Every bar has a greater offset than the bars before it.
    is_rising: bool,
}

/// A bar on the grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The slot, then 48 bits of the offset.
    place: u64,
    open: f64,
    close: f64,
    volume: f64,
    received_at: EventTime,
}

#[derive(Debug, Clone, Copy)]
struct Odd {
    slot: u16,
    first_offset: u64,
    visible_from: EventTime,
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

const OFFSET_BITS: u32 = 48;

impl Row {
    fn new(slot: u16, bar: &StoredBar, open: f64, close: f64) -> Self {
        let place = u64::from(slot) << OFFSET_BITS | bar.offset;
        Self { place, open, close, volume: bar.volume, received_at: bar.received_at }
    }

    fn slot(&self) -> u16 {
        (self.place >> OFFSET_BITS) as u16
    }

    fn offset(&self) -> u64 {
        self.place & ((1 << OFFSET_BITS) - 1)
    }
}

impl Grid {
    /// The slot, the open and the close of a bar; `None` if it is not on the grid.
    fn slot(&self, bar: &StoredBar) -> Option<(u16, f64, f64)> {
        let distance = bar.start - self.base;
        let is_regular = bar.start >= self.base
            && bar.printed_start == bar.start
            && bar.end - bar.start == self.width
            && distance.is_multiple_of(self.width)
            && bar.offset >> OFFSET_BITS == 0;
        let slot = u16::try_from(distance.whole(self.width)).ok().filter(|_| is_regular)?;
        Some((slot, bar.open?, bar.close?))
    }

    fn start(&self, slot: u16) -> EventTime {
        self.base + self.width * i64::from(slot)
    }

    fn odd(&self, slot: u16) -> Option<&Odd> {
        if self.odd.is_empty() {
            return None;
        }
        self.odd.binary_search_by_key(&slot, |odd| odd.slot).ok().map(|i| &self.odd[i])
    }

    /// Whether slots can be counted in place of bars: they have the width, and no late bar is hidden.
    fn is_even(&self, width: Span, visibility: Visibility) -> bool {
        self.width == width && self.odd.iter().all(|odd| odd.visible_from <= visibility.as_of)
    }

    fn visible_from(&self, slot: u16) -> EventTime {
        self.odd(slot).map_or(StoredBar::ON_TIME, |odd| odd.visible_from)
    }

    fn note(&mut self, slot: u16, bar: &StoredBar) {
        let is_odd = bar.first_offset != bar.offset || bar.visible_from != StoredBar::ON_TIME;
        let new = Odd { slot, first_offset: bar.first_offset, visible_from: bar.visible_from };
        match self.odd.binary_search_by_key(&slot, |odd| odd.slot) {
            Ok(i) if is_odd => self.odd[i] = new,
            Ok(i) => drop(self.odd.remove(i)),
            Err(i) if is_odd => self.odd.insert(i, new),
            Err(_) => {}
        }
    }

    fn bar(&self, numbers: Numbers) -> StoredBar {
        let Numbers { slot, open, close, volume, offset, received } = numbers;
        let start = self.start(slot);
        let end = start + self.width;
        let odd = self.odd(slot);
        StoredBar {
            start,
            end,
            printed_start: start,
            open: Some(open),
            close: Some(close),
            volume,
            received_at: EventTime::from_micros(end.as_micros().wrapping_add(received)),
            offset,
            first_offset: odd.map_or(offset, |odd| odd.first_offset),
            visible_from: odd.map_or(StoredBar::ON_TIME, |odd| odd.visible_from),
        }
    }

    fn numbers(&self, row: &Row) -> Numbers {
        let slot = row.slot();
        let end = self.start(slot) + self.width;
        let received = row.received_at.as_micros().wrapping_sub(end.as_micros());
        Numbers { slot, open: row.open, close: row.close, volume: row.volume, offset: row.offset(), received }
    }

    /// Number of slots that start before a moment.
    fn slots_before(&self, at: EventTime) -> usize {
        if at <= self.base {
            return 0;
        }
        let distance = at - self.base;
        distance.whole(self.width) as usize + usize::from(!distance.is_multiple_of(self.width))
    }

    /// Number of slots that end at or before a moment.
    fn slots_ended_by(&self, at: EventTime) -> usize {
        (at - self.base).whole(self.width) as usize
    }

    /// How many of the bars with these slots, ascending, are in the first `slots` slots.
    fn within(slots: usize, len: usize, slot: impl Fn(usize) -> u16) -> usize {
        if len == 0 || slots == 0 {
            return 0;
        }
        let last = usize::from(slot(len - 1));
        if slots > last {
            return len;
        }
        // Bar number i is in slot i or later, by at most the number of slots without a bar.
        let (mut low, mut high) = (slots.saturating_sub(last + 1 - len), slots.min(len));
        while low < high {
            let middle = low.midpoint(high);
            if usize::from(slot(middle)) < slots { low = middle + 1 } else { high = middle }
        }
        low
    }
}

/// The end of an empty or a packed vector of a growing session; doubling would leave much of it empty.
fn reserve(rows: &mut Vec<Row>) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact((rows.len() / 4).max(8));
    }
}

impl SessionBars {
    /// The first bar of a session.
    pub fn new(bar: &StoredBar) -> Self {
        let width = bar.end - bar.start;
        let grid = Grid { base: bar.start, width, odd: Vec::new(), is_rising: true };
        let mut bars = Self::Plain(Vec::new());
        if width > Span::ZERO && grid.slot(bar).is_some() {
            bars = Self::Grid(grid, Vec::new());
        }
        bars.insert(bar);
        bars
    }

    /// Adds or corrects a bar. `true` if a row that depends on it can change.
    pub fn insert(&mut self, bar: &StoredBar) -> bool {
        if let Self::Packed(..) = self {
            self.unpack();
        }
        if let Self::Grid(grid, rows) = self {
            if bar.start < grid.base {
                grid.move_base(bar.start, rows);
            }
            if let Some((slot, open, close)) = grid.slot(bar) {
                return Self::insert_row(grid, rows, slot, Row::new(slot, bar, open, close), bar);
            }
            *self = Self::Plain((0..self.len()).map(|i| self.bar(i)).collect());
        }
        let Self::Plain(bars) = self else { unreachable!("it was made plain above") };
        let place = |bar: &StoredBar| (bar.start, bar.printed_start);
        let at = bars.partition_point(|other| place(other) < place(bar));
        match bars.get_mut(at) {
            Some(known) if place(known) == place(bar) => known.correct(bar),
            _ => {
                bars.insert(at, *bar);
                true
            }
        }
    }

    fn insert_row(grid: &mut Grid, rows: &mut Vec<Row>, slot: u16, row: Row, bar: &StoredBar) -> bool {
        let is_odd = bar.visible_from != StoredBar::ON_TIME || bar.first_offset != bar.offset;
        let at = match rows.last() {
            Some(last) if last.slot() >= slot => rows.partition_point(|row| row.slot() < slot),
            _ => rows.len(),
        };
        if let Some(known) = rows.get_mut(at).filter(|known| known.slot() == slot) {
            let mut corrected = grid.bar(grid.numbers(known));
            let changed = corrected.correct(bar);
            grid.is_rising = false;
            if let Some((open, close)) = corrected.open.zip(corrected.close) {
                *known = Row::new(slot, &corrected, open, close);
            }
            grid.note(slot, &corrected);
            return changed;
        }
        grid.is_rising &= at == rows.len() && rows.last().is_none_or(|last| last.offset() < row.offset());
        reserve(rows);
        rows.insert(at, row);
        if is_odd {
            grid.note(slot, bar);
        }
        true
    }

    /// Puts the bars into columns. `is_settled` if none of them can be corrected any more: when they were received then
    /// makes no difference, and is not kept.
    /// Returns the room that they were in.
    pub fn pack(&mut self, is_settled: bool) -> Option<Vec<Row>> {
        let Self::Grid(grid, rows) = self else { return None };
        let of_row = |row: &Row| {
            let numbers = grid.numbers(row);
            if is_settled { Numbers { received: 0, ..numbers } } else { numbers }
        };
        let packed = Packed::new(&rows.iter().map(of_row).collect::<Vec<_>>());
        let mut odd = std::mem::take(&mut grid.odd);
        odd.shrink_to_fit();
        let mut room = std::mem::take(rows);
        room.clear();
        *self = Self::Packed(Grid { odd, ..*grid }, Box::new(packed));
        Some(room)
    }

    /// Takes the room of another session that is as long.
    pub fn use_room(&mut self, mut room: Vec<Row>) {
        if let Self::Grid(_, rows) = self
            && rows.capacity() < room.capacity()
        {
            room.append(rows);
            *rows = room;
        }
    }

    fn unpack(&mut self) {
        let Self::Packed(grid, packed) = self else { return };
        let row = |i| {
            let numbers = packed.numbers(i);
            Row::new(numbers.slot, &grid.bar(numbers), numbers.open, numbers.close)
        };
        let rows = (0..packed.len()).map(row).collect();
        let odd = std::mem::take(&mut grid.odd);
        *self = Self::Grid(Grid { odd, ..*grid }, rows);
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Plain(bars) => bars.len(),
            Self::Grid(_, rows) => rows.len(),
            Self::Packed(_, packed) => packed.len(),
        }
    }

    /// Where the prices at an index are from.
    pub fn source(&self, i: usize) -> Source {
        let (grid, slot, offset) = match self {
            Self::Plain(bars) => return Source::from(&bars[i]),
            Self::Grid(grid, rows) => (grid, rows[i].slot(), rows[i].offset()),
            Self::Packed(grid, packed) => (grid, packed.slot(i), packed.offset(i)),
        };
        let start = grid.start(slot);
        Source { start, end: start + grid.width, offset }
    }

    /// The bar at an index.
    pub fn bar(&self, i: usize) -> StoredBar {
        match self {
            Self::Plain(bars) => bars[i],
            Self::Grid(grid, rows) => grid.bar(grid.numbers(&rows[i])),
            Self::Packed(grid, packed) => grid.bar(packed.numbers(i)),
        }
    }

    /// All bars, by start.
    #[cfg(test)]
    pub fn bars(&self) -> impl DoubleEndedIterator<Item = StoredBar> + Clone + '_ {
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
            Self::Grid(grid, _) | Self::Packed(grid, _) if grid.odd.is_empty() => StoredBar::ON_TIME,
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
            Self::Grid(grid, rows) if grid.is_even(width, visibility) => (grid, rows.last().map(Row::slot)),
            Self::Packed(grid, packed) if grid.is_even(width, visibility) => {
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
        let slot = |i: usize| self.start(i) - grid.base;
        let (mut from, mut end) = (bars.start, 0);
        let odd_slots = (slot(bars.start), slot(bars.end - 1));
        let is_within = |odd: &&Odd| {
            let at = grid.width * i64::from(odd.slot);
            odd_slots.0 <= at && at <= odd_slots.1
        };
        for odd in grid.odd.iter().filter(is_within) {
            let at = self.starting_before(grid.start(odd.slot));
            end = end.max(odd.first_offset + 1).max(greatest(from..at).map_or(0, |offset| offset + 1));
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

impl Grid {
    /// Lets the grid begin earlier, if its bars then still have a slot.
    fn move_base(&mut self, base: EventTime, rows: &mut [Row]) {
        let distance = self.base - base;
        let last = rows.last().map_or(0, |row| u32::from(row.slot()));
        let slots = distance.whole(self.width);
        if !distance.is_multiple_of(self.width) || slots.saturating_add(last) > u32::from(u16::MAX) {
            return;
        }
        self.base = base;
        rows.iter_mut().for_each(|row| row.place += u64::from(slots) << OFFSET_BITS);
        self.odd.iter_mut().for_each(|odd| odd.slot += slots as u16);
    }
}
