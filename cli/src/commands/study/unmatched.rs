//! Values of filters that keep no event, in words.

use crate::exit::UsageError;
use tapewire_study::unmatched::{Unmatched, Why};
use tapewire_study::{Filters, Row};

/// How many values that rows have are named.
const NAMED: usize = 5;

/// How alike two values are that may be spellings of one, from 0 to 1.
const ALIKE: f64 = 0.5;

/// What a person should know of values that keep no event.
///
/// # Errors
/// [`UsageError`] if a filter keeps no event at all.
pub fn check(filters: &Filters, rows: &[Row]) -> Result<Vec<String>, UsageError> {
    let unmatched = filters.unmatched(rows);
    let fatal: Vec<String> = unmatched.iter().filter(|one| one.is_all).map(in_words).collect();
    match fatal.is_empty() {
        true => Ok(unmatched.iter().map(in_words).collect()),
        false => Err(UsageError(fatal.join("\n"))),
    }
}

fn in_words(unmatched: &Unmatched) -> String {
    let Unmatched { flag, value, why, .. } = unmatched;
    match why {
        Why::Absent(there) => {
            let near = nearest(value, there);
            let said = match near.is_empty() {
                true => format!("there are {}", listed(there)),
                false => format!("the nearest that there are: {}", near.join(", ")),
            };
            format!("{flag} {value} keeps nothing: no mention has this value; {said}")
        }
        Why::NoEvent(reasons) => {
            let rows: usize = reasons.iter().map(|(_, rows)| rows).sum();
            let reasons: Vec<String> = reasons.iter().map(|(words, rows)| format!("{words} ({rows})")).collect();
            format!("{flag} {value} keeps nothing: none of its {rows} mentions is an event: {}", reasons.join("; "))
        }
    }
}

/// The values that may be meant, the most similar first.
fn nearest<'t>(value: &str, there: &'t [String]) -> Vec<&'t str> {
    let likeness = |other: &str| strsim::normalized_damerau_levenshtein(&value.to_lowercase(), &other.to_lowercase());
    let mut alike: Vec<(f64, &str)> = there.iter().map(|other| (likeness(other), other.as_str())).collect();
    alike.retain(|(likeness, _)| *likeness >= ALIKE);
    alike.sort_by(|one, other| other.0.total_cmp(&one.0));
    alike.into_iter().take(NAMED).map(|(_, other)| other).collect()
}

fn listed(there: &[String]) -> String {
    let named = there[..there.len().min(NAMED)].join(", ");
    match there.len().saturating_sub(NAMED) {
        0 if there.is_empty() => "none".to_owned(),
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_values_are_named_before_others() {
        let there: Vec<String> = ["MSFT", "AAPL", "BRK.B", "AMZN", "GOOGL", "NVDA"].map(str::to_owned).into();
        let said = |value: &str| {
            let why = Why::Absent(there.clone());
            in_words(&Unmatched { flag: "--symbols", value: value.into(), is_all: false, why })
        };
        assert!(said("APPL").ends_with("the nearest that there are: AAPL"), "{}", said("APPL"));
        assert!(said("BRKB").ends_with("the nearest that there are: BRK.B"), "{}", said("BRKB"));
        assert!(said("ZZ").ends_with("there are MSFT, AAPL, BRK.B, AMZN, GOOGL and 1 more"), "{}", said("ZZ"));
    }
}
