//! Log messages in the phone's words.
//!
//! A resync tells two things to syslog: the request, then how it ended. The texts are templates
//! with macros. Source: Cisco's 8832 guide, provisioning parameters; the names of SPA phones'
//! parameters from public templates.

use super::macros::{MAX_EXPANDED, Place, Values, beginning};

/// The templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Templates {
    /// `Log_Request_Msg`.
    pub request: String,
    /// `Log_Success_Msg`.
    pub success: String,
    /// `Log_Failure_Msg`.
    pub failure: String,
}

impl Default for Templates {
    fn default() -> Self {
        let of = |what: &str| format!("$PN $MAC -- {what}");
        Self {
            request: of("Requesting resync $SCHEME://$SERVIP:$PORT$PATH"),
            success: of("Successful resync $SCHEME://$SERVIP:$PORT$PATH"),
            failure: of("Resync failed: $ERR"),
        }
    }
}

/// Which message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A profile is asked for.
    Request,
    /// It was taken.
    Success,
    /// It was not.
    Failure,
}

impl Templates {
    /// The message; none where the template is empty, which means that nothing is said. A message
    /// that would grow past the bound of macros is its template as it stands, cut at that bound.
    pub fn message(&self, message: Message, values: &Values) -> Option<String> {
        let template = match message {
            Message::Request => &self.request,
            Message::Success => &self.success,
            Message::Failure => &self.failure,
        };
        if template.is_empty() {
            return None;
        }
        let text = values.expand(template, Place::Text);
        Some(text.map_or_else(
            |_| beginning(template, MAX_EXPANDED).to_owned(),
            String::from,
        ))
    }

    /// Takes a template from a profile's parameter, whichever family's name it has. False if the
    /// parameter is none of them.
    pub fn set(&mut self, parameter: &str, template: &str) -> bool {
        let slot = match parameter {
            "Log_Request_Msg" | "Log_Resync_Request_Msg" => &mut self.request,
            "Log_Success_Msg" | "Log_Resync_Success_Msg" => &mut self.success,
            "Log_Failure_Msg" | "Log_Resync_Failure_Msg" => &mut self.failure,
            _ => return false,
        };
        template.clone_into(slot);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_phones_words() {
        let mut values = Values::new();
        for (name, value) in [
            ("PN", "CP-8832-3PCC"),
            ("MAC", "00:0e:08:ab:cd:ef"),
            ("SCHEME", "HTTPS"),
            ("SERVIP", "10.1.2.3"),
            ("PORT", "443"),
            ("PATH", "/a.xml"),
            ("ERR", "no such $PATH"),
        ] {
            values.set(name, value);
        }
        let mut templates = Templates::default();
        let said = |templates: &Templates, message| templates.message(message, &values);
        assert_eq!(
            said(&templates, Message::Request).as_deref(),
            Some("CP-8832-3PCC 00:0e:08:ab:cd:ef -- Requesting resync HTTPS://10.1.2.3:443/a.xml")
        );
        assert_eq!(
            said(&templates, Message::Success).as_deref(),
            Some("CP-8832-3PCC 00:0e:08:ab:cd:ef -- Successful resync HTTPS://10.1.2.3:443/a.xml")
        );
        // What is expanded is not expanded again.
        assert_eq!(
            said(&templates, Message::Failure).as_deref(),
            Some("CP-8832-3PCC 00:0e:08:ab:cd:ef -- Resync failed: no such $PATH")
        );
        assert!(templates.set("Log_Resync_Success_Msg", "done -- $ERR"));
        assert!(templates.set("Log_Request_Msg", ""));
        assert!(!templates.set("log_request_msg", "x"));
        assert_eq!(said(&templates, Message::Request), None);
        let done = said(&templates, Message::Success);
        assert_eq!(done.as_deref(), Some("done -- no such $PATH"));
        templates.failure = "$ERR".repeat(5_000);
        let cut = said(&templates, Message::Failure).unwrap();
        assert_eq!(cut.len(), MAX_EXPANDED);
        assert!(templates.failure.starts_with(&cut));
    }
}
