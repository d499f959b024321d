//! Makes an article of a row of any provider's news.

use super::identity::Identity;
use super::known::{IGNORED, INDEX};
use super::times::{Times, is_like};
use super::unknown::UnknownTimes;
use crate::epoch::is_plausible;
use crate::providers::LARGEST_RECORD;
use crate::providers::items::{ItemResult, check_record, check_size};
use crate::providers::registry::PROVIDERS;
use crate::replay::names::Names;
use crate::replay::values::ticker::{Companies, companies};
use crate::replay::values::time::Clock;
use crate::replay::values::{is_missing, midnight, quoted, text};
use crate::replay::zones::{RowClock, Zones};
use crate::replay::{ReplayOptions, delayed};
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Article, Symbol};
use tapewire_formats::{Row, Value, is_missing_text};

/// A row that became an article, before its edits are known.
#[derive(Debug, Clone)]
pub(in crate::replay) struct Draft {
    /// The article. Its `received_at` is when its text was knowable; its revision is not set yet.
    pub article: Article,
    /// What its id is.
    pub identity: Identity,
    /// Whether the row says which companies the article names. An empty field says nothing.
    pub names_companies: bool,
    /// When the row says that it was edited or received: the later of the two.
    pub edited_at: Option<Timestamp>,
    /// Whether its text counts from a midnight, which may stand for a day without a time of day.
    pub is_midnight: bool,
    /// The reason for each part of the row that was left out.
    pub left_out: Vec<String>,
}

/// Reads rows of news.
pub(in crate::replay) struct Reader<'o> {
    names: Names,
    clock: Clock,
    zones: Zones,
    /// The flag that names columns.
    names_flag: &'static str,
    options: &'o ReplayOptions,
    unknown_times: UnknownTimes,
}

impl<'o> Reader<'o> {
    /// # Errors
    /// The reason why the names that the user gives can't be used.
    pub fn new(options: &'o ReplayOptions) -> Result<Self, String> {
        Self::with_flags(options, "--news-columns", "--news-zone")
    }

    /// A reader of what a provider sends, whose names and zone are settings.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn of_items(options: &'o ReplayOptions) -> Result<Self, String> {
        Self::with_flags(options, "the setting fields:", "the setting time_zone")
    }

    fn with_flags(
        options: &'o ReplayOptions,
        names_flag: &'static str,
        zone_flag: &'static str,
    ) -> Result<Self, String> {
        let names = Names::new(&INDEX, IGNORED, names_flag, &options.news_columns)?;
        let clock = Clock { zone: options.news_zone.clone(), eastern: None, order: options.news_date_order, zone_flag };
        let (zones, unknown_times) = (Zones::default(), UnknownTimes::default());
        Ok(Self { names, clock, zones, names_flag, options, unknown_times })
    }

    /// Reads an item that was received just now, at `received_at` (UTC).
    ///
    /// # Errors
    /// Why it is not an article.
    pub fn item(&self, row: &Row, provider: &str, received_at: Timestamp) -> ItemResult<Article> {
        let draft = self.general(row, provider, &self.clock_of(row))?;
        let article = draft.article;
        if article.title.is_empty() && article.description.is_empty() {
            return Err("it has neither a title nor a text".into());
        }
        let revision = Article::fingerprint(&article.title, &article.description, &article.symbols);
        let flaw = || format!("the article is kept: {}", draft.left_out.join("; "));
        Ok((Article { revision, received_at, ..article }, (!draft.left_out.is_empty()).then(flaw)))
    }

    fn clock_of(&self, row: &Row) -> RowClock<'_> {
        self.zones.clock(row, &self.names, &self.clock, self.names_flag)
    }

    /// See [`Names::missing_column`].
    pub fn missing_column(&self) -> Option<String> {
        self.names.missing_column()
    }

    /// What a person should know of columns that were not read.
    pub fn notes(&self) -> Vec<String> {
        self.unknown_times.notes()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Why the row is not an article, for the person who made the file.
    pub fn read(&self, row: &Row) -> Result<Draft, String> {
        let raw = String::from_utf8_lossy(&row.raw);
        check_size(&raw)?;
        let clock = &self.clock_of(row);
        let of_a_provider = PROVIDERS.iter().find_map(|provider| Some((provider.kind, provider.replay_line?(&raw)?)));
        let mut draft = match of_a_provider {
            Some((_, Ok((article, flaw)))) if self.options.news_columns.is_empty() => {
                let left_out: Vec<String> = flaw.into_iter().collect();
                // The general reader knows more names and spellings, and returns what was left out.
                let is_whole = left_out.is_empty()
                    && !article.title.is_empty()
                    && !article.symbols.is_empty()
                    && is_plausible(article.published_at)
                    && article
                        .symbols
                        .iter()
                        .all(|symbol| symbol.asset_class() != AssetClass::Equity || !symbol.as_str().contains(':'));
                // Sources without ids take the address for one.
                let identity = if article.id == article.url { Identity::Url } else { Identity::Id };
                match is_whole {
                    true => Draft {
                        names_companies: true,
                        edited_at: None,
                        is_midnight: false,
                        left_out,
                        identity,
                        article,
                    },
                    false => self.general(row, &article.provider, clock)?,
                }
            }
            Some((kind, _)) => self.general(row, kind, clock)?,
            None => self.general(row, "replay", clock)?,
        };
        draft.article.symbols = self.aliased(draft.article.symbols);
        self.set_received(&mut draft, row, clock)?;
        let (mapping, known_at) = (&self.options.news_columns, draft.article.received_at);
        self.unknown_times.look(row, &self.names, mapping, &clock.clock, known_at);
        // The record of a shorter row can't be too large: JSON writes a byte as six at most, and a text is in a record
        // and its key three times at most.
        if raw.len() > LARGEST_RECORD / 20 {
            check_record(&draft.article)?;
        }
        Ok(draft)
    }

    /// When the text was knowable: when the row says that it was received, but not before its publication or edit; or a
    /// delay after that.
    fn set_received(&self, draft: &mut Draft, row: &Row, clock: &RowClock<'_>) -> Result<(), String> {
        let article = &mut draft.article;
        let names = &self.names;
        let all = |role| clock.read(|clock| Times { names, clock }.times(row, role));
        let (updates, receipts) = (all("updated_at")?, all("received_at")?);
        let (updated, received) = (latest(updates.iter()), latest(receipts.iter()));
        let made_public = clock.read(|clock| Times { names, clock }.made_public(row, article.published_at));
        let made_public = made_public
            .map_err(|reason| format!("{reason}; --news-columns published_at=NAME names the only time that counts"))?;
        let published = made_public.map_or(article.published_at, |at| at.max(article.published_at));
        let edited = updated.map_or(published, |updated| updated.max(published));
        // A row may have the text of an edit and the time at which the first text was received.
        article.received_at = received.map_or_else(|| delayed(edited, self.options.delay), |at| at.max(edited));
        // Of the names of `received_at`, only those of a receipt give the time of an edit: rows of one article for several
        // companies may each have been crawled at a different time.
        draft.edited_at = updated.max(latest(receipts.iter().filter(|(name, _)| is_receipt(name))));
        let is_midnight = |value: &Value| midnight::is_midnight(edited, value, &clock.clock);
        draft.is_midnight = received.is_none_or(|at| at <= edited)
            && self.names.find(row, "published_at").is_some_and(|(_, value)| is_midnight(value));
        Ok(())
    }

    fn general(&self, row: &Row, provider: &str, clock: &RowClock<'_>) -> Result<Draft, String> {
        self.check_names(row)?;
        let names = &self.names;
        let published_at = match clock.read(|clock| Times { names, clock }.time(row, "published_at"))? {
            Some(at) => at,
            None => {
                let missing = self
                    .names
                    .find(row, "published_at")
                    .map(|(name, value)| format!("{name} {} is missing", quoted(value)));
                return Err(missing.unwrap_or_else(|| self.names.lacks(row, "published_at")));
            }
        };
        let mut left_out = Vec::new();
        let named = self.names.find(row, "symbols");
        let named_companies = named.map(|(_, value)| self.companies(value)).unwrap_or_default();
        left_out.extend(named_companies.left_out);
        let title = self.text(row, "title", text::text, &mut left_out);
        let description = self.text(row, "description", text::text, &mut left_out);
        let url = self.text(row, "url", text::url, &mut left_out);
        let keywords = match self.names.find(row, "keywords").map(|(name, value)| (name, text::keywords(value))) {
            Some((_, Ok(keywords))) => keywords,
            Some((name, Err(reason))) => {
                left_out.push(format!("{name}: {reason}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        let (id, identity) = self.id(row, &url, [&title, &description], published_at)?;
        let article = Article {
            id,
            revision: 0,
            provider: provider.to_owned(),
            publisher: self.text(row, "publisher", text::name, &mut left_out),
            author: self.text(row, "author", text::name, &mut left_out),
            description,
            title,
            url,
            symbols: named_companies.symbols,
            withdrawn: Vec::new(),
            symbols_found: false,
            keywords,
            published_at,
            received_at: published_at,
        };
        let names_companies = named.is_some_and(|(_, value)| match value {
            Value::Null => false,
            Value::Text(text) => !is_missing(text),
            _ => true,
        });
        Ok(Draft { article, identity, names_companies, edited_at: None, is_midnight: false, left_out })
    }

    /// The companies of a value. Words with only spaces, `&` or `AND` between them have to be known tickers.
    fn companies(&self, value: &Value) -> Companies {
        let read = companies(value);
        let (Value::Text(text), Some(known)) = (value, &self.options.tickers) else { return read };
        let is_divided = text.contains([',', ';', '|', '/', '$', '\n', '[', '{']);
        let unknown = read.symbols.iter().find(|symbol| !known.contains(*symbol));
        match unknown.filter(|_| read.symbols.len() > 1 && !is_divided) {
            None => read,
            Some(unknown) => {
                let text = quoted(value);
                let reason =
                    format!("{text} may be a name, {unknown} is no known ticker; write commas between tickers");
                Companies { symbols: Vec::new(), left_out: vec![reason] }
            }
        }
    }

    /// Refuses a row that has no known name for its text or its companies but has unknown names: it would become an
    /// article without its text or its companies.
    fn check_names(&self, row: &Row) -> Result<(), String> {
        let has = |role: &str| !self.names.all(row, role).is_empty() || self.names.is_declared_absent(role);
        let lacks_text = !has("title") && !has("description");
        let lacks_companies = !has("symbols");
        if !(lacks_text || lacks_companies) || self.names.unknown(row).is_empty() {
            return Ok(());
        }
        Err(self.names.lacks(row, if lacks_text { "title" } else { "symbols" }))
    }

    /// The first field that holds a text. A field that holds something else is left out, with a reason.
    fn text(
        &self,
        row: &Row,
        role: &str,
        read: fn(&Value) -> Result<String, String>,
        left_out: &mut Vec<String>,
    ) -> String {
        let mut text = String::new();
        for (name, value) in self.names.all(row, role) {
            match read(value) {
                Ok(read) if text.is_empty() => text = if is_nothing(&read) { String::new() } else { read },
                Ok(_) => {}
                Err(reason) if text.is_empty() => left_out.push(format!("{name}: {reason}")),
                Err(_) => {}
            }
        }
        text
    }

    /// The row's own id, or else its URL, or else a fingerprint of its time and its texts. Where the user says that the file
    /// has no ids, the URL does not count either: it may be that of a section.
    fn id(
        &self,
        row: &Row,
        url: &str,
        [title, description]: [&str; 2],
        published_at: Timestamp,
    ) -> Result<(String, Identity), String> {
        if let Some((name, value)) = self.names.find(row, "id") {
            let id = text::text(value).map_err(|reason| format!("{name}: {reason}"))?;
            if !is_nothing(&id) {
                return Ok((id, Identity::Id));
            }
        }
        // Many articles have the URL of the publisher's front page.
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        if !path.is_empty() && !self.names.is_declared_absent("id") {
            return Ok((url.to_owned(), Identity::Url));
        }
        // Articles of one time may have one title, such as `Analyst rating change`.
        let named = match (title, description) {
            ("", "") => return Err("it has no id, url, title or text, so that nothing tells it from another".into()),
            (title, "") => format!("{published_at}\0{title}"),
            (title, description) => format!("{published_at}\0{title}\0{description}"),
        };
        Ok((hex::encode(&Sha256::digest(named)[..8]), Identity::Fingerprint))
    }

    fn aliased(&self, symbols: Vec<Symbol>) -> Vec<Symbol> {
        let mut aliased = Vec::with_capacity(symbols.len());
        for symbol in symbols.into_iter().map(|symbol| self.options.aliases.read(symbol)) {
            if !aliased.contains(&symbol) {
                aliased.push(symbol);
            }
        }
        aliased
    }
}

/// Whether a field of `received_at` is a receipt, by its name, and not the crawl or the download of a page.
fn is_receipt(name: &str) -> bool {
    is_like(name, &["receiv", "receipt"]) || name.to_lowercase().ends_with("received")
}

fn latest<'t, 'n: 't>(times: impl Iterator<Item = &'t (&'n str, Timestamp)>) -> Option<Timestamp> {
    times.map(|(_, at)| *at).max()
}

/// Whether a text is empty, or is what programs write for a missing one.
fn is_nothing(text: &str) -> bool {
    text.trim().is_empty() || is_missing_text(text)
}
