use super::*;

fn similarity(one: &str, two: &str) -> f64 {
    let (one, two) = (Fingerprint::new(one), Fingerprint::new(two));
    assert_eq!(one.similarity(&two).to_bits(), two.similarity(&one).to_bits());
    one.similarity(&two)
}

#[test]
fn what_differs_in_a_fact_is_another_story() {
    let pairs = [
        ("Northgate reports record Q1 profit", "Northgate reports record Q2 profit"),
        ("Northgate reports record first-quarter profit", "Northgate reports record third quarter profit"),
        ("Northgate raises quarterly dividend 5 %", "Northgate raises quarterly dividend 7 %"),
        ("Northgate raises quarterly dividend 5%", "Northgate raises quarterly dividend 7 percent"),
        ("Selby wins $2 billion navy contract", "Selby wins $2 million navy contract"),
        ("Selby delivered 1,200 cars in May", "Selby delivered 1,300 cars in May"),
        ("Selby deliveries for May beat plan", "Selby deliveries for June beat plan"),
        ("Northgate raises full-year outlook", "Northgate lowers full-year outlook"),
        ("Northgate shares surge after court ruling", "Northgate shares slump after court ruling"),
        ("Northgate beats profit estimates in Asia", "Northgate misses profit estimates in Asia"),
        ("Citi upgrades Northgate on loan growth", "Citi downgrades Northgate on loan growth"),
        ("Northgate to buy Selby stake", "Northgate to sell Selby stake"),
        ("Regulator approves Northgate merger with Selby", "Regulator blocks Northgate merger with Selby"),
        ("Northgate in talks to buy Selby", "Northgate denies talks to buy Selby"),
        ("Northgate will appeal fine in Selby case", "Northgate won't appeal fine in Selby case"),
        ("Northgate raises dividend and sets buyback", "Selby raises dividend and sets buyback"),
        ("Citi lifts Northgate price target to $250", "Barclays lifts Northgate price target to $250"),
        ("Northgate iPhone 16 recall widens", "Northgate iPhone 17 recall widens"),
        ("Northgate reports record results (Q1)", "Northgate reports record results (Q2)"),
        ("Northgate reports record results (H1 2025)", "Northgate reports record results (H2 2025)"),
        ("Northgate buys back more shares (5B)", "Northgate buys back more shares (7B)"),
    ];
    for (one, two) in pairs {
        assert!(similarity(one, two) < ALIKE, "{one} | {two}: {}", similarity(one, two));
    }
}

#[test]
fn what_differs_in_words_only_is_the_same_story() {
    let pairs = [
        ("APPLE: wins!", "Apple wins"),
        ("Northgate to acquire Selby for $2.5 billion - WSJ", "Northgate buys Selby for $2.50bn"),
        ("Northgate to acquire Selby", "UPDATE 1-Northgate to acquire Selby"),
        ("Northgate’s Selby recalls 1,200 cars", "Northgate's Selby recalling 1200 vehicles"),
        (
            "Northgate beats Q1 profit estimates on U.S. demand",
            "Northgate tops first-quarter profit estimates on US demand",
        ),
        ("Northgate (NYSE: NGT) faces probe over Selby loans", "Northgate under investigation over Selby loans"),
        ("Northgate slashes 500 jobs at Selby", "Selby: Northgate cuts 500 jobs, sources say"),
        ("Northgate beats Q1 profit estimates", "Northgate beats 1Q profit estimates"),
        ("Northgate raises FY25 outlook", "Northgate raises FY2025 outlook"),
    ];
    for (one, two) in pairs {
        assert!(similarity(one, two) >= ALIKE, "{one} | {two}: {}", similarity(one, two));
    }
}

#[test]
fn a_company_s_name_alone_is_not_a_story() {
    assert_eq!(similarity("Northgate: closing price", "Northgate to open a plant"), 0.0);
    assert_eq!(similarity("Northgate", "Northgate"), 1.0);
    assert_eq!(similarity("", ""), 0.0);
    assert!(Fingerprint::new("-- ?!").words().is_empty());
    // Words that do not count elsewhere count if there is nothing else.
    assert!(!Fingerprint::new("What now?").words().is_empty());
}

#[test]
fn the_source_after_a_dash_and_tickers_do_not_count() {
    let of = |text: &str| Fingerprint::new(text);
    assert_eq!(of("Selby plant burns down — Barrons.com"), of("Selby plant burns down"));
    assert_eq!(of("Selby plant burns down - Sources Say - WSJ"), of("Selby plant burns down"));
    for ticker in ["(NASDAQ: SLB)", "(SLB)", "(NYSE: Q2)", "(7203.T)", "(TYO: 7203)"] {
        assert_eq!(of(&format!("Selby {ticker} plant burns down")), of("Selby plant burns down"), "{ticker}");
    }
    assert_ne!(of("Selby plant burns down - shares sink 5%"), of("Selby plant burns down"));
    assert_eq!(of("U.S. sues Selby").words(), ["=sue", "^selby", "selby", "~us"]);
}

fn at(hours: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
}

fn told(mentions: &[(i64, &str)]) -> Vec<(usize, u64)> {
    let prints: Vec<Fingerprint> = mentions.iter().map(|(_, headline)| Fingerprint::new(headline)).collect();
    let found = tellings(mentions.iter().map(|(hours, _)| at(*hours)).zip(&prints));
    found.into_iter().map(|telling| telling.map_or((usize::MAX, 0), |telling| (telling.story, telling.told))).collect()
}

#[test]
fn a_story_is_counted_as_it_is_told_and_forgotten_after_three_days() {
    let mentions = [
        (0, "Selby plant burns down"),
        (1, "Northgate wins navy contract"),
        (2, "Plant of Selby burns down"),
        (2, ""),
        (73, "Selby plant burns down"),
        (145, "Selby plant burns down"),
    ];
    // The fifth is within three days of the third. The last is exactly three days after the fifth, which is too late.
    assert_eq!(told(&mentions), [(0, 1), (1, 1), (0, 2), (usize::MAX, 0), (0, 3), (5, 1)]);
    for known in 0..mentions.len() {
        assert_eq!(told(&mentions[..known]), told(&mentions)[..known], "later headlines change nothing");
    }
}
