//! The protocol of `bench/resident.py`: one line of JSON when it is ready, then one for each line that it reads.
//!
//! - `run` folds the trades of the folder into bars of a minute: `{"trades", "bars", "wall_s", "cpu_s", "fold_wall_s",
//!   "fold_cpu_s"}`. `bars` counts every version of a bar. The first pair of times has all that is done with the files; the
//!   second only what happens to a trade once it is in memory, finding its symbol's fold included.
//! - `bars PATH` does the same and writes every version of every bar to PATH as CSV, in the order in which they were
//!   emitted; `start` is in microseconds since 1970 (UTC).

use crate::trades::each_chunk;
use foldhash::fast::FixedState;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::BufRead as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tapewire_bars::{Fold, Widths};
use tapewire_core::{Bar, Symbol, Trade};

const WIDTH_S: u32 = 60;
/// The same as the watermark's delay of Spark in `bench/fold/spark.py`. The trades are at most 5 s late.
const LATENESS: SignedDuration = SignedDuration::from_secs(10);

/// Answers until its standard input ends.
///
/// # Errors
/// A line that is no question, and a file that can't be read or written.
pub fn answer(folder: &Path) -> Result<(), Box<dyn Error>> {
    println!("{{\"ready\": true}}");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let path = line.strip_prefix("bars ");
        if path.is_none() && line != "run" {
            return Err(format!("`{line}` is no question; ask `run` or `bars PATH`").into());
        }
        let (folded, total) = fold(folder)?;
        if let Some(path) = path {
            std::fs::write(path, csv(&folded.bars)?)?;
        }
        println!(
            "{{\"trades\": {}, \"bars\": {}, \"wall_s\": {}, \"cpu_s\": {}, \"fold_wall_s\": {}, \"fold_cpu_s\": {}}}",
            folded.trades,
            folded.bars.len(),
            total.wall.as_secs_f64(),
            total.cpu.as_secs_f64(),
            folded.spent.wall.as_secs_f64(),
            folded.spent.cpu.as_secs_f64(),
        );
    }
    Ok(())
}

/// Returns what was folded, and the time of all that was done for it.
fn fold(folder: &Path) -> Result<(Folded, Spent), Box<dyn Error>> {
    let watch = Stopwatch::start();
    let mut folded = Folded::new()?;
    each_chunk(folder, |trades| {
        let watch = Stopwatch::start();
        folded.take(trades);
        folded.spent.add(watch.spent());
        Ok(())
    })?;
    let last = Stopwatch::start();
    folded.watermark();
    folded.spent.add(last.spent());
    Ok((folded, watch.spent()))
}

/// The folds of all symbols, as a partition of `trades` has them.
struct Folded {
    folds: HashMap<Symbol, Fold, FixedState>,
    widths: Widths,
    /// When the trades of the second under way were received.
    now: Timestamp,
    trades: usize,
    bars: Vec<Bar>,
    spent: Spent,
}

impl Folded {
    fn new() -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            folds: HashMap::default(),
            widths: Widths::new(&[WIDTH_S])?,
            now: Timestamp::MIN,
            trades: 0,
            bars: Vec::new(),
            spent: Spent::default(),
        })
    }

    /// Takes trades, and a watermark after the last trade of each second in which some were received.
    fn take(&mut self, trades: &[Trade]) {
        for trade in trades {
            if trade.received_at != self.now {
                self.watermark();
                self.now = trade.received_at;
            }
            match self.folds.get_mut(&trade.symbol) {
                Some(fold) => fold.trade(trade),
                None => {
                    let fold = Fold::new(trade.symbol.clone(), self.widths.clone(), LATENESS);
                    self.folds.entry(trade.symbol.clone()).or_insert(fold).trade(trade)
                }
            };
        }
        self.trades += trades.len();
    }

    fn watermark(&mut self) {
        for fold in self.folds.values_mut() {
            self.bars.extend(fold.watermark(self.now));
        }
    }
}

fn csv(bars: &[Bar]) -> Result<String, std::fmt::Error> {
    let mut rows = "symbol,start,open,high,low,close,volume\n".to_owned();
    for Bar { symbol, start, open, high, low, close, volume, .. } in bars {
        writeln!(rows, "{symbol},{},{open},{high},{low},{close},{volume}", start.as_microsecond())?;
    }
    Ok(rows)
}

/// Elapsed time, and this thread's processor time.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl Spent {
    fn add(&mut self, more: Self) {
        self.wall += more.wall;
        self.cpu += more.cpu;
    }
}

struct Stopwatch {
    began: Instant,
    cpu: Option<Duration>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { began: Instant::now(), cpu: processor_time() }
    }

    /// Where the system does not report processor time, it is elapsed time: the thread never waits for anything but files.
    fn spent(&self) -> Spent {
        let wall = self.began.elapsed();
        Spent { wall, cpu: processor_time().zip(self.cpu).map_or(wall, |(now, then)| now.saturating_sub(then)) }
    }
}

/// Of this thread since its start. The kernel counts it at each tick, every few milliseconds: the sum over many short times
/// is right to a few percent.
fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}
