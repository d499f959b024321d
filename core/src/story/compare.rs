//! The comparison of headlines. Each is compared with many others of its company, so words are numbered first.

use super::{
    CAPITAL_MARK, DENIAL, EXACT_MARKS, FREQUENT_MARKS, FREQUENT_WEIGHT, Fingerprint, MARKS, NAME_MARK, SHARED, WEIGHT,
};
use std::collections::HashMap;

/// Stands for no word.
const NONE: u32 = u32::MAX;

/// What a comparison has to know of a word.
#[derive(Debug, Clone, Copy)]
struct Word {
    weight: u64,
    /// A bit for each of [`EXACT_MARKS`].
    exact: u8,
    is_denial: bool,
    /// A word of the company's own name.
    is_own_name: bool,
    /// Whether it may be a name: it has none of [`MARKS`].
    is_plain: bool,
    /// For a word that begins with `+`: the number of the word of the opposite direction.
    opposite: u32,
    /// For a word that may be a name: the number of the word that says that it has a capital letter.
    capital: u32,
}

impl Word {
    fn new(word: &str) -> Self {
        let marked = EXACT_MARKS.iter().zip(0..).filter(|(mark, _)| word.starts_with(**mark));
        Self {
            weight: weight(word),
            exact: marked.map(|(_, place)| 1 << place).sum(),
            is_denial: word == DENIAL,
            is_own_name: word.starts_with(NAME_MARK),
            is_plain: !word.starts_with(MARKS),
            opposite: NONE,
            capital: NONE,
        }
    }
}

pub(super) fn weight(word: &str) -> u64 {
    match word.starts_with(FREQUENT_MARKS) {
        _ if word.starts_with(CAPITAL_MARK) => 0,
        true => FREQUENT_WEIGHT,
        false => WEIGHT,
    }
}

/// A headline's words as numbers, ascending.
#[derive(Debug)]
struct Headline {
    words: Vec<u32>,
    weight: u64,
}

/// Headlines that are compared with each other.
#[derive(Debug)]
pub(super) struct Headlines {
    words: Vec<Word>,
    headlines: Vec<Headline>,
}

impl Headlines {
    pub(super) fn new<'a>(fingerprints: impl IntoIterator<Item = &'a Fingerprint>) -> Self {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut words = Vec::new();
        let mut number = |word: &'a str| {
            *numbers.entry(word).or_insert_with(|| {
                words.push(Word::new(word));
                u32::try_from(words.len() - 1).expect("fewer words than that are in memory")
            })
        };
        let headline = |fingerprint: &'a Fingerprint| {
            let mut own: Vec<u32> = fingerprint.iter().map(&mut number).collect();
            own.sort_unstable();
            Headline { words: own, weight: fingerprint.iter().map(weight).sum() }
        };
        let headlines = fingerprints.into_iter().map(headline).collect();
        let find = |word: String| numbers.get(&*word).copied().unwrap_or(NONE);
        for (word, &number) in &numbers {
            let own = &mut words[number as usize];
            own.opposite = word.strip_prefix('+').map_or(NONE, |of| find(format!("-{of}")));
            own.capital = if own.is_plain { find(format!("{CAPITAL_MARK}{word}")) } else { NONE };
        }
        Self { words, headlines }
    }

    /// [`Fingerprint::similarity`] of two headlines, by their places; 0 also if it is not above `least`.
    pub(super) fn similarity(&self, one: usize, two: usize, least: f64) -> f64 {
        let (one, two) = (&self.headlines[one], &self.headlines[two]);
        let all = one.weight + two.weight;
        // Most pairs of headlines share next to nothing; nothing else has to be computed for them.
        let shared = self.shared(one, two);
        let similarity = (2 * shared) as f64 / all as f64;
        let is_little = shared < SHARED && shared < one.weight.max(two.weight);
        if all == 0 || is_little || similarity <= least {
            return 0.0;
        }
        let (only_one, only_two) = (Only::of(one, two, self), Only::of(two, one, self));
        // Headlines that differ in names only are about different companies, brokers or products.
        let in_names = only_one.are_names() && only_two.are_names();
        if in_names || only_one.contradicts(&only_two, self) { 0.0 } else { similarity }
    }

    /// The weight of the words that both have.
    fn shared(&self, one: &Headline, two: &Headline) -> u64 {
        let (mut shared, mut at) = (0, 0);
        for &word in &one.words {
            while two.words.get(at).is_some_and(|other| *other < word) {
                at += 1;
            }
            if two.words.get(at) == Some(&word) {
                shared += self.words[word as usize].weight;
                at += 1;
            }
        }
        shared
    }
}

/// The words that one headline has and the other lacks, without the marks of capital letters.
struct Only<'a> {
    of: &'a Headline,
    words: Vec<u32>,
    exact: u8,
    has_denial: bool,
    may_be_names: bool,
}

impl<'a> Only<'a> {
    fn of(of: &'a Headline, other: &Headline, all: &Headlines) -> Self {
        let mut only = Self { of, words: Vec::new(), exact: 0, has_denial: false, may_be_names: true };
        let mut at = 0;
        for &number in &of.words {
            while other.words.get(at).is_some_and(|other| *other < number) {
                at += 1;
            }
            let word = &all.words[number as usize];
            if other.words.get(at) == Some(&number) || word.weight == 0 {
                continue;
            }
            only.words.push(number);
            only.exact |= word.exact;
            only.has_denial |= word.is_denial;
            // A name is the company's own, or a word with a capital letter that has none of `MARKS`.
            only.may_be_names &= word.is_own_name || word.is_plain && only.has(word.capital);
        }
        only
    }

    fn has(&self, number: u32) -> bool {
        number != NONE && self.of.words.binary_search(&number).is_ok()
    }

    fn are_names(&self) -> bool {
        self.may_be_names && !self.words.is_empty()
    }

    /// Whether two headlines can't tell the same story, by the words that each has and the other lacks.
    fn contradicts(&self, other: &Self, all: &Headlines) -> bool {
        let opposite = |one: &[u32], two: &[u32]| {
            let opposites = one.iter().map(|&word| all.words[word as usize].opposite);
            opposites.filter(|opposite| *opposite != NONE).any(|opposite| two.contains(&opposite))
        };
        self.exact & other.exact != 0
            || self.has_denial
            || other.has_denial
            || opposite(&self.words, &other.words)
            || opposite(&other.words, &self.words)
    }
}
