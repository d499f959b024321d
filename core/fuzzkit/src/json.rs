//! JSON with changes that keep most of it: fields of another type, numbers at the limits of number types, keys that
//! repeat, lone surrogates, deep nesting. And a plain reader to compare with.

use crate::Dice;
use serde_json::value::RawValue;
use std::fmt::Write as _;

/// A value whose scalars are kept as they are written, because a number may have spellings that no type keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Json {
    /// A string, a number, `true`, `false` or `null`, as it is written.
    Scalar(String),
    /// A list.
    List(Vec<Self>),
    /// An object; keys may repeat, and are written as they are, in their quotes.
    Object(Vec<(String, Self)>),
}

/// Scalars that readers tend to take for something else.
const ODD: [&str; 84] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-0.0",
    "1",
    "-1",
    "0.1",
    "1e0",
    "1.0",
    "5e-324",
    "1e-400",
    "1.7976931348623157e308",
    "1e309",
    "-1e999",
    "0.30000000000000004",
    "123456789.123456789123456789",
    "9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "4294967295",
    "4294967296",
    "2147483648",
    "1748872800",
    "1748872800000",
    "1748872800000000",
    "1748872800000000000",
    "253402300799999999",
    "253402207200000000",
    "253402207199999",
    "253402207200000",
    "-377705023201000000",
    "-377705023201000001",
    "-377705023201000",
    "631151999",
    "4102444800000",
    "20250602",
    "1e5",
    "1.5e3",
    "60000",
    "NaN",
    "Infinity",
    "01",
    "+1",
    ".5",
    "1.",
    "0x10",
    "\"\"",
    "\" \"",
    "\"0\"",
    "\"1e999\"",
    "\"inf\"",
    "\"NaN\"",
    "\"-0\"",
    "\"1,918.5\"",
    "\" 7 \"",
    "\"1_000\"",
    "\"null\"",
    "\"2025-06-02T14:00:00Z\"",
    "\"2025-06-02T14:00:00.123456789+05:30\"",
    "\"2025-06-02 14:00:00\"",
    "\"2025-06-02\"",
    "\"2025-02-30\"",
    "\"0001-01-01T00:00:00Z\"",
    "\"9999-12-30T21:59:59.999999999Z\"",
    "\"-009999-01-02T00:00:00Z\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"20250602T140000\"",
    "\"AAPL\"",
    "\"brk-b\"",
    "\"A B\"",
    "\"X:BTCUSD\"",
    "\"BCpC\"",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\ude00\"",
    "\"\\udc00\\ud83d\"",
    "\"<b>&amp;amp;</b>\"",
    "\"/\"",
];

impl Json {
    /// A valid message.
    ///
    /// # Panics
    /// If it is not JSON.
    pub fn of(text: &str) -> Self {
        Self::of_value(&serde_json::from_str(text).expect("a seed is JSON"))
    }

    fn of_value(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Array(items) => Self::List(items.iter().map(Self::of_value).collect()),
            serde_json::Value::Object(fields) => {
                let quoted = |key: &String| serde_json::Value::from(key.as_str()).to_string();
                Self::Object(fields.iter().map(|(key, value)| (quoted(key), Self::of_value(value))).collect())
            }
            scalar => Self::Scalar(scalar.to_string()),
        }
    }

    /// The text of the value.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Scalar(scalar) => text.push_str(scalar),
            Self::List(items) => {
                text.push('[');
                for (at, item) in items.iter().enumerate() {
                    text.push_str(if at > 0 { "," } else { "" });
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (at, (key, value)) in fields.iter().enumerate() {
                    let comma = if at > 0 { "," } else { "" };
                    write!(text, "{comma}{key}:").expect("a string can always be written to");
                    value.write(text);
                }
                text.push('}');
            }
        }
    }

    /// How many values there are, itself included.
    fn count(&self) -> usize {
        1 + match self {
            Self::Scalar(_) => 0,
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Object(fields) => fields.iter().map(|(_, value)| value.count()).sum(),
        }
    }

    /// The value at a position in depth-first order. The root is at 0.
    fn at(&mut self, mut place: usize) -> Option<&mut Self> {
        if place == 0 {
            return Some(self);
        }
        place -= 1;
        let values: Box<dyn Iterator<Item = &mut Self>> = match self {
            Self::Scalar(_) => return None,
            Self::List(items) => Box::new(items.iter_mut()),
            Self::Object(fields) => Box::new(fields.iter_mut().map(|(_, value)| value)),
        };
        for value in values {
            let count = value.count();
            if place < count {
                return value.at(place);
            }
            place -= count;
        }
        None
    }

    /// Changes one value somewhere.
    pub fn change(&mut self, dice: &mut Dice<'_>) {
        let count = self.count();
        let other = dice.below(count);
        let place = dice.below(count);
        let copy = self.at(other).map(|value| value.clone());
        let Some(value) = self.at(place) else { return };
        match dice.below(12) {
            0..=3 => *value = Self::Scalar(dice.of(&ODD).to_owned()),
            4 => *value = Self::Scalar(number(dice)),
            5 => *value = Self::Scalar(serde_json::Value::from(dice.text()).to_string()),
            6 => drop(copy.map(|copy| *value = copy)),
            7 if dice.once_in(8) => value.nest(dice.of(&[3, 40, 126, 127, 128, 129, 600])),
            7 | 8 => value.similar(dice),
            _ => value.rearrange(dice),
        }
    }

    /// Puts the value into `depth` lists, one inside the other.
    fn nest(&mut self, depth: usize) {
        let text = format!("{}{}{}", "[".repeat(depth), self.text(), "]".repeat(depth));
        *self = Self::Scalar(text);
    }

    /// A scalar becomes a similar one: another digit, another sign, a letter more.
    fn similar(&mut self, dice: &mut Dice<'_>) {
        let Self::Scalar(scalar) = self else { return };
        let places: Vec<usize> = scalar.char_indices().map(|(at, _)| at).collect();
        let at = dice.of(&places);
        let piece = dice.of(&[
            "0", "1", "9", "99999999", ".", "-", "e3", "e-3", " ", "\\u0000", "\\ud800", "a", "Z", "\\n", "/", ":",
            ",", "é", "00",
        ]);
        match dice.below(3) {
            0 => drop(scalar.remove(at)),
            _ => scalar.insert_str(at, piece),
        }
        if scalar.is_empty() {
            scalar.push('0');
        }
    }

    /// Changes the members of a list or an object.
    fn rearrange(&mut self, dice: &mut Dice<'_>) {
        let odd = Self::Scalar(dice.of(&ODD).to_owned());
        match self {
            Self::Scalar(_) => *self = if dice.once_in(2) { Self::List(vec![self.clone()]) } else { odd },
            Self::List(items) if items.is_empty() => items.push(odd),
            Self::List(items) => {
                let at = dice.below(items.len());
                match dice.below(4) {
                    0 => drop(items.remove(at)),
                    1 => items.push(items[at].clone()),
                    2 => items.insert(at, odd),
                    _ => {
                        let other = dice.below(items.len());
                        items.swap(at, other);
                    }
                }
            }
            Self::Object(fields) if fields.is_empty() => fields.push(("\"id\"".into(), odd)),
            Self::Object(fields) => {
                let at = dice.below(fields.len());
                let other = fields[dice.below(fields.len())].0.clone();
                match dice.below(5) {
                    0 => drop(fields.remove(at)),
                    1 => fields.push((other, odd)),
                    2 => fields.push(fields[at].clone()),
                    3 => fields[at].0 = other,
                    _ => fields[at].0 = serde_json::Value::from(dice.text()).to_string(),
                }
            }
        }
    }
}

/// A number in one of the spellings that JSON has for numbers.
fn number(dice: &mut Dice<'_>) -> String {
    match dice.below(6) {
        0 => (dice.bits() as i64).to_string(),
        1 => dice.bits().to_string(),
        2 => format!("{}.{}", dice.below(1000), dice.bits() >> dice.below(64)),
        3 => format!("{}e{}", dice.below(100), dice.below(700) as i64 - 350),
        4 => (1_748_872_800_000 + dice.below(1 << 24) as u64 * 60_000).to_string(),
        _ => match f64::from_bits(dice.bits()) {
            number if number.is_finite() => format!("{number:?}"),
            _ => "1e308".to_owned(),
        },
    }
}

/// A copy of one of `seeds` with up to four changes. One copy in eight then has a few bytes damaged, after which it may
/// no longer be JSON.
pub fn message(dice: &mut Dice<'_>, seeds: &[Json]) -> Vec<u8> {
    let mut message = seeds[dice.below(seeds.len())].clone();
    for _ in 0..dice.below(5) {
        message.change(dice);
    }
    let mut text = message.text().into_bytes();
    if dice.once_in(8) {
        dice.damage(&mut text);
    }
    text
}

/// The fields of an object, each as it is written; of a repeated key the last. `None` if the text is not an object.
///
/// This is the plain reader: it leaves numbers to Rust's own parser and knows nothing of any message.
pub fn fields(object: &str) -> Option<Fields> {
    serde_json::from_str::<std::collections::BTreeMap<String, Box<RawValue>>>(object).ok().map(Fields)
}

/// The fields of an object, see [`fields`].
#[derive(Debug)]
pub struct Fields(std::collections::BTreeMap<String, Box<RawValue>>);

impl Fields {
    /// A field that is not null, as it is written.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.get()).filter(|&text| text != "null")
    }

    /// A number, or a string that holds one.
    pub fn number(&self, name: &str) -> Option<f64> {
        let raw = self.raw(name)?;
        if raw.starts_with('"') { self.string(name)?.trim().parse().ok() } else { raw.parse().ok() }
    }

    /// An integer.
    pub fn integer(&self, name: &str) -> Option<i128> {
        self.raw(name)?.parse().ok()
    }

    /// A string.
    pub fn string(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// A list of strings, without those that are null.
    pub fn strings(&self, name: &str) -> Option<Vec<String>> {
        let all: Vec<Option<String>> = serde_json::from_str(self.raw(name)?).ok()?;
        Some(all.into_iter().flatten().collect())
    }

    /// An object.
    pub fn object(&self, name: &str) -> Option<Self> {
        fields(self.raw(name)?)
    }
}

/// The items of a list, each as it is written.
pub fn items(list: &str) -> Option<Vec<String>> {
    let items: Vec<Box<RawValue>> = serde_json::from_str(list).ok()?;
    Some(items.into_iter().map(|item| item.get().to_owned()).collect())
}
