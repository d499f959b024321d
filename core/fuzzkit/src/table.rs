//! CSV with changes that keep most of it.

use crate::Dice;

/// Cells that readers tend to take for something else.
const ODD: [&str; 58] = [
    "",
    " ",
    "-",
    "NaN",
    "inf",
    "null",
    "N/A",
    "0",
    "-0",
    "-1",
    "1e999",
    "1e-400",
    "5e-324",
    "1,918",
    "1,918.5",
    "1.918,5",
    "12.300",
    "12,300",
    "$7",
    "US$ 7",
    "7 USD",
    "1 918",
    "1'918",
    "0x10",
    "1_000",
    "٣",
    "9223372036854775808",
    "0.1000000000000000055511151231257827",
    "1748872800",
    "1748872800000",
    "1748872800.5",
    "1.7488728e9",
    "20250602",
    "20250602T1400",
    "2025-06-02",
    "2025-06-02 14:00",
    "2025-06-02T14:00:00Z",
    "2025-06-02T14:00:00-04:00",
    "2025-06-02T14:00:00.123456789Z",
    "2025-02-30",
    "2025-11-02 01:30",
    "2025-03-09 02:30",
    "05/06/2025",
    "13/06/2025",
    "Jun 2, 2025",
    "Mon, 02 Jun 2025 14:00:00 GMT",
    "0001-01-01",
    "9999-12-31",
    "AAPL",
    "brk-b",
    "BCpC",
    "A B",
    "AAPL,MSFT",
    "['AAPL', 'MSFT']",
    "[\"AAPL\"]",
    "split",
    "dividend",
    "USD",
];

/// A copy of one of `seeds` with up to four cells or rows changed. A row of a seed is a line, and its cells are
/// separated by `,`. One copy in eight then has a few bytes damaged, after which it may no longer be CSV.
pub fn file(dice: &mut Dice<'_>, seeds: &[&str]) -> Vec<u8> {
    let seed = dice.of(seeds);
    let mut rows: Vec<Vec<String>> = seed.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    for _ in 0..dice.below(5) {
        change(dice, &mut rows);
    }
    let end = if dice.once_in(16) { "\r\n" } else { "\n" };
    let mut text: String = rows.iter().map(|row| format!("{}{end}", row.join(","))).collect();
    if dice.once_in(16) {
        text.truncate(text.len() - end.len());
    }
    let mut text = text.into_bytes();
    if dice.once_in(8) {
        dice.damage(&mut text);
    }
    text
}

fn change(dice: &mut Dice<'_>, rows: &mut Vec<Vec<String>>) {
    let at = dice.below(rows.len());
    let cell = dice.below(rows[at].len());
    let other = dice.below(rows.len());
    match dice.below(10) {
        0..=3 => rows[at][cell] = quoted(dice.of(&ODD)),
        4 => rows[at][cell] = quoted(&dice.text()),
        5 => rows[at][cell] = number(dice),
        6 => {
            let copy = rows[other].get(cell).cloned();
            rows[at][cell] = copy.unwrap_or_default();
        }
        7 => rows.insert(at, rows[other].clone()),
        8 if rows[at].len() > 1 => drop(rows[at].remove(cell)),
        _ => rows.swap(at, other),
    }
}

/// A number as programs write it.
fn number(dice: &mut Dice<'_>) -> String {
    match dice.below(4) {
        0 => (dice.bits() as i64).to_string(),
        1 => format!("{}.{}", dice.below(1000), dice.bits() >> dice.below(64)),
        2 => format!("{}e{}", dice.below(100), dice.below(700) as i64 - 350),
        _ => format!("{:?}", f64::from_bits(dice.bits())),
    }
}

fn quoted(cell: &str) -> String {
    match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}
