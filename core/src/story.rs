//! Which headlines tell the same story.
//!
//! Two headlines about one company tell the same story if their words are alike ([`Fingerprint::similarity`]) and nothing
//! in them contradicts it. Words that mean the same in headlines count as one (`acquires`, `to buy`), words that many
//! headlines have count little (`shares`, `outlook`), and grammar, labels and publishers do not count.
//! Headlines that differ in a number or a period, name opposite directions, or differ only in names are different
//! stories, however similar their other words are: `Q1` and `Q2`, 5 % and 7 %, `raises` and `cuts`.
//!
//! [`tellings`] links each mention to the earlier ones. Everything is a function of headlines and of the times at which
//! they were known: no later headline changes what is said about an earlier one, and the order in which records arrive
//! does not matter. The view `stories` applies the same rules in SQL.

mod compare;
mod words;

use crate::Mention;
use compare::Headlines;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

/// How long a story is remembered: a mention is compared with the mentions that became known less than this long before
/// it.
pub const SPAN: SignedDuration = SignedDuration::from_hours(72);

/// Two headlines that are at least this similar tell the same story.
pub const ALIKE: f64 = 0.44;

/// Weight of a word that many headlines have.
pub const FREQUENT_WEIGHT: u64 = 2;

/// Weight of any other word.
pub const WEIGHT: u64 = 10;

/// Least weight that two different headlines must share to tell the same story. One shared name is not enough.
pub const SHARED: u64 = WEIGHT + 2 * FREQUENT_WEIGHT;

/// First characters of words with [`FREQUENT_WEIGHT`].
pub const FREQUENT_MARKS: [char; 8] = ['~', '+', '-', '!', '@', '%', '&', NAME_MARK];

/// Mark of an extra entry: `^selby` says that `selby` is written with a capital letter, so it may be a name. The entry
/// has no weight.
pub const CAPITAL_MARK: char = '^';

/// First character of the words of the company's own name.
pub const NAME_MARK: char = '*';

/// First characters of words that are not names.
pub const MARKS: [char; 9] = ['~', '+', '-', '!', '@', '%', '&', '#', '='];

/// First characters of words that exclude each other: numbers, quarters, months, weekdays.
pub const EXACT_MARKS: [char; 4] = ['#', '@', '%', '&'];

/// The entry that stands for every word of denial (`not`, `denies`, `won't`).
pub const DENIAL: &str = "!";

/// What a headline is compared by: its words, sorted and without repetitions, in a form in which words that mean the
/// same are equal. The first character says what a word is: `#` a number, `@` a quarter, half or fiscal year, `%` a
/// month, `&` a weekday, `+` and `-` two opposite directions, `!` a denial, `~` a frequent word, `*` a word of the
/// company's name, `=` a word that stands for others. An entry with [`CAPITAL_MARK`] says how a word is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<String>);

impl Fingerprint {
    /// The fingerprint of a headline. It is empty if the headline has no word.
    ///
    /// ```
    /// use tapewire_core::story::{ALIKE, Fingerprint};
    ///
    /// let of = Fingerprint::new;
    /// let first = of("Northgate to acquire Selby for $2.5 billion - WSJ");
    /// assert!(first.similarity(&of("Northgate agrees to buy Selby in $2.5B takeover")) >= ALIKE);
    /// assert_eq!(first.similarity(&of("Northgate to acquire Selby for $3 billion")), 0.0);
    /// ```
    pub fn new(headline: &str) -> Self {
        Self::about(headline, None)
    }

    /// The fingerprint of a mention's headline. The words of the company's name have little weight, because all
    /// headlines about the company have them.
    pub fn of(mention: &Mention) -> Self {
        Self::about(&mention.title, mention.asked_as.as_deref())
    }

    /// The fingerprint of a headline about the company of that name.
    pub fn about(headline: &str, company: Option<&str>) -> Self {
        let read = tokens(&without_tickers(without_source(headline)));
        let words = canonical(&read, false);
        // A headline that has only stop words is compared by its stop words.
        let words = if words.is_empty() { canonical(&read, true) } else { words };
        let name = company.map(|name| canonical(&tokens(name), false)).unwrap_or_default();
        let marked = |word: String| {
            if name.contains(&word) && !word.starts_with(MARKS) && has_weight(&word) {
                format!("{NAME_MARK}{word}")
            } else {
                word
            }
        };
        Self(words.into_iter().map(marked).collect::<BTreeSet<_>>().into_iter().collect())
    }

    /// The words.
    pub fn words(&self) -> &[String] {
        &self.0
    }

    /// The words, without a copy.
    pub fn into_words(self) -> Vec<String> {
        self.0
    }

    /// Twice the weight that two headlines share, divided by the sum of their weights (the Sørensen-Dice coefficient,
    /// in [0, 1]). It is 0 if one of them has no word, if they contradict each other, or if they share less than
    /// [`SHARED`] and are not equal.
    pub fn similarity(&self, other: &Self) -> f64 {
        Headlines::new([self, other]).similarity(0, 1, 0.0)
    }

    fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

fn has_weight(word: &str) -> bool {
    !word.starts_with(CAPITAL_MARK)
}

/// What is known of a word.
#[derive(Debug, Clone, Copy)]
enum Known {
    Denial,
    Same(&'static str),
    Month,
    Weekday,
    Frequent,
    Stop,
}

static KNOWN: LazyLock<HashMap<&'static str, Known>> = LazyLock::new(|| {
    let all = |list: &'static str, known: Known| list.split_whitespace().map(move |word| (word, known));
    // If a word is in several lists, the last list counts.
    let same = words::SAME.iter().flat_map(|&(word, same)| all(same, Known::Same(word)));
    all(words::STOP, Known::Stop)
        .chain(all(words::FREQUENT, Known::Frequent))
        .chain(all(words::WEEKDAYS, Known::Weekday))
        .chain(all(words::MONTHS, Known::Month))
        .chain(same)
        .chain(all(words::DENIALS, Known::Denial))
        .collect()
});

static PUBLISHERS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| words::PUBLISHERS.split_whitespace().collect());

/// The headline without the publisher after its last dash.
fn without_source(headline: &str) -> &str {
    let mut headline = headline.trim();
    // There may be two such endings: `… - WSJ - Update`.
    for _ in 0..2 {
        let dash = [" - ", " – ", " — ", " | ", "- "]
            .iter()
            .filter_map(|dash| Some((headline.rfind(dash)?, dash.len())))
            .max();
        let Some((at, length)) = dash else { break };
        let source = tokens(&headline[at + length..]);
        let is_source = source.iter().any(|word| PUBLISHERS.contains(&*word.to_lowercase()));
        if source.len() > 5 || !is_source || tokens(&headline[..at]).len() < 3 {
            break;
        }
        headline = headline[..at].trim_end();
    }
    headline
}

/// The headline without tickers in parentheses, such as `(NASDAQ: AAPL)`: what has at most 20 bytes, no small letter, and
/// is not a period or an amount, such as `(Q1)` and `(5B)`.
fn without_tickers(headline: &str) -> String {
    let mut rest = headline;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once('(') {
        let Some((inside, behind)) = after.split_once(')') else { break };
        kept.push_str(before);
        let is_ticker = inside.len() <= 20
            && !inside.contains(char::is_lowercase)
            && inside.contains(char::is_alphabetic)
            && !has_fact(inside);
        kept.push_str(if is_ticker { " " } else { inside });
        rest = behind;
    }
    kept + rest
}

/// Whether a text in parentheses has a period or a number with its scale. After a colon it is a ticker, and a number without
/// a scale can be one, too: `7203.T`.
fn has_fact(inside: &str) -> bool {
    let is_fact = |token: String| {
        let token = token.to_lowercase();
        period(&token).is_some() || number(&token).is_some_and(|(_, scale)| !scale.is_empty())
    };
    !inside.contains(':') && tokens(inside).into_iter().any(is_fact)
}

/// Words and numbers, as they are written. A number keeps the point and the commas between its digits, a word loses its
/// apostrophe, and letters with points between them are a word: `U.S.` is `us`.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut token = String::new();
    let chars: Vec<char> = text.chars().collect();
    for (at, &char) in chars.iter().enumerate() {
        let next = chars.get(at + 1).copied().unwrap_or(' ');
        if char.is_alphanumeric() {
            token.push(char);
            continue;
        }
        let is_digit = token.ends_with(|last: char| last.is_ascii_digit());
        let is_initial = at > 0 && chars[at - 1].is_alphabetic() && (at < 2 || !chars[at - 2].is_alphanumeric());
        match char {
            '.' | ',' if is_digit && next.is_ascii_digit() => token.push(char),
            '.' if is_initial => {
                if !next.is_alphabetic() {
                    tokens.push(std::mem::take(&mut token));
                }
                continue;
            }
            // Of `Apple's`, the `s` is a word of its own, which does not count; `won't` is one word.
            '\'' | '’' if !token.is_empty() && next.is_alphabetic() => {
                let rest: String = chars[at + 1..].iter().take_while(|char| char.is_alphanumeric()).collect();
                if rest.eq_ignore_ascii_case("s") {
                    tokens.push(std::mem::take(&mut token));
                }
            }
            _ => tokens.push(std::mem::take(&mut token)),
        }
    }
    tokens.push(token);
    tokens.retain(|token| !token.is_empty());
    tokens
}

/// The words in the form in which they are compared; without those of [`words::STOP`], unless `with_all`.
fn canonical(tokens: &[String], with_all: bool) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let lower: Vec<String> = tokens.iter().map(|token| token.to_lowercase()).collect();
    let mut rest = lower.iter().map(String::as_str).zip(tokens).enumerate().peekable();
    while let Some((at, (token, written))) = rest.next() {
        let is_capital = written.starts_with(char::is_uppercase);
        let next = rest.peek().map_or("", |(_, (next, _))| *next);
        if let (Some(quarter), "quarter") = (ordinal(token), next) {
            words.insert(format!("@q{quarter}"));
            rest.next();
        } else if let Some((number, scale)) = number(token) {
            let apart = if scale.is_empty() { scale_of(next) } else { "" };
            if !apart.is_empty() {
                rest.next();
            }
            words.insert(format!("#{number}{scale}{apart}"));
        } else if let Some(period) = period(token) {
            words.insert(format!("@{period}"));
        } else if token == "may" && is_capital && at > 0 {
            words.insert("%may".to_owned());
        } else {
            let plain = match KNOWN.get(token) {
                Some(Known::Denial) => DENIAL.to_owned(),
                Some(Known::Same(word)) => (*word).to_owned(),
                Some(Known::Month) => format!("%{token}"),
                Some(Known::Weekday) => format!("&{token}"),
                Some(Known::Frequent) => format!("~{}", stem(token)),
                Some(Known::Stop) if !with_all => continue,
                _ => stem(token).to_owned(),
            };
            if is_capital && !plain.starts_with(MARKS) {
                words.insert(format!("{CAPITAL_MARK}{plain}"));
            }
            words.insert(plain);
        }
    }
    words
}

fn ordinal(token: &str) -> Option<u8> {
    match token {
        "first" | "1st" => Some(1),
        "second" | "2nd" => Some(2),
        "third" | "3rd" => Some(3),
        "fourth" | "4th" => Some(4),
        _ => None,
    }
}

/// A number without commas and without zeros at the end of its fraction, and its scale if that is part of the token:
/// `2.50bn` is (`2.5`, `b`).
fn number(token: &str) -> Option<(String, &'static str)> {
    let end = token.find(|char: char| !(char.is_ascii_digit() || char == '.' || char == ',')).unwrap_or(token.len());
    let (digits, rest) = token.split_at(end);
    let scale = scale_of(rest);
    if !digits.starts_with(|char: char| char.is_ascii_digit()) || !rest.is_empty() && scale.is_empty() {
        return None;
    }
    let digits = digits.replace(',', "");
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { &digits };
    Some((digits.to_owned(), scale))
}

fn scale_of(word: &str) -> &'static str {
    match word {
        "k" | "thousand" => "k",
        "m" | "mn" | "mln" | "million" => "m",
        "b" | "bn" | "bln" | "billion" => "b",
        "t" | "tn" | "trln" | "trillion" => "t",
        _ => "",
    }
}

/// A quarter, half or fiscal year in one spelling: `q1` for `q1` and `1q`, `h1` for `h1` and `1h`, `fy25` for `fy25` and
/// `fy2025`. `None` for any other word.
fn period(token: &str) -> Option<String> {
    match token.as_bytes() {
        [kind @ b'q', number @ b'1'..=b'4'] | [number @ b'1'..=b'4', kind @ b'q'] => Some((kind, number)),
        [kind @ b'h', number @ b'1'..=b'2'] | [number @ b'1'..=b'2', kind @ b'h'] => Some((kind, number)),
        _ => None,
    }
    .map(|(kind, number)| format!("{}{}", char::from(*kind), char::from(*number)))
    .or_else(|| {
        let year = token.strip_prefix("fy").filter(|year| year.bytes().all(|byte| byte.is_ascii_digit()))?;
        matches!(year.len(), 2 | 4).then(|| format!("fy{}", &year[year.len() - 2..]))
    })
}

/// The word without a suffix that only changes its form. At least three letters are left.
fn stem(word: &str) -> &str {
    const CLOSINGS: [&str; 11] = ["ings", "ions", "ing", "ers", "ion", "es", "ed", "er", "s", "d", "e"];
    let stem = |closing: &&str| word.strip_suffix(closing).filter(|stem| stem.chars().count() >= 3);
    CLOSINGS.iter().find_map(stem).unwrap_or(word)
}

/// A mention's story, as far as it had been told when the mention became known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Telling {
    /// Index of the mention that told the story first; the mention itself if it is new.
    pub story: usize,
    /// How many mentions have told the story by now, this one included.
    pub told: u64,
    /// Similarity with the most similar mention that became known less than [`SPAN`] before, 0 without one.
    pub similarity: f64,
    /// Time since the story was first told.
    pub since_first: SignedDuration,
}

impl Telling {
    /// Whether the mention is the first of its story.
    pub fn is_first(&self) -> bool {
        self.told == 1
    }
}

/// Links the mentions of one company, sorted by the time at which they became known, then by provider and article id.
///
/// A mention continues the story of the most similar mention that became known less than [`SPAN`] before it, if their
/// similarity is at least [`ALIKE`]. Of equally similar mentions the earliest counts. So a story that is told again and
/// again can last longer than [`SPAN`]. `None` for a headline without words.
pub fn tellings<'a>(mentions: impl IntoIterator<Item = (Timestamp, &'a Fingerprint)>) -> Vec<Option<Telling>> {
    let mentions: Vec<(Timestamp, &Fingerprint)> = mentions.into_iter().collect();
    let headlines = Headlines::new(mentions.iter().map(|(_, fingerprint)| *fingerprint));
    let mut told: HashMap<usize, u64> = HashMap::new();
    let mut found: Vec<Option<Telling>> = Vec::with_capacity(mentions.len());
    let mut oldest = 0;
    for (own, &(at, fingerprint)) in mentions.iter().enumerate() {
        while at.duration_since(mentions[oldest].0) >= SPAN {
            oldest += 1;
        }
        let mut best = (0.0, own);
        for index in oldest..own {
            let similarity = headlines.similarity(own, index, best.0);
            if similarity > best.0 {
                best = (similarity, index);
            }
        }
        let (similarity, parent) = best;
        let story = match (similarity >= ALIKE).then(|| found[parent]).flatten() {
            Some(telling) => telling.story,
            None => own,
        };
        found.push((!fingerprint.words().is_empty()).then(|| {
            let count = told.entry(story).or_default();
            *count += 1;
            Telling { story, told: *count, similarity, since_first: at.duration_since(mentions[story].0) }
        }));
    }
    found
}

#[cfg(test)]
mod tests;
