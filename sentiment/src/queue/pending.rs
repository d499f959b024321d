//! Windows that wait for the engine, and the choice of those that form the next batch.

use std::collections::VecDeque;

/// An item that waits to be computed.
pub trait Queued {
    /// Its length in tokens.
    fn tokens(&self) -> usize;
    /// Whether nobody waits for the answer any longer.
    fn is_abandoned(&self) -> bool;
}

/// Waiting items, in the order of their arrival.
#[derive(Debug)]
pub struct PendingQueue<T> {
    items: VecDeque<T>,
}

impl<T> Default for PendingQueue<T> {
    fn default() -> Self {
        Self { items: VecDeque::new() }
    }
}

impl<T: Queued> PendingQueue<T> {
    /// Appends items.
    pub fn extend(&mut self, items: impl IntoIterator<Item = T>) {
        self.items.extend(items);
    }

    /// Whether no item waits.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Removes and returns the next batch: the oldest item, of any length, and the shortest other items that fit within
    /// `budget` tokens. Abandoned items are dropped.
    ///
    /// The shortest items go first so that headlines do not wait for the windows of a report. The oldest item is always
    /// included, so no item waits for more batches than there were items before it.
    pub fn next_batch(&mut self, budget: usize) -> Vec<T> {
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

    impl Queued for Item {
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
        fn every_live_item_is_taken_once_and_the_oldest_is_in_the_next_batch(lengths in prop::collection::vec((1usize..600, prop::bool::weighted(0.1)), 0..60), budget in 1usize..2000) {
            let all = items(&lengths);
            let mut pending = PendingQueue::default();
            pending.extend(all.clone());
            let mut left: Vec<Item> = all.into_iter().filter(|item| !item.abandoned).collect();
            while !left.is_empty() {
                let batch = pending.next_batch(budget);
                prop_assert_eq!(&batch[0], &left[0]);
                let total: usize = batch.iter().map(|item| item.tokens).sum();
                prop_assert!(total <= budget || batch.len() == 1);
                prop_assert!(batch.iter().all(|item| left.contains(item)));
                left.retain(|item| !batch.contains(item));
                let longest = batch[1..].iter().map(|item| item.tokens).max().unwrap_or(0);
                let shortest = left.iter().map(|item| item.tokens).min().unwrap_or(usize::MAX);
                prop_assert!(longest <= shortest && total.saturating_add(shortest) > budget);
            }
            prop_assert!(pending.next_batch(budget).is_empty() && pending.is_empty());
        }
    }

    #[test]
    fn headlines_overtake_a_report_but_only_once() {
        let mut pending = PendingQueue::default();
        pending.extend(items(&[(20, false), (500, false), (500, false), (30, false), (30, false)]));
        let numbers = |batch: Vec<Item>| batch.iter().map(|item| item.number).collect::<Vec<_>>();
        assert_eq!(numbers(pending.next_batch(100)), [0, 3, 4]);
        assert_eq!(numbers(pending.next_batch(100)), [1]);
        assert_eq!(numbers(pending.next_batch(100)), [2]);
    }
}
