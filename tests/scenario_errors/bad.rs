//! What is said about bad ones.

use std::path::{Path, PathBuf};

use trustline::scenario::parse;
use trustline::scenario::parse::{MAX_TEXT, decode};

use crate::{Known, SAMPLE, error, errors, shown, with};

fn bad_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/scenarios/bad");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_bad_file_gives_its_errors() {
    let bless = std::env::var_os("TRUSTLINE_BLESS").is_some();
    let mut differ = Vec::new();
    let files = bad_files();
    assert!(files.len() >= 20, "only {} bad files", files.len());
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let actual = match decode(name, &bytes) {
            Ok(text) => match parse(name, text, &Known) {
                Ok(_) => "no error\n".to_owned(),
                Err(errors) => shown(&errors),
            },
            Err(error) => format!("{error}\n"),
        };
        let expected_path = path.with_extension("err");
        if bless {
            std::fs::write(&expected_path, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if actual != expected || actual == "no error\n" {
            differ.push(format!("{name}: expected\n{expected}\nactual\n{actual}"));
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n\n"));
}

#[test]
fn one_slip_is_one_error() {
    // A misspelled key or word is read as what it means, so nothing else is said about it.
    for (from, to) in [
        ("release = \"10.5.2\"", "relase = \"10.5.2\""),
        ("nodes = [\n", "nodess = [\n"),
        ("name = \"src-sub\"", "nmae = \"src-sub\""),
        ("\"tftp\", \"tvs\", \"capf\"", "\"tfpt\", \"tvs\", \"capf\""),
        ("[[expect]]", "[[expekt]]"),
        ("count = 5", "cuont = 5"),
        ("do = \"set-option-150\"", "do = \"set-option-15\""),
        ("from = \"destination\"", "form = \"destination\""),
        ("verdict = \"migrated\"", "verdict = \"migratd\""),
        ("verdict = \"migrated\"", "verdikt = \"migrated\""),
    ] {
        let text = SAMPLE.replacen(from, to, 1);
        assert_ne!(text, SAMPLE, "{from}");
        assert!(error(&text).contains("did you mean `"), "{to}");
    }
}

#[test]
fn another_format_is_the_only_error() {
    let text = SAMPLE
        .replace("format = 1", "format = 2")
        .replace("count", "amount");
    assert!(error(&text).contains("this version reads format 1"));
}

#[test]
fn limits_have_errors() {
    let long = format!("{SAMPLE}#{}", "x".repeat(MAX_TEXT));
    assert!(error(&long).contains("more than 1048576"));

    let steps = with(&"[[step]]\ndo = \"reset-phones\"\n".repeat(1_001));
    assert!(error(&steps).contains("`step` has 1001 elements, more than 1000"));

    let phones = "[[phones]]\ncount = 10000\nmodel = \"CP-8861\"\ncluster = \"source\"\n";
    assert!(error(&with(&phones.repeat(10))).contains("100005 phones, more than 100000"));

    let mut clusters = String::new();
    for n in 0..63 {
        clusters += &format!(
            "[cluster.c{n}]\nrelease = \"14\"\nnodes = [{{ name = \"n{n}\", \
             services = [\"publisher\", \"tftp\"] }}]\n"
        );
    }
    assert!(error(&with(&clusters)).contains("65 clusters, more than 64"));

    let unknown: String = (0..5_000).map(|n| format!("zz{n} = 1\n")).collect();
    let many = errors(&format!("{unknown}{SAMPLE}"));
    assert_eq!(many.len(), 101);
    assert!(
        many[100].to_string().contains("at least 900 more errors"),
        "{}",
        many[100]
    );
    let unknown: String = (0..150).map(|n| format!("zz{n} = 1\n")).collect();
    let many = errors(&format!("{unknown}{SAMPLE}"));
    assert!(
        many[100].to_string().starts_with("error: 50 more errors"),
        "{}",
        many[100]
    );
}

#[test]
fn errors_come_in_the_order_of_the_file() {
    let text = SAMPLE
        .replace("seed", "sead")
        .replace("release", "relase")
        .replace("count", "cuont")
        .replace("into", "inot")
        .replace("verdict", "verdikt");
    let errors = errors(&text);
    let lines: Vec<usize> = errors
        .iter()
        .map(|error| error.position().unwrap().0)
        .collect();
    assert_eq!(lines, [5, 8, 17, 22, 32, 41], "{}", shown(&errors));
}
