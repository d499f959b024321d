//! The simulated tape: one session of every instrument.
//!
//! In steps of ten seconds the log price of company i moves by
//!
//! ```text
//! β_i · market  +  own noise  +  Σ over stories (E(t + 10 s) − E(t)),   E(t) = s · κ · (1 − exp(−(t − t₀)/τ)) for t ≥ t₀
//! ```
//!
//! with t in trading time, t₀ the publication plus the reaction delay. News that breaks while
//! the exchange is closed therefore works from the next open on. Volatility and volume are
//! U-shaped over the session, and news makes volume rise for a while.

use super::config::SimulatorConfig;
use super::random::{SimRng, chance, normal, seeded};
use super::sessions::Session;
use super::universe::{BENCHMARK, COMPANIES, Company};
use rand::Rng;

/// Length of a step in seconds.
pub const STEP: i64 = 10;
/// Steps in a minute.
pub const STEPS: usize = 6;
/// Standard deviation of the market factor over a session.
pub const MARKET_VOLATILITY: f64 = 0.008;
/// Standard deviation of the market factor overnight.
const MARKET_GAP: f64 = 0.004;
/// Trading minutes in which the rise of volume after news falls to 1/e.
const UNREST_MINUTES: f64 = 15.0;
/// Probability that a company has a halt in a session, and its length in minutes.
const HALT: (f64, usize) = (0.01, 5);

/// All instruments, the benchmark last.
pub fn instruments() -> impl Iterator<Item = &'static Company> {
    COMPANIES.iter().chain(std::iter::once(&BENCHMARK))
}

/// A story begins to work on a price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shock {
    /// Trading time of the beginning t₀, a whole number of steps.
    pub at: i64,
    /// Index into [`COMPANIES`].
    pub company: usize,
    /// Planted sentiment s: the log price is to move by s · κ.
    pub s: f64,
}

/// State of an instrument between sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Standing {
    /// Log of the price.
    pub log_price: f64,
    /// Sum of the sentiment of begun shocks that is not in the price yet.
    pub to_come: f64,
    /// How far news has raised volume; 0 without news.
    pub unrest: f64,
    /// What one share of the beginning has become by splits.
    pub shares: f64,
}

impl Default for Standing {
    /// At a price of 1, without news and splits.
    fn default() -> Self {
        Self { log_price: 0.0, to_come: 0.0, unrest: 0.0, shares: 1.0 }
    }
}

/// One minute of one instrument.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// Price at the beginning and after each step.
    pub prices: [f64; STEPS + 1],
    /// Shares, once all late trades are in.
    pub volume: f64,
    /// Whether it traded at all.
    pub printed: bool,
    /// Minutes after its end at which late trades correct it; 0 if never.
    pub corrected_after: u8,
}

/// A bar as the provider would print it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Print {
    /// First price.
    pub open: f64,
    /// Highest.
    pub high: f64,
    /// Lowest.
    pub low: f64,
    /// Last.
    pub close: f64,
    /// Mean.
    pub vwap: f64,
    /// Shares.
    pub volume: f64,
    /// Trades.
    pub trades: u64,
}

impl Minute {
    /// The bar after `steps` of [`STEPS`] steps; `early` as it looks before late trades come in.
    pub fn print(&self, steps: usize, early: bool) -> Print {
        let prices = &self.prices[..=steps.clamp(1, STEPS)];
        let (open, close) = (prices[0], prices[prices.len() - 1]);
        let extremes = if early { [open, close].to_vec() } else { prices.to_vec() };
        let volume = self.volume * (prices.len() - 1) as f64 / STEPS as f64 * if early { 0.9 } else { 1.0 };
        Print {
            open,
            high: extremes.iter().copied().fold(f64::MIN, f64::max),
            low: extremes.iter().copied().fold(f64::MAX, f64::min),
            close,
            vwap: round(prices.iter().sum::<f64>() / prices.len() as f64),
            volume: (volume * 100.0).round() / 100.0,
            trades: (volume / 120.0).ceil() as u64,
        }
    }
}

/// One session of every instrument.
#[derive(Debug, Clone)]
pub struct SessionTape {
    /// The session.
    pub session: Session,
    /// By instrument, by minute.
    pub minutes: Vec<Vec<Minute>>,
    /// By instrument: first minute of a halt and the minute it ends.
    pub halts: Vec<Option<(usize, usize)>>,
}

/// Simulates one session from `standings`, which it updates. Shocks must be in order of `at`; those
/// that begin after the close are left for the next session.
pub fn play(
    config: &SimulatorConfig,
    session: Session,
    standings: &mut [Standing],
    shocks: &mut Vec<Shock>,
) -> SessionTape {
    let market = market_steps(config.seed, &session);
    let ends_at = session.starts_at + session.seconds();
    let mut tape = SessionTape { session, minutes: Vec::new(), halts: Vec::new() };
    for (index, instrument) in instruments().enumerate() {
        let mut rng = seeded(config.seed, &format!("tape/{}", instrument.symbol), session.date);
        let own: Vec<Shock> =
            shocks.iter().filter(|shock| shock.company == index && shock.at < ends_at).copied().collect();
        let halt = halt(&mut rng, instrument, session.minutes());
        let mut player = Player { config, instrument, session, standing: standings[index], shocks: &own };
        let minutes = player.session(&mut rng, &market, halt);
        standings[index] = player.standing;
        tape.minutes.push(minutes);
        tape.halts.push(halt);
    }
    shocks.retain(|shock| shock.at >= ends_at);
    tape
}

/// Log returns of the market factor: the gap at the open, then each step.
fn market_steps(seed: u64, session: &Session) -> (f64, Vec<f64>) {
    let mut rng = seeded(seed, "market", session.date);
    let gap = MARKET_GAP * normal(&mut rng);
    let steps = session.minutes() * STEPS;
    let step = MARKET_VOLATILITY / (steps as f64).sqrt();
    (gap, (0..steps).map(|i| step * u_shape(i, steps).sqrt() * normal(&mut rng)).collect())
}

fn halt(rng: &mut SimRng, instrument: &Company, minutes: usize) -> Option<(usize, usize)> {
    let happens = chance(rng, HALT.0) && instrument.symbol != BENCHMARK.symbol;
    let start = rng.random_range(30..minutes - 30);
    happens.then_some((start, start + HALT.1))
}

struct Player<'a> {
    config: &'a SimulatorConfig,
    instrument: &'a Company,
    session: Session,
    standing: Standing,
    shocks: &'a [Shock],
}

impl Player<'_> {
    fn session(&mut self, rng: &mut SimRng, market: &(f64, Vec<f64>), halt: Option<(usize, usize)>) -> Vec<Minute> {
        let steps = market.1.len();
        let noise = self.instrument.volatility / (steps as f64).sqrt();
        self.standing.log_price += self.instrument.beta * market.0 + 0.5 * self.instrument.volatility * normal(rng);
        let minute = |number: usize| {
            let first = number * STEPS;
            let mut prices = [price(self.standing.log_price); STEPS + 1];
            for i in 0..STEPS {
                let own = noise * u_shape(first + i, steps).sqrt() * normal(rng);
                self.standing.log_price += self.instrument.beta * market.1[first + i] + own + self.news(first + i);
                prices[i + 1] = price(self.standing.log_price);
            }
            let even = self.standing.shares * self.instrument.volume / (steps / STEPS) as f64;
            let shape = u_shape(first, steps) * (1.0 + 2.0 * self.standing.unrest) * (0.25 * normal(rng)).exp();
            self.standing.unrest *= (-1.0 / UNREST_MINUTES).exp();
            let halted = halt.is_some_and(|(from, to)| (from..to).contains(&number));
            Minute {
                prices,
                volume: even * shape,
                printed: (!self.instrument.thin || chance(rng, 0.75)) && !halted,
                corrected_after: if chance(rng, 0.02) { rng.random_range(1..=10) } else { 0 },
            }
        };
        (0..steps / STEPS).map(minute).collect()
    }

    /// The log return that all begun stories add in one step.
    fn news(&mut self, step: usize) -> f64 {
        let now = self.session.starts_at + STEP * i64::try_from(step).expect("a session has few steps");
        while let Some((shock, rest)) = self.shocks.split_first().filter(|(shock, _)| shock.at <= now) {
            self.standing.to_come += shock.s;
            self.standing.unrest += shock.s.abs();
            self.shocks = rest;
        }
        let stays = (-(STEP as f64) / self.config.effect_time.as_secs_f64()).exp();
        let worked = self.standing.to_come * (1.0 - stays);
        self.standing.to_come *= stays;
        worked * self.config.effect()
    }
}

impl SimulatorConfig {
    /// κ as a log return.
    pub fn effect(&self) -> f64 {
        self.effect_bp * 1e-4
    }
}

/// Activity in a step relative to the mean: higher at both ends of the session.
fn u_shape(step: usize, steps: usize) -> f64 {
    let x = 2.0 * (step as f64 + 0.5) / steps as f64 - 1.0;
    0.6 + 1.2 * x * x
}

fn price(log_price: f64) -> f64 {
    round(log_price.exp())
}

fn round(price: f64) -> f64 {
    (price * 1e4).round() / 1e4
}
