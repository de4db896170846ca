//! A comparison for readers: a table in Markdown, and bars in SVG.

use std::fmt::Write as _;

use super::{Comparison, Ways, fastest};

/// Returns the table, with the machine below it.
pub(super) fn table(compared: &Comparison) -> String {
    let mut res = "| seconds of the fastest round (slowest) | image-all | of it between docker's commands | bare docker commands | sequence |\n\
                   | --- | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for (row, what, ways) in compared.rows() {
        let cell = |it: &Vec<f64>| {
            let slowest = it.iter().copied().max_by(f64::total_cmp).unwrap_or_default();
            format!("{:.1} ({slowest:.1})", fastest(it))
        };
        let [tool, bare, sequence] = of_ways(ways).map(cell);
        let beside = compared.between(row).map_or("-".to_owned(), |it| format!("{:.1}", it.0));
        let _ = writeln!(res, "| {what} | {tool} | {beside} | {bare} | {sequence} |");
    }
    let _ = writeln!(res, "\n{}", compared.machine.join("; "));
    res
}

const WAYS: [(&str, &str); 3] =
    [("image-all", "#1f6f8b"), ("bare docker commands", "#99a8b2"), ("sequence", "#e6a157")];
const LEFT: f64 = 320.0;
const WIDTH: f64 = 420.0;
const BAR: f64 = 16.0;
const GAP: f64 = 14.0;

/// Returns bars of the fastest rounds, a group for each row, on one scale.
pub(super) fn plot(compared: &Comparison) -> String {
    let longest = compared
        .rows()
        .flat_map(|it| of_ways(it.2))
        .map(|it| fastest(it))
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut bars = String::new();
    let mut top = GAP;
    for (_, what, ways) in compared.rows() {
        let _ = writeln!(bars, "<text x='8' y='{:.0}'>{what}</text>", top + BAR - 4.0);
        for ((_, colour), seconds) in WAYS.iter().zip(of_ways(ways).map(|it| fastest(it))) {
            let (width, text) = (WIDTH * seconds / longest, top + BAR - 4.0);
            let _ = writeln!(
                bars,
                "<rect x='{LEFT}' y='{top:.0}' width='{width:.1}' height='{:.0}' fill='{colour}'/>\
                 <text x='{:.1}' y='{text:.0}'>{seconds:.1} s</text>",
                BAR - 2.0,
                LEFT + width + 6.0
            );
            top += BAR;
        }
        top += GAP;
    }
    for (number, (way, colour)) in (0_u8..).zip(WAYS) {
        let left = 8.0 + 190.0 * f64::from(number);
        let _ = writeln!(
            bars,
            "<rect x='{left}' y='{top:.0}' width='12' height='12' fill='{colour}'/>\
             <text x='{}' y='{:.0}'>{way}</text>",
            left + 18.0,
            top + 10.0
        );
    }
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{:.0}' height='{:.0}' \
         font-family='sans-serif' font-size='12'>\n\
         <rect width='100%' height='100%' fill='white'/>\n{bars}</svg>\n",
        LEFT + WIDTH + 80.0,
        top + BAR + GAP
    )
}

fn of_ways(ways: &Ways) -> [&Vec<f64>; 3] {
    [&ways.image_all, &ways.bare, &ways.sequence]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn compared() -> Comparison {
        let ways =
            Ways { image_all: vec![3.0, 1.0, 2.0], bare: vec![2.5, 2.0], sequence: vec![4.0] };
        Comparison {
            machine: vec!["2 cores".to_owned(), "docker 20.10".to_owned()],
            seconds: BTreeMap::from([("cold".to_owned(), ways)]),
            own: BTreeMap::from([("cold".to_owned(), vec![0.1, 0.2, 0.1])]),
            changing: BTreeMap::from([("cold".to_owned(), vec![2.6, 0.7, 1.5])]),
        }
    }

    #[test]
    fn the_table_has_the_fastest_and_the_machine() {
        let table = table(&compared());
        assert!(table.contains(
            "| image-all from nothing but the base | 1.0 (3.0) | 0.3 | 2.0 (2.5) | 4.0 (4.0) |\n"
        ));
        let (beside, changing) = compared().between("cold").unwrap();
        assert!((beside - 0.3).abs() < 1e-9 && (changing - 0.7).abs() < 1e-9);
        assert!(table.ends_with("\n\n2 cores; docker 20.10\n"), "{table}");
    }

    #[test]
    fn the_longest_bar_fills_the_width() {
        let plot = plot(&compared());
        assert!(plot.contains("width='420.0' height='14' fill='#e6a157'"), "{plot}");
        assert!(plot.contains("width='105.0' height='14' fill='#1f6f8b'"), "{plot}");
        assert_eq!(plot.matches("</text>").count(), 1 + 3 + 3);
    }
}
