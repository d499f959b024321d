//! The beginning of an article's trace: the poll that found it.

use super::Answer;
use crate::providers::{NewsRequest, NewsSource};
use tapewire_bus::traces::about_article;
use tapewire_core::{Article, Run};
use tapewire_runtime::traces::{Moment, Parent, Span, SpanKind};

/// When a source was asked for a page, and when it answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    at: Moment,
    answered_at: Moment,
}

/// Asks a source for a page.
pub(super) async fn ask(source: &dyn NewsSource, request: &NewsRequest) -> (Asked, Answer) {
    let at = Moment::now();
    let answer = source.page(request).await;
    (Asked { at, answered_at: Moment::now() }, answer)
}

impl Asked {
    /// Begins the trace of an article of this page. Its first span lasts until the article is acknowledged.
    pub(super) fn trace(self, source: &str, article: &Article) -> Span {
        let mut span = Span::begin_at(Parent::New, SpanKind::Internal, self.at, || format!("poll {source}"));
        about_article(&mut span, &Run::live(), article);
        span.describe(|| [("tapewire.source", source.to_owned().into())]);
        span.event("answered", self.answered_at);
        span
    }
}
