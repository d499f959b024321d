//! From an article to its mentions.

use crate::companies::{Companies, Company};
use crate::queue::Request;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::Arc;
use tapewire_core::text::boilerplate::without as without_boilerplate;
use tapewire_core::text::promotional::is_promotional;
use tapewire_core::{Article, Mention, Run, Sentiment, Symbol, Unscored};

/// Where a teaser's beginning ends, in bytes: what newspapers call the lead.
const LEAD: usize = 300;

/// One mention, not yet scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    run: Run,
    article: Arc<Article>,
    /// The company; `None` where the article names none.
    symbol: Option<Symbol>,
    relevance: Option<f64>,
    request: Request,
    is_withdrawn: bool,
    is_promotional: bool,
}

/// The mentions of an article: one for each company it names, or a single one without a company; then one for each
/// company that an edit has taken back.
pub fn questions(run: &Run, article: &Article, companies: &Companies) -> Vec<Question> {
    let published_on = TimeZone::UTC.to_datetime(article.published_at).date();
    let article = Arc::new(article.cleaned());
    let is_promotional = is_promotional(&article.title);
    let text: Arc<str> = without_boilerplate(&article.text()).into();
    let question = |symbol: Option<&Symbol>| {
        let company = symbol.map(|symbol| companies.of_symbol(symbol, Some(published_on)));
        Question {
            run: run.clone(),
            article: Arc::clone(&article),
            symbol: symbol.cloned(),
            relevance: company.as_deref().map(|company| relevance(&article, company)),
            request: Request::new(Arc::clone(&text), company),
            is_withdrawn: false,
            is_promotional,
        }
    };
    let subjects = article.subjects();
    let withdrawn = article.withdrawn.iter().filter(|subject| !subjects.contains(subject));
    let withdrawn =
        withdrawn.map(|subject| Question { relevance: None, is_withdrawn: true, ..question(subject.as_ref()) });
    subjects.iter().map(|subject| question(subject.as_ref())).chain(withdrawn).collect()
}

/// How much an article is about a company, in (0, 1]: 1 if the headline names it, 0.7 if the lead does, 0.5 if what
/// follows does, 0.3 if only the provider's tag does; divided by the square root of the number of companies tagged,
/// because an article that lists twenty companies is about none of them.
fn relevance(article: &Article, company: &Company) -> f64 {
    let place = if company.first_mention(&article.title).is_some() {
        1.0
    } else {
        match company.first_mention(&article.description) {
            Some(at) if at < LEAD => 0.7,
            Some(_) => 0.5,
            None => 0.3,
        }
    };
    place / (article.symbols.len() as f64).sqrt()
}

impl Question {
    /// Key on the topic: the symbol, or the article's key where it names none.
    pub fn key(&self) -> String {
        self.symbol.as_ref().map_or_else(|| self.article.key(), |symbol| symbol.as_str().to_owned())
    }

    /// The article asked about.
    pub fn article_id(&self) -> &str {
        &self.article.id
    }

    /// What to ask the model; `None` if there is no text, or the article is no news, or the mention is taken back.
    pub fn request(&self) -> Option<&Request> {
        (!self.request.text.is_empty() && !self.is_withdrawn && !self.is_promotional).then_some(&self.request)
    }

    /// The symbol, if the model is asked but no name of its company is known.
    pub fn nameless(&self) -> Option<&Symbol> {
        let company = self.request()?.company.as_deref()?;
        self.symbol.as_ref().filter(|_| company.names().next().is_none())
    }

    /// Why the model gave no score: it was not asked, or it failed on the text.
    pub fn reason_unscored(&self) -> Unscored {
        match self.request() {
            None if self.is_withdrawn => Unscored::Withdrawn,
            None if self.is_promotional => Unscored::Promotional,
            None => Unscored::EmptyText,
            Some(_) => Unscored::ModelFailed,
        }
    }

    /// The mention with its score, or with the reason why it has no score. `now` is when the score
    /// existed; it counts in the live run only.
    pub fn answered(self, sentiment: Result<Sentiment, Unscored>, now: Timestamp) -> (Run, Mention) {
        let name = |Request { text, company, .. }: &Request| Some(company.as_deref()?.name_in(text)?.to_owned());
        let asked_as = self.request().and_then(name);
        let article = Arc::unwrap_or_clone(self.article);
        let mention = Mention {
            article_id: article.id,
            article_revision: article.revision,
            symbol: self.symbol,
            symbol_found: article.symbols_found,
            title: article.title,
            provider: article.provider.into(),
            publisher: article.publisher.into(),
            url: article.url,
            published_at: article.published_at,
            received_at: article.received_at,
            scored_at: if self.run.is_live() { now } else { article.received_at },
            relevance: self.relevance,
            asked_as,
            sentiment,
        };
        (self.run, mention)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(title: &str, description: &str, symbols: &[&str]) -> Article {
        let published_at = Timestamp::from_second(100).unwrap();
        Article {
            description: description.into(),
            symbols: symbols.iter().map(|s| Symbol::new(s).unwrap()).collect(),
            received_at: Timestamp::from_second(101).unwrap(),
            ..tapewire_testkit::article(title, published_at)
        }
    }

    fn asked(article: &Article, run: &Run) -> Vec<Question> {
        questions(run, article, &Companies::load(None).unwrap())
    }

    #[test]
    fn one_for_each_company_and_one_for_none() {
        let two = asked(&article("Apple beats Google", "", &["AAPL", "GOOGL"]), &Run::live());
        assert_eq!(two.iter().map(Question::key).collect::<Vec<_>>(), ["AAPL", "GOOGL"]);
        let Request { text, company, .. } = two[1].request().unwrap();
        let company = company.as_ref().unwrap();
        assert_eq!(
            (&**text, company.name(), company.name_in(text)),
            ("Apple beats Google", "Alphabet", Some("Google"))
        );
        let none = asked(&article("Markets rise", "", &[]), &Run::live());
        assert_eq!((none.len(), none[0].key()), (1, "test/a".to_owned()));
        assert_eq!(none[0].request(), Some(&Request::new("Markets rise", None)));
    }

    #[test]
    fn a_company_that_an_edit_no_longer_names_is_taken_back() {
        let symbol = |name| Some(Symbol::new(name).unwrap());
        let withdrawn = vec![symbol("MSFT"), None, symbol("AAPL")];
        let edited = Article { withdrawn, ..article("Apple beats", "", &["AAPL"]) };
        let answers = asked(&edited, &Run::live()).into_iter().map(|question| {
            let reason = question.reason_unscored();
            (question.key(), question.request().is_some(), question.answered(Err(reason), Timestamp::UNIX_EPOCH).1)
        });
        let found: Vec<_> =
            answers.map(|(key, asked, mention)| (key, asked, mention.is_withdrawn(), mention.relevance)).collect();
        // A company that the edit still names is not taken back.
        let expected = [
            ("AAPL".to_owned(), true, false, Some(1.0)),
            ("MSFT".to_owned(), false, true, None),
            ("test/a".to_owned(), false, true, None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn relevance_falls_from_headline_to_tag() {
        let of = |title: &str, description: &str, symbols: &[&str]| {
            let questions = asked(&article(title, description, symbols), &Run::live());
            questions[0].clone().answered(Err(Unscored::ModelFailed), Timestamp::UNIX_EPOCH).1.relevance.unwrap()
        };
        let late = format!("{} Apple", "x ".repeat(200));
        assert_eq!(of("Apple rises", "", &["AAPL"]), 1.0);
        assert_eq!(of("Shares rise", "Apple did well", &["AAPL"]), 0.7);
        assert_eq!(of("Shares rise", &late, &["AAPL"]), 0.5);
        assert_eq!(of("Shares rise", "", &["AAPL"]), 0.3);
        assert_eq!(of("Apple rises", "", &["AAPL", "MSFT", "NVDA", "AMZN"]), 0.5);
    }

    #[test]
    fn the_mention_says_by_which_name_the_model_was_asked() {
        let asked_as = |title: &str, ticker: &str| {
            let question = asked(&article(title, "", &[ticker]), &Run::live()).remove(0);
            question.answered(Err(Unscored::ModelFailed), Timestamp::UNIX_EPOCH).1.asked_as
        };
        assert_eq!(asked_as("Agilent climbs as Waters tumbles", "WAT").as_deref(), Some("Waters"));
        assert_eq!(asked_as("Ruling against google", "GOOGL").as_deref(), Some("google"));
        assert_eq!(asked_as("Search engines", "GOOGL").as_deref(), Some("Alphabet"));
        assert_eq!(asked_as("Now or never for ZZZZ", "ZZZZ"), None);
        // The article was published in 1970.
        assert_eq!(asked_as("Shares rise", "FB").as_deref(), Some("Meta Platforms"));
        assert_eq!(asked_as("Shares rise", "META"), None);
    }

    #[test]
    fn a_symbol_without_a_name_is_known_as_one_if_the_model_is_asked_about_it() {
        let nameless = |title: &str, symbols: &[&str]| {
            let questions = asked(&article(title, "", symbols), &Run::live());
            questions.iter().filter_map(Question::nameless).map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(nameless("Shares rise", &["AAPL", "ZZZZ"]), ["ZZZZ"]);
        assert_eq!(nameless("Shares rise", &[]), [""; 0]);
        assert_eq!(nameless("", &["ZZZZ"]), [""; 0]);
    }

    #[test]
    fn html_is_read_as_a_reader_sees_it() {
        let sent = article("AT&amp;T lifts its outlook", "<p>The carrier said.</p>", &["T"]);
        let plain = article("AT&T lifts its outlook", "The carrier said.", &["T"]);
        let [sent, plain] = [sent, plain].map(|article| asked(&article, &Run::live()).remove(0));
        assert_eq!(sent.request(), plain.request());
        let [sent, plain] = [sent, plain].map(|q| q.answered(Err(Unscored::ModelFailed), Timestamp::UNIX_EPOCH).1);
        assert_eq!((sent.relevance, &*sent.title), (Some(1.0), "AT&T lifts its outlook"));
        assert_eq!(Mention { article_revision: plain.article_revision, ..sent }, plain);
        let invisible = asked(&article("\u{200b}", "<p>\u{a0}</p>", &["T"]), &Run::live()).remove(0);
        assert_eq!((invisible.request(), invisible.reason_unscored()), (None, Unscored::EmptyText));
        let notice = article("AAPL INVESTOR ALERT: Doe LLP Investigates Apple", "Contact us.", &["AAPL"]);
        let notice = asked(&notice, &Run::live()).remove(0);
        assert_eq!((notice.request(), notice.reason_unscored()), (None, Unscored::Promotional));
    }

    #[test]
    fn no_text_gets_a_reason_and_a_replay_keeps_its_clock() {
        let now = Timestamp::from_second(500).unwrap();
        let answer = |title: &str, run: &Run| {
            let question = asked(&article(title, "", &["AAPL"]), run).remove(0);
            let reason = question.reason_unscored();
            question.answered(Err(reason), now).1
        };
        assert_eq!(answer("", &Run::live()).sentiment, Err(Unscored::EmptyText));
        assert_eq!(answer("Apple", &Run::live()).sentiment, Err(Unscored::ModelFailed));
        assert_eq!(answer("Apple", &Run::live()).available_at(), now);
        assert_eq!(answer("Apple", &Run::named("r")).available_at(), Timestamp::from_second(101).unwrap());
    }
}
