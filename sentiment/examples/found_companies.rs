//! How often a company that [`Finder`] finds in a text is one that people marked there.
//!
//!     cargo run --release --locked -p tapewire-sentiment --example found_companies -- TEXTS [--list N]
//!
//! Each line of TEXTS is an object with a `text` and the `names` that people marked in it. A found company is right
//! if the words that name it overlap with one of these names in the text.

use clap::Parser;
use serde::Deserialize;
use std::io::BufRead as _;
use std::path::PathBuf;
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::companies::finding::Finder;

#[derive(Parser)]
struct Args {
    /// JSON lines, each with `text` and `names`.
    texts: PathBuf,
    /// Print this many of the companies that were found and are not marked.
    #[arg(long, default_value_t = 0)]
    list: usize,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    names: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let finder = Finder::new(Companies::load(None)?);
    let (mut texts, mut with, mut found, mut right, mut marked) = (0, 0, 0, 0, 0);
    let mut wrong = Vec::new();
    for line in std::io::BufReader::new(std::fs::File::open(&args.texts)?).lines() {
        let Text { text, names } = serde_json::from_str(&line?)?;
        let spans: Vec<_> =
            names.iter().flat_map(|name| text.match_indices(&**name).map(|(at, name)| at..at + name.len())).collect();
        let companies = finder.find(&text, None);
        texts += 1;
        marked += names.len();
        with += usize::from(!companies.is_empty());
        found += companies.len();
        for company in companies {
            let span = &company.span;
            if spans.iter().any(|marked| marked.start < span.end && span.start < marked.end) {
                right += 1;
            } else {
                wrong.push(format!("{} as {:?} in: {text}", company.symbol, &text[span.clone()]));
            }
        }
    }
    println!("{texts} texts with {marked} marked names; in {with} of them {found} companies were found");
    println!("{right} of {found} are marked: precision {:.3}", f64::from(right) / found.max(1) as f64);
    wrong.iter().take(args.list).for_each(|line| println!("{line}"));
    Ok(())
}
