//! Licenses: whose they are, what is left of them, and what they were used for.
//!
//! Keys and notes stay sealed here: they are opened at the edge, for the eyes of whoever they belong to.

pub mod query;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use aggregates::{AccountKey, Event, LicenseEvent, LicenseId, UseId};
use async_trait::async_trait;
use sqlx::PgConnection;

use self::rows::{Issued, License, Taken, Use};
use crate::rows::{json, text};
use crate::{Fact, Projection, Unfit};

#[derive(Default)]
pub struct Licenses {
    licenses: HashMap<LicenseId, License>,
    uses: HashMap<(LicenseId, UseId), Use>,
}

#[async_trait]
impl Projection for Licenses {
    fn name(&self) -> &'static str {
        "licenses"
    }

    fn tables(&self) -> &'static [&'static str] {
        &["licenses", "license_uses"]
    }

    fn fold(&mut self, fact: &Fact<'_>) -> Result<(), Unfit> {
        let Event::License(event) = fact.event else { return Ok(()) };
        let id = LicenseId::from_uuid(fact.aggregate.id);
        let row = self.licenses.entry(id).or_default();
        match event {
            LicenseEvent::Issued(issued) => {
                row.issued = Some(Issued {
                    account: fact.account,
                    order: issued.order,
                    product: issued.product,
                    uses: issued.uses,
                    features: json(&issued.features)?,
                    key_sealed: issued.key.sealed.clone(),
                    at: issued.at,
                });
            }
            LicenseEvent::Bound(bound) => row.bound = Some((bound.account, bound.at)),
            LicenseEvent::Consumed(consumed) => {
                row.left = Some(consumed.left);
                let taken = Taken {
                    at: consumed.at,
                    units: consumed.units,
                    feature: consumed.feature.map(|feature| feature.as_str()),
                    reference: consumed.reference.as_deref().map(text),
                };
                self.uses.entry((id, consumed.use_id)).or_default().taken = Some(taken);
            }
            LicenseEvent::GivenBack(back) => {
                row.left = Some(back.left);
                self.uses.entry((id, back.use_id)).or_default().given_back += i64::from(back.units);
            }
            LicenseEvent::Revoked(revoked) => row.revoked = Some((text(&revoked.reason), revoked.at)),
            LicenseEvent::Annotated(annotated) => row.note = Some((annotated.by, annotated.sealed.clone())),
        }
        Ok(())
    }

    async fn write(&mut self, tx: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut licenses: Vec<_> = self.licenses.drain().collect();
        licenses.sort_unstable_by_key(|(id, _)| *id);
        rows::insert(tx, &licenses).await?;
        rows::update(tx, &licenses).await?;
        let mut uses: Vec<_> = self.uses.drain().collect();
        uses.sort_unstable_by_key(|(ids, _)| *ids);
        rows::insert_uses(tx, &uses).await?;
        rows::give_back(tx, &uses).await
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

/// Whose note it is, and what it says; none: it was taken away.
type Note = (AccountKey, Option<String>);
