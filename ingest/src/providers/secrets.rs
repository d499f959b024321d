//! Keeps secrets out of what is printed: every source that an account makes is behind the sources of this file, so that
//! no error of it repeats what only the account and its provider may know.

use super::{
    Account, ActionsRequest, ApiKey, BarWidth, BarsRequest, Cursor, Frame, NewsRequest, NewsSource, Page,
    PriceConnection, PriceSource, ProviderError, Rejected, Subscription,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tapewire_core::{Article, Bar, CorporateAction};

/// A shorter secret is not removed from texts: that would spoil the text and protect nothing.
const SHORTEST: usize = 4;

/// What stands for a secret in an address that is shown.
const HIDDEN: &str = "[hidden]";

/// The secrets of an account: its key, the parts of the key, and those in the addresses of its settings.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Those of this account.
    pub fn of(account: &Account) -> Self {
        let mut secrets = of_key(&account.key);
        for setting in account.settings.values().filter_map(Value::as_str) {
            secrets.extend(of_address(setting));
        }
        Self::new(secrets)
    }

    /// Those of these keys.
    pub fn of_keys<'a>(keys: impl IntoIterator<Item = &'a ApiKey>) -> Self {
        Self::new(keys.into_iter().flat_map(of_key).collect())
    }

    fn new(mut secrets: Vec<String>) -> Self {
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // The whole before its parts.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// The text without the secrets, plain or percent-encoded.
    pub fn removed_from(&self, text: &str) -> String {
        let encoded = |key: &str| url::form_urlencoded::byte_serialize(key.as_bytes()).collect::<String>();
        self.0.iter().fold(text.to_owned(), |text, key| text.replace(key, "[key]").replace(&encoded(key), "[key]"))
    }

    /// The outcome; an error without the secrets.
    pub fn cleaned<T>(&self, outcome: Result<T, ProviderError>) -> Result<T, ProviderError> {
        outcome.map_err(|error| error.redacted(&|text| self.removed_from(text)))
    }
}

fn of_key(key: &ApiKey) -> Vec<String> {
    let parts = key.parts().into_iter().flat_map(|(id, secret)| [id, secret]);
    std::iter::once(key.clone()).chain(parts).map(|key| key.expose().to_owned()).collect()
}

/// The values of the parameters in an address whose names say that they are secrets, and its password.
fn of_address(address: &str) -> Vec<String> {
    let Some((before, query)) = parts(address) else { return Vec::new() };
    let authority = before.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    let password = authority.rsplit_once('@').and_then(|(user, _)| user.split_once(':')).map(|(_, secret)| secret);
    let values = query.split(['&', '#']).filter_map(secret_of).map(|(_, value)| value);
    password.into_iter().chain(values).map(str::to_owned).collect()
}

/// An address, and what follows the question mark in it; `None` if the text is no address.
fn parts(address: &str) -> Option<(&str, &str)> {
    address.contains("://").then(|| address.split_once('?').unwrap_or((address, "")))
}

/// Name and value of a parameter whose name says that it is a secret. `{}` around a value is a place for another one.
fn secret_of(parameter: &str) -> Option<(&str, &str)> {
    let (name, value) = parameter.split_once('=')?;
    let is_place = value.starts_with('{') && value.ends_with('}');
    (is_secret_parameter(name) && !value.is_empty() && !is_place).then_some((name, value))
}

/// Whether a parameter's name says that its value is a secret: `token`, `apikey`, `api_key`.
fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let ends = ["key", "token", "secret", "password", "passwd", "pwd", "auth", "signature", "credential"];
    ends.iter().any(|end| name.ends_with(end)) || name.contains("authorization")
}

/// The address with `[hidden]` for the values of parameters whose names say that they are secrets; `None` if it has none.
pub fn masked_address(address: &str) -> Option<String> {
    let (before, query) = parts(address)?;
    let mut shown = format!("{before}?");
    let mut is_masked = false;
    for parameter in query.split_inclusive(['&', '#']) {
        let end = &parameter[parameter.trim_end_matches(['&', '#']).len()..];
        match secret_of(&parameter[..parameter.len() - end.len()]) {
            Some((name, _)) => {
                is_masked = true;
                shown.push_str(&format!("{name}={HIDDEN}{end}"));
            }
            None => shown.push_str(parameter),
        }
    }
    is_masked.then_some(shown)
}

/// A source whose errors have none of the account's secrets.
pub(super) struct Discreet<S: ?Sized> {
    source: Arc<S>,
    secrets: Secrets,
}

impl<S: ?Sized> Discreet<S> {
    /// The source that `make` makes of the account.
    pub fn made(account: &Account, make: super::registry::Make<S>) -> Result<Self, ProviderError> {
        let secrets = Secrets::of(account);
        Ok(Self { source: secrets.cleaned(make(account))?, secrets })
    }
}

#[deny(clippy::missing_trait_methods, reason = "every method is handed on")]
#[async_trait]
impl NewsSource for Discreet<dyn NewsSource> {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn check(&self) -> Result<(), ProviderError> {
        self.secrets.cleaned(self.source.check())
    }

    fn requests_a_page(&self) -> u32 {
        self.source.requests_a_page()
    }

    fn requests(&self) -> Option<u64> {
        self.source.requests()
    }

    fn requests_a_day(&self) -> Option<u32> {
        self.source.requests_a_day()
    }

    async fn page(&self, request: &NewsRequest) -> Result<Page<Article>, ProviderError> {
        self.secrets.cleaned(self.source.page(request).await)
    }

    async fn published(&self) {
        self.source.published().await;
    }

    async fn probe(&self, now: Timestamp) -> Result<(), ProviderError> {
        self.secrets.cleaned(self.source.probe(now).await)
    }

    fn reaches_back(&self) -> bool {
        self.source.reaches_back()
    }

    fn was_cut(&self) -> bool {
        self.source.was_cut()
    }

    fn is_by_publication(&self) -> bool {
        self.source.is_by_publication()
    }

    fn is_read_whole(&self) -> bool {
        self.source.is_read_whole()
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Page<Article>, ProviderError> {
        self.secrets.cleaned(self.source.read_again(rejected).await)
    }
}

#[deny(clippy::missing_trait_methods, reason = "every method is handed on")]
#[async_trait]
impl PriceSource for Discreet<dyn PriceSource> {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn check(&self, subscription: &Subscription) -> Result<(), ProviderError> {
        self.secrets.cleaned(self.source.check(subscription))
    }

    fn corrects_within(&self) -> SignedDuration {
        self.source.corrects_within()
    }

    fn shows_within(&self) -> Duration {
        self.source.shows_within()
    }

    fn past_width(&self) -> SignedDuration {
        self.source.past_width()
    }

    fn has_daily_bars(&self) -> bool {
        self.source.has_daily_bars()
    }

    fn reaches_back_to(&self, width: BarWidth, now: Timestamp) -> Option<Timestamp> {
        self.source.reaches_back_to(width, now)
    }

    async fn connect(&self, subscription: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        let connection = self.secrets.cleaned(self.source.connect(subscription).await)?;
        Ok(Box::new(DiscreetConnection { connection, secrets: self.secrets.clone() }))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        self.secrets.cleaned(self.source.bars_page(request, cursor).await)
    }

    async fn actions_page(
        &self,
        request: &ActionsRequest,
        cursor: Option<&Cursor>,
    ) -> Result<Page<CorporateAction>, ProviderError> {
        self.secrets.cleaned(self.source.actions_page(request, cursor).await)
    }

    async fn probe(&self, subscription: &Subscription, now: Timestamp) -> Result<(), ProviderError> {
        self.secrets.cleaned(self.source.probe(subscription, now).await)
    }

    async fn read_again(&self, rejected: &Rejected<'_>) -> Result<Frame, ProviderError> {
        self.secrets.cleaned(self.source.read_again(rejected).await)
    }
}

struct DiscreetConnection {
    connection: Box<dyn PriceConnection>,
    secrets: Secrets,
}

#[deny(clippy::missing_trait_methods, reason = "every method is handed on")]
#[async_trait]
impl PriceConnection for DiscreetConnection {
    fn origin(&self) -> &str {
        self.connection.origin()
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        self.secrets.cleaned(self.connection.read().await)
    }

    async fn next(&mut self) -> Result<Frame, ProviderError> {
        self.secrets.cleaned(self.connection.next().await)
    }
}

#[cfg(test)]
mod tests;
