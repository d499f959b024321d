//! The simulated wire: what is published on a day, about whom, and what it does to prices.

use super::headlines::{ECONOMY, FIRMS, OPPOSITE, PUBLISHERS, REGIONS, ROUND_UP, SINGLE, SYNDICATED, Template};
use super::random::{SimRng, chance, exponential, normal, pick, seeded};
use super::sessions;
use super::universe::COMPANIES;
use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;

/// One company in a story.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Planted {
    /// Index into [`COMPANIES`].
    pub company: usize,
    /// True sentiment of the story on the company, in [-1, 1].
    pub s: f64,
}

/// One article of the simulated wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Unique.
    pub id: String,
    /// Publication, whole seconds.
    pub published_at: Timestamp,
    /// When the provider's interface first shows it: seconds later, sometimes minutes.
    pub visible_at: Timestamp,
    /// When the teaser is edited, and its new text.
    pub edit: Option<(Timestamp, String)>,
    /// Publisher.
    pub publisher: &'static str,
    /// By-line; often missing, as in life.
    pub author: Option<&'static str>,
    /// Headline.
    pub title: String,
    /// Teaser; sometimes missing, as in life.
    pub description: Option<String>,
    /// Tickers as the provider lists them; sometimes one twice, as in life.
    pub tickers: Vec<&'static str>,
    /// What it says about whom.
    pub mentions: Vec<Planted>,
    /// Id of the story that this one repeats. Such a copy moves no price, because its news is known.
    pub copy_of: Option<String>,
}

/// All stories whose originals are published on a day, in order of publication.
pub fn of_day(seed: u64, articles_per_hour: f64, date: Date) -> Vec<Story> {
    let mut rng = seeded(seed, "stories", date);
    let midnight = sessions::at(date, 0, 0);
    let mut stories = Vec::new();
    if articles_per_hour <= 0.0 {
        return stories;
    }
    let mut second = 0.0;
    loop {
        second += exponential(&mut rng, 3600.0 / articles_per_hour);
        let published_at = midnight + SignedDuration::from_secs(second as i64);
        if sessions::date_of(published_at) != date {
            break;
        }
        if !chance(&mut rng, activity(published_at, date)) {
            continue;
        }
        let story = write(&mut rng, published_at);
        if chance(&mut rng, 0.08) {
            stories.push(copy(&mut rng, &story));
        }
        stories.push(story);
    }
    stories.sort_by(|a, b| (a.published_at, &a.id).cmp(&(b.published_at, &b.id)));
    stories
}

/// How busy the wire is compared with the middle of a business day.
fn activity(at: Timestamp, date: Date) -> f64 {
    let by_hour = match sessions::hour_of(at) {
        hour if (7.0..16.5).contains(&hour) => 1.0,
        hour if (5.0..19.0).contains(&hour) => 0.5,
        _ => 0.1,
    };
    if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) { 0.1 * by_hour } else { by_hour }
}

fn write(rng: &mut SimRng, published_at: Timestamp) -> Story {
    let (templates, companies) = match rng.random_range(0..100) {
        0..78 => (SINGLE, 1),
        78..90 => (OPPOSITE, 2),
        90..95 => (ROUND_UP, rng.random_range(3..6)),
        _ => (ECONOMY, 0),
    };
    let template = pick(rng, templates);
    let companies = distinct_companies(rng, companies);
    let words = Words::draw(rng, &companies);
    let title = format!("{} (simulated)", words.fill(template.title));
    let description = chance(rng, 0.85).then(|| words.fill(template.teaser));
    let mut tickers: Vec<&str> = companies.iter().map(|&company| COMPANIES[company].symbol).collect();
    if !tickers.is_empty() && chance(rng, 0.05) {
        tickers.push(tickers[0]);
    }
    let edit = chance(rng, 0.03).then(|| {
        let at = published_at + SignedDuration::from_secs(rng.random_range(120..420));
        (at, format!("{} The story was corrected.", words.fill(template.teaser)))
    });
    Story {
        id: id(rng),
        published_at,
        visible_at: visible(rng, published_at),
        edit,
        publisher: pick(rng, &PUBLISHERS),
        author: chance(rng, 0.6).then_some("Simulated Author"),
        title,
        description,
        tickers,
        mentions: mentions(rng, &template, &companies),
        copy_of: None,
    }
}

/// The same story by another publisher, a little later and with a slightly different headline.
fn copy(rng: &mut SimRng, story: &Story) -> Story {
    let published_at = story.published_at + SignedDuration::from_secs(rng.random_range(60..900));
    let publisher =
        PUBLISHERS[(PUBLISHERS.iter().position(|p| *p == story.publisher).unwrap_or(0) + 1) % PUBLISHERS.len()];
    let bare = story.title.trim_end_matches(" (simulated)");
    let title = pick(rng, &SYNDICATED).replace("{t}", bare).replace("{p}", publisher);
    Story {
        id: id(rng),
        published_at,
        visible_at: visible(rng, published_at),
        edit: None,
        publisher,
        author: None,
        title: format!("{title} (simulated)"),
        copy_of: Some(story.id.clone()),
        ..story.clone()
    }
}

/// Seconds after publication as a rule; one in 25 comes minutes late.
fn visible(rng: &mut SimRng, published_at: Timestamp) -> Timestamp {
    let delay = if chance(rng, 0.04) { rng.random_range(60..480) } else { rng.random_range(1..8) };
    published_at + SignedDuration::from_secs(delay)
}

fn id(rng: &mut SimRng) -> String {
    format!("{:016x}{:016x}", rng.random::<u64>(), rng.random::<u64>())
}

fn distinct_companies(rng: &mut SimRng, count: usize) -> Vec<usize> {
    let mut chosen = Vec::with_capacity(count);
    while chosen.len() < count {
        let company = rng.random_range(0..COMPANIES.len());
        if !chosen.contains(&company) {
            chosen.push(company);
        }
    }
    chosen
}

fn mentions(rng: &mut SimRng, template: &Template, companies: &[usize]) -> Vec<Planted> {
    let opposite = template.title.contains("{d}") || template.teaser.contains("{d}");
    let plant = |(position, &company): (usize, &usize)| {
        let sign = if opposite && position == 1 { -1.0 } else { 1.0 };
        // Stories from one template differ a little in sentiment, except neutral ones.
        let blur = if template.s == 0.0 { 0.0 } else { 0.05 * normal(rng) };
        Planted { company, s: (sign * template.s + blur).clamp(-1.0, 1.0) }
    };
    companies.iter().enumerate().map(plant).collect()
}

/// What fills the slots of one story; title and teaser must agree.
struct Words {
    slots: Vec<(&'static str, String)>,
}

impl Words {
    fn draw(rng: &mut SimRng, companies: &[usize]) -> Self {
        let name = |position: usize| companies.get(position).map_or("", |&company| COMPANIES[company].name).to_owned();
        let line = companies.first().map_or("", |&company| COMPANIES[company].line).to_owned();
        let slots = vec![
            ("{c}", name(0)),
            ("{d}", name(1)),
            ("{line}", line),
            ("{pct}", format!("{:.1}", rng.random_range(2.0..12.0))),
            ("{big}", rng.random_range(18..65).to_string()),
            ("{money}", format!("{:.1}", rng.random_range(0.4..9.0))),
            ("{n}", rng.random_range(4..28).to_string()),
            ("{firm}", pick(rng, &FIRMS).to_owned()),
            ("{region}", pick(rng, &REGIONS).to_owned()),
            ("{quarter}", format!("{}-quarter", pick(rng, &["first", "second", "third", "fourth"]))),
            ("{month}", pick(rng, &["March", "June", "September", "December"]).to_owned()),
        ];
        Self { slots }
    }

    fn fill(&self, template: &str) -> String {
        self.slots.iter().fold(template.to_owned(), |text, (slot, word)| text.replace(slot, word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn week() -> Vec<Story> {
        (2..=8).flat_map(|day| of_day(7, 60.0, jiff::civil::date(2025, 6, day))).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_stories() {
        assert_eq!(week(), week());
        let day = jiff::civil::date(2025, 6, 2);
        assert_ne!(of_day(1, 60.0, day), of_day(2, 60.0, day));
    }

    #[test]
    fn every_slot_is_filled_and_every_story_says_it_is_simulated() {
        for story in week() {
            let text = format!("{} {}", story.title, story.description.unwrap_or_default());
            assert!(!text.contains(['{', '}']), "{text}");
            assert!(story.title.ends_with("(simulated)"), "{text}");
        }
    }

    #[test]
    fn the_wire_is_varied_and_has_the_traps_of_a_real_one() {
        let stories = week();
        let ids: HashSet<_> = stories.iter().map(|story| &story.id).collect();
        assert_eq!(ids.len(), stories.len());
        let titles: HashSet<_> = stories.iter().map(|story| &story.title).collect();
        assert!(titles.len() * 10 > stories.len() * 8, "{} titles of {}", titles.len(), stories.len());
        let share =
            |has: fn(&Story) -> bool| stories.iter().filter(|story| has(story)).count() as f64 / stories.len() as f64;
        for (what, share) in [
            ("good", share(|story| story.mentions.iter().any(|m| m.s > 0.3))),
            ("bad", share(|story| story.mentions.iter().any(|m| m.s < -0.3))),
            ("opposite", share(|story| story.mentions.len() == 2 && story.mentions[0].s * story.mentions[1].s < 0.0)),
            ("without company", share(|story| story.tickers.is_empty())),
            ("copies", share(|story| story.copy_of.is_some())),
            ("edited", share(|story| story.edit.is_some())),
            ("late", share(|story| story.visible_at > story.published_at + SignedDuration::from_secs(30))),
            ("ticker twice", share(|story| story.tickers.len() > story.mentions.len())),
        ] {
            assert!((0.01..0.6).contains(&share), "{what}: {share}");
        }
    }
}
