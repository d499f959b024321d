//! A number of days, as settings write it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number of days from 1 to 18250, which is 50 years. Written `400d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, Serialize)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Days(u32);

/// Above it, times of ClickHouse's type `DateTime` would overflow in 2106.
const MOST: u32 = 18_250;

impl Days {
    /// This number of days; `None` if it is 0 or more than 18250.
    pub fn new(number: u32) -> Option<Self> {
        (1..=MOST).contains(&number).then_some(Self(number))
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Why a text is not a number of days.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a number of days from 1d to {MOST}d; write for example 400d")]
pub struct NotDays(String);

impl FromStr for Days {
    type Err = NotDays;

    fn from_str(text: &str) -> Result<Self, NotDays> {
        let number = text.trim().strip_suffix('d').and_then(|number| number.trim().parse().ok());
        number.and_then(Self::new).ok_or_else(|| NotDays(text.to_owned()))
    }
}

impl TryFrom<String> for Days {
    type Error = NotDays;

    fn try_from(text: String) -> Result<Self, NotDays> {
        text.parse()
    }
}

impl From<Days> for String {
    fn from(days: Days) -> Self {
        days.to_string()
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}d", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_a_unit_and_an_end() {
        for (text, number) in [("1d", 1), ("400d", 400), (" 30 d ", 30), ("18250d", 18_250)] {
            assert_eq!(text.parse::<Days>().unwrap().number(), number);
        }
        for text in ["", "d", "0d", "400", "18251d", "-1d", "1.5d", "720h", "4294967297d"] {
            let error = text.parse::<Days>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")) && error.contains("400d"), "{error}");
        }
        let read: Days = serde_json::from_str("\"90d\"").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"90d\"");
    }
}
