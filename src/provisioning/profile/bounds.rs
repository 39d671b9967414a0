//! What a profile's XML may hold before a tree is made of it.
//!
//! The reader of XML compares each attribute of an element with all others of that element, and
//! each name space with all others, so that a few kilobytes of gzip could keep it busy for hours.
//! This walk takes a time that grows with the text alone.

use super::ProfileFault;

/// Attributes of one element, at most. A real parameter has one, `ua`.
const MAX_ATTRIBUTES: usize = 32;

/// Declarations of name spaces in a whole profile, at most. A real one has none.
const MAX_NAME_SPACES: usize = 16;

/// Looks through a text that is meant to be XML. It is as exact as it must be: what is cut short or
/// wrong in another way is left to the reader of XML, which stops there too.
///
/// # Errors
/// An element with too many attributes, or too many name spaces.
pub(super) fn check(text: &str) -> Result<(), ProfileFault> {
    let mut rest = text;
    let mut name_spaces = 0;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        let skipped = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")]
            .iter()
            .find_map(|(begin, end)| Some((rest.strip_prefix(begin)?, end)));
        rest = match skipped {
            Some((inside, end)) => match inside.find(end) {
                Some(at) => &inside[at + end.len()..],
                None => return Ok(()),
            },
            None => tag(&rest[1..], &mut name_spaces)?,
        };
    }
    Ok(())
}

/// What follows the tag at the start of `text`, which begins behind its `<`.
fn tag<'t>(text: &'t str, name_spaces: &mut usize) -> Result<&'t str, ProfileFault> {
    let mut attributes = 0;
    let mut quote = None;
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Ok(&text[at + 1..]),
            (None, b'=') => attributes += 1,
            (None, b'x') if bytes[at..].starts_with(b"xmlns") => *name_spaces += 1,
            (None, _) => {}
        }
        if attributes > MAX_ATTRIBUTES {
            let what = format!("an element has more than {MAX_ATTRIBUTES} attributes");
            return Err(ProfileFault::Xml(what));
        }
        if *name_spaces > MAX_NAME_SPACES {
            let what = format!("it declares more than {MAX_NAME_SPACES} name spaces");
            return Err(ProfileFault::Xml(what));
        }
    }
    Ok("")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        check(text).map_or_else(|fault| fault.to_string(), |()| "fine".into())
    }

    #[test]
    fn attributes_are_counted_for_each_element() {
        let with = |count: usize| {
            let all: String = (0..count).map(|i| format!(" a{i}='<>=\"'")).collect();
            format!(
                "<?xml version='1.0'?><p><a{all}/><!-- <b {} --><b{all}>==</b></p>",
                "c=".repeat(99)
            )
        };
        assert_eq!(said(&with(MAX_ATTRIBUTES)), "fine");
        assert!(said(&with(MAX_ATTRIBUTES + 1)).contains("attributes"));
        let data = format!("<p><![CDATA[<a {}]]></p>", "b=".repeat(99));
        assert_eq!(said(&data), "fine");
    }

    #[test]
    fn name_spaces_are_counted_for_the_whole() {
        let with = |count: usize| format!("<p>{}</p>", "<a xmlns:b='c'>".repeat(count));
        assert_eq!(said(&with(MAX_NAME_SPACES)), "fine");
        assert!(said(&with(MAX_NAME_SPACES + 1)).contains("name spaces"));
    }

    #[test]
    fn what_is_cut_short_is_no_panic() {
        let text = "<?a?><!-- b --><![CDATA[c]]><d e='ä' f=\"ö\">ü</d>";
        for (at, _) in text.char_indices() {
            assert_eq!(said(&text[..at]), "fine");
        }
    }
}
