//! Companies of articles whose provider names none.
//!
//! They are found where the articles are read, before anything is compared with what was sent: so an edit that no longer
//! names a company withdraws it, whoever found it.

use super::{NewsRequest, NewsSource, Page, ProviderError, Rejected};
use async_trait::async_trait;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use tapewire_core::{Article, Symbol};

/// What a [`CompanyFinder`] calls.
type Find = dyn Fn(&Article) -> Vec<Symbol> + Send + Sync;

/// Finds the companies that a cleaned article names ([`Article::cleaned`]), in the order in which it does. What it finds
/// must depend on the article alone, or an article that is seen again would count as edited.
#[derive(Clone)]
pub struct CompanyFinder(Arc<Find>);

impl CompanyFinder {
    /// A finder that calls this function.
    pub fn new(find: impl Fn(&Article) -> Vec<Symbol> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The article, with the companies that it names if the provider said none.
    fn complete(&self, article: Article) -> Article {
        if !article.symbols.is_empty() {
            return article;
        }
        let symbols = (self.0)(&article.cleaned());
        if symbols.is_empty() {
            return article;
        }
        let revision = Article::fingerprint(&article.title, &article.description, &symbols);
        Article { symbols, symbols_found: true, revision, ..article }
    }
}

impl fmt::Debug for CompanyFinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CompanyFinder")
    }
}

/// A source whose articles have the companies that were found in them.
pub(super) struct Finding {
    source: Arc<dyn NewsSource>,
    finder: CompanyFinder,
}

impl Finding {
    pub(super) fn new(source: Arc<dyn NewsSource>, finder: CompanyFinder) -> Self {
        Self { source, finder }
    }

    fn complete(&self, page: Page<Article>) -> Page<Article> {
        Page { items: page.items.into_iter().map(|article| self.finder.complete(article)).collect(), ..page }
    }
}

#[deny(clippy::missing_trait_methods, reason = "every method is handed on")]
#[async_trait]
impl NewsSource for Finding {
    fn name(&self) -> &str {
        self.source.name()
    }

    fn check(&self) -> Result<(), ProviderError> {
        self.source.check()
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
        Ok(self.complete(self.source.page(request).await?))
    }

    async fn published(&self) {
        self.source.published().await;
    }

    async fn probe(&self, now: Timestamp) -> Result<(), ProviderError> {
        self.source.probe(now).await
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
        Ok(self.complete(self.source.read_again(rejected).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_testkit::article as made;

    #[test]
    fn only_articles_without_companies_get_those_that_are_found() {
        let acme = Symbol::new("ACME").unwrap();
        let finder = CompanyFinder::new({
            let acme = acme.clone();
            move |article| if article.title.contains("Acme & Co") { vec![acme.clone()] } else { Vec::new() }
        });
        let article = |title: &str, symbols: &[Symbol]| Article {
            symbols: symbols.to_vec(),
            revision: Article::fingerprint(title, "", symbols),
            ..made(title, Timestamp::UNIX_EPOCH)
        };
        let found = finder.complete(article("<b>Acme &amp; Co</b> rises", &[]));
        assert_eq!((&found.symbols[..], found.symbols_found), (&[acme.clone()][..], true));
        assert_eq!(found.title, "<b>Acme &amp; Co</b> rises", "the text stays as the provider sent it");
        let none = article("Nobody rises", &[]);
        assert_ne!(found.revision, article(&found.title, &[]).revision, "another company is an edit");
        assert_eq!(finder.complete(none.clone()), none);
        let named = article("Acme & Co rises", &[Symbol::new("OTHER").unwrap()]);
        assert_eq!(finder.complete(named.clone()), named);
    }
}
