//! Makes an article of a row of any provider's news.

use crate::epoch::{is_plausible, whole_microseconds};
use crate::providers::LARGEST_RECORD;
use crate::providers::items::{ItemResult, check_record, check_size};
use crate::providers::registry::PROVIDERS;
use crate::replay::names::{Index, Names, Role};
use crate::replay::values::ticker::{Companies, companies};
use crate::replay::values::time::{Clock, Moment, Written, in_zone, moment, written};
use crate::replay::values::{is_missing, midnight, quoted, text};
use crate::replay::{ReplayOptions, delayed, moments};
use jiff::Timestamp;
use jiff::civil::Time;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;
use tapewire_core::symbol::AssetClass;
use tapewire_core::{Article, Symbol};
use tapewire_formats::{Row, Value, is_missing_text};

/// The roles of an article's fields, with the names that Massive, Alpaca, Finnhub, Alpha Vantage, Tiingo, Yahoo,
/// Marketaux, NewsAPI and others give them.
const ROLES: &[Role] = &[
    Role { name: "id", others: &["article_id", "news_id", "story_id", "uuid", "guid", "uid"] },
    Role { name: "title", others: &["headline", "article_title", "news_title", "heading"] },
    Role {
        name: "description",
        others: &[
            "summary",
            "teaser",
            "snippet",
            "abstract",
            "excerpt",
            "text",
            "body",
            "content",
            "article",
            "full_text",
        ],
    },
    Role {
        name: "symbols",
        others: &[
            "tickers",
            "symbol",
            "ticker",
            "related",
            "related_tickers",
            "related_symbols",
            "stocks",
            "stock",
            "stock_symbol",
            "stock_tickers",
            "ticker_sentiment",
            "entities",
            "instruments",
            "securities",
            "companies",
        ],
    },
    Role {
        name: "published_at",
        others: &[
            "published_ms",
            "published_utc",
            "published",
            "published_date",
            "published_on",
            "publication_date",
            "publish_date",
            "publish_time",
            "pub_date",
            "date_published",
            "provider_publish_time",
            "time_published",
            "created_at",
            "created",
            "datetime",
            "display_time",
            "timestamp",
            "seen_date",
            "date",
            "time",
        ],
    },
    Role {
        name: "updated_at",
        others: &[
            "updated",
            "updated_utc",
            "updated_ms",
            "modified_at",
            "date_modified",
            "last_modified",
            "last_updated",
        ],
    },
    // When the provider, or a program that collects news, first had the article.
    Role {
        name: "received_at",
        others: &[
            "received",
            "received_utc",
            "received_ms",
            "received_time",
            "receive_time",
            "time_received",
            "available_at",
            "arrival_time",
            "first_seen",
            "first_seen_at",
            "crawl_date",
            "crawl_time",
            "crawled",
            "crawled_at",
            "fetch_time",
            "fetched",
            "fetched_at",
            "retrieved",
            "retrieved_at",
            "scraped_at",
            "downloaded_at",
            "collected_at",
            "discovered_at",
            "ingested_at",
            "inserted_at",
            "indexed_at",
            "added_at",
        ],
    },
    Role {
        name: "publisher",
        others: &["source", "source_name", "provider", "site", "news_source", "source_domain", "domain"],
    },
    Role { name: "author", others: &["authors", "byline", "creator", "article_author"] },
    Role {
        name: "url",
        others: &["link", "article_url", "news_url", "canonical_url", "click_through_url", "permalink"],
    },
    Role { name: "keywords", others: &["tags", "topics", "categories", "channels"] },
];

static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(ROLES));

/// Other fields that these providers send. They hold neither text nor companies.
const IGNORED: &[&str] = &[
    "",
    "unnamed0",
    "index",
    "t",
    "type",
    "contenttype",
    "category",
    "categorywithinsource",
    "image",
    "images",
    "imageurl",
    "urltoimage",
    "bannerimage",
    "thumbnail",
    "ampurl",
    "lang",
    "language",
    "country",
    "region",
    "insights",
    "sentiment",
    "overallsentimentscore",
    "overallsentimentlabel",
    "score",
    "relevancescore",
    "haspaywall",
    "similar",
    "metadata",
    "storyline",
    "previewurl",
    "bypassmodal",
    "ishosted",
    "revision",
];

/// A row that became an article, before its edits are known.
#[derive(Debug, Clone)]
pub(in crate::replay) struct Draft {
    /// The article. Its `received_at` is when its text was knowable; its revision is not set yet.
    pub article: Article,
    /// Whether the row says which companies the article names. An empty field says nothing.
    pub names_companies: bool,
    /// Whether the row says when it was edited or received.
    pub has_edit_time: bool,
    /// Whether its text counts from a midnight, which may stand for a day without a time of day.
    pub is_midnight: bool,
    /// The reason for each part of the row that was left out.
    pub left_out: Vec<String>,
}

/// Reads rows of news.
pub(in crate::replay) struct Reader<'o> {
    names: Names,
    clock: Clock,
    options: &'o ReplayOptions,
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
        let clock = Clock { zone: options.news_zone.clone(), order: options.date_order, zone_flag };
        Ok(Self { names, clock, options })
    }

    /// Reads an item that was received just now, at `received_at` (UTC).
    ///
    /// # Errors
    /// Why it is not an article.
    pub fn item(&self, row: &Row, provider: &str, received_at: Timestamp) -> ItemResult<Article> {
        let draft = self.general(row, provider)?;
        let article = draft.article;
        if article.title.is_empty() && article.description.is_empty() {
            return Err("it has neither a title nor a text".into());
        }
        let revision = Article::fingerprint(&article.title, &article.description, &article.symbols);
        let flaw = || format!("the article is kept: {}", draft.left_out.join("; "));
        Ok((Article { revision, received_at, ..article }, (!draft.left_out.is_empty()).then(flaw)))
    }

    /// See [`Names::missing_column`].
    pub fn missing_column(&self) -> Option<String> {
        self.names.missing_column()
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Why the row is not an article, for the person who made the file.
    pub fn read(&self, row: &Row) -> Result<Draft, String> {
        let raw = String::from_utf8_lossy(&row.raw);
        check_size(&raw)?;
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
                match is_whole {
                    true => {
                        Draft { names_companies: true, has_edit_time: false, is_midnight: false, left_out, article }
                    }
                    false => self.general(row, &article.provider)?,
                }
            }
            Some((kind, _)) => self.general(row, kind)?,
            None => self.general(row, "replay")?,
        };
        draft.article.symbols = self.aliased(draft.article.symbols);
        self.set_received(&mut draft, row)?;
        // The record of a shorter row can't be too large: JSON writes a byte as six at most, and a text is in a record
        // and its key three times at most.
        if raw.len() > LARGEST_RECORD / 20 {
            check_record(&draft.article)?;
        }
        Ok(draft)
    }

    /// When the text was knowable: when the row says that it was received, but not before its publication or edit; or a
    /// delay after that.
    fn set_received(&self, draft: &mut Draft, row: &Row) -> Result<(), String> {
        let article = &mut draft.article;
        let (updated, received) = (self.time(row, "updated_at")?, self.time(row, "received_at")?);
        let published = self.made_public(row).map_or(article.published_at, |at| at.max(article.published_at));
        let edited = updated.map_or(published, |updated| updated.max(published));
        // A row may have the text of an edit and the time at which the first text was received.
        article.received_at = received.map_or_else(|| delayed(edited, self.options.delay), |at| at.max(edited));
        // Of the names of `received_at`, only those that begin with `received` give the time of an edit: rows of one
        // article for several companies may each have been crawled at a different time.
        let is_receipt_name =
            || self.names.find(row, "received_at").is_some_and(|(name, _)| is_like(name, &["received"]));
        draft.has_edit_time = updated.is_some() || received.is_some() && is_receipt_name();
        let is_midnight = |value: &Value| midnight::is_midnight(edited, value, &self.clock);
        draft.is_midnight = received.is_none_or(|at| at <= edited)
            && self.names.find(row, "published_at").is_some_and(|(_, value)| is_midnight(value));
        Ok(())
    }

    /// When the provider made or showed the article, where the row has that beside the time of publication.
    fn made_public(&self, row: &Row) -> Option<Timestamp> {
        let fields = self.names.all(row, "published_at").into_iter();
        let times = fields.filter(|(name, _)| is_like(name, &["created", "display"])).filter_map(|(_, value)| {
            match moment(value, &self.clock) {
                Ok(Some(Moment::At(at))) => Some(whole_microseconds(at)),
                _ => None,
            }
        });
        times.max()
    }

    fn general(&self, row: &Row, provider: &str) -> Result<Draft, String> {
        self.check_names(row)?;
        let published_at = match self.time(row, "published_at")? {
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
        let url = self.text(row, "url", text::url, &mut left_out);
        let keywords = match self.names.find(row, "keywords").map(|(name, value)| (name, text::keywords(value))) {
            Some((_, Ok(keywords))) => keywords,
            Some((name, Err(reason))) => {
                left_out.push(format!("{name}: {reason}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        let article = Article {
            id: self.id(row, &url, &title, published_at)?,
            revision: 0,
            provider: provider.to_owned(),
            publisher: self.text(row, "publisher", text::name, &mut left_out),
            author: self.text(row, "author", text::name, &mut left_out),
            description: self.description(row, &mut left_out),
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
        Ok(Draft { article, names_companies, has_edit_time: false, is_midnight: false, left_out })
    }

    /// The companies of a value. Words with only spaces, `&` or `AND` between them have to be known tickers.
    fn companies(&self, value: &Value) -> Companies {
        let read = companies(value);
        let (Value::Text(text), Some(known)) = (value, &self.options.tickers) else { return read };
        let is_divided = text.contains([',', ';', '|', '/', '$', '\n', '[', '{']);
        let unknown = read.symbols.iter().find(|symbol| !known.contains(symbol));
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

    fn time(&self, row: &Row, role: &str) -> Result<Option<Timestamp>, String> {
        let Some((name, value)) = self.names.find(row, role) else { return Ok(None) };
        let of_name = |reason: String| format!("{name} {reason}");
        // The day and the time of day may be in two columns, such as `date` and `time`.
        let beside = || {
            let mut fields = self.names.all(row, role).into_iter();
            let time =
                fields.find(|(other, time)| *other != name && midnight::is_time_of(value, other, time, &self.clock));
            time.map(|(_, time)| time)
        };
        let day = match written(value, &self.clock).map_err(of_name)? {
            None => return Ok(None),
            Some(Written::At(at)) => {
                let alone = midnight::check_alone(at, value, &self.clock, beside);
                return alone.map(|()| Some(at)).map_err(of_name);
            }
            // Spreadsheets write a day as its midnight.
            Some(Written::Civil(civil)) if civil.time() != Time::midnight() || beside().is_none() => {
                let at = in_zone(civil, &self.clock, &quoted(value)).map_err(of_name)?;
                return Ok(Some(whole_microseconds(at)));
            }
            Some(Written::Civil(civil)) => civil.date(),
            Some(Written::Day(day)) => day,
        };
        match beside() {
            Some(time) => moments::at_time(day, time, &self.clock).map(Some).map_err(of_name),
            None => Err(format!("{name} {} is a day without a time of day", quoted(value))),
        }
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

    fn description(&self, row: &Row, left_out: &mut Vec<String>) -> String {
        self.text(row, "description", text::text, left_out)
    }

    /// The row's own id, or else its URL, or else a fingerprint of its title and time.
    fn id(&self, row: &Row, url: &str, title: &str, published_at: Timestamp) -> Result<String, String> {
        if let Some((name, value)) = self.names.find(row, "id") {
            let id = text::text(value).map_err(|reason| format!("{name}: {reason}"))?;
            if !is_nothing(&id) {
                return Ok(id);
            }
        }
        // Many articles have the URL of the publisher's front page.
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
        if !path.is_empty() {
            return Ok(url.to_owned());
        }
        if title.is_empty() {
            return Err("it has no id, url or title, so that nothing tells it from another".into());
        }
        let digest = Sha256::digest(format!("{published_at}\0{title}"));
        Ok(hex::encode(&digest[..8]))
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

/// Whether a name begins with one of these words.
fn is_like(name: &str, words: &[&str]) -> bool {
    words.iter().any(|word| name.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word)))
}

/// Whether a text is empty, or is what programs write for a missing one.
fn is_nothing(text: &str) -> bool {
    text.trim().is_empty() || is_missing_text(text)
}
