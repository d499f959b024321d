//! The whole simulated market, made day by day as the clock needs it.

use super::config::SimulatorConfig;
use super::reference::{self, PlannedAction};
use super::sessions::{self, Session, Sessions};
use super::stories::{self, Story};
use super::tape::{self, Minute, Print, STEP, STEPS, SessionTape, Shock, Standing};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// The stories and prices of all days made so far, the rest of the last day included.
#[derive(Debug, Clone)]
pub struct Market {
    config: SimulatorConfig,
    next_day: Date,
    sessions: Sessions,
    stories: Vec<Story>,
    tapes: Vec<SessionTape>,
    standings: Vec<Standing>,
    shocks: Vec<Shock>,
    actions: Vec<PlannedAction>,
}

/// A bar the provider prints at some moment, with its instrument and minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Printed {
    /// Index of the instrument.
    pub instrument: usize,
    /// Beginning of the minute.
    pub start: Timestamp,
    /// The bar.
    pub print: Print,
}

impl Market {
    /// A market whose history reaches `config.history_sessions` sessions back from `first_day`.
    pub fn new(config: &SimulatorConfig, first_day: Date) -> Self {
        let mut day = first_day;
        let mut wanted = config.history_sessions;
        while wanted > 0 {
            day = day.yesterday().expect("the history begins on a valid date");
            wanted -= u32::from(sessions::hours(day).is_some());
        }
        let standing =
            |company: &super::universe::Company| Standing { log_price: company.price.ln(), ..Standing::default() };
        let mut market = Self {
            config: config.clone(),
            next_day: day,
            sessions: Sessions::default(),
            stories: Vec::new(),
            tapes: Vec::new(),
            standings: tape::instruments().map(standing).collect(),
            shocks: Vec::new(),
            actions: reference::planned(first_day),
        };
        market.reach(first_day);
        market
    }

    /// Makes all days up to and including `day`.
    pub fn reach(&mut self, day: Date) {
        while self.next_day <= day {
            self.make_day(self.next_day);
            self.next_day = self.next_day.tomorrow().expect("the simulation ends on a valid date");
        }
    }

    fn make_day(&mut self, day: Date) {
        let session = self.sessions.add_day(day);
        let stories = stories::of_day(self.config.seed, self.config.articles_per_hour, day);
        for story in stories.iter().filter(|story| story.copy_of.is_none()) {
            let at = self.begins(story);
            self.shocks.extend(story.mentions.iter().filter(|mention| mention.s != 0.0).map(|mention| Shock {
                at,
                company: mention.company,
                s: mention.s,
            }));
        }
        self.stories.extend(stories);
        // A copy may appear after midnight, among the next day's stories.
        self.stories.sort_by(|a, b| (a.published_at, &a.id).cmp(&(b.published_at, &b.id)));
        if let Some(session) = session {
            self.shocks.sort_by_key(|shock| shock.at);
            for (standing, instrument) in self.standings.iter_mut().zip(tape::instruments()) {
                let is_due = |action: &&PlannedAction| action.symbol == instrument.symbol && action.date == day;
                for action in self.actions.iter().filter(is_due) {
                    standing.log_price = action.after(standing.log_price);
                    standing.shares *= action.shares();
                }
            }
            self.tapes.push(tape::play(&self.config, session, &mut self.standings, &mut self.shocks));
        }
    }

    /// Trading time t₀ at which a story begins to work, rounded up to a whole step.
    pub fn begins(&self, story: &Story) -> i64 {
        let delay = i64::try_from(self.config.reaction_delay.as_secs()).unwrap_or(i64::MAX / 2);
        let at = self.sessions.trading_time(story.published_at) + delay;
        at + (STEP - at.rem_euclid(STEP)) % STEP
    }

    /// Its splits and dividends, some of which lie in the future.
    pub fn actions(&self) -> &[PlannedAction] {
        &self.actions
    }

    /// The settings it runs with.
    pub fn config(&self) -> &SimulatorConfig {
        &self.config
    }

    /// Sessions made so far.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// All stories made so far, in order of publication; some lie in the future.
    pub fn stories(&self) -> &[Story] {
        &self.stories
    }

    /// The tape of each session made so far.
    pub fn tapes(&self) -> &[SessionTape] {
        &self.tapes
    }

    /// An instrument's bars whose minutes start within `from..=to`, as they look at `now`:
    /// uncorrected where the late trades are not in yet, and the running minute so far.
    pub fn bars(&self, instrument: usize, from: Timestamp, to: Timestamp, now: Timestamp) -> Vec<Printed> {
        let mut bars = Vec::new();
        for tape in &self.tapes {
            if tape.session.close < from || tape.session.open > to.min(now) {
                continue;
            }
            for (number, minute) in tape.minutes[instrument].iter().enumerate() {
                let start = start_of(&tape.session, number);
                if minute.printed && from <= start && start <= to && start < now {
                    bars.push(Printed { instrument, start, print: as_of(minute, start, now) });
                }
            }
        }
        bars
    }

    /// What the feed sends at the end of the minute that ends at `end`: the minute's bars, and
    /// corrections that fall due.
    pub fn prints_at(&self, end: Timestamp) -> Vec<Printed> {
        let Some(tape) = self.tapes.iter().rev().find(|tape| tape.session.open < end) else { return Vec::new() };
        let minutes_since_open = (end.as_second() - tape.session.open.as_second()) / 60;
        let mut prints = Vec::new();
        for (instrument, minutes) in tape.minutes.iter().enumerate() {
            for (number, minute) in minutes.iter().enumerate().filter(|(_, minute)| minute.printed) {
                let age = minutes_since_open - 1 - i64::try_from(number).expect("a session has few minutes");
                let corrected = minute.corrected_after != 0 && age == i64::from(minute.corrected_after);
                if age == 0 || corrected {
                    let start = start_of(&tape.session, number);
                    prints.push(Printed { instrument, start, print: as_of(minute, start, end) });
                }
            }
        }
        prints
    }
}

/// Beginning of a session's minute.
pub fn start_of(session: &Session, number: usize) -> Timestamp {
    session.open + SignedDuration::from_mins(i64::try_from(number).expect("a session has few minutes"))
}

fn as_of(minute: &Minute, start: Timestamp, now: Timestamp) -> Print {
    let age = now.as_second() - start.as_second();
    let steps = usize::try_from(age.clamp(0, 60) / STEP).unwrap_or(STEPS);
    let early = age < 60 + 60 * i64::from(minute.corrected_after);
    minute.print(steps, minute.corrected_after != 0 && early)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn market() -> Market {
        Market::new(&SimulatorConfig { history_sessions: 3, ..SimulatorConfig::default() }, date(2025, 6, 4))
    }

    fn all_bars(market: &Market, instrument: usize) -> Vec<Printed> {
        market.bars(instrument, Timestamp::MIN, Timestamp::MAX, Timestamp::MAX)
    }

    #[test]
    fn the_same_seed_gives_the_same_market_however_it_is_reached() {
        let mut stepwise = Market::new(&market().config, date(2025, 6, 4));
        let mut at_once = stepwise.clone();
        stepwise.reach(date(2025, 6, 5));
        stepwise.reach(date(2025, 6, 9));
        at_once.reach(date(2025, 6, 9));
        assert_eq!(stepwise.stories(), at_once.stories());
        for instrument in [0, 7, 20] {
            assert_eq!(all_bars(&stepwise, instrument), all_bars(&at_once, instrument));
        }
    }

    #[test]
    fn every_bar_is_sound_and_thin_symbols_miss_minutes() {
        let market = market();
        let [liquid, thin, benchmark] = ["AAPL", "BRK.A", "SPY"].map(|symbol| {
            let instrument = tape::instruments().position(|company| company.symbol == symbol).unwrap();
            let bars = all_bars(&market, instrument);
            for bar in &bars {
                let Print { open, high, low, close, vwap, volume, .. } = bar.print;
                assert!(low <= open.min(close) && open.max(close) <= high && low > 0.0, "{bar:?}");
                assert!(volume > 0.0 && low <= vwap && vwap <= high, "{bar:?}");
            }
            bars.len()
        });
        assert_eq!(benchmark, 4 * 390);
        assert!(liquid >= 4 * 380 && thin < 4 * 340, "{liquid} {thin}");
    }

    #[test]
    fn prices_and_volumes_are_as_printed_across_a_split() {
        let mut market = market();
        market.reach(date(2025, 6, 6));
        let split = market.actions()[0];
        assert_eq!((split.symbol, split.date, split.shares()), ("WMT", date(2025, 6, 5), 3.0));
        let instrument = tape::instruments().position(|company| company.symbol == "WMT").unwrap();
        let day = |at: Date| market.tapes().iter().find(|tape| tape.session.date == at).unwrap();
        let minutes = |at| &day(at).minutes[instrument];
        let (before, after) = (minutes(date(2025, 6, 4)), minutes(date(2025, 6, 5)));
        let ratio = before[389].prices[STEPS] / after[0].prices[0];
        assert!((2.7..3.3).contains(&ratio), "{ratio}");
        let volume = |minutes: &[Minute]| minutes.iter().map(|minute| minute.volume).sum::<f64>();
        let ratio = volume(after) / volume(before);
        assert!((2.0..4.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn volume_is_u_shaped() {
        let market = market();
        let mean = |minutes: std::ops::Range<usize>| {
            let of_tape = |tape: &SessionTape| tape.minutes[0][minutes.clone()].iter().map(|m| m.volume).sum::<f64>();
            market.tapes().iter().map(of_tape).sum::<f64>() / minutes.len() as f64
        };
        assert!(mean(0..30) > 1.4 * mean(180..210) && mean(360..390) > 1.4 * mean(180..210));
    }

    #[test]
    fn a_correction_is_sent_when_due_and_history_shows_it_from_then_on() {
        let market = market();
        let tape = &market.tapes()[1];
        let (number, minute) = tape.minutes[0]
            .iter()
            .enumerate()
            .find(|(_, m)| m.printed && m.corrected_after > 0)
            .expect("2 % are corrected");
        let start = start_of(&tape.session, number);
        let end = start + SignedDuration::from_mins(1);
        let due = end + SignedDuration::from_mins(i64::from(minute.corrected_after));
        let sent = |at| market.prints_at(at).into_iter().find(|p| p.instrument == 0 && p.start == start);
        let shown = |at| market.bars(0, start, start, at)[0].print;
        let (first, second) = (sent(end).unwrap().print, sent(due).unwrap().print);
        assert!(first.volume < second.volume && second.high >= first.high && second.low <= first.low);
        assert_eq!(sent(end + SignedDuration::from_mins(i64::from(minute.corrected_after) + 1)), None);
        assert_eq!((shown(end), shown(due)), (first, second));
    }

    #[test]
    fn the_running_minute_is_shown_unfinished() {
        let market = market();
        let session = market.tapes()[0].session;
        let half = market.bars(20, session.open, session.open, session.open + SignedDuration::from_secs(30))[0].print;
        let whole = market.bars(20, session.open, session.open, session.close)[0].print;
        assert!(half.volume < whole.volume && half.open == whole.open);
        assert!(market.bars(20, session.open, session.close, session.open).is_empty());
    }
}
