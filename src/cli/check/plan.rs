//! What would be asked of live nodes, said without a packet.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::inputs::Target;
use super::live::{GENERAL, How, is_over_https, of_phone};
use crate::event::SCHEMA_VERSION;
use crate::net::look::longest;
use crate::net::real::LabNode;
use crate::phone::HTTPS_PORT;
use crate::report::text::count;
use crate::trust::certificate::escape_for_terminal;

/// Everything that would be asked, in order.
#[derive(Debug, Serialize)]
pub(super) struct Plan {
    schema_version: u32,
    kind: &'static str,
    /// Requests a second to one node, at most.
    rate: f64,
    /// Seconds that one answer may take.
    timeout_secs: f64,
    asks: Vec<Ask>,
}

/// What one service of a node is asked.
#[derive(Debug, Serialize)]
struct Ask {
    /// `from` or `to`.
    side: &'static str,
    /// The node, as it was given; none where its configurations will name it.
    node: Option<String>,
    /// What and where: `TFTP, UDP 69`.
    service: String,
    /// For what.
    what: Vec<String>,
    /// Requests; none where that hangs on what is read.
    requests: Option<usize>,
}

impl Plan {
    /// What would be asked of the sides with these live nodes.
    pub(super) fn of(sides: &[(&'static str, &[Target])], how: &How) -> Self {
        let mut asks = Vec::new();
        let phones: Vec<_> = how.devices.iter().flat_map(|d| of_phone(d)).collect();
        for (side, targets) in sides {
            for target in *targets {
                asks.extend(files(side, target, &phones, how));
            }
        }
        let is_unnamed = how.devices.is_empty();
        for (n, (side, targets)) in sides.iter().enumerate() {
            let asks_tvs = !targets.is_empty() || n == 0 && !how.tvs.is_empty();
            if !asks_tvs {
                continue;
            }
            if is_unnamed && !targets.is_empty() {
                asks.push(Ask {
                    side,
                    node: None,
                    service: "the same".into(),
                    what: vec![
                        "the files of the first phone that --from has in the list of its cached files"
                            .into(),
                    ],
                    requests: None,
                });
            }
            let where_ = match n {
                0 if !how.tvs.is_empty() => {
                    let shown = how.tvs.iter().map(|t| {
                        let name = t.name.as_ref().map(|n| format!("{n}="));
                        format!("{}{}:{}", name.unwrap_or_default(), t.host, t.port)
                    });
                    let shown: Vec<_> = shown.collect();
                    format!("TVS at {}, then", shown.join(", "))
                }
                _ => "TVS".to_owned(),
            };
            asks.push(Ask {
                side,
                node: None,
                service: format!("{where_} as configurations name it, TCP 2445 with TLS"),
                what: vec![
                    "one question for each signer of the other side's lists, configurations and \
                     HTTPS certificates"
                        .into(),
                ],
                requests: None,
            });
            if !targets.is_empty() {
                asks.push(Ask {
                    side,
                    node: None,
                    service: "CallManager as configurations name it, TCP 5060 or 5061".into(),
                    what: vec!["a connection, opened and closed".into()],
                    requests: None,
                });
            }
        }
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "check-plan",
            rate: how.rate,
            timeout_secs: how.within.as_secs_f64(),
            asks,
        }
    }

    /// For people.
    pub(super) fn human(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        if self.asks.is_empty() {
            let _ = writeln!(out, "No live node is named: nothing would be asked.");
            return out;
        }
        let _ = writeln!(
            out,
            "Nothing was asked. In this order, all nodes side by side, would be:\n"
        );
        for (n, ask) in (1..).zip(&self.asks) {
            let node = ask.node.as_deref().unwrap_or("each node");
            let requests = match ask.requests {
                Some(requests) => count(requests, "request"),
                None => "as many as it takes".into(),
            };
            let _ = writeln!(
                out,
                "{n:>3}  {:<4}  {node}  {}: {requests}",
                ask.side, ask.service
            );
            for what in &ask.what {
                let _ = writeln!(out, "       {what}");
            }
        }
        let known: usize = self.asks.iter().filter_map(|a| a.requests).sum();
        let _ = writeln!(
            out,
            "\n{} for files in all, at most {} a second to one node, each with {} s for its answer. \
             Nothing is changed on either side.",
            count(known, "request"),
            self.rate,
            self.timeout_secs
        );
        out
    }

    /// For scripts.
    pub(super) fn json(&self) -> String {
        // Numbers and texts alone: it can always be written.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

fn files(side: &'static str, target: &Target, phones: &[String], how: &How) -> Vec<Ask> {
    let lab = how.lab.iter().find(|n| n.is(&target.host));
    let general = GENERAL.iter().map(ToString::to_string);
    let over_tftp: Vec<_> = general.chain(phones.iter().cloned()).collect();
    let over_https: Vec<_> = phones
        .iter()
        .filter(|n| is_over_https(n))
        .cloned()
        .collect();
    let port = |of_lab: fn(&LabNode) -> Option<u16>, usual: u16| match lab {
        Some(node) => of_lab(node),
        None => Some(usual),
    };
    let tftp = port(|n| n.tftp.map(|a| a.port()), target.tftp_port);
    let http = port(|n| n.http.map(|a| a.port()), target.http_port);
    let https = port(|n| n.https.map(|a| a.port()), HTTPS_PORT);
    let longest = |requests: usize| {
        let most: Duration = longest(requests, how.rate, how.within);
        format!("at most {} s in all", most.as_secs().max(1))
    };
    let mut asks = Vec::new();
    let node = escape_for_terminal(target.host.as_bytes());
    let mut add = |service: String, what: Vec<String>, requests: usize| {
        asks.push(Ask {
            side,
            node: Some(node.clone()),
            service: format!("{service}, {}", longest(requests)),
            what,
            requests: Some(requests),
        });
    };
    if let Some(port) = tftp {
        let requests = over_tftp.len();
        add(format!("TFTP, UDP {port}"), over_tftp.clone(), requests);
    }
    if let Some(port) = http {
        let requests = over_tftp.len();
        add(format!("HTTP, TCP {port}"), over_tftp, requests);
    }
    if let Some(port) = https {
        let requests = over_https.len() + 1;
        let mut what = vec!["the certificate that it shows".to_owned()];
        what.extend(over_https);
        add(format!("HTTPS, TCP {port}"), what, requests);
    }
    asks
}
