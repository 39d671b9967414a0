//! `trustline diff`.

use std::path::Path;

use super::args::{DiffArgs, Format};
use super::exit_code::ExitCode;
use super::failure::Failure;
use super::inspect::read;
use super::output::Output;
use crate::report::diff::{Difference, OwnSignature, Side, human, json};
use crate::report::inspect::list_kind_of;
use crate::report::text::hex_dump;
use crate::trust::certificate::escape_for_terminal;
use crate::wire::header::Strictness;
use crate::wire::{ListKind, TrustList};

/// Compares two lists.
pub fn run(args: &DiffArgs, output: &Output) -> ExitCode {
    // Both are opened before either is judged, so that one run tells all that is wrong.
    let (a, b) = (read(&args.first), read(&args.second));
    let (a, b) = match (a, b) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => return tell([a.err(), b.err()], output),
    };
    let (first, second) = (args.first.to_string_lossy(), args.second.to_string_lossy());
    let (list_a, list_b) = match (parse(&args.first, &a), parse(&args.second, &b)) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => return tell([a.err(), b.err()], output),
    };
    let difference = Difference::between(
        Side {
            name: &first,
            kind: list_a.0,
            list: &list_a.1,
            own: OwnSignature::of(&list_a.1, &a),
        },
        Side {
            name: &second,
            kind: list_b.0,
            list: &list_b.1,
            own: OwnSignature::of(&list_b.1, &b),
        },
    );
    output.result(&match args.format {
        Format::Human => human(&difference, output.paint()),
        Format::Json => json(&difference),
    });
    if difference.is_none() {
        ExitCode::Good
    } else {
        ExitCode::Negative
    }
}

fn tell(failures: [Option<Failure>; 2], output: &Output) -> ExitCode {
    let mut code = ExitCode::Good;
    for failure in failures.into_iter().flatten() {
        failure.tell(output);
        code = code.worst(failure.code);
    }
    code
}

/// A list as any phone would read it: what one firmware takes and another refuses is compared too.
fn parse<'a>(path: &Path, bytes: &'a [u8]) -> Result<(ListKind, TrustList<&'a [u8]>), Failure> {
    let name = path.to_string_lossy();
    let list = TrustList::parse(bytes, &Strictness::default()).map_err(|fault| {
        let text = format!(
            "{} is not a trust list: {fault}\n{}\nGive two lists, such as CTLFile.tlv and \
             ITLFile.tlv; `trustline inspect` shows what a file is.",
            escape_for_terminal(name.as_bytes()),
            hex_dump(bytes, fault.offset).trim_end()
        );
        Failure::new(ExitCode::Usage, text)
    })?;
    Ok((list_kind_of(&name, bytes), list))
}
