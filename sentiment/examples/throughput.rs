//! Texts a second of a model on this machine: wall clock and processor time, at 1 and 2 threads.
//!
//!     cargo run --release -p tapewire-sentiment --example throughput -- MODEL TEXTS.jsonl [ROUNDS]
//!
//! MODEL is what `--model` takes elsewhere; each line of TEXTS is an object with a `text`.
//! Rounds of the two thread counts alternate, so that a busy machine hits both alike; every
//! round is printed. Tokenization is included.

use std::error::Error;
use std::time::Instant;
use tapewire_models::{Registry, Source};
use tapewire_sentiment::{Engine, EngineConfig, Input};

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, model, texts, rounds @ ..] = &arguments[..] else {
        return Err("usage: throughput MODEL TEXTS.jsonl [ROUNDS]".into());
    };
    let rounds: usize = rounds.first().map_or(Ok(3), |rounds| rounds.parse())?;
    let texts: Vec<Line> =
        std::fs::read_to_string(texts)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let inputs: Vec<Input<'_>> = texts.iter().map(|line| Input { text: &line.text, company: None }).collect();
    let files = Registry::from_env().resolve(&model.parse::<Source>()?)?;
    let load = |threads| Engine::load(&files, &EngineConfig { threads, ..EngineConfig::default() });
    let engines = [load(1)?, load(2)?];
    for engine in &engines {
        engine.score(&inputs[..inputs.len().min(64)]);
    }
    println!("threads  texts  wall s  cpu s  texts/s  texts/cpu-s");
    for _ in 0..rounds {
        for (threads, engine) in (1..).zip(&engines) {
            let (started, cpu) = (Instant::now(), cpu_seconds()?);
            let scored = engine.score(&inputs);
            let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds()? - cpu);
            let texts = scored.iter().filter(|scored| scored.is_ok()).count();
            println!(
                "{threads:7}  {texts:5}  {wall:6.2}  {cpu:5.2}  {:7.1}  {:11.1}",
                texts as f64 / wall,
                texts as f64 / cpu
            );
        }
    }
    Ok(())
}

/// Processor time of this process so far, from `/proc/self/stat` (user and system, 100 ticks a second).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().ok_or("unreadable /proc/self/stat")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>();
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
