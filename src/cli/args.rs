//! The arguments of every command.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use super::exit_code;
use crate::phone::profile::PROFILES;
use crate::report::text::did_you_mean;
use crate::time::UnixSeconds;
use crate::trust::rules::{self, RULES, Rule, Settings};

/// Examples stand first: they are what a reader looks for.
pub(super) const TEMPLATE: &str = "\
{about-with-newline}
{before-help}{usage-heading} {usage}

{all-args}{after-help}";

const EXAMPLES: &str = "\
Examples:
  trustline rehearse scenarios/non-secure-migration.toml
  trustline check --from tftp://10.0.0.5 --to tftp://10.1.0.5 --phones inventory.csv
  trustline inspect ITLSEP001122334455.tlv --trust old/ITLFile.tlv
  trustline rules trust.wrong_role";

const REHEARSE_EXAMPLES: &str = "\
Examples:
  trustline rehearse scenarios/non-secure-migration.toml
  trustline rehearse scenarios/ --junit report.xml
  trustline rehearse scenarios/ --filter rollback --repeat 20
  trustline rehearse --explore 1000 --failures found/
  trustline rehearse move.toml --set tvs.restart_needed=yes --keep /tmp/move";

const INSPECT_EXAMPLES: &str = "\
Examples:
  trustline inspect ITLFile.tlv
  trustline inspect ITLSEP001122334455.tlv --trust old/CTLFile.tlv old/ITLFile.tlv
  trustline inspect SEP001122334455.cnf.xml.sgn --trust ITLFile.tlv
  trustline inspect SEP001122334455.cnf.xml.enc.sgn --device-key lsc.pem
  trustline inspect CallManager.pem --format json
  trustline inspect consolidated_tftp.p12 --p12-password-file password.txt";

const DIFF_EXAMPLES: &str = "\
Examples:
  trustline diff old/ITLFile.tlv new/ITLFile.tlv
  trustline diff flash/ITLFile.tlv ITLSEP001122334455.tlv --format json";

const RULES_EXAMPLES: &str = "\
Examples:
  trustline rules
  trustline rules trust
  trustline rules list.max_bytes tvs.miss --format json";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  trustline completions bash > /etc/bash_completion.d/trustline
  trustline completions zsh > ~/.zfunc/_trustline";

const MAN_EXAMPLES: &str = "\
Examples:
  trustline man | man -l -
  trustline man inspect > trustline-inspect.1";

/// Worlds of one exploration: some weeks of work.
const MAX_WORLDS: u64 = 100_000_000;

/// The most seeds of one scenario: each leaves a case in the reports, and all are held until the end.
const MAX_REPEAT: i64 = 100_000;

/// The most scenarios at the same time.
const MAX_JOBS: i64 = 1_024;

/// Rehearses the move of Cisco IP phones between CUCM clusters: which phones will follow, which
/// will be stranded, and why.
#[derive(Debug, Parser)]
#[command(
    name = "trustline",
    version,
    arg_required_else_help = true,
    help_template = TEMPLATE,
    before_help = EXAMPLES,
    after_help = exit_code::HELP
)]
pub struct Args {
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenario files or folders and tell which phones follow
    #[command(help_template = TEMPLATE, before_help = REHEARSE_EXAMPLES, after_help = exit_code::HELP)]
    Rehearse(RehearseArgs),
    /// Show and verify a trust list, a signed file, a certificate or a .p12
    #[command(help_template = TEMPLATE, before_help = INSPECT_EXAMPLES, after_help = exit_code::HELP)]
    Inspect(InspectArgs),
    /// Say which phones will follow from one cluster to another, from files or live, and mend the rest
    #[command(help_template = TEMPLATE, before_help = super::check::args::EXAMPLES, after_help = super::check::args::after_help())]
    Check(super::check::args::CheckArgs),
    /// Compare two trust lists by what they mean: signers, certificates, roles
    #[command(help_template = TEMPLATE, before_help = DIFF_EXAMPLES, after_help = exit_code::HELP)]
    Diff(DiffArgs),
    /// Leave the clusters of a scenario running, for real phones and other tools
    #[command(help_template = TEMPLATE, before_help = super::serve::args::EXAMPLES, after_help = super::serve::args::after_help())]
    Serve(super::serve::args::ServeArgs),
    /// Exchange certificates between clusters: export, consolidate, import, over an SFTP server
    #[command(help_template = TEMPLATE, before_help = super::bulk::args::EXAMPLES, after_help = exit_code::HELP)]
    Bulk(super::bulk::args::BulkArgs),
    /// Be one phone against real servers, with its flash in a folder
    #[command(help_template = TEMPLATE, before_help = super::phone::args::EXAMPLES, after_help = exit_code::HELP)]
    Phone(super::phone::args::PhoneArgs),
    /// Multiplatform phones: HTTPS provisioning, its server and its certificate authority
    #[command(help_template = TEMPLATE, before_help = super::provision::EXAMPLES, after_help = exit_code::HELP)]
    Provision(super::provision::ProvisionArgs),
    /// List every rule that a decision depends on, with choices, source and basis
    #[command(help_template = TEMPLATE, before_help = RULES_EXAMPLES, after_help = exit_code::HELP)]
    Rules(RulesArgs),
    /// Print a completion script for a shell
    #[command(help_template = TEMPLATE, before_help = COMPLETIONS_EXAMPLES, after_help = exit_code::HELP)]
    Completions(CompletionsArgs),
    /// Print a manual page
    #[command(help_template = TEMPLATE, before_help = MAN_EXAMPLES, after_help = exit_code::HELP)]
    Man(ManArgs),
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people; the text may change from version to version
    Human,
    /// One JSON document with a schema_version
    Json,
}

/// How fast the phones' own waiting goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// The phones' own waiting is left out
    Fast,
    /// As on a real phone
    Real,
}

/// What a rehearsal runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Network {
    /// Real sockets on loopback
    Loopback,
    /// The deterministic world in virtual time
    Sim,
}

/// What `inspect` takes a file for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FileKind {
    /// A certificate trust list
    Ctl,
    /// An identity trust list
    Itl,
    /// A signed file, encrypted or not
    Sgn,
    /// A certificate, PEM or DER
    Certificate,
    /// A file of bulk certificate management, PKCS#12
    Pkcs12,
}

/// Arguments of `rehearse`.
#[derive(Debug, ClapArgs)]
pub struct RehearseArgs {
    /// Scenario files, or folders of them
    #[arg(required_unless_present = "explore", value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Run N worlds that chance makes, from the number of --seed on (else from 1), and hold each
    /// against the laws of every run and a model of who migrates
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=MAX_WORLDS),
        conflicts_with_all = ["paths", "filter", "repeat", "set", "pace", "keep", "junit", "network", "verbose"]
    )]
    pub explore: Option<u64>,
    /// Make failing worlds as small as they can be, and write each as a scenario into this folder
    // clap waives what is required of an argument that conflicts with one that is there.
    #[arg(
        long,
        value_name = "DIR",
        requires = "explore",
        conflicts_with = "paths"
    )]
    pub failures: Option<PathBuf>,
    /// Switch a check off in every phone, to see that the laws of every run find it
    #[cfg(feature = "planted-defects")]
    #[arg(long, value_name = "DEFECT", value_parser = parse_defect)]
    pub plant: Option<crate::trust::planted::Defect>,
    /// Only scenarios with this text in their path or name
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Seed of all chance; wins over the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Run each scenario under N seeds, counting up from its own or from --seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=MAX_REPEAT))]
    pub repeat: u32,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// How fast the phones' own waiting goes by on loopback
    #[arg(long, value_enum, default_value_t = Pace::Fast)]
    pub pace: Pace,
    /// Leave every served file, each phone's flash before and after, and the events in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Write a report for CI as JUnit XML as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// What to run on [default: loopback for one run, sim for several]
    #[arg(long, value_enum)]
    pub network: Option<Network>,
    /// Scenarios at the same time [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MAX_JOBS))]
    pub jobs: Option<u16>,
    /// Print every event
    #[arg(long, short)]
    pub verbose: bool,
}

/// Arguments of `inspect`.
#[derive(Debug, ClapArgs)]
pub struct InspectArgs {
    /// Files to look at: .tlv, .sgn, .enc.sgn, .pem, .der, .p12. Each is judged by itself, a signed
    /// one as if a phone had asked for it by this name
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Lists that a phone holds: a CTL, an ITL or both. Says whether that phone would take each
    /// FILE, and why
    #[arg(long, value_name = "INSTALLED", num_args = 1..=2)]
    pub trust: Vec<PathBuf>,
    /// What the files are, where name and content do not tell
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub kind: Option<FileKind>,
    /// Private key of the phone's LSC or MIC, in PEM: opens encrypted files
    #[arg(long, value_name = "FILE")]
    pub device_key: Option<PathBuf>,
    /// A file with the password of .p12 files [default: that of bulk.password, then none]
    #[arg(long, value_name = "FILE")]
    pub p12_password_file: Option<PathBuf>,
    /// The phone's firmware family
    #[arg(long, value_name = "FAMILY", default_value = "8800", value_parser = profile_names())]
    pub profile: String,
    /// The phone's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Arguments of `diff`.
#[derive(Debug, ClapArgs)]
pub struct DiffArgs {
    /// The list that a phone holds, or the older one
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// The list that a server gives, or the newer one
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Arguments of `rules`.
#[derive(Debug, ClapArgs)]
pub struct RulesArgs {
    /// Rules or areas to list, such as trust.wrong_role or tvs [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Values of this firmware family
    #[arg(long, value_name = "FAMILY", value_parser = profile_names())]
    pub profile: Option<String>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Arguments of `completions`.
#[derive(Debug, ClapArgs)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Debug, ClapArgs)]
pub struct ManArgs {
    /// The command to print the page of [default: trustline itself]
    pub command: Option<String>,
}

/// One `--set`.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The rule.
    pub rule: &'static Rule,
    /// Its value.
    pub value: i64,
}

impl Setting {
    /// Applies settings in order; a later one wins.
    pub fn apply_all(all: &[Self], settings: &mut Settings) {
        for s in all {
            settings.choose(s.rule, s.value);
        }
    }
}

pub(super) fn parse_setting(text: &str) -> Result<Setting, String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err("expected AREA.NAME=VALUE, such as trust.wrong_role=refuse".into());
    };
    let Some(rule) = rules::find(name) else {
        let hint = did_you_mean(name, RULES.iter().map(|r| r.name));
        return Err(format!(
            "no rule {name} (`trustline rules` lists them){hint}"
        ));
    };
    let value = rule
        .parse(value)
        .map_err(|expected| format!("{value} is no value of {name}, expected {expected}"))?;
    Ok(Setting { rule, value })
}

#[cfg(feature = "planted-defects")]
fn parse_defect(text: &str) -> Result<crate::trust::planted::Defect, String> {
    use crate::trust::planted::Defect;

    let names = Defect::ALL.map(Defect::name).join(", ");
    Defect::named(text).ok_or_else(|| format!("expected one of {names}"))
}

pub(super) fn parse_date(text: &str) -> Result<UnixSeconds, String> {
    text.parse::<der::DateTime>()
        .map(|date| date.unix_duration().as_secs())
        .map_err(|_| "expected a date in UTC such as 2026-03-01T09:00:00Z".into())
}

pub(super) fn profile_names() -> PossibleValuesParser {
    PossibleValuesParser::new(PROFILES.iter().map(|p| p.name))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn settings_are_read_and_wrong_ones_explained() {
        let s = parse_setting("trust.wrong_role=refuse").unwrap();
        assert_eq!((s.rule.name, s.value), ("trust.wrong_role", 1));
        for (text, expected) in [
            ("trust.wrong_role", "expected AREA.NAME=VALUE"),
            ("trust.wrong_rol=refuse", "did you mean trust.wrong_role?"),
            ("trust.wrong_role=maybe", "expected one of ask-tvs, refuse"),
            ("list.max_bytes=7", "expected a number of bytes from"),
        ] {
            let error = parse_setting(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn dates_are_seconds() {
        assert_eq!(parse_date("2026-01-15T12:00:00Z"), Ok(1_768_478_400));
        assert!(parse_date("15.1.2026").is_err());
    }
}
