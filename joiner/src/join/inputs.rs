//! What the join takes in: the topics it reads, the events on them, and how far each has been read.

use std::ops::{Index, IndexMut};
use tapewire_core::{Bar, CorporateAction, Halt, Mention, Watermark};

/// The topics the join depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinTopic {
    /// Mentions and the watermarks of the news.
    Sentiment,
    /// Bars and the watermarks of the tape.
    Bars,
    /// Halts.
    Halts,
    /// Splits and dividends.
    Actions,
}

/// One value for each [`JoinTopic`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerTopic<T> {
    /// The value of [`JoinTopic::Sentiment`].
    pub sentiment: T,
    /// The value of [`JoinTopic::Bars`].
    pub bars: T,
    /// The value of [`JoinTopic::Halts`].
    pub halts: T,
    /// The value of [`JoinTopic::Actions`].
    pub actions: T,
}

impl PerTopic<JoinTopic> {
    /// Each topic in its own place.
    pub const TOPICS: Self = Self {
        sentiment: JoinTopic::Sentiment,
        bars: JoinTopic::Bars,
        halts: JoinTopic::Halts,
        actions: JoinTopic::Actions,
    };
}

impl<T> PerTopic<T> {
    /// Changes each value.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> PerTopic<U> {
        PerTopic {
            sentiment: change(self.sentiment),
            bars: change(self.bars),
            halts: change(self.halts),
            actions: change(self.actions),
        }
    }

    /// Pairs each value with the other's value for the same topic.
    pub fn zip<U>(self, other: PerTopic<U>) -> PerTopic<(T, U)> {
        PerTopic {
            sentiment: (self.sentiment, other.sentiment),
            bars: (self.bars, other.bars),
            halts: (self.halts, other.halts),
            actions: (self.actions, other.actions),
        }
    }

    /// References to the values.
    pub fn as_ref(&self) -> PerTopic<&T> {
        PerTopic { sentiment: &self.sentiment, bars: &self.bars, halts: &self.halts, actions: &self.actions }
    }
}

/// The values: sentiment, bars, halts, actions.
impl<T> IntoIterator for PerTopic<T> {
    type Item = T;
    type IntoIter = std::array::IntoIter<T, 4>;

    fn into_iter(self) -> Self::IntoIter {
        [self.sentiment, self.bars, self.halts, self.actions].into_iter()
    }
}

impl<T> Index<JoinTopic> for PerTopic<T> {
    type Output = T;

    fn index(&self, topic: JoinTopic) -> &T {
        match topic {
            JoinTopic::Sentiment => &self.sentiment,
            JoinTopic::Bars => &self.bars,
            JoinTopic::Halts => &self.halts,
            JoinTopic::Actions => &self.actions,
        }
    }
}

impl<T> IndexMut<JoinTopic> for PerTopic<T> {
    fn index_mut(&mut self, topic: JoinTopic) -> &mut T {
        match topic {
            JoinTopic::Sentiment => &mut self.sentiment,
            JoinTopic::Bars => &mut self.bars,
            JoinTopic::Halts => &mut self.halts,
            JoinTopic::Actions => &mut self.actions,
        }
    }
}

/// How far one topic of the partition has been committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// The committed offset: the next one to read if there were nothing to rebuild.
    pub next: u64,
    /// The checkpoint in the commit's metadata; empty if there was none.
    pub checkpoint: String,
}

/// One record, as the join takes it in. `offset` is the record's offset in its partition.
#[derive(Debug, Clone, PartialEq)]
pub enum JoinEvent {
    /// From topic `sentiment`.
    Mention {
        /// Offset in `sentiment`.
        offset: u64,
        /// One article about one company.
        mention: Mention,
    },
    /// From topic `sentiment`: one stream of the news is complete up to here.
    NewsWatermark {
        /// Offset in `sentiment`.
        offset: u64,
        /// The stream's watermark.
        watermark: Watermark,
    },
    /// From topic `bars`: a new or corrected bar of a symbol or of the benchmark.
    Bar {
        /// Offset in `bars`.
        offset: u64,
        /// A bar without [`Bar::fault`].
        bar: Bar,
    },
    /// From topic `bars`: one stream of the tape is complete up to here.
    TapeWatermark {
        /// Offset in `bars`.
        offset: u64,
        /// The stream's watermark.
        watermark: Watermark,
    },
    /// From topic `halts`. It has to be read before the rows it changes are evicted, see
    /// [`State::evict`](super::State::evict).
    Halt {
        /// Offset in `halts`.
        offset: u64,
        /// A stop or a resumption.
        halt: Halt,
    },
    /// From topic `actions`. It has to be read before the rows it changes are evicted, as a halt has.
    Action {
        /// Offset in `actions`.
        offset: u64,
        /// A split or a dividend without [`CorporateAction::fault`]; of the symbol or of the benchmark.
        action: CorporateAction,
    },
}

impl JoinEvent {
    /// Whether a stream ends with this event.
    pub(super) fn is_end_of_stream(&self) -> bool {
        match self {
            Self::NewsWatermark { watermark, .. } | Self::TapeWatermark { watermark, .. } => {
                watermark.is_end_of_stream()
            }
            Self::Mention { .. } | Self::Bar { .. } | Self::Halt { .. } | Self::Action { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_finds_its_own_value() {
        let mut values = PerTopic::TOPICS.zip(PerTopic { sentiment: 1, bars: 2, halts: 3, actions: 4 });
        for topic in PerTopic::TOPICS {
            assert_eq!(values[topic].0, topic);
            values[topic].1 *= 10;
        }
        let values = values.map(|(_, value)| value);
        assert_eq!(values, PerTopic { sentiment: 10, bars: 20, halts: 30, actions: 40 });
        assert_eq!(Vec::from_iter(values), [10, 20, 30, 40]);
    }
}
