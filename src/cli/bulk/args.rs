//! The arguments of `bulk`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::server::Server;
use crate::cli::args::{Format, Setting, TEMPLATE, parse_date, parse_setting};
use crate::cli::exit_code;
use crate::cluster::release::BulkType;
use crate::time::UnixSeconds;

/// Examples of `bulk`.
pub const EXAMPLES: &str = "\
Examples, the whole exchange of two emulated clusters:
  trustline bulk init scenarios/non-secure-migration.toml /tmp/move
  trustline bulk export /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw
  trustline bulk export /tmp/move --cluster destination --server sftp://bulk@10.0.0.5/bulk --password-file pw
  trustline bulk consolidate /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw
  trustline bulk import /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw
  trustline bulk import /tmp/move --cluster destination --server sftp://bulk@10.0.0.5/bulk --password-file pw";

const INIT_EXAMPLES: &str = "\
Examples:
  trustline bulk init scenarios/non-secure-migration.toml /tmp/move";

const LIST_EXAMPLES: &str = "\
Examples:
  trustline bulk list /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw
  TRUSTLINE_SFTP_PASSWORD=... trustline bulk list /tmp/move --cluster source --server sftp://bulk@10.0.0.5:2222/~/exchange";

const EXPORT_EXAMPLES: &str = "\
Examples:
  trustline bulk export /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw
  trustline bulk export /tmp/move --cluster source --type TFTP --server sftp://bulk@10.0.0.5/bulk --identity id_rsa";

const CONSOLIDATE_EXAMPLES: &str = "\
Examples:
  trustline bulk consolidate /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw";

const IMPORT_EXAMPLES: &str = "\
Examples:
  trustline bulk import /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw
  trustline bulk import /tmp/move --cluster source --server sftp://bulk@10.0.0.5/bulk --password-file pw --format json";

const SHOW_EXAMPLES: &str = "\
Examples:
  trustline bulk show consolidated_tftp.p12
  trustline bulk show *.p12 --p12-password-file password.txt --format json";

/// Arguments of `bulk`.
#[derive(Debug, ClapArgs)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct BulkArgs {
    /// What to do
    #[command(subcommand)]
    pub command: BulkCommand,
}

/// The commands of `bulk`.
#[derive(Debug, Subcommand)]
pub enum BulkCommand {
    /// Make the clusters of a scenario, as they are before its first step, in a folder
    #[command(help_template = TEMPLATE, before_help = INIT_EXAMPLES, after_help = exit_code::HELP)]
    Init(InitArgs),
    /// Show what the directory holds, as the publisher's page would
    #[command(help_template = TEMPLATE, before_help = LIST_EXAMPLES, after_help = exit_code::HELP)]
    List(PageArgs),
    /// Write a cluster's certificates into the directory
    #[command(help_template = TEMPLATE, before_help = EXPORT_EXAMPLES, after_help = exit_code::HELP)]
    Export(ActionArgs),
    /// Make one file of all clusters' certificates
    #[command(help_template = TEMPLATE, before_help = CONSOLIDATE_EXAMPLES, after_help = exit_code::HELP)]
    Consolidate(ActionArgs),
    /// Take the consolidated certificates into a cluster's trust stores, all or none
    #[command(help_template = TEMPLATE, before_help = IMPORT_EXAMPLES, after_help = exit_code::HELP)]
    Import(ImportArgs),
    /// Show .p12 files: their certificates, and the stores that an import would put them into
    #[command(help_template = TEMPLATE, before_help = SHOW_EXAMPLES, after_help = exit_code::HELP)]
    Show(ShowArgs),
}

/// Arguments of `bulk init`.
#[derive(Debug, ClapArgs)]
pub struct InitArgs {
    /// The scenario file whose clusters are made
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// The folder to write: a new or an empty one
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
}

/// Which algorithms of SSH are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SshOffer {
    /// What a present client offers
    Modern,
    /// What a CUCM 12.5(1)SU5 offers: a server that it could not use fails here too
    Cucm,
}

/// Whose page it is, and which server it works with.
#[derive(Debug, ClapArgs)]
pub struct PageArgs {
    /// The folder of a world, as `bulk init` or `rehearse --keep` leaves it
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The cluster whose page it is
    #[arg(long, value_name = "ID")]
    pub cluster: String,
    /// The node on which the page is opened [default: the publisher]
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// The SFTP server and the directory on it, as the server names it; /~/DIRECTORY lies in the
    /// user's home. Without a port: 22
    #[arg(long, value_name = "sftp://USER@HOST[:PORT]/DIRECTORY")]
    pub server: Server,
    /// The user's private key, in PEM without a pass phrase
    #[arg(long, value_name = "FILE", conflicts_with = "password_file")]
    pub identity: Option<PathBuf>,
    /// A file with the user's password [default: the environment's TRUSTLINE_SFTP_PASSWORD]
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The server's host key: its fingerprint, or its line of a .pub file [default: that of the
    /// first connection from this folder]
    #[arg(long, value_name = "SHA256:...")]
    pub host_key: Option<String>,
    /// Which algorithms of SSH are offered
    #[arg(long, value_enum, default_value_t = SshOffer::Modern)]
    pub offer: SshOffer,
    /// A file with the password of the .p12 files [default: that of bulk.password]
    #[arg(long, value_name = "FILE")]
    pub p12_password_file: Option<PathBuf>,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Arguments of `bulk export` and `bulk consolidate`.
#[derive(Debug, ClapArgs)]
pub struct ActionArgs {
    /// The certificate type, as the page offers it
    #[arg(
        long = "type",
        value_name = "TYPE",
        default_value = "All",
        ignore_case = true,
        value_parser = bulk_types()
    )]
    pub bulk_type: BulkType,
    /// The page.
    #[command(flatten)]
    pub page: PageArgs,
}

/// Arguments of `bulk import`.
#[derive(Debug, ClapArgs)]
pub struct ImportArgs {
    /// The page and the type.
    #[command(flatten)]
    pub action: ActionArgs,
    /// The clock by which certificates expire, such as 2026-03-01T09:00:00Z [default: the
    /// scenario's date]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Arguments of `bulk show`.
#[derive(Debug, ClapArgs)]
pub struct ShowArgs {
    /// .p12 files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A file with their password [default: that of bulk.password, then none]
    #[arg(long, value_name = "FILE")]
    pub p12_password_file: Option<PathBuf>,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// The clock by which certificates expire, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

fn bulk_types() -> impl TypedValueParser<Value = BulkType> {
    let names = PossibleValuesParser::new(BulkType::ALL.map(BulkType::name));
    // The parser before has let nothing else through.
    names.try_map(|name| BulkType::from_name(&name).ok_or("no such type"))
}
