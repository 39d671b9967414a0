//! The files that configurations name, and those of one name everywhere.
//!
//! Names and shapes: usecallmanager.nz. What is in them is the least that has the shape: phones here
//! look at signatures alone.

use super::x509::LabCertificate;
use crate::wire::phone_config::NamedFiles;

/// What a cluster names in its phones' configurations, and what of it the nodes have.
#[derive(Clone, Debug, Default)]
pub struct PhoneFiles {
    /// What configurations name.
    pub named: NamedFiles,
    /// What the TFTP nodes have.
    pub installed: NamedFiles,
    /// Who signs these files; without a value the TFTP node, as it does configurations. A proxy TFTP
    /// signs common files with its own key (CUCM 15 System Configuration Guide).
    pub signer: Option<LabCertificate>,
}

impl PhoneFiles {
    /// The file of this name, unsigned; none if the nodes do not have it.
    pub(super) fn content(&self, name: &str) -> Option<String> {
        let has = |file: &Option<String>| file.as_deref() == Some(name);
        let installed = &self.installed;
        let xml = |body: &str| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}\n");
        if has(&installed.soft_keys) {
            return Some(xml("<softKeyCfg>\n<typeSoftKey/>\n</softKeyCfg>"));
        }
        if has(&installed.feature_policy) {
            return Some(xml("<featurePolicy name=\"lab\"/>"));
        }
        if has(&installed.dial_template) {
            return Some(xml(
                "<DIALTEMPLATE>\n<TEMPLATE MATCH=\"*\" Timeout=\"5\"/>\n</DIALTEMPLATE>",
            ));
        }
        match name {
            "AppDialRules.xml" => return Some(xml("<DialRules/>")),
            "Ringlist.xml" | "Ringlist-wb.xml" => return Some(xml("<CiscoIPPhoneRingList/>")),
            _ => {}
        }
        let (folder, file) = name.split_once('/')?;
        let is_in = |locale: &Option<String>| locale.as_deref() == Some(folder);
        if is_in(&installed.user_locale) && file.ends_with("-sip.jar") && !file.contains('/') {
            return Some(format!("the language of {folder} in the lab\n"));
        }
        if is_in(&installed.network_locale) && matches!(file, "g3-tones.xml" | "g4-tones.xml") {
            return Some(xml("<tones/>"));
        }
        None
    }

    /// Names of the files outside folders that the nodes have.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let files = &self.installed;
        let named = [
            &files.soft_keys,
            &files.feature_policy,
            &files.dial_template,
        ];
        named.into_iter().filter_map(|name| name.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_what_is_installed_and_nothing_else() {
        let named = NamedFiles {
            soft_keys: Some("SK1.xml".into()),
            dial_template: Some("dialplan.xml".into()),
            feature_policy: Some("policy.xml".into()),
            user_locale: Some("German_Germany".into()),
            network_locale: Some("Germany".into()),
        };
        let mut files = PhoneFiles {
            named: named.clone(),
            installed: named,
            signer: None,
        };
        for name in [
            "SK1.xml",
            "dialplan.xml",
            "policy.xml",
            "German_Germany/sl-be-sip.jar",
            "Germany/g3-tones.xml",
            "AppDialRules.xml",
            "Ringlist-wb.xml",
        ] {
            assert!(files.content(name).is_some(), "{name}");
        }
        for name in [
            "",
            "SK2.xml",
            "Germany/sl-be-sip.jar",
            "German_Germany/../x-sip.jar",
            "German_Germany/g3-tones.xml",
            "France/g3-tones.xml",
            "Germany/",
        ] {
            assert_eq!(files.content(name), None, "{name}");
        }
        files.installed = NamedFiles::default();
        assert_eq!(files.content("SK1.xml"), None, "named, and not installed");
        assert_eq!(files.names().count(), 0);
    }
}
