//! How long a study of a million joined rows takes, with all tables and pictures:
//! `cargo run --release -p tapewire-study --example study_throughput [ROWS]`.
//!
//! 500 companies over 250 sessions; scores with an effect on outcomes at all horizons.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example stops at what it did not expect")]

use jiff::SignedDuration;
use std::time::Instant;
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::{Phase, Quality, Status};
use tapewire_core::{Horizon, Impact, Probabilities, Run, Sentiment};
use tapewire_study::{Settings, html, study, text};
use tapewire_testkit::mention;

const COMPANIES: u64 = 500;
const SESSIONS: u64 = 250;

/// A random number from a seed (SplitMix64), with mean 0 and variance 1.
fn roll(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 0.5) * 12_f64.sqrt()
}

fn row(number: u64, rows: u64) -> Impact {
    let calendar = Calendar::xnys();
    let first = calendar.on(jiff::civil::date(2024, 1, 2)).unwrap().index as u64;
    let (company, session) = (number % COMPANIES, number / COMPANIES % SESSIONS);
    let rounds = rows.div_ceil(COMPANIES * SESSIONS);
    let minute = 10 + (number / COMPANIES / SESSIONS) * (370 / rounds);
    let open = calendar.sessions()[usize::try_from(first + session).unwrap()].open;
    let entry_at = open + SignedDuration::from_mins(i64::try_from(minute).unwrap());
    let letter = |place: u32| char::from(b'A' + u8::try_from(company / 26_u64.pow(place) % 26).unwrap());
    let ticker: String = (0..3).map(letter).collect();
    let mut mention = mention(&ticker, entry_at - SignedDuration::from_secs(30));
    mention.article_id = number.to_string();
    mention.title = format!("{ticker} says something that it did not say before, number {number}");
    let score = (0.5 * roll(number)).clamp(-1.0, 1.0);
    let neutral = 0.5 * (1.0 - score.abs());
    let probabilities =
        Probabilities { positive: (1.0 - neutral + score) / 2.0, neutral, negative: (1.0 - neutral - score) / 2.0 };
    mention.sentiment = Ok(Sentiment { probabilities, model: "m".into(), model_revision: "1".into(), windows: 1 });
    let outcome = |step: usize| 0.002 * (roll(number * 100 + step as u64 + 1) + 0.02 * score);
    let returns = std::array::from_fn::<_, { Horizon::COUNT }, _>(|step| Some(outcome(step)));
    Impact {
        run: Run::named("study"),
        version: 1,
        mention: mention.into(),
        status: Status::Final,
        phase: Phase::Session,
        bar_width_s: Some(60),
        price_before: Some(99.9),
        price_before_at: Some(entry_at - SignedDuration::from_secs(60)),
        entry_at: Some(entry_at),
        entry_price: Some(100.0 + roll(number + 7) * 0.1),
        returns,
        close_is_official: None,
        next_close_is_official: None,
        abnormal: returns,
        alpha: None,
        beta: None,
        volume_ratio: None,
        missing_bars: None,
        quality: Quality::default(),
    }
}

fn main() {
    let rows: u64 = std::env::args().nth(1).map_or(1_000_000, |rows| rows.parse().unwrap());
    let rows: Vec<Impact> = (0..rows).map(|number| row(number, rows)).collect();
    let start = Instant::now();
    let findings = study(&rows, &Settings::default());
    let studied = start.elapsed();
    let page = html::page(&findings, &html::Source::default());
    let json = serde_json::to_string_pretty(&findings).unwrap();
    let all = start.elapsed();
    print!("{}", text::table(&findings));
    println!(
        "{} rows: study {:.2} s, page and JSON {:.2} s ({} and {} KiB), together {:.2} s",
        rows.len(),
        studied.as_secs_f64(),
        (all - studied).as_secs_f64(),
        page.len() / 1024,
        json.len() / 1024,
        all.as_secs_f64()
    );
}
