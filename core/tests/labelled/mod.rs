//! Labelled headlines, and the share of stories that is recognised among them.

use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Display};
use tapewire_core::story::{ALIKE, Fingerprint, SPAN, tellings};

/// A line of a file of labelled headlines.
#[derive(Debug, Clone)]
pub struct Headline {
    pub half: String,
    company: String,
    at: Timestamp,
    story: String,
    text: String,
    fingerprint: Fingerprint,
}

/// Reads lines of `half, company's name, hours, story, headline`, separated by tabs; lines that begin with `#` are
/// left out. The half is `chosen`, on which rules and threshold were chosen, or `held-out`. Hours are counted from any
/// common start. Story `-` is one that is told once, `?` one that people would not agree on, which does not count.
pub fn read(text: &str) -> Result<Vec<Headline>, String> {
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#') && !line.trim().is_empty());
    let read = |(line, number): (&str, usize)| {
        let [half, company, hours, story, text] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("line {number}: not five fields"));
        };
        let hours: f64 = hours.parse().map_err(|_| format!("line {number}: {hours:?} is not a number of hours"))?;
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs((hours * 3600.0) as i64);
        let fingerprint = Fingerprint::about(text, Some(company));
        let (half, company, story) = (half.to_owned(), company.to_owned(), story.to_owned());
        Ok(Headline { half, company, at, story, text: text.to_owned(), fingerprint })
    };
    lines.map(read).collect()
}

/// How many stories were recognised rightly or wrongly, or were missed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    right: f64,
    wrong: f64,
    missed: f64,
}

impl Count {
    pub fn precision(&self) -> f64 {
        self.right / (self.right + self.wrong)
    }

    pub fn recall(&self) -> f64 {
        self.right / (self.right + self.missed)
    }

    fn add(&mut self, said: bool, is: bool) {
        match (said, is) {
            (true, true) => self.right += 1.0,
            (true, false) => self.wrong += 1.0,
            (false, true) => self.missed += 1.0,
            (false, false) => {}
        }
    }
}

impl Display for Count {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { right, wrong, missed } = self;
        write!(to, "precision {:.3}, recall {:.3} ", self.precision(), self.recall())?;
        write!(to, "({right} right, {wrong} wrong, {missed} missed)")
    }
}

pub struct Measured {
    pub count: Count,
    pub errors: Vec<String>,
}

fn by_company(headlines: &[Headline]) -> BTreeMap<&str, Vec<&Headline>> {
    let mut companies: BTreeMap<&str, Vec<&Headline>> = BTreeMap::new();
    for headline in headlines.iter().filter(|headline| headline.story != "?") {
        companies.entry(&headline.company).or_default().push(headline);
    }
    for own in companies.values_mut() {
        own.sort_by_key(|headline| headline.at);
    }
    companies
}

/// For every two headlines of one company that are less than [`SPAN`] apart: whether they are rightly taken to be
/// alike.
pub fn pairs(headlines: &[Headline]) -> Measured {
    let mut measured = Measured { count: Count::default(), errors: Vec::new() };
    for own in by_company(headlines).values() {
        for (at, one) in own.iter().enumerate() {
            for two in own[..at].iter().filter(|two| one.at.duration_since(two.at) < SPAN) {
                let similarity = one.fingerprint.similarity(&two.fingerprint);
                let is_same = one.story != "-" && one.story == two.story;
                measured.count.add(similarity >= ALIKE, is_same);
                if is_same != (similarity >= ALIKE) {
                    measured.errors.push(format!("{similarity:.2} {} | {}", one.text, two.text));
                }
            }
        }
    }
    measured
}

/// For every headline: whether it is recognised rightly as telling a story again.
pub fn repeats(headlines: &[Headline]) -> Measured {
    let mut measured = Measured { count: Count::default(), errors: Vec::new() };
    for own in by_company(headlines).values() {
        let mut told: HashSet<&str> = HashSet::new();
        let tellings = tellings(own.iter().map(|headline| (headline.at, &headline.fingerprint)));
        for (headline, telling) in own.iter().zip(tellings) {
            let is_repeat = headline.story != "-" && !told.insert(&headline.story);
            let said = telling.is_some_and(|telling| !telling.is_first());
            measured.count.add(said, is_repeat);
            if said != is_repeat {
                let similarity = telling.map_or(0.0, |telling| telling.similarity);
                let nearest = own
                    .iter()
                    .filter(|other| other.at <= headline.at && other.text != headline.text)
                    .max_by(|a, b| {
                        let to = |other: &Headline| headline.fingerprint.similarity(&other.fingerprint);
                        to(a).total_cmp(&to(b))
                    })
                    .map_or("", |other| &other.text);
                let kind = if said { "wrong " } else { "missed" };
                measured.errors.push(format!("{kind} {similarity:.2} {} | {nearest}", headline.text));
            }
        }
    }
    measured
}
