//! The way out in words: for each reason, what an engineer does about it, with names. A rehearsal
//! and a check say the same.

/// What is left where nobody can vouch (8800 and 7800 Administration Guides, Trust List update
/// failed: the last resort).
pub const ERASE: &str = "erase CTL and ITL on the phone by hand";

/// What the words are about: a phone, and the clusters as they are now.
pub trait Scene {
    /// The phone.
    fn device(&self) -> String;
    /// The cluster that it is to follow to.
    fn destination(&self) -> String;
    /// The cluster whose TVS can vouch for it: that of its ITL, else that of its configuration.
    fn home(&self) -> String;
    /// The cluster that its LSC is from.
    fn lsc_home(&self) -> String;
    /// The cluster of its configuration and that of its ITL, where they differ.
    fn split_home(&self) -> Option<(String, String)>;
    /// The nodes of a cluster that run TVS.
    fn tvs_nodes(&self, cluster: &str) -> String;
    /// The node that served the file, else those of option 150.
    fn serving_nodes(&self) -> String;
    /// The nodes that the phone is to ask.
    fn named_nodes(&self) -> String;
    /// What the signer's certificate is for, and whose it is.
    fn signer(&self) -> Option<(String, String)>;
    /// True if a TVS of the cluster vouches for the signer as things stand now.
    fn is_known_now(&self, cluster: &str) -> bool;
    /// True if the signer's certificate is in Phone-SAST-trust of the cluster.
    fn is_imported(&self, cluster: &str) -> bool;
    /// The stores of the destination that lack the certificate of who issued the LSC.
    fn stores_without_issuer(&self) -> String;
    /// True if the cluster is prepared for rollback.
    fn is_prepared_for_rollback(&self, cluster: &str) -> bool;
    /// The file that the decisive reason is about.
    fn file(&self) -> Option<String>;
}

/// What to do about the decisive reason. `follows` is true of a phone that has a CallManager.
pub fn way_out(code: Option<&str>, follows: bool, scene: &dyn Scene) -> String {
    let destination = scene.destination();
    let Some(code) = code else {
        return match follows {
            false => format!("start CallManager on a node of {destination}, then reset the phone"),
            true => "look at the events of the phone".into(),
        };
    };
    let action = action(code, scene);
    match scene.split_home().filter(|_| asks_tvs(code)) {
        // Whom the phone would ask it does not trust, and whom it trusts it does not ask.
        Some((config, itl)) if scene.is_known_now(&itl) => format!(
            "the phone has the configuration of {config} and the ITL of {itl}: point option 150 back to {itl} and reset, so that it asks TVS of {itl} again, which knows the signer now; then point option 150 at {destination} and reset"
        ),
        Some((config, itl)) => format!(
            "the phone has the configuration of {config} and the ITL of {itl}: point option 150 back to {itl} and reset, so that it asks TVS of {itl} again; before it moves a second time, {action}"
        ),
        None => action,
    }
}

/// Reasons that come of asking TVS.
pub fn asks_tvs(code: &str) -> bool {
    code.starts_with("tvs-") || code.starts_with("no-tvs-") || code == "signer-unknown-to-tvs"
}

fn action(code: &str, scene: &dyn Scene) -> String {
    let destination = scene.destination();
    let home = scene.home();
    let tvs = scene.tvs_nodes(&home);
    let serving = scene.serving_nodes();
    match code {
        "signer-unknown-to-tvs" if scene.is_known_now(&home) => {
            format!("reset the phone: TVS of {home} knows the signer now")
        }
        "signer-unknown-to-tvs" if scene.is_imported(&home) => format!(
            "restart TVS on {tvs}: the signer's certificate is in Phone-SAST-trust of {home}, but TVS has not loaded it; then reset the phone"
        ),
        "signer-unknown-to-tvs" | "tvs-wrong-certificate" | "tvs-role-missing" => {
            match scene.signer() {
                None => format!(
                    "restart TFTP on {serving}: no node has the certificate of that signer now, so the list is an old one; then reset the phone"
                ),
                Some((kind, node)) => format!(
                    "import {kind} of {node} into Phone-SAST-trust of {home} (it gives the role SAST) and into CallManager-trust, then restart TVS on {tvs}, then reset the phone"
                ),
            }
        }
        "tvs-unreachable" | "tvs-no-answer" | "tvs-handshake-failed" | "tvs-answer-malformed" => {
            format!(
                "bring TVS back on {tvs} (TCP 2445 must be open to the phones) and keep {home} up until every phone has moved, then reset the phone; if {home} is gone for good, {ERASE}"
            )
        }
        "tvs-certificate-not-in-list" if home == destination => {
            format!("{ERASE}, or restore the old certificates of {home} from a backup")
        }
        "tvs-certificate-not-in-list" if scene.split_home().is_some() => {
            match scene.signer().filter(|_| !scene.is_known_now(&home)) {
                None => format!("make sure that TVS answers on {tvs}"),
                Some((kind, node)) => format!(
                    "import {kind} of {node} into Phone-SAST-trust and CallManager-trust of {home} and restart TVS on {tvs}"
                ),
            }
        }
        "lsc-not-trusted" => match scene.stores_without_issuer().as_str() {
            "" => format!(
                "CallManager of {destination} trusts the issuer of the LSC by now: reset the phone"
            ),
            stores => format!(
                "upload CAPF of {} into {stores} of {destination}, restart CallManager there, then reset the phone; or give the phone an LSC of {destination}",
                scene.lsc_home(),
            ),
        },
        "encrypted-for-another-key" | "capf-session-needed" | "device-key-missing" => format!(
            "clear TFTP Encrypted Config in the phone's security profile in {destination} until the phone has moved, then reset it; or let CAPF of {destination} install an LSC first, so that {destination} encrypts for the key that the phone has"
        ),
        "decryption-failed" | "config-malformed" => format!(
            "{} is damaged on the server: apply the phone's configuration again in {destination}, then reset it",
            scene.file().unwrap_or_else(|| "the configuration".into()),
        ),
        "config-incomplete" => format!(
            "clear TFTP Encrypted Config in the phone's security profile in {destination}: without a TFTP certificate in its lists the phone asks for no signed file; then reset it"
        ),
        "phone-not-in-database" => format!(
            "add {} to the database of {destination}, or enable auto-registration there, then reset it",
            scene.device()
        ),
        "not-booted" => "reset the phone".into(),
        "no-lease" => format!(
            "let a DHCP server on the phone's segment name {} in option 150, then reset the phone",
            scene.named_nodes()
        ),
        "tvs-certificate-not-in-list" => format!(
            "the phone's ITL is older than the TVS certificates of {home}: point option 150 back to {home} and reset, so that it takes the current ITL, then move it; if it refuses that one too, {ERASE}"
        ),
        "no-tvs-in-list" if scene.is_prepared_for_rollback(&home) => format!(
            "set \"Prepare Cluster for Rollback to pre 8.0\" of {home} back to False, restart TVS and TFTP there, point option 150 back to {home} and reset, so that the phone's ITL holds TVS again, then move it; the parameter helps non-secure clusters only"
        ),
        "installed-list-damaged" => {
            format!("its list in flash is damaged and it can ask nobody: {ERASE}")
        }
        "no-tvs-in-list" => format!("the phone cannot ask anybody: {ERASE}"),
        "no-tvs-in-configuration" => format!(
            "point option 150 back to {home} and reset, so that the phone has a configuration with TVS servers, then move it"
        ),
        "role-missing" => format!(
            "point option 150 at a node of {destination} whose signer is SAST in the list: its publisher; then reset the phone"
        ),
        "file-malformed"
        | "signature-mismatch"
        | "record-mismatch"
        | "file-empty"
        | "own-signature-fails" => format!(
            "{} is damaged on its way or on the server: restart TFTP on the node that served it ({serving}), compare `show itl` and `show ctl` there, then reset the phone",
            scene.file().unwrap_or_else(|| "the file".into()),
        ),
        "digest-unsupported" => {
            let is_ctl = scene.file().is_some_and(|file| file.starts_with("CTL"));
            let ctl = match is_ctl {
                true => ", run `utils ctl update CTLFile` on its publisher",
                false => "",
            };
            format!(
                "set the enterprise parameter TFTP File Signature Algorithm of {destination} to SHA-1{ctl}, restart TFTP there, then reset the phone: its firmware does not take the digest"
            )
        }
        "file-too-large" => format!(
            "take certificates out of the lists of {destination} until they have fewer than 40, then restart TFTP there"
        ),
        "download-failed" => format!(
            "start TFTP on {serving}, check that UDP 69 is open to the phones, then reset the phone"
        ),
        "file-missing" => format!(
            "add {} to the database of {destination}, then reset it",
            scene.device()
        ),
        "signer-not-in-list" => format!("move the phone back to {home}, or {ERASE}"),
        other => format!("see `trustline rules` and the events for {other}"),
    }
}
