//! The latency of single headlines on a warm engine, through the queue and through HTTP.
//!
//!     cargo run --release -p tapewire-sentiment --example latency -- MODEL TEXTS.jsonl
//!     ... -- MODEL TEXTS.jsonl --count 5000 --precision int8
//!
//! MODEL is `shipped`, a folder or a model on the hub; each line of TEXTS is an object with a `text`. Texts are scored
//! one after the other, and repeated if there are fewer than the count. Nothing is cached. Calls through the queue and
//! through HTTP alternate, so that other load on the machine affects both equally. HTTP uses one connection over
//! loopback.

use clap::Parser;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_models::{Registry, Source};
use tapewire_runtime::{HttpConfig, Shutdown, Telemetry};
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::http::{self, Api, ServeConfig};
use tapewire_sentiment::{Engine, EngineConfig, Precision, Queue, QueueConfig, Request};

/// Texts that are scored before anything is timed.
const WARM_UP: usize = 50;

/// Measures the latency of single headlines.
#[derive(Parser)]
struct Arguments {
    /// `shipped`, a folder, or a model on the hub.
    model: Source,
    /// JSON lines with a `text`.
    texts: PathBuf,
    /// Texts to time.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// f32, bf16, bf16-vectors, int8 or int8-wide; otherwise the model's default.
    #[arg(long)]
    precision: Option<Precision>,
}

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let lines = std::fs::read_to_string(&arguments.texts)?;
    let texts: Vec<Line> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let files = Registry::from_env().resolve(&arguments.model)?;
    let config = EngineConfig { precision: arguments.precision, ..EngineConfig::default() };
    let engine = Engine::load(&files, &config)?;
    let queue = Queue::new(Arc::new(engine), &QueueConfig { cache_entries: 0, ..QueueConfig::default() })?;
    let (config, limits) = (ServeConfig::default(), HttpConfig::default());
    let listener = http::listen("127.0.0.1:0").await?;
    let url = format!("http://{}/predict", listener.local_addr()?);
    let (api, telemetry) = (Api::new(queue.clone(), Companies::load(None)?, &config, &limits), Telemetry::install()?);
    tokio::spawn(async move { http::serve(listener, api, telemetry, &config, &limits, Shutdown::new()).await });
    let client = reqwest::Client::new();

    let (mut by_queue, mut by_http) = (Vec::new(), Vec::new());
    for (at, Line { text }) in texts.iter().cycle().take(WARM_UP + arguments.count).enumerate() {
        let started = Instant::now();
        queue.submit(Request::new(text.as_str(), None)).await?;
        let queued = started.elapsed();
        let started = Instant::now();
        let body = serde_json::json!({"inputs": text, "truncate": true});
        client.post(&url).json(&body).send().await?.error_for_status()?.bytes().await?;
        if at >= WARM_UP {
            by_queue.push(queued);
            by_http.push(started.elapsed());
        }
    }
    println!("           p50 ms  p90 ms  p99 ms  max ms");
    for (name, mut latencies) in [("queue", by_queue), ("http", by_http)] {
        latencies.sort();
        let quantile = |q: f64| milliseconds(latencies[((latencies.len() - 1) as f64 * q).round() as usize]);
        println!("{name:8}  {:7.2} {:7.2} {:7.2} {:7.2}", quantile(0.5), quantile(0.9), quantile(0.99), quantile(1.0));
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
