//! Markup and invisible characters do not change the shipped model's score.
#![allow(clippy::unwrap_used, reason = "a test fails loudly")]

mod common;

use common::shipped;
use tapewire_core::text::readable;
use tapewire_sentiment::companies::Company;
use tapewire_sentiment::{Engine, Input, ScoreError};

fn score(engine: &Engine, text: &str, company: Option<&str>) -> f64 {
    let company = company.map(Company::named);
    engine.score(&[Input::new(&readable(text), company.as_ref())]).remove(0).unwrap().probabilities.score()
}

/// A plain text and the ways in which providers send it.
const SENT: [(&str, Option<&str>, &[&str]); 4] = [
    (
        "Profit doubled at Selby.",
        None,
        &[
            "<div class=\"body\"><p style=\"color:red\">Profit doubled at Selby.</p></div>",
            "<script>var loss=true; crash(); fail();</script>Profit doubled at Selby.",
            "<style>.loss{color:red}</style><!-- crash --><h1>Profit doubled</h1> at <b>Selby</b>.",
            "&lt;p&gt;Profit&nbsp;doubled at Selby.&lt;/p&gt;",
            "Pro\u{ad}fit\u{200b} doubled\u{a0}at \u{202a}Selby\u{202c}.",
            "Profit doubled at Selby. This article is for informational purposes only and is no advice.",
        ],
    ),
    (
        "AT&T lifts its outlook while Verizon cuts its forecast",
        Some("Verizon"),
        &[
            "AT&amp;T lifts its outlook while Verizon cuts its forecast",
            "AT&amp;amp;T lifts its outlook<br/>while <a href=\"https://x.example/?a=1&b=2\">Verizon</a> cuts its forecast",
            "<p>AT&#38;T lifts its outlook while <strong>Verizon</strong> cuts its forecast</p>",
        ],
    ),
    (
        "McDonald's misses; Wendy's beats",
        Some("McDonald's"),
        &["McDonald&#39;s misses; Wendy&#39;s beats", "<i>McDonald&apos;s</i> misses; Wendy&#x27;s beats"],
    ),
    (
        "Profit doubled",
        None,
        &["Profit\u{200b} doubled", "\u{feff}Profit doubled\u{fe0f}", "<p>\n  Profit\n  doubled\n</p>"],
    ),
];

#[test]
fn a_text_scores_as_its_plain_form() {
    let engine = shipped();
    for (plain, company, sent) in SENT {
        let expected = score(&engine, plain, company);
        for text in sent {
            let found = score(&engine, text, company);
            assert!((found - expected).abs() <= 0.02, "{text:?}: {found}, plain {expected}");
        }
    }
}

#[test]
fn a_text_of_which_the_tokenizer_keeps_nothing_has_no_score() {
    let engine = shipped();
    for text in [
        "",
        " ",
        "\u{200b}",
        "\u{200b}\u{2060}\u{feff}",
        "\u{ad}",
        "\u{a0}",
        "\u{e000}\u{f8ff}",
        "\u{7}",
        "\u{615}\u{301}",
    ] {
        for company in [None, Some(&Company::named("Apple"))] {
            let scored = engine.score(&[Input::new(text, company)]).remove(0);
            assert_eq!(scored, Err(ScoreError::NoTokens), "{text:?}");
        }
    }
}
