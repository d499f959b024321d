//! Views `stories` and `sentiment_index` on a real ClickHouse, beside the same rules in Rust.
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod support;

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use support::{drop_database, text};
use tapewire_core::story::{Fingerprint, Telling, tellings};
use tapewire_core::{Mention, Probabilities, Run, Sentiment, Unscored};
use tapewire_runtime::Shutdown;
use tapewire_statistics::decay::weighted_index;
use tapewire_store::rows::MentionRow;
use tapewire_store::{ClickHouseConfig, Writer, migrate};
use tapewire_testkit::{Dice, clickhouse, mention};

const START: &str = "2025-06-02T10:00:00Z";
const HOUR: i64 = 3_600_000_000;

/// Headlines of few words, so that many are alike, contradict each other, or are empty. Some are
/// available in the same microsecond.
fn mentions(seed: u64, count: u64, hours: u64) -> Vec<Mention> {
    const WORDS: [&str; 24] = [
        "Acme",
        "ÖLPREIS",
        "gains",
        "to",
        "acquire",
        "buys",
        "Selby",
        "Q3",
        "first quarter",
        "2,500",
        "$2.5 billion",
        "5%",
        "7%",
        "raises",
        "cuts",
        "outlook",
        "not",
        "Monday",
        "shares",
        "Northgate’s",
        "U.S.",
        "recall",
        "- Reuters",
        "May",
    ];
    let mut dice = Dice(seed);
    let start: Timestamp = START.parse().unwrap();
    let made = (0..count).map(|number| {
        let after = dice.below(hours * 4).cast_signed() * HOUR / 4 + dice.below(2).cast_signed();
        let title: Vec<&str> = (0..dice.below(8)).map(|_| WORDS[dice.below(24) as usize]).collect();
        let positive = dice.below(1000) as f64 / 1000.0;
        let probabilities = Probabilities { positive, neutral: 0.0, negative: 1.0 - positive };
        let sentiment = Sentiment { probabilities, model: "m".into(), model_revision: "1".into(), windows: 1 };
        Mention {
            article_id: format!("id{:03}", number % 80),
            provider: ["one", "two", "three", "four"][(number / 80) as usize].into(),
            title: title.join(" "),
            symbol_found: false,
            asked_as: [None, Some("Acme"), Some("Öl Acme Inc")][dice.below(3) as usize].map(str::to_owned),
            relevance: [None, Some(0.3), Some(1.0)][dice.below(3) as usize],
            sentiment: if dice.below(9) == 0 { Err(Unscored::ModelFailed) } else { Ok(sentiment) },
            ..mention(["A", "B"][dice.below(2) as usize], start + SignedDuration::from_micros(after))
        }
    });
    made.collect()
}

async fn written(name: &str, mentions: &[Mention]) -> Option<ClickHouseConfig> {
    let config = clickhouse(name)?;
    migrate(&config).await.unwrap();
    let writer = Writer::new(&config, Shutdown::new());
    let rows: Vec<MentionRow> =
        mentions.iter().zip(1..).map(|(mention, seq)| MentionRow::new(&Run::live(), mention, seq)).collect();
    writer.insert("mentions", &rows).await.unwrap();
    // Written again, in another order.
    let again: Vec<MentionRow> = rows.into_iter().rev().collect();
    writer.insert("mentions", &again).await.unwrap();
    Some(config)
}

fn key(mention: &Mention) -> (Timestamp, &str, &str) {
    (mention.available_at(), &mention.provider, &mention.article_id)
}

/// By company, the mentions in order, each with its telling.
fn by_company(mentions: &[Mention]) -> BTreeMap<&str, Vec<(&Mention, Option<Telling>)>> {
    let mut companies: BTreeMap<&str, Vec<&Mention>> = BTreeMap::new();
    for mention in mentions.iter().filter(|mention| !mention.is_withdrawn()) {
        companies.entry(mention.symbol.as_ref().unwrap().as_str()).or_default().push(mention);
    }
    let mut told = BTreeMap::new();
    for (company, mut own) in companies {
        own.sort_by(|a, b| key(a).cmp(&key(b)));
        let prints: Vec<Fingerprint> = own.iter().map(|mention| Fingerprint::of(mention)).collect();
        let found = tellings(own.iter().map(|mention| mention.available_at()).zip(&prints));
        told.insert(company, own.into_iter().zip(found).collect());
    }
    told
}

#[tokio::test]
async fn stories_in_sql_are_those_in_rust() {
    let mut all = mentions(7, 300, 200);
    all[5].sentiment = Err(Unscored::Withdrawn);
    let Some(config) = written("stories", &all).await else { return };
    let query = "SELECT symbol, provider, article_id, story, is_first, told, similarity, since_first_s FROM stories \
        ORDER BY symbol, available_at, provider, article_id";
    let found = text(&config.client(), query).await;
    let mut lines = found.lines();
    let (mut repeats, mut empty, mut longest) = (0, 0, 0);
    for (company, own) in by_company(&all) {
        for (mention, telling) in &own {
            let line: Vec<&str> = lines.next().unwrap().split(' ').collect();
            assert_eq!(line[..3], [company, &*mention.provider, &mention.article_id], "{mention:?}");
            let Some(telling) = telling else {
                assert_eq!(line[3..], ["\\N"; 5], "{mention:?}");
                empty += 1;
                continue;
            };
            let (first, _) = own[telling.story];
            let story = format!("{}/{}", first.provider, first.article_id);
            assert_eq!(line[3..6], [&story, &telling.is_first().to_string(), &telling.told.to_string()], "{mention:?}");
            assert_eq!(line[6].parse::<f64>().unwrap().to_bits(), telling.similarity.to_bits(), "{mention:?}");
            let seconds: f64 = line[7].parse().unwrap();
            assert!((seconds - telling.since_first.as_secs_f64()).abs() < 1e-6, "{mention:?}");
            repeats += usize::from(!telling.is_first());
            longest = longest.max(telling.told);
        }
    }
    assert_eq!(lines.next(), None);
    assert!(repeats > 40 && empty > 10 && longest > 3, "{repeats} {empty} {longest}: too few for a test");
    drop_database(&config).await;
}

#[tokio::test]
async fn the_sentiment_index_in_sql_is_that_in_rust() {
    let all = mentions(11, 200, 30);
    let Some(config) = written("index", &all).await else { return };
    let query = "SELECT symbol, toUnixTimestamp(minute), mentions, sentiment FROM sentiment_index(run = 'live', \
        from = '2025-06-02 09:58:30', to = '2025-06-04 12:00:00', half_life_s = 5400, window_s = 21600) \
        ORDER BY symbol, minute";
    let found = text(&config.client(), query).await;
    let companies = |article: (&str, &str)| {
        let same = |mention: &&Mention| (&*mention.provider, mention.article_id.as_str()) == article;
        all.iter().filter(same).count() as f64
    };
    let mut lines = found.lines();
    let (mut known, mut unknown) = (0, 0);
    let from = "2025-06-02T09:58:00Z".parse::<Timestamp>().unwrap().as_second();
    for (company, own) in by_company(&all) {
        let scored: Vec<(i64, f64, f64)> = own
            .iter()
            .filter(|(mention, telling)| {
                telling.is_none_or(|telling| own[telling.story].0.provider == mention.provider)
            })
            .filter_map(|(mention, telling)| {
                let weight = mention.relevance.unwrap_or(1.0 / companies((&mention.provider, &mention.article_id)));
                let told = telling.map_or(1, |telling| telling.told) as f64;
                Some((mention.available_at().as_microsecond(), mention.probabilities()?.score(), weight / told))
            })
            .collect();
        let times: Vec<i64> = scored.iter().map(|(at, ..)| *at).collect();
        let values: Vec<f64> = scored.iter().map(|(_, value, _)| *value).collect();
        let weights: Vec<f64> = scored.iter().map(|(.., weight)| *weight).collect();
        for minute in 0..50 * 60 + 2 {
            let line: Vec<&str> = lines.next().unwrap().split(' ').collect();
            let start = from + minute * 60;
            assert_eq!(line[..2], [company, &start.to_string()]);
            let ends = (start + 60) * 1_000_000;
            let expected = weighted_index(&times, &values, &weights, ends, 5400.0 * 1e6, 21_600_000_000).unwrap();
            let counted = times.iter().filter(|&&at| at < ends && at >= ends - 21_600_000_000).count();
            assert_eq!(line[2], counted.to_string(), "{company} {minute}");
            match expected {
                None => {
                    assert_eq!(line[3], "\\N", "{company} {minute}");
                    unknown += 1;
                }
                Some(expected) => {
                    assert!((line[3].parse::<f64>().unwrap() - expected).abs() < 1e-9, "{company} {minute}: {line:?}");
                    known += 1;
                }
            }
        }
    }
    assert_eq!(lines.next(), None);
    assert!(known > 3000 && unknown > 1000, "{known} {unknown}: too few for a test");
    drop_database(&config).await;
}

#[tokio::test]
async fn the_same_story_from_two_sources_counts_once_in_the_index() {
    let start: Timestamp = START.parse().unwrap();
    let told = |provider: &str, id: &str, minute: i64, title: &str, positive: f64| {
        let probabilities = Probabilities { positive, neutral: 0.0, negative: 1.0 - positive };
        let sentiment = Sentiment { probabilities, model: "m".into(), model_revision: "1".into(), windows: 1 };
        Mention {
            article_id: id.into(),
            provider: provider.into(),
            title: title.into(),
            sentiment: Ok(sentiment),
            ..mention("A", start + SignedDuration::from_mins(minute))
        }
    };
    let headline = "Acme to acquire Selby for $2.5 billion in cash";
    let one = [told("wire", "1", 0, headline, 0.9), told("wire", "2", 2, "Regulator opens inquiry into Acme", 0.1)];
    let two = [one.to_vec(), vec![told("desk", "1", 1, headline, 0.9), told("desk", "7", 3, headline, 0.8)]].concat();
    let query = "SELECT minute, mentions, sentiment FROM sentiment_index(run = 'live', from = '2025-06-02 10:00:00', \
        to = '2025-06-02 10:10:00', half_life_s = 5400, window_s = 21600) ORDER BY minute";
    let mut indices = Vec::new();
    for (name, mentions) in [("once", &one[..]), ("twice", &two[..])] {
        let Some(config) = written(name, mentions).await else { return };
        indices.push(text(&config.client(), query).await);
        drop_database(&config).await;
    }
    assert_eq!(indices[0], indices[1]);
    assert!(indices[0].lines().last().unwrap().contains(" 2 "), "{}", indices[0]);
}
