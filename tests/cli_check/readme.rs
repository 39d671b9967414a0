//! What README shows of a check is what the program prints.

use crate::golden::{command, run};
use crate::said;
use crate::served::Served;

const SCENARIO: &str = "scenarios/certificates-not-imported.toml";
/// The phones of the scenario. What ITL they hold nobody says.
const PHONES: &str = "device,model\n\
                      SEP001122334401,CP-8861\n\
                      SEP001122334402,CP-8861\n\
                      SEP001122334403,CP-8861\n";

/// The command that README shows, and the lines of its output.
fn sample() -> (String, Vec<String>) {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = readme.unwrap();
    assert!(readme.contains(&format!("trustline serve {SCENARIO} --steps 0")));
    let mut lines = readme
        .lines()
        .skip_while(|l| !l.starts_with("$ trustline check"));
    let command = lines.next().unwrap().to_owned();
    let shown = lines.take_while(|l| *l != "```").map(without_ports);
    (command, shown.collect())
}

/// The lab's servers have other ports each time.
fn without_ports(line: &str) -> String {
    let mut parts = line.split("127.1.");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_address = |c: char| c.is_ascii_digit() || c == '.';
        let rest = part.trim_start_matches(is_address);
        let address = &part[..part.len() - rest.len()];
        let after = rest.strip_prefix(':').map(|port| {
            let after = port.trim_start_matches(|c: char| c.is_ascii_digit());
            format!(":PORT{after}")
        });
        text.push_str(&format!(
            "127.1.{address}{}",
            after.as_deref().unwrap_or(rest)
        ));
    }
    text
}

/// True if the shown lines are those that were printed; `...` stands for any number of them.
fn is_shown(shown: &[String], printed: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return printed.is_empty();
    };
    if first == "..." {
        return (0..=printed.len()).any(|n| is_shown(rest, &printed[n..]));
    }
    match printed.split_first() {
        Some((line, others)) => first == line && is_shown(rest, others),
        None => false,
    }
}

#[test]
fn the_sample_is_what_is_printed() {
    let (shown, lines) = sample();
    let served = Served::start_with_orders(&mut command(&["serve", SCENARIO, "--steps", "0"]));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("ready.json"), format!("{}\n", served.ready)).unwrap();
    std::fs::write(path("phones.csv"), PHONES).unwrap();
    let words = shown.split_whitespace().skip(2);
    let mut args: Vec<String> = words
        .map(|word| match word {
            "ready.json" | "phones.csv" => path(word),
            _ => word.to_owned(),
        })
        .collect();
    // The usual rate is for clusters that have other things to do.
    args.extend(["--rate".to_owned(), "500".to_owned()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = run(&args);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let printed: Vec<String> = crate::stdout(&output).lines().map(without_ports).collect();
    let is_same = is_shown(&lines, &printed);
    assert!(
        is_same,
        "README shows\n{}\n\nbut it prints\n{}",
        lines.join("\n"),
        printed.join("\n")
    );
}

#[test]
fn dots_stand_for_lines_and_for_nothing_else() {
    let lines = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("a b c d");
    for shown in ["a b c d", "a ... d", "... d", "a b ... c d", "..."] {
        assert!(is_shown(&lines(shown), &printed), "{shown}");
    }
    for shown in ["a b c", "a ... c", "b ...", "a d", "a ... d ... d"] {
        assert!(!is_shown(&lines(shown), &printed), "{shown}");
    }
    let text = "TVS 127.1.1.1:36745 of 127.1.1.2, it does: 5";
    assert_eq!(
        without_ports(text),
        "TVS 127.1.1.1:PORT of 127.1.1.2, it does: 5"
    );
}
