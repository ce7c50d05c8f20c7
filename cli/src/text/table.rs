//! Tables: columns as wide as their widest cell.

use crate::text::columns::{pad, width};
use crate::text::paint::{Colour, Paint};

/// Lines of a table, the head first; every line is ended.
pub(crate) fn lines<const N: usize>(head: &[&str; N], rows: &[[String; N]], paint: Paint) -> Vec<String> {
    let mut widths = head.map(width);
    for row in rows {
        for (width_max, cell) in widths.iter_mut().zip(row) {
            *width_max = (*width_max).max(width(cell));
        }
    }
    let line = |cells: &[String; N]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| pad(cell, width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = paint.on(Colour::Dim, &line(&head.map(str::to_owned)));
    std::iter::once(head).chain(rows.iter().map(line)).map(|line| format!("{line}\n")).collect()
}
