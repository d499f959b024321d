//! Columns of numbers in as few whole bytes as they need, readable at any index and equal to the bit.

/// A column of integers: at index `i`, `base + slope * i` plus the unsigned number of `width` bytes that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integers {
    /// Where the stored numbers begin.
    at: u32,
    width: u8,
    base: i64,
    slope: i64,
}

/// How a column of floating-point numbers is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// As integers that are divided by this power of ten.
    Decimal(f64),
    /// By their bits.
    Bits,
}

/// A column of floating-point numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Floats {
    scale: Scale,
    integers: Integers,
}

/// The columns of a session's bars.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packed {
    len: u32,
    slots: Integers,
    opens: Floats,
    closes: Floats,
    volumes: Floats,
    offsets: Integers,
    received: Integers,
    bytes: Box<[u8]>,
}

/// One bar's numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Numbers {
    pub slot: u16,
    pub open: f64,
    pub close: f64,
    pub volume: f64,
    pub offset: u64,
    /// When the bar was received, relative to its end, in microseconds.
    pub received: i64,
}

/// Powers of ten that are tried in this order: whole numbers, cents, and what exchanges print beside them.
const SCALES: [f64; 5] = [1.0, 1e2, 1e4, 1e6, 1e8];
/// Below this, every integer is a floating-point number.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Integers {
    fn write(values: &[i64], slope: i64, bytes: &mut Vec<u8>) -> Self {
        let rest = |(i, &value): (usize, &i64)| value.wrapping_sub(slope.wrapping_mul(i as i64));
        let rests = || values.iter().enumerate().map(rest);
        let (base, last) = (rests().min().unwrap_or(0), rests().max().unwrap_or(0));
        let width = match last.wrapping_sub(base) as u64 {
            0 => 0,
            0x1..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xff_ffff => 3,
            0x100_0000..=0xffff_ffff => 4,
            _ => 8_usize,
        };
        let at = u32::try_from(bytes.len()).expect("a session's columns have less than 4 GB");
        rests().for_each(|rest| bytes.extend_from_slice(&rest.wrapping_sub(base).to_le_bytes()[..width]));
        Self { at, width: width as u8, base, slope }
    }

    /// The numbers from an index on.
    fn read_many(self, from: usize, out: &mut [i64], bytes: &[u8]) {
        let width = usize::from(self.width);
        let at = self.at as usize + from * width;
        let stored = &bytes[at..at + out.len() * width];
        let lines = || (from..).map(|i| self.line(i));
        match width {
            0 => out.iter_mut().zip(lines()).for_each(|(out, line)| *out = line),
            1 => {
                let stored = stored.iter().map(|&stored| i64::from(stored));
                out.iter_mut()
                    .zip(lines().zip(stored))
                    .for_each(|(out, (line, stored))| *out = line.wrapping_add(stored));
            }
            2 => {
                let stored = stored.chunks_exact(2).map(|two| i64::from(u16::from_le_bytes([two[0], two[1]])));
                out.iter_mut()
                    .zip(lines().zip(stored))
                    .for_each(|(out, (line, stored))| *out = line.wrapping_add(stored));
            }
            _ => out.iter_mut().zip(from..).for_each(|(out, i)| *out = self.read(i, bytes)),
        }
    }

    /// The number at an index without the stored one.
    fn line(self, i: usize) -> i64 {
        self.base.wrapping_add(self.slope.wrapping_mul(i as i64))
    }

    /// No stored number is greater.
    fn greatest_rest(self) -> i64 {
        if self.width < 8 { (1 << (8 * self.width)) - 1 } else { i64::MAX }
    }

    #[inline(always)]
    fn read(self, i: usize, bytes: &[u8]) -> i64 {
        let from = self.at as usize + i * usize::from(self.width);
        let stored = match self.width {
            0 => 0,
            1 => u64::from(bytes[from]),
            2 => u64::from(u16::from_le_bytes([bytes[from], bytes[from + 1]])),
            3 => u64::from(u32::from_le_bytes([bytes[from], bytes[from + 1], bytes[from + 2], 0])),
            4 => u64::from(u32::from_le_bytes(bytes[from..from + 4].try_into().expect("four bytes"))),
            _ => u64::from_le_bytes(bytes[from..from + 8].try_into().expect("eight bytes")),
        };
        self.line(i).wrapping_add(stored as i64)
    }
}

/// The integer that gives exactly this number when divided by `scale`.
fn exact(value: f64, scale: f64) -> Option<i64> {
    let whole = (value * scale).round();
    let integer = whole as i64;
    // The sign of a zero is not in the integer.
    (whole.abs() < EXACT && (integer as f64 / scale).to_bits() == value.to_bits()).then_some(integer)
}

impl Scale {
    #[inline]
    fn number(self, integer: i64) -> f64 {
        match self {
            Self::Decimal(scale) => integer as f64 / scale,
            Self::Bits => f64::from_bits(integer as u64),
        }
    }
}

impl Floats {
    fn write(values: impl Iterator<Item = f64> + Clone, bytes: &mut Vec<u8>) -> Self {
        for scale in SCALES {
            let integers: Option<Vec<i64>> = values.clone().map(|value| exact(value, scale)).collect();
            if let Some(integers) = integers {
                return Self { scale: Scale::Decimal(scale), integers: Integers::write(&integers, 0, bytes) };
            }
        }
        let bits: Vec<i64> = values.map(|value| value.to_bits() as i64).collect();
        Self { scale: Scale::Bits, integers: Integers::write(&bits, 0, bytes) }
    }

    #[inline(always)]
    fn read(self, i: usize, bytes: &[u8]) -> f64 {
        self.scale.number(self.integers.read(i, bytes))
    }
}

impl Packed {
    /// Packs bars by their slots, ascending.
    pub fn new(bars: &[Numbers]) -> Self {
        let mut bytes = Vec::new();
        let column = |of: fn(&Numbers) -> i64| bars.iter().map(of).collect::<Vec<i64>>();
        let offsets = column(|bar| bar.offset as i64);
        let steps = offsets.len().saturating_sub(1).max(1) as i64;
        // Bars of a topic come at about the same distance from each other.
        let slope = offsets.last().zip(offsets.first()).map_or(0, |(last, first)| (last - first).max(0) / steps);
        let mut packed = Self {
            len: u32::try_from(bars.len()).expect("a session has at most 65,536 slots"),
            slots: Integers::write(&column(|bar| i64::from(bar.slot)), 1, &mut bytes),
            opens: Floats::write(bars.iter().map(|bar| bar.open), &mut bytes),
            closes: Floats::write(bars.iter().map(|bar| bar.close), &mut bytes),
            volumes: Floats::write(bars.iter().map(|bar| bar.volume), &mut bytes),
            offsets: Integers::write(&offsets, slope, &mut bytes),
            received: Integers::write(&column(|bar| bar.received), 0, &mut bytes),
            bytes: Box::default(),
        };
        packed.bytes = bytes.into_boxed_slice();
        packed
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub fn slot(&self, i: usize) -> u16 {
        self.slots.read(i, &self.bytes) as u16
    }

    #[inline]
    pub fn open(&self, i: usize) -> f64 {
        self.opens.read(i, &self.bytes)
    }

    #[inline]
    pub fn close(&self, i: usize) -> f64 {
        self.closes.read(i, &self.bytes)
    }

    #[inline]
    pub fn volume(&self, i: usize) -> f64 {
        self.volumes.read(i, &self.bytes)
    }

    #[inline]
    pub fn offset(&self, i: usize) -> u64 {
        self.offsets.read(i, &self.bytes) as u64
    }

    /// Calls `each` with slot and close of each bar.
    pub fn closes(&self, mut each: impl FnMut(u16, f64)) {
        let mut slots = [0; 64];
        let mut closes = [0; 64];
        for from in (0..self.len()).step_by(64) {
            let count = (self.len() - from).min(64);
            self.slots.read_many(from, &mut slots[..count], &self.bytes);
            self.closes.integers.read_many(from, &mut closes[..count], &self.bytes);
            for (&slot, &close) in slots[..count].iter().zip(&closes[..count]) {
                each(slot as u16, self.closes.scale.number(close));
            }
        }
    }

    /// The greatest offset of some bars; `None` of none.
    pub fn greatest_offset(&self, bars: std::ops::Range<usize>) -> Option<u64> {
        let most = self.offsets.greatest_rest();
        let mut greatest = None;
        for i in bars.rev() {
            // Offsets are about evenly spaced, so that those of most bars before are less than this one's.
            if greatest.is_some_and(|greatest| self.offsets.line(i).saturating_add(most) <= greatest) {
                break;
            }
            greatest = greatest.max(Some(self.offsets.read(i, &self.bytes)));
        }
        greatest.map(|offset| offset as u64)
    }

    /// The numbers of one bar.
    pub fn numbers(&self, i: usize) -> Numbers {
        Numbers {
            slot: self.slot(i),
            open: self.open(i),
            close: self.close(i),
            volume: self.volume(i),
            offset: self.offset(i),
            received: self.received.read(i, &self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Prices in cents, in ten-thousandths, of crypto, and any there are.
    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            (1_u32..10_000_000).prop_map(|cents| f64::from(cents) / 100.0),
            (1_u32..10_000_000).prop_map(|price| f64::from(price) / 10_000.0),
            (1_u64..10_000_000_000).prop_map(|price| price as f64 / 1e8),
            (0_u64..1 << 60).prop_map(|whole| whole as f64),
            any::<f64>().prop_filter("a number", |number| !number.is_nan()),
            Just(-0.0),
        ]
    }

    fn bar() -> impl Strategy<Value = Numbers> {
        (number(), number(), number(), 0_u64..1 << 48, any::<i64>()).prop_map(
            |(open, close, volume, offset, received)| Numbers { slot: 0, open, close, volume, offset, received },
        )
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_back_to_the_bit(
            bars in prop::collection::vec(bar(), 0..50),
            cents in prop::collection::vec((1_u32..10_000_000, 0_u32..3), 0..50),
        ) {
            let alike = cents.iter().map(|&(cents, received)| Numbers {
                slot: 0,
                open: f64::from(cents) / 100.0,
                close: f64::from(cents + 1) / 100.0,
                volume: f64::from(cents % 1_000),
                offset: u64::from(cents),
                received: i64::from(received),
            });
            for mut bars in [bars, alike.collect()] {
                for (i, bar) in bars.iter_mut().enumerate() {
                    bar.slot = 3 * i as u16;
                }
                let packed = Packed::new(&bars);
                prop_assert_eq!(packed.len(), bars.len());
                for (i, bar) in bars.iter().enumerate() {
                    let read = packed.numbers(i);
                    prop_assert_eq!(read, *bar);
                    let bits = |bar: Numbers| [bar.open, bar.close, bar.volume].map(f64::to_bits);
                    prop_assert_eq!(bits(read), bits(*bar));
                }
            }
        }
    }

    #[test]
    fn a_session_of_cents_takes_six_bytes_a_bar() {
        let bar = |slot: u16| {
            let price = |cents: u32| f64::from(cents) / 100.0;
            let wave = u32::from(slot) * 7 % 211;
            Numbers {
                slot,
                open: price(10_000 + wave),
                close: price(10_003 + wave),
                volume: f64::from(100 + 37 * wave),
                offset: 1_000_000 + 5_000 * u64::from(slot) + u64::from(wave),
                received: 0,
            }
        };
        let packed = Packed::new(&(0..390).map(bar).collect::<Vec<_>>());
        assert!(packed.bytes.len() <= 390 * 6, "{}", packed.bytes.len());
    }
}
