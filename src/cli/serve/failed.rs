//! Why the clusters cannot run, and what to do.

use std::io;
use std::path::Path;

use super::args::usage;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::world::shown;
use crate::net::loopback::BindError;
use crate::scenario::run::RunError;
use crate::scenario::serve::{StepFault, StepLine, StepState};

/// The failure of clusters that could not be made or opened.
pub(super) fn to_run(scenario: &Path, error: &RunError) -> Failure {
    match error {
        RunError::System(e) => {
            let bind = e.get_ref().and_then(|e| e.downcast_ref::<BindError>());
            let text = bind.map_or_else(|| e.to_string(), |e| format!("{e}\n{}", way_out(e)));
            Failure::new(ExitCode::Unreachable, text)
        }
        RunError::Step { .. }
        | RunError::Provisioning(_)
        | RunError::NeedsFeature(_)
        | RunError::NeedsVirtualTime { .. } => {
            usage(format!("{} cannot run: {error}", shown(scenario)))
        }
    }
}

/// The failure of a step that was to be taken before all is ready.
pub(super) fn of_step(scenario: &Path, step: &StepLine) -> Option<Failure> {
    let StepState::Failed { fault, why } = &step.state else {
        return None;
    };
    let code = match fault {
        StepFault::Cluster => ExitCode::Usage,
        StepFault::Page => ExitCode::Negative,
        StepFault::Unreached => ExitCode::Unreachable,
    };
    let text = format!(
        "{}: step {} failed, so nothing is served: {why}; `--steps {}` stops before it",
        shown(scenario),
        step.number,
        step.number - 1
    );
    Some(Failure::new(code, text))
}

/// What to do about a socket that cannot be had.
fn way_out(e: &BindError) -> String {
    let (ip, port) = (e.address.ip(), e.address.port());
    match e.source.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "  ports below 1024 need rights: run as root, or give them to the program with\n    \
             sudo setcap cap_net_bind_service=+ep \"$(command -v trustline)\"\n  or to everybody with\n    \
             sudo sysctl net.ipv4.ip_unprivileged_port_start={port}"
        ),
        io::ErrorKind::AddrInUse => {
            let (list, option) = match e.endpoint.protocol() {
                "UDP" => ("-lunp", "udp"),
                _ => ("-ltnp", "tcp"),
            };
            format!(
                "  another program has the port; `sudo ss {list} 'sport = :{port}'` shows which (or `sudo \
                 fuser -v {port}/{option}`); stop it, or name another address with --bind {}=ADDRESS",
                e.node
            )
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "  {ip} is not an address of this machine; `ip -brief addr` lists those that are, and\n    \
             sudo ip addr add {ip}/24 dev INTERFACE\n  gives it this one"
        ),
        _ => format!(
            "  name another address with --bind {}=ADDRESS, or leave `--ports real` out",
            e.node
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::loopback::Endpoint;

    fn failure(endpoint: Endpoint, kind: io::ErrorKind) -> Failure {
        let error = BindError {
            node: "src-pub".into(),
            endpoint,
            address: ([10, 0, 0, 5], endpoint.real_port()).into(),
            source: kind.into(),
        };
        let error = RunError::System(io::Error::new(kind, error));
        to_run(Path::new("a.toml"), &error)
    }

    #[test]
    fn a_socket_that_is_not_to_be_had_names_the_way_out() {
        use io::ErrorKind::{AddrInUse, AddrNotAvailable, OutOfMemory, PermissionDenied};
        let start = "TFTP of src-pub cannot have 10.0.0.5:69: ";
        for (kind, expected) in [
            (PermissionDenied, "cap_net_bind_service=+ep"),
            (PermissionDenied, "ip_unprivileged_port_start=69"),
            (AddrInUse, "ss -lunp 'sport = :69'"),
            (AddrNotAvailable, "ip addr add 10.0.0.5/24"),
            (OutOfMemory, "--bind src-pub=ADDRESS"),
        ] {
            let failure = failure(Endpoint::Tftp, kind);
            assert_eq!(failure.code, ExitCode::Unreachable);
            assert!(failure.text.starts_with(start), "{}", failure.text);
            assert!(failure.text.contains(expected), "{}", failure.text);
        }
        let tvs = failure(Endpoint::Tvs, AddrInUse).text;
        assert!(tvs.contains("ss -ltnp 'sport = :2445'"), "{tvs}");
    }
}
