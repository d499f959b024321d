//! Bars on a grid: each starts a whole number of widths after the first and ends a width later.

use super::packed::Numbers;
use super::tape::{HeldBar, Visibility};
use super::time::{EventTime, Span};

/// Where bars are, by slots: slot `n` starts `n` widths after `base`, and holds one bar or none.
#[derive(Debug)]
pub(super) struct Grid {
    base: EventTime,
    pub width: Span,
    /// What a [`Row`] does not hold of late bars, and of bars whose prices are not from their first record. Ascending
    /// by slot.
    pub exceptions: Vec<Exception>,
    /// Every bar has a greater offset than the bars before it.
    pub is_rising: bool,
}

/// A bar on the grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// The slot in the upper 16 bits, the offset in the lower 48.
    place: u64,
    pub open: f64,
    pub close: f64,
    pub volume: f64,
    received_at: EventTime,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Exception {
    pub slot: u16,
    pub first_offset: u64,
    visible_from: EventTime,
}

const OFFSET_BITS: u32 = 48;

impl Row {
    pub fn new(slot: u16, bar: &HeldBar, open: f64, close: f64) -> Self {
        let place = u64::from(slot) << OFFSET_BITS | bar.offset;
        Self { place, open, close, volume: bar.volume, received_at: bar.received_at }
    }

    pub fn slot(&self) -> u16 {
        (self.place >> OFFSET_BITS) as u16
    }

    pub fn offset(&self) -> u64 {
        self.place & ((1 << OFFSET_BITS) - 1)
    }
}

/// Reserves memory for another row. Grows by a quarter, because doubling, as `Vec` does, would leave much memory unused.
fn reserve(rows: &mut Vec<Row>) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact((rows.len() / 4).max(8));
    }
}

impl Grid {
    /// A grid that begins with a bar; `None` if such a bar can't be on a grid.
    pub fn beginning_with(bar: &HeldBar) -> Option<Self> {
        let width = bar.end - bar.start;
        let grid = Self { base: bar.start, width, exceptions: Vec::new(), is_rising: true };
        (width > Span::ZERO && grid.slot(bar).is_some()).then_some(grid)
    }

    /// Moves the grid out of a session that changes its form.
    pub fn take(&mut self) -> Self {
        let mut exceptions = std::mem::take(&mut self.exceptions);
        exceptions.shrink_to_fit();
        Self { exceptions, ..*self }
    }

    /// The slot, the open and the close of a bar; `None` if it is not on the grid.
    pub fn slot(&self, bar: &HeldBar) -> Option<(u16, f64, f64)> {
        let distance = bar.start - self.base;
        let is_regular = bar.start >= self.base
            && bar.printed_start == bar.start
            && bar.end - bar.start == self.width
            && distance.is_multiple_of(self.width)
            && bar.offset >> OFFSET_BITS == 0;
        let slot = u16::try_from(distance.whole(self.width)).ok().filter(|_| is_regular)?;
        Some((slot, bar.open?, bar.close?))
    }

    pub fn start(&self, slot: u16) -> EventTime {
        self.base + self.width * i64::from(slot)
    }

    pub fn exception(&self, slot: u16) -> Option<&Exception> {
        if self.exceptions.is_empty() {
            return None;
        }
        self.exceptions.binary_search_by_key(&slot, |exception| exception.slot).ok().map(|i| &self.exceptions[i])
    }

    /// Whether counting slots counts bars: the grid has this width, and every late bar is visible.
    pub fn can_count_slots(&self, width: Span, visibility: Visibility) -> bool {
        self.width == width && self.exceptions.iter().all(|exception| exception.visible_from <= visibility.as_of)
    }

    /// Whether no bar came late.
    pub fn are_on_time(&self) -> bool {
        self.exceptions.iter().all(|exception| exception.visible_from == HeldBar::ON_TIME)
    }

    pub fn visible_from(&self, slot: u16) -> EventTime {
        self.exception(slot).map_or(HeldBar::ON_TIME, |exception| exception.visible_from)
    }

    /// Adds, replaces or removes the exception of a slot, as its bar requires.
    pub fn note(&mut self, slot: u16, bar: &HeldBar) {
        let is_exception = bar.first_offset != bar.offset || bar.visible_from != HeldBar::ON_TIME;
        let new = Exception { slot, first_offset: bar.first_offset, visible_from: bar.visible_from };
        match self.exceptions.binary_search_by_key(&slot, |exception| exception.slot) {
            Ok(i) if is_exception => self.exceptions[i] = new,
            Ok(i) => drop(self.exceptions.remove(i)),
            Err(i) if is_exception => self.exceptions.insert(i, new),
            Err(_) => {}
        }
    }

    pub fn bar(&self, numbers: Numbers) -> HeldBar {
        let Numbers { slot, open, close, volume, offset, received } = numbers;
        let start = self.start(slot);
        let end = start + self.width;
        let exception = self.exception(slot);
        HeldBar {
            start,
            end,
            printed_start: start,
            open: Some(open),
            close: Some(close),
            volume,
            received_at: EventTime::from_micros(end.as_micros().wrapping_add(received)),
            offset,
            first_offset: exception.map_or(offset, |exception| exception.first_offset),
            visible_from: exception.map_or(HeldBar::ON_TIME, |exception| exception.visible_from),
        }
    }

    pub fn numbers(&self, row: &Row) -> Numbers {
        let slot = row.slot();
        let end = self.start(slot) + self.width;
        let received = row.received_at.as_micros().wrapping_sub(end.as_micros());
        Numbers { slot, open: row.open, close: row.close, volume: row.volume, offset: row.offset(), received }
    }

    /// Number of slots that start before a moment.
    pub fn slots_before(&self, at: EventTime) -> usize {
        if at <= self.base {
            return 0;
        }
        let distance = at - self.base;
        distance.whole(self.width) as usize + usize::from(!distance.is_multiple_of(self.width))
    }

    /// Number of slots that end at or before a moment.
    pub fn slots_ended_by(&self, at: EventTime) -> usize {
        (at - self.base).whole(self.width) as usize
    }

    /// How many of `len` bars are in the first `slots` slots. `slot(i)` is the slot of bar `i`; slots ascend.
    pub fn within(slots: usize, len: usize, slot: impl Fn(usize) -> u16) -> usize {
        if len == 0 || slots == 0 {
            return 0;
        }
        let last = usize::from(slot(len - 1));
        if slots > last {
            return len;
        }
        // Bar number i is in slot i, or later by at most the number of empty slots; that bounds the search.
        let (mut low, mut high) = (slots.saturating_sub(last + 1 - len), slots.min(len));
        while low < high {
            let middle = low.midpoint(high);
            if usize::from(slot(middle)) < slots { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Adds or corrects a bar that has a slot. `true` if a joined row that depends on the bar can change.
    pub fn insert(&mut self, rows: &mut Vec<Row>, slot: u16, row: Row, bar: &HeldBar) -> bool {
        let is_exception = bar.visible_from != HeldBar::ON_TIME || bar.first_offset != bar.offset;
        let at = match rows.last() {
            Some(last) if last.slot() >= slot => rows.partition_point(|row| row.slot() < slot),
            _ => rows.len(),
        };
        if let Some(known) = rows.get_mut(at).filter(|known| known.slot() == slot) {
            let mut corrected = self.bar(self.numbers(known));
            let changed = corrected.correct(bar);
            self.is_rising = false;
            if let Some((open, close)) = corrected.open.zip(corrected.close) {
                *known = Row::new(slot, &corrected, open, close);
            }
            self.note(slot, &corrected);
            return changed;
        }
        self.is_rising &= at == rows.len() && rows.last().is_none_or(|last| last.offset() < row.offset());
        reserve(rows);
        rows.insert(at, row);
        if is_exception {
            self.note(slot, bar);
        }
        true
    }

    /// Moves the start of the grid back to `base`, unless `base` is off the grid or a slot would exceed 16 bits.
    pub fn move_base(&mut self, base: EventTime, rows: &mut [Row]) {
        if base >= self.base {
            return;
        }
        let distance = self.base - base;
        let last = rows.last().map_or(0, |row| u32::from(row.slot()));
        let slots = distance.whole(self.width);
        if !distance.is_multiple_of(self.width) || slots.saturating_add(last) > u32::from(u16::MAX) {
            return;
        }
        self.base = base;
        rows.iter_mut().for_each(|row| row.place += u64::from(slots) << OFFSET_BITS);
        self.exceptions.iter_mut().for_each(|exception| exception.slot += slots as u16);
    }
}
