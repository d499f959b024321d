//! A document that is asked for again and again, with conditional requests.

use super::ProviderError;
use super::http::{Document, HttpClient, Version};
use jiff::Timestamp;
use reqwest::Url;
use tokio::sync::Mutex;

/// What was read from the last version of a document.
///
/// If the provider says that it has not changed, the same is returned once more, and not nothing: what was returned
/// before may have been lost on the way to Kafka. The poller knows what has arrived.
#[derive(Debug)]
pub struct Latest<T>(Mutex<Option<(Url, Version, T)>>);

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Latest<T> {
    /// The document at `url`, read with `read` from its body and the time it was received.
    ///
    /// # Errors
    /// Any error of HTTP, and those of `read`.
    pub async fn get(
        &self,
        http: &HttpClient,
        url: &Url,
        read: impl FnOnce(&[u8], Timestamp) -> Result<T, ProviderError>,
    ) -> Result<T, ProviderError> {
        let mut latest = self.0.lock().await;
        let known = latest.as_ref().filter(|(last, ..)| last == url);
        let version = known.map(|(_, version, _)| version.clone()).unwrap_or_default();
        match (http.get_if_changed(url, &version).await?, known) {
            (Document::Unchanged, Some((.., value))) => Ok(value.clone()),
            (Document::Unchanged, None) => Err(ProviderError::unreadable(
                http.provider(),
                url.path(),
                "HTTP 304, although the request was not conditional",
            )),
            (Document::Changed { body, version }, _) => {
                let value = read(&body, http.clock().now())?;
                *latest = Some((url.clone(), version, value.clone()));
                Ok(value)
            }
        }
    }
}
