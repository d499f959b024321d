//! How often a study finds something where nothing is: `cargo run --release -p tapewire-study --example size [STUDIES]`.
//! Each line is a kind of news, with scores that have nothing to do with the outcomes. `docs/study.md` has what it prints.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example stops at what it did not expect")]

use jiff::SignedDuration;
use rayon::prelude::*;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::Phase;
use tapewire_core::{Horizon, Symbol};
use tapewire_study::sentence::Verdict;
use tapewire_study::{Findings, Row, Settings, study};

/// Random numbers from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let (radius, angle) = ((-2.0 * self.uniform().ln()).sqrt(), std::f64::consts::TAU * self.uniform());
        radius * angle.cos()
    }
}

/// A kind of news.
#[derive(Clone, Copy)]
struct News {
    name: &'static str,
    days: usize,
    articles: usize,
    /// Companies of each article, which share half of the variance of score and outcome.
    companies: usize,
    /// Share of scores that are 0.
    ties: f64,
    /// Outcomes with fat tails (Student's distribution with three degrees of freedom), of another variance each day.
    is_wild: bool,
    /// Outcomes at the next close: what companies share on a day is in the outcomes of that day and of the one before. The
    /// scores of neighbouring days are alike, too.
    overlaps: bool,
}

const PLAIN: News = News { name: "", days: 60, articles: 5, companies: 1, ties: 0.0, is_wild: false, overlaps: false };

const ALL: [News; 8] = [
    News { name: "60 days of 5 articles", ..PLAIN },
    News { name: "half of the scores are 0", ties: 0.5, ..PLAIN },
    News { name: "outcomes with fat tails", is_wild: true, ..PLAIN },
    News { name: "articles about 3 companies", companies: 3, ..PLAIN },
    News { name: "12 days of 3 articles", days: 12, articles: 3, ..PLAIN },
    News { name: "next close, 60 days of 5", overlaps: true, ..PLAIN },
    News { name: "next close, 120 days of 5", days: 120, overlaps: true, ..PLAIN },
    News { name: "250 days of 20 articles", days: 250, articles: 20, ..PLAIN },
];

impl News {
    fn rows(self, seed: u64) -> Vec<Row> {
        let mut dice = Dice(seed.wrapping_mul(0x51_7c_c1_b7_27_22_0a_95));
        let mut rows = Vec::new();
        let (mut next, mut mood) = (0.0, 0.0);
        for day in 0..self.days {
            let (drawn, width) = (dice.normal(), if self.is_wild { dice.normal().exp() } else { 1.0 });
            let common = if self.overlaps { next + drawn } else { drawn };
            if self.overlaps {
                (next, mood) = (drawn, 0.8 * mood + 0.6 * dice.normal());
            }
            for article in 0..self.articles {
                let (tone, shock) = (dice.normal(), dice.normal());
                let shared = if self.companies > 1 { 0.5_f64.sqrt() } else { 0.0 };
                for company in 0..self.companies {
                    let own = (1.0 - shared * shared).sqrt();
                    let score = mood + shared * tone + own * dice.normal();
                    let score = if dice.uniform() < self.ties { 0.0 } else { score };
                    let tail = if self.is_wild { self.tail(&mut dice) } else { dice.normal() };
                    let outcome = 0.5 * common + width * (shared * shock + own * tail);
                    // At the next close a company has an event in one of two sessions.
                    let turn = if self.overlaps { day % 2 * self.articles } else { 0 };
                    let ticker = (turn + article) * self.companies + company;
                    rows.push(row(ticker, &format!("{day}{article:03}"), day, self.horizon(), score, 0.002 * outcome));
                }
            }
        }
        rows
    }

    /// The place of the horizon that has outcomes.
    fn horizon(self) -> usize {
        if self.overlaps { Horizon::COUNT - 1 } else { 1 }
    }

    fn tail(self, dice: &mut Dice) -> f64 {
        let square: f64 = (0..3).map(|_| dice.normal().powi(2)).sum::<f64>() / 3.0;
        dice.normal() / square.sqrt()
    }
}

fn row(ticker: usize, id: &str, day: usize, horizon: usize, score: f64, outcome: f64) -> Row {
    let calendar = Calendar::xnys();
    let first = calendar.on(jiff::civil::date(2024, 1, 2)).unwrap().index;
    let entry_at = calendar.sessions()[first + day].open + SignedDuration::from_mins(10);
    let mut returns = [None; Horizon::COUNT];
    returns[horizon] = Some(outcome);
    let letter = |place: u32| char::from(b'A' + u8::try_from(ticker / 26_usize.pow(place) % 26).unwrap());
    let ticker: String = (0..2).map(letter).collect();
    Row {
        symbol: Some(Symbol::new(&ticker).unwrap()),
        provider: "wire".into(),
        publisher: String::new(),
        article_id: id.into(),
        title: format!("{ticker} report {id}"),
        asked_as: None,
        available_at: entry_at - SignedDuration::from_secs(30),
        entry_at: Some(entry_at),
        score: Some(score),
        label: Some(match score {
            score if score > 0.0 => "positive",
            score if score < 0.0 => "negative",
            _ => "neutral",
        }),
        model: None,
        bar_width_s: None,
        relevance: None,
        phase: Some(Phase::Session),
        reason: None,
        returns,
        abnormal: returns,
        flags: tapewire_study::row::Flags::default(),
    }
}

/// Whether the own p-values of the rank IC, of the mean after positive news and of the permutation, any p-value after
/// correction, and the verdict say that there is something.
fn said(findings: &Findings, horizon: usize) -> [bool; 5] {
    let of = &findings.horizons[horizon];
    let adjusted = of.estimates().into_iter().filter_map(|(_, estimate)| estimate.value()?.p_adjusted);
    [
        of.rank_ic.value().is_some_and(|ic| ic.p.is_some_and(|p| p <= 0.05)),
        of.positive.value().is_some_and(|mean| mean.p.is_some_and(|p| p <= 0.05)),
        of.permutation.value().is_some_and(|permutation| permutation.p <= 0.05),
        adjusted.fold(1.0, f64::min) <= 0.05,
        findings.verdict == Verdict::Found,
    ]
}

fn main() {
    let studies: u64 = std::env::args().nth(1).map_or(10_000, |studies| studies.parse().unwrap());
    let settings = Settings { permutations: 199, bootstraps: 100, ..Settings::default() };
    println!("share of {studies} studies that say there is something, where there is nothing, at 5 %");
    let columns = ["rank IC", "positive", "permutation", "any of the 6 adjusted", "verdict"];
    println!("{:30}{:>10}{:>10}{:>14}{:>23}{:>10}", "", columns[0], columns[1], columns[2], columns[3], columns[4]);
    for news in ALL {
        let studies = if news.days * news.articles > 1000 { studies.div_ceil(10) } else { studies };
        let counts = (1..=studies)
            .into_par_iter()
            .map(|seed| said(&study(&news.rows(seed), &settings), news.horizon()).map(u64::from))
            .reduce(|| [0; 5], |one, two| std::array::from_fn(|place| one[place] + two[place]));
        let share = counts.map(|count| format!("{:.2} %", 100.0 * count as f64 / studies as f64));
        let [ic, positive, permutation, any, verdict] = share;
        println!("{:30}{ic:>10}{positive:>10}{permutation:>14}{any:>23}{verdict:>10}", news.name);
    }
}
