//! The machine of one resync: rules A to D in order, each with its download.
//!
//! It knows no socket and no clock. [`Resync::poll`] gives what to do next; whoever drives it does
//! so, and tells the result with the `handle_*` of that step: [`Step::Resolve`] with
//! [`Resync::handle_lookup`], [`Step::Connect`] with [`Resync::handle_connection`], [`Step::Send`]
//! with [`Resync::handle_answer`]. [`Step::Tell`] is for whoever looks on, [`Step::End`] is last.
//!
//! Source: Cisco's 7832 and 8832 guides. A failure ends the whole sequence, and the retry starts
//! with the first rule again; [`super::schedule`] says when. A profile is taken over as soon as it
//! is read, before the next rule: assumed.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::device::{Device, mac_text};
use super::log::Message;
use super::login::Challenge;
use super::macros::Values;
use super::parameters::{Parameters, RULES};
use super::profile::{AES128GCM, Profile, ProfileFault, Wrapping};
use super::rule::{Condition, Rule, Scheme, Server, Target, Url};
use super::schedule::Cause;
use super::settings::{KeyDigest, LEAST_PROFILE_BOUND, Settings};
use super::unasked::Unasked;
use super::verify::{Checker, Lookup, Trusted};
use crate::rng::Rng;

mod fault;
mod step;
mod text;

pub use fault::{CODES, Class, Fault, Reason};
pub use step::{
    Answer, Connect, ConnectFault, End, Failure, Happening, NOTHING_TO_DO, Request, Step,
};

/// What a phone is, from one resync to the next.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who it is.
    pub device: Device,
    /// Its firmware, such as `sip8832.11-3-2MPP0001-609`.
    pub software: String,
    /// `$HWVER`.
    pub hardware: String,
    /// Whether it has a client certificate.
    pub has_certificate: bool,
    /// Its own address, if it is known.
    pub address: Option<IpAddr>,
    /// The server for rules that name none: DHCP option 66.
    pub option_66: Option<Server>,
    /// Which servers it takes, and its clock.
    pub checker: Checker,
    /// What the sources leave open.
    pub settings: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Resolving,
    Connecting,
    /// DNS is asked for the name in the certificate.
    Naming,
    Asking,
    Ended,
}

/// The download of one rule.
struct Download {
    target: Target,
    /// Where it is now, after redirects.
    url: Url,
    server: Server,
    addresses: VecDeque<IpAddr>,
    tried: Vec<(SocketAddr, String)>,
    /// Addresses that are too many to be tried.
    untried: usize,
    /// Connections that failed, those before a redirect too.
    failed: usize,
    peer: Option<SocketAddr>,
    /// The name in the certificate.
    name: String,
    /// Whether the other `provision.name_check` would take another name.
    has_other_name: bool,
    has_told_request: bool,
    redirects: u32,
    logins: u32,
    login: Option<(&'static str, String)>,
}

/// One resync. See the module.
pub struct Resync {
    setup: Arc<Setup>,
    parameters: Parameters,
    values: Values,
    rng: Rng,
    steps: VecDeque<Step>,
    state: State,
    /// The rule at hand.
    rule: usize,
    download: Option<Download>,
    taken: usize,
    /// Nothing was asked for yet.
    is_idle: bool,
    rests_on: BTreeSet<&'static str>,
    /// A name was looked up that DNS is not asked for, as is assumed of phones.
    has_assumed_name: bool,
}

impl Resync {
    /// Begins. `since_last` is how long ago the last one ended, zero if there was none; `rng` is for
    /// logins.
    pub fn new(
        setup: Arc<Setup>,
        parameters: Parameters,
        cause: Cause,
        since_last: Duration,
        rng: Rng,
    ) -> Self {
        let mut values = setup.values();
        values.set("PRVST", cause.number().to_string());
        values.set("PRVTMR", since_last.as_secs().to_string());
        let mut resync = Self {
            setup,
            parameters,
            values,
            rng,
            steps: VecDeque::new(),
            state: State::Resolving,
            rule: 0,
            download: None,
            taken: 0,
            is_idle: true,
            rests_on: BTreeSet::new(),
            has_assumed_name: false,
        };
        resync.tell(Happening::Started(cause));
        if let Some(parameter) = resync.off(cause) {
            resync.end_failed(Fault::Off { parameter });
        } else if resync.is_triggered(cause) {
            resync.go_on();
        } else {
            let why = "no Resync_Trigger is true";
            let rule = RULES[0];
            resync.tell(Happening::RuleSkipped { rule, why });
            resync.end(Ok(0));
        }
        resync
    }

    /// What to do next; none while a result is awaited, and after the end.
    pub fn poll(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// The phone's parameters, with what was taken over until now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// DNS has answered [`Step::Resolve`].
    pub fn handle_lookup(&mut self, lookup: Lookup) {
        match (self.state, &mut self.download) {
            (State::Resolving, Some(download)) => match lookup {
                Lookup::Found(mut addresses) => {
                    // A records first.
                    addresses.sort_by_key(IpAddr::is_ipv6);
                    let all = addresses.len();
                    // A name with thousands of addresses would keep a phone busy for hours.
                    addresses.truncate(self.setup.settings.max_addresses);
                    let host = download.server.host.clone();
                    download.addresses = addresses.iter().copied().collect();
                    download.untried = all - addresses.len();
                    self.tell(Happening::Resolved {
                        host,
                        addresses,
                        all,
                    });
                    self.connect();
                }
                other => {
                    let host = download.server.host.clone();
                    self.tell_request();
                    self.fail(Fault::Dns {
                        host,
                        lookup: other,
                    });
                }
            },
            (State::Naming, Some(download)) => {
                let Some(address) = download.peer else { return };
                let name = download.name.clone();
                let checked = self.setup.checker.address(&name, address.ip(), &lookup);
                let has_other_name = download.has_other_name;
                match checked {
                    Ok(rests_on) => {
                        self.rests_on.extend(rests_on);
                        let in_dns = true;
                        self.tell(Happening::Trusted {
                            name,
                            address,
                            in_dns,
                        });
                        self.send();
                    }
                    Err(mut refused) => {
                        if has_other_name {
                            refused.rests_on.push("provision.name_check");
                        }
                        self.fail(Fault::Refused(refused));
                    }
                }
            }
            _ => {}
        }
    }

    /// [`Step::Connect`] has ended: with TLS, with what [`Checker::certificate`] gave.
    pub fn handle_connection(&mut self, result: Result<Option<Trusted>, ConnectFault>) {
        let (State::Connecting, Some(download)) = (self.state, &mut self.download) else {
            return;
        };
        let Some(address) = download.peer else { return };
        let trusted = result.map(|trusted| {
            trusted.map(|trusted| {
                self.rests_on.extend(trusted.rests_on);
                download.has_other_name = trusted.has_other_name;
                if trusted.has_other_name {
                    self.rests_on.insert("provision.name_check");
                }
                trusted.name
            })
        });
        // A name that is an address is the URL's host, which the phone is connected to: there is
        // nothing to ask DNS for.
        let is_address = |name: &str| name.parse::<IpAddr>().is_ok();
        match trusted {
            Ok(None) => self.send(),
            Ok(Some(name)) if self.setup.checker.asks_dns() && !is_address(&name) => {
                download.name.clone_from(&name);
                self.state = State::Naming;
                self.resolve(name, Some(address.ip()));
            }
            Ok(Some(name)) => {
                if !is_address(&name) {
                    self.rests_on.insert("provision.dns_check");
                }
                let in_dns = false;
                self.tell(Happening::Trusted {
                    name,
                    address,
                    in_dns,
                });
                self.send();
            }
            Err(ConnectFault::Unreachable(why)) => {
                download.failed += 1;
                // With fewer, the next address would not be tried.
                self.rests_on.insert("provision.max_addresses");
                download.tried.push((address, why.clone()));
                self.tell(Happening::NoConnection { address, why });
                self.connect();
            }
            Err(ConnectFault::Refused(refused)) => self.fail(Fault::Refused(refused)),
            Err(ConnectFault::Alert { code, name }) => self.fail(Fault::Alert { code, name }),
            Err(ConnectFault::Tls(why)) => self.fail(Fault::Tls(why)),
        }
    }

    /// [`Step::Send`] has ended: an answer, or why there is none.
    pub fn handle_answer(&mut self, result: Result<Answer, Fault>) {
        if self.state != State::Asking {
            return;
        }
        let answer = match result {
            Ok(answer) => answer,
            Err(fault) => return self.fail(fault),
        };
        self.tell(Happening::Answered {
            status: answer.status,
            bytes: answer.body.len(),
        });
        match answer.status {
            200..=299 => self.take(&answer),
            301 | 302 => self.redirect(answer.location.as_deref()),
            401 | 407 => self.log_in(&answer),
            404 if !self.parameters.flag("Resync_Fails_On_FNF", true) => {
                self.tell(Happening::MissingFileAccepted);
                self.succeed();
            }
            status => self.fail(Fault::status(status, &answer.body)),
        }
    }

    /// The parameter that forbids a resync of this cause.
    fn off(&self, cause: Cause) -> Option<&'static str> {
        let timing = self.parameters.timing();
        match (timing.enabled, timing.on_reset) {
            (false, _) => Some("Provision_Enable"),
            (true, false) if cause == Cause::PowerUp => Some("Resync_On_Reset"),
            (true, _) => None,
        }
    }

    fn resolve(&mut self, host: String, peer: Option<IpAddr>) {
        self.has_assumed_name |= Unasked::of(&host).is_some_and(Unasked::is_assumed);
        let settings = &self.setup.settings;
        self.steps.push_back(Step::Resolve {
            host,
            peer,
            // Which address a phone connects to is another matter than which one proves a name.
            aaaa: peer.is_none() || settings.dns_aaaa,
            within: settings.dns,
        });
    }

    fn tell(&mut self, happening: Happening) {
        self.steps.push_back(Step::Tell(happening));
    }

    /// Unset triggers do not count; if one is set, one must be true, or somebody asks.
    fn is_triggered(&mut self, cause: Cause) -> bool {
        self.parameters.fill(&mut self.values);
        let mut is_set = false;
        for name in ["Resync_Trigger_1", "Resync_Trigger_2"] {
            let text = self.parameters.get(name).trim();
            if text.is_empty() {
                continue;
            }
            is_set = true;
            let condition = Condition::parse(text).map_err(|e| e.to_string());
            let holds = condition.and_then(|c| c.holds(&self.values).map_err(|e| e.to_string()));
            match holds {
                Ok(true) => return true,
                Ok(false) => {}
                Err(why) => self.tell(Happening::BadTrigger(format!("{name}: {why}"))),
            }
        }
        !is_set || cause == Cause::Explicit
    }

    /// Goes on with the rule at hand, until one has a download, or none is left.
    fn go_on(&mut self) {
        while self.rule < RULES.len() {
            self.parameters.fill(&mut self.values);
            match self.target() {
                Ok(Some(target)) => {
                    self.is_idle = false;
                    let url = target.url.clone();
                    self.download = Some(Download::of(target));
                    return self.begin(url);
                }
                Ok(None) => self.rule += 1,
                Err(fault) => {
                    self.tell_failure(&fault);
                    return self.end_failed(fault);
                }
            }
        }
        self.end(Ok(self.taken));
    }

    /// What the rule at hand downloads. Its assignments are made.
    fn target(&mut self) -> Result<Option<Target>, Fault> {
        let name = RULES[self.rule];
        let rule = Rule::parse(self.parameters.rule(self.rule)).map_err(Fault::Rule)?;
        if rule.alternatives.is_empty() {
            return Ok(None);
        }
        let Some(chosen) = rule.choose(&self.values).map_err(Fault::Evaluation)? else {
            let why = "no condition is true";
            self.tell(Happening::RuleSkipped { rule: name, why });
            return Ok(None);
        };
        for (parameter, value) in &chosen.assignments {
            let value = self.values.expand(value, super::macros::Place::Text);
            let value = value.map_err(|e| Fault::Evaluation(e.into()))?;
            self.parameters.set(parameter, &value);
        }
        self.parameters.fill(&mut self.values);
        let target = chosen.target(&self.values).map_err(Fault::Evaluation)?;
        if target.is_none() {
            let why = "it has no URL";
            self.tell(Happening::RuleSkipped { rule: name, why });
        }
        Ok(target)
    }

    /// Begins with a URL: the rule's, or one that a server gave.
    fn begin(&mut self, url: Url) {
        let server = url.server.clone().or_else(|| self.setup.option_66.clone());
        let Some(download) = &mut self.download else {
            return;
        };
        for (name, value) in [
            ("SCHEME", url.scheme.upper().to_owned()),
            ("PORT", url.port().to_string()),
            ("PATH", url.path.clone()),
            ("SERVIP", String::new()),
            ("SERV", server.as_ref().map_or("", |s| &s.host).to_owned()),
        ] {
            self.values.set(name, value);
        }
        download.url = url;
        download.peer = None;
        download.tried.clear();
        download.untried = 0;
        let Some(server) = server else {
            return self.fail(Fault::NoServer);
        };
        download.server = server;
        if download.url.scheme == Scheme::Tftp {
            return self.fail(Fault::Tftp);
        }
        if download.target.srv {
            return self.fail(Fault::Srv);
        }
        let host = download.server.host.clone();
        if let Ok(address) = host.parse() {
            download.addresses = [address].into();
            return self.connect();
        }
        self.state = State::Resolving;
        self.resolve(host, None);
    }

    /// Connects to the next address.
    fn connect(&mut self) {
        let Some(download) = &mut self.download else {
            return;
        };
        if download.failed >= self.setup.settings.max_addresses {
            download.untried += download.addresses.len();
            download.addresses.clear();
        }
        let Some(ip) = download.addresses.pop_front() else {
            let host = download.server.host.clone();
            let tried = std::mem::take(&mut download.tried);
            let untried = download.untried;
            self.tell_request();
            return self.fail(Fault::Unreachable {
                host,
                tried,
                untried,
            });
        };
        let port = download.server.port;
        let address = SocketAddr::new(ip, port.unwrap_or_else(|| download.url.port()));
        download.peer = Some(address);
        let tls = (download.url.scheme == Scheme::Https)
            .then(|| (download.server.host.clone(), self.setup.checker.clone()));
        self.values.set("SERVIP", ip.to_string());
        self.tell_request();
        self.state = State::Connecting;
        self.steps.push_back(Step::Connect(Connect {
            address,
            tls,
            names_host: self.setup.settings.sni,
            within: self.setup.settings.connect,
        }));
    }

    /// The message of the request, once for each rule.
    fn tell_request(&mut self) {
        let Some(download) = &mut self.download else {
            return;
        };
        if !std::mem::replace(&mut download.has_told_request, true) {
            self.syslog(Message::Request);
        }
    }

    fn syslog(&mut self, message: Message) {
        let text = self.parameters.templates().message(message, &self.values);
        if let Some(text) = text {
            self.tell(Happening::Syslog(message, text));
        }
    }

    fn send(&mut self) {
        let Some(download) = &self.download else {
            return;
        };
        let Some(address) = download.peer else { return };
        let method = download.method();
        let body = download
            .target
            .post
            .clone()
            .unwrap_or_default()
            .into_bytes();
        let mut headers = vec![
            ("host", download.host_header()),
            ("user-agent", self.setup.agent()),
            ("accept", "*/*".to_owned()),
            ("connection", "close".to_owned()),
        ];
        if method == "POST" {
            headers.push((
                "content-type",
                "application/x-www-form-urlencoded".to_owned(),
            ));
        }
        headers.extend(download.login.clone());
        let request = Request {
            method,
            path: download.url.path.clone(),
            headers,
            body,
            max_bytes: self.setup.settings.max_profile_bytes,
            within: self.setup.settings.answer,
        };
        let url = download.url.to_string();
        self.tell(Happening::Requested { url, address });
        self.state = State::Asking;
        self.steps.push_back(Step::Send(request));
    }

    fn redirect(&mut self, location: Option<&str>) {
        let settings = &self.setup.settings;
        let Some(download) = &mut self.download else {
            return;
        };
        let Some(location) = location else {
            return self.fail(Fault::NoLocation);
        };
        let url = match download.url.join(location) {
            Ok(url) => url,
            Err(error) => return self.fail(Fault::Location(error)),
        };
        download.redirects += 1;
        if download.redirects > settings.max_redirects {
            let limit = settings.max_redirects;
            return self.fail(Fault::TooManyRedirects { limit });
        }
        let loses_tls = download.url.scheme == Scheme::Https && url.scheme != Scheme::Https;
        if loses_tls && !settings.redirect_to_http {
            return self.fail(Fault::RedirectToHttp(url.to_string()));
        }
        if url.server != download.url.server || url.scheme != download.url.scheme {
            // An account is for the server that the rule names.
            download.target.account = None;
        }
        // The body is for the server that the rule names, and may hold the phone's secrets.
        if download.target.post.is_some() {
            self.rests_on.insert("provision.redirect_of_post");
            if !settings.redirect_keeps_post {
                download.target.post = None;
            }
        }
        download.login = None;
        self.rests_on.insert("provision.max_redirects");
        if loses_tls {
            self.rests_on.insert("provision.redirect_to_http");
        }
        self.tell(Happening::Redirected(url.to_string()));
        self.begin(url);
    }

    fn log_in(&mut self, answer: &Answer) {
        let status = answer.status;
        let Some(download) = &mut self.download else {
            return;
        };
        let refused = |why| Fault::Login { status, why };
        let Some(account) = &download.target.account else {
            return self.fail(refused("the rule has no account"));
        };
        if download.logins >= self.setup.settings.max_logins {
            return self.fail(refused(Fault::LOGINS_SPENT));
        }
        let best = Challenge::best(answer.challenges.iter().map(String::as_str));
        let Some(challenge) = best else {
            return self.fail(refused("the server offers neither Basic nor Digest"));
        };
        let how = challenge.name();
        let (method, path) = (download.method(), &download.url.path);
        let Some(value) = challenge.answer(account, method, path, &mut self.rng) else {
            return self.fail(refused("the server's challenge cannot be answered"));
        };
        download.logins += 1;
        self.rests_on.insert("provision.max_logins");
        let header = match status {
            407 => "proxy-authorization",
            _ => "authorization",
        };
        download.login = Some((header, value));
        if let Some(peer) = download.peer {
            download.addresses.push_front(peer.ip());
        }
        self.tell(Happening::LogsIn(how));
        self.connect();
    }

    /// Takes a profile over.
    fn take(&mut self, answer: &Answer) {
        let Some(download) = &self.download else {
            return;
        };
        let material = self.parameters.get("IKM_HTTP_Encrypt_Content");
        let wrapping = Wrapping {
            content_encoding: answer.content_encoding.as_deref(),
            key: download.target.key.as_deref(),
            keying_material: (!material.is_empty()).then_some(material.as_bytes()),
            key_digest: self.setup.settings.key_digest,
            max_bytes: self.setup.settings.max_profile_bytes,
        };
        match Profile::read(&answer.body, &wrapping) {
            Ok(profile) => {
                if profile.bytes > LEAST_PROFILE_BOUND {
                    self.rests_on.insert("provision.max_profile_bytes");
                }
                if wrapping.key.is_some() && wrapping.content_encoding != Some(AES128GCM) {
                    self.rests_on.insert("provision.key_digest");
                }
                let changed = self.parameters.apply(&profile);
                self.taken += 1;
                self.tell(Happening::Applied {
                    parameters: profile.parameters.len(),
                    changed,
                    unwrapped: profile.unwrapped,
                });
                self.succeed();
            }
            Err(fault) => self.fail(Fault::Profile(fault)),
        }
    }

    fn succeed(&mut self) {
        self.values.set("ERR", "");
        self.syslog(Message::Success);
        self.download = None;
        self.rule += 1;
        self.go_on();
    }

    fn fail(&mut self, fault: Fault) {
        self.tell_request();
        self.tell_failure(&fault);
        self.end_failed(fault);
    }

    fn tell_failure(&mut self, fault: &Fault) {
        self.values.set("ERR", fault.curl_text());
        self.syslog(Message::Failure);
    }

    fn end_failed(&mut self, fault: Fault) {
        let url = self.download.take().map(|d| d.url.to_string());
        let rule = RULES[self.rule];
        self.end(Err(Failure { rule, url, fault }));
    }

    fn end(&mut self, result: Result<usize, Failure>) {
        self.state = State::Ended;
        // A refusal rests on what led to it alone, not on what was taken before.
        let rests_on = match &result {
            Err(Failure {
                fault: Fault::Refused(refused),
                ..
            }) => refused.rests_on.clone(),
            Err(Failure {
                fault: Fault::Profile(ProfileFault::WrongKey),
                ..
            }) if self.setup.settings.key_digest != KeyDigest::Both => vec!["provision.key_digest"],
            Err(failure) => failure.fault.setting().into_iter().collect(),
            Ok(_) => self.rests_on.iter().copied().collect(),
        };
        let has_assumed_name = self.has_assumed_name
            || match &result {
                Ok(_) => false,
                Err(failure) => failure.fault.is_of_assumed_name(),
            };
        self.steps.push_back(Step::End(End {
            has_assumed_name,
            is_idle: self.is_idle && result.is_ok(),
            result,
            rests_on,
        }));
    }
}

impl Download {
    fn of(target: Target) -> Self {
        let (host, port) = (String::new(), None);
        Self {
            url: target.url.clone(),
            target,
            server: Server { host, port },
            addresses: VecDeque::new(),
            tried: Vec::new(),
            untried: 0,
            failed: 0,
            peer: None,
            name: String::new(),
            has_other_name: false,
            has_told_request: false,
            redirects: 0,
            logins: 0,
            login: None,
        }
    }

    fn method(&self) -> &'static str {
        match self.target.post {
            Some(_) => "POST",
            None => "GET",
        }
    }

    fn host_header(&self) -> String {
        let host = match self.server.host.contains(':') {
            true => format!("[{}]", self.server.host),
            false => self.server.host.clone(),
        };
        match self.server.port {
            Some(port) if port != self.url.scheme.default_port() => format!("{host}:{port}"),
            _ => host,
        }
    }
}

impl Setup {
    /// `Cisco-CP-8832-3PCC/11.3.2 (000e08abcdef)`.
    pub fn agent(&self) -> String {
        let release = self.software.split_once('.').map(|(_, rest)| rest);
        let release = release.and_then(|rest| rest.split_once("MPP"));
        let release = release.map_or_else(String::new, |(r, _)| r.replace('-', "."));
        let release = match release.as_str() {
            "" => self.software.as_str(),
            release => release,
        };
        let identity = match self.device.mac {
            Some(mac) if self.settings.agent_mac => mac_text(mac),
            _ => self.device.serial.clone(),
        };
        format!("Cisco-{}/{release} ({identity})", self.device.product)
    }

    fn values(&self) -> Values {
        let mut values = Values::new();
        if let Some(mac) = self.device.mac {
            let pairs: Vec<_> = mac.0.iter().map(|b| format!("{b:02x}")).collect();
            values.set("MA", mac_text(mac));
            values.set("MAU", mac_text(mac).to_ascii_uppercase());
            values.set("MAC", pairs.join(":"));
        }
        let certificate = match self.has_certificate {
            true => "Installed",
            false => "Not Installed",
        };
        let address = self.address.map(|ip| ip.to_string());
        for (name, value) in [
            ("PN", self.device.product.as_str()),
            ("PSN", self.device.short_product()),
            ("SN", &self.device.serial),
            ("CCERT", certificate),
            ("IP", address.as_deref().unwrap_or_default()),
            ("SWVER", &self.software),
            ("HWVER", &self.hardware),
            ("UPGTMR", "0"),
            ("REGTMR1", "0"),
            ("REGTMR2", "0"),
        ] {
            values.set(name, value);
        }
        values
    }
}
