//! The rows of one article: they may be its edits, repetitions, or one row for each company.

use super::identity::WithoutId;
use super::midnights::Midnights;
use super::row::Draft;
use crate::replay::source::{Origin, Rejected};
use jiff::Timestamp;
use std::collections::HashMap;
use tapewire_core::{Article, Symbol};

/// Collects the drafts that rows of news became, by article.
#[derive(Debug, Default)]
pub(in crate::replay) struct Collector {
    articles: Vec<Vec<Seen>>,
    by_key: HashMap<String, usize>,
    midnights: Vec<Midnights>,
    without_id: WithoutId,
}

#[derive(Debug)]
struct Seen {
    draft: Draft,
    origin: Origin,
    raw: Vec<u8>,
}

/// The result of all rows together.
#[derive(Debug, Default)]
pub(in crate::replay) struct Collected {
    /// Every revision of every article. Revisions of one article are in the order of time.
    pub articles: Vec<Article>,
    /// How many companies the last revisions name; an article without a company counts as 1.
    pub mentions: u64,
    /// How many rows only repeat another row.
    pub repeated: u64,
    /// How many rows replace the text of an earlier row of the same article.
    pub edits: u64,
    /// For each file, how many rows count from a midnight.
    pub midnights: Vec<Midnights>,
    /// How many rows have no id.
    pub without_id: WithoutId,
    /// Rows that contradict an earlier one.
    pub rejected: Vec<Rejected>,
    /// What a person should know of the columns.
    pub notes: Vec<String>,
}

impl Collector {
    /// Adds a row.
    pub fn add(&mut self, draft: Draft, origin: Origin, raw: Vec<u8>) {
        Midnights::count(&mut self.midnights, &origin.file, draft.is_midnight);
        self.without_id.count(draft.identity);
        let index = *self.by_key.entry(draft.article.key()).or_insert(self.articles.len());
        if index == self.articles.len() {
            self.articles.push(Vec::new());
        }
        self.articles[index].push(Seen { draft, origin, raw });
    }

    /// Decides which rows are edits, which are repetitions, and which are the same article listed for another company.
    pub fn finish(self) -> Collected {
        let mut collected =
            Collected { midnights: self.midnights, without_id: self.without_id, ..Collected::default() };
        for mut rows in self.articles {
            // A text counts from when it was knowable, whatever its place in the file.
            rows.sort_by_key(|row| row.draft.article.received_at);
            let mut rows = rows.into_iter();
            let Some(first) = rows.next() else { continue };
            let mut history = History::new(first);
            rows.for_each(|row| history.add(row, &mut collected));
            history.finish(&mut collected);
        }
        collected
    }
}

/// Why a history has a last revision.
const NEVER_EMPTY: &str = "a history begins with a revision";

/// The revisions of one article so far.
struct History {
    revisions: Vec<Article>,
    /// All companies that were ever named.
    ever: Vec<Symbol>,
    /// The companies of each row that the last revision is made of.
    rows: Vec<Vec<Symbol>>,
    /// Whether the last revision was put together from several rows that each named other companies.
    is_joined: bool,
    /// The latest time of an edit or of receipt that a row of a revision has.
    edited_at: Option<Timestamp>,
    first: Origin,
}

impl History {
    fn new(row: Seen) -> Self {
        let article = row.draft.article;
        let symbols = article.symbols.clone();
        Self {
            revisions: vec![article],
            ever: symbols.clone(),
            rows: vec![symbols],
            is_joined: false,
            edited_at: row.draft.edited_at,
            first: row.origin,
        }
    }

    fn add(&mut self, row: Seen, collected: &mut Collected) {
        let Seen { draft, origin, raw } = row;
        let (last, new) = (self.revisions.last().expect(NEVER_EMPTY), &draft.article);
        let has_same_text = new.title == last.title && new.description == last.description;
        let added = match has_same_text {
            true => self.add_same_text(draft, &mut collected.repeated),
            false => self.add_other_text(draft, &mut collected.edits),
        };
        if let Err(why) = added {
            // Within the marks, so that rows with the same fault are counted together.
            let reason = format!("{why} `{}`", self.first);
            collected.rejected.push(Rejected { origin, reason, raw });
        }
    }

    fn add_other_text(&mut self, draft: Draft, edits: &mut u64) -> Result<(), &'static str> {
        let last = self.revisions.last().expect(NEVER_EMPTY);
        if draft.article.text().is_empty() {
            return Err("it has no text, which is no edit of the article in");
        }
        if draft.article.received_at <= last.received_at {
            return Err("an edit without the time of the edit (`updated_at` or `received_at`) of the article in");
        }
        if is_another(&draft, last, &self.ever) {
            return Err("has the id of an article with another text, time and company; if it is another article, \
                        --news-columns id= leaves the ids out; the article with the id is in");
        }
        *edits += 1;
        let mut edited = draft.article;
        if !draft.names_companies {
            edited.symbols.clone_from(&last.symbols);
        }
        self.revise(edited, draft.edited_at);
        Ok(())
    }

    fn add_same_text(&mut self, draft: Draft, repeated: &mut u64) -> Result<(), &'static str> {
        let last = self.revisions.last_mut().expect(NEVER_EMPTY);
        let named = &draft.article.symbols;
        let is_later = draft.article.received_at > last.received_at;
        // Rows of one article for several companies have one time of the edit, and may be crawled one after the other.
        let is_edit = is_later && draft.edited_at > self.edited_at;
        if !draft.names_companies || self.rows.iter().any(|row| is_within(row, named) && is_within(named, row)) {
            *repeated += 1;
        } else if is_edit {
            self.revise(draft.article, draft.edited_at);
        } else if is_within(named, &last.symbols) {
            // The row names fewer companies than one earlier row: an edit. If several rows named them together, the row
            // can't be told from one that lists the article for one of its companies.
            if self.is_joined {
                return Err("names some of the companies that several rows before name, at the time of");
            }
            last.symbols.clone_from(named);
            self.rows.push(named.clone());
        } else if is_within(&last.symbols, named) || !named.iter().any(|symbol| last.symbols.contains(symbol)) {
            self.add_companies(draft, is_later);
        } else {
            return Err("names some other companies without the time of the edit (`updated_at` or `received_at`); \
                        the article is in");
        }
        Ok(())
    }

    /// Adds a row of an article that is listed once for each company.
    fn add_companies(&mut self, draft: Draft, is_later: bool) {
        let last = self.revisions.last_mut().expect(NEVER_EMPTY);
        let named = &draft.article.symbols;
        let added: Vec<Symbol> = named.iter().filter(|symbol| !last.symbols.contains(symbol)).cloned().collect();
        remember(&mut self.ever, &added);
        self.rows.push(named.clone());
        self.is_joined = true;
        if is_later {
            let symbols = last.symbols.iter().cloned().chain(added).collect();
            let rows = std::mem::take(&mut self.rows);
            self.revise(Article { symbols, ..draft.article }, draft.edited_at);
            (self.rows, self.is_joined) = (rows, true);
        } else {
            last.symbols.extend(added);
        }
    }

    fn revise(&mut self, article: Article, edited_at: Option<Timestamp>) {
        self.edited_at = self.edited_at.max(edited_at);
        remember(&mut self.ever, &article.symbols);
        (self.rows, self.is_joined) = (vec![article.symbols.clone()], false);
        self.revisions.push(article);
    }

    fn finish(self, collected: &mut Collected) {
        let ever = self.ever.into_iter().map(Some).collect::<Vec<_>>();
        let mut named: Vec<Option<Symbol>> = Vec::new();
        let count = self.revisions.len();
        for (number, mut article) in self.revisions.into_iter().enumerate() {
            let subjects = article.subjects();
            remember(&mut named, &subjects);
            if number + 1 == count {
                // The last revision withdraws every company that any row named and that it does not name itself.
                remember(&mut named, &ever);
            }
            article.withdrawn = named.iter().filter(|subject| !subjects.contains(subject)).cloned().collect();
            article.revision = Article::fingerprint(&article.title, &article.description, &article.symbols);
            if number + 1 == count {
                collected.mentions += article.symbols.len().max(1) as u64;
            }
            collected.articles.push(article);
        }
    }
}

/// Whether a row with another text is no edit but an article of its own, because its file numbers rows or its ids are
/// not those of articles: only its time of publication makes it later, and none of its companies was ever named.
fn is_another(draft: &Draft, last: &Article, ever: &[Symbol]) -> bool {
    let new = &draft.article;
    let is_named = draft.names_companies && !new.symbols.is_empty() && !ever.is_empty();
    let is_republished = draft.edited_at.is_none() && new.published_at != last.published_at;
    is_named && is_republished && !new.symbols.iter().any(|symbol| ever.contains(symbol))
}

fn is_within(part: &[Symbol], whole: &[Symbol]) -> bool {
    part.iter().all(|symbol| whole.contains(symbol))
}

fn remember<T: Clone + PartialEq>(known: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !known.contains(one) {
            known.push(one.clone());
        }
    }
}
