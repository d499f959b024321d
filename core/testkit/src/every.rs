//! Records of every kind on every topic, with values at the limits of their types.
//!
//! Each record is written out with all its fields, so that a field that is added to a record has to be added here.

use crate::{Dice, symbol};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tapewire_core::instrument::Kind;
use tapewire_core::record::{Envelope, Gap, ListedInstrument, News, Print, Scored, SourceTrade, Tape};
use tapewire_core::tape::{ActionKind, BarUpdates};
use tapewire_core::{
    Article, Bar, CorporateAction, Halt, Instrument, Mention, Probabilities, Run, Sentiment, Symbol, Trade, Unscored,
    Watermark,
};

/// Texts that readers tend to take for something else.
const TEXTS: [&str; 12] = [
    "a",
    "Example Corp raises its outlook",
    "\0",
    "\u{1}\u{7f}\u{feff}",
    "\"quoted\" \\ and / escaped\n\r\t",
    "null",
    "été 日本 👍",
    "\u{10ffff}",
    "</script>",
    " ",
    "{\"a\":1}",
    "\u{2028}",
];

/// Which optional fields of a record are set. Others are left out, null, or at their default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optional {
    /// All.
    Set,
    /// None.
    Absent,
    /// Each with a chance of one half.
    Either,
}

/// A record of every kind as on its topic, in JSON, with the topic's name.
pub fn every_record(seed: u64, optional: Optional) -> Vec<(&'static str, Vec<u8>)> {
    let mut make = Maker { dice: Dice(seed), optional };
    let all = [
        ("news", make.record(|make| News::Article(make.article()))),
        ("news", make.record(|make| News::Watermark(make.watermark()))),
        ("sentiment", make.record(|make| Scored::Mention(make.mention(true)))),
        ("sentiment", make.record(|make| Scored::Mention(make.mention(false)))),
        ("sentiment", make.record(|make| Scored::Watermark(make.watermark()))),
        ("bars", make.record(|make| Tape::Bar(make.bar()))),
        ("bars", make.record(|make| Tape::BenchmarkBar(make.bar()))),
        ("bars", make.record(|make| Tape::Watermark(make.watermark()))),
        ("trades", make.record(|make| Print::Trade(make.trade()))),
        ("trades", make.record(|make| Print::Fold(make.source_trade()))),
        ("trades", make.record(|make| Print::BenchmarkFold(make.source_trade()))),
        ("trades", make.record(|make| Print::Gap(Gap { source: make.text(), from: make.at(), to: make.at() }))),
        ("trades", make.record(|make| Print::Watermark(make.watermark()))),
        ("halts", make.record(Maker::halt)),
        ("actions", make.record(|make| make.action(true))),
        ("actions", make.record(|make| make.action(false))),
        ("instruments", make.record(Maker::instrument)),
    ];
    all.into()
}

struct Maker {
    dice: Dice,
    optional: Optional,
}

impl Maker {
    fn record<Body: Serialize + DeserializeOwned>(&mut self, body: impl FnOnce(&mut Self) -> Body) -> Vec<u8> {
        let run = Run::named(&self.text());
        Envelope::new(run, body(self)).encode()
    }

    fn is_set(&mut self) -> bool {
        match self.optional {
            Optional::Set => true,
            Optional::Absent => false,
            Optional::Either => self.dice.chance(50),
        }
    }

    fn optional<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.is_set() { Some(value(self)) } else { None }
    }

    fn text(&mut self) -> String {
        self.dice.of(&TEXTS).to_owned()
    }

    fn symbol(&mut self) -> Symbol {
        symbol(self.dice.of(&["AAPL", "BRK.B", "X:BTCUSD", "BC-PC"]))
    }

    fn symbols(&mut self) -> Vec<Symbol> {
        (0..self.dice.below(3)).map(|_| self.symbol()).collect()
    }

    fn texts(&mut self) -> Vec<String> {
        (0..self.dice.below(3)).map(|_| self.text()).collect()
    }

    /// In whole microseconds, as records have it.
    fn at(&mut self) -> Timestamp {
        // jiff does not read microseconds of the last second that it can represent.
        let (first, last) = (Timestamp::MIN.as_microsecond() + 1, Timestamp::MAX.as_second() * 1_000_000);
        let any = first + (self.dice.roll() % last.abs_diff(first)).cast_signed();
        let of = [first, last, 0, -1, 1_700_000_000_123_456, Watermark::END.as_microsecond(), any];
        Timestamp::from_microsecond(self.dice.of(&of)).expect("it is between the first and the last")
    }

    fn date(&mut self) -> Date {
        let dates =
            ["1970-01-01", "1969-12-31", "2020-02-29", "9999-12-31", "0001-01-01", "-009999-01-01", "2025-06-02"];
        self.dice.of(&dates).parse().expect("it is a date")
    }

    fn double(&mut self) -> f64 {
        let any = f64::from_bits(self.dice.roll());
        let any = if any.is_finite() { any } else { 1.0 };
        self.dice.of(&[
            0.0,
            -0.0,
            1.0,
            0.1,
            -1.5,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            9_007_199_254_740_992.0,
            any,
            any,
        ])
    }

    fn unsigned(&mut self) -> u64 {
        let any = self.dice.roll();
        let small = any >> (any % 64);
        self.dice.of(&[
            0,
            1,
            127,
            128,
            255,
            256,
            (1 << 53) + 1,
            1 << 63,
            i64::MAX.cast_unsigned(),
            u64::MAX,
            any,
            small,
        ])
    }

    fn count(&mut self) -> u32 {
        self.dice.of(&[0, 1, 60, u32::MAX])
    }

    fn article(&mut self) -> Article {
        Article {
            id: self.text(),
            revision: self.unsigned(),
            provider: self.text(),
            publisher: self.text(),
            author: self.text(),
            title: self.text(),
            description: self.text(),
            url: self.text(),
            symbols: self.symbols(),
            symbols_found: self.is_set(),
            withdrawn: self.optional(|make| vec![Some(make.symbol()), None]).unwrap_or_default(),
            keywords: self.texts(),
            published_at: self.at(),
            received_at: self.at(),
        }
    }

    fn watermark(&mut self) -> Watermark {
        Watermark {
            index: self.count(),
            count: self.count(),
            source: self.optional(Self::text).unwrap_or_default(),
            idle: self.is_set(),
            at: self.at(),
        }
    }

    fn mention(&mut self, is_scored: bool) -> Mention {
        let reasons = [Unscored::EmptyText, Unscored::ModelFailed, Unscored::Promotional, Unscored::Withdrawn];
        let unscored = self.dice.of(&reasons);
        let sentiment = Sentiment {
            probabilities: Probabilities { positive: self.double(), neutral: self.double(), negative: self.double() },
            model: self.text().into(),
            model_revision: self.text().into(),
            windows: self.dice.of(&[0, 1, 2, u16::MAX]),
        };
        Mention {
            article_id: self.text(),
            article_revision: self.unsigned(),
            symbol: self.optional(Self::symbol),
            symbol_found: self.is_set(),
            title: self.text(),
            provider: self.text().into(),
            publisher: self.text().into(),
            url: self.text(),
            published_at: self.at(),
            received_at: self.at(),
            scored_at: self.at(),
            relevance: self.optional(Self::double),
            asked_as: self.optional(Self::text),
            sentiment: if is_scored { Ok(sentiment) } else { Err(unscored) },
        }
    }

    fn bar(&mut self) -> Bar {
        Bar {
            symbol: self.symbol(),
            start: self.at(),
            width_s: self.count(),
            open: self.double(),
            high: self.double(),
            low: self.double(),
            close: self.double(),
            volume: self.double(),
            vwap: self.optional(Self::double),
            trades: self.optional(Self::unsigned),
            received_at: self.at(),
        }
    }

    fn trade(&mut self) -> Trade {
        let counts = BarUpdates {
            open_close: self.dice.chance(50),
            high_low: self.dice.chance(50),
            // Not a trade that counts for everything, which is the default.
            volume: false,
        };
        Trade {
            symbol: self.symbol(),
            at: self.at(),
            id: self.text(),
            sequence: self.unsigned(),
            price: self.double(),
            size: self.double(),
            counts: if self.is_set() { counts } else { BarUpdates::EVERYTHING },
            replaces: self.optional(Self::text),
            received_at: self.at(),
        }
    }

    fn source_trade(&mut self) -> SourceTrade {
        SourceTrade { source: self.text(), trade: self.trade() }
    }

    fn halt(&mut self) -> Halt {
        Halt {
            symbol: self.symbol(),
            at: self.at(),
            halted: self.dice.chance(50),
            reason: self.text(),
            received_at: self.at(),
        }
    }

    fn action(&mut self, is_split: bool) -> CorporateAction {
        let split = ActionKind::Split { from: self.double(), to: self.double() };
        let currency = self.optional(|_| "USD".to_owned()).unwrap_or_default();
        let dividend = ActionKind::Dividend { amount: self.double(), currency };
        CorporateAction {
            symbol: self.symbol(),
            ex_date: self.date(),
            id: self.optional(Self::text).unwrap_or_default(),
            kind: if is_split { split } else { dividend },
            received_at: self.at(),
        }
    }

    fn instrument(&mut self) -> ListedInstrument {
        let instrument = Instrument {
            symbol: self.symbol(),
            name: self.text(),
            aliases: self.texts(),
            kind: self.dice.of(&[Kind::Stock, Kind::DepositaryReceipt, Kind::Other]),
            exchange: self.text(),
            cik: self.optional(Self::unsigned),
            figi: self.optional(Self::text),
            valid_from: self.optional(Self::date),
            valid_to: self.optional(Self::date),
        };
        ListedInstrument { instrument, source: self.text(), seen_at: self.at() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_optional_is_there_or_not_as_wanted() {
        let text = |optional| {
            every_record(1, optional).into_iter().map(|(_, json)| String::from_utf8(json).unwrap()).collect::<String>()
        };
        let (set, absent) = (text(Optional::Set), text(Optional::Absent));
        for field in
            ["symbols_found", "withdrawn", "idle", "asked_as", "symbol_found", "counts", "replaces", "currency"]
        {
            let field = format!("\"{field}\":");
            assert!(set.contains(&field) && !absent.contains(&field), "{field}");
        }
        for field in ["vwap", "trades", "relevance", "cik", "figi", "valid_from", "valid_to"] {
            let null = format!("\"{field}\":null");
            assert!(!set.contains(&null) && absent.contains(&null), "{field}");
        }
    }
}
