//! Any interface that answers with a list of news as JSON, by settings alone. Items are read as the rows of a news file are,
//! by the names of their fields.

mod config;
#[cfg(test)]
mod tests;

pub use config::JsonConfig;

use super::http::{Credentials, HttpClient};
use super::items::Id;
use super::registry::{Account, Provider, SettingsType};
use super::rounds::{Round, Rounds};
use super::{NewsRequest, NewsSource, Page, ProviderError};
use crate::replay::ReplayOptions;
use async_trait::async_trait;
use config::{Checked, KeyIn};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use reqwest::Url;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::Arc;
use tapewire_core::Article;

/// This provider's line in the registry.
pub const PROVIDER: Provider = Provider {
    kind: "json",
    needs_key: false,
    settings: SettingsType::of::<JsonConfig>(),
    news: Some(|account| Ok(Arc::new(JsonNews::new(account)?))),
    prices: None,
    replay_line: None,
};

/// Which page is next.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Place {
    /// The first.
    #[default]
    First,
    /// The one of this number, counted from the first.
    Number(u32),
    /// The one of this token or address, as the page before said; and its number.
    Named(String, u32),
}

impl Place {
    fn number(&self) -> u32 {
        match self {
            Self::First => 0,
            Self::Number(number) | Self::Named(_, number) => *number,
        }
    }
}

struct JsonNews {
    account: Account,
    config: JsonConfig,
    /// `None` without an address.
    ready: Option<(HttpClient, Checked)>,
    options: ReplayOptions,
    rounds: Rounds<Place>,
}

impl JsonNews {
    fn new(account: &Account) -> Result<Self, ProviderError> {
        let config: JsonConfig = account.settings()?;
        let checked = config.checked(&account.name)?;
        let ready = checked.map(|checked| Ok::<_, ProviderError>((client(account, &config, &checked)?, checked)));
        let ready = ready.transpose()?;
        let absent = |name: &String| Some(name.clone()).filter(|name| !name.is_empty());
        let news_columns = config.fields.iter().map(|(role, name)| (role.clone(), absent(name))).collect();
        let news_zone = ready.as_ref().and_then(|(_, checked)| checked.zone.clone());
        let options = ReplayOptions { news_columns, news_zone, ..ReplayOptions::default() };
        crate::replay::check_fields(&options)
            .map_err(|reason| ProviderError::Setting { provider: account.name.clone(), reason })?;
        Ok(Self { account: account.clone(), config, ready, options, rounds: Rounds::default() })
    }

    fn ready(&self) -> Result<&(HttpClient, Checked), ProviderError> {
        let reason = "request_url is not set; it is the address of the list";
        self.ready
            .as_ref()
            .ok_or_else(|| ProviderError::Setting { provider: self.account.name.clone(), reason: reason.into() })
    }

    /// Reads pages until one has nothing new since `since`.
    async fn read(&self, round: &mut Round<Place>, since: Timestamp) -> Result<(), ProviderError> {
        let (http, checked) = self.ready()?;
        let mut last = Vec::new();
        loop {
            let url = self.url(http, checked, &round.place, since)?;
            let body = http.get(&url).await?;
            let (page, count, next) = self.page(http, &url, &body)?;
            let is_back = page.items.last().is_some_and(|article| article.published_at < since);
            let shown: Vec<_> = page.items.iter().map(|article| (article.id.clone(), article.revision)).collect();
            let is_new = round.add(page) > 0;
            let number = round.place.number() + 1;
            let is_counted = self.config.next_page.is_empty();
            let is_short = is_counted && count < self.config.full_page as usize;
            round.place = match next {
                Some(next) => Place::Named(self.named(checked, &url, next)?, number),
                None if is_counted && has_placeholder(&checked.url, PAGE) && !is_short => Place::Number(number),
                None => return Ok(()),
            };
            if !is_back && !shown.is_empty() && shown == last {
                tracing::error!(
                    source = http.provider(),
                    page = number,
                    "a further page of the list shows the same as the page before it: articles of later pages are lost; check \
                     request_url and next_page, or set full_page if the list has no more pages"
                );
                self.rounds.cut();
                return Ok(());
            }
            if is_back || !is_new {
                return Ok(());
            }
            last = shown;
            if number >= self.config.most_pages {
                let source = http.provider();
                tracing::error!(
                    source, %since,
                    "more articles were published than {number} pages hold: some are lost; set \
                     providers.{source}.most_pages higher, or poll more often"
                );
                self.rounds.cut();
                return Ok(());
            }
        }
    }

    /// The token of the next page, or its whole address where `next` is one relative to `url`, the page that names it.
    ///
    /// # Errors
    /// [`ProviderError::Unreadable`] if it is a token and no part of `request_url` is to have it.
    fn named(&self, checked: &Checked, url: &Url, next: String) -> Result<String, ProviderError> {
        let is_address = next.starts_with('?') || next.starts_with('/') && next.contains('?');
        if next.contains("://") || has_placeholder(&checked.url, PAGE) && !is_address {
            return Ok(next);
        }
        let joined = Some(&next).filter(|next| next.contains(['/', '?'])).and_then(|next| url.join(next).ok());
        let setting = &self.config.next_page;
        let reason = || {
            let next = next.escape_debug();
            format!(
                "next_page = `{setting}` gives `{next}`, which is not an address: give request_url a parameter with {PAGE}"
            )
        };
        joined.map(String::from).ok_or_else(|| ProviderError::unreadable(&self.account.name, url.path(), reason()))
    }

    fn url(&self, http: &HttpClient, checked: &Checked, place: &Place, since: Timestamp) -> Result<Url, ProviderError> {
        let page = match place {
            Place::Named(address, _) if address.contains("://") => return http.named_url(address),
            Place::Named(token, _) => token.clone(),
            Place::First if !self.config.next_page.is_empty() => String::new(),
            place => u64::from(self.config.first_page).saturating_add(u64::from(place.number())).to_string(),
        };
        let since = since.to_zoned(TimeZone::UTC).strftime(&self.config.since_format).to_string();
        let mut url = checked.url.clone();
        // The first page of a list whose pages have tokens is asked for without one.
        let is_wanted = |value: &str| !(page.is_empty() && value.contains(PAGE));
        let pairs = checked.url.query_pairs().filter(|(_, value)| is_wanted(value));
        let filled = pairs.map(|(name, value)| (name, value.replace(SINCE, &since).replace(PAGE, &page)));
        let filled: Vec<_> = filled.collect();
        match filled.is_empty() {
            true => url.set_query(None),
            false => drop(url.query_pairs_mut().clear().extend_pairs(filled)),
        }
        Ok(url)
    }

    /// Reads an answer: its articles, how many items it has, and which page is next.
    fn page(
        &self,
        http: &HttpClient,
        url: &Url,
        body: &[u8],
    ) -> Result<(Page<Article>, usize, Option<String>), ProviderError> {
        let received_at = http.clock().now();
        let text = String::from_utf8_lossy(body);
        let unreadable = |reason: String| {
            let said: String = text.trim().chars().take(200).collect();
            let (provider, path) = (http.provider().to_owned(), url.path().to_owned());
            ProviderError::Unreadable { provider, path, reason: http.redacted(&format!("{reason}; it says: {said}")) }
        };
        let answer: &RawValue = serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        let list = value_at(answer, &self.config.list).and_then(|list| serde_json::from_str(list.get()).ok());
        let list: Vec<&RawValue> =
            list.ok_or_else(|| unreadable(format!("it has no list at `{}` (the setting `list`)", self.config.list)))?;
        let next = Some(&self.config.next_page).filter(|pointer| !pointer.is_empty());
        let next = next.and_then(|pointer| serde_json::from_str::<Id>(value_at(answer, pointer)?.get()).ok());
        let next = next.map(|Id(next)| next).filter(|next| !next.is_empty());
        let count = list.len();
        let read = |raw: &str| crate::replay::article_of_item(&self.options, http.provider(), raw, received_at);
        Ok((Page::read(url.path(), None, list, read), count, next))
    }
}

/// The value at a JSON pointer (RFC 6901), as it is written.
pub fn value_at<'a>(answer: &'a RawValue, pointer: &str) -> Option<&'a RawValue> {
    pointer.split('/').skip(1).try_fold(answer, |value, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        if value.get().starts_with('[') {
            return serde_json::from_str::<Vec<&RawValue>>(value.get()).ok()?.get(part.parse::<usize>().ok()?).copied();
        }
        serde_json::from_str::<HashMap<String, &RawValue>>(value.get()).ok()?.remove(&part)
    })
}

const SINCE: &str = "{since}";
const PAGE: &str = "{page}";

fn has_placeholder(url: &Url, placeholder: &str) -> bool {
    url.query_pairs().any(|(_, value)| value.contains(placeholder))
}

fn client(account: &Account, config: &JsonConfig, checked: &Checked) -> Result<HttpClient, ProviderError> {
    let key = account.key.clone();
    let credentials = match &checked.key_in {
        KeyIn::Nowhere => Credentials::None,
        KeyIn::Bearer => Credentials::Bearer(key),
        KeyIn::Header(name) => Credentials::Headers(vec![(name.clone(), key)]),
        KeyIn::Query(name) => Credentials::Query(name.clone(), key),
    };
    let base = ("request_url", config.request_url.as_str());
    HttpClient::new(&account.name, base, config.request_timeout, credentials, account.clock.clone())
}

#[async_trait]
impl NewsSource for JsonNews {
    fn name(&self) -> &str {
        &self.account.name
    }

    fn check(&self) -> Result<(), ProviderError> {
        let (_, checked) = self.ready()?;
        let provider = self.account.name.clone();
        match (&checked.key_in, self.account.key.expose().is_empty()) {
            (KeyIn::Nowhere, false) => {
                let reason = "there is a key, but key_in does not say how it is sent".into();
                Err(ProviderError::Setting { provider, reason })
            }
            (KeyIn::Nowhere, true) | (_, false) => Ok(()),
            (_, true) => Err(ProviderError::NoKey { provider }),
        }
    }

    fn was_cut(&self) -> bool {
        self.rounds.was_cut()
    }

    fn requests(&self) -> Option<u64> {
        self.ready.as_ref().map(|(http, _)| http.requests())
    }

    fn reaches_back(&self) -> bool {
        // Without either there is one page, the latest.
        let is_asked_for = |(_, checked): &(HttpClient, Checked)| {
            [SINCE, PAGE].iter().any(|placeholder| has_placeholder(&checked.url, placeholder))
        };
        self.ready.as_ref().is_some_and(is_asked_for)
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        let NewsRequest::Since(since) = request else {
            let what = "pages after the first".into();
            return Err(ProviderError::Unsupported { provider: self.account.name.clone(), what });
        };
        let clock = &self.account.clock;
        let mut round = self.rounds.take(request, clock.now());
        if let Err(error) = self.read(&mut round, *since).await {
            round = self.rounds.failed(round, error, self.config.next_page.is_empty())?;
        }
        let path = self.ready()?.1.url.path().to_owned();
        Ok(round.into_page(&path, *since, clock.now()))
    }
}
