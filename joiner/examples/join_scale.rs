//! What the join costs: bars and updates a second on one core, bytes a bar and a mention, and how they grow with the
//! symbols.
//!
//! ```text
//! cargo run --release -p tapewire-joiner --example join_scale                        # stream, batch, memory; 4 min
//! cargo run --release -p tapewire-joiner --example join_scale -- stream 250 20 50000   # symbols, sessions, mentions
//! cargo run --release -p tapewire-joiner --example join_scale -- untidy 250 20 20000    # 3 % late or corrected bars
//! cargo run --release -p tapewire-joiner --example join_scale -- batch 250 20 50000
//! cargo run --release -p tapewire-joiner --example join_scale -- memory 10000 20
//! cargo run --release -p tapewire-joiner --example join_scale -- mentions 1000 200000   # symbols, mentions
//! cargo run --release -p tapewire-joiner --example join_scale -- soak 80 20000 250      # sessions, mentions a session, symbols
//! cargo run --release -p tapewire-joiner --example join_scale -- write FOLDER 250 20 50000
//! ```
//!
//! - `stream` takes minute bars, mentions and a watermark on both topics each minute, as the live run does.
//! - `untidy` does the same, but some bars come two minutes late or are corrected three minutes later, and it prints a
//!   checksum of all rows.
//! - `batch` takes all bars and then all mentions, as `tapewire join` does.
//! - `memory` takes bars only, as after a restart, and stops at the last session's close.
//! - `mentions` takes the bars of 21 sessions, then a mention of each symbol in the last of them, and then the others.
//!   All have an entry, and their last horizons are still to come.
//! - `soak` is `stream` with resident memory after each session, and the slope over the second half of the sessions. Memory
//!   grows in the first 23 sessions, because all of them are needed.
//! - `write` writes the bars and mentions as CSV for the peers in `bench/`, then answers each line `run` with the time
//!   of a batch.
//!
//! Prices are in cents, volumes are whole numbers, and one minute in fifty has no bar; the benchmark has them all. Only
//! processor time inside the join counts or, where the system does not report it, elapsed time.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measuring tool: it stops at what it did not expect")]

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufRead as _;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::{Bar, Impact, Mention, Probabilities, Run, Sentiment, Symbol, Watermark};
use tapewire_joiner::join::{JoinConfig, JoinEvent, JoinTopic, Partition, PerTopic, batch};

/// SplitMix64: the stream must not depend on the version of a library.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Invented bars and mentions.
struct Market {
    random: Random,
    symbols: Vec<Symbol>,
    cents: Vec<u64>,
    mentions: usize,
    /// Whether mentions have a score, and texts as long as those of news. The join takes as long with them.
    has_texts: bool,
}

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn sessions(count: usize) -> &'static [Session] {
    let first = Calendar::xnys().on(jiff::civil::date(2024, 7, 8)).unwrap().index;
    &Calendar::xnys().sessions()[first..first + count]
}

fn minutes(session: &Session) -> i64 {
    session.close.duration_since(session.open).as_secs() / 60
}

impl Market {
    /// The last symbol is the benchmark.
    fn new(symbols: usize) -> Self {
        let name = |i: usize| Symbol::new(&format!("S{i:05}")).unwrap();
        let symbols: Vec<Symbol> = (1..symbols).map(name).chain([Symbol::new("SPY").unwrap()]).collect();
        let mut random = Random(20_240_701);
        let cents = symbols.iter().map(|_| 2_000 + random.below(30_000)).collect();
        Self { random, symbols, cents, mentions: 0, has_texts: false }
    }

    fn with_texts(symbols: usize) -> Self {
        Self { has_texts: true, ..Self::new(symbols) }
    }

    /// The bars of one minute of a session.
    fn minute(&mut self, session: &Session, minute: i64, out: &mut Vec<Bar>) {
        let start = session.open + seconds(60 * minute);
        let last = self.symbols.len() - 1;
        for (i, symbol) in self.symbols.iter().enumerate() {
            let open = self.cents[i];
            let close = (open + self.random.below(11)).saturating_sub(5).max(100);
            self.cents[i] = close;
            if i != last && self.random.below(50) == 0 {
                continue;
            }
            let price = |cents: u64| cents as f64 / 100.0;
            out.push(Bar {
                symbol: symbol.clone(),
                start,
                width_s: 60,
                open: price(open),
                high: price(open.max(close)),
                low: price(open.min(close)),
                close: price(close),
                volume: (100 + self.random.below(50_000)) as f64,
                vwap: None,
                trades: None,
                received_at: start + seconds(61),
            });
        }
    }

    fn mention(&mut self, session: &Session) -> Mention {
        self.mentions += 1;
        let second = self.random.below(60 * minutes(session) as u64) as i64;
        let at = session.open + seconds(second);
        let symbol = self.symbols[self.random.below(self.symbols.len() as u64 - 1) as usize].clone();
        let mention = Mention {
            article_id: format!("article-{:06}", self.mentions),
            article_revision: 1,
            symbol: Some(symbol),
            title: format!("Headline number {}", self.mentions),
            provider: "example".into(),
            publisher: "Example".into(),
            url: format!("https://example.com/{}", self.mentions),
            published_at: at,
            received_at: at,
            scored_at: at,
            relevance: Some(1.0),
            symbol_found: false,
            asked_as: None,
            sentiment: Err(tapewire_core::Unscored::EmptyText),
        };
        if self.has_texts { with_texts(mention, self.mentions) } else { mention }
    }

    /// A session's mentions, by time.
    fn mentions(&mut self, session: &Session, count: usize) -> Vec<Mention> {
        let mut mentions: Vec<Mention> = (0..count).map(|_| self.mention(session)).collect();
        mentions.sort_by_key(|mention| mention.published_at);
        mentions
    }
}

/// The mention with texts as long as those of news, and a score. Each text is a string of its own, as after decoding.
fn with_texts(mention: Mention, number: usize) -> Mention {
    let probabilities = Probabilities { positive: 0.7, neutral: 0.2, negative: 0.1 };
    let (model, model_revision) = ("tapewire-e5-sentiment".into(), "5f0c9a1b2c3d4e5f".repeat(4).into());
    Mention {
        article_id: format!("{:016x}", Random(number as u64).below(u64::MAX)),
        title: format!("Example Corporation raises its outlook after quarter {number:07}, shares rise"),
        publisher: ["Example Newswire", "The Daily Example", "Examples Today"][number % 3].into(),
        url: format!("https://wire.example.com/2024/07/08/example-corporation-raises-its-outlook-{number:07}"),
        asked_as: Some("Example".into()),
        sentiment: Ok(Sentiment { probabilities, model, model_revision, windows: 1 }),
        ..mention
    }
}

/// Measures the processor time of this thread, or elapsed time where the system does not report it.
struct Stopwatch(Option<Duration>, Instant);

fn processor_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split(' ').next()?.parse().ok()?))
}

impl Stopwatch {
    fn start() -> Self {
        Self(processor_time(), Instant::now())
    }

    fn spent(&self) -> Duration {
        processor_time().zip(self.0).map_or_else(|| self.1.elapsed(), |(now, then)| now - then)
    }
}

/// The stream join of one run, and what was counted.
struct Stream {
    partition: Partition,
    run: Run,
    next: PerTopic<u64>,
    bars: u64,
    rows: u64,
    spent: Duration,
    /// The part of `spent` that was not spent in the join.
    uncounted: Duration,
    /// Of an untidy stream: bars by the minute in which they come, and the checksum of the rows.
    untidy: Option<(BTreeMap<i64, Vec<Bar>>, u64)>,
}

/// FNV-1a (64 bit) of all that rows say; numbers are printed so that each has a text of its own.
fn checksum(sum: u64, rows: &[Impact]) -> u64 {
    let text: String = rows.iter().map(|row| format!("{row:?}")).collect();
    text.bytes().fold(sum, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Two bars in a hundred come two minutes late, and one is corrected three minutes later.
fn untidied(bars: Vec<Bar>, minute: i64, later: &mut BTreeMap<i64, Vec<Bar>>, random: &mut Random) -> Vec<Bar> {
    let mut now = later.remove(&minute).unwrap_or_default();
    for bar in bars {
        match random.below(100) {
            0 | 1 => later.entry(minute + 2).or_default().push(bar),
            2 => {
                let corrected = Bar { close: bar.open, received_at: bar.received_at + seconds(140), ..bar.clone() };
                later.entry(minute + 3).or_default().push(corrected);
                now.push(bar);
            }
            _ => now.push(bar),
        }
    }
    now
}

impl Stream {
    fn new() -> Self {
        let partition = Partition::resume(Arc::new(JoinConfig::default()), &PerTopic::default());
        Self {
            partition,
            run: Run::live(),
            next: PerTopic::default(),
            bars: 0,
            rows: 0,
            spent: Duration::ZERO,
            uncounted: Duration::ZERO,
            untidy: None,
        }
    }

    fn step(&mut self, topic: JoinTopic, event: impl FnOnce(u64) -> JoinEvent) {
        let offset = self.next[topic];
        self.next[topic] += 1;
        let rows = self.partition.step(topic, offset, Some((&self.run, event(offset)))).unwrap();
        self.rows += rows.len() as u64;
        // Asking for the time costs more than a bar that changes no row.
        if let Some((_, sum)) = self.untidy.as_mut().filter(|_| !rows.is_empty()) {
            let watch = Stopwatch::start();
            *sum = checksum(*sum, &rows);
            self.uncounted += watch.spent();
        }
    }

    /// Bars and mentions of a few minutes, each minute with the moment that it ends.
    fn feed(&mut self, minutes: Vec<(Vec<Bar>, Vec<Mention>, Timestamp)>) {
        self.bars += minutes.iter().map(|(bars, ..)| bars.len() as u64).sum::<u64>();
        let watch = Stopwatch::start();
        for (bars, mentions, end) in minutes {
            for mention in mentions {
                self.step(JoinTopic::Sentiment, |offset| JoinEvent::Mention { offset, mention });
            }
            for bar in bars {
                self.step(JoinTopic::Bars, |offset| JoinEvent::Bar { offset, bar });
            }
            let watermark = Watermark::new(0, 1, end);
            let of_news = watermark.clone();
            self.step(JoinTopic::Bars, |offset| JoinEvent::TapeWatermark { offset, watermark });
            let watermark = of_news;
            self.step(JoinTopic::Sentiment, |offset| JoinEvent::NewsWatermark { offset, watermark });
            drop(self.partition.evict());
        }
        self.spent += watch.spent();
    }

    /// The bars of sessions, until the close of the last.
    fn bars(&mut self, market: &mut Market, sessions: &[Session]) {
        for session in sessions {
            for minute in 0..minutes(session) {
                let mut bars = Vec::new();
                market.minute(session, minute, &mut bars);
                self.feed(vec![(bars, Vec::new(), session.open + seconds(60 * (minute + 1)))]);
            }
        }
    }

    fn session(&mut self, market: &mut Market, session: &Session, mentions: usize) {
        let mut mentions = market.mentions(session, mentions).into_iter().peekable();
        // At least 20 minutes after the close are fed: more than the allowed lateness of the session's last bars.
        for begin in (0..minutes(session) + 20).step_by(30) {
            let mut fed = Vec::new();
            for minute in begin..begin + 30 {
                let end = session.open + seconds(60 * (minute + 1));
                let of_minute = std::iter::from_fn(|| mentions.next_if(|mention| mention.published_at < end)).collect();
                let mut bars = Vec::new();
                if minute < minutes(session) {
                    market.minute(session, minute, &mut bars);
                }
                if let Some((later, _)) = &mut self.untidy {
                    bars = untidied(bars, minute, later, &mut market.random);
                }
                fed.push((bars, of_minute, end));
            }
            self.feed(fed);
        }
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(f64::NAN) * 4096.0
}

fn stream(symbols: usize, days: usize, mentions: usize, is_untidy: bool) {
    let (mut market, mut stream) = (Market::new(symbols), Stream::new());
    stream.untidy = is_untidy.then(|| (BTreeMap::new(), 0xcbf2_9ce4_8422_2325));
    for session in sessions(days) {
        stream.session(&mut market, session, mentions / days);
    }
    let spent = (stream.spent - stream.uncounted).as_secs_f64();
    let (name, sum) = match stream.untidy {
        Some((_, sum)) => ("untidy", format!(", checksum {sum:016x}")),
        None => ("stream", String::new()),
    };
    println!(
        "{name}  {symbols:6} symbols {days:3} sessions {mentions:6} mentions: {:.2} s, {:.2} M bars/s, {:.0} k updates/s, {} rows{sum}",
        spent,
        stream.bars as f64 / spent / 1e6,
        stream.rows as f64 / spent / 1e3,
        stream.rows
    );
}

fn memory(symbols: usize, days: usize) {
    let (mut market, mut stream) = (Market::new(symbols), Stream::new());
    let before = resident();
    stream.bars(&mut market, sessions(days));
    let kept = stream.partition.size().1;
    let bytes = resident() - before;
    let spent = stream.spent.as_secs_f64();
    println!(
        "memory  {symbols:6} symbols {days:3} sessions: {:.0} MB, {:.1} bytes a bar; {:.1} s to fill, {:.2} M bars/s",
        bytes / 1e6,
        bytes / kept as f64,
        spent,
        stream.bars as f64 / spent / 1e6
    );
}

fn of_mentions(symbols: usize, count: usize) {
    let (mut market, mut stream) = (Market::with_texts(symbols), Stream::new());
    let sessions = sessions(21);
    stream.bars(&mut market, sessions);
    let mut take = |of: Option<Symbol>| {
        let mention = market.mention(&sessions[20]);
        let mention = Mention { symbol: of.or_else(|| mention.symbol.clone()), ..mention };
        stream.step(JoinTopic::Sentiment, |offset| JoinEvent::Mention { offset, mention });
    };
    let before = resident();
    Market::new(symbols).symbols.into_iter().for_each(|symbol| take(Some(symbol)));
    let of_first = resident() - before;
    let before = resident();
    (0..count).for_each(|_| take(None));
    let of_others = resident() - before;
    assert_eq!(stream.partition.size().0, symbols + count);
    let (first, other) = (of_first / symbols as f64, of_others / count as f64);
    println!(
        "mentions {symbols:5} symbols {count:7} mentions: {:.0} MB, {other:.0} bytes a mention, {:.0} once for each symbol",
        (of_first + of_others) / 1e6,
        first - other
    );
}

/// The slope of the line of least squares through values at 0, 1, 2, ...
fn slope(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let (middle, mean) = ((n - 1.0) / 2.0, values.iter().sum::<f64>() / n);
    let distances = || (0..values.len()).map(|x| x as f64 - middle);
    let products: f64 = distances().zip(values).map(|(x, value)| x * (value - mean)).sum();
    products / distances().map(|x| x * x).sum::<f64>()
}

fn soak(days: usize, mentions: usize, symbols: usize) {
    let (mut market, mut stream) = (Market::with_texts(symbols), Stream::new());
    let mut megabytes = Vec::new();
    for (number, session) in (1..).zip(sessions(days)) {
        stream.session(&mut market, session, mentions);
        megabytes.push(resident() / 1e6);
        let (mentions, bars) = stream.partition.size();
        println!(
            "soak    session {number:3}: {:.1} MB resident; {mentions} mentions and {bars} bars in memory",
            megabytes[number - 1]
        );
    }
    let second_half = &megabytes[days / 2..];
    println!(
        "soak    {symbols} symbols, {mentions} mentions a session: {:+.3} MB a session over the last {} sessions",
        slope(second_half),
        second_half.len()
    );
}

fn recorded(symbols: usize, days: usize, mentions: usize) -> (Vec<Bar>, Vec<Mention>) {
    let mut market = Market::new(symbols);
    let (mut bars, mut all) = (Vec::new(), Vec::new());
    for session in sessions(days) {
        (0..minutes(session)).for_each(|minute| market.minute(session, minute, &mut bars));
        all.extend(market.mentions(session, mentions / days));
    }
    (bars, all)
}

fn join(bars: Vec<Bar>, mentions: Vec<Mention>) -> (Vec<Impact>, Duration, Duration) {
    let watch = Stopwatch::start();
    let rows = batch::join(&Run::named("bench"), JoinConfig::default(), Vec::new(), bars, mentions).unwrap();
    (rows, watch.spent(), watch.1.elapsed())
}

fn of_batch(symbols: usize, days: usize, mentions: usize) {
    let (bars, mentions) = recorded(symbols, days, mentions);
    let count = bars.len();
    let (rows, spent, _) = join(bars, mentions);
    let spent = spent.as_secs_f64();
    println!(
        "batch   {symbols:6} symbols {days:3} sessions {:6} mentions: {spent:.2} s, {:.2} M bars/s, {:.0} k rows/s",
        rows.len(),
        count as f64 / spent / 1e6,
        rows.len() as f64 / spent / 1e3
    );
}

fn write(folder: &str, symbols: usize, days: usize, mentions: usize) {
    let (bars, mentions) = recorded(symbols, days, mentions);
    let (mut tape, mut news) =
        ("symbol,start,open,close,volume\n".to_owned(), "article_id,symbol,available\n".to_owned());
    for Bar { symbol, start, open, close, volume, .. } in &bars {
        writeln!(tape, "{symbol},{},{open},{close},{volume}", start.as_microsecond()).unwrap();
    }
    for mention in &mentions {
        let (symbol, at) = (mention.symbol.as_ref().unwrap(), mention.available_at().as_microsecond());
        writeln!(news, "{},{symbol},{at}", mention.article_id).unwrap();
    }
    std::fs::write(format!("{folder}/bars.csv"), tape).unwrap();
    std::fs::write(format!("{folder}/mentions.csv"), news).unwrap();
    let mut joined = "article_id,entry_at,entry,ret_1m,ret_5m,ret_15m,ret_30m,ret_60m\n".to_owned();
    let (rows, ..) = join(bars.clone(), mentions.clone());
    for row in &rows {
        let text = |number: Option<f64>| number.map_or(String::new(), |number| number.to_string());
        let returns: Vec<String> = row.returns[..5].iter().map(|gained| text(*gained)).collect();
        let at = row.entry_at.map_or(String::new(), |at| at.as_microsecond().to_string());
        writeln!(joined, "{},{at},{},{}", row.mention.article_id, text(row.entry_price), returns.join(",")).unwrap();
    }
    std::fs::write(format!("{folder}/joined.csv"), joined).unwrap();
    println!("{{\"ready\": true}}");
    for line in std::io::stdin().lock().lines() {
        if line.unwrap() == "run" {
            let (of_tape, of_news) = (bars.clone(), mentions.clone());
            let (rows, spent, wall) = join(of_tape, of_news);
            let (spent, wall) = (spent.as_secs_f64(), wall.as_secs_f64());
            println!("{{\"rows\": {}, \"cpu_s\": {spent}, \"wall_s\": {wall}}}", rows.len());
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().unwrap();
    match words[..] {
        ["stream", symbols, days, mentions] => stream(number(symbols), number(days), number(mentions), false),
        ["untidy", symbols, days, mentions] => stream(number(symbols), number(days), number(mentions), true),
        ["batch", symbols, days, mentions] => of_batch(number(symbols), number(days), number(mentions)),
        ["memory", symbols, days] => memory(number(symbols), number(days)),
        ["mentions", symbols, mentions] => of_mentions(number(symbols), number(mentions)),
        ["soak", days, mentions, symbols] => soak(number(days), number(mentions), number(symbols)),
        ["write", folder, symbols, days, mentions] => write(folder, number(symbols), number(days), number(mentions)),
        [] => {
            for mentions in [5_000, 50_000] {
                stream(250, 20, mentions, false);
                of_batch(250, 20, mentions);
            }
            for symbols in [10, 100, 1_000, 10_000] {
                memory(symbols, 20);
            }
        }
        _ => panic!("see the top of joiner/examples/join_scale.rs"),
    }
}
