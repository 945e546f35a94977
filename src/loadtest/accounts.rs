//! Who is charged: accounts drawn by Zipf's law, the first the most often, and the body of each one's charge.

use std::sync::Arc;

use aggregates::{AccountId, Credits};
use anyhow::Context;
use hyper::body::Bytes;
use rand::SeedableRng;
use rand::distr::Distribution;
use rand::rngs::SmallRng;
use rand_distr::Zipf;
use serde::Serialize;
use uuid::Uuid;

const ZIPF_EXPONENT: f64 = 1.0;

/// The accounts of a load and what a charge on each of them says. Clones share them.
#[derive(Clone, Debug)]
pub struct Accounts {
    names: Arc<[AccountId]>,
    bodies: Arc<[Bytes]>,
    /// What the references of this run begin with; `None`: charges without a reference.
    run: Option<Uuid>,
}

#[derive(Serialize)]
struct Charge<'a> {
    account: &'a AccountId,
    amount: &'a str,
}

impl Accounts {
    /// # Errors
    /// When there are none.
    pub fn new(names: Vec<AccountId>, amount: Credits) -> anyhow::Result<Self> {
        anyhow::ensure!(!names.is_empty(), "there is no account to charge");
        let amount = &amount.to_string();
        let body = |account| Ok(Bytes::from(serde_json::to_vec(&Charge { account, amount })?));
        let bodies = names.iter().map(body).collect::<anyhow::Result<_>>()?;
        Ok(Self { names: names.into(), bodies, run: None })
    }

    /// `load-00000`, `load-00001`, …
    ///
    /// # Errors
    /// When there are none, or the prefix cannot begin the name of an account.
    pub fn numbered(prefix: &str, count: usize, amount: Credits) -> anyhow::Result<Self> {
        let name = |n| AccountId::try_new(&format!("{prefix}{n:05}")).context("the prefix of the accounts");
        Self::new((0..count).map(name).collect::<anyhow::Result<_>>()?, amount)
    }

    /// The same accounts, each charge with a reference of its own.
    #[must_use]
    pub fn with_references(self) -> Self {
        Self { run: Some(Uuid::now_v7()), ..self }
    }

    #[must_use]
    pub fn names(&self) -> &[AccountId] {
        &self.names
    }

    /// What one caller charges, one after the other; the same in every run, but for the references.
    pub(super) fn draws(&self, thread: usize, caller: usize) -> anyhow::Result<Draws> {
        let law = (self.names.len() > 1).then(|| Zipf::new(self.names.len() as f64, ZIPF_EXPONENT)).transpose()?;
        let seed = (thread as u64) << 32 | caller as u64;
        Ok(Draws { accounts: self.clone(), law, random: SmallRng::seed_from_u64(seed), seed, drawn: 0 })
    }
}

/// A stream of charges.
pub(super) struct Draws {
    accounts: Accounts,
    law: Option<Zipf<f64>>,
    random: SmallRng,
    seed: u64,
    drawn: u64,
}

impl Draws {
    /// The body of the next charge.
    pub(super) fn next(&mut self) -> Bytes {
        let index = self.law.as_ref().map_or(0, |law| (law.sample(&mut self.random) as usize).saturating_sub(1));
        let body = self.accounts.bodies.get(index).cloned().unwrap_or_default();
        self.drawn += 1;
        let Some(run) = &self.accounts.run else { return body };
        let mut referenced = body.strip_suffix(b"}").unwrap_or(&body).to_vec();
        referenced.extend_from_slice(format!(r#","reference":"{run}-{:x}-{}"}}"#, self.seed, self.drawn).as_bytes());
        referenced.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(count: usize) -> Accounts {
        Accounts::numbered("load-", count, Credits::from_micros(1).unwrap()).unwrap()
    }

    #[test]
    fn a_charge_is_what_the_api_asks_for() {
        assert_eq!(accounts(1).draws(0, 0).unwrap().next(), r#"{"account":"load-00000","amount":"0.000001"}"#);
    }

    #[test]
    fn the_first_account_is_charged_most_and_all_are_in_reach() {
        let mut draws = accounts(10).draws(0, 0).unwrap();
        let mut drawn = std::collections::BTreeMap::<_, usize>::new();
        for _ in 0..10_000 {
            *drawn.entry(draws.next()).or_default() += 1;
        }
        assert_eq!(drawn.len(), 10);
        let counts: Vec<_> = drawn.values().copied().collect();
        assert!(counts[0] > counts[1] && counts[1] > counts[4] && counts[4] > counts[9], "{counts:?}");
    }

    #[test]
    fn no_two_references_are_the_same() {
        let accounts = accounts(1).with_references();
        let mut seen = std::collections::BTreeSet::new();
        for (thread, caller) in [(0, 0), (0, 1), (1, 0)] {
            let mut draws = accounts.draws(thread, caller).unwrap();
            for _ in 0..100 {
                let body: serde_json::Value = serde_json::from_slice(&draws.next()).unwrap();
                assert!(seen.insert(body["reference"].as_str().unwrap().to_owned()), "{body}");
            }
        }
    }
}
