//! Reads the entries of the list of current filings as articles.

use super::tickers::Tickers;
use crate::providers::items::ItemResult;
use crate::providers::xml::{Feed, Item, moment};
use crate::providers::{Page, ProviderError};
use jiff::Timestamp;
use tapewire_core::Article;

/// What the id of an entry begins with.
const ID: &str = "urn:tag:sec.gov,2008:accession-number=";

/// What an entry's title says: `8-K - First Eagle Private Credit Fund (0001890107) (Filer)`.
struct Title<'a> {
    form: &'a str,
    company: &'a str,
    cik: u64,
}

/// Reads a page of `GET /cgi-bin/browse-edgar?action=getcurrent&output=atom`, newest first.
///
/// # Errors
/// [`ProviderError::Unreadable`] if it is not a feed, or only a part of one.
pub fn page(
    provider: &str,
    path: &str,
    body: &[u8],
    tickers: &Tickers,
    received_at: Timestamp,
) -> Result<Page<Article>, ProviderError> {
    let feed = Feed::new(provider, path, body)?;
    let mut page = feed.page(path, |item| filing(provider, item, tickers, received_at));
    // A company that is both the subject of a filing and its filer is listed twice.
    let mut seen = std::collections::HashSet::new();
    page.items.retain(|article: &Article| seen.insert(article.id.clone()));
    Ok(page)
}

/// Reads an entry.
///
/// ```xml
/// <entry><title>8-K - First Eagle Private Credit Fund (0001890107) (Filer)</title>
/// <link rel="alternate" type="text/html" href="https://www.sec.gov/Archives/edgar/data/…-index.htm"/>
/// <summary type="html"> &lt;b&gt;Filed:&lt;/b&gt; 2026-09-01 &lt;b&gt;AccNo:&lt;/b&gt; 0001193125-26-378072 …
/// &lt;br&gt;Item 8.01: Other Events</summary><updated>2026-09-01T13:20:17-04:00</updated>
/// <category scheme="https://www.sec.gov/" label="form type" term="8-K"/>
/// <id>urn:tag:sec.gov,2008:accession-number=0001193125-26-378072</id></entry>
/// ```
/// A filing of several companies has an entry for each, all with the same id: the article's id has the company's number
/// too.
fn filing(provider: &str, item: &Item, tickers: &Tickers, received_at: Timestamp) -> ItemResult<Option<Article>> {
    let id = item.text("id").unwrap_or_default();
    let accession = id.strip_prefix(ID).filter(|number| !number.is_empty());
    let accession = accession.ok_or_else(|| format!("`{id}` is not an id of the form {ID}…"))?;
    let written = item.text("title").unwrap_or_default();
    let title = title(written).ok_or_else(|| format!("`{written}` does not name a form, a company and its CIK"))?;
    let published_at = moment(item.text("updated").ok_or("it has no time")?)?;
    let items = items(item.text("summary").unwrap_or_default());
    let numbers = items.iter().filter_map(|item| item.split(':').next());
    let keywords = std::iter::once(title.form).chain(numbers).map(str::to_owned).collect();
    let symbols: Vec<_> = tickers.of(title.cik).cloned().into_iter().collect();
    let (headline, description) = (format!("{} - {}", title.form, title.company), items.join("; "));
    let url = item.all("link").map(|link| link.attribute("href")).find(|url| !url.is_empty());
    Ok((
        Some(Article {
            id: format!("{accession}/{}", title.cik),
            revision: Article::fingerprint(&headline, &description, &symbols),
            provider: provider.to_owned(),
            publisher: "SEC EDGAR".into(),
            author: title.company.to_owned(),
            title: headline,
            description,
            url: url.unwrap_or_default().to_owned(),
            symbols,
            withdrawn: Vec::new(),
            symbols_found: false,
            keywords,
            published_at,
            received_at,
        }),
        None,
    ))
}

fn title(written: &str) -> Option<Title<'_>> {
    let (form, rest) = written.split_once(" - ")?;
    // The company may have brackets in its name, so the number is looked for from the end.
    let (rest, role) = rest.trim().strip_suffix(')')?.rsplit_once('(')?;
    let (company, cik) = rest.trim().strip_suffix(')')?.rsplit_once('(')?;
    let is_number = cik.len() == 10 && cik.bytes().all(|digit| digit.is_ascii_digit());
    let named = !role.trim().is_empty() && !form.trim().is_empty() && !company.trim().is_empty();
    (is_number && named).then(|| Some(Title { form: form.trim(), company: company.trim(), cik: cik.parse().ok()? }))?
}

/// `Item 8.01: Other Events`, … from a summary, whose lines are separated by `<br>`.
fn items(summary: &str) -> Vec<String> {
    let lines = summary.split("<br>").flat_map(str::lines).map(str::trim);
    lines.filter(|line| line.starts_with("Item ")).map(str::to_owned).collect()
}
