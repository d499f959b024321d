//! Memory for packed operands.

#![allow(unsafe_code, reason = "a cache line is declared to be plain data")]

use bytemuck::{Pod, Zeroable};

/// Words of a cache line.
pub(super) const LINE: usize = 16;

/// Vector loads that straddle cache lines cost double, so memory comes in whole lines.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u32; LINE]);

// SAFETY: the words fill all 64 bytes; every bit pattern is one of them, zeros included.
unsafe impl Zeroable for Line {}
// SAFETY: as above, and the type is `Copy`, `repr(C)` and without padding.
unsafe impl Pod for Line {}

/// 32-bit words that begin on a cache line; numbers of any width are laid into them.
#[derive(Default)]
pub struct Words {
    lines: Vec<Line>,
}

impl Words {
    /// `count` zeros.
    pub fn zeroed(count: usize) -> Self {
        Self { lines: vec![Line::zeroed(); count.div_ceil(LINE)] }
    }

    /// All words, in whole cache lines.
    #[inline]
    pub fn as_slice(&self) -> &[u32] {
        bytemuck::cast_slice(&self.lines)
    }

    /// The first `count` words. Words never written are 0.
    #[inline]
    pub fn room(&mut self, count: usize) -> &mut [u32] {
        if self.lines.len() * LINE < count {
            self.lines.resize(count.div_ceil(LINE), Line::zeroed());
        }
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..count]
    }

    /// The first `count` words as floats.
    #[inline]
    pub fn floats(&mut self, count: usize) -> &mut [f32] {
        bytemuck::cast_slice_mut(self.room(count))
    }
}
