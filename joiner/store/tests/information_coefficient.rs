//! The view `information_coefficient` on a real ClickHouse gives the numbers of `tapewire study`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use support::{drop_database, text};
use tapewire_core::exchange::Calendar;
use tapewire_core::impact::{Phase, Quality, Status};
use tapewire_core::{Horizon, Impact, Probabilities, Run, Sentiment};
use tapewire_runtime::Shutdown;
use tapewire_store::rows::ImpactRow;
use tapewire_store::{Writer, migrate};
use tapewire_study::{Outcome, Settings, study};
use tapewire_testkit::{clickhouse, mention};

/// A random number from a seed (SplitMix64), between -1 and 1.
fn roll(seed: u64) -> f64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Entry ten minutes after the open of a session from 1 July 2024.
fn entry(day: u64) -> Timestamp {
    let first = Calendar::xnys().on(jiff::civil::date(2024, 7, 1)).unwrap().index;
    Calendar::xnys().sessions()[first + usize::try_from(day).unwrap()].open + SignedDuration::from_mins(10)
}

/// One event of each company on each day: none repeats a headline, and no outcomes overlap. Scores and outcomes are
/// rounded, so that many are equal. Only the first five horizons have outcomes, and each lacks about one in nine.
fn rows(run: &str, days: u64, companies: u64) -> Vec<Impact> {
    let row = |number: u64| {
        let (day, company) = (number / companies, number % companies);
        let entry_at = entry(day);
        let ticker = ["AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "O"][usize::try_from(company).unwrap()];
        let mut mention = mention(ticker, entry_at - SignedDuration::from_secs(30));
        mention.article_id = number.to_string();
        mention.title = format!("{ticker} report {number}");
        let score = (roll(number) * 8.0).round() / 8.0;
        let probabilities = Probabilities { positive: 0.5 + score / 2.0, neutral: 0.0, negative: 0.5 - score / 2.0 };
        mention.sentiment = Ok(Sentiment { probabilities, model: "m".into(), model_revision: "1".into(), windows: 1 });
        let outcome = |step: usize, kind: u64| {
            let value = (roll(number * 1000 + step as u64 * 10 + kind) + 0.4 * score + 0.2 * roll(day + 7000)) * 50.0;
            (number % 9 != step as u64 && step < 5).then(|| value.round() / 10_000.0)
        };
        Impact {
            run: Run::named(run),
            version: 1,
            mention,
            status: Status::Final,
            phase: Phase::Session,
            bar_width_s: Some(60),
            price_before: None,
            price_before_at: None,
            entry_at: Some(entry_at),
            entry_price: Some(100.0),
            returns: std::array::from_fn(|step| outcome(step, 1)),
            close_is_official: None,
            next_close_is_official: None,
            abnormal: std::array::from_fn(|step| outcome(step, 2)),
            alpha: None,
            beta: None,
            volume_ratio: None,
            missing_bars: None,
            quality: Quality::default(),
        }
    };
    (0..days * companies).map(row).collect()
}

const COLUMNS: &str = "horizon, outcome, pairs, days, coefficient, low, high";

/// The lines of the view, by horizon and outcome.
async fn view(client: &clickhouse::Client, arguments: &str) -> BTreeMap<(String, bool), Vec<Option<f64>>> {
    let query = format!("SELECT {COLUMNS} FROM information_coefficient({arguments})");
    let bytes = client.query(&query).fetch_bytes("TSV").unwrap().collect().await.unwrap();
    let lines = String::from_utf8(bytes.to_vec()).unwrap();
    let line = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let is_abnormal = cells[1] == "abnormal return";
        ((cells[0].to_owned(), is_abnormal), cells[2..].iter().map(|cell| cell.parse().ok()).collect())
    };
    lines.lines().map(line).collect()
}

const ALL: &str = "symbols = [], since = '1970-01-01', until = '2200-01-01'";

#[tokio::test]
async fn the_view_gives_the_numbers_of_a_study() {
    let Some(config) = clickhouse("information_coefficient") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    for (run, days, companies) in [("odd", 23, 5), ("even", 40, 3), ("few", 12, 2)] {
        let rows = rows(run, days, companies);
        writer.insert("impact", &rows.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
        let found = view(&client, &format!("runs = ['{run}'], {ALL}")).await;
        assert_eq!(found.len(), 10, "five horizons have outcomes, of two kinds: {found:?}");
        for (outcome, is_abnormal) in [(Outcome::Raw, false), (Outcome::Abnormal, true)] {
            let settings = Settings { outcome, permutations: 999, ..Settings::default() };
            let findings = study(&rows, &settings);
            for of in findings.horizons.iter().filter(|of| of.n > 0) {
                let line = &found[&(of.horizon.to_owned(), is_abnormal)];
                assert_eq!(line[..2], [Some(of.n as f64), Some(of.days as f64)], "{run} {}", of.horizon);
                match of.rank_ic.value() {
                    Some(ic) => {
                        for (found, expected) in line[2..].iter().zip([ic.estimate, ic.low, ic.high]) {
                            let found = found.unwrap();
                            assert!((found - expected).abs() < 1e-9, "{run} {}: {found}, {expected}", of.horizon);
                        }
                    }
                    None => {
                        assert_eq!(run, "few", "only this run has horizons without enough data");
                        assert!(line[2].is_some() && line[3..] == [None, None], "{line:?}");
                    }
                }
            }
        }
    }
    drop_database(&config).await;
}

#[tokio::test]
async fn rows_are_filtered_before_they_are_ranked() {
    let Some(config) = clickhouse("information_coefficient_filters") else { return };
    migrate(&config).await.unwrap();
    let (client, writer) = (config.client(), Writer::new(&config, Shutdown::new()));
    let all = rows("r", 60, 6);
    writer.insert("impact", &all.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
    let since = entry(10).strftime("%Y-%m-%d").to_string();
    let some: Vec<Impact> = all
        .iter()
        .filter(|row| ["O", "TSLA"].contains(&row.mention.symbol.as_ref().unwrap().as_str()))
        .filter(|row| row.mention.published_at >= entry(10) - SignedDuration::from_mins(60))
        .cloned()
        .collect();
    let arguments = format!("runs = [], symbols = ['O', 'TSLA', 'O\\'NEIL'], since = '{since}', until = '2200-01-01'");
    let found = view(&client, &arguments).await;
    let findings = study(&some, &Settings { permutations: 999, ..Settings::default() });
    for of in findings.horizons.iter().filter(|of| of.n > 0) {
        let (ic, line) = (of.rank_ic.value().unwrap(), &found[&(of.horizon.to_owned(), true)]);
        assert_eq!(line[0], Some(of.n as f64));
        assert!((line[2].unwrap() - ic.estimate).abs() < 1e-9 && (line[4].unwrap() - ic.high).abs() < 1e-9);
    }
    // A side that is constant has no correlation: the coefficient is NULL.
    let mut same = rows("same", 20, 5);
    for row in &mut same {
        row.returns = [Some(0.5); Horizon::COUNT];
    }
    writer.insert("impact", &same.iter().map(ImpactRow::new).collect::<Vec<_>>()).await.unwrap();
    let found = view(&client, &format!("runs = ['same'], {ALL}")).await;
    assert_eq!(found[&("5m".to_owned(), false)], [Some(100.0), Some(20.0), None, None, None]);
    assert_eq!(text(&client, &format!("SELECT count() FROM information_coefficient(runs = ['x'], {ALL})")).await, "0");
    drop_database(&config).await;
}
