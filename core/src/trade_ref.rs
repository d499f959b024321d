//! Trades read from the bytes of their records without a copy: a topic of trades has thousands of times more records
//! than any other, and making a [`Trade`] of each takes longer than all that is done with it.

use crate::record::VERSION;
use crate::{BarUpdates, Trade};
use jiff::Timestamp;

/// A [`Trade`] whose texts are elsewhere. Its symbol need not be one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TradeRef<'a> {
    /// The ticker as it is written: only [`Symbol::new`](crate::Symbol::new) tells whether it is one.
    pub symbol: &'a str,
    /// [`Trade::at`]
    pub at: Timestamp,
    /// [`Trade::id`]
    pub id: &'a str,
    /// [`Trade::sequence`]
    pub sequence: u64,
    /// [`Trade::price`]
    pub price: f64,
    /// [`Trade::size`]
    pub size: f64,
    /// [`Trade::counts`]
    pub counts: BarUpdates,
    /// [`Trade::replaces`]
    pub replaces: Option<&'a str>,
    /// [`Trade::received_at`]
    pub received_at: Timestamp,
}

impl Trade {
    /// The trade without a copy of its texts.
    pub fn borrowed(&self) -> TradeRef<'_> {
        let Self { symbol, at, id, sequence, price, size, counts, replaces, received_at } = self;
        TradeRef {
            symbol: symbol.as_str(),
            at: *at,
            id,
            sequence: *sequence,
            price: *price,
            size: *size,
            counts: *counts,
            replaces: replaces.as_deref(),
            received_at: *received_at,
        }
    }
}

/// A [`Print`](crate::record::Print) that is a trade, and its run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrintRef<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// What is done with the trade.
    pub kind: PrintKind<'a>,
    /// The trade.
    pub trade: TradeRef<'a>,
}

/// Which [`Print`](crate::record::Print) a trade is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrintKind<'a> {
    /// [`Print::Trade`](crate::record::Print::Trade)
    Trade,
    /// [`Print::Fold`](crate::record::Print::Fold)
    Fold {
        /// [`SourceTrade::source`](crate::record::SourceTrade::source)
        source: &'a str,
    },
    /// [`Print::BenchmarkFold`](crate::record::Print::BenchmarkFold)
    BenchmarkFold {
        /// [`SourceTrade::source`](crate::record::SourceTrade::source)
        source: &'a str,
    },
}

impl<'a> PrintRef<'a> {
    /// The trade of a record of the topic `trades`, if it is written as [`Envelope::encode`](crate::record::Envelope::encode)
    /// writes it: without spaces, the fields in their order, no text with an escape, and numbers in plain decimals that
    /// 53 bits hold.
    ///
    /// `None` for every other record, whether or not it can be read:
    /// [`decode_print`](crate::TradeRecord::decode_print) reads it, or says why not. What is returned is what that function
    /// returns, except that the symbol is not checked.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(std::str::from_utf8(bytes).ok()?);
        rest.skip("{\"v\":")?;
        (rest.integer()? == u64::from(VERSION)).then_some(())?;
        rest.skip(",\"run\":")?;
        let run = rest.text()?;
        rest.skip(",\"body\":{\"")?;
        let kind = if rest.skip("fold\":{").is_some() {
            PrintKind::Fold { source: rest.source()? }
        } else if rest.skip("benchmark_fold\":{").is_some() {
            PrintKind::BenchmarkFold { source: rest.source()? }
        } else {
            rest.skip("trade\":")?;
            PrintKind::Trade
        };
        let trade = rest.trade()?;
        rest.skip(if kind == PrintKind::Trade { "}}" } else { "}}}" })?;
        rest.0.is_empty().then_some(Self { run, kind, trade })
    }
}

/// What is not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    fn source(&mut self) -> Option<&'a str> {
        self.skip("\"source\":")?;
        let source = self.text()?;
        self.skip(",\"trade\":")?;
        Some(source)
    }

    fn trade(&mut self) -> Option<TradeRef<'a>> {
        self.skip("{\"symbol\":")?;
        let symbol = self.text()?;
        self.skip(",\"at\":")?;
        let at = self.time()?;
        self.skip(",\"id\":")?;
        let id = self.text()?;
        self.skip(",\"sequence\":")?;
        let sequence = self.integer()?;
        self.skip(",\"price\":")?;
        let price = self.number()?;
        self.skip(",\"size\":")?;
        let size = self.number()?;
        let counts = match self.skip(",\"counts\":{\"open_close\":") {
            Some(()) => self.counts()?,
            None => BarUpdates::EVERYTHING,
        };
        let replaces = match self.skip(",\"replaces\":") {
            Some(()) => Some(self.text()?),
            None => None,
        };
        self.skip(",\"received_at\":")?;
        let received_at = self.time()?;
        self.skip("}")?;
        Some(TradeRef { symbol, at, id, sequence, price, size, counts, replaces, received_at })
    }

    fn counts(&mut self) -> Option<BarUpdates> {
        let open_close = self.boolean()?;
        self.skip(",\"high_low\":")?;
        let high_low = self.boolean()?;
        self.skip(",\"volume\":")?;
        let volume = self.boolean()?;
        self.skip("}")?;
        Some(BarUpdates { open_close, high_low, volume })
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.skip("true") {
            Some(()) => Some(true),
            None => self.skip("false").map(|()| false),
        }
    }

    /// A text without an escape.
    fn text(&mut self) -> Option<&'a str> {
        self.skip("\"")?;
        let end = self.0.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A time as microseconds since 1970 (UTC), not before.
    fn time(&mut self) -> Option<Timestamp> {
        Timestamp::from_microsecond(i64::try_from(self.integer()?).ok()?).ok()
    }

    /// A whole number of at most 18 digits.
    fn integer(&mut self) -> Option<u64> {
        let (value, digits) = self.digits(0)?;
        // JSON has no other number that begins with 0.
        let is_json = !self.0.starts_with('0') || digits == 1;
        self.0 = self.0.get(digits..)?;
        (is_json && digits <= MAX_DIGITS).then_some(value)
    }

    /// A number with a point that is exactly a whole number of 53 bits divided by a power of ten: the nearest `f64` then is
    /// the quotient.
    fn number(&mut self) -> Option<f64> {
        let whole = self.integer_digits()?;
        self.skip(".")?;
        let (value, decimals) = self.digits(whole.0)?;
        self.0 = self.0.get(decimals..)?;
        (whole.1 + decimals <= MAX_DIGITS && value <= MAX_EXACT).then(|| value as f64 / POWERS_OF_TEN[decimals])
    }

    fn integer_digits(&mut self) -> Option<(u64, usize)> {
        let before = self.0.len();
        let value = self.integer()?;
        Some((value, before - self.0.len()))
    }

    /// Appends the digits that come next to `value`, and says how many there are: at least one. Of more than
    /// [`MAX_DIGITS`], the value means nothing.
    fn digits(&self, value: u64) -> Option<(u64, usize)> {
        let (mut value, mut count) = (value, 0);
        for byte in self.0.bytes().take_while(u8::is_ascii_digit) {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            count += 1;
        }
        (count > 0).then_some((value, count))
    }
}

/// Every whole number of 18 digits fits 64 bits.
const MAX_DIGITS: usize = 18;

/// Up to here an `f64` has every whole number.
const MAX_EXACT: u64 = 1 << 53;

/// Each of them is exact.
const POWERS_OF_TEN: [f64; MAX_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Print, SourceTrade};
    use crate::{Run, Symbol, TradeRecord};

    fn trade() -> Trade {
        Trade {
            symbol: Symbol::new("BRK.B").unwrap(),
            at: Timestamp::from_microsecond(1_748_871_000_000_001).unwrap(),
            id: "5277-é".into(),
            sequence: 52,
            price: 100.07,
            size: 3.0,
            counts: BarUpdates::EVERYTHING,
            replaces: None,
            received_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn encoded(body: Print) -> String {
        String::from_utf8(TradeRecord::new(Run::named("may"), body).encode()).unwrap()
    }

    #[test]
    fn trades_as_they_are_written_are_read() {
        let odd_lot = BarUpdates { volume: true, ..BarUpdates::NOTHING };
        let correction = Trade { counts: odd_lot, replaces: Some("5276".into()), ..trade() };
        let precise = Trade { price: 0.000_000_012_345_678, size: 123_456.789, sequence: 0, ..trade() };
        for trade in [trade(), correction, precise] {
            let source = || SourceTrade { source: "binance".into(), trade: trade.clone() };
            for body in [Print::Trade(trade.clone()), Print::Fold(source()), Print::BenchmarkFold(source())] {
                let text = encoded(body.clone());
                if trade.price < 0.000_01 {
                    assert_eq!(PrintRef::read(text.as_bytes()), None, "it has an exponent");
                    continue;
                }
                let read = PrintRef::read(text.as_bytes()).expect(&text);
                assert_eq!((read.run, read.trade), ("may", trade.borrowed()), "{text}");
                let kind = match body {
                    Print::Trade(_) => PrintKind::Trade,
                    Print::Fold(_) => PrintKind::Fold { source: "binance" },
                    _ => PrintKind::BenchmarkFold { source: "binance" },
                };
                assert_eq!(read.kind, kind);
            }
        }
    }

    #[test]
    fn any_other_record_is_left_to_the_general_reader() {
        let text = encoded(Print::Fold(SourceTrade { source: "x".into(), trade: trade() }));
        assert!(PrintRef::read(text.as_bytes()).is_some());
        let changes = [
            ("\"v\":1", "\"v\":2"),
            ("\"v\":1", "\"v\":01"),
            ("{\"v\"", "{ \"v\""),
            ("may", "m\\u0061y"),
            ("may", "m\u{1}y"),
            ("may", "m\ny"),
            ("fold", "folds"),
            ("\"id\"", "\"new\":1,\"id\""),
            ("52,", "52.0,"),
            ("52,", "052,"),
            ("52,", "-52,"),
            ("52,", "1234567890123456789,"),
            ("100.07", "100"),
            ("100.07", "00.07"),
            ("100.07", "100."),
            ("100.07", "-100.07"),
            ("100.07", "100.07e1"),
            ("100.07", "9007199254740.993"),
            ("100.07", "0.00000000000000000001"),
            ("1748871000000001", "948871000000000001"),
            ("}}}}", "}}}"),
            ("}}}}", "}}}}}"),
            ("}}}}", "}}}} "),
            ("}}}}", "},\"x\":1}}}"),
        ];
        for (from, to) in changes {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert_eq!(PrintRef::read(changed.as_bytes()), None, "{changed}");
        }
        for end in 0..text.len() {
            assert_eq!(PrintRef::read(&text.as_bytes()[..end]), None, "{end}");
        }
        let mut bytes = text.into_bytes();
        *bytes.iter_mut().find(|byte| **byte == b'm').unwrap() = 0xff;
        assert_eq!(PrintRef::read(&bytes), None);
    }

    /// Of every price that is written in plain decimals the same `f64` is read that serde reads.
    #[test]
    fn numbers_are_those_of_the_general_reader() {
        let mut bits = 1_u64;
        let mut read = 0;
        for _ in 0..200_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            let decimals = bits as usize % 12;
            let value = (bits >> 8) >> (bits % 50);
            let text = format!("{}.{:0decimals$}", value % 1_000_000, value % 10_u64.pow(decimals as u32));
            let whole = format!("{text},");
            let mut rest = Rest(&whole);
            let Some(number) = rest.number() else { continue };
            assert_eq!(number.to_bits(), serde_json::from_str::<f64>(&text).unwrap().to_bits(), "{text}");
            assert_eq!(rest.0, ",");
            read += 1;
        }
        assert!(read > 100_000, "{read}");
    }
}
