//! Whether a phone takes a file: the tables "Is a list taken?" and "What TVS says".

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::super::words::{Damage, ServedFile, Service};
use super::lists::{List, Served};
use super::phone::Phone;
use super::world::{Certificate, Kind, NodeId, Role, World};
use super::{Reason, Unsupported};

/// What a signer signs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    Ctl,
    Itl,
    Config,
}

impl Signed {
    fn allows(self, role: Role) -> bool {
        match self {
            Self::Ctl | Self::Itl => role == Role::Sast,
            Self::Config => role.signs_files(),
        }
    }
}

/// Why a file is taken, or why not.
pub(super) type Judged = Result<Reason, Reason>;

impl Phone<'_> {
    /// The damage of a list that is offered, or `None` if it counts as missing.
    pub(super) fn offered(
        &self,
        world: &World<'_>,
        node: NodeId,
        file: ServedFile,
    ) -> Result<Option<Option<Damage>>, Unsupported> {
        let damage = world.nodes[node].damage.get(&file).copied();
        let missing = damage == Some(Damage::Empty)
            && world.choices.empty_file_is_missing(self.group.profile);
        if missing && file == ServedFile::Itl {
            return Err(Unsupported::new("an empty ITL that counts as missing"));
        }
        Ok((!missing).then_some(damage))
    }

    /// Whether a list is installed. `ctl` is the CTL in force.
    pub(super) fn judge_list(
        &self,
        world: &World<'_>,
        kind: Signed,
        list: &List,
        damage: Option<Damage>,
        ctl: Option<&Rc<List>>,
    ) -> Result<Judged, Unsupported> {
        let choices = world.choices;
        let unreadable = list.sha512 && !choices.takes_sha512;
        let unchecked = |why: Reason| {
            if damage.is_some() || unreadable {
                let what = "a list that cannot be verified where none has to be";
                return Err(Unsupported::new(what));
            }
            Ok(Ok(why))
        };
        let nothing = ctl.is_none() && self.itl.is_none();
        if nothing {
            if damage.is_some() && choices.first_list_signs_itself {
                return Ok(Err(Reason::Damaged));
            }
            return unchecked(Reason::LeapOfFaith);
        }
        let itl = self.itl.as_ref();
        if kind == Signed::Itl && choices.empty_itl_accepts_any && itl.is_some_and(|l| is_empty(l))
        {
            let anchored = ctl.is_some_and(|ctl| ctl.has(Role::signs_files));
            if !anchored || !choices.rollback_with_ctl_checked {
                return unchecked(Reason::RollbackItl);
            }
        }
        if kind == Signed::Ctl && ctl.is_none() && !choices.first_ctl_checked {
            return unchecked(Reason::SignatureHolds);
        }
        if damage.is_some() {
            return Ok(Err(Reason::Damaged));
        }
        if unreadable {
            return Ok(Err(Reason::DigestRefused));
        }
        let both = match kind {
            Signed::Ctl => choices.ctl_searched_in_both,
            Signed::Itl | Signed::Config => choices.itl_searched_in_both,
        };
        let searched = match (ctl, itl) {
            (Some(ctl), Some(itl)) if both => vec![ctl, itl],
            (Some(ctl), _) => vec![ctl],
            (None, itl) => itl.into_iter().collect(),
        };
        self.judge_signer(world, kind, list.signer, &searched)
    }

    pub(super) fn judge_config(
        &self,
        world: &World<'_>,
        node: NodeId,
        served: &Served,
    ) -> Result<Judged, Unsupported> {
        let damaged = world.nodes[node].damage.contains_key(&ServedFile::Config);
        let lists: Vec<&Rc<List>> = self.ctl.iter().chain(&self.itl).collect();
        if !lists.iter().any(|list| list.has(Role::signs_files)) {
            // It asks for the plain file, which nobody signs.
            if damaged {
                return Err(Unsupported::new(
                    "a damaged configuration without signature",
                ));
            }
            return Ok(Ok(Reason::SignatureHolds));
        }
        if damaged {
            return Ok(Err(Reason::Damaged));
        }
        if served.config_sha512 && !world.choices.takes_sha512 {
            return Ok(Err(Reason::DigestRefused));
        }
        self.judge_signer(world, Signed::Config, served.config_signer, &lists)
    }

    fn judge_signer(
        &self,
        world: &World<'_>,
        what: Signed,
        signer: Certificate,
        searched: &[&Rc<List>],
    ) -> Result<Judged, Unsupported> {
        let roles: BTreeSet<Role> = searched.iter().flat_map(|l| l.roles(signer)).collect();
        if roles.iter().any(|role| what.allows(*role)) {
            return Ok(Ok(Reason::SignatureHolds));
        }
        if !roles.is_empty() && !world.choices.wrong_role_asks_tvs {
            return Ok(Err(Reason::RoleMissing));
        }
        self.ask_tvs(world, what, signer)
    }

    /// Whether roles that TVS gives let the signer sign.
    fn judge_roles(world: &World<'_>, what: Signed, roles: &BTreeSet<Role>) -> Judged {
        let good = !world.choices.tvs_role_required || roles.iter().any(|r| what.allows(*r));
        if good {
            Ok(Reason::SignatureHolds)
        } else {
            Err(Reason::TvsRoleMissing)
        }
    }

    /// Each server in turn; one that does not know the signer is no reason to stop.
    fn ask_tvs(
        &self,
        world: &World<'_>,
        what: Signed,
        signer: Certificate,
    ) -> Result<Judged, Unsupported> {
        if let Some(roles) = self.answers.borrow().get(&signer) {
            return Ok(Self::judge_roles(world, what, roles));
        }
        let installed: BTreeSet<Certificate> = [&self.ctl, &self.itl]
            .into_iter()
            .flatten()
            .flat_map(|list| &list.records)
            .filter(|(_, role)| *role == Role::Tvs)
            .map(|(certificate, _)| *certificate)
            .collect();
        if installed.is_empty() {
            return Ok(Err(Reason::NoTvsInList));
        }
        let Some(config) = self.config else {
            return Ok(Err(Reason::NoTvsInConfiguration));
        };
        let mut answer: Option<Judged> = None;
        // In the order of how far they came: refused role, unknown, not trusted, unreachable.
        let mut failed = Reason::TvsUnreachable;
        for &node in world.clusters[config]
            .group
            .iter()
            .take(world.choices.tvs_servers)
        {
            if !world.nodes[node].answers(Service::Tvs) {
                continue;
            }
            if !installed.contains(&world.own(node, Kind::Tvs)) {
                if failed == Reason::TvsUnreachable {
                    failed = Reason::TvsCertificateNotInList;
                }
                continue;
            }
            let Some(roles) = world.vouch(node, signer)? else {
                failed = if world.choices.tvs_miss_closes {
                    Reason::TvsNoAnswer
                } else {
                    Reason::SignerUnknownToTvs
                };
                continue;
            };
            let judged = Self::judge_roles(world, what, &roles);
            match answer {
                None => {
                    answer = Some(judged);
                    if world.choices.answers_outlive_lists {
                        self.answers.borrow_mut().insert(signer, roles);
                    }
                }
                Some(first) if first == judged => {}
                Some(_) => {
                    let what = "TVS servers that give a signer different roles";
                    return Err(Unsupported::new(what));
                }
            }
        }
        Ok(answer.unwrap_or(Err(failed)))
    }
}

/// The emptiness that counts: neither a TFTP nor a TVS certificate.
fn is_empty(list: &List) -> bool {
    !list.has(|role| role.signs_files() || role == Role::Tvs)
}
