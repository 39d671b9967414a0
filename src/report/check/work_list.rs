//! The work list: one line a phone, as CSV (RFC 4180), for a spreadsheet.

use std::collections::BTreeMap;

use super::{needs_visit, order, rests_on};
use crate::check::answer::{Answer, Group};

/// Columns of the inventory that the check did not use, kept for the work list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    /// Their names, in order.
    pub names: Vec<String>,
    /// What a device has in them, in the same order.
    pub of: BTreeMap<String, Vec<String>>,
}

/// One line a phone: device, verdict, reason, fix, whether somebody must go there, then the extra
/// columns, and at the end what the verdict rests on. Phones that do not follow come first.
pub fn work_list(answer: &Answer, extra: &Columns) -> String {
    let mut rows = Rows::default();
    let head = ["device", "verdict", "reason", "fix", "visit_by_hand"];
    let names = extra.names.iter().map(String::as_str);
    rows.push(head.into_iter().chain(names).chain(["rests_on"]));
    for group in &answer.groups {
        let (reason, fix) = (reason(group), fix(group));
        let visit = if needs_visit(group) { "yes" } else { "no" };
        let rests_on = group.rests_on.as_ref().map_or_else(String::new, rests_on);
        for device in &group.phones {
            let own = extra.of.get(device).map_or(&[][..], Vec::as_slice);
            let cells = (0..extra.names.len()).map(|n| own.get(n).map_or("", String::as_str));
            let fixed = [device.as_str(), group.fate.text(), &reason, &fix, visit];
            rows.push(fixed.into_iter().chain(cells).chain([rests_on.as_str()]));
        }
    }
    rows.text()
}

fn reason(group: &Group) -> String {
    match (&group.missing, group.reasons.last()) {
        (Some(missing), _) => format!("not known: {missing}"),
        (None, Some(reason)) => format!("{}: {}", reason.code, reason.text),
        (None, None) => String::new(),
    }
}

fn fix(group: &Group) -> String {
    let Some(fix) = &group.fix else {
        return String::new();
    };
    let orders: Vec<_> = fix.actions.iter().map(order).collect();
    let text = match orders.is_empty() {
        true => fix.text.clone(),
        false => orders.join("; "),
    };
    if fix.proven {
        text
    } else {
        format!("{text} (not proven)")
    }
}

/// Lines of CSV in memory, where writing cannot fail.
struct Rows(csv::Writer<Vec<u8>>);

impl Default for Rows {
    fn default() -> Self {
        let mut builder = csv::WriterBuilder::new();
        Self(builder.flexible(true).from_writer(Vec::new()))
    }
}

impl Rows {
    fn push<'c>(&mut self, cells: impl IntoIterator<Item = &'c str>) {
        let cells = cells.into_iter().map(harmless);
        let _ = self.0.write_record(cells);
    }

    fn text(self) -> String {
        let bytes = self.0.into_inner().unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// A spreadsheet takes a cell that begins with one of these for a formula, and would run it.
fn harmless(cell: &str) -> String {
    let is_formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '\n');
    // Some programs skip blanks first.
    match cell.trim_start_matches(' ').starts_with(is_formula) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed_and_cells_quoted() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"] {
            assert_eq!(harmless(cell), format!("'{cell}"), "{cell:?}");
        }
        assert_eq!(harmless("SEP001122334401"), "SEP001122334401");
        assert_eq!(harmless("4-1"), "4-1");
        let mut rows = Rows::default();
        rows.push(["a", "b,c", "say \"no\"", "x\ny", "=cmd|' /C calc'!A0"]);
        let text = rows.text();
        assert_eq!(
            text,
            "a,\"b,c\",\"say \"\"no\"\"\",\"x\ny\",'=cmd|' /C calc'!A0\n"
        );
    }
}
