//! Many tests at once: adjusted p-values, and a count of every test that was tried.

use crate::error::{Result, argument, finite};
use crate::test::{Test, check_level};

/// How p-values are adjusted for their number m.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjustment {
    /// m p. Limits the chance of any false rejection, for any dependence.
    Bonferroni,
    /// Holm 1979: limits the same chance, stepping down from the smallest p-value; never rejects less than Bonferroni.
    Holm,
    /// Hochberg 1988: limits the same chance, stepping up from the largest p-value; for independent or positively
    /// dependent tests.
    Hochberg,
    /// Benjamini and Hochberg 1995: limits the expected share of false rejections among all rejections, for independent
    /// or positively dependent tests.
    BenjaminiHochberg,
    /// Benjamini and Yekutieli 2001: the same for any dependence, times 1 + 1/2 + ... + 1/m.
    BenjaminiYekutieli,
}

/// Adjusted p-values, in the order given; those at most the level are rejected. Equals `pvals_corrected` of
/// `statsmodels.stats.multitest.multipletests` with `bonferroni`, `holm`, `simes-hochberg`, `fdr_bh` and `fdr_by`.
///
/// # Errors
/// [`crate::Error::Argument`] for a p-value outside [0, 1]; [`crate::Error::NotFinite`].
pub fn adjusted(p: &[f64], adjustment: Adjustment) -> Result<Vec<f64>> {
    finite("p-values", p)?;
    for &p in p {
        argument("a p-value", p, (0.0..=1.0).contains(&p), "between 0 and 1")?;
    }
    let m = p.len();
    let mut order: Vec<usize> = (0..m).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let harmonic: f64 = (1..=m).map(|rank| 1.0 / rank as f64).sum();
    let factor = |place: usize| match adjustment {
        Adjustment::Bonferroni => m as f64,
        Adjustment::Holm | Adjustment::Hochberg => (m - place) as f64,
        Adjustment::BenjaminiHochberg => m as f64 / (place + 1) as f64,
        Adjustment::BenjaminiYekutieli => m as f64 / (place + 1) as f64 * harmonic,
    };
    let mut sorted: Vec<f64> = order.iter().enumerate().map(|(place, &index)| p[index] * factor(place)).collect();
    match adjustment {
        Adjustment::Bonferroni => {}
        Adjustment::Holm => (1..m).for_each(|place| sorted[place] = sorted[place].max(sorted[place - 1])),
        _ => (1..m).rev().for_each(|place| sorted[place - 1] = sorted[place - 1].min(sorted[place])),
    }
    let mut adjusted = vec![0.0; m];
    order.iter().zip(sorted).for_each(|(&index, value)| adjusted[index] = value.min(1.0));
    Ok(adjusted)
}

/// One test of a family.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What was tested, such as `AAPL 5m`.
    pub label: String,
    /// The test, or why it has no value.
    pub outcome: Result<Test>,
}

/// A test of a family, with its p-value adjusted for their number.
#[derive(Debug, Clone, PartialEq)]
pub struct AdjustedEntry {
    /// [`Entry::label`].
    pub label: String,
    /// The test, or why it has no value.
    pub outcome: Result<Test>,
    /// The p-value adjusted for all tests of the family; `None` where there is no test.
    pub p_adjusted: Option<f64>,
    /// Whether the adjusted p-value is at most the level; `false` without a test.
    pub rejected: bool,
}

/// Every test that one question led to. Each is entered when it is computed and none can be removed, so the program
/// itself counts the tests.
///
/// ```
/// use tapewire_statistics::Mean;
/// use tapewire_statistics::multiple::{Adjustment, Family};
///
/// let mut family = Family::new("does the score move the price");
/// for (symbol, returns) in [("AAPL", [0.011, 0.012, 0.010, 0.013]), ("MSFT", [0.004, -0.005, 0.002, 0.001])] {
///     family.add(symbol, || Mean::of("returns", &returns)?.t_test());
/// }
/// let entries = family.adjusted(Adjustment::Holm, 0.05).unwrap();
/// assert_eq!(family.tests(), 2);
/// assert!(entries[0].rejected && !entries[1].rejected);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    question: String,
    entries: Vec<Entry>,
}

impl Family {
    /// A family without tests.
    pub fn new(question: impl Into<String>) -> Self {
        Self { question: question.into(), entries: Vec::new() }
    }

    /// What the family asks.
    pub fn question(&self) -> &str {
        &self.question
    }

    /// Computes a test and enters it, whether or not it has a value.
    pub fn add(&mut self, label: impl Into<String>, test: impl FnOnce() -> Result<Test>) -> Result<Test> {
        let outcome = test();
        self.entries.push(Entry { label: label.into(), outcome: outcome.clone() });
        outcome
    }

    /// All tests, in the order in which they were entered.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of tests that have a p-value: the m of every adjustment.
    pub fn tests(&self) -> usize {
        self.entries.iter().filter(|entry| entry.outcome.is_ok()).count()
    }

    /// Number of tests without a value.
    pub fn undefined(&self) -> usize {
        self.entries.len() - self.tests()
    }

    /// All tests, with p-values adjusted for the number of those that have one.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] if `level` is not in (0, 1).
    pub fn adjusted(&self, adjustment: Adjustment, level: f64) -> Result<Vec<AdjustedEntry>> {
        check_level(level)?;
        let p: Vec<f64> =
            self.entries.iter().filter_map(|entry| entry.outcome.as_ref().ok()).map(|test| test.p).collect();
        let mut adjusted = adjusted(&p, adjustment)?.into_iter();
        let adjust = |entry: &Entry| {
            let p_adjusted = entry.outcome.as_ref().ok().and_then(|_| adjusted.next());
            let rejected = p_adjusted.is_some_and(|p| p <= level);
            AdjustedEntry { label: entry.label.clone(), outcome: entry.outcome.clone(), p_adjusted, rejected }
        };
        Ok(self.entries.iter().map(adjust).collect())
    }
}
