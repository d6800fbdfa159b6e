//! Ridge regression from sums: Cholesky on a small symmetric matrix.

use super::columns::{COLUMNS, Coefficients, GRAM};

/// Solves `(gram + penalty × I) × w = moments` for both outputs; `None` when the matrix is not positive definite.
pub fn ridge(
    gram: &[f64; GRAM],
    penalty: f64,
    moments: &[[f64; COLUMNS]; 2],
) -> Option<Coefficients> {
    // The lower factor, row by row.
    let mut factor = [[0.0; COLUMNS]; COLUMNS];
    let mut start = 0;
    for column in 0..COLUMNS {
        for row in column..COLUMNS {
            // Upper triangle by rows: the entry of (column, row).
            let entry = gram[start + row - column];
            let known: f64 = (0..column)
                .map(|k| factor[row][k] * factor[column][k])
                .sum();
            if row == column {
                let pivot = entry + penalty - known;
                if !pivot.is_finite() || pivot <= 0.0 {
                    return None;
                }
                factor[row][column] = pivot.sqrt();
            } else {
                factor[row][column] = (entry - known) / factor[column][column];
            }
        }
        start += COLUMNS - column;
    }
    Some(moments.map(|moments| {
        let mut solution = moments;
        for row in 0..COLUMNS {
            let known: f64 = (0..row).map(|k| factor[row][k] * solution[k]).sum();
            solution[row] = (solution[row] - known) / factor[row][row];
        }
        for row in (0..COLUMNS).rev() {
            let known: f64 = (row + 1..COLUMNS)
                .map(|k| factor[k][row] * solution[k])
                .sum();
            solution[row] = (solution[row] - known) / factor[row][row];
        }
        solution
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_solution_solves_and_what_has_none_is_refused() {
        // gram = row × row for three rows; the penalty makes it definite.
        let rows = [2.0, -1.0, 0.5].map(|scale| {
            let mut row = [0.0; COLUMNS];
            for (column, value) in row.iter_mut().enumerate() {
                *value = scale * ((column * 7 % 5) as f64 - 2.0) + (column % 3) as f64;
            }
            row
        });
        let mut gram = [0.0; GRAM];
        for row in &rows {
            let mut entries = gram.iter_mut();
            for column in 0..COLUMNS {
                for (right, entry) in row[column..].iter().zip(&mut entries) {
                    *entry += row[column] * right;
                }
            }
        }
        let moments = [rows[0], rows[1]];
        let solution = ridge(&gram, 0.7, &moments).unwrap();
        for (output, wanted) in moments.iter().enumerate() {
            for (index, wanted) in wanted.iter().enumerate() {
                let product: f64 = rows
                    .iter()
                    .map(|row| {
                        let dot: f64 = row
                            .iter()
                            .zip(&solution[output])
                            .map(|(left, right)| left * right)
                            .sum();
                        dot * row[index]
                    })
                    .sum();
                let got = product + 0.7 * solution[output][index];
                assert!((got - wanted).abs() < 1e-9, "{got} {wanted}");
            }
        }
        assert!(ridge(&[-1.0; GRAM], 0.5, &moments).is_none());
        assert!(ridge(&[f64::NAN; GRAM], 0.5, &moments).is_none());
    }
}
