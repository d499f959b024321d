//! One run on one partition, event by event.

use super::memory::Forgotten;
use super::mention::{Heard, Held, Key};
use super::outcome::{Models, Outcome, Scene};
use super::plan::{Plan, lateness};
use super::progress::{Progress, Reached};
use super::tape::{Cell, HaltCell, Instrument};
use super::{JoinConfig, Micros, timestamp, version};
use crate::JoinerError;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tapewire_core::exchange::{Calendar, Session};
use tapewire_core::impact::Reason;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Bar, Halt, Impact, Mention, Run, Symbol, Watermark};

/// What the join takes in. `seq` is the record's position in its partition.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// From topic `sentiment`.
    Mention {
        /// Position in `sentiment`.
        seq: u64,
        /// One article about one company.
        mention: Mention,
    },
    /// From topic `sentiment`: the news is complete up to here.
    NewsWatermark {
        /// Position in `sentiment`.
        seq: u64,
        /// One stream's word.
        watermark: Watermark,
    },
    /// From topic `bars`, new or corrected. A copy of the benchmark's bar is one too.
    Bar {
        /// Position in `bars`.
        seq: u64,
        /// A sound bar, see [`Bar::fault`].
        bar: Bar,
    },
    /// From topic `bars`: the tape is complete up to here.
    TapeWatermark {
        /// Position in `bars`.
        seq: u64,
        /// One stream's word.
        watermark: Watermark,
    },
    /// From topic `halts`. It has to be read before everything it touches is settled, see
    /// [`State::forget`].
    Halt {
        /// Position in `halts`.
        seq: u64,
        /// A stop or a resumption.
        halt: Halt,
    },
}

impl Event {
    /// Whether a stream says with this that it will never say more.
    pub(super) fn is_last_word(&self) -> bool {
        match self {
            Self::NewsWatermark { watermark, .. } | Self::TapeWatermark { watermark, .. } => {
                watermark.at >= Watermark::END
            }
            Self::Mention { .. } | Self::Bar { .. } | Self::Halt { .. } => false,
        }
    }
}

/// The join of one run on one partition.
#[derive(Debug)]
pub struct State {
    pub(super) run: Run,
    pub(super) config: Arc<JoinConfig>,
    pub(super) calendar: &'static Calendar,
    pub(super) news: Progress,
    pub(super) tape: Progress,
    pub(super) halts: Progress,
    pub(super) reached: Reached,
    pub(super) symbols: HashMap<Symbol, Instrument>,
    pub(super) models: HashMap<Symbol, Models>,
    /// By the position of the first record.
    pub(super) mentions: BTreeMap<u64, Held>,
    pub(super) by_key: HashMap<Key, u64>,
    /// When which mention is to be looked at again, in the tape's time.
    agenda: BTreeSet<(Micros, u64)>,
    pub(super) forgotten: Forgotten,
    /// While what was committed is read again: nothing is given out.
    pub(super) rebuilding: bool,
    /// The session of the last bar: bars come in crowds.
    recent: Option<&'static Session>,
}

impl State {
    pub(super) fn with(run: Run, config: Arc<JoinConfig>, [news, tape, halts]: [Progress; 3]) -> Self {
        Self {
            run,
            config,
            calendar: Calendar::xnys(),
            news,
            tape,
            halts,
            reached: Reached::default(),
            symbols: HashMap::new(),
            models: HashMap::new(),
            mentions: BTreeMap::new(),
            by_key: HashMap::new(),
            agenda: BTreeSet::new(),
            forgotten: Forgotten::default(),
            rebuilding: false,
            recent: None,
        }
    }

    /// A run of which nothing has been seen; its topics are read from their beginning.
    pub fn new(run: Run, config: Arc<JoinConfig>) -> Self {
        Self::with(run, config, [Progress::start(0), Progress::start(0), Progress::start(0)])
    }

    /// Takes one event in and gives out the rows that changed, each with a version above all it had.
    ///
    /// # Errors
    /// [`JoinerError::TooManyRecords`].
    pub fn step(&mut self, event: Event) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = Vec::new();
        match event {
            Event::Mention { seq, mention } => {
                if self.news.is_ours(seq) {
                    self.mention(seq, mention, &mut rows)?;
                }
            }
            Event::NewsWatermark { seq, watermark } => {
                if self.news.is_ours(seq) {
                    self.news.observe(seq, &watermark);
                }
            }
            Event::Bar { seq, bar } => {
                if self.tape.is_ours(seq) {
                    self.bar(seq, &bar, &mut rows)?;
                }
            }
            Event::TapeWatermark { seq, watermark } => {
                if self.tape.is_ours(seq) {
                    self.tape_watermark(seq, &watermark, &mut rows)?;
                }
            }
            Event::Halt { seq, halt } => {
                if self.halts.is_ours(seq) {
                    self.halt(seq, &halt, &mut rows)?;
                }
            }
        }
        Ok(rows)
    }

    fn mention(&mut self, seq: u64, mention: Mention, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let key = (mention.symbol.clone(), mention.article_id.clone());
        let heard = self.hear(mention);
        if let Some(&id) = self.by_key.get(&key) {
            if heard.too_late {
                // The row there is was made from more than can be found now.
                return Ok(());
            }
            let held = self.mentions.get_mut(&id).expect("every key leads to a mention in memory");
            // Settled by the news alone: whether it is still in memory must make no difference.
            if self.news.low().is_none_or(|low| low < held.deadline) {
                return if held.hear(seq, heard) { self.look(id, rows) } else { Ok(()) };
            }
            self.drop_mention(id);
        }
        if let Some(symbol) = &key.0 {
            self.symbols.entry(symbol.clone()).or_default().mentions.insert(seq);
        }
        self.by_key.insert(key, seq);
        self.mentions.insert(seq, Held::new(seq, heard));
        self.look(seq, rows)
    }

    /// What the news watermark, as it stands at this place of the topic, makes of a mention.
    fn hear(&self, mention: Mention) -> Heard {
        let plan = Plan::new(&mention, &self.config, self.calendar);
        let low = self.news.low();
        let late = low.is_some_and(|low| mention.published_at.as_microsecond() <= low);
        let too_late = low.is_some_and(|low| plan.deadline <= low);
        Heard { mention, plan, late, too_late }
    }

    fn bar(&mut self, seq: u64, bar: &Bar, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let Some(session) = self.session_of(bar) else { return Ok(()) };
        let (session, close) = (session.index, session.close.as_microsecond());
        if self.forgotten.sessions_before > session {
            return Ok(());
        }
        let end = bar.end().as_microsecond().min(close);
        let low = self.reached.low();
        let late = low != Micros::MIN && low >= end + lateness(&self.config);
        let cell = Cell {
            start: bar.start.as_microsecond(),
            end,
            open: bar.open,
            close: bar.close,
            volume: bar.volume,
            received_at: bar.received_at.as_microsecond(),
            seq,
            first_seq: seq,
            late_since: if late { low } else { Cell::ON_TIME },
        };
        self.forgotten.tape_needs(session, seq);
        let start = cell.start;
        let changed = match self.symbols.get_mut(&bar.symbol) {
            Some(known) => known.bars.entry(bar.width_s).or_default().insert(session, cell),
            None => {
                let new = self.symbols.entry(bar.symbol.clone()).or_default();
                new.bars.entry(bar.width_s).or_default().insert(session, cell)
            }
        };
        // A bar that ended after the watermark is looked at when the watermark gets there.
        if changed && end <= low { self.bar_behind(bar, start, end, rows) } else { Ok(()) }
    }

    /// The regular session a bar starts in; bars before the open and after the close are not joined.
    fn session_of(&mut self, bar: &Bar) -> Option<&'static Session> {
        if self.recent.is_none_or(|session| !session.contains(bar.start)) {
            self.recent = Some(self.calendar.containing(bar.start)?);
        }
        self.recent
    }

    /// Looks again at the mentions that a bar behind the watermark can touch.
    fn bar_behind(&mut self, bar: &Bar, start: Micros, end: Micros, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let own = self.symbols.get(&bar.symbol).into_iter().flat_map(|symbol| &symbol.mentions);
        let mut touched: BTreeSet<u64> = own.copied().filter(|id| self.mentions[id].touched_by(start, end)).collect();
        if bar.symbol == self.config.benchmark {
            let others = self.mentions.iter().filter(|(_, held)| held.measured_by(start, end));
            touched.extend(others.map(|(&id, _)| id));
        }
        touched.into_iter().try_for_each(|id| self.look(id, rows))
    }

    fn tape_watermark(&mut self, seq: u64, word: &Watermark, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let first = self.tape.low().is_none();
        let moved = self.tape.observe(seq, word);
        let Some(low) = self.tape.low().filter(|_| moved) else { return Ok(()) };
        if !self.reached.push(low, seq) {
            return Ok(());
        }
        if first {
            rows.extend(self.look_at_all()?);
        }
        if let Some(session) = self.calendar.last_opened(timestamp(low)) {
            self.forgotten.tape_needs(session.index, seq);
        }
        let low = self.reached.low();
        while let Some(&(wake, id)) = self.agenda.first().filter(|(wake, _)| *wake <= low) {
            self.agenda.remove(&(wake, id));
            self.look(id, rows)?;
        }
        Ok(())
    }

    fn halt(&mut self, seq: u64, halt: &Halt, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        let at = halt.at.as_microsecond();
        if let Some(session) = self.calendar.last_opened(halt.at) {
            if self.forgotten.sessions_before > session.index {
                return Ok(());
            }
            self.forgotten.halts_need(session.index, seq);
        }
        let cell = HaltCell { halted: halt.halted, received_at: halt.received_at.as_microsecond(), seq };
        let symbol = self.symbols.entry(halt.symbol.clone()).or_default();
        if symbol.insert_halt(at, cell) {
            let touched: Vec<u64> = symbol.mentions.iter().copied().collect();
            touched.into_iter().try_for_each(|id| self.look(id, rows))?;
        }
        Ok(())
    }

    /// Whether rows are held back: while the state is rebuilt, and in a replay until the tape has said
    /// something. Mentions that the worker sends once more after their replay was over come to an
    /// empty state without a tape, and must not replace rows that were finished.
    fn holds_back(&self) -> bool {
        self.rebuilding || !(self.run.is_live() || self.tape.low().is_some())
    }

    pub(super) fn look_at_all(&mut self) -> Result<Vec<Impact>, JoinerError> {
        let mut rows = Vec::new();
        let all: Vec<u64> = self.mentions.keys().copied().collect();
        all.into_iter().try_for_each(|id| self.look(id, &mut rows))?;
        Ok(rows)
    }

    /// Computes a mention's row anew and gives it out if it knows more than the last time.
    fn look(&mut self, id: u64, rows: &mut Vec<Impact>) -> Result<(), JoinerError> {
        if self.holds_back() {
            return Ok(());
        }
        let outcome = self.outcome(id);
        let held = self.mentions.get_mut(&id).expect("looked at only while in memory");
        if let Some(wake) = held.wake() {
            self.agenda.remove(&(wake, id));
        }
        if let Some(wake) = outcome.wake {
            self.agenda.insert((wake, id));
        }
        let version = match held.current().too_late {
            true => version::LOWEST,
            false => version::pack(held.since, outcome.bars, outcome.halts)?,
        };
        if held.found.as_ref().is_none_or(|(known, _)| *known != version) {
            let heard = held.current();
            rows.push(outcome.row(&self.run, version, &heard.mention, heard.late));
        }
        held.found = Some((version, outcome));
        Ok(())
    }

    fn outcome(&mut self, id: u64) -> Outcome {
        let Heard { mention, plan, too_late, .. } = self.mentions[&id].current();
        let symbol = match &mention.symbol {
            _ if *too_late => return Outcome::refused(plan.phase, Reason::TooLate),
            None => return Outcome::refused(plan.phase, Reason::NoSymbol),
            Some(symbol) if symbol.asset_class() != AssetClass::Equity => {
                return Outcome::refused(plan.phase, Reason::NotEquity);
            }
            Some(symbol) => symbol,
        };
        if !self.models.contains_key(symbol) {
            self.models.insert(symbol.clone(), Models::new());
        }
        let benchmark = self.symbols.get(&self.config.benchmark).filter(|_| *symbol != self.config.benchmark);
        let mut scene = Scene {
            config: &self.config,
            calendar: self.calendar,
            reached: &self.reached,
            symbol: self.symbols.get(symbol),
            benchmark,
            models: self.models.get_mut(symbol).expect("it was put there above"),
        };
        scene.outcome(plan)
    }

    /// Forgets a mention.
    pub(super) fn drop_mention(&mut self, id: u64) {
        let Some(held) = self.mentions.remove(&id) else { return };
        if let Some(wake) = held.wake() {
            self.agenda.remove(&(wake, id));
        }
        let mention = &held.current().mention;
        if let Some(symbol) = mention.symbol.as_ref().and_then(|symbol| self.symbols.get_mut(symbol)) {
            symbol.mentions.remove(&id);
        }
        self.by_key.remove(&(mention.symbol.clone(), mention.article_id.clone()));
    }
}
