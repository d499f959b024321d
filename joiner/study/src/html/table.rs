//! The table of horizons.

use super::escaped;
use crate::estimate::{Estimate, ValueOrReason};
use crate::findings::HorizonFindings;
use crate::text::{basis_points, p_value};
use std::fmt::Write as _;

/// The table of horizons. A permutation p that can't be at most `level` has the smallest that is possible beside it.
pub(crate) fn horizons(horizons: &[HorizonFindings], level: f64) -> String {
    let mut table =
        "<div class=\"wide\"><table><thead><tr><th>horizon</th><th>n</th><th>days</th><th>rank IC</th><th>t</th>\
         <th>adjusted p</th><th>adjusted permutation p</th><th>after positive</th><th>after neutral</th><th>after negative</th>\
         <th>hit rate</th><th>spread</th></tr></thead><tbody>\n"
            .to_owned();
    for horizon in horizons {
        let _ = write!(table, "<tr><td>{}</td><td>{}</td><td>{}</td>", horizon.horizon, horizon.n, horizon.days);
        if let ValueOrReason::NotKnown(reason) = &horizon.rank_ic {
            let _ = writeln!(table, "<td colspan=\"9\" class=\"few\">{}</td></tr>", escaped(reason));
            continue;
        }
        let ic = horizon.rank_ic.value();
        let permutation = horizon.permutation.value().and_then(|permutation| {
            let smallest = permutation.can_not_reach(level);
            let limit =
                smallest.map_or_else(String::new, |p| format!("<br><span class=\"few\">at least {p:.3}</span>"));
            Some(p_value(permutation.p_adjusted?) + &limit)
        });
        let cells = [
            ic.map(|ic| format!("{:+.3}<br>({:+.3}<br>to {:+.3})", ic.estimate, ic.low, ic.high)),
            ic.and_then(|ic| ic.t).map(|t| format!("{t:+.2}")),
            ic.and_then(|ic| ic.p_adjusted).map(p_value),
            permutation,
            mean(&horizon.positive),
            mean(&horizon.neutral),
            mean(&horizon.negative),
            horizon.hit_rate.value().map(|rate| with_p(format!("{:.1} %", rate.estimate * 100.0), rate)),
            mean(&horizon.spread),
        ];
        let reasons = [
            None,
            None,
            None,
            horizon.permutation.reason(),
            horizon.positive.reason(),
            horizon.neutral.reason(),
            horizon.negative.reason(),
            horizon.hit_rate.reason(),
            horizon.spread.reason(),
        ];
        for (cell, reason) in cells.into_iter().zip(reasons) {
            let reason = reason.filter(|reason| !reason.starts_with("not enough data")).unwrap_or("not enough data");
            let cell = cell.unwrap_or_else(|| format!("<span class=\"few\">{}</span>", escaped(reason)));
            let _ = write!(table, "<td>{cell}</td>");
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody></table></div>\n");
    table
}

fn mean(mean: &ValueOrReason<Estimate>) -> Option<String> {
    mean.value().map(|mean| with_p(basis_points(mean.estimate), mean))
}

fn with_p(value: String, estimate: &Estimate) -> String {
    let p = estimate.p_adjusted.map_or_else(String::new, |p| format!("<br>adjusted p {}", p_value(p)));
    let t = estimate.t.map_or_else(String::new, |t| format!("<br>t {t:+.2}"));
    format!("{value}{t}<br>n = {}{p}", estimate.n)
}
