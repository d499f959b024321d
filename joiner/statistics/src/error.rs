//! Why a statistic has no value.

/// Why a statistic has no value. A study shows the message in place of the number, and never NaN or 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are fewer observations than the statistic needs.
    #[error("not enough data: {}, at least {needed} needed", counted(*found, what))]
    TooFew {
        /// What was counted, in the plural.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: usize,
    },
    /// All values are equal, so that nothing can be compared with them.
    #[error("all {what} are equal, so the statistic is undefined")]
    Constant {
        /// The values, in the plural.
        what: &'static str,
    },
    /// The statistic is undefined for a reason of its own.
    #[error("{why}")]
    Undefined {
        /// The reason, in words.
        why: &'static str,
    },
    /// An estimate without one of the clusters does not exist, so its error by the jackknife does not either.
    #[error("there is no estimate without one of the clusters, such as one day or article, so its error is undefined")]
    NoJackknife,
    /// A value is NaN or infinite where missing values must be left out.
    #[error("{what}: value {index}, counted from 0, is NaN or infinite; leave missing values out")]
    NotFinite {
        /// The values, in the plural.
        what: &'static str,
        /// Place of the first such value.
        index: usize,
    },
    /// Two lists that belong together differ in length.
    #[error("{what}: {found} values where {expected} belong")]
    Length {
        /// The list that is too long or too short.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The length of the others.
        expected: usize,
    },
    /// A regressor is a combination of those before it.
    #[error("regressor {column}, counted from 0, is constant or a combination of those before it; leave it out")]
    Collinear {
        /// Place in the design, the constant included.
        column: usize,
    },
    /// A sum or product of finite values is not finite.
    #[error("the values are too large: their squares or sums exceed what a number can hold; rescale them")]
    Overflow,
    /// Fixed effects could not be told apart within the number of steps allowed.
    #[error("the fixed effects did not converge: too few rows connect their groups")]
    NotConverged,
    /// An argument is outside its range.
    #[error("{what} is {value}, but must be {rule}")]
    Argument {
        /// Name of the argument.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Its range, in words.
        rule: &'static str,
    },
}

/// A number of things whose name is in the plural, such as `1 day with events` for `days with events`.
fn counted(found: usize, what: &str) -> String {
    let (first, rest) = what.split_once(' ').map_or((what, ""), |(first, _)| (first, &what[first.len()..]));
    match (found, first.strip_suffix("ies"), first.strip_suffix('s')) {
        (1, Some(stem), _) => format!("1 {stem}y{rest}"),
        (1, None, Some(one)) => format!("1 {one}{rest}"),
        _ => format!("{found} {what}"),
    }
}

/// A statistic, or why it has no value.
pub type Result<T> = std::result::Result<T, Error>;

/// Refuses fewer than `needed` of `what`.
pub(crate) fn at_least(what: &'static str, found: usize, needed: usize) -> Result<()> {
    if found < needed { Err(Error::TooFew { what, found, needed }) } else { Ok(()) }
}

/// Refuses NaN and infinities.
pub(crate) fn finite(what: &'static str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(Error::NotFinite { what, index }),
        None => Ok(()),
    }
}

/// Refuses lists of different lengths.
pub(crate) fn same_length(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Length { what, found, expected }) }
}

/// Refuses an argument unless it is `valid`.
pub(crate) fn argument(what: &'static str, value: f64, valid: bool, rule: &'static str) -> Result<()> {
    if valid { Ok(()) } else { Err(Error::Argument { what, value, rule }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_what_was_counted_is_singular() {
        let said = |found, what| Error::TooFew { what, found, needed: 10 }.to_string();
        assert_eq!(said(1, "clusters"), "not enough data: 1 cluster, at least 10 needed");
        assert_eq!(said(1, "days with events"), "not enough data: 1 day with events, at least 10 needed");
        assert_eq!(said(1, "probabilities"), "not enough data: 1 probability, at least 10 needed");
        assert_eq!(said(0, "days with events"), "not enough data: 0 days with events, at least 10 needed");
    }
}
