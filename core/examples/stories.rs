//! Measures how well [`tapewire_core::story`] recognises stories that are told again, on labelled headlines.
//!
//! ```text
//! cargo run --release -p tapewire-core --example stories -- core/tests/headlines.tsv
//! ```
//! A line of the file has half (`chosen` or `held-out`), company's name, hours, story and headline,
//! separated by tabs. Headlines of one story and company have the same name in `story`; `-` is a story that is told once,
//! `?` one that people would not agree on, which does not count. The first half is the one that rules and threshold were
//! chosen on.

use std::collections::BTreeMap;
use std::process::ExitCode;

#[path = "../tests/labelled/mod.rs"]
mod labelled;

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: stories FILE [--errors]");
        return ExitCode::from(2);
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let headlines = match labelled::read(&text) {
        Ok(headlines) => headlines,
        Err(error) => {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut halves: BTreeMap<&str, Vec<labelled::Headline>> = BTreeMap::new();
    for headline in &headlines {
        halves.entry(&headline.half).or_default().push(headline.clone());
    }
    for (half, headlines) in halves {
        let pairs = labelled::pairs(&headlines);
        let repeats = labelled::repeats(&headlines);
        println!("{half}: {} headlines", headlines.len());
        println!("  pairs    {}", pairs.count);
        println!("  repeats  {}", repeats.count);
        if std::env::args().any(|argument| argument == "--errors") {
            for error in repeats.errors {
                println!("    {error}");
            }
        }
    }
    ExitCode::SUCCESS
}
