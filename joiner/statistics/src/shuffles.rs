//! The permutation test of a sum of products, in which the scores of whole articles are exchanged within days.
//!
//! Rows of one article, such as its companies, share its tone and what else moved those companies at that moment. Exchanged
//! one by one they would look independent, and the test would find what is not there. So an article's scores stay
//! together: within a day they are exchanged with those of an article of as many rows, in the order of the rows. Articles
//! of one row are exchanged as rows are, and an article that is the only one of its size on its day is left out.

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::HashMap;

use crate::error::{Error, Result, at_least, finite, same_length};
use crate::resample::{generator, permutation_test};
use crate::test::{Reference, Test};

/// What is exchanged: of one day, the articles that have as many rows.
#[derive(Debug)]
struct Stratum {
    articles: usize,
    /// Rows of an article.
    size: usize,
    /// Scores, article by article; from each the mean over articles of its place in the article is subtracted.
    scores: Vec<f64>,
    /// Values, in the same order and less their means, too.
    values: Vec<f64>,
}

/// Divides the rows. Strata of one article are left out; refused if none is left, or if none has different scores.
fn strata(scores: &[f64], values: &[f64], day: &[u64], article: &[u64]) -> Result<Vec<Stratum>> {
    same_length("values", values.len(), scores.len())?;
    same_length("days", day.len(), scores.len())?;
    same_length("articles", article.len(), scores.len())?;
    finite("scores", scores)?;
    finite("values", values)?;
    let mut of_article: HashMap<(u64, u64), usize> = HashMap::new();
    let mut articles: Vec<(u64, Vec<usize>)> = Vec::new();
    for row in 0..scores.len() {
        let at = *of_article.entry((day[row], article[row])).or_insert_with(|| {
            articles.push((day[row], Vec::new()));
            articles.len() - 1
        });
        articles[at].1.push(row);
    }
    let mut of_stratum: HashMap<(u64, usize), usize> = HashMap::new();
    let mut members: Vec<Vec<Vec<usize>>> = Vec::new();
    for (day, rows) in articles {
        let at = *of_stratum.entry((day, rows.len())).or_insert_with(|| {
            members.push(Vec::new());
            members.len() - 1
        });
        members[at].push(rows);
    }
    members.retain(|articles| articles.len() > 1);
    at_least("days with two articles that can be exchanged", members.len(), 1)?;
    let stratum = |articles: Vec<Vec<usize>>| {
        let (count, size) = (articles.len(), articles[0].len());
        let rows: Vec<usize> = articles.into_iter().flatten().collect();
        let members = |all: &[f64]| centered(rows.iter().map(|&row| all[row]).collect(), count, size);
        Stratum { articles: count, size, scores: members(scores), values: members(values) }
    };
    let strata: Vec<Stratum> = members.into_iter().map(stratum).collect();
    if strata.iter().all(|stratum| stratum.scores.iter().all(|score| *score == 0.0)) {
        return Err(Error::Constant { what: "scores of each day" });
    }
    Ok(strata)
}

/// Each place of each article less the mean of that place over articles; exactly 0 where all are equal.
fn centered(mut values: Vec<f64>, articles: usize, size: usize) -> Vec<f64> {
    for place in 0..size {
        let of_place = || (0..articles).map(|article| article * size + place);
        let first = values[place];
        let is_constant = of_place().all(|at| values[at] == first);
        let mean = if is_constant { first } else { of_place().map(|at| values[at]).sum::<f64>() / articles as f64 };
        of_place().for_each(|at| values[at] -= mean);
    }
    values
}

impl Stratum {
    fn observed(&self) -> f64 {
        self.scores.iter().zip(&self.values).map(|(score, value)| score * value).sum()
    }

    /// The sum of products after a shuffle. `shuffled` has the scores of this stratum, in any order.
    fn shuffle(&self, random: &mut Xoshiro256PlusPlus, shuffled: &mut [f64]) -> f64 {
        let (mut sum, size) = (0.0, self.size);
        // Fisher and Yates, from the last article on: once its scores are drawn, they are final and can be added.
        if size == 1 {
            for (last, value) in self.values.iter().enumerate().skip(1).rev() {
                shuffled.swap(last, random.random_range(0..=last));
                sum += shuffled[last] * value;
            }
            return sum + shuffled[0] * self.values[0];
        }
        for last in (0..self.articles).rev() {
            let with = if last > 0 { random.random_range(0..=last) } else { 0 };
            for place in 0..size {
                shuffled.swap(last * size + place, with * size + place);
                sum += shuffled[last * size + place] * self.values[last * size + place];
            }
        }
        sum
    }

    /// The largest and the smallest sum of products of any shuffle, or what is known of them.
    fn ends(&self) -> Ends {
        if self.size == 1 {
            let (mut scores, mut values) = (self.scores.clone(), self.values.clone());
            scores.sort_by(f64::total_cmp);
            values.sort_by(f64::total_cmp);
            let largest = end(&scores, &values);
            scores.reverse();
            let smallest = end(&scores, &values);
            return Ends { sums: Some([largest.0, smallest.0]), ln: [largest.1, smallest.1] };
        }
        if self.articles == 2 {
            let sum = self.observed().abs();
            let ln = if sum <= self.rounding() { 0.0 } else { 0.5_f64.ln() };
            return Ends { sums: Some([sum, -sum]), ln: [ln, ln] };
        }
        // The order of longer articles with the largest sum is not searched for. It is one of all.
        let mut articles: Vec<&[f64]> = self.scores.chunks_exact(self.size).collect();
        articles.sort_by(|one, other| one.iter().partial_cmp(other.iter()).unwrap_or(Ordering::Equal));
        let ln = -ln_orders(&articles);
        Ends { sums: None, ln: [ln, ln] }
    }

    /// By how much sums of the same products in another order differ at most.
    fn rounding(&self) -> f64 {
        1e-13 * self.scores.iter().zip(&self.values).map(|(score, value)| (score * value).abs()).sum::<f64>()
    }

    /// The variance of the sum of products over all shuffles (Hoeffding 1951).
    fn variance(&self) -> f64 {
        let product = |of: &[f64], one: usize, two: usize| -> f64 {
            of.chunks_exact(self.size).map(|article| article[one] * article[two]).sum()
        };
        let pairs = (0..self.size).flat_map(|one| (0..self.size).map(move |two| (one, two)));
        let all: f64 = pairs.map(|(one, two)| product(&self.scores, one, two) * product(&self.values, one, two)).sum();
        all / (self.articles as f64 - 1.0)
    }
}

/// The largest and the smallest sum of a stratum, in this order.
struct Ends {
    /// The sums, if they are known.
    sums: Option<[f64; 2]>,
    /// The logarithm of the share of different shuffles that have this sum; at most that where it is not known.
    ln: [f64; 2],
}

/// The sum of products of scores and `values`, whose order is one of those with the largest or the smallest sum, and the
/// logarithm of the share of different orders of the scores that have this sum.
fn end(scores: &[f64], values: &[f64]) -> (f64, f64) {
    let sum = scores.iter().zip(values).map(|(score, value)| score * value).sum();
    let mut rest = scores;
    // Scores may be exchanged where values are equal.
    let of_equal_values = values.chunk_by(|one, next| one == next).map(|equal| {
        let (own, others) = rest.split_at(equal.len());
        rest = others;
        ln_orders(own)
    });
    let same = of_equal_values.sum::<f64>();
    (sum, same - ln_orders(scores))
}

/// The logarithm of the number of different orders of items, of which equal ones are neighbours.
fn ln_orders<T: PartialEq>(items: &[T]) -> f64 {
    let ln_factorial = |n: usize| (2..=n).map(|factor| (factor as f64).ln()).sum::<f64>();
    let equal = items.chunk_by(|one, next| one == next).map(|equal| ln_factorial(equal.len()));
    ln_factorial(items.len()) - equal.sum::<f64>()
}

/// The smallest p-value that the test of [`permute_articles`] can have with these scores and values in any order, if every
/// shuffle is made: the share of different shuffles whose sum is the most extreme. Two articles on one day have two shuffles
/// with opposite sums, so p is 1. With three or more articles of a day about several companies it may be
/// larger than this.
///
/// # Errors
/// As [`permute_articles`], the number of permutations aside.
pub fn smallest_p(scores: &[f64], values: &[f64], day: &[u64], article: &[u64]) -> Result<f64> {
    let strata = strata(scores, values, day, article)?;
    let (mut sums, mut ln, mut rounding) = (Some([0.0, 0.0]), [0.0, 0.0], 0.0);
    for stratum in &strata {
        let ends = stratum.ends();
        sums = sums.zip(ends.sums).map(|([largest, smallest], [high, low])| [largest + high, smallest + low]);
        ln = [ln[0] + ends.ln[0], ln[1] + ends.ln[1]];
        rounding += stratum.rounding();
    }
    let share = match sums {
        None => ln[0].min(ln[1]).exp(),
        Some([largest, smallest]) if largest + smallest > rounding => ln[0].exp(),
        Some([largest, smallest]) if largest + smallest < -rounding => ln[1].exp(),
        Some(_) => ln[0].exp() + ln[1].exp(),
    };
    Ok(share.min(1.0))
}

/// The two-sided permutation test of the sum of `scores` times `values`, less its mean over all shuffles. `article` says
/// which rows of a day are exchanged together; with a label of its own for each row, rows are exchanged one by one.
/// p = (1 + shuffles as extreme) / (1 + shuffles) (Phipson and Smyth 2010), so a test at a level of 5 % is wrong in at most
/// 5 % of cases, however few shuffles are drawn, and with ties.
///
/// # Errors
/// [`Error::TooFew`] for fewer than 19 permutations or if no day has two articles of as many rows; [`Error::Constant`] if
/// the scores of none of them differ; [`Error::Length`]; [`Error::NotFinite`].
pub fn permute_articles(
    scores: &[f64],
    values: &[f64],
    day: &[u64],
    article: &[u64],
    permutations: usize,
    seed: u64,
) -> Result<Test> {
    let strata = strata(scores, values, day, article)?;
    at_least("permutations", permutations, 19)?;
    let observed: f64 = strata.iter().map(Stratum::observed).sum();
    // Sums of the same numbers in another order differ by rounding.
    let least = observed.abs() - strata.iter().map(Stratum::rounding).sum::<f64>();
    let is_extreme = |shuffled: &mut Vec<f64>, permutation: usize| {
        let mut random = generator(seed, permutation);
        let mut sum = 0.0;
        for stratum in &strata {
            shuffled.clone_from(&stratum.scores);
            sum += stratum.shuffle(&mut random, shuffled);
        }
        sum.abs() >= least
    };
    let extreme = (0..permutations).into_par_iter().map_init(Vec::new, is_extreme).filter(|extreme| *extreme).count();
    Ok(permutation_test(observed, extreme, permutations, scores.len()))
}

/// The test of [`permute_articles`] without shuffling: over all shuffles the sum has a mean and a variance that are known
/// exactly, and with many rows it is normal (Hoeffding 1951). With tens of thousands of rows the p-value is nearer to that
/// of all shuffles than one of drawn shuffles, and it takes one pass.
///
/// # Errors
/// As [`permute_articles`]; [`Error::Constant`] also if the values of each day are equal.
pub fn all_shuffles(scores: &[f64], values: &[f64], day: &[u64], article: &[u64]) -> Result<Test> {
    let strata = strata(scores, values, day, article)?;
    let observed = strata.iter().map(Stratum::observed).sum();
    let variance: f64 = strata.iter().map(Stratum::variance).sum();
    Test::ratio(observed, variance.max(0.0).sqrt(), Reference::Normal, scores.len(), "values of each day")
}
