//! The phones that are asked about.

use std::path::Path;

use super::args::CheckArgs;
use crate::check::inventory::{self, Entry, Inventory};
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::{cannot_open, read_up_to, shown};
use crate::report::check::Columns;

/// The inventory that `--phones` or `--device` gives; none without them.
///
/// # Errors
/// It cannot be opened, or is none.
pub(super) fn inventory(args: &CheckArgs) -> Result<Option<Inventory>, Failure> {
    match &args.phones {
        Some(path) => read(path).map(Some),
        None if args.device.is_empty() => Ok(None),
        None => {
            let named = |device: &str| Entry {
                model: args.model.clone(),
                ..Entry::named(device)
            };
            Ok(Some(Inventory {
                entries: args.device.iter().map(|d| named(&d.0)).collect(),
                ..Inventory::default()
            }))
        }
    }
}

fn read(path: &Path) -> Result<Inventory, Failure> {
    let limit = inventory::MAX_BYTES as u64 + 1;
    let bytes = read_up_to(path, limit).map_err(|e| cannot_open(path, &e))?;
    let read = inventory::read(&shown(path), &bytes);
    let read = read.map_err(|text| Failure::new(ExitCode::Usage, text))?;
    if read.entries.is_empty() {
        let mut text = format!("{}: no row names a phone", shown(path));
        for problem in &read.problems {
            text.push('\n');
            text.push_str(problem);
        }
        return Err(Failure::new(ExitCode::Usage, text));
    }
    Ok(read)
}

/// Says of what the answer is silent: rows that are no phones.
pub(super) fn left_out(inventory: &Inventory) -> Option<String> {
    let first = inventory.problems.first()?;
    let more = match inventory.problems.len() - 1 {
        0 => String::new(),
        n => format!("; so it is with {n} more"),
    };
    Some(format!("nothing here is about this row: {first}{more}"))
}

/// Phones of an inventory whose files are asked for: all, or `most` of them, evenly spread.
pub(super) fn sample(entries: &[Entry], most: usize) -> Vec<String> {
    let all = entries.len();
    let taken = all.min(most);
    (0..taken)
        .map(|n| entries[n * all / taken].device.clone())
        .collect()
}

/// Columns of an inventory that a check does not use.
pub(super) fn columns(inventory: Option<Inventory>) -> Columns {
    let Some(inventory) = inventory else {
        return Columns::default();
    };
    let of_device = |e: Entry| (e.device, e.extra);
    Columns {
        names: inventory.extra,
        of: inventory.entries.into_iter().map(of_device).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_evenly() {
        let entries: Vec<_> = (0..10).map(|n| Entry::named(&n.to_string())).collect();
        assert_eq!(sample(&entries, 3), ["0", "3", "6"]);
        assert_eq!(sample(&entries, 10).len(), 10);
        assert_eq!(sample(&entries, 50).len(), 10);
        assert!(sample(&entries, 0).is_empty() && sample(&[], 5).is_empty());
    }
}
