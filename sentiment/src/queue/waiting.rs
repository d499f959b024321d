//! What waits for the engine, and what of it goes together.

use std::collections::VecDeque;

/// Something that waits to be computed.
pub trait Waits {
    /// Its length in tokens.
    fn tokens(&self) -> usize;
    /// Whether nobody wants the answer any more.
    fn is_abandoned(&self) -> bool;
}

/// What waits, in the order in which it came.
#[derive(Debug)]
pub struct Waiting<T> {
    items: VecDeque<T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { items: VecDeque::new() }
    }
}

impl<T: Waits> Waiting<T> {
    /// Adds what has come.
    pub fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes out the next batch: the oldest, however long it is, and beside it the shortest that
    /// fit within `budget` tokens. Abandoned items are dropped.
    ///
    /// The shortest first, so that headlines do not wait for the windows of a report; the oldest
    /// always, so that nothing waits for more batches than there were items before it.
    pub fn take(&mut self, budget: usize) -> Vec<T> {
        self.items.retain(|item| !item.is_abandoned());
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by_key(|&at| (at > 0, self.items[at].tokens()));
        let mut total = 0;
        let fits = |&&at: &&usize| {
            total += self.items[at].tokens();
            at == 0 || total <= budget
        };
        let mut chosen = vec![false; order.len()];
        order.iter().take_while(fits).for_each(|&at| chosen[at] = true);
        let (batch, rest): (Vec<_>, Vec<_>) = self.items.drain(..).zip(chosen).partition(|(_, chosen)| *chosen);
        self.items.extend(rest.into_iter().map(|(item, _)| item));
        batch.into_iter().map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Item {
        number: usize,
        tokens: usize,
        abandoned: bool,
    }

    impl Waits for Item {
        fn tokens(&self) -> usize {
            self.tokens
        }

        fn is_abandoned(&self) -> bool {
            self.abandoned
        }
    }

    fn items(lengths: &[(usize, bool)]) -> Vec<Item> {
        let item = |(number, &(tokens, abandoned))| Item { number, tokens, abandoned };
        lengths.iter().enumerate().map(item).collect()
    }

    proptest! {
        #[test]
        fn everything_wanted_goes_once_and_the_oldest_goes_next(lengths in prop::collection::vec((1usize..600, prop::bool::weighted(0.1)), 0..60), budget in 1usize..2000) {
            let all = items(&lengths);
            let mut waiting = Waiting::default();
            waiting.extend(all.clone());
            let mut left: Vec<Item> = all.into_iter().filter(|item| !item.abandoned).collect();
            while !left.is_empty() {
                let batch = waiting.take(budget);
                prop_assert_eq!(&batch[0], &left[0]);
                let total: usize = batch.iter().map(|item| item.tokens).sum();
                prop_assert!(total <= budget || batch.len() == 1);
                prop_assert!(batch.iter().all(|item| left.contains(item)));
                left.retain(|item| !batch.contains(item));
                let longest = batch[1..].iter().map(|item| item.tokens).max().unwrap_or(0);
                let shortest = left.iter().map(|item| item.tokens).min().unwrap_or(usize::MAX);
                prop_assert!(longest <= shortest && total.saturating_add(shortest) > budget);
            }
            prop_assert!(waiting.take(budget).is_empty() && waiting.is_empty());
        }
    }

    #[test]
    fn headlines_pass_a_report_but_the_report_is_not_passed_twice() {
        let mut waiting = Waiting::default();
        waiting.extend(items(&[(20, false), (500, false), (500, false), (30, false), (30, false)]));
        let numbers = |batch: Vec<Item>| batch.iter().map(|item| item.number).collect::<Vec<_>>();
        assert_eq!(numbers(waiting.take(100)), [0, 3, 4]);
        assert_eq!(numbers(waiting.take(100)), [1]);
        assert_eq!(numbers(waiting.take(100)), [2]);
    }
}
