//! `[provisioning]`: multiplatform phones, their servers, and rounds of resyncs.

use std::net::IpAddr;

use toml::de::DeTable;

use super::super::diagnostic::{Located, Span, quote};
use super::super::provisioning::{PROVISIONED, Phone, ProfileFile, Provisioning, Round, Server};
use super::super::words::{CertificateDemand, ClientCertificate, ProvisioningAuthority};
use super::Parser;
use super::nothing;
use super::read::{Entry, Problem, Section, in_file_order};
use crate::dhcp::Mac;
use crate::provisioning::device::{is_plain, mac_of};
use crate::provisioning::resync::{CODES, NOTHING_TO_DO};
use crate::provisioning::rule::Rule;
use crate::provisioning::settings::{self, Settings};
use crate::provisioning::unasked::Unasked;
use crate::time::UnixSeconds;

/// Servers, phones and rounds of a scenario, each.
const MAX_TABLES: usize = 256;
/// Profiles of a server, addresses of a name, names of a table.
const MAX_ENTRIES: usize = 256;

impl Parser<'_, '_> {
    pub(super) fn provisioning(&mut self, root: &Section<'_>) -> Option<Provisioning> {
        let entry = root.optional("provisioning")?;
        let table = entry.table(self.problems)?;
        let section = Section::new(
            self.problems,
            table,
            Some(entry.key_span),
            "[provisioning]",
            &["dns", "server", "phone", "resync"],
        );
        let dns = self.dns(&section);
        let mut found = Provisioning {
            dns,
            ..Provisioning::default()
        };
        for (span, table) in self.tables(&section, "server", MAX_TABLES) {
            let server = self.server(span, table);
            if found
                .servers
                .iter()
                .any(|s| s.name.value == server.name.value)
            {
                let message = format!("a server is called {} already", quote(&server.name));
                self.problems.add(Problem::at(server.name.span, message));
            }
            if found
                .servers
                .iter()
                .any(|s| s.address.value == server.address.value)
            {
                let message = format!("a server is at {} already", server.address.value);
                self.problems.add(Problem::at(server.address.span, message));
            }
            found.servers.push(server);
        }
        for (span, table) in self.tables(&section, "phone", MAX_TABLES) {
            if let Some(phone) = self.multiplatform_phone(span, table) {
                if found.phones.iter().any(|p| p.mac.value == phone.mac.value) {
                    let message = "a phone has this MAC address already";
                    self.problems.add(Problem::at(phone.mac.span, message));
                }
                found.phones.push(phone);
            }
        }
        if found.phones.is_empty() {
            let message = "[provisioning] has no phones";
            let problem = Problem::at(entry.key_span, message);
            self.problems
                .add(problem.help("add [[provisioning.phone]] with mac and rule"));
        }
        for (span, table) in self.tables(&section, "resync", MAX_TABLES) {
            let round = self.round(span, table, &found);
            found.rounds.push(round);
        }
        if found.rounds.is_empty() {
            let message = "no phone of [provisioning] resyncs";
            let problem = Problem::at(entry.key_span, message);
            self.problems
                .add(problem.help("add [[provisioning.resync]]"));
        }
        for shows in found.servers.iter().filter_map(|s| s.shows.as_ref()) {
            self.known_server(shows, &found);
        }
        Some(found)
    }

    fn known_server(&mut self, name: &Located<String>, found: &Provisioning) {
        let known: Vec<_> = found
            .servers
            .iter()
            .map(|s| s.name.value.as_str())
            .collect();
        if !known.contains(&name.value.as_str()) {
            let message = format!("no server is called {}", quote(name));
            self.problems
                .add(Problem::at(name.span, message).suggest(name, "servers", &known));
        }
    }

    /// `dns = { "name" = ["address", ..] }`.
    fn dns(&mut self, section: &Section<'_>) -> Vec<(String, Vec<IpAddr>)> {
        let Some(table) = section
            .optional("dns")
            .and_then(|entry| entry.table(self.problems))
        else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for entry in in_file_order(table).into_iter().take(MAX_ENTRIES) {
            let list = entry.list(self.problems, "a list of addresses", MAX_ENTRIES);
            let addresses = list.unwrap_or_default();
            let addresses = addresses
                .into_iter()
                .filter_map(|entry| Some(self.address(entry)?.value))
                .collect();
            if let Some(unasked) = Unasked::of(entry.key) {
                let message = format!("DNS is never asked for {}: {unasked}", quote(entry.key));
                let problem = Problem::at(entry.key_span, message);
                self.problems
                    .add(problem.help("take another name, such as sprov.example.com"));
            }
            found.push((entry.key.to_owned(), addresses));
        }
        found
    }

    fn address(&mut self, entry: Entry<'_>) -> Option<Located<IpAddr>> {
        let text = entry.text(self.problems)?;
        match text.value.parse() {
            Ok(address) => Some(Located::new(address, text.span)),
            Err(_) => {
                let message = format!("{} is no address", quote(&text));
                self.problems
                    .add(Problem::at(text.span, message).label("as in 10.1.1.1"));
                None
            }
        }
    }

    fn server(&mut self, span: Span, table: &DeTable<'_>) -> Server {
        let s = Section::new(
            self.problems,
            table,
            Some(span),
            "[[provisioning.server]]",
            &[
                "name",
                "address",
                "common-name",
                "authority",
                "valid-from",
                "valid-to",
                "bits",
                "shows-certificate-of",
                "client-certificate",
                "profiles",
            ],
        );
        let text = |this: &mut Self, key, what| {
            let entry = s.required(this.problems, key, what);
            entry.and_then(|entry| entry.text(this.problems))
        };
        let name = text(self, "name", "what rounds call it").unwrap_or_else(nothing);
        let common = text(self, "common-name", "the common name of its certificate");
        let address = s.required(self.problems, "address", "its address, as in \"10.1.1.1\"");
        let address = address.and_then(|entry| self.address(entry));
        let date = |this: &mut Self, key| {
            let entry = s.optional(key)?;
            Some(this.date(entry)?.value)
        };
        let valid_from: Option<UnixSeconds> = date(self, "valid-from");
        let valid_to = date(self, "valid-to");
        let bits = s.optional("bits").and_then(|entry| {
            let bits = entry.number(self.problems, 1_024..=4_096)?;
            if ![1_024, 2_048, 4_096].contains(&bits.value) {
                let message = format!("RSA keys of {} bits are not made", bits.value);
                self.problems
                    .add(Problem::at(bits.span, message).label("1024, 2048 or 4096"));
                return None;
            }
            usize::try_from(bits.value).ok()
        });
        Server {
            name,
            address: address.unwrap_or_else(|| Located::new(IpAddr::from([0, 0, 0, 0]), span)),
            common_name: common.map(|c| c.value).unwrap_or_default(),
            authority: s
                .optional("authority")
                .and_then(|entry| entry.word(self.problems))
                .map_or(ProvisioningAuthority::Ours, |word| word.value),
            valid_from,
            valid_to,
            bits: bits.unwrap_or(2_048),
            shows: s
                .optional("shows-certificate-of")
                .and_then(|entry| entry.text(self.problems)),
            demand: s
                .optional("client-certificate")
                .and_then(|entry| entry.word(self.problems))
                .map_or(CertificateDemand::Page, |word| word.value),
            profiles: self.profiles(&s),
        }
    }

    /// A path, or a table with `path` and `key`.
    fn profiles(&mut self, section: &Section<'_>) -> Vec<ProfileFile> {
        let Some(entry) = section.optional("profiles") else {
            return Vec::new();
        };
        let list = entry.list(self.problems, "a list of paths", MAX_ENTRIES);
        let mut found = Vec::new();
        for entry in list.unwrap_or_default() {
            let (path, key) = match entry.value() {
                toml::de::DeValue::Table(table) => {
                    let s = Section::new(
                        self.problems,
                        table,
                        Some(entry.span()),
                        "a profile",
                        &["path", "key"],
                    );
                    let path = s.required(self.problems, "path", "its path, with a slash");
                    let key = s.optional("key").and_then(|e| e.text(self.problems));
                    (
                        path.and_then(|e| e.text(self.problems)),
                        key.map(|k| k.value),
                    )
                }
                _ => (entry.text(self.problems), None),
            };
            let Some(path) = path else { continue };
            if path.value.starts_with('/') {
                found.push(ProfileFile {
                    path: path.value,
                    key,
                });
            } else {
                let message = format!("{} does not begin with a slash", quote(&path));
                self.problems.add(Problem::at(path.span, message));
            }
        }
        found
    }

    fn mac(&mut self, text: Located<String>) -> Option<Located<Mac>> {
        match mac_of(&text.value) {
            Some(mac) => Some(Located::new(mac, text.span)),
            None => {
                let message = format!("{} is no MAC address", quote(&text));
                self.problems
                    .add(Problem::at(text.span, message).label("as in 000e08abcdef"));
                None
            }
        }
    }

    fn multiplatform_phone(&mut self, span: Span, table: &DeTable<'_>) -> Option<Phone> {
        let s = Section::new(
            self.problems,
            table,
            Some(span),
            "[[provisioning.phone]]",
            &[
                "mac",
                "product",
                "rule",
                "client-certificate",
                "parameters",
                "settings",
            ],
        );
        let mac = s
            .required(self.problems, "mac", "its MAC address")
            .and_then(|entry| entry.text(self.problems))
            .and_then(|text| self.mac(text));
        let rule = s
            .required(self.problems, "rule", "its profile rule")
            .and_then(|entry| entry.text(self.problems))
            .filter(|rule| match Rule::parse(&rule.value) {
                Ok(_) => true,
                Err(error) => {
                    let message = format!("the rule cannot be read: {error}");
                    self.problems.add(Problem::at(rule.span, message));
                    false
                }
            });
        let product = s
            .optional("product")
            .and_then(|entry| entry.text(self.problems))
            .filter(|product| {
                let is_one = is_plain(&product.value);
                if !is_one {
                    let message = format!("{} is no product", quote(product));
                    self.problems
                        .add(Problem::at(product.span, message).label("as in CP-8832-3PCC"));
                }
                is_one
            });
        let certificate = s
            .optional("client-certificate")
            .and_then(|entry| entry.word(self.problems));
        let mut parameters = Vec::new();
        if let Some(entry) = s.optional("parameters")
            && let Some(table) = entry.table(self.problems)
        {
            for entry in in_file_order(table).into_iter().take(MAX_ENTRIES) {
                if let Some(value) = entry.string(self.problems) {
                    parameters.push((entry.key.to_owned(), value.value.to_owned()));
                }
            }
        }
        let settings = self.provisioning_settings(&s);
        Some(Phone {
            mac: mac?,
            product: product.map_or_else(|| "CP-8832-3PCC".into(), |p| p.value),
            rule: rule?.value,
            certificate: certificate.map_or(ClientCertificate::Own, |word| word.value),
            parameters,
            settings,
        })
    }

    /// `settings = { "provision.dates" = "ignored" }`.
    fn provisioning_settings(&mut self, section: &Section<'_>) -> Settings {
        let mut found = Settings::default();
        let Some(table) = section
            .optional("settings")
            .and_then(|entry| entry.table(self.problems))
        else {
            return found;
        };
        for entry in in_file_order(table).into_iter().take(MAX_ENTRIES) {
            let known: Vec<_> = settings::TABLE.iter().map(|s| s.key).collect();
            if !known.contains(&entry.key) {
                let message = format!("unknown setting {}", quote(entry.key));
                let problem = Problem::at(entry.key_span, message);
                self.problems
                    .add(problem.suggest(entry.key, "known settings", &known));
                continue;
            }
            let Some(value) = entry.setting(self.problems) else {
                continue;
            };
            if let Err(error) = found.set(entry.key, &value.value.to_string()) {
                self.problems
                    .add(Problem::at(value.span, error.to_string()));
            }
        }
        found
    }

    fn round(&mut self, span: Span, table: &DeTable<'_>, found: &Provisioning) -> Round {
        let s = Section::new(
            self.problems,
            table,
            Some(span),
            "[[provisioning.resync]]",
            &["down", "dns", "dns-down", "date", "expect"],
        );
        let down = s.optional("down").and_then(|e| e.names(self.problems));
        let down = down.unwrap_or_default();
        for name in &down {
            self.known_server(name, found);
        }
        let date = s.optional("date").and_then(|entry| self.date(entry));
        let mut expected = Vec::new();
        if let Some(entry) = s.optional("expect")
            && let Some(table) = entry.table(self.problems)
        {
            for entry in in_file_order(table).into_iter().take(MAX_TABLES) {
                let name = Located::new(entry.key.to_owned(), entry.key_span);
                let Some(mac) = self.mac(name) else { continue };
                if !found.phones.iter().any(|p| p.mac.value == mac.value) {
                    let message = format!("no phone has the MAC address {}", quote(entry.key));
                    self.problems.add(Problem::at(mac.span, message));
                }
                let Some(code) = entry.text(self.problems) else {
                    continue;
                };
                let good = [PROVISIONED, NOTHING_TO_DO];
                let known: Vec<_> = good.iter().chain(CODES).copied().collect();
                if known.contains(&code.value.as_str()) {
                    expected.push((mac.value, code));
                } else {
                    let message = format!("no resync ends with {}", quote(&code));
                    let problem = Problem::at(code.span, message);
                    self.problems.add(problem.suggest(&code, "known", &known));
                }
            }
        }
        Round {
            down,
            dns: self.dns(&s),
            dns_down: s
                .optional("dns-down")
                .and_then(|entry| entry.flag(self.problems))
                .unwrap_or(false),
            date: date.map(|date| date.value),
            expected,
        }
    }
}
