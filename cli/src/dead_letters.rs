//! Replaying dead letters: page by page they are read again, sent, and noted once the broker has what came of them.

use crate::config::Config;
use crate::roles;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use tapewire_bus::Producer;
use tapewire_bus::avro::Decoder;
use tapewire_core::{Run, Symbol};
use tapewire_ingest::letters::{DeadInput, Item, ReadAgain, read_again};
use tapewire_ingest::providers::ProvidersConfig;
use tapewire_ingest::writer::Writer;
use tapewire_runtime::Clock;
use tapewire_store::letters::{self, Filter, Letter, Replayed, StoredArticle};

/// Letters that are in memory at once. Each may have 600 KB.
const PAGE: u64 = 50;

/// What becomes of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// This number of records is sent.
    Sent(usize),
    /// Nothing has to be sent, for this reason; it is noted as replayed.
    Done(&'static str),
    /// It can't be replayed, for this reason.
    Refused(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(1) => write!(f, "1 record"),
            Self::Sent(records) => write!(f, "{records} records"),
            Self::Done(why) => write!(f, "nothing to send: {why}"),
            Self::Refused(why) => write!(f, "not replayed: {why}"),
        }
    }
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Letters that the filter wanted.
    pub letters: u64,
    /// Records that were sent, or would be.
    pub records: u64,
    /// Letters that can't be replayed.
    pub refused: u64,
    /// Letters that were noted as replayed.
    pub noted: u64,
}

/// Replays the letters that the filter wants, the oldest first. `say` is told what becomes of each.
///
/// # Errors
/// A server does not answer. What was noted before stays noted.
pub async fn replay(
    config: &Config,
    filter: &Filter,
    dry_run: bool,
    mut say: impl FnMut(&Letter, &Outcome),
) -> anyhow::Result<Done> {
    let mut replay = DeadLetterReplay {
        config,
        providers: roles::finding_companies(config)?,
        clock: Clock::wall(),
        producer: Producer::new(&config.kafka)?,
        decoder: Decoder::new(&config.kafka)?,
        writers: BTreeMap::new(),
        seen: HashMap::new(),
        hasher: RandomState::new(),
    };
    let (mut done, mut after) = (Done::default(), None);
    loop {
        let page = letters::page(&config.clickhouse, filter, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(done) };
        after = Some((last.at, last.run.clone(), last.id.clone()));
        let mut notes = Vec::new();
        for letter in &page {
            let (outcome, items) = replay.examine(letter).await?;
            say(letter, &outcome);
            done.letters += 1;
            done.records += items.as_ref().map_or(0, |(_, items)| items.len() as u64);
            done.refused += u64::from(matches!(outcome, Outcome::Refused(_)));
            if dry_run || matches!(outcome, Outcome::Refused(_)) {
                continue;
            }
            let records = u32::try_from(items.as_ref().map_or(0, |(_, items)| items.len())).unwrap_or(u32::MAX);
            if let Some((run, items)) = items {
                replay.send(&run, items).await?;
            }
            let replayed_at = replay.clock.now().as_microsecond();
            notes.push(Replayed { run: letter.run.clone(), id: letter.id.clone(), replayed_at, records });
        }
        replay.flush().await?;
        done.noted += notes.len() as u64;
        letters::note(&config.clickhouse, &notes).await?;
    }
}

struct DeadLetterReplay<'a> {
    config: &'a Config,
    providers: ProvidersConfig,
    clock: Clock,
    producer: Producer,
    decoder: Decoder,
    writers: BTreeMap<Run, Writer>,
    /// Inputs seen so far, by hash, with the reason if they were refused. Several stages report the same unreadable record;
    /// it is replayed once.
    seen: HashMap<u64, Option<String>>,
    hasher: RandomState,
}

impl DeadLetterReplay<'_> {
    /// What becomes of a letter, and what is to be sent of it.
    async fn examine(&mut self, letter: &Letter) -> anyhow::Result<(Outcome, Option<(Run, Vec<Item>)>)> {
        let hash = self.hasher.hash_one((&letter.origin, &letter.bytes));
        match self.seen.get(&hash) {
            Some(Some(reason)) => return Ok((Outcome::Refused(reason.clone()), None)),
            Some(None) => return Ok((Outcome::Done("another stage reported the same input"), None)),
            None => {}
        }
        let input = DeadInput {
            stage: &letter.stage,
            origin: &letter.origin,
            reason: &letter.reason,
            bytes: &letter.bytes,
            at: jiff::Timestamp::from_microsecond(letter.at).unwrap_or(jiff::Timestamp::UNIX_EPOCH),
        };
        let read = read_again(&input, &self.providers, &self.config.news, &self.decoder, &self.clock).await?;
        let (run, read) = match read.folding(&input, &self.config.prices) {
            ReadAgain::Items(run, items) => (run, items),
            ReadAgain::Not(reason) => {
                self.seen.insert(hash, Some(reason.clone()));
                return Ok((Outcome::Refused(reason), None));
            }
        };
        self.seen.insert(hash, None);
        let mut items = Vec::new();
        for item in read {
            items.extend(self.unless_replaced(&run, item).await?);
        }
        if items.is_empty() {
            return Ok((Outcome::Done("the article is stored, in this revision or a later one"), None));
        }
        Ok((Outcome::Sent(items.len()), Some((run, items))))
    }

    /// The item, unless a later revision of its article is stored, which it would overwrite.
    async fn unless_replaced(&self, run: &Run, item: Item) -> anyhow::Result<Option<Item>> {
        let store = &self.config.clickhouse;
        Ok(match item {
            Item::Article(mut article) => {
                match letters::article(store, run.as_str(), &article.provider, &article.id).await? {
                    Some(stored) if stored.revision == article.revision => None,
                    Some(stored) if stored.received_at > article.received_at.as_microsecond() => None,
                    stored => {
                        article.withdrawn.extend(withdrawn(stored, &article.subjects()));
                        Some(Item::Article(article))
                    }
                }
            }
            Item::Mention(mention, record) => {
                let stored = letters::article(store, run.as_str(), &mention.provider, &mention.article_id).await?;
                let is_current = stored.is_none_or(|stored| stored.revision == mention.article_revision);
                is_current.then_some(Item::Mention(mention, record))
            }
            other => Some(other),
        })
    }

    async fn send(&mut self, run: &Run, items: Vec<Item>) -> anyhow::Result<()> {
        let benchmarks = std::iter::once(&self.config.prices.benchmark).chain(&self.config.prices.other_benchmarks);
        let writer = self
            .writers
            .entry(run.clone())
            .or_insert_with(|| Writer::new(self.producer.clone(), run.clone(), benchmarks.cloned()));
        for item in items {
            item.send(writer).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> anyhow::Result<()> {
        for writer in self.writers.values_mut() {
            writer.flush().await?;
        }
        Ok(())
    }
}

/// What the stored revision was about and this one is not.
fn withdrawn(stored: Option<StoredArticle>, subjects: &[Option<Symbol>]) -> Vec<Option<Symbol>> {
    let Some(stored) = stored else { return Vec::new() };
    let of_none = stored.symbols.is_empty().then_some(None);
    let earlier = stored.symbols.iter().filter_map(|ticker| Symbol::new(ticker).ok()).map(Some).chain(of_none);
    earlier.filter(|subject| !subjects.contains(subject)).collect()
}
