//! Reads the items of an answer one by one, in the same way for all providers.

use super::answer::NotJson;
use super::{Cursor, LARGEST_ITEM, LARGEST_RECORD, Page, ProviderError, Reject, Rejected};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::fmt;
use std::marker::PhantomData;
use tapewire_core::record::News;
use tapewire_core::{Article, NewsRecord, Run, Symbol};

/// An id, which providers write as a number or as a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(pub String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(u64),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text.trim().to_owned(),
            Written::Number(number) => number.to_string(),
        }))
    }
}

/// Reads a JSON object. A list is refused: serde would take its elements for the fields, in their order.
///
/// # Errors
/// The reason, in words.
pub fn read_object<'a, T: Deserialize<'a>>(raw: &'a str) -> Result<T, String> {
    if raw.trim_start().starts_with('[') {
        return Err("it is a list, and not an object".into());
    }
    serde_json::from_str(raw).map_err(|error| error.to_string())
}

/// For `deserialize_with`, of a field that is an object: a list is refused, as in [`read_object`].
///
/// # Errors
/// The field is not an object, or one that can't be read.
pub fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Fields<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(fields))
        }
    }
    deserializer.deserialize_map(Fields(PhantomData))
}

/// What identifies an article: its id, or its address where it has none. An id of 0 does not count: several articles
/// have it.
///
/// # Errors
/// It has neither.
pub fn identity(id: Option<Id>, url: &str) -> Result<String, String> {
    let id = id.map(|Id(id)| id).filter(|id| !matches!(id.as_str(), "" | "0"));
    let address = Some(url.trim().to_owned()).filter(|url| !url.is_empty());
    id.or(address).ok_or_else(|| "it has neither an id nor a url, so nothing to know it again by".into())
}

/// An item, and what had to be left out of it, if anything; or the reason why it can't be used.
pub type ItemResult<T> = Result<(T, Option<String>), String>;

impl<T> Page<T> {
    /// Reads each item by itself, so that one that can't be read costs only itself and is among the rejects. An item of
    /// which something had to be left out is among both, so that nothing is lost silently. `origin` is [`Page::origin`].
    pub fn read<'a>(
        origin: &str,
        next: Option<Cursor>,
        items: impl IntoIterator<Item = &'a RawValue>,
        read: impl Fn(&str) -> ItemResult<T>,
    ) -> Self {
        let mut page = Self { items: Vec::new(), rejects: Vec::new(), origin: origin.to_owned(), next };
        for raw in items {
            if let Some(NotJson { reason, raw }) = NotJson::of(raw.get()) {
                page.rejects.push(Reject::new(&raw, reason));
                continue;
            }
            match check_size(raw.get()).and_then(|()| read(raw.get())) {
                Ok((item, flaw)) => {
                    page.items.push(item);
                    page.rejects.extend(flaw.map(|flaw| Reject::new(raw.get(), flaw)));
                }
                Err(reason) => page.rejects.push(Reject::new(raw.get(), reason)),
            }
        }
        page
    }
}

impl Page<Article> {
    /// The page with the articles that [`check_record`] refuses among the rejects.
    pub(crate) fn without_large_records(mut self) -> Self {
        let Self { items, rejects, .. } = &mut self;
        items.retain(|article| match check_record(article) {
            Ok(()) => true,
            Err(reason) => {
                rejects.push(Reject::new(&String::from_utf8_lossy(&record_of(article)), reason));
                false
            }
        });
        self
    }
}

impl Rejected<'_> {
    /// Reads the item by itself; the page holds it, or it is among the page's rejects.
    ///
    /// # Errors
    /// [`ProviderError::Unreadable`] if it is not JSON at all, so that no item can be found in it.
    pub(crate) fn item<T>(
        &self,
        provider: &str,
        read: impl Fn(&str) -> ItemResult<T>,
    ) -> Result<Page<T>, ProviderError> {
        let raw = serde_json::from_str::<&RawValue>(self.raw)
            .map_err(|error| ProviderError::unreadable(provider, self.place, error.to_string()))?;
        Ok(Page::read(self.place, None, [raw], read))
    }
}

/// Refuses an item of more than [`LARGEST_ITEM`] bytes.
///
/// # Errors
/// The reason, in words.
pub(crate) fn check_size(raw: &str) -> Result<(), String> {
    if raw.len() > LARGEST_ITEM {
        return Err(format!("{} bytes are more than the {LARGEST_ITEM} an item may have", raw.len()));
    }
    Ok(())
}

/// Refuses an article whose record is too large for Kafka although the item was not: in a record, a quote takes two bytes and
/// a control character six, and the id is also the key.
///
/// # Errors
/// The reason, in words.
pub(crate) fn check_record(article: &Article) -> Result<(), String> {
    let size = article.key().len() + record_of(article).len();
    if size > LARGEST_RECORD {
        return Err(format!("its record of {size} bytes is more than the {LARGEST_RECORD} that a message may have"));
    }
    Ok(())
}

fn record_of(article: &Article) -> Vec<u8> {
    NewsRecord::new(Run::live(), News::Article(article.clone())).encode()
}

/// The symbols of the tickers of an article, each once and in this order; and why one had to be left out, if any had.
pub fn symbols<'a>(tickers: impl IntoIterator<Item = &'a str>) -> (Vec<Symbol>, Option<String>) {
    let (mut symbols, mut left_out) = (Vec::new(), Vec::new());
    for ticker in tickers {
        match Symbol::new(ticker) {
            Ok(symbol) if symbols.contains(&symbol) => {}
            Ok(symbol) => symbols.push(symbol),
            Err(error) => left_out.push(error.to_string()),
        }
    }
    let flaw = || format!("the article is kept without {} of its tickers: {}", left_out.len(), left_out.join("; "));
    (symbols, (!left_out.is_empty()).then(flaw))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(raw: &str) -> ItemResult<i64> {
        let number: i64 = serde_json::from_str(raw).map_err(|error| error.to_string())?;
        Ok((number, (number < 0).then(|| "without its sign".to_owned())))
    }

    #[test]
    fn an_item_that_cannot_be_read_costs_only_itself() {
        let large = format!("[1, -2, \"{}\", {{}}, 3]", "x".repeat(LARGEST_ITEM));
        let items: Vec<&RawValue> = serde_json::from_str(&large).unwrap();
        let page = Page::read("/numbers", Some(Cursor("2".into())), items, number);
        assert_eq!(page.items, [1, -2, 3]);
        let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
        assert!(reasons[0] == "without its sign" && reasons[1].contains("bytes") && reasons.len() == 3, "{reasons:?}");
        assert_eq!(page.rejects[2].bytes, b"{}");
    }

    #[test]
    fn an_article_whose_record_is_too_large_for_kafka_is_a_reject() {
        let wire = tapewire_testkit::article("Title", tapewire_testkit::at("2025-06-02T14:00:00Z"));
        let quotes = Article { description: "\"".repeat(LARGEST_ITEM), ..wire.clone() };
        let address = "x".repeat(LARGEST_ITEM / 2);
        let keyed = Article { id: address.clone(), url: address, ..wire.clone() };
        let items = vec![quotes, wire.clone(), keyed];
        let page = Page { items, rejects: Vec::new(), origin: "/news".into(), next: None }.without_large_records();
        assert_eq!(page.items, [wire]);
        assert_eq!(page.rejects.len(), 2);
        assert!(page.rejects.iter().all(|reject| reject.reason.contains("that a message may have")));
    }

    #[test]
    fn an_id_is_a_number_or_a_text_and_0_is_none() {
        let read = |raw: &str| serde_json::from_str::<Id>(raw).map(|Id(id)| id).map_err(drop);
        assert_eq!(
            (read("18446744073709551615"), read("\" a1 \"")),
            (Ok("18446744073709551615".into()), Ok("a1".into()))
        );
        for raw in ["1.5", "-1", "true", "[]", "{}"] {
            assert!(read(raw).is_err(), "{raw}");
        }
        let id = |text: &str| Some(Id(text.into()));
        assert_eq!(
            (identity(id("7"), ""), identity(id("0"), "u"), identity(None, " u ")),
            (Ok("7".into()), Ok("u".into()), Ok("u".into()))
        );
        assert!(identity(id("0"), " ").is_err());
    }

    #[test]
    fn a_list_is_no_object_also_within_one() {
        #[derive(Debug, Deserialize)]
        struct Inner<'a> {
            price: u32,
            #[serde(borrow)]
            rest: Option<&'a RawValue>,
        }
        #[derive(Debug, Deserialize)]
        struct Outer<'a> {
            #[serde(borrow, deserialize_with = "object")]
            inner: Inner<'a>,
        }
        let read = |raw: &'static str| read_object::<Outer<'_>>(raw).map(|outer| outer.inner);
        let inner = read(r#"{"inner":{"price":7,"rest":[1]}}"#).unwrap();
        assert_eq!((inner.price, inner.rest.map(RawValue::get)), (7, Some("[1]")));
        for (raw, reason) in [
            (r#"[{"price":7}]"#, "not an object"),
            (" [[7,null]]", "not an object"),
            (r#"{"inner":[7,null]}"#, "expected an object"),
            (r#"{"inner":7}"#, "expected an object"),
        ] {
            let error = read(raw).unwrap_err();
            assert!(error.contains(reason), "{raw}: {error}");
        }
    }

    #[test]
    fn symbols_are_listed_once_and_what_is_not_a_ticker_is_reported() {
        let (listed, flaw) = symbols(["MKR", "BRK/B", "A B", "mkr", "BRK-B", "?!"]);
        assert_eq!(listed.iter().map(Symbol::as_str).collect::<Vec<_>>(), ["MKR", "BRK.B"]);
        let flaw = flaw.unwrap();
        assert!(flaw.contains("`A B`") && flaw.contains("`?!`"), "{flaw}");
        assert_eq!(symbols(["MKR"]).1, None);
    }
}
