//! What the phones of an inventory hold, by what was read of their cluster.

mod unnamed;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use unnamed::tftp_nodes;

use super::{Entry, Held};
use crate::check::evidence::{At, Known, Node, Sides};
use crate::check::folder::configuration;
use crate::check::groups::Asked;
use crate::check::predict::{Subject, Taken};
use crate::check::rehearsal::Gap;
use crate::cluster::is_device_name;
use crate::phone::flash::CONFIG;
use crate::phone::profile::{PROFILES, SOFT_PHONES_AND_ROOMS, WITHOUT_SECURITY_BY_DEFAULT};
use crate::phone::{
    BootCause, DeviceIdentity, Flash, Identity, Pace, PhoneSetup, Profile, file_facts,
};
use crate::time::{Time, UnixSeconds};
use crate::trust::rules::Settings;
use crate::wire::ListKind;
use crate::wire::phone_config::PhoneConfig;

/// The most configurations that are compared to find that all phones share one group.
const MAX_COMPARED: usize = 2_000;
/// The most models whose rules are kept.
const MAX_MODELS: usize = 500;
/// The most devices that a note names.
const NAMED: usize = 3;
/// The firmware of a model that is not known.
const DEFAULT_PROFILE: &str = "8800";

/// What is known of all phones.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// The wall clock.
    pub clock: UnixSeconds,
    /// The model of a phone of which nobody says it.
    pub model: &'a str,
    /// True if a person said that model of phones that nobody named one by one.
    pub is_model_said: bool,
    /// Changes the rules of a phone's firmware, as the user wants it.
    pub change: &'a dyn Fn(&mut Settings),
    /// Flashes that were read, by device.
    pub flashes: &'a BTreeMap<String, Flash>,
}

/// The phones that are asked about.
#[derive(Debug, Default)]
pub struct Found {
    /// Each phone, with what it holds or what is missing to say.
    pub asked: Vec<Asked>,
    /// What was concluded rather than read, in sentences.
    pub notes: Vec<String>,
}

/// Says what each phone of an inventory holds; without one, a phone of each kind in front of each TFTP
/// node of the first cluster.
pub fn subjects(sides: &Sides, entries: &[Entry], how: &How<'_>) -> Found {
    let mut home = Home::new(sides, entries, how);
    let mut found = Found::default();
    if entries.is_empty() {
        found.asked = unnamed::phones(&mut home, sides, how);
    }
    for entry in entries {
        found.asked.push(home.phone(entry));
    }
    found.notes = home.notes();
    found
}

/// A configuration of the phones' cluster.
#[derive(Clone)]
struct Config {
    device: String,
    xml: Arc<[u8]>,
    parsed: Arc<PhoneConfig>,
    /// True if it stands for that of a phone of which nobody said that it is alike.
    is_guess: bool,
}

/// Lists by SHA-1 and by what they were read as, with who serves them.
type BySha1 = BTreeMap<(String, ListKind), (At, Arc<[u8]>)>;

/// The cluster that the phones are in.
struct Home<'a> {
    sides: &'a Sides,
    how: &'a How<'a>,
    /// All lists that were read, by SHA-1, with what they were read as.
    lists: BySha1,
    /// True if one of them is a CTL of the phones' cluster: some phones may hold it.
    had_ctl: bool,
    /// The configurations of the phones' cluster that were read, by device.
    configs: BTreeMap<&'a str, (&'a str, &'a Arc<[u8]>)>,
    /// The phones of each group whose configuration was read.
    groups: BTreeMap<&'a str, Vec<&'a str>>,
    /// The first node of the phones' cluster that serves lists.
    first: Option<At>,
    /// Configurations that stand for those of other phones of a group.
    of_groups: BTreeMap<&'a str, Config>,
    /// The configuration that all phones share as far as trust goes, if they do.
    shared: OnceCell<Option<Config>>,
    /// Rules of each model.
    settings: BTreeMap<String, Settings>,
    /// Devices by what is said of them.
    remarks: BTreeMap<String, Vec<String>>,
}

impl<'a> Home<'a> {
    fn new(sides: &'a Sides, entries: &'a [Entry], how: &'a How<'a>) -> Self {
        let mut lists = BTreeMap::new();
        for (at, node) in sides.nodes() {
            for (name, bytes) in files_of(node).filter(|(name, _)| name.contains(".tlv")) {
                let kind = ListKind::of_file_name(name).unwrap_or(ListKind::Itl);
                let sha1 = file_facts("", bytes).sha1;
                lists
                    .entry((sha1, kind))
                    .or_insert_with(|| (at, Arc::clone(bytes)));
            }
        }
        let mut configs = BTreeMap::new();
        for node in sides.sides.first().iter().flat_map(|side| &side.nodes) {
            for (name, bytes) in files_of(node) {
                let Some((device, ending)) = name.split_at_checked(15) else {
                    continue;
                };
                let is_config = matches!(ending, ".cnf.xml" | ".cnf.xml.sgn");
                if is_config && is_device_name(device) {
                    configs.entry(device).or_insert((name, bytes));
                }
            }
        }
        let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in entries {
            if let Some(group) = &entry.group
                && configs.contains_key(entry.device.as_str())
            {
                let device = entry.device.as_str();
                groups.entry(group.as_str()).or_default().push(device);
            }
        }
        let mut read = lists.iter();
        let had_ctl = read.any(|((_, kind), (at, _))| at.0 == 0 && *kind == ListKind::Ctl);
        Self {
            sides,
            how,
            had_ctl,
            lists,
            configs,
            groups,
            first: tftp_nodes(sides).next(),
            of_groups: BTreeMap::new(),
            shared: OnceCell::new(),
            settings: BTreeMap::new(),
            remarks: BTreeMap::new(),
        }
    }

    /// A phone of the inventory.
    fn phone(&mut self, entry: &Entry) -> Asked {
        let model = entry.model.clone().unwrap_or_else(|| {
            let text = format!("of an unknown model, taken for a {}", self.how.model);
            self.remark(text, &entry.device);
            self.how.model.to_owned()
        });
        let subject = self.flash(entry).and_then(|(flash, taken)| {
            let taken = Taken {
                model: entry.model.is_none(),
                ..taken
            };
            self.subject(&entry.device, &model, entry.has_lsc, (flash, taken))
        });
        Asked {
            name: entry.device.clone(),
            model: entry.model.clone().unwrap_or_default(),
            subject,
        }
    }

    fn subject(
        &mut self,
        device: &str,
        model: &str,
        has_lsc: Option<bool>,
        (flash, taken): (Flash, Taken),
    ) -> Result<Box<Subject>, Gap> {
        let known = firmware(model, device)?;
        let profile = known.unwrap_or_else(|| {
            let shown = crate::trust::certificate::escape_for_terminal(model.as_bytes());
            let text = format!(
                "{shown}, of which no firmware is known: taken for that of {DEFAULT_PROFILE}"
            );
            self.remark(text, device);
            Profile::named(DEFAULT_PROFILE).unwrap_or(&PROFILES[0])
        });
        let taken = Taken {
            firmware: known.is_none(),
            ..taken
        };
        let settings = self.settings(model, profile);
        // What an LSC says nobody reads off a phone. With an empty one it is known that there is one,
        // and whoever has to judge it sees that it was not read.
        let certificate = (has_lsc != Some(false)).then(|| DeviceIdentity {
            kind: "LSC",
            certificate: Arc::default(),
            key: Arc::default(),
        });
        Ok(Box::new(Subject {
            setup: PhoneSetup {
                identity: Identity {
                    device: device.to_owned(),
                    model: model.to_owned(),
                    certificate,
                },
                profile,
                settings,
                pace: Pace::Real,
                clock: self.how.clock,
                clock_ahead: 0,
                option_150: Vec::new(),
                dhcp: None,
                cause: BootCause::Reset,
            },
            before: flash.clone(),
            flash,
            earlier: Vec::new(),
            now: Time::ZERO,
            taken,
        }))
    }

    fn settings(&mut self, model: &str, profile: &Profile) -> Settings {
        if let Some(settings) = self.settings.get(model) {
            return settings.clone();
        }
        let mut settings = profile.settings();
        (self.how.change)(&mut settings);
        if self.settings.len() < MAX_MODELS {
            self.settings.insert(model.to_owned(), settings.clone());
        }
        settings
    }

    fn flash(&mut self, entry: &Entry) -> Result<(Flash, Taken), Gap> {
        if let Some(flash) = self.how.flashes.get(&entry.device) {
            if agrees(flash, entry) {
                return Ok((flash.clone(), Taken::default()));
            }
            let text = "whose flash has other lists than the inventory says: the inventory counts";
            self.remark(text.to_owned(), &entry.device);
        }
        let mut flash = self.lists_at(entry, None)?;
        // That a phone has no CTL where its cluster serves none is a guess only if the cluster had one.
        let has_ctl = flash.get(ListKind::Ctl.file_name()).is_some();
        let taken: &[&str] = match (&entry.itl, &entry.ctl) {
            (None, _) => &["ITL", "itl_sha1"],
            (_, None) if has_ctl || self.had_ctl => &["CTL", "ctl_sha1"],
            _ => &[],
        };
        let no_ctl = entry.itl.is_some() && !taken.is_empty() && !has_ctl;
        let mut lists = None;
        if let [kind, column] = taken {
            lists = self.node_of_lists(entry);
            let node = lists.and_then(|at| self.sides.node(at));
            let node = node.map_or("their cluster", |node| &node.name);
            let counts = match no_ctl {
                false => format!("the one that {node} serves now counts"),
                true => format!("{node} serves none now, so none counts"),
            };
            let text = format!(
                "of which nobody said what {kind} they hold: {counts}; put {column} of the phones into the \
                 inventory"
            );
            self.remark(text, &entry.device);
        }
        let config = self.config(entry)?;
        flash.put(CONFIG, config.xml);
        let taken = Taken {
            configuration: config.is_guess,
            ctl: lists.is_some() && entry.ctl.is_none(),
            itl: lists.is_some() && entry.itl.is_none(),
            lists,
            no_ctl,
            ..Taken::default()
        };
        Ok((flash, taken))
    }

    /// The lists that a phone holds, of this node where nobody says which.
    fn lists_at(&self, entry: &Entry, at: Option<At>) -> Result<Flash, Gap> {
        let mut flash = Flash::default();
        let said = [(ListKind::Itl, &entry.itl), (ListKind::Ctl, &entry.ctl)];
        for (kind, held) in said {
            let Some(Held::Sha1(sha1)) = held else {
                continue;
            };
            let known = self.lists.get(&(sha1.clone(), kind));
            let (_, bytes) = known.ok_or_else(|| self.no_list(kind, sha1, &entry.device))?;
            flash.put(kind.file_name(), Arc::clone(bytes));
        }
        let node = at.or_else(|| self.node_of_lists(entry));
        let node = node.and_then(|at| self.sides.node(at));
        for (kind, held) in said {
            if held.is_some() {
                continue;
            }
            let Some(node) = node else {
                return Err(Gap {
                    what: format!("the {kind} that {} holds", entry.device),
                    why: "no input has a list of its cluster".into(),
                });
            };
            if let Some(bytes) = list_of(node, kind, &entry.device)? {
                flash.put(kind.file_name(), bytes);
            }
        }
        Ok(flash)
    }

    /// Why the list with this checksum is none of those that were read.
    fn no_list(&self, kind: ListKind, sha1: &str, device: &str) -> Gap {
        let column = |kind: ListKind| format!("{}_sha1", kind.to_string().to_lowercase());
        let other = match kind {
            ListKind::Ctl => ListKind::Itl,
            ListKind::Itl => ListKind::Ctl,
        };
        let of_other = self.lists.get(&(sha1.to_owned(), other));
        let of_other = of_other.and_then(|(at, _)| self.sides.node(*at));
        Gap {
            what: format!("the {kind} that {device} holds"),
            why: match of_other {
                None => format!(
                    "the phone holds a list that no input has: {} {sha1}",
                    column(kind)
                ),
                Some(node) => format!(
                    "{} {sha1} is the checksum of the {other} of {}: mend the column, or put it into {}",
                    column(kind),
                    node.name,
                    column(other)
                ),
            },
        }
    }

    /// The node whose lists stand for those that nobody said: the one that serves a list that the phone
    /// holds, else the first.
    fn node_of_lists(&self, entry: &Entry) -> Option<At> {
        let said = [(ListKind::Itl, &entry.itl), (ListKind::Ctl, &entry.ctl)];
        let known = said.into_iter().find_map(|(kind, held)| match held {
            Some(Held::Sha1(sha1)) => {
                let list = self.lists.get(&(sha1.clone(), kind));
                list.map(|(at, _)| *at)
            }
            _ => None,
        });
        known.or(self.first)
    }

    /// The configuration that a phone holds: its own, else that of another one of its group. Where
    /// nobody says of which group it is, the one that all have is a guess; a phone of a group whose
    /// configuration nobody read may have other servers than all of them.
    fn config(&mut self, entry: &Entry) -> Result<Config, Gap> {
        let device = entry.device.as_str();
        if let Some(own) = self.read(device)? {
            return Ok(own);
        }
        let group = entry.group.as_deref();
        if let Some(config) = group.map_or(Ok(None), |group| self.of_group(group))? {
            let other = &config.device;
            let text = match config.is_guess {
                false => format!(
                    "whose configuration no input has: that of {other}, of the same group, counts"
                ),
                true => format!(
                    "whose configuration no input has: that of {other} counts, of the same group, of which \
                     the configurations that were read differ"
                ),
            };
            self.remark(text, device);
            return Ok(config);
        }
        if group.is_none()
            && let Some(config) = self.shared()
        {
            let other = &config.device;
            let text = format!(
                "whose configuration no input has: that of {other} counts, as all that were read name the same servers"
            );
            self.remark(text, device);
            return Ok(Config {
                is_guess: true,
                ..config
            });
        }
        let what = format!("the configuration that {device} holds");
        let why = match group {
            Some(group) => format!(
                "no input has it, nor that of another phone of group {}: put {device}.cnf.xml.sgn \
                 beside the lists of its cluster",
                crate::trust::certificate::escape_for_terminal(group.as_bytes())
            ),
            None => format!(
                "no input has it: put {device}.cnf.xml.sgn beside the lists of its cluster, or say \
                 in the column callmanager_group which phones are alike"
            ),
        };
        Err(Gap { what, why })
    }

    /// The configuration that stands for those of a group: a guess, if those of it that were read are
    /// not alike. An error where all of them are damaged.
    fn of_group(&mut self, group: &str) -> Result<Option<Config>, Gap> {
        let Some((&group, devices)) = self.groups.get_key_value(group) else {
            return Ok(None);
        };
        if let Some(known) = self.of_groups.get(group) {
            return Ok(Some(known.clone()));
        }
        let (mut first, mut damaged): (Option<Config>, _) = (None, None);
        for device in devices.iter().take(MAX_COMPARED) {
            match (self.read(device), &mut first) {
                (Err(gap), _) => damaged = damaged.or(Some(gap)),
                (Ok(None), _) => {}
                (Ok(read), None) => first = read,
                (Ok(Some(read)), Some(first)) => {
                    first.is_guess |= !is_alike(&first.parsed, &read.parsed);
                }
            }
        }
        match (&first, damaged) {
            (None, Some(gap)) => return Err(gap),
            (Some(config), _) => {
                self.of_groups.insert(group, config.clone());
            }
            (None, None) => {}
        }
        Ok(first)
    }

    /// The configuration of a device that was read; an error where it is there and tells nothing.
    fn read(&self, device: &str) -> Result<Option<Config>, Gap> {
        let Some((name, bytes)) = self.configs.get(device) else {
            return Ok(None);
        };
        let gap = |why: &str| Gap {
            what: format!("the configuration that {device} holds"),
            why: why.to_owned(),
        };
        let Some((parsed, xml)) = configuration(name, bytes) else {
            return Err(gap("its file is damaged or encrypted"));
        };
        if !parsed.full_config {
            return Err(gap(
                "it is encrypted, and its signed companion does not tell",
            ));
        }
        Ok(Some(Config {
            device: device.to_owned(),
            xml: xml.into(),
            parsed: Arc::new(parsed),
            is_guess: false,
        }))
    }

    /// The configuration that stands for all, if all that were read name the same servers.
    fn shared(&self) -> Option<Config> {
        let find = || {
            let mut first: Option<Config> = None;
            for device in self.configs.keys().take(MAX_COMPARED) {
                let Ok(Some(config)) = self.read(device) else {
                    continue;
                };
                match &first {
                    None => first = Some(config),
                    Some(first) if !is_alike(&first.parsed, &config.parsed) => return None,
                    Some(_) => {}
                }
            }
            first
        };
        self.shared.get_or_init(find).clone()
    }

    fn remark(&mut self, text: String, device: &str) {
        self.remarks
            .entry(text)
            .or_default()
            .push(device.to_owned());
    }

    fn notes(self) -> Vec<String> {
        let notes = self.remarks.into_iter().map(|(text, devices)| {
            let named = devices.iter().take(NAMED).cloned().collect::<Vec<_>>();
            let named = named.join(", ");
            match devices.len().saturating_sub(NAMED) {
                0 => format!("{named}: {text}"),
                more => format!("{named} and {more} more: {text}"),
            }
        });
        notes.collect()
    }
}

/// The firmware of a model, none where no family's is known to be its; an error for models that do
/// not do what these families do.
fn firmware(model: &str, device: &str) -> Result<Option<&'static Profile>, Gap> {
    let known = Profile::of_model(model);
    let lower = model.to_ascii_lowercase();
    let mut others = WITHOUT_SECURITY_BY_DEFAULT.value.iter();
    let mut soft = SOFT_PHONES_AND_ROOMS.value.iter();
    let advice = "are not modelled: move one by hand, and see whether it registers";
    let why = if known.is_some() {
        None
    } else if others.any(|number| model.contains(number)) {
        let numbers = WITHOUT_SECURITY_BY_DEFAULT.value.join(" and ");
        Some(format!(
            "models {numbers} have no Security by Default and {advice}"
        ))
    } else if soft.any(|word| lower.contains(word)) {
        Some(format!(
            "soft phones and TelePresence, of which many have no Security by Default, {advice}"
        ))
    } else {
        None
    };
    if let Some(why) = why {
        return Err(Gap {
            what: format!("what {device} does with lists and signed files"),
            why,
        });
    }
    Ok(known)
}

/// What trust and registration hang on is the same.
fn is_alike(one: &PhoneConfig, other: &PhoneConfig) -> bool {
    one.callmanager_group == other.callmanager_group
        && one.tvs == other.tvs
        && one.is_sccp == other.is_sccp
        && one.device_security_mode == other.device_security_mode
        && one.encr_config == other.encr_config
}

fn files_of(node: &Node) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
    let services = [&node.tftp, &node.http].into_iter();
    let replies = services.flat_map(|service| &service.replies);
    replies.filter_map(|(name, reply)| Some((name.as_str(), reply.get()?.file()?)))
}

/// The list that a node gives to a phone; none where it has none.
fn list_of(node: &Node, kind: ListKind, device: &str) -> Result<Option<Arc<[u8]>>, Gap> {
    if let Known::Yes(Some(own)) = node.file(&format!("{kind}{device}.tlv")) {
        return Ok(Some(Arc::clone(own)));
    }
    // What the node has for everybody decides: a phone asks for that in the end.
    let general = kind.file_name();
    match node.file(general) {
        Known::Yes(list) => Ok(list.cloned()),
        Known::No(why) => Err(Gap {
            what: format!("{general} of {}", node.name),
            why,
        }),
    }
}

/// True if a flash has the lists that the inventory says.
fn agrees(flash: &Flash, entry: &Entry) -> bool {
    let fits = |kind: ListKind, held: &Option<Held>| {
        let own = flash.get(kind.file_name());
        match held {
            None => true,
            Some(Held::Nothing) => own.is_none(),
            Some(Held::Sha1(sha1)) => own.is_some_and(|bytes| file_facts("", bytes).sha1 == *sha1),
        }
    };
    fits(ListKind::Ctl, &entry.ctl) && fits(ListKind::Itl, &entry.itl)
}
