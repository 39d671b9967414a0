//! Reading a phone configuration.

use std::borrow::Cow;

use roxmltree::{Document, Node, ParsingOptions};

use super::{
    CapfServer, ConfigError, MAX_BYTES, MAX_TVS, Member, NamedFiles, PhoneConfig, SecurityMode,
    Transport, TvsServer,
};

/// Longest host name or address, in bytes (RFC 1035).
const MAX_HOST: usize = 255;
/// Longest name of a file that a configuration names, in bytes: CUCM's have under 50.
const MAX_FILE_NAME: usize = 128;
/// Nodes of one file: generous for CUCM's, which have under a thousand.
const MAX_NODES: u32 = 100_000;
/// Undeclared prefixes that are mended in one file: CUCM uses one.
const MAX_PREFIXES: usize = 4;

impl PhoneConfig {
    /// Reads a configuration. Elements that trust does not need are skipped; of an element that
    /// stands twice the first counts.
    ///
    /// # Errors
    /// [`ConfigError`] with line and element.
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        if bytes.len() > MAX_BYTES {
            return Err(ConfigError::TooLarge {
                limit: MAX_BYTES,
                actual: bytes.len(),
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|e| ConfigError::NotUtf8 {
            offset: e.valid_up_to(),
        })?;
        let mut text = Cow::Borrowed(text);
        let mut mended = 0;
        loop {
            let error = match document(&text) {
                Ok(document) => return read(document.root_element()),
                Err(error) => error,
            };
            // The declaration goes into the outermost start tag, on its line, so that line
            // numbers stay.
            match (&error, end_of_root_name(&text)) {
                (roxmltree::Error::UnknownNamespace(prefix, _), Some(at))
                    if mended < MAX_PREFIXES =>
                {
                    let declaration = format!(" xmlns:{prefix}=\"urn:undeclared:{prefix}\"");
                    text.to_mut().insert_str(at, &declaration);
                    mended += 1;
                }
                _ => return Err(xml_error(&error)),
            }
        }
    }
}

fn document(text: &str) -> Result<Document<'_>, roxmltree::Error> {
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: MAX_NODES,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(text, options)
}

fn xml_error(error: &roxmltree::Error) -> ConfigError {
    ConfigError::Xml {
        line: error.pos().row,
        problem: error.to_string().chars().take(200).collect(),
    }
}

/// Where the name of the outermost element ends, behind the declaration and comments.
fn end_of_root_name(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text.get(at..)?.find('<')?;
        let rest = &text[at..];
        let end = if rest.starts_with("<?") {
            rest.find("?>")? + 2
        } else if rest.starts_with("<!--") {
            rest.find("-->")? + 3
        } else {
            let name = rest[1..].find(|c: char| c.is_whitespace() || matches!(c, '/' | '>'))?;
            return Some(at + 1 + name);
        };
        at += end;
    }
}

fn read(root: Node<'_, '_>) -> Result<PhoneConfig, ConfigError> {
    // `XMLDefault.cnf.xml` has another outermost element, and the group at once inside it.
    let group: &[&str] = match root.tag_name().name() {
        "device" => &["devicePool", "callManagerGroup", "members"],
        "Default" => &["callManagerGroup", "members"],
        other => {
            return Err(ConfigError::Root {
                line: line(root),
                found: clip(other),
            });
        }
    };
    let group = path(root, group);
    let mut callmanager_group = Vec::new();
    for (index, member) in children(group, "member").enumerate() {
        let callmanager = child(member, "callManager");
        let Some(host) = callmanager
            .map(|n| host(n, "processNodeName"))
            .transpose()?
            .flatten()
        else {
            continue;
        };
        let ports = callmanager.and_then(|n| child(n, "ports"));
        callmanager_group.push(Member {
            priority: priority(member, index)?,
            host,
            ethernet_phone_port: port(ports, "ethernetPhonePort", super::SCCP_PORT)?,
            sip_port: port(ports, "sipPort", super::SIP_PORT)?,
            secured_sip_port: port(ports, "securedSipPort", super::SECURED_SIP_PORT)?,
        });
    }
    callmanager_group.sort_by_key(|m| m.priority);
    let mut tvs = Vec::new();
    let servers = path(root, &["TVS", "members"]);
    for (index, member) in children(servers, "member").enumerate() {
        if let Some(host) = host(member, "address")? {
            tvs.push(TvsServer {
                priority: priority(member, index)?,
                host,
                port: port(Some(member), "port", 2_445)?,
            });
        }
    }
    tvs.sort_by_key(|t| t.priority);
    tvs.truncate(MAX_TVS);
    let mut capf = Vec::new();
    for server in children(child(root, "capfList"), "capf") {
        if let Some(host) = host(server, "processNodeName")? {
            let port = port(Some(server), "phonePort", 3_804)?;
            capf.push(CapfServer { host, port });
        }
    }
    let mode = number(root, "deviceSecurityMode", "1, 2 or 3", |n| {
        SecurityMode::from_code(u8::try_from(n).ok()?)
    })?;
    let small = |n: u64| u8::try_from(n).ok();
    Ok(PhoneConfig {
        full_config: boolean(root, "fullConfig")?.unwrap_or(true),
        callmanager_group,
        tvs,
        is_sccp: text(root, "deviceProtocol").is_some_and(|p| p.eq_ignore_ascii_case(super::SCCP)),
        load_information: text(root, "loadInformation"),
        version_stamp: text(root, "versionStamp"),
        device_security_mode: mode.unwrap_or_default(),
        transport: number(root, "transportLayerProtocol", "0 to 255", small)?
            .map(Transport::from_code)
            .unwrap_or_default(),
        capf_auth_mode: number(root, "capfAuthMode", "0 to 255", small)?,
        capf,
        cert_hash: text(root, "certHash"),
        encr_config: boolean(root, "encrConfig")?.unwrap_or(false),
        tls_resumption_secs: number(root, "TLSResumptionTimer", "seconds", |n| {
            u32::try_from(n).ok()
        })?,
        files: named_files(root)?,
    })
}

fn named_files(root: Node<'_, '_>) -> Result<NamedFiles, ConfigError> {
    let sip = child(root, "sipProfile");
    let folder = |element| child(root, element).map_or(Ok(None), |n| file_name(n, "name"));
    // Some files have only the older element, a text.
    let network_locale = match folder("networkLocaleInfo")? {
        Some(name) => Some(name),
        None => file_name(root, "networkLocale")?,
    };
    let in_profile = |element| sip.map_or(Ok(None), |n| file_name(n, element));
    Ok(NamedFiles {
        soft_keys: in_profile("softKeyFile")?,
        dial_template: in_profile("dialTemplate")?,
        feature_policy: file_name(root, "featurePolicyFile")?,
        user_locale: folder("userLocale")?,
        network_locale,
    })
}

fn is_printable(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

/// The name of a file or a folder that the phone asks for; none if the element is missing or empty.
fn file_name(node: Node<'_, '_>, element: &'static str) -> Result<Option<String>, ConfigError> {
    match text(node, element) {
        // It goes into a request, where a NUL would end it and a line end would begin another line.
        Some(name) if name.len() > MAX_FILE_NAME || !name.bytes().all(is_printable) => Err(wrong(
            child(node, element).unwrap_or(node),
            element,
            &name,
            "the name of a file, at most 128 printable ASCII characters",
        )),
        name => Ok(name),
    }
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children()
        .find(|c| c.is_element() && c.tag_name().name() == name)
}

fn path<'a, 'i>(node: Node<'a, 'i>, names: &[&str]) -> Option<Node<'a, 'i>> {
    names.iter().try_fold(node, |n, name| child(n, name))
}

fn children<'a, 'i: 'a>(
    node: Option<Node<'a, 'i>>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    node.into_iter()
        .flat_map(|n| n.children())
        .filter(move |c| c.is_element() && c.tag_name().name() == name)
}

/// The text of a child element; none if it is missing or empty.
fn text(node: Node<'_, '_>, name: &str) -> Option<String> {
    let text: String = child(node, name)?
        .children()
        .filter_map(|n| n.text().filter(|_| n.is_text()))
        .collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn host(node: Node<'_, '_>, name: &'static str) -> Result<Option<String>, ConfigError> {
    match text(node, name) {
        // Names are printed, so what could steer a terminal is none either.
        Some(host) if host.len() > MAX_HOST || !host.bytes().all(|b| b.is_ascii_graphic()) => {
            Err(wrong(
                child(node, name).unwrap_or(node),
                name,
                &host,
                "a host name or an address",
            ))
        }
        host => Ok(host),
    }
}

fn boolean(node: Node<'_, '_>, name: &'static str) -> Result<Option<bool>, ConfigError> {
    match text(node, name).as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(wrong(
            child(node, name).unwrap_or(node),
            name,
            other,
            "true or false",
        )),
    }
}

fn number<T>(
    node: Node<'_, '_>,
    name: &'static str,
    expected: &'static str,
    accept: impl Fn(u64) -> Option<T>,
) -> Result<Option<T>, ConfigError> {
    let Some(found) = text(node, name) else {
        return Ok(None);
    };
    match found.parse().ok().and_then(accept) {
        Some(value) => Ok(Some(value)),
        None => Err(wrong(
            child(node, name).unwrap_or(node),
            name,
            &found,
            expected,
        )),
    }
}

fn port(node: Option<Node<'_, '_>>, name: &'static str, default: u16) -> Result<u16, ConfigError> {
    let accept = |n| u16::try_from(n).ok().filter(|&p| p > 0);
    let found = node.map(|n| number(n, name, "a port, 1 to 65535", accept));
    Ok(found.transpose()?.flatten().unwrap_or(default))
}

/// The priority of a group's member; without one, its place.
fn priority(member: Node<'_, '_>, index: usize) -> Result<u32, ConfigError> {
    match member.attribute("priority") {
        None => Ok(u32::try_from(index).unwrap_or(u32::MAX)),
        Some(found) => found
            .trim()
            .parse()
            .map_err(|_| wrong(member, "priority", found, "a number")),
    }
}

fn wrong(
    node: Node<'_, '_>,
    element: &'static str,
    found: &str,
    expected: &'static str,
) -> ConfigError {
    ConfigError::Value {
        line: line(node),
        element,
        found: clip(found),
        expected,
    }
}

fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}

fn clip(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of a file that CUCM 12.5 made: undeclared prefix, two blanks before attributes,
    /// empty elements, a transport code that no source names.
    const CUCM: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- <x> -->
<device  xsi:type="axl:XIPPhone" ctiid="548">
<fullConfig>true</fullConfig>
<devicePool  uuid="{c858bf9a}">
<callManagerGroup>
<name>Sub then Pub</name>
<members>
<member  priority="1">
<callManager><name>pub</name><ports><sipPort>5060</sipPort></ports><processNodeName>pub</processNodeName></callManager>
</member>
<member  priority="0">
<callManager>
<name>sub</name>
<ports><ethernetPhonePort>2000</ethernetPhonePort><sipPort>5070</sipPort>
<securedSipPort>5071</securedSipPort><mgcpPorts><listen>2427</listen></mgcpPorts></ports>
<processNodeName> sub </processNodeName>
</callManager>
</member>
</members>
</callManagerGroup>
</devicePool>
<TVS>
<members>
<member  priority="1"><port>2446</port><address>pub</address></member>
<member  priority="0"><address>127.0.0.2</address></member>
</members>
</TVS>
<loadInformation>sip88xx.12-5-1SR2-2</loadInformation>
<versionStamp>1555108264-18843a73-f9e1-4a3b-99bb-86295a710462</versionStamp>
<deviceSecurityMode>1</deviceSecurityMode>
<transportLayerProtocol>4</transportLayerProtocol>
<capfAuthMode>0</capfAuthMode>
<capfList><capf><phonePort>3804</phonePort><processNodeName></processNodeName></capf></capfList>
<certHash></certHash>
<encrConfig>false</encrConfig>
<TLSResumptionTimer>3600</TLSResumptionTimer>
</device>"#;

    #[test]
    fn a_file_of_cucm_is_read() {
        let config = PhoneConfig::parse(CUCM.as_bytes()).unwrap();
        let hosts: Vec<_> = config.callmanager_group.iter().map(|m| &*m.host).collect();
        assert_eq!(hosts, ["sub", "pub"], "the lower priority is first");
        assert_eq!(config.callmanager_group[0].sip_port, 5_070);
        assert_eq!(config.callmanager_group[1].secured_sip_port, 5_061);
        let tvs: Vec<_> = config.tvs.iter().map(|t| (&*t.host, t.port)).collect();
        assert_eq!(tvs, [("127.0.0.2", 2_445), ("pub", 2_446)]);
        assert_eq!(config.transport, Transport::Other(4));
        assert_eq!(config.capf_auth_mode, Some(0));
        assert_eq!((config.capf.len(), config.cert_hash.clone()), (0, None));
        assert_eq!(config.tls_resumption_secs, Some(3_600));
        assert_eq!(PhoneConfig::parse(config.emit().as_bytes()), Ok(config));
    }

    #[test]
    fn what_is_missing_has_its_default() {
        assert_eq!(PhoneConfig::parse(b"<device/>"), Ok(PhoneConfig::default()));
    }

    #[test]
    fn faults_name_line_and_element() {
        let of = |text: &str| PhoneConfig::parse(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            of("<device>\n<deviceSecurityMode>4</deviceSecurityMode></device>"),
            "line 2: deviceSecurityMode: found `4`, expected 1, 2 or 3"
        );
        assert_eq!(
            of(
                "<device>\n\n<TVS><members>\n<member priority='x'><address>a</address></member></members></TVS></device>"
            ),
            "line 4: priority: found `x`, expected a number"
        );
        assert_eq!(
            of(
                "<device><TVS><members><member><address>a</address><port>0</port></member></members></TVS></device>"
            ),
            "line 1: port: found `0`, expected a port, 1 to 65535"
        );
        assert_eq!(
            of("<device><encrConfig>yes</encrConfig></device>"),
            "line 1: encrConfig: found `yes`, expected true or false"
        );
        assert_eq!(
            of("<html/>"),
            "line 1: outermost element is `html`, expected `device` or `Default`"
        );
        assert!(of("<device>\n<a></device>").starts_with("line 2: not well-formed XML:"));
        assert_eq!(
            PhoneConfig::parse(b"<device>\xff</device>"),
            Err(ConfigError::NotUtf8 { offset: 8 })
        );
        let host = "h".repeat(256);
        let long = format!(
            "<device><TVS><members><member><address>{host}</address></member></members></TVS></device>"
        );
        assert!(of(&long).contains("expected a host name"));
        for steering in ["src pub", "src\u{9b}31mpub", "src\u{202e}pub"] {
            assert!(of(&long.replace(&host, steering)).contains("expected a host name"));
        }
    }

    #[test]
    fn more_tvs_servers_than_a_phone_takes_are_cut() {
        let members: String = (0..9)
            .map(|n| {
                format!(
                    "<member priority='{}'><address>t{n}</address></member>",
                    9 - n
                )
            })
            .collect();
        let text = format!("<device><TVS><members>{members}</members></TVS></device>");
        let config = PhoneConfig::parse(text.as_bytes()).unwrap();
        let hosts: Vec<_> = config.tvs.iter().map(|t| &*t.host).collect();
        assert_eq!(hosts, ["t8", "t7", "t6", "t5", "t4"]);
    }

    #[test]
    fn hostile_files_end_in_an_error() {
        let refused = |text: &str| PhoneConfig::parse(text.as_bytes()).is_err();
        assert!(refused(""));
        assert!(refused(
            "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]><device><certHash>&b;</certHash></device>"
        ));
        assert!(refused("<device><certHash>&b;</certHash></device>"));
        // One prefix over what is mended.
        assert!(refused("<device a:a='1' b:a='1' c:a='1' d:a='1' e:a='1'/>"));
        assert!(!refused("<device a:a='1' b:a='1' c:a='1' d:a='1'/>"));
        assert!(refused("<!-- <device a:a='1'/>"));
        let deep = "<device>".repeat(MAX_BYTES / 8);
        assert!(refused(&deep));
        let wide = format!("<device>{}</device>", "<a/>".repeat(MAX_NODES as usize));
        assert!(refused(&wide));
        let large = " ".repeat(MAX_BYTES + 1);
        assert!(matches!(
            PhoneConfig::parse(large.as_bytes()),
            Err(ConfigError::TooLarge { .. })
        ));
    }

    #[test]
    fn cut_anywhere_and_changed_anywhere_it_does_not_panic() {
        for n in 0..CUCM.len() {
            assert!(PhoneConfig::parse(&CUCM.as_bytes()[..n]).is_err(), "{n}");
        }
        let mut bytes = CUCM.as_bytes().to_vec();
        for n in 0..bytes.len() {
            for with in [b'<', b'>', b'"', b'&', 0, b':', 0xff, bytes[n] ^ 1] {
                let was = std::mem::replace(&mut bytes[n], with);
                // Well-formed or not: a result, and what was read is written.
                if let Ok(config) = PhoneConfig::parse(&bytes) {
                    assert_eq!(PhoneConfig::parse(config.emit().as_bytes()), Ok(config));
                }
                bytes[n] = was;
            }
        }
    }
}
