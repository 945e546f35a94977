//! One function per command. What was said before changes nothing; what contradicts it is refused.

use chrono::{DateTime, Utc};

use super::command::LicenseCommand;
use super::error::LicenseError;
use super::event::{Annotated, Bound, Consumed, GivenBack, Issued, LicenseEvent, LicenseKey, Revoked};
use super::{DIGEST_BYTES_MAX, Held, License, OUTCOME_BYTES_MAX, SEALED_BYTES_MAX, Use};
use crate::feature::{Feature, Features};
use crate::ids::{AccountKey, OrderId, ProductId, UseId};
use crate::label;
use crate::reason;

type Decision = Result<Vec<LicenseEvent>, LicenseError>;

/// What a use is for, as far as it matters to whether it is the same one.
struct Wanted<'a> {
    units: u32,
    by: AccountKey,
    feature: Option<Feature>,
    reference: &'a Option<String>,
}

impl License {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &LicenseCommand) -> Decision {
        match command {
            LicenseCommand::Issue { order, product, key, uses, features } => {
                self.issue(at, (*order, *product), key, *uses, *features)
            }
            LicenseCommand::Bind { account } => self.held()?.bind(at, *account),
            LicenseCommand::Consume { use_id, units, by, feature, reference } => {
                self.held()?.consume(at, *use_id, &Wanted { units: *units, by: *by, feature: *feature, reference })
            }
            LicenseCommand::GiveBack { use_id, keep, outcome } => {
                self.held()?.give_back(at, *use_id, *keep, outcome.as_deref())
            }
            LicenseCommand::Revoke { reason } => self.held()?.revoke(at, reason),
            LicenseCommand::Annotate { by, sealed } => self.held()?.annotate(*by, sealed.as_deref()),
        }
    }

    fn issue(
        &self,
        at: DateTime<Utc>,
        (order, product): (OrderId, ProductId),
        key: &LicenseKey,
        uses: u32,
        features: Features,
    ) -> Decision {
        if let Self::Issued(held) = self {
            let same = (held.order, held.product, held.uses, held.features) == (order, product, uses, features);
            return if same { Ok(vec![]) } else { Err(LicenseError::Exists) };
        }
        if !is_sealed(&key.sealed, SEALED_BYTES_MAX) || !is_sealed(&key.digest, DIGEST_BYTES_MAX) {
            return Err(LicenseError::NotSealed);
        }
        Ok(vec![LicenseEvent::Issued(Issued { order, product, key: key.clone(), uses, features, at })])
    }
}

impl Held {
    fn bind(&self, at: DateTime<Utc>, account: AccountKey) -> Decision {
        match self.owner {
            Some(owner) if owner != account => Err(LicenseError::NotYours),
            Some(_) => Ok(vec![]),
            None if self.revoked => Err(LicenseError::Revoked),
            None => Ok(vec![LicenseEvent::Bound(Bound { account, at })]),
        }
    }

    fn consume(&self, at: DateTime<Utc>, use_id: UseId, wanted: &Wanted<'_>) -> Decision {
        if let Some(reference) = wanted.reference {
            label::check(reference)?;
        }
        if wanted.units == 0 {
            return Err(LicenseError::NoUnits);
        }
        if self.owner.is_some_and(|owner| owner != wanted.by) {
            return Err(LicenseError::NotYours);
        }
        if let Some(known) = self.use_of(use_id) {
            return if known.is(wanted) { Ok(vec![]) } else { Err(LicenseError::UseDiffers) };
        }
        let (units, feature) = (wanted.units, wanted.feature);
        let left = self.allows(feature, units)?;

        let first = self.owner.is_none().then_some(LicenseEvent::Bound(Bound { account: wanted.by, at }));
        let reference = wanted.reference.clone();
        let consumed = LicenseEvent::Consumed(Consumed { use_id, units, left, feature, reference, at });
        Ok(first.into_iter().chain([consumed]).collect())
    }

    /// What would be left after such a use, whosever it is.
    pub fn allows(&self, feature: Option<Feature>, units: u32) -> Result<u32, LicenseError> {
        if self.revoked {
            return Err(LicenseError::Revoked);
        }
        if let Some(feature) = feature.filter(|feature| !self.features.has(*feature)) {
            return Err(LicenseError::WithoutFeature { feature });
        }
        self.left.checked_sub(units).ok_or(LicenseError::Exhausted { needed: units, left: self.left })
    }

    /// Also after the license was revoked: what came to nothing was not used.
    fn give_back(&self, at: DateTime<Utc>, use_id: UseId, keep: u32, outcome: Option<&str>) -> Decision {
        let known = self.use_of(use_id).ok_or(LicenseError::NoSuchUse)?;
        let units = known.kept.checked_sub(keep).ok_or(LicenseError::KeepsMore { units: known.kept })?;
        if outcome.is_some_and(|sealed| !is_sealed(sealed, OUTCOME_BYTES_MAX)) {
            return Err(LicenseError::NotSealed);
        }
        if units == 0 && outcome.is_none() {
            return Ok(vec![]);
        }
        // What comes back was once taken from it, so there is room.
        let left = self.left.saturating_add(units);
        let outcome = outcome.map(str::to_owned);
        Ok(vec![LicenseEvent::GivenBack(GivenBack { use_id, units, left, outcome, at })])
    }

    fn revoke(&self, at: DateTime<Utc>, reason: &str) -> Decision {
        if self.revoked {
            return Ok(vec![]);
        }
        reason::check(reason)?;
        Ok(vec![LicenseEvent::Revoked(Revoked { reason: reason.to_owned(), at })])
    }

    /// A note is its author's: of a bound license only the owner is one.
    fn annotate(&self, by: AccountKey, sealed: Option<&str>) -> Decision {
        if self.owner.is_some_and(|owner| owner != by) {
            return Err(LicenseError::NotYours);
        }
        if sealed.is_some_and(|sealed| !is_sealed(sealed, SEALED_BYTES_MAX)) {
            return Err(LicenseError::NotSealed);
        }
        if sealed.is_none() && !self.noted {
            return Ok(vec![]);
        }
        Ok(vec![LicenseEvent::Annotated(Annotated { by, sealed: sealed.map(str::to_owned) })])
    }

    fn use_of(&self, use_id: UseId) -> Option<&Use> {
        self.recent.iter().rev().find(|known| known.use_id == use_id)
    }
}

impl Use {
    /// Whose it is has been asked before: a license has one owner.
    fn is(&self, wanted: &Wanted<'_>) -> bool {
        (self.units, self.feature, &self.reference) == (wanted.units, wanted.feature, wanted.reference)
    }
}

fn is_sealed(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
