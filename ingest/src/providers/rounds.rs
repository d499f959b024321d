//! A page that takes several requests: one for each company, or as many as a list that is newest first has pages.

use super::{NewsRequest, Page, ProviderError, Reject};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use tapewire_core::Article;

/// A round that took longer than this leaves out what was published after its beginning; see [`Round::into_page`].
const LONG_ROUND: SignedDuration = SignedDuration::from_mins(1);

/// The round that a failed request has interrupted, if any. The next call for the same page goes on with it, so that a rate
/// limit does not make it begin again and again.
#[derive(Debug)]
pub struct Rounds<Place> {
    interrupted: Mutex<Option<Round<Place>>>,
    /// Whether the last round ended before it had read everything.
    was_cut: AtomicBool,
}

impl<Place> Default for Rounds<Place> {
    fn default() -> Self {
        Self { interrupted: Mutex::default(), was_cut: AtomicBool::new(false) }
    }
}

/// What has been read for one page so far.
#[derive(Debug)]
pub struct Round<Place> {
    request: NewsRequest,
    began: Timestamp,
    /// Which request is next, as the source counts its requests.
    pub place: Place,
    /// How many requests were answered.
    answers: usize,
    /// Whether a request has failed, so that much time may have passed since the answer before it.
    was_interrupted: bool,
    /// Whether the next request has been rejected once.
    was_rejected: bool,
    articles: Vec<Article>,
    /// Position of each article by id.
    positions: HashMap<String, usize>,
    rejects: Vec<Reject>,
}

impl<Place: Default> Rounds<Place> {
    /// The interrupted round for this page, or a new one that begins at `now` (UTC).
    pub fn take(&self, request: &NewsRequest, now: Timestamp) -> Round<Place> {
        self.was_cut.store(false, Ordering::Relaxed);
        let interrupted = self.lock().take().filter(|round| round.request == *request);
        interrupted.unwrap_or_else(|| Round {
            request: request.clone(),
            began: now,
            place: Place::default(),
            answers: 0,
            was_interrupted: false,
            was_rejected: false,
            articles: Vec::new(),
            positions: HashMap::new(),
            rejects: Vec::new(),
        })
    }
}

impl<Place> Rounds<Place> {
    /// Notes that the round ends before it has read everything.
    pub fn cut(&self) {
        self.was_cut.store(true, Ordering::Relaxed);
    }

    /// Whether the last round ended before it had read everything.
    pub fn was_cut(&self) -> bool {
        self.was_cut.load(Ordering::Relaxed)
    }

    /// Keeps a round whose next request has failed.
    fn keep(&self, round: Round<Place>) {
        *self.lock() = Some(Round { was_interrupted: round.answers > 0, ..round });
    }

    /// Decides what becomes of a round whose next request has failed: it is returned if it ends with what it has read.
    /// `is_counted` says whether its pages are found by their number, and not by what an earlier answer said.
    ///
    /// A page after the first that is rejected is asked for once more, for a proxy on the way may have done it. If it is
    /// rejected again, the plan ends there, and the round ends with what it has read: otherwise what the pages before it have
    /// would never be sent. Where the place of the page is what an earlier answer said, the provider may have forgotten it
    /// while a failure was waited out: then the next call begins with the first page.
    ///
    /// # Errors
    /// `error`, and the next call for the same page goes on with the request that failed. A page after the first that is
    /// rejected once is a [`ProviderError::Failed`]; [`ProviderError::Unreadable`] if the next call has to begin with the
    /// first page.
    pub fn failed(
        &self,
        round: Round<Place>,
        error: ProviderError,
        is_counted: bool,
    ) -> Result<Round<Place>, ProviderError> {
        let page = round.answers + 1;
        match error {
            ProviderError::BadRequest { .. } if round.answers == 0 => Err(error),
            ProviderError::BadRequest { provider, path, status, message } if !round.was_rejected => {
                if round.was_interrupted && !is_counted {
                    let reason = format!("page {page} is no longer there: HTTP {status}: {message}");
                    return Err(ProviderError::Unreadable { provider, path, reason });
                }
                self.keep(Round { was_rejected: true, ..round });
                Err(ProviderError::Failed { provider, path, status, message, retry_after: None })
            }
            ProviderError::BadRequest { provider, status, message, .. } => {
                tracing::error!(
                    source = provider,
                    page,
                    status,
                    message,
                    "the provider rejects a further page of its list twice: what this page and those after it have is lost; \
                     see how far back your plan reaches, and poll more often"
                );
                self.cut();
                Ok(round)
            }
            _ => {
                self.keep(round);
                Err(error)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Round<Place>>> {
        self.interrupted.lock().expect("no holder of this lock can panic")
    }
}

impl<Place> Round<Place> {
    /// Adds an answer, and returns how many of its items are new, counting those that can't be read. An article that is in
    /// several lists names the companies of all of them: otherwise each list would seem to edit it.
    pub fn add(&mut self, page: Page<Article>) -> usize {
        self.answers += 1;
        self.was_rejected = false;
        let before = self.articles.len();
        for article in page.items {
            match self.positions.get(&article.id) {
                Some(&position) => join(&mut self.articles[position], article),
                None => {
                    self.positions.insert(article.id.clone(), self.articles.len());
                    self.articles.push(article);
                }
            }
        }
        let rejects = &mut self.rejects;
        let is_new = |reject: &Reject| !rejects.iter().any(|known| known.bytes == reject.bytes);
        let new: Vec<Reject> = page.rejects.into_iter().filter(is_new).collect();
        let unreadable = new.len();
        rejects.extend(new);
        self.articles.len() - before + unreadable
    }

    /// All that was read and published at or after `since`, oldest first. The poller has forgotten what is older, and would
    /// send it again.
    ///
    /// What was published while a long round was under way is left for the next: lists that were read early lack it, and the
    /// poller must not think that it is beyond that time.
    pub fn into_page(self, origin: &str, since: Timestamp, now: Timestamp) -> Page<Article> {
        let until = if now.duration_since(self.began) > LONG_ROUND { self.began } else { Timestamp::MAX };
        let mut items = self.articles;
        items.retain(|article| (since..=until).contains(&article.published_at));
        items.sort_by_key(|article| article.published_at);
        Page { items, rejects: self.rejects, origin: origin.to_owned(), next: None }
    }
}

fn join(known: &mut Article, other: Article) {
    let new: Vec<_> = other.symbols.into_iter().filter(|symbol| !known.symbols.contains(symbol)).collect();
    if !new.is_empty() {
        known.symbols.extend(new);
        known.revision = Article::fingerprint(&known.title, &known.description, &known.symbols);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tapewire_core::Symbol;
    use tapewire_testkit::{article, at, symbol};

    fn page(items: Vec<Article>) -> Page<Article> {
        Page { items, rejects: vec![Reject::new("{}", "torn")], origin: "/news".into(), next: None }
    }

    fn named(id: &str, published: &str, ticker: &str) -> Article {
        Article { id: id.into(), symbols: vec![symbol(ticker)], ..article("Title", at(published)) }
    }

    const BEGAN: &str = "2025-06-02T14:00:00Z";

    fn since() -> NewsRequest {
        NewsRequest::Since(at("2025-06-02T13:00:00Z"))
    }

    #[test]
    fn an_article_of_several_lists_is_one_with_all_their_companies() {
        let mut round = Rounds::<usize>::default().take(&since(), at(BEGAN));
        assert_eq!(round.add(page(vec![named("1", "2025-06-02T13:30:00Z", "AAPL")])), 2, "with the torn item");
        assert_eq!(round.add(page(vec![named("1", "2025-06-02T13:30:00Z", "MSFT")])), 0);
        assert_eq!(round.add(page(vec![named("0", "2025-06-02T12:59:59Z", "MSFT")])), 1);
        let page = round.into_page("/news", at("2025-06-02T13:00:00Z"), at(BEGAN));
        let [one] = &page.items[..] else { panic!("{page:?}") };
        assert_eq!(one.symbols.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["AAPL", "MSFT"]);
        assert_eq!(one.revision, Article::fingerprint(&one.title, &one.description, &one.symbols));
        assert_eq!(page.rejects.len(), 1, "each list shows the same torn item");
    }

    #[test]
    fn a_round_goes_on_where_it_failed_and_only_for_the_same_page() {
        let rounds = Rounds::<usize>::default();
        let mut round = rounds.take(&since(), at(BEGAN));
        round.add(page(vec![named("1", "2025-06-02T13:30:00Z", "AAPL")]));
        round.place = 7;
        rounds.keep(round);
        let round = rounds.take(&since(), at("2025-06-02T14:00:30Z"));
        assert_eq!((round.place, round.articles.len()), (7, 1));
        rounds.keep(round);
        let other = NewsRequest::Since(at("2025-06-02T13:01:00Z"));
        assert_eq!(rounds.take(&other, at(BEGAN)).place, 0);
    }

    #[test]
    fn what_appeared_during_a_long_round_is_left_for_the_next() {
        let read = |ended: &str| {
            let mut round = Rounds::<usize>::default().take(&since(), at(BEGAN));
            round.add(page(vec![named("1", "2025-06-02T14:00:20Z", "AAPL"), named("2", BEGAN, "AAPL")]));
            round.into_page("/news", at("2025-06-02T13:00:00Z"), at(ended)).items.len()
        };
        assert_eq!(read("2025-06-02T14:01:00Z"), 2);
        assert_eq!(read("2025-06-02T14:01:01Z"), 1);
    }
}
