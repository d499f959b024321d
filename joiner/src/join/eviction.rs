//! Evicting what is finished, and rebuilding what is not.
//!
//! The join keeps its state in memory only. A commit carries a [`RunCheckpoint`]; the next owner of the partition reads
//! each topic again from there and has the same state. Three things make that exact:
//!
//! - A mention is evicted, with all its records, when news and tape have both passed its finalization time; bars and
//!   watermarks are evicted when no mention, in memory or still to come, can need their session. So the checkpoint is
//!   before everything that an unfinished row depends on.
//! - The checkpoint holds the watermarks as they were at that offset, so what was late is late again.
//! - Reading again also meets records of mentions that were finished and evicted. No row is returned until the last
//!   committed record of `sentiment` has been read again; then the mentions that were finalized before are evicted.
//!   Their rows are written, and their bars may have been evicted.

use super::checkpoint::RunCheckpoint;
use super::inputs::PerTopic;
use super::tape::Bars;
use super::time::EventTime;
use super::tracker::WatermarkTracker;
use super::{JoinConfig, State};
use crate::JoinerError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::exchange::{Calendar, Market, Session};
use tapewire_core::{Impact, Run, Symbol, Watermark};

/// A mention can arrive until the news has passed its finalization time, and its row is open until then. So its first
/// session is at most this number of sessions before the one that the news is in. Where a session begins when the last
/// one ends, the news can already be in the next during the allowed lateness.
fn open_sessions(market: Market) -> usize {
    if market.is_round_the_clock() { 3 } else { 2 }
}

impl JoinConfig {
    /// How far before now the oldest record of a live run can be that a new owner of a partition reads again: the longest
    /// that this number of sessions took in any market, with its weekends and holidays.
    pub fn longest_rewind(&self) -> Duration {
        let of_market = |market: Market| {
            let sessions = market.calendar().sessions();
            // The oldest session is needed until the session after the newest opens.
            let back = usize::from(self.baseline_sessions) + open_sessions(market) + 1;
            sessions
                .iter()
                .zip(sessions.iter().skip(back))
                .map(|(oldest, next)| next.open.duration_since(oldest.open))
                .max()
        };
        let longest = Market::ALL.into_iter().filter_map(of_market).max().unwrap_or_default();
        longest.unsigned_abs()
    }
}

/// What was evicted, and the oldest records of what was not.
///
/// Symbols of several markets are in one state, whose sessions have different numbers. So the oldest records are kept by
/// the moment at which their session opened.
#[derive(Debug)]
pub(super) struct EvictionState {
    /// For each market, by its place in [`Market::ALL`]: bars and halts of sessions before this one were evicted. `None`
    /// for markets without a record so far.
    oldest_sessions: [Option<usize>; Market::ALL.len()],
    /// Mentions whose finalization time is at or before this moment were evicted.
    pub finalized: Option<EventTime>,
    /// No mention in memory has an earlier finalization time.
    pub earliest_finalization: EventTime,
    /// Offset of the first record of `bars` for each session.
    bars: BTreeMap<EventTime, u64>,
    /// Offset of the first record of `halts` for each session.
    halts: BTreeMap<EventTime, u64>,
    /// Offset of the first record of `actions` for each session.
    actions: BTreeMap<EventTime, u64>,
}

impl Default for EvictionState {
    fn default() -> Self {
        let mut oldest_sessions = [None; Market::ALL.len()];
        oldest_sessions[Market::NewYork as usize] = Some(0);
        Self {
            oldest_sessions,
            finalized: None,
            earliest_finalization: EventTime::MIN,
            bars: BTreeMap::new(),
            halts: BTreeMap::new(),
            actions: BTreeMap::new(),
        }
    }
}

impl EvictionState {
    /// What is kept of halts and actions alone.
    pub fn of_halts_and_actions(self) -> Self {
        Self { halts: self.halts, actions: self.actions, ..Self::default() }
    }

    /// The session needs this record of `bars`.
    pub fn keep_bars_from(&mut self, session: &Session, offset: u64) {
        let open = session.open.into();
        // Most records are of the newest session, and later than its first.
        if self.bars.last_key_value().is_some_and(|(&last, &first)| last == open && first <= offset) {
            return;
        }
        keep(&mut self.bars, open, offset);
    }

    /// The sessions of this moment, in any market, need this record of `bars`: a watermark.
    pub fn keep_watermark(&mut self, watermark: EventTime, offset: u64) {
        // One moment for each hour is enough; its end is in every session that the watermark is in, or after it.
        keep(&mut self.bars, watermark.end_of_hour(), offset);
    }

    /// The session needs this record of `halts`.
    pub fn keep_halts_from(&mut self, session: &Session, offset: u64) {
        keep(&mut self.halts, session.open.into(), offset);
    }

    /// The session needs this record of `actions`.
    pub fn keep_actions_from(&mut self, session: &Session, offset: u64) {
        keep(&mut self.actions, session.open.into(), offset);
    }

    fn first_bar(&self) -> Option<u64> {
        self.bars.values().min().copied()
    }

    fn first_halt(&self) -> Option<u64> {
        self.halts.values().min().copied()
    }

    fn first_action(&self) -> Option<u64> {
        self.actions.values().min().copied()
    }

    /// The markets that have had a record.
    fn markets(&self) -> impl Iterator<Item = Market> {
        let oldest = self.oldest_sessions;
        Market::ALL.into_iter().filter(move |market| oldest[*market as usize].is_some())
    }
}

fn keep(first_offsets: &mut BTreeMap<EventTime, u64>, at: EventTime, offset: u64) {
    let first = first_offsets.entry(at).or_insert(offset);
    *first = offset.min(*first);
}

impl State {
    /// A state to be rebuilt: until [`State::finish_rebuild`] it applies events and returns no rows.
    pub(super) fn restore(run: Run, config: Arc<JoinConfig>, checkpoint: RunCheckpoint) -> Self {
        let before = checkpoint.tape.offset.saturating_sub(1);
        let trackers = PerTopic {
            sentiment: WatermarkTracker::restore(checkpoint.news),
            bars: WatermarkTracker::restore(checkpoint.tape),
            halts: WatermarkTracker::starting_at(checkpoint.halts),
            actions: WatermarkTracker::starting_at(checkpoint.actions),
        };
        let mut state = Self::with(run, config, trackers);
        if let Some(watermark) = state.tape.watermark() {
            // Which record completed the tape up to here is not in the checkpoint, and no row in memory depends on it.
            state.history.push(watermark, before);
        }
        state.eviction.finalized = checkpoint.finalized;
        state.rebuilding = true;
        state
    }

    /// All committed mentions have been read again: evicts those that were finalized before the commit, and
    /// returns the rows of the others.
    pub(super) fn finish_rebuild(&mut self) -> Result<Vec<Impact>, JoinerError> {
        if !std::mem::take(&mut self.rebuilding) {
            return Ok(Vec::new());
        }
        self.evict_finalized();
        self.evaluate_all()
    }

    /// Evicts what is finished: mentions whose finalization time both news and tape have passed, and the bars, halts,
    /// actions and baselines of sessions that no mention, in memory or still to come, uses. Evicts nothing until
    /// both have a watermark.
    ///
    /// Call it only when every halt and every action up to the tape's watermark has been read: their topics have no
    /// watermarks, and neither can change a row that was evicted.
    pub fn evict(&mut self) {
        if self.rebuilding || self.history.watermark() == EventTime::MIN {
            return;
        }
        let Some(finalized) = self.news.watermark().map(|news| news.min(self.history.watermark())) else { return };
        if self.eviction.finalized.is_some_and(|before| finalized <= before) {
            return;
        }
        self.eviction.finalized = Some(finalized);
        self.evict_finalized();
        let markets: Vec<Market> = self.eviction.markets().collect();
        let mut moved = false;
        let mut oldest_open: Option<EventTime> = None;
        for market in markets {
            if market != Market::NewYork && market.calendar().after(finalized.timestamp()).is_none() {
                // Its calendar has ended, so its last sessions stay in memory, and hold nothing else back.
                continue;
            }
            let Some(oldest) = self.oldest_needed(market, finalized) else { return };
            let known = &mut self.eviction.oldest_sessions[market as usize];
            moved |= *known < Some(oldest.index);
            *known = (*known).max(Some(oldest.index));
            let open = EventTime::from(oldest.open);
            oldest_open = Some(oldest_open.map_or(open, |other| other.min(open)));
        }
        if let Some(open) = oldest_open.filter(|_| moved) {
            self.evict_sessions_before(open);
        }
        self.news.evict_before(self.mentions.first());
    }

    /// The oldest session of a market that a mention, in memory or still to come, may need. `None` if the market's
    /// calendar begins too late to say.
    fn oldest_needed(&self, market: Market, finalized: EventTime) -> Option<&'static Session> {
        let calendar = market.calendar();
        let now = calendar.last_opened(finalized.timestamp())?;
        let back = usize::from(self.config.baseline_sessions) + open_sessions(market);
        calendar.sessions().get(now.index.checked_sub(back)?)
    }

    /// Whether records of a session are dropped, because no mention can need it any more.
    pub(super) fn is_evicted(&mut self, calendar: &'static Calendar, session: usize) -> bool {
        let market = calendar.market();
        let oldest = match self.eviction.oldest_sessions[market as usize] {
            Some(oldest) => oldest,
            None => {
                let finalized = self.eviction.finalized;
                let oldest = finalized.and_then(|finalized| self.oldest_needed(market, finalized));
                *self.eviction.oldest_sessions[market as usize].insert(oldest.map_or(0, |session| session.index))
            }
        };
        oldest > session
    }

    fn evict_finalized(&mut self) {
        let Some(finalized) = self.eviction.finalized else { return };
        if finalized < self.eviction.earliest_finalization {
            return;
        }
        let finalized = self.mentions.iter().filter(|(_, state)| state.finalization <= finalized);
        let evicted: Vec<u64> = finalized.map(|(id, _)| id).collect();
        evicted.into_iter().for_each(|id| self.evict_mention(id));
        let left = self.mentions.iter().map(|(_, state)| state.finalization);
        self.eviction.earliest_finalization = left.min().unwrap_or(EventTime::MAX);
    }

    /// Evicts the sessions that opened before a moment, and of each market those that no mention needs.
    fn evict_sessions_before(&mut self, open: EventTime) {
        self.eviction.bars = self.eviction.bars.split_off(&open);
        self.eviction.halts = self.eviction.halts.split_off(&open);
        self.eviction.actions = self.eviction.actions.split_off(&open);
        let (config, sessions) = (&self.config, self.eviction.oldest_sessions);
        let oldest_of = |symbol: &Symbol| sessions[config.market_of(symbol) as usize].unwrap_or(0);
        self.symbols.retain(|name, symbol| {
            let oldest = oldest_of(name);
            symbol.bars.retain(|_, bars| !bars.evict_before(oldest));
            symbol.outside = symbol.outside.split_off(&oldest);
            symbol.halts = symbol.halts.split_off(&open);
            symbol.actions.evict_before(oldest);
            let is_empty = symbol.bars.is_empty() && symbol.outside.is_empty();
            !(is_empty && symbol.halts.is_empty() && symbol.actions.is_empty() && symbol.mentions.is_empty())
        });
        let (symbols, mentions) = (&self.symbols, &self.mentions);
        self.baselines.retain(|name, baselines| {
            let oldest = oldest_of(name);
            let ids = symbols.get(name).into_iter().flat_map(|symbol| &symbol.mentions);
            let in_memory = ids.filter_map(|&id| mentions.get(id).oldest_entry_session()).min();
            // A mention still to come has its entry at least this number of sessions after the oldest that it needs.
            let to_come = oldest + usize::from(config.baseline_sessions);
            !baselines.evict_before(in_memory.map_or(to_come, |session| session.min(to_come)), oldest)
        });
        self.texts.evict_unused();
        self.history.evict_before(open);
        self.tape.evict_before(self.eviction.first_bar());
    }

    /// Whether news and tape have both ended: no row changes any more, except by halts and actions that are still unread.
    pub(super) fn is_finished(&self) -> bool {
        let end = EventTime::from(Watermark::END);
        let has_ended = |tracker: &WatermarkTracker| tracker.watermark() >= Some(end);
        !self.rebuilding && has_ended(&self.news) && has_ended(&self.tape)
    }

    /// Whether it has had a bar or how far the tape is complete.
    pub(super) fn has_tape(&self) -> bool {
        self.tape.watermark().is_some() || self.eviction.first_bar().is_some()
    }

    /// The checkpoint for a commit made now, given the next offsets to be read.
    pub(super) fn checkpoint(&self, next: PerTopic<u64>) -> RunCheckpoint {
        RunCheckpoint {
            news: self.news.rewind(self.mentions.first(), next.sentiment),
            tape: self.tape.rewind(self.eviction.first_bar(), next.bars),
            halts: self.halts.rewind_offset(self.eviction.first_halt(), next.halts),
            actions: self.actions.rewind_offset(self.eviction.first_action(), next.actions),
            finalized: self.eviction.finalized,
        }
    }

    /// Number of mentions and of bars in memory.
    pub fn size(&self) -> (usize, usize) {
        let bars = self.symbols.values().flat_map(|symbol| symbol.bars.values()).map(Bars::len).sum();
        (self.mentions.len(), bars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::JoinEvent;
    use jiff::SignedDuration;
    use tapewire_core::Mention;
    use tapewire_testkit::{bar, mention, symbol};

    /// The sessions from 8 July 2024 on.
    fn session(number: usize) -> &'static Session {
        let calendar = Calendar::xnys();
        &calendar.sessions()[calendar.on(jiff::civil::date(2024, 7, 8)).unwrap().index + number]
    }

    struct Feed {
        state: State,
        offset: u64,
    }

    impl Feed {
        fn new() -> Self {
            Self { state: State::new(Run::live(), Arc::new(JoinConfig::default())), offset: 0 }
        }

        fn step(&mut self, event: impl FnOnce(u64) -> JoinEvent) {
            self.offset += 1;
            self.state.step(event(self.offset)).unwrap();
        }

        /// An article that is available within a minute of the open of a session.
        fn mention(&mut self, id: usize, article_revision: u64, of: usize) {
            let published = mention("AAA", session(of).open + SignedDuration::from_secs(10));
            let mention = Mention { article_id: id.to_string(), article_revision, ..published };
            self.step(|offset| JoinEvent::Mention { offset, mention });
        }

        /// A bar of a session, and the end of the session and of what may still arrive for it.
        fn session(&mut self, number: usize) {
            let bar = bar("AAA", session(number).open + SignedDuration::from_mins(1), 100.0);
            self.step(|offset| JoinEvent::Bar { offset, bar });
            self.until(session(number).close + SignedDuration::from_mins(15));
        }

        fn until(&mut self, at: jiff::Timestamp) {
            let watermark = Watermark::new(0, 1, at);
            self.step(|offset| JoinEvent::TapeWatermark { offset, watermark });
            let watermark = Watermark::new(0, 1, at);
            self.step(|offset| JoinEvent::NewsWatermark { offset, watermark });
            self.state.evict();
        }

        /// The sessions for whose entries there is a baseline.
        fn baselines(&self, sessions: std::ops::Range<usize>) -> Vec<usize> {
            let known = &self.state.baselines[&symbol("AAA")];
            sessions.filter(|&number| known.get(session(number).index, 60).is_some()).collect()
        }
    }

    #[test]
    fn baselines_are_kept_for_the_entries_of_rows_that_are_open_or_still_to_come() {
        let mut feed = Feed::new();
        for number in 0..30 {
            feed.mention(number, 1, number);
            feed.session(number);
        }
        assert_eq!(feed.state.size().0, 2);
        assert_eq!(feed.baselines(0..30), [27, 28, 29]);
    }

    #[test]
    fn a_baseline_is_kept_while_a_mention_with_an_older_entry_is_in_memory() {
        let mut feed = Feed::new();
        feed.mention(0, 1, 0);
        feed.session(0);
        feed.session(1);
        // An edit, which keeps the mention in memory until the end of session 4, and the first revision again.
        feed.mention(0, 2, 2);
        feed.mention(0, 1, 0);
        feed.session(2);
        feed.session(3);
        assert_eq!(feed.state.size().0, 1);
        assert_eq!(feed.baselines(0..4), [0]);
        feed.session(4);
        assert_eq!(feed.state.size().0, 0);
        assert!(!feed.state.baselines.contains_key(&symbol("AAA")), "nothing is left to be kept");
    }
}
