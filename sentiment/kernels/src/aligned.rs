//! Memory for packed operands.

#![allow(unsafe_code, reason = "a cache line is declared to be plain data")]

use bytemuck::{Pod, Zeroable};

/// 32-bit words in a cache line.
pub(super) const WORDS_PER_LINE: usize = 16;

/// A vector load that straddles two cache lines costs twice as much, so memory is allocated in whole lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; WORDS_PER_LINE]);

// SAFETY: the words fill all 64 bytes, and every bit pattern is a valid word, zero included.
unsafe impl Zeroable for Line {}
// SAFETY: as above, and the type is `Copy`, `repr(C)` and without padding.
unsafe impl Pod for Line {}

/// A buffer of 32-bit words that begins on a cache line. It grows on demand and holds elements of any width.
#[derive(Default)]
pub struct AlignedBuf {
    lines: Vec<Line>,
}

impl AlignedBuf {
    /// `count` words of zeros.
    pub fn zeroed(count: usize) -> Self {
        Self { lines: vec![Line::zeroed(); count.div_ceil(WORDS_PER_LINE)] }
    }

    /// All words, in whole cache lines.
    #[inline]
    pub fn as_slice(&self) -> &[u32] {
        bytemuck::cast_slice(&self.lines)
    }

    /// The first `count` words, growing the buffer if needed. Words that were never written are 0.
    #[inline]
    pub fn words_mut(&mut self, count: usize) -> &mut [u32] {
        if self.lines.len() * WORDS_PER_LINE < count {
            self.lines.resize(count.div_ceil(WORDS_PER_LINE), Line::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..count]
    }

    /// [`AlignedBuf::words_mut`] as floats.
    #[inline]
    pub fn floats_mut(&mut self, count: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut(count))
    }
}
