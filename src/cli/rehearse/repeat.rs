//! The command that repeats a run.

use std::path::Path;

use crate::cli::args::{Pace, RehearseArgs};
use crate::scenario::Network;

/// The command that makes the run of this file and seed once more.
pub(super) fn command(path: &Path, seed: u64, network: Network, args: &RehearseArgs) -> String {
    let path = quoted(&path.display().to_string());
    let network = network.as_str();
    let mut command = format!("trustline rehearse {path} --seed {seed} --network {network}");
    if args.pace == Pace::Real {
        command += " --pace real";
    }
    command += &planted(args);
    for set in &args.set {
        command += &format!(" --set {}={}", set.rule.name, set.rule.text_of(set.value));
    }
    command
}

/// The argument that plants a defect, where one is planted.
#[cfg(feature = "planted-defects")]
pub(super) fn planted(args: &RehearseArgs) -> String {
    let plant = args
        .plant
        .map(|defect| format!(" --plant {}", defect.name()));
    plant.unwrap_or_default()
}

/// Nobody can plant a defect here.
#[cfg(not(feature = "planted-defects"))]
pub(super) fn planted(_: &RehearseArgs) -> String {
    String::new()
}

/// A word for a shell, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_word_to_a_shell() {
        for (word, shown) in [
            ("a/b-c_1.toml", "a/b-c_1.toml"),
            ("my move.toml", "'my move.toml'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), shown);
        }
    }
}
