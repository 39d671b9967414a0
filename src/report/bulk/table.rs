//! Columns.

/// Rows in columns that are as wide as they need to be, two blanks apart; the columns of `right` end
/// where the others begin.
pub(super) fn table<const N: usize>(rows: &[[String; N]], right: &[usize]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            line.push_str("  ");
            let gap = " ".repeat(width - cell.chars().count());
            let (before, after) = if right.contains(&column) {
                (gap.as_str(), "")
            } else {
                ("", gap.as_str())
            };
            line.push_str(before);
            line.push_str(cell);
            line.push_str(after);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["file", "bytes", "x"], ["a\u{e4}", "12345678", "y"]];
        let rows = rows.map(|row| row.map(str::to_owned));
        assert_eq!(
            table(&rows, &[1]),
            "  file     bytes  x\n  a\u{e4}    12345678  y\n"
        );
        assert_eq!(table::<2>(&[], &[]), "");
    }
}
