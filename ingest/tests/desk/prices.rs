//! The desk's prices. It has no websocket: a connection asks again and again.

use super::{Desk, parse};
use async_trait::async_trait;
use std::time::Duration;
use tapewire_core::Bar;
use tapewire_ingest::providers::{
    BarsRequest, Cursor, Frame, MarketEvent, Page, PriceConnection, PriceSource, ProviderError, Subscription,
};
use url::Url;

impl Desk {
    async fn prints(&self, url: &Url) -> Result<Page<Bar>, ProviderError> {
        let body = self.http.get(url).await?;
        let received_at = self.http.clock().now();
        parse::page(self.http.provider(), url, &body, |raw| parse::bar(raw, received_at))
    }
}

#[async_trait]
impl PriceSource for Desk {
    fn name(&self) -> &str {
        self.http.provider()
    }

    fn check(&self, _: &Subscription) -> Result<(), ProviderError> {
        Ok(())
    }

    async fn connect(&self, _: &Subscription) -> Result<Box<dyn PriceConnection>, ProviderError> {
        let url = self.http.url(&["prints"]);
        self.prints(&url).await?;
        Ok(Box::new(Polling { desk: self.clone(), url, bars: 0, rejects: 0 }))
    }

    async fn bars_page(&self, request: &BarsRequest, cursor: Option<&Cursor>) -> Result<Page<Bar>, ProviderError> {
        let url = match cursor {
            None => self.http.url(&["prints"]),
            Some(Cursor(url)) => self.http.named_url(url)?,
        };
        let mut page = self.prints(&url).await?;
        page.items.retain(|bar| bar.symbol == request.symbol);
        Ok(page)
    }
}

/// A connection, and how many of the desk's bars and rejects it has returned.
struct Polling {
    desk: Desk,
    url: Url,
    bars: usize,
    rejects: usize,
}

#[async_trait]
impl PriceConnection for Polling {
    fn origin(&self) -> &str {
        "polling"
    }

    async fn read(&mut self) -> Result<Frame, ProviderError> {
        let page = self.desk.prints(&self.url).await?;
        let events = page.items.into_iter().skip(self.bars).map(MarketEvent::Bar).collect();
        let frame = Frame { events, rejects: page.rejects.into_iter().skip(self.rejects).collect() };
        self.bars += frame.events.len();
        self.rejects += frame.rejects.len();
        if frame.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(frame)
    }
}
