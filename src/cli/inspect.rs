//! `trustline inspect`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::args::{FileKind, Format, InspectArgs, Setting};
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::output::Output;
use super::password;
use crate::phone::profile::Profile;
use crate::report::inspect::{
    Inspection, Judge, Kind, Outcome, document, file_error, human, inspect, list_kind_of,
};
use crate::report::text::hex_dump;
use crate::trust::certificate::escape_for_terminal;
use crate::trust::decrypt::DeviceKey;
use crate::trust::installed::{InForce, InstalledList};
use crate::wire::ListKind;

/// Files above this are refused unread: no trust list has more than 64 KB, and the largest signed
/// files of a TFTP server, firmware images, are smaller.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Looks at each file.
pub fn run(args: &InspectArgs, output: &Output) -> ExitCode {
    match try_run(args, output) {
        Ok(code) => code,
        Err(failure) => {
            failure.tell(output);
            failure.code
        }
    }
}

fn try_run(args: &InspectArgs, output: &Output) -> Result<ExitCode, Failure> {
    // clap has checked the name.
    let Some(profile) = Profile::named(&args.profile) else {
        let text = format!("no firmware family {}", args.profile);
        return Err(Failure::new(ExitCode::Usage, text));
    };
    let mut settings = profile.settings();
    Setting::apply_all(&args.set, &mut settings);
    let installed = Installed::open(&args.trust)?;
    let device_key = args.device_key.as_deref().map(open_key).transpose()?;
    let passwords = password::of_p12(args.p12_password_file.as_deref(), &settings)?;
    let judge = Judge {
        profile,
        settings: &settings,
        installed: installed.in_force(),
        device_key: device_key.as_ref(),
        passwords: &passwords,
        now: args.date.unwrap_or_else(now),
    };
    let kind = args.kind.map(kind);
    Ok(each(&args.files, kind, &judge, args.format, output))
}

/// Looks at each file and says what it found.
pub(super) fn each(
    files: &[PathBuf],
    kind: Option<Kind>,
    judge: &Judge<'_>,
    format: Format,
    output: &Output,
) -> ExitCode {
    let mut code = ExitCode::Good;
    let mut documents = Vec::new();
    for (n, path) in files.iter().enumerate() {
        let name = path.to_string_lossy();
        let bytes = match read(path) {
            Ok(bytes) => bytes,
            Err(failure) => {
                output.error(&failure.text);
                documents.push(file_error(&name, &failure.text));
                code = code.worst(failure.code);
                continue;
            }
        };
        let inspection = inspect(&name, &bytes, kind, judge);
        code = code.worst(exit_code(&inspection));
        match format {
            Format::Json => documents.push(inspection.json()),
            Format::Human => {
                let paint = output.paint();
                let mut text = String::new();
                if files.len() > 1 {
                    let gap = if n > 0 { "\n" } else { "" };
                    let heading = escape_for_terminal(name.as_bytes());
                    text = format!("{gap}{}\n\n", paint.strong(&format!("== {heading}")));
                }
                text.push_str(&human(&inspection, paint));
                output.result(&text);
            }
        }
    }
    if format == Format::Json {
        output.result(&document(&documents));
    }
    code
}

/// What one inspection says to the shell.
pub fn exit_code(inspection: &Inspection<'_>) -> ExitCode {
    match inspection.outcome() {
        Outcome::Good => ExitCode::Good,
        Outcome::Negative => ExitCode::Negative,
        Outcome::Damaged => ExitCode::Usage,
    }
}

fn kind(kind: FileKind) -> Kind {
    match kind {
        FileKind::Ctl => Kind::List(ListKind::Ctl),
        FileKind::Itl => Kind::List(ListKind::Itl),
        FileKind::Sgn => Kind::SignedFile,
        FileKind::Certificate => Kind::Certificate,
        FileKind::Pkcs12 => Kind::Pkcs12,
    }
}

/// Seconds since 1970; 0 where the machine's clock stands before that.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// The whole file, of [`MAX_FILE_BYTES`] at most.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = escape_for_terminal(path.to_string_lossy().as_bytes());
    let unreachable =
        |e: io::Error| Failure::new(ExitCode::Unreachable, format!("cannot open {name}: {e}"));
    let file = File::open(path).map_err(unreachable)?;
    if file.metadata().map_err(unreachable)?.is_dir() {
        let text = format!("cannot open {name}: it is a folder; name the files in it");
        return Err(Failure::new(ExitCode::Unreachable, text));
    }
    // The size of a pipe or a device shows only while it is read.
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(unreachable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        let text = format!(
            "{name} has more than {MAX_FILE_BYTES} bytes, the limit: no trust list or signed \
             configuration is that large"
        );
        return Err(Failure::new(ExitCode::Usage, text));
    }
    Ok(bytes)
}

fn open_key(path: &Path) -> Result<DeviceKey, Failure> {
    let pem = read(path)?;
    DeviceKey::from_pem(&pem).map_err(|e| {
        let name = escape_for_terminal(path.to_string_lossy().as_bytes());
        let text = format!("--device-key {name}: {e}");
        Failure::new(ExitCode::Usage, text)
    })
}

/// The lists of `--trust`.
#[derive(Default)]
struct Installed {
    ctl: Option<InstalledList>,
    itl: Option<InstalledList>,
}

impl Installed {
    fn open(paths: &[impl AsRef<Path>]) -> Result<Self, Failure> {
        let mut all = Self::default();
        for path in paths {
            let path = path.as_ref();
            let name = path.to_string_lossy();
            let shown = escape_for_terminal(name.as_bytes());
            let bytes = read(path)?;
            let kind = list_kind_of(&name, &bytes);
            let bytes: Arc<[u8]> = bytes.into();
            let list = InstalledList::parse(kind, Arc::clone(&bytes)).map_err(|fault| {
                let dump = hex_dump(&bytes, fault.offset);
                let text = format!(
                    "--trust {shown} is not a list that a phone can hold: {fault}\n{}",
                    dump.trim_end()
                );
                Failure::new(ExitCode::Usage, text)
            })?;
            let place = match kind {
                ListKind::Ctl => &mut all.ctl,
                ListKind::Itl => &mut all.itl,
            };
            if place.replace(list).is_some() {
                let text = format!(
                    "--trust {shown} is a second {kind}; a phone holds one CTL and one ITL at most"
                );
                return Err(Failure::new(ExitCode::Usage, text));
            }
        }
        Ok(all)
    }

    /// None without `--trust`: then no phone is asked.
    fn in_force(&self) -> Option<InForce<'_>> {
        (self.ctl.is_some() || self.itl.is_some()).then_some(InForce {
            ctl: self.ctl.as_ref(),
            itl: self.itl.as_ref(),
        })
    }
}
