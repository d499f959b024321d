//! Whether a company asked by its ticker gets the sentiment it gets by its name, in headlines that are good for one
//! company and bad for another.
//!
//! ```sh
//! cargo run --release --locked -p tapewire-sentiment --example two_companies
//! cargo run --release --locked -p tapewire-sentiment --example two_companies -- 100 names.csv
//! ```
//!
//! Takes 500 (or the first argument) of the companies that the built-in list has among its largest 1,500 in New York, writes headlines about each
//! and its neighbour, good for the one and bad for the other and the other way round, and compares signs. The headlines
//! use the derived names, or those of a file with the columns `symbol,name`, as somebody else writes them.
//!
//! Prints how many signs agree for the ticker as the pipeline asks it, and beside it for the bare ticker and for the
//! ticker that the text marks (`$WAT`, `(NYSE: WAT)`).
#![allow(clippy::unwrap_used, reason = "a measurement may fail loudly")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tapewire_core::Symbol;
use tapewire_models::{Registry, Source};
use tapewire_sentiment::companies::{Companies, Company};
use tapewire_sentiment::{Engine, EngineConfig, Input};

const LISTED: &str = include_str!("../instruments.csv");
const LARGEST: usize = 1500;
const COMPANIES: usize = 500;

/// `+` gains and `-` loses.
const TEMPLATES: [&str; 8] = [
    "{+} climbs as {-} tumbles",
    "{-} sinks on weak guidance; {+} jumps on strong results",
    "{+} gains while {-} slides",
    "{+} profit surges; {-} profit falls",
    "{-} slumps while {+} soars",
    "{+} raises its outlook, {-} cuts its forecast after a loss",
    "{-} misses badly while {+} tops estimates",
    "Analysts upgrade {+} and downgrade {-}",
];

struct Asked {
    symbol: Symbol,
    name: String,
}

fn main() {
    let companies = Companies::load(None).unwrap();
    let asked = asked(&companies);
    let engine =
        Engine::load(&Registry::from_env().resolve(&Source::default()).unwrap(), &EngineConfig::default()).unwrap();
    println!("{} companies, {} headlines", asked.len(), asked.len() * TEMPLATES.len());
    let ways: [(&str, Mark, Way); 5] = [
        (
            "ticker, as the pipeline asks it",
            |asked| asked.name.clone(),
            |companies, asked| companies.of_symbol(&asked.symbol, None),
        ),
        ("bare ticker", |asked| asked.name.clone(), |_, asked| Company::named(asked.symbol.as_str()).into()),
        (
            "text has `$T` beside the name, asked `T`",
            |asked| format!("{} (${})", asked.name, asked.symbol),
            |_, asked| Company::named(asked.symbol.as_str()).into(),
        ),
        (
            "text has only `$T`, asked `T`",
            |asked| format!("${}", asked.symbol),
            |_, asked| Company::named(asked.symbol.as_str()).into(),
        ),
        (
            "text has only `$T`, asked by the name",
            |asked| format!("${}", asked.symbol),
            |_, asked| Company::named(asked.name.as_str()).into(),
        ),
    ];
    for (said, mark, way) in ways {
        let Tally { pairs, agree, expected, wrong } = tally(&engine, &companies, &asked, mark, way);
        println!(
            "{said}: sign as by name in {agree} of {pairs} ({:.2} %), as the headline says in {expected}",
            100.0 * agree as f64 / pairs as f64
        );
        for wrong in wrong.iter().take(12) {
            println!("    {wrong}");
        }
    }
}

type Mark = fn(&Asked) -> String;
type Way = fn(&Companies, &Asked) -> Arc<Company>;

#[derive(Default)]
struct Tally {
    pairs: usize,
    agree: usize,
    expected: usize,
    wrong: Vec<String>,
}

/// The largest companies of the list, one ticker each, with the name that headlines use.
fn asked(companies: &Companies) -> Vec<Asked> {
    let given: Option<HashMap<Symbol, String>> = std::env::args().nth(2).map(|path| {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let rows = reader.records().map(|row| row.unwrap());
        rows.map(|row| (Symbol::new(&row[0]).unwrap(), row[1].to_owned())).collect()
    });
    let mut reader = csv::Reader::from_reader(LISTED.as_bytes());
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for row in reader.records() {
        let row = row.unwrap();
        let is_share = ["NYSE", "Nasdaq"].contains(&&row[2]) && row[0].bytes().all(|c| c.is_ascii_uppercase());
        if !is_share || !seen.insert(row[3].to_owned()) {
            continue;
        }
        let symbol = Symbol::new(&row[0]).unwrap();
        let name = match &given {
            Some(names) => names.get(&symbol).cloned(),
            None => companies.of_symbol(&symbol, None).names().next().map(str::to_owned),
        };
        all.extend(name.map(|name| Asked { symbol, name }));
    }
    all.truncate(LARGEST);
    let count = std::env::args().nth(1).map_or(COMPANIES, |count| count.parse().unwrap());
    let step = (all.len() / count).max(1);
    all.into_iter().step_by(step).take(count).collect()
}

/// A headline about a company, in which its name stands, and as it is asked.
struct Headline<'a> {
    of: &'a Asked,
    is_good: bool,
    plain: String,
    text: String,
    by_name: Arc<Company>,
    by_ticker: Arc<Company>,
}

fn tally(engine: &Engine, companies: &Companies, asked: &[Asked], mark: Mark, way: Way) -> Tally {
    let mut headlines = Vec::new();
    for (at, of) in asked.iter().enumerate() {
        let other = &asked[(at + 1) % asked.len()];
        for (number, template) in TEMPLATES.iter().enumerate() {
            // Good for the one in every second headline.
            let is_good = (at + number) % 2 == 0;
            let (gains, loses) = if is_good { (of, other) } else { (other, of) };
            let headline = |of: Mark| template.replace("{+}", &of(gains)).replace("{-}", &of(loses));
            let (plain, text) = (headline(|asked| asked.name.clone()), headline(mark));
            let by_name = Company::named(of.name.as_str()).into();
            headlines.push(Headline { of, is_good, plain, text, by_name, by_ticker: way(companies, of) });
        }
    }
    let mut tally = Tally::default();
    for some in headlines.chunks(256) {
        let score = |input: fn(&Headline<'_>) -> (String, Arc<Company>)| -> Vec<f64> {
            let inputs: Vec<(String, Arc<Company>)> = some.iter().map(input).collect();
            let inputs: Vec<Input<'_>> = inputs.iter().map(|(text, company)| Input::new(text, Some(company))).collect();
            engine.score(&inputs).into_iter().map(|score| score.unwrap().probabilities.score()).collect()
        };
        let by_name = score(|headline| (headline.plain.clone(), Arc::clone(&headline.by_name)));
        let by_ticker = score(|headline| (headline.text.clone(), Arc::clone(&headline.by_ticker)));
        for ((headline, by_name), by_ticker) in some.iter().zip(by_name).zip(by_ticker) {
            tally.pairs += 1;
            tally.expected += usize::from((by_ticker > 0.0) == headline.is_good);
            if (by_name > 0.0) == (by_ticker > 0.0) {
                tally.agree += 1;
            } else {
                let (Headline { of, text, .. }, name) = (headline, headline.by_ticker.name_in(&headline.text));
                let name = name.unwrap_or("nothing");
                tally
                    .wrong
                    .push(format!("{} {text:?} asked {name:?}: {by_ticker:+.3}, by name {by_name:+.3}", of.symbol));
            }
        }
    }
    tally
}
