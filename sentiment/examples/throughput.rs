//! Texts a second of a model on this machine, for each precision and thread count.
//!
//!     cargo run --release -p tapewire-sentiment --example throughput -- MODEL TEXTS.jsonl
//!     ... -- MODEL TEXTS.jsonl --precision f32,bf16,int8 --threads 1,2 --rounds 5
//!     ... -- MODEL TEXTS.jsonl --precision int8 --threads 1 --interactive
//!
//! MODEL is what `--model` takes elsewhere; each line of TEXTS is an object with a `text`.
//! Rounds of all settings alternate, so that a busy machine hits all alike. Tokenization is
//! included. Work is what the classes depend on, counted without padding; its share is of what one
//! processor reaches with the same instruction on registers alone.
//!
//! With `--interactive`, another program can take rounds in turn with this one: it writes `run` or
//! `logits` and reads a line of JSON.

use clap::Parser;
use serde_json::json;
use std::error::Error;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;
use tapewire_models::{ModelFiles, Registry, Source};
use tapewire_sentiment::engine::tokens::Tokens;
use tapewire_sentiment::kernels::peak;
use tapewire_sentiment::{Engine, EngineConfig, Input, Precision};

/// Texts that are scored before anything is timed.
const WARM_UP: usize = 64;

/// Texts whose logits are printed.
const LOGITS: usize = 128;

/// Texts a second of a model on this machine.
#[derive(Parser)]
struct Arguments {
    /// `shipped`, a folder, or a model of the hub.
    model: Source,
    /// JSON lines with a `text`.
    texts: PathBuf,
    /// Among f32, bf16, int8, int8-wide.
    #[arg(long, value_delimiter = ',', default_value = "f32")]
    precision: Vec<Precision>,
    /// Thread counts.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Rounds of each setting.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Do as stdin says, with the first precision and thread count.
    #[arg(long)]
    interactive: bool,
}

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let lines = std::fs::read_to_string(&arguments.texts)?;
    let texts: Vec<Line> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let inputs: Vec<Input<'_>> = texts.iter().map(|line| Input::new(&line.text, None)).collect();
    let files = Registry::from_env().resolve(&arguments.model)?;
    if arguments.interactive {
        let bench = Bench::load(&files, arguments.precision[0], arguments.threads[0], &inputs)?;
        bench.obey(std::io::stdin().lock())
    } else {
        let settings = arguments
            .precision
            .iter()
            .flat_map(|&precision| arguments.threads.iter().map(move |&threads| (precision, threads)));
        let benches = settings
            .map(|(precision, threads)| Bench::load(&files, precision, threads, &inputs))
            .collect::<Result<Vec<_>, _>>()?;
        compare(&benches, arguments.rounds)
    }
}

/// A loaded model and what it is given.
struct Bench<'a> {
    engine: Engine,
    precision: Precision,
    threads: usize,
    inputs: &'a [Input<'a>],
    /// Tokens of all texts, and what they need to be computed.
    tokens: usize,
    operations: u64,
    peak: f64,
}

/// One pass over all texts.
#[derive(Clone, Copy)]
struct Round {
    wall: f64,
    cpu: f64,
}

impl<'a> Bench<'a> {
    fn load(
        files: &ModelFiles,
        precision: Precision,
        threads: usize,
        inputs: &'a [Input<'a>],
    ) -> Result<Self, Box<dyn Error>> {
        let engine = Engine::load(files, &EngineConfig { threads, precision, ..EngineConfig::default() })?;
        let windows = inputs.iter().map(|input| engine.windows(input)).collect::<Result<Vec<_>, _>>()?;
        let lengths: Vec<usize> = windows.iter().flatten().map(|window| window.tokens.ids.len()).collect();
        let operations = lengths.iter().map(|&tokens| engine.operations(tokens)).sum();
        engine.score(&inputs[..inputs.len().min(WARM_UP)]);
        Ok(Self { engine, precision, threads, inputs, tokens: lengths.iter().sum(), operations, peak: peak(precision) })
    }

    fn run(&self) -> Result<Round, Box<dyn Error>> {
        let (started, cpu) = (Instant::now(), cpu_seconds()?);
        for scored in self.engine.score(self.inputs) {
            scored?;
        }
        Ok(Round { wall: started.elapsed().as_secs_f64(), cpu: cpu_seconds()? - cpu })
    }

    fn logits(&self) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        let inputs = &self.inputs[..self.inputs.len().min(LOGITS)];
        let windows = inputs.iter().map(|input| self.engine.windows(input)).collect::<Result<Vec<_>, _>>()?;
        let tokens: Vec<&Tokens> = windows.iter().map(|windows| &windows[0].tokens).collect();
        Ok(self.engine.logits(&tokens).into_iter().collect::<Result<_, _>>()?)
    }

    /// Answers each line of `commands` with a line of JSON.
    fn obey(&self, commands: impl BufRead) -> Result<(), Box<dyn Error>> {
        println!("{}", json!({"ready": true, "peak_ops_per_s": self.peak}));
        for command in commands.lines() {
            match command?.trim() {
                "run" => {
                    let Round { wall, cpu } = self.run()?;
                    let (texts, tokens, needed) = (self.inputs.len(), self.tokens, self.operations);
                    println!(
                        "{}",
                        json!({"texts": texts, "wall_s": wall, "cpu_s": cpu, "tokens": tokens, "needed_ops": needed})
                    );
                }
                "logits" => println!("{}", json!(self.logits()?)),
                other => return Err(format!("{other}: there are run and logits").into()),
            }
        }
        Ok(())
    }
}

/// Rounds of all settings in turn, then the best and the median of each.
fn compare(benches: &[Bench<'_>], rounds: usize) -> Result<(), Box<dyn Error>> {
    let mut done: Vec<Vec<Round>> = vec![Vec::new(); benches.len()];
    println!("precision  threads  texts/s  texts/cpu-s  GOP/cpu-s  of peak");
    for _ in 0..rounds {
        for (bench, done) in benches.iter().zip(&mut done) {
            done.push(bench.run()?);
            print(bench, done[done.len() - 1], "");
        }
    }
    for (bench, done) in benches.iter().zip(&mut done) {
        done.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
        print(bench, done[0], "best");
        print(bench, done[done.len() / 2], "median");
    }
    Ok(())
}

fn print(bench: &Bench<'_>, round: Round, note: &str) {
    let (texts, speed) = (bench.inputs.len() as f64, bench.operations as f64 / round.cpu);
    println!(
        "{:9}  {:7}  {:7.1}  {:11.1}  {:9.0}  {:6.1}%  {note}",
        bench.precision.to_string(),
        bench.threads,
        texts / round.wall,
        texts / round.cpu,
        speed / 1e9,
        100.0 * speed / bench.peak
    );
}

/// Processor time of this process so far, from `/proc/self/stat` (user and system, 100 ticks a second).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().ok_or("unreadable /proc/self/stat")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>();
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
