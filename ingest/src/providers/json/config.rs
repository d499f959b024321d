//! Where a list of news is, and what its fields are called.

use crate::providers::ProviderError;
use jiff::tz::TimeZone;
use reqwest::Url;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Settings of an interface that answers with a list of news as JSON, such as those of Marketaux and NewsAPI,
/// `[providers.json]`. The key, where one is needed, comes from the environment or a file.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct JsonConfig {
    /// Address of the list. In its query `{since}` is replaced by the time from which articles are needed, and
    /// `{page}` by the page. Without `{page}` there is one page.
    pub request_url: String,
    /// How the key is sent: `bearer`, or `header NAME` or `query NAME` with the name of the header or parameter. Empty where no
    /// key is needed.
    pub key_in: String,
    /// Format of `{since}`, in UTC, as for strftime: `%s` is the number of seconds since 1970.
    pub since_format: String,
    /// The number of the first page, if pages are numbered.
    pub first_page: u32,
    /// Number of items in a full page: a page with fewer is the last. 0 means that pages are read until one has
    /// nothing new.
    pub full_page: u32,
    /// Most pages that are read in one poll. If there are more, an error is logged, because articles are lost then.
    pub most_pages: u32,
    /// Where an answer has the token or the address of the next page, as a JSON pointer: `/meta/next`. Empty if pages
    /// are numbered. A token takes the place of `{page}` in `request_url`; an address may be relative.
    pub next_page: String,
    /// Where an answer has the list, as a JSON pointer: `/data`. Empty if the answer is the list.
    pub list: String,
    /// Where articles have fields under unusual names: `title`, `published_at` and so on, as in `--news-columns`, and
    /// the name that the interface uses. A nested field is written with dots. An empty name means that there is no
    /// such field.
    #[schemars(example = serde_json::json!({"title": "head", "symbols": ""}))]
    pub fields: BTreeMap<String, String>,
    /// The zone of times that do not say one, such as `America/New_York`. If it is empty, such times are refused.
    pub time_zone: String,
    /// Longest wait for one HTTP answer, on the wall clock.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    #[schemars(with = "jiff::SignedDuration")]
    pub request_timeout: Duration,
}

impl Default for JsonConfig {
    fn default() -> Self {
        Self {
            request_url: String::new(),
            key_in: String::new(),
            since_format: "%Y-%m-%dT%H:%M:%SZ".into(),
            first_page: 1,
            full_page: 0,
            most_pages: 20,
            next_page: String::new(),
            list: String::new(),
            fields: BTreeMap::new(),
            time_zone: String::new(),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// How a key is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyIn {
    /// No key is sent.
    Nowhere,
    /// `Authorization: Bearer KEY`.
    Bearer,
    /// A header of this name.
    Header(String),
    /// A parameter of the query of this name.
    Query(String),
}

/// Settings that can be used.
#[derive(Debug)]
pub struct Checked {
    /// The address, with its placeholders.
    pub url: Url,
    /// See [`JsonConfig::key_in`].
    pub key_in: KeyIn,
    /// See [`JsonConfig::time_zone`].
    pub zone: Option<TimeZone>,
}

impl JsonConfig {
    /// Refuses settings that can't be used. An address that is missing is not refused here.
    ///
    /// # Errors
    /// [`ProviderError::Setting`].
    pub fn checked(&self, provider: &str) -> Result<Option<Checked>, ProviderError> {
        let unusable = |reason: String| ProviderError::Setting { provider: provider.to_owned(), reason };
        let key_in = match self.key_in.split_whitespace().collect::<Vec<_>>()[..] {
            [] => KeyIn::Nowhere,
            ["bearer"] => KeyIn::Bearer,
            ["header", name] => KeyIn::Header(name.to_ascii_lowercase()),
            ["query", name] => KeyIn::Query(name.to_owned()),
            _ => {
                let reason = format!("key_in = `{}` is not `bearer`, `header NAME` or `query NAME`", self.key_in);
                return Err(unusable(reason));
            }
        };
        for (setting, pointer) in [("list", &self.list), ("next_page", &self.next_page)] {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                return Err(unusable(format!("{setting} = `{pointer}` is not a JSON pointer, which begins with /")));
            }
        }
        if self.most_pages == 0 {
            return Err(unusable("most_pages must not be zero".into()));
        }
        let zone = Some(self.time_zone.as_str()).filter(|name| !name.is_empty());
        let zone = zone.map(TimeZone::get).transpose();
        let zone = zone.map_err(|error| unusable(format!("time_zone = `{}`: {error}", self.time_zone)))?;
        if self.request_url.is_empty() {
            return Ok(None);
        }
        let url = Url::parse(&self.request_url)
            .map_err(|error| unusable(format!("request_url = `{}` is not a url: {error}", self.request_url)))?;
        let (whole, _) = self.request_url.split_once('?').unwrap_or((&self.request_url, ""));
        if whole.contains(['{', '}']) {
            return Err(unusable("request_url: placeholders are in the query, after the `?`".into()));
        }
        Ok(Some(Checked { url, key_in, zone }))
    }
}
