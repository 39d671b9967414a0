//! What a side is read from, as the command line names it.

use std::path::PathBuf;
use std::str::FromStr;

use crate::check::evidence::TVS_PORT;
use crate::net::real::TFTP_PORT;
use crate::phone::HTTP_PORT;

/// One input of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A folder of files.
    Folder(PathBuf),
    /// A live node.
    Node(Target),
    /// A cluster of a scenario.
    Emulated {
        /// The scenario.
        scenario: PathBuf,
        /// Id of the cluster.
        cluster: String,
    },
}

/// A live node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Host name or address.
    pub host: String,
    /// Its TFTP port.
    pub tftp_port: u16,
    /// Its HTTP port.
    pub http_port: u16,
}

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((scheme, rest)) = text.split_once("://") {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            let (host, port) = host_and_port(rest)?;
            let mut target = Target {
                host,
                tftp_port: TFTP_PORT,
                http_port: HTTP_PORT,
            };
            match scheme {
                "tftp" => target.tftp_port = port.unwrap_or(TFTP_PORT),
                "http" => target.http_port = port.unwrap_or(HTTP_PORT),
                _ => {
                    return Err(
                        "expected tftp://HOST or http://HOST; a node's HTTPS and TVS are looked at \
                         with it"
                            .into(),
                    );
                }
            }
            return Ok(Self::Node(target));
        }
        if let Some((file, cluster)) = text.rsplit_once('#')
            && file.ends_with(".toml")
        {
            if cluster.is_empty() {
                return Err("the cluster's id is missing after #".into());
            }
            return Ok(Self::Emulated {
                scenario: file.into(),
                cluster: cluster.to_owned(),
            });
        }
        if text.ends_with(".toml") {
            return Err(format!(
                "a scenario has several clusters: say which, such as {text}#source"
            ));
        }
        match text {
            "" => {
                Err("expected a folder, tftp://HOST, http://HOST or SCENARIO.toml#CLUSTER".into())
            }
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

/// One `--tvs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TvsPlace {
    /// The name by which configurations call it.
    pub name: Option<String>,
    /// Where it really is.
    pub host: String,
    /// Its port there.
    pub port: u16,
}

impl FromStr for TvsPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, place) = match text.split_once('=') {
            Some((name, place)) if !name.is_empty() => (Some(name.to_owned()), place),
            Some(_) => return Err("the name before = is missing".into()),
            None => (None, text),
        };
        let (host, port) = host_and_port(place)?;
        let port = port.unwrap_or(TVS_PORT);
        Ok(Self { name, host, port })
    }
}

/// Host and port of `HOST[:PORT]`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    if text.matches(':').count() > 1 {
        return Err("phones have IPv4 addresses in option 150, no others".into());
    }
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => match port.parse() {
            Ok(port) if port > 0 => (host, Some(port)),
            _ => return Err("the port is no number from 1 to 65535".into()),
        },
    };
    if host.is_empty() || host.contains(['/', '?', '#', '@']) {
        return Err("expected a host, such as 10.0.0.5 or cucm-pub.example.com".into());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> (String, u16, u16) {
        match text.parse() {
            Ok(Input::Node(t)) => (t.host, t.tftp_port, t.http_port),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn inputs_are_told_apart() {
        assert_eq!(target("tftp://10.0.0.5"), ("10.0.0.5".into(), 69, 6_970));
        assert_eq!(target("tftp://a.b:70/"), ("a.b".into(), 70, 6_970));
        assert_eq!(target("http://a:80"), ("a".into(), 69, 80));
        let folder = Input::Folder("old/files".into());
        assert_eq!("old/files".parse(), Ok(folder));
        let emulated = Input::Emulated {
            scenario: "move.toml".into(),
            cluster: "source".into(),
        };
        assert_eq!("move.toml#source".parse(), Ok(emulated));
        for (text, expected) in [
            ("https://a", "tftp://HOST"),
            ("tftp://", "expected a host"),
            ("tftp://a:0", "port"),
            ("tftp://[::1]:69", "IPv4"),
            ("http://a/b", "expected a host"),
            ("move.toml", "say which"),
            ("move.toml#", "id is missing"),
            ("", "expected a folder"),
        ] {
            let error = text.parse::<Input>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_tvs_may_stand_for_a_name() {
        let place: TvsPlace = "src-pub=10.0.0.5".parse().unwrap();
        assert_eq!(place.name.as_deref(), Some("src-pub"));
        assert_eq!((place.host.as_str(), place.port), ("10.0.0.5", 2_445));
        let place: TvsPlace = "10.0.0.5:2446".parse().unwrap();
        assert_eq!((place.name, place.port), (None, 2_446));
        assert!("=10.0.0.5".parse::<TvsPlace>().is_err());
        assert!("a=".parse::<TvsPlace>().is_err());
    }
}
