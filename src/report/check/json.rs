//! A check as JSON: every field of the answer. Serial numbers in upper hex without separators.

use serde::Serialize;

use crate::check::answer::{Answer, Condition, Group, Load};

/// Version of the document's form. It grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    from: &'a str,
    to: &'a str,
    option_150: &'a [String],
    groups: &'a [Group],
    conditions: &'a [Condition],
    load: &'a Load,
    failures: &'a [String],
    notes: &'a [String],
}

/// The whole answer.
pub fn json(answer: &Answer) -> String {
    // A field that is added to the answer must be added to the document too.
    let Answer {
        from,
        to,
        option_150,
        groups,
        conditions,
        load,
        failures,
        notes,
    } = answer;
    let document = Document {
        schema_version: SCHEMA_VERSION,
        from,
        to,
        option_150,
        groups,
        conditions,
        load,
        failures,
        notes,
    };
    // These types have no map with keys that are no text: nothing here can fail.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
