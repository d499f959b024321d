//! What the simulator knows and a pipeline has to find out.
//!
//! A story with sentiment s adds E(t) = s · κ · (1 − exp(−(t − t₀)/τ)) to the log price. Whoever
//! enters at time a and leaves h later can expect E(a + h) − E(a) from it. Against that stand
//! the company's own noise σ_i, the market's β_i σ_m and the effects of other stories on the
//! same company, so that the correlation of s with the return over h is about
//!
//! ```text
//! IC(h) = sd(s) κ g / sqrt(var(s) κ² g² + V(h)),      g = 1 − exp(−h/τ)
//! V(h)  = h/T · mean(σ_i² [+ β_i² σ_m²]) + λ E[s²] κ² (h − 2τg + τ(1 − e^{−2h/τ})/2 + τg²/2)
//! ```
//!
//! T being the session, λ the rate of stories on one company. The last bracket is the integral
//! of the squared contribution of a story over the time of its beginning (Campbell's theorem).
//! This holds for stories published within a session; what is published overnight works all at
//! once at the open, where the same effects stand against more noise.

use super::market::Market;
use super::stories::{Planted, Story};
use super::tape::{MARKET_VOLATILITY, instruments};
use super::universe::COMPANIES;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tapewire_core::Horizon;

/// Minutes after the entry for which [`Truth`] states expectations.
pub const HORIZONS: [i64; Horizon::MINUTES.len()] = Horizon::MINUTES;

/// How long after publication a pipeline is taken to have a score: the entry of [`Truth`] is the
/// first whole minute after it.
const AVAILABLE_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// What was planted for one company in one article.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Truth {
    /// Article.
    pub article_id: String,
    /// Company.
    pub symbol: &'static str,
    /// Publication.
    pub published_at: Timestamp,
    /// True sentiment s.
    pub s: f64,
    /// The article that this one repeats, if any: a copy adds nothing of its own.
    pub copy_of: Option<String>,
    /// First whole minute a pipeline could trade in; `None` if it is after the days made so far.
    pub entry_at: Option<Timestamp>,
    /// Expected log return from `entry_at` over each of [`HORIZONS`]; `None` past the close.
    pub expected_log_return: [Option<f64>; HORIZONS.len()],
}

/// Expected correlation of true sentiment with returns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PlantedIc {
    /// With raw returns.
    pub raw: f64,
    /// With returns from which the market's part is subtracted.
    pub abnormal: f64,
}

impl Market {
    /// The truth about every company in every article published up to `until`.
    pub fn truth(&self, until: Timestamp) -> Vec<Truth> {
        let published = self.stories().iter().take_while(|story| story.published_at <= until);
        published.flat_map(|story| story.mentions.iter().map(|planted| self.truth_of(story, planted))).collect()
    }

    fn truth_of(&self, story: &Story, planted: &Planted) -> Truth {
        let entry_at =
            self.sessions().first_minute_after(story.published_at + AVAILABLE_AFTER).map(|(_, minute)| minute);
        let expected = |minutes| self.expected_log_return(story, planted.s, entry_at?, minutes);
        Truth {
            article_id: story.id.clone(),
            symbol: COMPANIES[planted.company].symbol,
            published_at: story.published_at,
            s: planted.s,
            copy_of: story.copy_of.clone(),
            entry_at,
            expected_log_return: HORIZONS.map(expected),
        }
    }

    /// What a story of sentiment `s` adds to the log price between `entry_at` and this many minutes
    /// later, if that is still within the session. For a copy, what its original adds.
    pub fn expected_log_return(&self, story: &Story, s: f64, entry_at: Timestamp, minutes: i64) -> Option<f64> {
        let leave_at = entry_at + SignedDuration::from_mins(minutes);
        let session = self.sessions().all()[self.sessions().containing(entry_at)?];
        if leave_at > session.close {
            return None;
        }
        let source = match &story.copy_of {
            Some(id) => self.stories().iter().find(|original| original.id == *id)?,
            None => story,
        };
        let begins = self.begins(source);
        let tau = self.config().effect_time.as_secs_f64();
        let worked = |at| 1.0 - (-((self.sessions().trading_time(at) - begins).max(0) as f64) / tau).exp();
        Some(s * self.config().effect() * (worked(leave_at) - worked(entry_at)))
    }

    /// The planted correlation over a horizon, by the formula above, with the stories made so far
    /// that were published within a session.
    pub fn planted_ic(&self, minutes: i64) -> PlantedIc {
        let (h, tau) = (minutes as f64, self.config().effect_time.as_secs_f64() / 60.0);
        let (g, kappa) = (1.0 - (-h / tau).exp(), self.config().effect());
        let s: Vec<f64> =
            self.originals_in_session().flat_map(|story| &story.mentions).map(|planted| planted.s).collect();
        let n = s.len().max(1) as f64;
        let (mean, mean_square) = (s.iter().sum::<f64>() / n, s.iter().map(|s| s * s).sum::<f64>() / n);
        let rate = n / COMPANIES.len() as f64 / (self.sessions().traded() as f64 / 60.0).max(1.0);
        let others = rate
            * mean_square
            * kappa
            * kappa
            * (h - 2.0 * tau * g + tau * (1.0 - (-2.0 * h / tau).exp()) / 2.0 + tau * g * g / 2.0);
        let signal = (mean_square - mean * mean) * kappa * kappa * g * g;
        let of_session = h / 390.0;
        let companies = || instruments().take(COMPANIES.len());
        let own = of_session * companies().map(|c| c.volatility.powi(2)).sum::<f64>() / COMPANIES.len() as f64;
        let market = of_session * companies().map(|c| (c.beta * MARKET_VOLATILITY).powi(2)).sum::<f64>()
            / COMPANIES.len() as f64;
        let correlation = |noise: f64| if signal > 0.0 { (signal / (signal + noise)).sqrt() } else { 0.0 };
        PlantedIc { raw: correlation(own + market + others), abnormal: correlation(own + others) }
    }

    fn originals_in_session(&self) -> impl Iterator<Item = &Story> {
        let in_session = |story: &&Story| self.sessions().containing(story.published_at).is_some();
        self.stories().iter().filter(|story| story.copy_of.is_none()).filter(in_session)
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::SimulatorConfig;
    use super::super::stories::Story;
    use super::*;
    use jiff::civil::date;

    fn market(effect_bp: f64) -> Market {
        let config = SimulatorConfig { effect_bp, history_sessions: 14, ..SimulatorConfig::default() };
        Market::new(&config, date(2025, 6, 12))
    }

    /// (s, what the tape really did over `minutes` from the entry) of every original mention.
    fn outcomes(market: &Market, minutes: i64) -> Vec<(f64, f64)> {
        let mut outcomes = Vec::new();
        for story in market.originals_in_session() {
            let Some((index, entry)) = market.sessions().first_minute_after(story.published_at + AVAILABLE_AFTER)
            else {
                continue;
            };
            let tape = &market.tapes()[index];
            let first = ((entry.as_second() - tape.session.open.as_second()) / 60) as usize;
            let last = first + minutes as usize - 1;
            for planted in &story.mentions {
                let Some(end) = tape.minutes[planted.company].get(last) else { continue };
                outcomes.push((planted.s, (end.prices[6] / tape.minutes[planted.company][first].prices[0]).ln()));
            }
        }
        outcomes
    }

    fn correlation(pairs: &[(f64, f64)]) -> f64 {
        let n = pairs.len() as f64;
        let (mx, my) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
        let sum = |f: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>();
        sum(&|p| (p.0 - mx) * (p.1 - my)) / (sum(&|p| (p.0 - mx).powi(2)) * sum(&|p| (p.1 - my).powi(2))).sqrt()
    }

    #[test]
    fn returns_follow_sentiment_as_planted_and_no_more() {
        let market = market(30.0);
        for minutes in [15, 30, 60] {
            let pairs = outcomes(&market, minutes);
            assert!(pairs.len() > 2000);
            let (found, planted) = (correlation(&pairs), market.planted_ic(minutes).raw);
            assert!((found - planted).abs() < 0.05, "{minutes} min: found {found:.3}, planted {planted:.3}");
            assert!((0.1..0.6).contains(&planted), "visible, and far from 1: {planted}");
        }
    }

    #[test]
    fn without_an_effect_there_is_no_correlation() {
        let market = market(0.0);
        assert_eq!(market.planted_ic(30), PlantedIc { raw: 0.0, abnormal: 0.0 });
        let found = correlation(&outcomes(&market, 30));
        assert!(found.abs() < 0.05, "{found}");
    }

    #[test]
    fn expected_returns_are_what_the_tape_does_without_noise() {
        // The noise cancels in the difference between two markets that differ only in κ.
        let (with, without) = (market(30.0), market(0.0));
        let total = |market: &Market| -> f64 {
            let tape = &market.tapes()[3];
            tape.minutes.iter().take(COMPANIES.len()).map(|m| (m[389].prices[6] / m[0].prices[0]).ln()).sum()
        };
        let session = with.sessions().all()[3];
        let stories: Vec<&Story> = with.stories().iter().filter(|story| story.copy_of.is_none()).collect();
        let expected: f64 = stories
            .iter()
            .flat_map(|story| story.mentions.iter().map(move |m| (story, m.s)))
            .filter_map(|(story, s)| with.expected_log_return(story, s, session.open, 390))
            .sum();
        let found = total(&with) - total(&without);
        assert!((found - expected).abs() < 1e-4 && expected.abs() > 1e-3, "{found} {expected}");
    }

    #[test]
    fn the_truth_names_every_mention_and_stops_at_the_close() {
        let market = market(30.0);
        let until = market.sessions().all()[14].close;
        let truth = market.truth(until);
        assert_eq!(
            truth.len(),
            market.stories().iter().filter(|s| s.published_at <= until).map(|s| s.mentions.len()).sum::<usize>()
        );
        for row in &truth {
            for expected in row.expected_log_return.into_iter().flatten() {
                assert!(expected * row.s >= 0.0, "{row:?}");
            }
        }
        assert!(
            truth
                .iter()
                .any(|row| row.expected_log_return[0].is_some() && row.expected_log_return.last() == Some(&None))
        );
    }
}
