//! A mutable view of a matrix whose columns can be divided between threads.

#![allow(unsafe_code, reason = "several threads write columns of the same rows, which slices can't express")]

use std::marker::PhantomData;
use std::ops::Range;

/// Some columns of the rows of a matrix in row-major order.
pub struct MatrixMut<'a> {
    /// The first row begins here and each further one `stride` floats after the one before. The first `columns` floats
    /// of each row are borrowed for `'a`: they lie within one slice, do not overlap, and nothing else refers to them.
    start: *mut f32,
    rows: usize,
    columns: usize,
    stride: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: it is equivalent to `&mut [f32]`, which is `Send`.
unsafe impl Send for MatrixMut<'_> {}

impl<'a> MatrixMut<'a> {
    /// Rows of `columns` floats, `stride` floats apart. Floats at the end that are too few for a row are left out.
    ///
    /// # Panics
    /// If rows would overlap.
    #[inline]
    pub fn new(floats: &'a mut [f32], stride: usize, columns: usize) -> Self {
        assert!((1..=stride).contains(&columns), "the rows of a matrix overlap");
        let rows = (floats.len() + stride - columns) / stride;
        Self { start: floats.as_mut_ptr(), rows, columns, stride, borrowed: PhantomData }
    }

    /// Number of rows.
    #[inline]
    pub fn row_count(&self) -> usize {
        self.rows
    }

    /// A view of these rows.
    ///
    /// # Panics
    /// If the matrix does not have them.
    #[inline]
    pub fn rows(&mut self, rows: Range<usize>) -> MatrixMut<'_> {
        assert!(rows.start <= rows.end && rows.end <= self.rows, "rows of a matrix out of range");
        // Not `add`: an empty range may begin after the end of the slice.
        let start = self.start.wrapping_add(rows.start * self.stride);
        MatrixMut { start, rows: rows.len(), ..*self }
    }

    /// A view of these columns.
    ///
    /// # Panics
    /// If the matrix does not have them.
    #[inline]
    pub fn columns(&mut self, columns: Range<usize>) -> MatrixMut<'_> {
        assert!(columns.start <= columns.end && columns.end <= self.columns, "columns of a matrix out of range");
        MatrixMut { start: self.start.wrapping_add(columns.start), columns: columns.len(), ..*self }
    }

    /// Splits the columns into at most `parts` parts of nearly equal size, each a multiple of `unit` columns. Returns
    /// each part with the range of units that it covers.
    ///
    /// # Panics
    /// If the number of columns is not a multiple of `unit`.
    pub fn split_columns(self, parts: usize, unit: usize) -> Vec<(Range<usize>, Self)> {
        assert!(self.columns.is_multiple_of(unit), "columns of a matrix that do not fill whole units");
        let units = self.columns / unit;
        let parts = parts.clamp(1, units);
        let part = |part: usize| {
            let of_part = part * units / parts..(part + 1) * units / parts;
            // Parts have no column in common, and `self` is consumed.
            let start = self.start.wrapping_add(of_part.start * unit);
            (of_part.clone(), Self { start, columns: of_part.len() * unit, ..self })
        };
        (0..parts).map(part).collect()
    }

    /// Prefetches all of it into the first-level cache for writing.
    pub fn prefetch_for_write(&self) {
        #[cfg(target_arch = "x86_64")]
        for row in 0..self.rows {
            use super::aligned::WORDS_PER_LINE;
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            let row = self.start.wrapping_add(row * self.stride);
            for line in (0..self.columns).step_by(WORDS_PER_LINE) {
                // SAFETY: a hint, which reads and writes nothing.
                unsafe { _mm_prefetch::<_MM_HINT_ET0>(row.wrapping_add(line).cast()) }
            }
        }
    }

    /// The rows, from first to last.
    pub fn into_rows(self) -> impl Iterator<Item = &'a mut [f32]> {
        (0..self.rows).map(move |row| {
            // SAFETY: only `self`, which is consumed, borrows the floats for `'a`; rows don't overlap, and each is
            // returned once.
            unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.columns) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Every part writes its own columns, on a thread of its own.
        #[test]
        fn each_float_belongs_to_one_part(
            rows in 0usize..6, units in 1usize..7, unit in 1usize..5, beyond in 0usize..5, parts in 1usize..9, missing in 0usize..5,
        ) {
            let (columns, stride) = (units * unit, units * unit + beyond);
            // The last row may lack the floats after its columns.
            let mut floats = vec![-1.0; (rows * stride).saturating_sub(missing.min(beyond))];
            let matrix = MatrixMut::new(&mut floats, stride, columns);
            prop_assert_eq!(matrix.row_count(), rows);
            let divided = matrix.split_columns(parts, unit);
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
