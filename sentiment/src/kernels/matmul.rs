//! Matrix product in single precision.

#![allow(unsafe_code, reason = "the gemm crate's interface is pointers; the views here check every bound")]

/// A view of `rows` x `columns` numbers in a slice, `row_stride` and `column_stride` apart.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

/// As [`Matrix`], writable; columns are adjacent.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
}

/// Whether the last number of a view lies within its slice.
fn fits(len: usize, rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> bool {
    rows == 0 || columns == 0 || (rows - 1) * row_stride + (columns - 1) * column_stride < len
}

impl<'a> Matrix<'a> {
    /// `rows` rows of `columns` adjacent numbers, the rows `row_stride` apart.
    ///
    /// # Panics
    /// If the view does not lie within `data`.
    pub fn new(data: &'a [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(fits(data.len(), rows, columns, row_stride, 1), "matrix view outside its data");
        Self { data, rows, columns, row_stride, column_stride: 1 }
    }

    /// The same numbers with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

impl<'a> MatrixMut<'a> {
    /// `rows` rows of `columns` adjacent numbers, the rows `row_stride` apart.
    ///
    /// # Panics
    /// If the view does not lie within `data`, or rows overlap.
    pub fn new(data: &'a mut [f32], rows: usize, columns: usize, row_stride: usize) -> Self {
        assert!(row_stride >= columns, "rows of a writable matrix overlap");
        assert!(fits(data.len(), rows, columns, row_stride, 1), "matrix view outside its data");
        Self { data, rows, columns, row_stride }
    }
}

/// `out = scale * (a x b)`; what was in `out` is overwritten.
///
/// Runs on the calling thread alone. With two or more rows in `a`, a row of `out` depends on
/// its row of `a` and on `b`, bit for bit, and not on the number of rows: the product is summed
/// in blocks whose length follows from the shape of `b`. One single row takes another path
/// inside gemm and may differ in the last bit, so callers that promise equality pad to two.
///
/// # Panics
/// If the shapes don't match.
pub fn multiply(a: Matrix<'_>, b: Matrix<'_>, scale: f32, out: &mut MatrixMut<'_>) {
    assert!(a.columns == b.rows && out.rows == a.rows && out.columns == b.columns, "shapes of a matrix product");
    let stride = |stride: usize| isize::try_from(stride).expect("a slice is smaller than isize::MAX");
    // SAFETY: gemm reads the elements (i, j) of `a` and `b` and writes those of `out`, at
    // `pointer + i * row_stride + j * column_stride` for i < rows and j < columns. The
    // constructors of the views assert that the largest such offset lies within the slice,
    // strides are not negative, the slices are borrowed for the call, and `out` is borrowed
    // exclusively. `read_dst` is false, so `out` is written only.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.data.as_mut_ptr(),
            1,
            stride(out.row_stride),
            false,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            0.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(n: usize, seed: u64) -> Vec<f32> {
        (0..n as u64)
            .map(|i| ((i.wrapping_mul(0x9e37_79b9).wrapping_add(seed * 77)) % 2001) as f32 / 1000.0 - 1.0)
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn is_the_textbook_product(m in 1usize..9, k in 1usize..40, n in 1usize..40, gap in 0usize..3, flip: bool, seed in 0u64..99) {
            let (a, b) = (numbers(m * (k + gap), seed), numbers(k * n + gap, seed + 1));
            let mut out = vec![f32::NAN; m * (n + gap)];
            let view = if flip { Matrix::new(&b, n, k, k).transposed() } else { Matrix::new(&b, k, n, n) };
            multiply(Matrix::new(&a, m, k, k + gap), view, 0.5, &mut MatrixMut::new(&mut out, m, n, n + gap));
            for i in 0..m {
                for j in 0..n {
                    let at = |l: usize| if flip { b[j * k + l] } else { b[l * n + j] };
                    let exact: f64 = (0..k).map(|l| f64::from(a[i * (k + gap) + l]) * f64::from(at(l))).sum::<f64>() / 2.0;
                    prop_assert!((f64::from(out[i * (n + gap) + j]) - exact).abs() < 1e-5);
                }
                prop_assert!((n..n + gap).all(|j| i + 1 == m || out[i * (n + gap) + j].is_nan()), "wrote between the rows");
            }
        }

        /// Widths and depths of BERT's layers, so that gemm's own blocking comes into play.
        #[test]
        fn a_row_does_not_depend_on_the_rows_around_it(m in 2usize..150, row in 0usize..150, shape in 0usize..3) {
            let (k, n) = [(768, 130), (1536, 384), (384, 1152)][shape];
            let row = row % m;
            let (a, b) = (numbers(m * k, 3), numbers(k * n, 4));
            let mut all = vec![0.0; m * n];
            multiply(Matrix::new(&a, m, k, k), Matrix::new(&b, k, n, n), 1.0, &mut MatrixMut::new(&mut all, m, n, n));
            let first = row.min(m - 2);
            let mut pair = vec![0.0; 2 * n];
            multiply(Matrix::new(&a[first * k..], 2, k, k), Matrix::new(&b, k, n, n), 1.0, &mut MatrixMut::new(&mut pair, 2, n, n));
            prop_assert_eq!(&all[first * n..(first + 2) * n], &pair[..]);
        }
    }

    #[test]
    #[should_panic(expected = "outside its data")]
    fn a_view_outside_its_data_is_refused() {
        Matrix::new(&[0.0; 11], 3, 4, 4);
    }
}
