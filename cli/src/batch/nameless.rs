//! Symbols of the news whose names are not known.

use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use tapewire_core::Article;
use tapewire_sentiment::companies::Companies;

/// The most symbols that are named.
const NAMED: usize = 3;

/// What to tell the user if the model can't be asked about some companies of the articles by name. A ticker stands for
/// the company that has it when the article is published.
pub fn note(articles: &[Article], companies: &Companies) -> Option<String> {
    let (mut all, mut nameless) = (BTreeSet::new(), BTreeSet::new());
    for article in articles {
        let day = TimeZone::UTC.to_datetime(article.published_at).date();
        for symbol in &article.symbols {
            all.insert(symbol);
            if companies.of_symbol(symbol, Some(day)).names().next().is_none() {
                nameless.insert(symbol);
            }
        }
    }
    let named: Vec<&str> = nameless.iter().take(NAMED).map(|symbol| symbol.as_str()).collect();
    (!named.is_empty()).then(|| {
        format!(
            "no name is known of {} of the {} symbols in the news, such as {}: the model scores their texts as a whole, \
             not what they say about the company, unless a text marks the ticker, as in ({}); the setting \
             sentiment.companies names a file with their names",
            nameless.len(),
            all.len(),
            named.join(", "),
            named[0]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use tapewire_core::Symbol;

    fn article(day: &str, symbols: &[&str]) -> Article {
        let published_at: Timestamp = format!("{day}T14:00:00Z").parse().unwrap();
        let symbols = symbols.iter().map(|symbol| Symbol::new(symbol).unwrap()).collect();
        Article { symbols, ..tapewire_testkit::article("Shares rise", published_at) }
    }

    #[test]
    fn symbols_without_a_name_are_named_with_the_setting_that_gives_them_one() {
        let articles = [article("2025-05-12", &["AAPL", "ZZZZ"]), article("2025-05-13", &["VOD.L", "ZZZZ"])];
        let said = note(&articles, &Companies::load(None).unwrap()).unwrap();
        for part in ["2 of the 3 symbols", "such as VOD.L, ZZZZ:", "as a whole", "sentiment.companies"] {
            assert!(said.contains(part), "{said}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("companies.csv");
        std::fs::write(&file, "symbol,name\nVOD.L,Vodafone\nZZZZ,Zeta Works\n").unwrap();
        assert_eq!(note(&articles, &Companies::load(Some(&file)).unwrap()), None);
    }

    /// Facebook had the ticker FB until June 2022.
    #[test]
    fn a_ticker_has_the_name_of_its_company_on_the_day_of_the_article() {
        let companies = Companies::load(None).unwrap();
        assert_eq!(note(&[article("2020-05-12", &["FB"])], &companies), None);
        assert!(note(&[article("2020-05-12", &["META"])], &companies).unwrap().contains("1 of the 1 symbols"));
        assert_eq!(note(&[article("2025-05-12", &[])], &companies), None);
    }
}
