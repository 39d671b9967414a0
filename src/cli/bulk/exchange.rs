//! The actions that need a server.

use std::path::Path;

use super::args::{ActionArgs, BulkCommand, PageArgs, SshOffer};
use super::known_hosts::KnownHosts;
use crate::cli::args::Format;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::password;
use crate::cli::world::{World, cannot_open, read_up_to, replace_stores, shown};
use crate::cluster::SavedCluster;
use crate::cluster::bulk::directory::DirectoryFault;
use crate::cluster::bulk::{
    Action, BulkSettings, End, Import, ImportRefusal, Outcome, Page, Refusal, Run, apply,
    plan_import,
};
use crate::net::sftp::{HostKeyPolicy, Login, Offer, PinnedKey, SftpFault, SftpSettings, connect};
use crate::report::bulk::{Ending, Report, advice, not_begun};
use crate::report::text::did_you_mean;
use crate::scenario::{self, model::device_name};
use crate::time::UnixSeconds;
use crate::trust::certificate::escape_for_terminal;

/// The password's name in the environment.
const PASSWORD: &str = "TRUSTLINE_SFTP_PASSWORD";
/// Bytes of a private key in PEM.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Presses a button.
pub(super) fn run(command: &BulkCommand, output: &Output) -> Result<ExitCode, Failure> {
    let press = |action, page, bulk_type: Option<&ActionArgs>, date| {
        let bulk_type = bulk_type.map(|a| a.bulk_type);
        let button = |open: &Page, cluster: &SavedCluster| match (action, bulk_type) {
            (Action::Export, Some(t)) => open.export(t, &cluster.certificates_to_exchange()),
            (Action::Consolidate, Some(t)) => open.consolidate(t),
            (Action::Import, Some(t)) => open.import(t),
            _ => open.refresh(),
        };
        carry_out(action, page, date, button, output)
    };
    match command {
        BulkCommand::Export(a) => press(Action::Export, &a.page, Some(a), None),
        BulkCommand::Consolidate(a) => press(Action::Consolidate, &a.page, Some(a), None),
        BulkCommand::Import(a) => press(Action::Import, &a.action.page, Some(&a.action), a.date),
        BulkCommand::List(page) => press(Action::Refresh, page, None, None),
        // These need no server.
        BulkCommand::Init(_) | BulkCommand::Show(_) => Ok(ExitCode::Good),
    }
}

/// From the folder to the server and back.
fn carry_out(
    action: Action,
    args: &PageArgs,
    date: Option<UnixSeconds>,
    button: impl Fn(&Page, &SavedCluster) -> Run,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let world = World::open(&args.dir, &args.set)?;
    // Nobody else may change the stores between their reading and their writing.
    let _held = match action {
        Action::Import => world.lock()?,
        _ => None,
    };
    let mut cluster = world.cluster(&args.cluster)?;
    let node = node_of(args, &cluster)?;
    let settings = bulk_settings(&world, args.p12_password_file.as_deref())?;
    let mut hosts = KnownHosts::open(&world.known_hosts())?;
    let server = sftp_settings(args, &hosts)?;
    let shown_server = escape_for_terminal(args.server.to_string().as_bytes());

    let outcome = match cluster.page(node, settings.clone()) {
        Err(refusal) => refused(action, &args.cluster, refusal),
        Ok(page) => {
            let run = button(&page, &cluster);
            match run.outcome() {
                // Refused before a look into the directory.
                Some(outcome) => outcome.clone(),
                None => match on_server(run, &server, args, &mut hosts, output)? {
                    Ok(outcome) => outcome,
                    Err(fault) => {
                        let told = Told {
                            action,
                            args,
                            server: &shown_server,
                        };
                        return Ok(told.not_begun(&fault, output));
                    }
                },
            }
        }
    };
    let import = match &outcome.end {
        End::Fetched(files) => {
            let importer = cluster.importer(date.unwrap_or_else(|| world.date()));
            Some(plan_import(files, &importer, &settings).map(|plan| apply(&mut cluster, &plan)))
        }
        _ => None,
    };
    if let Some(Ok(_)) = &import {
        let dir = world.cluster_dir(cluster.id());
        replace_stores(&dir, &cluster).map_err(|e| {
            let text = format!(
                "cannot write the trust stores in {}: {e}; nothing was imported",
                shown(&dir)
            );
            Failure::new(ExitCode::Unreachable, text)
        })?;
    }
    let phones = phones_at_home(&world, cluster.id());
    Ok(tell(
        &outcome,
        import.as_ref(),
        &shown_server,
        &phones,
        args,
        output,
    ))
}

fn tell(
    outcome: &Outcome,
    import: Option<&Result<Import, ImportRefusal>>,
    server: &str,
    phones: &[String],
    args: &PageArgs,
    output: &Output,
) -> ExitCode {
    let report = Report {
        server,
        outcome,
        import: import.map(Result::as_ref),
        phones,
    };
    let ending = report.ending();
    match args.format {
        Format::Json => output.result(&report.json()),
        Format::Human => output.result(&report.human(output.paint())),
    }
    if matches!(ending, Ending::Malformed | Ending::Failed)
        && let Some(obstacle) = report.obstacle()
    {
        output.error(&obstacle.why);
        // The directory's faults say themselves what to do.
        if ending == Ending::Malformed {
            output.note(&format!("  fix: {}", obstacle.fix));
        }
    }
    match ending {
        Ending::Done => ExitCode::Good,
        Ending::Refused => ExitCode::Negative,
        Ending::Malformed => ExitCode::Usage,
        Ending::Failed => ExitCode::Unreachable,
    }
}

struct Told<'a> {
    action: Action,
    args: &'a PageArgs,
    server: &'a str,
}

impl Told<'_> {
    /// There is no directory to work on.
    fn not_begun(&self, fault: &SftpFault, output: &Output) -> ExitCode {
        let why = fault.to_string();
        let (code, fix) = match fault {
            SftpFault::LoginKey(_) => (
                ExitCode::Usage,
                "give --identity a private key in PEM without a pass phrase".to_owned(),
            ),
            other => {
                let fault = DirectoryFault::from(other.clone());
                (ExitCode::Unreachable, advice(&fault))
            }
        };
        output.error(&why);
        output.note(&format!("  fix: {fix}"));
        if self.args.format == Format::Json {
            let (action, cluster) = (self.action.name(), &self.args.cluster);
            output.result(&not_begun(action, cluster, self.server, &why, &fix));
        }
        code
    }
}

fn refused(action: Action, cluster: &str, refusal: Refusal) -> Outcome {
    Outcome {
        cluster: cluster.to_owned(),
        action,
        bulk_type: None,
        end: End::Refused(refusal),
        written: Vec::new(),
        listing: None,
        notes: Vec::new(),
    }
}

/// The node on which the page is opened.
fn node_of<'a>(args: &'a PageArgs, cluster: &'a SavedCluster) -> Result<&'a str, Failure> {
    let Some(node) = &args.node else {
        return Ok(cluster.publisher());
    };
    let names: Vec<_> = cluster.nodes().iter().map(|n| n.name.as_str()).collect();
    if names.contains(&node.as_str()) {
        return Ok(node);
    }
    let text = format!(
        "{} has no node {}; it has {}{}",
        cluster.id(),
        escape_for_terminal(node.as_bytes()),
        names.join(" and "),
        did_you_mean(node, names.iter().copied())
    );
    Err(Failure::new(ExitCode::Usage, text))
}

/// How the page works: by the rules of the world, with another password if one is given.
fn bulk_settings(world: &World, password: Option<&Path>) -> Result<BulkSettings, Failure> {
    let mut settings = BulkSettings::of(&scenario::rules(world.scenario()));
    if let Some(file) = password {
        settings.password = password::read(file)?;
    }
    Ok(settings)
}

fn sftp_settings(args: &PageArgs, hosts: &KnownHosts) -> Result<SftpSettings, Failure> {
    let server = &args.server;
    let login = login(args)?;
    let mut settings = SftpSettings::new(
        &server.host,
        server.port,
        &server.user,
        login,
        &server.directory,
    );
    settings.offer = match args.offer {
        SshOffer::Modern => Offer::Modern,
        SshOffer::Cucm => Offer::Cucm,
    };
    let pinned = match &args.host_key {
        Some(key) => Some(key.parse::<PinnedKey>().map_err(|e| {
            let key = escape_for_terminal(key.as_bytes());
            Failure::new(ExitCode::Usage, format!("--host-key {key}: {e}"))
        })?),
        None => hosts.key_of(&server.host_name(), settings.offer)?,
    };
    if let Some(pinned) = pinned {
        settings.host_key = HostKeyPolicy::Pinned(pinned);
    }
    Ok(settings)
}

fn login(args: &PageArgs) -> Result<Login, Failure> {
    if let Some(path) = &args.identity {
        let wrong = |what: &str| {
            let text = format!("--identity {}: {what}", shown(path));
            Failure::new(ExitCode::Usage, text)
        };
        let pem = read_up_to(path, MAX_KEY_BYTES + 1).map_err(|e| cannot_open(path, &e))?;
        if pem.len() as u64 > MAX_KEY_BYTES {
            return Err(wrong("too large for a private key"));
        }
        let pem = String::from_utf8(pem).map_err(|_| wrong("no private key in PEM"))?;
        return Ok(Login::Key(pem));
    }
    if let Some(path) = &args.password_file {
        return Ok(Login::Password(password::read(path)?));
    }
    match std::env::var(PASSWORD) {
        Ok(password) => Ok(Login::Password(password)),
        Err(_) => {
            let text = format!(
                "how does {} log in? give --password-file FILE, --identity KEYFILE, or {PASSWORD} \
                 in the environment",
                escape_for_terminal(args.server.user.as_bytes())
            );
            Err(Failure::new(ExitCode::Usage, text))
        }
    }
}

/// Carries out a run on the server. What the directory refuses is in the outcome; a fault is one of
/// the way there.
fn on_server(
    mut run: Run,
    settings: &SftpSettings,
    args: &PageArgs,
    hosts: &mut KnownHosts,
    output: &Output,
) -> Result<Result<Outcome, SftpFault>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|e| {
        Failure::new(
            ExitCode::Unreachable,
            format!("the system gives no sockets: {e}"),
        )
    })?;
    runtime.block_on(async {
        let mut directory = match connect(settings).await {
            Ok(directory) => directory,
            Err(fault) => return Ok(Err(fault)),
        };
        let host = args.server.host_name();
        let key = directory.host_key();
        let known = hosts.keys_of(&host).unwrap_or_default();
        if known.iter().all(|k| k.fingerprint() != key.fingerprint) {
            let beside = if known.is_empty() { "" } else { "another " };
            output.note(&format!(
                "{beside}host key of {host}: {key}, remembered in {}; compare it with what `ssh-keygen \
                 -lf` says on the server",
                shown(hosts.path())
            ));
            hosts.remember(&host, key)?;
        }
        directory.carry_out(&mut run).await;
        directory.close().await;
        // A run that wants no more operations has ended.
        let ended = run.into_outcome();
        let ended = ended.ok_or_else(|| Failure::new(ExitCode::Bug, "the run did not end"))?;
        Ok(Ok(ended))
    })
}

/// The phones that boot in the cluster first.
fn phones_at_home(world: &World, cluster: &str) -> Vec<String> {
    let groups = world.scenario().phones.iter();
    groups
        .filter(|group| group.cluster.value == cluster)
        .flat_map(|group| group.numbers().map(device_name))
        .collect()
}
