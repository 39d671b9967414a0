//! Whatever file is withheld, the answer is the same or unknown, never another one.

use std::fs;
use std::path::Path;

use trustline::check::predict::{Prediction, predict};
use trustline::scenario::words::Verdict;

use crate::beside::{Boot, asked, run, scenario};
use crate::files::{Exported, read, write};

/// Each a way of its own to a verdict.
const SCENARIOS: [&str; 8] = [
    "non-secure-migration",
    "secure-migration",
    "certificates-not-imported",
    "rollback-non-secure",
    "capf-in-the-wrong-store",
    "https-by-tvs",
    "phone-not-in-database",
    "second-tftp-node-old",
];

fn predicted(boot: &Boot, files: &Exported) -> Prediction {
    let (subject, plan) = asked(boot, &boot.before, Vec::new());
    let sides = read(files, &subject.setup.settings);
    predict(&sides, &subject, &plan)
}

#[test]
fn a_withheld_file_makes_nothing_better() {
    let (mut same, mut unknown) = (0, 0);
    for name in SCENARIOS {
        let path = format!("scenarios/{name}.toml");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let beside = run(&scenario(&fs::read_to_string(&path).unwrap()));
        let boots = beside.boots.values().next().unwrap();
        let boot = boots.last().unwrap();
        let (subject, plan) = asked(boot, &boot.before, Vec::new());
        let whole = predict(&boot.sides, &subject, &plan);
        assert!(whole.gap.is_none(), "{name}: {:?}", whole.gap);
        let files = write(&boot.sides);
        let again = predicted(boot, &files);
        assert_eq!(again.verdict, whole.verdict, "{name}");
        assert_eq!(again.reasons, whole.reasons, "{name}");
        let mut lost = 0;
        for (side, of_side) in files.iter().enumerate() {
            for path in of_side.keys() {
                let mut fewer = files.clone();
                fewer[side].remove(path);
                let prediction = predicted(boot, &fewer);
                let place = format!("{name} without {path} of {side}");
                if prediction.verdict == Verdict::Unknown {
                    lost += 1;
                } else {
                    assert_eq!(prediction.verdict, whole.verdict, "{place}");
                    assert_eq!(prediction.reason(), whole.reason(), "{place}");
                    same += 1;
                }
            }
        }
        assert!(lost > 2, "{name}: only {lost} files matter");
        unknown += lost;
    }
    println!("{unknown} times unknown, {same} times the same");
}
