//! Grouping texts that are computed together.

/// Tokens of a chunk: enough that matrix products run at full speed, few enough that its activations stay in the cache.
const CHUNK_TOKENS: usize = 512;

/// Chunks are not made smaller than this just to keep all threads busy.
const MIN_CHUNK_TOKENS: usize = 96;

/// Divides texts, given by their lengths in tokens, into chunks with about the same number of tokens.
///
/// Texts of similar length are grouped and the longest come first, so that threads which process chunks in order finish
/// at about the same time. A text longer than a chunk gets a chunk of its own.
pub fn chunks(lengths: &[usize], threads: usize) -> Vec<Vec<usize>> {
    let total: usize = lengths.iter().sum();
    let budget = total.div_ceil(threads.max(1)).clamp(MIN_CHUNK_TOKENS, CHUNK_TOKENS);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&text| std::cmp::Reverse(lengths[text]));
    let mut chunks: Vec<Vec<usize>> = Vec::new();
    let mut room = 0;
    for text in order {
        match chunks.last_mut() {
            Some(chunk) if lengths[text] <= room => {
                room -= lengths[text];
                chunk.push(text);
            }
            _ => {
                room = budget.saturating_sub(lengths[text]);
                chunks.push(vec![text]);
            }
        }
    }
    chunks
}

/// Divides texts into batches of one length each, of at most `budget` tokens, but at least one text. The longest come
/// first, so that threads which process batches in order finish at about the same time.
///
/// A text of one token is alone in its batch: candle computes a product of one row by another routine than one of several
/// rows, and the last bits differ.
pub fn equal_batches(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&text| std::cmp::Reverse(lengths[text]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for text in order {
        let length = lengths[text];
        match batches.last_mut() {
            Some(batch) if length > 1 && lengths[batch[0]] == length && (batch.len() + 1) * length <= budget => {
                batch.push(text);
            }
            _ => batches.push(vec![text]),
        }
    }
    batches
}

/// In tokens: beyond it, the scores of attention, which grow with the square of the length, need the most memory.
const LONG_TOKENS: usize = 512;

/// Divides texts into batches of similar length. Padded to its longest text, a batch has at most `budget` tokens, fewer
/// if that text is long; but at least one text.
pub fn padded_batches(lengths: &[usize], budget: usize) -> Vec<Vec<usize>> {
    let cost = |length: usize| length * length.max(LONG_TOKENS) / LONG_TOKENS;
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&text| std::cmp::Reverse(lengths[text]));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for text in order {
        match batches.last_mut() {
            Some(batch) if (batch.len() + 1) * cost(lengths[batch[0]]) <= budget => batch.push(text),
            _ => batches.push(vec![text]),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_is_in_one_chunk_within_the_budget(lengths in prop::collection::vec(1usize..600, 0..80), threads in 0usize..5) {
            let chunks = chunks(&lengths, threads);
            let mut seen: Vec<usize> = chunks.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for chunk in &chunks {
                let tokens: usize = chunk.iter().map(|&text| lengths[text]).sum();
                prop_assert!(tokens <= CHUNK_TOKENS || chunk.len() == 1);
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_padded_batch_within_the_budget(lengths in prop::collection::vec(1usize..600, 0..80)) {
            let batches = padded_batches(&lengths, 1000);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                let longest = batch.iter().map(|&text| lengths[text]).max().unwrap_or(0);
                prop_assert!(batch.len() * longest <= 1000 || batch.len() == 1);
                prop_assert!(batch.len() * longest * longest <= 1000 * (LONG_TOKENS + 1) || batch.len() == 1);
            }
        }
    }

    proptest! {
        #[test]
        fn every_text_is_in_one_batch_of_its_length(lengths in prop::collection::vec(1usize..9, 0..80)) {
            let batches = equal_batches(&lengths, 20);
            let mut seen: Vec<usize> = batches.concat();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
            for batch in &batches {
                prop_assert!(batch.iter().all(|&text| lengths[text] == lengths[batch[0]]));
                prop_assert!(batch.len() == 1 || batch.len() * lengths[batch[0]] <= 20 && lengths[batch[0]] > 1);
            }
            let longest_first = batches.is_sorted_by_key(|batch| std::cmp::Reverse(lengths[batch[0]]));
            prop_assert!(longest_first);
        }
    }

    #[test]
    fn a_small_batch_still_uses_every_thread() {
        assert_eq!(chunks(&[20; 20], 2).len(), 2);
        assert_eq!(chunks(&[20; 4], 2).len(), 1);
    }
}
