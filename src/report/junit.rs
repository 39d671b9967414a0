//! JUnit XML, as CI servers read it: a suite a scenario file, a case a run of it.
//!
//! It holds no clock time and no identifier made up for the occasion, so the same runs give the
//! same bytes. The time of a case is the world's own, which only virtual time makes the same twice.

use std::time::Duration;

use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite,
};

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    /// The file.
    pub name: String,
    /// Its runs.
    pub cases: Vec<Case>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The scenario's name and the seed.
    pub name: String,
    /// How long it took in the world's time.
    pub time: Option<Duration>,
    /// How many expectations were looked at.
    pub expectations: usize,
    /// Names and values that belong to the run, such as its seed.
    pub properties: Vec<(&'static str, String)>,
    /// What came of it.
    pub result: CaseResult,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseResult {
    /// Every expectation holds.
    Passed,
    /// An expectation does not.
    Failed {
        /// One line.
        message: String,
        /// All of it, with the command that repeats the run.
        text: String,
    },
    /// It could not be judged.
    Error {
        /// Of which kind the error is, in one word.
        kind: &'static str,
        /// One line.
        message: String,
        /// All of it.
        text: String,
    },
}

/// The document.
///
/// # Errors
/// XML that cannot be written: a bug, as every text is made fit for it.
pub fn document(suites: &[Suite]) -> Result<String, SerializeError> {
    let mut report = Report::new("trustline rehearse");
    for suite in suites {
        let mut s = TestSuite::new(fit(&suite.name));
        for case in &suite.cases {
            s.add_test_case(test_case(&suite.name, case));
        }
        report.add_test_suite(s);
    }
    report.to_string()
}

fn test_case(suite: &str, case: &Case) -> TestCase {
    let status = match &case.result {
        CaseResult::Passed => TestCaseStatus::success(),
        CaseResult::Failed { message, text } => {
            status(NonSuccessKind::Failure, "expectation", message, text)
        }
        CaseResult::Error {
            kind,
            message,
            text,
        } => status(NonSuccessKind::Error, kind, message, text),
    };
    let mut c = TestCase::new(fit(&case.name), status);
    c.set_classname(fit(suite));
    c.set_assertions(case.expectations);
    if let Some(time) = case.time {
        c.set_time(time);
    }
    for (name, value) in &case.properties {
        c.add_property(Property::new(*name, fit(value)));
    }
    c
}

fn status(kind: NonSuccessKind, ty: &str, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(ty);
    status.set_message(fit(message));
    status.set_description(fit(text));
    status
}

/// Without the two code points that XML 1.0 leaves out beside the control characters, which the
/// writer takes out itself.
fn fit(text: &str) -> String {
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(message: &str) -> Suite {
        let case = |name: &str, result| Case {
            name: name.into(),
            time: Some(Duration::from_micros(1_094_000)),
            expectations: 2,
            properties: vec![("seed", "7".into())],
            result,
        };
        let failed = CaseResult::Failed {
            message: message.into(),
            text: "repeat with: trustline".into(),
        };
        let error = CaseResult::Error {
            kind: "malformed",
            message: "line 1".into(),
            text: "line 1".into(),
        };
        Suite {
            name: "a.toml".into(),
            cases: vec![
                case("good", CaseResult::Passed),
                case("bad", failed),
                case("broken", error),
            ],
        }
    }

    #[test]
    fn a_case_stands_with_what_came_of_it() {
        let text = document(&[suite("expected a < b")]).unwrap();
        let xml = roxmltree::Document::parse(&text).unwrap();
        let all = |name: &str| {
            let of_name = |n: &roxmltree::Node<'_, '_>| n.has_tag_name(name);
            xml.descendants().filter(of_name).collect::<Vec<_>>()
        };
        assert_eq!(xml.root_element().attribute("tests"), Some("3"));
        assert_eq!(xml.root_element().attribute("failures"), Some("1"));
        assert_eq!(xml.root_element().attribute("errors"), Some("1"));
        let cases = all("testcase");
        assert_eq!(cases.len(), 3);
        assert_eq!(cases[0].attribute("classname"), Some("a.toml"));
        assert_eq!(cases[0].attribute("time"), Some("1.094"));
        assert_eq!(
            all("failure")[0].attribute("message"),
            Some("expected a < b")
        );
        assert_eq!(all("failure")[0].text(), Some("repeat with: trustline"));
        assert_eq!(all("error")[0].attribute("type"), Some("malformed"));
        assert_eq!(all("property").len(), 3);
        assert!(
            !text.contains("timestamp") && !text.contains("uuid"),
            "{text}"
        );
    }

    #[test]
    fn any_text_makes_well_formed_xml() {
        let odd = "\0\u{1b}[31m<&>\"'\u{b}\u{fffe}\u{ffff}]]>\u{10ffff} ende";
        let text = document(&[suite(odd)]).unwrap();
        let xml = roxmltree::Document::parse(&text).unwrap();
        let failure = xml.descendants().find(|n| n.has_tag_name("failure"));
        assert!(
            failure
                .unwrap()
                .attribute("message")
                .unwrap()
                .ends_with("ende")
        );
    }
}
