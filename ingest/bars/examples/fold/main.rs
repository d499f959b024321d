//! How many trades the fold takes a second on one core.
//!
//! ```text
//! cargo run --release -p tapewire-bars --example fold -- [TRADES]         # trades of its own making
//! cargo run --release -p tapewire-bars --example fold -- parquet FOLDER   # the trades of a folder, for bench/fold
//! ```
//!
//! The trades that it makes are of 500 symbols, some are late, and there is a watermark for each second; bars are of 1 s,
//! 1 min and 5 min. Making the trades is not part of the time.
//!
//! `parquet` answers lines on its standard input; [`resident`] describes them.
#![allow(clippy::print_stdout, reason = "a measuring tool: it prints what it measured")]

mod resident;
mod trades;

use jiff::{SignedDuration, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::{Duration, Instant};
use tapewire_bars::{Fold, Widths};
use tapewire_core::{BarUpdates, Symbol, Trade};

const SYMBOLS: usize = 500;
/// Trades in each second of market time.
const TRADES_A_SECOND: usize = 20_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["parquet", folder] => resident::answer(Path::new(folder)),
        [] => made(20_000_000),
        [trades] => made(trades.parse()?),
        _ => Err("see the top of ingest/bars/examples/fold/main.rs".into()),
    }
}

/// Folds this number of trades, or a few more, and prints how fast.
fn made(wanted: usize) -> Result<(), Box<dyn std::error::Error>> {
    let symbols = (0..SYMBOLS).map(|i| Symbol::new(&format!("S{i}"))).collect::<Result<Vec<_>, _>>()?;
    let widths = Widths::new(&[1, 60, 300])?;
    let lateness = SignedDuration::from_secs(10);
    let mut folds: Vec<Fold> =
        symbols.iter().map(|symbol| Fold::new(symbol.clone(), widths.clone(), lateness)).collect();
    let mut rng = SmallRng::seed_from_u64(1);
    let start: Timestamp = "2025-06-02T13:30:00Z".parse()?;
    let (mut spent, mut folded, mut bars) = (Duration::ZERO, 0, 0);
    for second in 0.. {
        if folded >= wanted {
            break;
        }
        let now = start + SignedDuration::from_secs(second);
        let trades: Vec<(usize, Trade)> =
            (0..TRADES_A_SECOND).map(|i| draw(&mut rng, &symbols, now, i, folded + i)).collect();
        let began = Instant::now();
        for (symbol, trade) in &trades {
            folds[*symbol].trade(trade);
        }
        for fold in &mut folds {
            bars += fold.watermark(now).len();
        }
        spent += began.elapsed();
        folded += trades.len();
    }
    let rate = folded as f64 / spent.as_secs_f64() / 1e6;
    println!("{folded} trades of {SYMBOLS} symbols to {bars} bars of 1 s, 1 min and 5 min: {rate:.1} M trades/s");
    Ok(())
}

/// The trades of a second come in the order of time, except one in a hundred that is up to 5 s late.
fn draw(rng: &mut SmallRng, symbols: &[Symbol], now: Timestamp, i: usize, number: usize) -> (usize, Trade) {
    let symbol = rng.random_range(0..symbols.len());
    let late = if rng.random_range(0..100) == 0 { rng.random_range(0..5_000_000) } else { 0 };
    let trade = Trade {
        symbol: symbols[symbol].clone(),
        at: now + SignedDuration::from_micros((i * 1_000_000 / TRADES_A_SECOND) as i64 - late),
        id: number.to_string(),
        sequence: number as u64,
        price: 100.0 + f64::from(rng.random_range(0..1000_u32)) / 100.0,
        size: f64::from(rng.random_range(1..500_u32)),
        counts: BarUpdates::EVERYTHING,
        replaces: None,
        received_at: now,
    };
    (symbol, trade)
}
