//! A matrix that is written to, and whose columns threads can share.

#![allow(unsafe_code, reason = "columns of the same rows go to several threads, which slices can't say")]

use std::marker::PhantomData;
use std::ops::Range;

/// Some columns of rows that lie one behind the other in memory.
pub struct MatrixMut<'a> {
    /// Of each row, `stride` floats behind the one before, the first `columns` floats from here on are borrowed for
    /// `'a`: they are within one slice, do not overlap, and nothing else refers to them.
    start: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is as good as a `&mut [f32]`, which is `Send`.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// A row of so many columns every `stride` floats. Floats at the end that are too few for one belong to none.
    ///
    /// # Panics
    /// If rows would overlap.
    #[inline]
    pub fn new(floats: &'a mut [f32], stride: usize, columns: usize) -> Self {
        assert!((1..=stride).contains(&columns), "rows of a matrix that overlap");
        let rows = (floats.len() + stride - columns) / stride;
        Self { start: floats.as_mut_ptr(), rows, columns, stride, borrowed: PhantomData }
    }

    /// How many rows it has.
    #[inline]
    pub fn height(&self) -> usize {
        self.rows
    }

    /// These rows.
    ///
    /// # Panics
    /// If there are not as many.
    #[inline]
    pub fn rows(&mut self, rows: Range<usize>) -> MatrixMut<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows of a matrix");
        // Not `add`: where these are no rows, it may be behind the slice.
        let start = self.start.wrapping_add(rows.start * self.stride);
        MatrixMut { start, rows: rows.len(), ..*self }
    }

    /// These columns.
    ///
    /// # Panics
    /// If there are not as many.
    #[inline]
    pub fn columns(&mut self, columns: Range<usize>) -> MatrixMut<'_> {
        assert!(columns.start <= columns.end && columns.end <= self.columns, "columns of a matrix");
        MatrixMut { start: self.start.wrapping_add(columns.start), columns: columns.len(), ..*self }
    }

    /// Its columns in at most so many parts, as equal as can be, each of whole units of so many columns.
    /// With each part, which units it is made of.
    ///
    /// # Panics
    /// If the columns are no whole units.
    pub fn divided(self, parts: usize, unit: usize) -> Vec<(Range<usize>, Self)> {
        assert!(self.columns.is_multiple_of(unit), "columns of a matrix in whole units");
        let units = self.columns / unit;
        let parts = parts.clamp(1, units);
        let part = |part: usize| {
            let of_part = part * units / parts..(part + 1) * units / parts;
            // Parts have no column in common, and `self` is gone.
            let start = self.start.wrapping_add(of_part.start * unit);
            (of_part.clone(), Self { start, columns: of_part.len() * unit, ..self })
        };
        (0..parts).map(part).collect()
    }

    /// Tells the processor that all of it will soon be written, so that it is in the first-level cache by then.
    pub fn expect_writes(&self) {
        #[cfg(target_arch = "x86_64")]
        for row in 0..self.rows {
            use super::words::LINE;
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let row = self.start.wrapping_add(row * self.stride);
            for line in (0..self.columns).step_by(LINE) {
                // SAFETY: a hint, which reads and writes nothing.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(row.wrapping_add(line).cast()) }
            }
        }
    }

    /// Its rows, from first to last.
    pub fn into_rows(self) -> impl Iterator<Item = &'a mut [f32]> {
        (0..self.rows).map(move |row| {
            // SAFETY: the floats are borrowed for `'a` by `self` alone, which is gone; rows don't overlap, and each
            // comes once.
            unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every part writes its own columns of its own rows, on threads of their own.
        #[test]
        fn each_float_belongs_to_one_part(
            rows in 0usize..6, units in 1usize..7, unit in 1usize..5, beyond in 0usize..5, parts in 1usize..9, missing in 0usize..5,
        ) {
            let (columns, stride) = (units * unit, units * unit + beyond);
            // The last row may be without what lies beyond its columns.
            let mut floats = vec![-1.0; (rows * stride).saturating_sub(missing.min(beyond))];
            let matrix = MatrixMut::new(&mut floats, stride, columns);
            prop_assert_eq!(matrix.height(), rows);
            let divided = matrix.divided(parts, unit);
            let sizes: Vec<usize> = divided.iter().map(|(units, _)| units.len()).collect();
            prop_assert!(sizes.len() == parts.min(units) && sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            std::thread::scope(|scope| {
                for (units, mut part) in divided {
                    scope.spawn(move || {
                        for row in 0..rows {
                            for (at, column) in (units.start * unit..units.end * unit).enumerate() {
                                for float in part.rows(row..row + 1).columns(at..at + 1).into_rows().flatten() {
                                    *float += 1.0 + (row * columns + column) as f32;
                                }
                            }
                        }
                    });
                }
            });
            for (at, float) in floats.iter().enumerate() {
                let (row, column) = (at / stride, at % stride);
                prop_assert_eq!(*float, if column < columns { (row * columns + column) as f32 } else { -1.0 });
            }
        }
    }

    #[test]
    #[should_panic(expected = "columns of a matrix")]
    fn columns_that_are_not_there_are_refused() {
        MatrixMut::new(&mut [0.0; 6], 3, 2).columns(1..3);
    }

    #[test]
    #[should_panic(expected = "rows of a matrix")]
    fn rows_that_are_not_there_are_refused() {
        MatrixMut::new(&mut [0.0; 6], 3, 2).rows(1..3);
    }
}
