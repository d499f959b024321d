//! What a model loses in the lower precisions, on labelled data that it was not trained on.
//!
//!     python models/train/prepare.py --data FOLDER --out samples.jsonl
//!     cargo run --release -p tapewire-sentiment --example precisions -- shipped samples.jsonl
//!
//! For each held-out part of the samples, or for other `--splits`: the accuracy, how often the label is the same as in
//! single precision, and the largest and mean difference of a probability.

use clap::Parser;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use tapewire_core::Probabilities;
use tapewire_models::{Registry, Source};
use tapewire_sentiment::companies::Company;
use tapewire_sentiment::{Engine, EngineConfig, Input, Precision};

/// Measures what a model loses in the lower precisions.
#[derive(Parser)]
struct Arguments {
    /// `shipped`, a folder, or a model on the hub.
    model: Source,
    /// Output of `models/train/prepare.py`.
    samples: PathBuf,
    /// The splits to use.
    #[arg(long, value_delimiter = ',', default_values = ["test", "unseen", "dev"])]
    splits: Vec<String>,
    /// The precisions to compare with f32.
    #[arg(long, value_delimiter = ',', default_values = ["bf16", "int8", "int8-wide"])]
    precisions: Vec<Precision>,
}

/// ```json
/// {"company": "Tata Steel", "group": 17, "label": "negative", "source": "sentfin", "split": "test", "text": "..."}
/// ```
#[derive(serde::Deserialize)]
struct Sample {
    text: String,
    company: Option<String>,
    label: String,
    source: String,
    split: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let files = Registry::from_env().resolve(&arguments.model)?;
    let lines = std::fs::read_to_string(&arguments.samples)?;
    let mut parts: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    for line in lines.lines() {
        let sample: Sample = serde_json::from_str(line)?;
        if arguments.splits.contains(&sample.split) {
            parts.entry(format!("{} {}", sample.source, sample.split)).or_default().push(sample);
        }
    }
    println!("part              n     precision    accuracy  as f32   largest  mean distance");
    let mut precisions = [&[Precision::F32][..], &arguments.precisions].concat();
    // Only once if two of them are the same on this machine.
    precisions.dedup_by_key(|precision| precision.effective_name());
    let engines = precisions
        .iter()
        .map(|&precision| Engine::load(&files, &EngineConfig { precision: Some(precision), ..EngineConfig::default() }))
        .collect::<Result<Vec<_>, _>>()?;
    for (part, samples) in &parts {
        let scores = engines.iter().map(|engine| score(engine, samples)).collect::<Result<Vec<_>, _>>()?;
        for (precision, scores_of) in precisions.iter().zip(&scores) {
            let share = |right: usize| 100.0 * right as f64 / samples.len() as f64;
            let right = samples.iter().zip(scores_of).filter(|(sample, p)| sample.label == label(p)).count();
            let same = scores[0].iter().zip(scores_of).filter(|(a, b)| label(a) == label(b)).count();
            let distances: Vec<f64> = scores[0].iter().zip(scores_of).map(|(a, b)| distance(a, b)).collect();
            println!(
                "{part:16}  {:4}  {:11}  {:7.2}%  {:6.2}%  {:.4}   {:.5}",
                samples.len(),
                precision.effective_name(),
                share(right),
                share(same),
                distances.iter().copied().fold(0.0, f64::max),
                distances.iter().sum::<f64>() / samples.len() as f64
            );
        }
    }
    Ok(())
}

fn score(engine: &Engine, samples: &[Sample]) -> Result<Vec<Probabilities>, Box<dyn Error>> {
    let companies: Vec<Option<Company>> =
        samples.iter().map(|sample| sample.company.as_deref().map(Company::named)).collect();
    let inputs: Vec<Input<'_>> =
        samples.iter().zip(&companies).map(|(sample, company)| Input::new(&sample.text, company.as_ref())).collect();
    Ok(engine
        .score(&inputs)
        .into_iter()
        .map(|scored| scored.map(|scored| scored.probabilities))
        .collect::<Result<_, _>>()?)
}

fn label(p: &Probabilities) -> &'static str {
    if p.positive >= p.neutral && p.positive >= p.negative {
        "positive"
    } else if p.negative >= p.neutral {
        "negative"
    } else {
        "neutral"
    }
}

fn distance(a: &Probabilities, b: &Probabilities) -> f64 {
    let classes = [(a.positive, b.positive), (a.neutral, b.neutral), (a.negative, b.negative)];
    classes.into_iter().map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
