//! The arguments of `check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::inputs::{Input, TvsPlace};
use crate::check::load::Rates;
use crate::cli::args::{Format, Setting, parse_date, parse_setting};
use crate::cli::exit_code;
use crate::cli::phone::args::{Device, parse_device, parse_model};
use crate::time::UnixSeconds;

/// Examples of `check`.
pub const EXAMPLES: &str = "\
Examples:
  trustline check --from old/ --to new/ --phones inventory.csv
  trustline check --from tftp://10.0.0.5,tftp://10.0.0.6 --to tftp://10.1.0.5 \\
    --device SEP001122334455
  trustline check --from tftp://10.0.0.5,old-stores/ --to http://10.1.0.5:6970 \\
    --phones inventory.csv --csv work.csv --runbook move.md --record looked-at/
  trustline check --from tftp://10.0.0.5 --to tftp://10.1.0.5 --dry-run
  trustline check --from scenarios/non-secure-migration.toml#source \\
    --to scenarios/non-secure-migration.toml#destination";

const WHAT: &str = "\
Nothing is changed on either side. A live node is asked for its lists and for configurations of
phones over TFTP, HTTP and HTTPS; its TVS is asked, as a phone would, one question for each signer of
the other side; CallManager's port is opened and closed. What could not be read makes a fate unknown,
never good.

Here 0 says that all phones follow, 1 that some are stranded or register untrusted, 3 that a side
could not be read or a fate is not known: the table is printed all the same.";

/// What stands below the help.
pub(crate) fn after_help() -> String {
    format!("{WHAT}\n\n{}", exit_code::HELP)
}

/// The longest that a user may wait for one server.
const MOST_SECONDS: f64 = 600.0;
/// The fastest rate, in requests a second.
const FASTEST: f64 = 10_000.0;

/// Arguments of `check`.
#[derive(Debug, ClapArgs)]
pub struct CheckArgs {
    /// The cluster that the phones are in: folders of its files, live nodes (tftp://HOST or
    /// http://HOST, with :PORT if it is another), or a scenario's cluster (FILE.toml#CLUSTER);
    /// several, with commas or given again, are one side
    #[arg(long, value_name = "WHERE", value_delimiter = ',', required = true)]
    pub from: Vec<Input>,
    /// The cluster that they are to follow to, in the same way
    #[arg(long, value_name = "WHERE", value_delimiter = ',', required = true)]
    pub to: Vec<Input>,
    /// The inventory, CSV: device,model,ctl_sha1,itl_sha1,callmanager_group,has_lsc; all but the
    /// first may be missing, and other columns stay for the work list. Without it, one phone that
    /// holds the lists of --from
    #[arg(long, value_name = "FILE")]
    pub phones: Option<PathBuf>,
    /// A phone, in place of an inventory; may be given again [default: the first that --from has in
    /// the list of its cached files]
    #[arg(long, value_name = "MAC", value_parser = parse_device, conflicts_with = "phones")]
    pub device: Vec<Device>,
    /// The model of the phones of --device, and what phones are taken for of which an inventory says
    /// none [default: CP-8861, and a fate says that this is assumed]
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: Option<String>,
    /// Where the TVS of --from are, over what configurations say: with NAME the server that they call
    /// so, else the first of them that has no other
    #[arg(long, value_name = "[NAME=]HOST[:PORT]", value_delimiter = ',')]
    pub tvs: Vec<TvsPlace>,
    /// A certificate to show to TVS that asks for one, as a phone shows its LSC, PEM or DER
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// The private key of it, PEM
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
    /// The servers that option 150 will name, in order: nodes of --to or addresses [default: the live
    /// nodes of --to, then those that serve files]
    #[arg(long, value_name = "NODE", value_delimiter = ',')]
    pub option_150: Vec<String>,
    /// The password of .p12 files, in a file
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Change a rule of the phones; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// How often the phones are reset, at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    pub resets: u8,
    /// The phones' clock, such as 2026-03-01T09:00:00Z [default: now; a scenario's own date]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
    /// Steps of a scenario to take before it is looked at [default: those before the first that
    /// moves phones]
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Print what would be asked of live nodes, and ask nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Seconds that a server has for one answer
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_seconds)]
    pub timeout: Duration,
    /// Requests a second to one node, at most
    #[arg(long, value_name = "N", default_value = "5", value_parser = parse_rate)]
    pub rate: f64,
    /// Phones whose files are asked for, at most: evenly out of the inventory
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub sample: usize,
    /// The line that `trustline serve` prints when it is ready, in a file: where the lab's ports
    /// really are. tftp://NODE may then name a node
    #[arg(long, value_name = "FILE")]
    pub lab: Option<PathBuf>,
    /// Leave all that was looked at in this folder, to check it again without the clusters:
    /// --from DIR/from --to DIR/to
    #[arg(long, value_name = "DIR")]
    pub record: Option<PathBuf>,
    /// Write a work list of the phones as well, CSV
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
    /// Write the ordered steps of the move as well, Markdown
    #[arg(long, value_name = "FILE")]
    pub runbook: Option<PathBuf>,
    /// What a node can do, for the batches: tftp=N or tvs=N answers a second, restart=N seconds that
    /// a phone is away; may be given for each
    #[arg(long, value_name = "NAME=N", value_parser = parse_rate_of)]
    pub rate_of: Vec<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(secs) if secs > 0.0 && secs <= MOST_SECONDS => Ok(Duration::from_secs_f64(secs)),
        _ => Err(format!(
            "expected seconds, more than 0 and at most {MOST_SECONDS}"
        )),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= FASTEST => Ok(rate),
        _ => Err(format!(
            "expected requests a second, more than 0 and at most {FASTEST}"
        )),
    }
}

/// It is checked here, and taken when all are known.
fn parse_rate_of(text: &str) -> Result<String, String> {
    Rates::default().state(text)?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_have_bounds() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_rate("0.2"), Ok(0.2));
        for text in ["0", "-1", "nan", "inf", "1e9", "five", ""] {
            assert!(parse_seconds(text).is_err(), "{text}");
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
