//! Following a provider's pages to their end, if they have one.

use super::{Cursor, Page, ProviderError};
use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};

/// Most pages of one list that are read. A day of news has dozens, a year of minute bars of one symbol four.
const MOST_PAGES: usize = 10_000;

/// This many pages one after the other that show nothing but what earlier pages had are taken for a list without an
/// end. A few are normal: a list moves on by an item when one is added while it is read.
const MOST_REPEATED_PAGES: usize = 50;

/// Notices a list whose pages never end: they form a circle, or have new cursors but show the same items, or there are
/// too many.
#[derive(Debug, Clone, Default)]
pub(crate) struct PageGuard {
    cursors: HashSet<Cursor>,
    /// Hashes of the items of all pages so far.
    items: HashSet<u64>,
    hasher: RandomState,
    pages: usize,
    repeated: usize,
    /// How many pages may have nothing because each is about another symbol.
    parts: usize,
}

impl PageGuard {
    /// For a list that may have a page for each of this many symbols, and nothing in most pages.
    pub fn of_symbols(symbols: usize) -> Self {
        Self { parts: symbols, ..Self::default() }
    }

    /// The cursor of the page after `page`, if there is one. `identity` gives what an item is recognised by.
    ///
    /// # Errors
    /// [`ProviderError::Unreadable`] if the list seems to have no end.
    pub fn next<T, Id: Hash>(
        &mut self,
        provider: &str,
        page: &Page<T>,
        identity: impl Fn(&T) -> Id,
    ) -> Result<Option<Cursor>, ProviderError> {
        let Some(next) = &page.next else { return Ok(None) };
        self.pages += 1;
        let mut shows_news = false;
        for item in &page.items {
            shows_news |= self.items.insert(self.hasher.hash_one(identity(item)));
        }
        self.repeated = if shows_news { 0 } else { self.repeated + 1 };
        let endless = if !self.cursors.insert(next.clone()) {
            format!("its pages form a circle: page {} leads back to an earlier one", self.pages)
        } else if self.repeated >= MOST_REPEATED_PAGES + self.parts {
            format!("its pages do not end: the last {} show nothing that earlier ones did not", self.repeated)
        } else if self.pages >= MOST_PAGES {
            format!("its pages do not end: {MOST_PAGES} have been read")
        } else {
            return Ok(Some(next.clone()));
        };
        let (provider, path) = (provider.to_owned(), page.origin.clone());
        Err(ProviderError::Unreadable { provider, path, reason: endless })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(items: &[u64], next: &str) -> Page<u64> {
        let next = (!next.is_empty()).then(|| Cursor(next.to_owned()));
        Page { items: items.to_vec(), rejects: Vec::new(), origin: "/news".into(), next }
    }

    /// How many pages are followed before the guard refuses, and its words.
    fn followed(pages: impl Iterator<Item = Page<u64>>) -> (usize, String) {
        let mut guard = PageGuard::default();
        for (count, page) in pages.enumerate() {
            match guard.next("wire", &page, |item| *item) {
                Ok(Some(_)) => {}
                Ok(None) => return (count, "end".into()),
                Err(error) => return (count, error.to_string()),
            }
        }
        panic!("the pages of the test end before the guard does")
    }

    #[test]
    fn a_circle_of_any_length_is_noticed_when_it_closes() {
        for length in [1usize, 2, 7, 500] {
            let pages = (0..).map(|number: u64| page(&[number], &(number as usize % length).to_string()));
            let (count, words) = followed(pages);
            assert_eq!(count, length, "{words}");
            assert!(words.contains("circle") && words.contains("/news"), "{words}");
        }
    }

    #[test]
    fn new_cursors_over_old_items_are_noticed() {
        let (count, words) = followed((0..).map(|number: u64| page(&[number.min(3)], &number.to_string())));
        assert_eq!(count, 3 + MOST_REPEATED_PAGES, "{words}");
        let (count, words) = followed((0..).map(|number: u64| page(&[number], &number.to_string())));
        assert_eq!(count, MOST_PAGES - 1, "{words}");
    }

    #[test]
    fn a_list_with_a_page_for_each_symbol_may_have_a_page_without_items_for_each() {
        let mut guard = PageGuard::of_symbols(300);
        for number in 0..299 + MOST_REPEATED_PAGES {
            assert!(guard.next("wire", &page(&[], &number.to_string()), |item| *item).is_ok(), "{number}");
        }
        assert!(guard.next("wire", &page(&[], "last"), |item| *item).is_err());
    }

    #[test]
    fn a_long_list_that_repeats_items_now_and_then_is_followed_to_its_end() {
        let last = 3 * MOST_REPEATED_PAGES as u64;
        let pages = (0..=last).map(|number| match number {
            number if number == last => page(&[number], ""),
            number => page(&[number / 3], &number.to_string()),
        });
        assert_eq!(followed(pages), (last as usize, "end".into()));
    }
}
