//! Layers go one way: a module uses its own layer or a lower one, and the layers without IO name
//! none. Cargo cannot enforce that within one crate, so this reads the sources.
//!
//! It is a reader of tokens, not of types: comments and literals are cut out, nested modules are
//! followed, groups of imports are taken apart, and every path that starts with `crate`, `super`,
//! `self` or `trustline` is resolved to the module of the crate's root that it leads to.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and reads the sources"
)]

use std::fmt;
use std::path::{Path, PathBuf};

/// The table of `src/lib.rs`.
const LAYERS: &[(u8, &[&str])] = &[
    (0, &["wire", "time", "rng", "event"]),
    (1, &["trust"]),
    (2, &["tftp", "tvs", "dhcp", "provisioning"]),
    (3, &["phone", "cluster"]),
    (4, &["sim", "net"]),
    (5, &["scenario", "check", "fleet", "report"]),
    (6, &["cli", "main"]),
];

/// Layers without IO, clocks and threads.
const PURE: &[u8] = &[0, 1, 2, 3, 5];

/// The independent model of who migrates, and all that it may use beside itself: what a scenario is
/// parsed into, and `std`. Whatever decides elsewhere is out of its reach.
const MODEL: &[&str] = &["scenario", "explore", "expected"];
const MODEL_USES: &[&[&str]] = &[
    &["scenario", "model"],
    &["scenario", "words"],
    &["scenario", "select"],
];

fn layer(module: &str) -> Option<u8> {
    let row = LAYERS.iter().find(|(_, modules)| modules.contains(&module));
    row.map(|(layer, _)| *layer)
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Violation {
    line: usize,
    text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

#[test]
fn no_module_uses_a_higher_layer_or_io_where_there_is_none() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 20, "the sources are not where they were");
    let mut found = Vec::new();
    for path in files {
        let relative = path.strip_prefix(&root).unwrap();
        let source = std::fs::read_to_string(&path).unwrap();
        for violation in violations(&module_of(relative), &source) {
            found.push(format!("src/{}: {violation}", relative.display()));
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The module that a file is, from the crate's root: `wire/tvs/mod.rs` is `wire::tvs`.
fn module_of(relative: &Path) -> Vec<String> {
    let mut names: Vec<String> = relative
        .with_extension("")
        .iter()
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    if names
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        names.pop();
    }
    names
}

/// What is wrong with the source of a module.
fn violations(module: &[String], source: &str) -> Vec<Violation> {
    // The crate's root declares the modules and may name them all.
    let Some(own) = module.first() else {
        return undeclared(source);
    };
    let Some(own_layer) = layer(own) else {
        let text = format!("module {own} has no layer");
        return vec![Violation { line: 1, text }];
    };
    let tokens = tokens(source);
    let mut found = Vec::new();
    for path in paths(&tokens) {
        let mut report = |text: String| {
            let line = path.line;
            found.push(Violation { line, text });
        };
        let shown = path.segments.join("::");
        if module.iter().take(MODEL.len()).eq(MODEL)
            && !path.leads_to(module, MODEL)
            && !MODEL_USES.iter().any(|used| path.leads_to(module, used))
        {
            report(format!("{shown}: the independent model may not use it"));
        }
        match path.target(module, own == "main") {
            Target::Elsewhere => {}
            Target::Root => report(format!("{shown} names the whole crate")),
            Target::Outside => report(format!("{shown} leads out of the crate")),
            Target::Module(name) => match layer(&name) {
                None => report(format!("{shown}: module {name} has no layer")),
                Some(other) if other > own_layer => {
                    report(format!(
                        "{own} is of layer {own_layer}, {shown} of layer {other}"
                    ));
                }
                Some(_) => {}
            },
        }
        if PURE.contains(&own_layer)
            && let Some(what) = io(&path.segments)
        {
            report(format!("{shown}: {what} in layer {own_layer}"));
        }
    }
    found
}

/// Modules of the crate's root that have no layer.
fn undeclared(source: &str) -> Vec<Violation> {
    let tokens = tokens(source);
    let declared = tokens.windows(2).filter(|w| w[0].text == "mod");
    declared
        .filter(|w| layer(&w[1].text).is_none())
        .map(|w| Violation {
            line: w[1].line,
            text: format!("module {} has no layer", w[1].text),
        })
        .collect()
}

/// What a path names that only a driver or the command line may.
fn io(path: &[String]) -> Option<&'static str> {
    let has = |name: &str| path.iter().any(|s| s == name);
    let has_pair = |a: &str, b: &str| path.windows(2).any(|w| w[0] == a && w[1] == b);
    if path.first().is_some_and(|s| s.starts_with("tokio")) {
        Some("tokio")
    } else if ["UdpSocket", "TcpStream", "TcpListener"]
        .iter()
        .any(|s| has(s))
    {
        Some("a socket")
    } else if has_pair("net", "*") && has_pair("std", "net") {
        Some("all of std::net")
    } else if has_pair("std", "fs") {
        Some("files")
    } else if has_pair("std", "thread") {
        Some("threads")
    } else if has_pair("Instant", "now") || has_pair("SystemTime", "now") {
        Some("a clock")
    } else if has_pair("std", "*") {
        Some("all of std")
    } else {
        None
    }
}

/// A path as it stands in the source.
struct Place {
    line: usize,
    segments: Vec<String>,
    /// Modules of this file that it stands in, outermost first.
    inside: Vec<String>,
}

enum Target {
    /// Another crate, a module below this one, or a name in scope.
    Elsewhere,
    /// The crate's root itself.
    Root,
    /// More `super` than there are modules.
    Outside,
    /// A module of the crate's root.
    Module(String),
}

/// Where a path leads, seen from the crate's root.
enum Way {
    /// To another crate, a module below this one, or a name in scope.
    Elsewhere,
    /// Past the root.
    Outside,
    /// Along these names.
    Along(Vec<String>),
}

impl Place {
    fn target(&self, module: &[String], is_binary: bool) -> Target {
        if is_binary && self.segments[0] == "crate" {
            return Target::Elsewhere;
        }
        match self.way(module) {
            Way::Elsewhere => Target::Elsewhere,
            Way::Outside => Target::Outside,
            Way::Along(names) => match names.into_iter().next() {
                None => Target::Root,
                Some(name) if name == "*" => Target::Root,
                Some(name) => Target::Module(name),
            },
        }
    }

    /// Whether it stays out of the crate or leads to the module `wanted` or into it.
    fn leads_to(&self, module: &[String], wanted: &[&str]) -> bool {
        match self.way(module) {
            Way::Elsewhere => true,
            Way::Outside => false,
            Way::Along(names) => names.iter().take(wanted.len()).eq(wanted),
        }
    }

    fn way(&self, module: &[String]) -> Way {
        let first = self.segments[0].as_str();
        let mut at: Vec<String> = match first {
            "crate" | "trustline" => Vec::new(),
            "super" | "self" => [module, &self.inside].concat(),
            _ => return Way::Elsewhere,
        };
        let rest = if first == "super" {
            &self.segments[..]
        } else {
            &self.segments[1..]
        };
        for segment in rest {
            match segment.as_str() {
                "super" => {
                    if at.pop().is_none() {
                        return Way::Outside;
                    }
                }
                "self" => {}
                name => at.push(name.to_owned()),
            }
        }
        Way::Along(at)
    }
}

/// Every path of two segments or more, and every import, with groups taken apart.
fn paths(tokens: &[Token]) -> Vec<Place> {
    let mut found = Vec::new();
    // Open braces; those of a module with its name.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let text = |i: usize| tokens.get(i).map_or("", |t| t.text.as_str());
        let inside = || open.iter().flatten().cloned().collect::<Vec<_>>();
        match token.text.as_str() {
            "mod" if text(at + 2) == "{" => {
                open.push(Some(text(at + 1).to_owned()));
                at += 3;
            }
            "{" => {
                open.push(None);
                at += 1;
            }
            "}" => {
                open.pop();
                at += 1;
            }
            "use" => {
                let mut trees = Vec::new();
                at = import(tokens, at + 1, &[], &mut trees);
                found.extend(trees.into_iter().map(|segments| Place {
                    line: token.line,
                    segments,
                    inside: inside(),
                }));
            }
            name if is_name(name) && text(at + 1) == "::" => {
                let mut segments = vec![name.to_owned()];
                at += 1;
                while text(at) == "::" && (is_name(text(at + 1)) || text(at + 1) == "*") {
                    segments.push(text(at + 1).to_owned());
                    at += 2;
                }
                // A turbofish ends the path that is looked at.
                at += usize::from(text(at) == "::");
                found.push(Place {
                    line: token.line,
                    segments,
                    inside: inside(),
                });
            }
            _ => at += 1,
        }
    }
    found
}

/// Reads one tree of an import from `at`, and gives where it ends.
fn import(tokens: &[Token], mut at: usize, before: &[String], out: &mut Vec<Vec<String>>) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t.text != "}") {
                    at = import(tokens, at, &path, out);
                    at += usize::from(tokens.get(at).is_some_and(|t| t.text == ","));
                }
                return at + 1;
            }
            // What follows is a new name for the same thing.
            "as" => at += 2,
            "," | "}" | ";" => break,
            name => {
                path.push(name.to_owned());
                at += 1;
            }
        }
    }
    out.push(path);
    at
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

/// Names, `::` and single characters; no comments, no literals, no lifetimes.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut line = 1;
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        let next = chars.get(at + 1).copied();
        match c {
            '/' if next == Some('/') => {
                while chars.get(at).is_some_and(|&c| c != '\n') {
                    at += 1;
                }
            }
            '/' if next == Some('*') => at = block_comment_end(&chars, at),
            '"' => at = string_end(&chars, at),
            '\'' => at = char_end(&chars, at),
            c if c.is_alphabetic() || c == '_' => {
                while chars
                    .get(at)
                    .is_some_and(|c| c.is_alphanumeric() || *c == '_')
                {
                    at += 1;
                }
                let name: String = chars[start..at].iter().collect();
                match (name.as_str(), chars.get(at)) {
                    ("r" | "br" | "cr", Some('#' | '"')) => match raw_string_end(&chars, at) {
                        Some(end) => at = end,
                        // A raw name, `r#type`.
                        None => at += 1,
                    },
                    ("b" | "c", Some('"')) => at = string_end(&chars, at),
                    ("b", Some('\'')) => at = char_end(&chars, at),
                    _ => found.push(Token { line, text: name }),
                }
            }
            ':' if next == Some(':') => {
                at += 2;
                let text = "::".into();
                found.push(Token { line, text });
            }
            c => {
                at += 1;
                if !c.is_whitespace() {
                    let text = c.into();
                    found.push(Token { line, text });
                }
            }
        }
        line += chars[start..at.min(chars.len())]
            .iter()
            .filter(|c| **c == '\n')
            .count();
    }
    found
}

/// Block comments nest.
fn block_comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    break;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// After the string that starts at `at`.
fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while let Some(&c) = chars.get(at) {
        match c {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

/// After the raw string whose `#` or `"` stands at `at`; none if it is no string.
fn raw_string_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + hashes) != Some(&'"') {
        return None;
    }
    let mut end = at + hashes + 1;
    while end < chars.len() {
        let closes = chars[end] == '"'
            && chars[end + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
        if closes {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(end)
}

/// After the character that starts at `at`, or after the quote of a lifetime.
fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => {
            let closing = chars.iter().skip(at + 3).position(|c| *c == '\'');
            closing.map_or(chars.len(), |n| at + 3 + n + 1)
        }
        (Some(_), Some('\'')) => at + 3,
        // The lifetime's name would be read as one of two or more segments if `::` followed; none
        // does.
        _ => at + 1,
    }
}

#[cfg(test)]
mod planted {
    use super::*;

    fn of(module: &str, source: &str) -> Vec<String> {
        let module: Vec<_> = module.split("::").map(str::to_owned).collect();
        let found = violations(&module, source);
        found.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn found(module: &str, source: &str, expected: &str) {
        let all = of(module, source);
        assert!(
            all.len() == 1 && all[0].contains(expected),
            "{source}\n{all:?}"
        );
    }

    #[track_caller]
    fn clean(module: &str, source: &str) {
        assert_eq!(of(module, source), Vec::<String>::new(), "{source}");
    }

    #[test]
    fn upward_references_are_found() {
        found(
            "trust::decide",
            "use crate::phone::Phone;",
            "line 1: trust is of layer 1",
        );
        found(
            "wire",
            "\n\nfn f() { crate::trust::decide(); }",
            "line 3: wire is of layer 0",
        );
        found(
            "wire::tvs",
            "use crate::{wire::Role, phone};",
            "crate::phone of layer 3",
        );
        found(
            "tvs",
            "use crate::{trust::{decide, rules}, net::tls::{A as B}};",
            "net",
        );
        found(
            "tvs",
            "use crate::{\n    trust::{self, rules},\n    scenario::*,\n};",
            "scenario",
        );
        found(
            "trust",
            "use super::tftp::Client;",
            "super::tftp::Client of layer 2",
        );
        found(
            "trust::decide",
            "use super::super::cluster;",
            "super::super::cluster",
        );
        found(
            "phone",
            "type T = Vec<crate::sim::World>;",
            "crate::sim::World",
        );
        found(
            "report",
            "use trustline::cli::Cli;",
            "trustline::cli::Cli of layer 6",
        );
        found(
            "event",
            "macro_rules! m { () => { $crate::report::x() } }",
            "crate::report::x",
        );
        found("rng", "pub(in crate::net) fn f() {}", "crate::net");
        found("cluster", "use crate::r#sim;", "sim");
    }

    #[test]
    fn nested_modules_are_followed() {
        let nested = "mod tests { use super::super::phone::X; }";
        found("trust", nested, "super::super::phone::X of layer 3");
        clean("phone", nested);
        clean(
            "trust::decide",
            "mod tests { use super::super::rules::X; use super::*; }",
        );
        found(
            "trust",
            "fn f() { { } } mod a { mod b { use super::super::super::net::Y; } }",
            "net",
        );
        found("trust", "mod a { } use super::sim::Z;", "super::sim::Z");
        found("time", "use super::super::x;", "leads out of the crate");
    }

    #[test]
    fn the_independent_model_uses_nothing_that_decides() {
        const REFUSED: &str = "the independent model may not use it";
        for module in [
            "scenario::explore::expected",
            "scenario::explore::expected::phone",
        ] {
            for source in [
                "use crate::trust::decide;",
                "fn f() { crate::phone::Phone::new(); }",
                "use crate::{tvs, cluster::Lab};",
                "use crate::scenario::judge;",
                "use crate::scenario::Rules;",
                "use crate::scenario::{self};",
                "use trustline::wire::Role;",
            ] {
                let all = of(module, source);
                assert!(
                    all.iter().any(|v| v.contains(REFUSED)),
                    "{module}: {source}: {all:?}"
                );
            }
            clean(module, "use crate::scenario::model::{self, Scenario};");
            clean(module, "use std::collections::BTreeMap;");
        }
        let phone = "scenario::explore::expected::phone";
        found(phone, "use super::super::super::basis::X;", REFUSED);
        found(phone, "use super::super::worlds::World;", REFUSED);
        found(
            phone,
            "mod tests { use super::super::super::super::run; }",
            REFUSED,
        );
        clean(phone, "use super::super::super::words::Verdict;");
        clean(phone, "use super::world::{World, List}; use super::*;");
        clean(
            phone,
            "mod tests { use super::*; use super::super::Reason; }",
        );
        // Its neighbours are free, and so is whoever is called alike elsewhere.
        clean("scenario::explore::worlds", "use crate::trust::decide;");
        clean("scenario::expected", "use crate::trust::decide;");
    }

    #[test]
    fn the_whole_crate_is_too_much() {
        found("wire", "use crate::*;", "names the whole crate");
        found("wire", "use super::*;", "names the whole crate");
        found("wire", "use crate as all;", "names the whole crate");
        found("wire", "use crate::{self as all};", "names the whole crate");
        clean("wire::role", "use super::*;");
    }

    #[test]
    fn modules_without_a_layer_are_found() {
        found("gossip", "", "module gossip has no layer");
        found("cli", "use crate::gossip::x;", "module gossip has no layer");
        let root: Vec<String> = Vec::new();
        assert_eq!(
            violations(&root, "pub mod wire;\npub mod gossip;")[0].line,
            2
        );
        assert_eq!(
            violations(&root, "pub mod wire; use crate::cli::x;"),
            vec![]
        );
    }

    #[test]
    fn io_is_found_in_every_layer_without_it() {
        for (source, expected) in [
            ("use tokio::net::UdpSocket;", "tokio"),
            ("async fn f() { tokio::spawn(x).await; }", "tokio"),
            ("use tokio_rustls::TlsAcceptor;", "tokio"),
            ("use std::net::{IpAddr, UdpSocket};", "a socket"),
            ("use std::{io, net::{TcpStream as S}};", "a socket"),
            ("fn f() { std::net::TcpListener::bind(x); }", "a socket"),
            (
                "use std::net; fn f() { net::UdpSocket::bind(x); }",
                "a socket",
            ),
            ("use std::net::*;", "all of std::net"),
            ("use std::*;", "all of std"),
            ("use std::fs;", "files"),
            ("use std::fs::File;", "files"),
            ("use std::{fmt, fs::{self, read}};", "files"),
            ("fn f() { std::fs::read(p); }", "files"),
            ("use std::thread;", "threads"),
            ("fn f() { std::thread::sleep(d); }", "threads"),
            (
                "use std::time::Instant; fn f() { Instant::now(); }",
                "a clock",
            ),
            ("fn f() { std::time::SystemTime::now(); }", "a clock"),
        ] {
            for module in ["wire", "trust", "tvs", "phone", "scenario"] {
                let all = of(module, source);
                assert!(
                    all.iter().any(|v| v.contains(expected)),
                    "{module}: {source}: {all:?}"
                );
            }
            clean("net", source);
            clean("cli", source);
        }
    }

    #[test]
    fn what_is_no_code_does_not_count() {
        clean(
            "wire",
            "// use crate::phone::X;\n/// [`crate::net`]\n//! crate::cli::x",
        );
        clean(
            "wire",
            "/* crate::net::x /* std::fs::read */ crate::net::y */",
        );
        clean(
            "wire",
            r#"const A: &str = "crate::net::x \" std::fs::read";"#,
        );
        clean(
            "wire",
            "const A: &[u8] = b\"crate::net::x\"; const B: &CStr = c\"tokio::x\";",
        );
        clean(
            "wire",
            "const A: &str = r#\"\"crate::net::x\"#; const B: &str = r\"tokio::x\\\";",
        );
        clean(
            "wire",
            "const Q: char = '\"'; const R: u8 = b'\"'; const S: char = '\\''; // \"",
        );
        // And what follows them does.
        found(
            "wire",
            "const Q: char = '\"'; use crate::net::x;",
            "crate::net",
        );
        found(
            "wire",
            "const Q: char = '\\u{22}'; use crate::net::x;",
            "crate::net",
        );
        found(
            "wire",
            "fn f<'a>(x: &'a str) {} /* */ use crate::net::x; // '",
            "crate::net",
        );
        found(
            "wire",
            "const A: &str = r##\"\"#\"##; use crate::net::x;",
            "crate::net",
        );
        found(
            "wire",
            "const A: &str = \"\\\\\"; use crate::net::x;",
            "crate::net",
        );
    }

    #[test]
    fn what_is_allowed_is_left_alone() {
        clean(
            "trust",
            "use crate::wire::{self, Role}; use crate::time::Time;",
        );
        clean(
            "trust",
            "use self::decide::Decision; use std::net::SocketAddr;",
        );
        clean("net", "use crate::sim::x; use crate::phone::{self, Phone};");
        clean("main", "fn main() { trustline::cli::main() }");
        clean(
            "phone",
            "pub(crate) struct S; pub(super) fn f() {} use std::time::Duration;",
        );
        clean(
            "cluster::node",
            "fn f() { Vec::<u8>::new(); x.iter().collect::<Vec<_>>(); }",
        );
    }
}
