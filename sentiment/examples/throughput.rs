//! Texts per second of a model on this machine, for each precision and number of threads.
//!
//!     cargo run --release -p tapewire-sentiment --example throughput -- MODEL TEXTS.jsonl
//!     ... -- MODEL TEXTS.jsonl --precision f32,bf16,int8 --threads 1,2 --rounds 5
//!     ... -- MODEL TEXTS.jsonl --precision int8 --threads 1 --interactive
//!
//! MODEL is `shipped`, a folder or a model on the hub; each line of TEXTS is an object with a `text`. Rounds of all
//! settings alternate, so that other load on the machine affects them equally. Tokenizing is included. Operations are
//! those that the classes depend on, without padding. `of peak` compares them with the speed of the same instruction on
//! registers alone, measured before and after each round.
//!
//! With `--interactive`, another program can alternate its rounds with this one: it writes `run PART PARTS`, for one of
//! PARTS parts of the texts, or `logits`, and reads a line of JSON.

use clap::Parser;
use serde_json::json;
use std::error::Error;
use std::io::BufRead;
use std::path::PathBuf;
use std::time::Instant;
use tapewire_kernels::peak;
use tapewire_models::{ModelFiles, Registry, Source};
use tapewire_sentiment::engine::tokenizer::Encoding;
use tapewire_sentiment::{Engine, EngineConfig, Input, Precision};

/// Texts that are scored before anything is timed.
const WARM_UP: usize = 64;

/// Texts whose logits are printed.
const LOGITS: usize = 128;

/// Measures texts per second of a model on this machine.
#[derive(Parser)]
struct Arguments {
    /// `shipped`, a folder, or a model on the hub.
    model: Source,
    /// JSON lines with a `text`.
    texts: PathBuf,
    /// Any of f32, bf16, bf16-vectors, int8, int8-wide.
    #[arg(long, value_delimiter = ',', default_value = "f32")]
    precision: Vec<Precision>,
    /// Numbers of threads.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Rounds of each setting.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Obey commands from the standard input, with the first precision and number of threads.
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

/// A loaded model and its inputs.
struct Bench<'a> {
    engine: Engine,
    precision: Precision,
    threads: usize,
    inputs: &'a [Input<'a>],
    /// Tokens and operations of each text.
    work: Vec<(usize, u64)>,
}

/// One pass over texts.
#[derive(Clone, Copy)]
struct Round {
    texts: usize,
    tokens: usize,
    operations: u64,
    wall: f64,
    cpu: f64,
    /// Operations per second of the processor's instruction, the mean of before and after this round.
    peak: f64,
}

impl<'a> Bench<'a> {
    fn load(
        files: &ModelFiles,
        precision: Precision,
        threads: usize,
        inputs: &'a [Input<'a>],
    ) -> Result<Self, Box<dyn Error>> {
        let engine =
            Engine::load(files, &EngineConfig { threads, precision: Some(precision), ..EngineConfig::default() })?;
        let windows = inputs.iter().map(|input| engine.windows(input)).collect::<Result<Vec<_>, _>>()?;
        let work = windows.iter().map(|windows| {
            let tokens = || windows.iter().map(|window| window.encoding.input_ids.len());
            (tokens().sum(), tokens().map(|tokens| engine.operations(tokens)).sum())
        });
        let work = work.collect();
        engine.score(&inputs[..inputs.len().min(WARM_UP)]);
        Ok(Self { engine, precision, threads, inputs, work })
    }

    /// Scores part `part` (from 0) of `parts`: every `parts`-th text, beginning with text `part`.
    fn run(&self, part: usize, parts: usize) -> Result<Round, Box<dyn Error>> {
        let inputs: Vec<Input<'_>> = self.inputs.iter().skip(part).step_by(parts).copied().collect();
        let work = || self.work.iter().skip(part).step_by(parts);
        let before = peak(self.precision);
        let (started, cpu) = (Instant::now(), cpu_seconds()?);
        for scored in self.engine.score(&inputs) {
            scored?;
        }
        Ok(Round {
            texts: inputs.len(),
            tokens: work().map(|(tokens, _)| tokens).sum(),
            operations: work().map(|(_, operations)| operations).sum(),
            wall: started.elapsed().as_secs_f64(),
            cpu: cpu_seconds()? - cpu,
            peak: f64::midpoint(before, peak(self.precision)),
        })
    }

    fn logits(&self) -> Result<Vec<Vec<f32>>, Box<dyn Error>> {
        let inputs = &self.inputs[..self.inputs.len().min(LOGITS)];
        let windows = inputs.iter().map(|input| self.engine.windows(input)).collect::<Result<Vec<_>, _>>()?;
        let encodings: Vec<&Encoding> = windows.iter().map(|windows| &windows[0].encoding).collect();
        Ok(self.engine.logits(&encodings).into_iter().collect::<Result<_, _>>()?)
    }

    /// Answers each line of `commands` with a line of JSON.
    fn obey(&self, commands: impl BufRead) -> Result<(), Box<dyn Error>> {
        println!("{}", json!({"ready": true}));
        for command in commands.lines() {
            match command?.split_whitespace().collect::<Vec<_>>()[..] {
                ["run", part, parts] => {
                    let Round { texts, tokens, operations, wall, cpu, peak } =
                        self.run(part.parse()?, parts.parse()?)?;
                    println!(
                        "{}",
                        json!({"texts": texts, "tokens": tokens, "wall_s": wall, "cpu_s": cpu, "needed_ops": operations, "peak_ops_per_s": peak})
                    );
                }
                ["logits"] => println!("{}", json!(self.logits()?)),
                ref other => {
                    return Err(format!("unknown command `{}`; use run PART PARTS or logits", other.join(" ")).into());
                }
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
            done.push(bench.run(0, 1)?);
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
    let (texts, speed) = (round.texts as f64, round.operations as f64 / round.cpu);
    println!(
        "{:9}  {:7}  {:7.1}  {:11.1}  {:9.0}  {:6.1}%  {note}",
        bench.precision.to_string(),
        bench.threads,
        texts / round.wall,
        texts / round.cpu,
        speed / 1e9,
        100.0 * speed / round.peak
    );
}

/// Processor time of this process so far in seconds, from `/proc/self/stat` (user and system, 100 ticks per second).
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().ok_or("unreadable /proc/self/stat")?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<f64>();
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}
