//! What the parts of a running server share.

use std::ops::Deref;
use std::sync::Arc;

use aggregates::Currency;
use chrono_tz::Tz;
use ipnet::IpNet;
use secrecy::SecretString;
use sqlx::PgPool;

use crate::addresses::Verifier;
use crate::clock::Clock;
use crate::dispatch::Dispatcher;
use crate::inbox::{Arrivals, Intake, Refusals};
use crate::providers::Setup;
use crate::providers::sandbox::Sandbox;
use crate::workers::read_gate::ReadGate;

/// A running instance, as edges and workers see it. Every request takes a clone, so it is one counter and no more.
#[derive(Clone)]
pub struct App(Arc<Parts>);

impl App {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

pub struct Parts {
    /// The one door for writes.
    pub dispatch: Dispatcher,
    /// For reads.
    pub pool: PgPool,
    /// Lets a read wait for what it must see.
    pub reads: ReadGate,
    pub clock: Clock,
    /// Only where it is on.
    pub sandbox: Option<Sandbox>,
    /// What a price is in that names no currency.
    pub currency: Currency,
    /// Whose days are billing days.
    pub time_zone: Tz,
    /// Tells whether an address can receive mail.
    pub verifier: Arc<dyn Verifier>,
    /// Whose `X-Forwarded-For` says where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// How providers are set up.
    pub setup: Setup,
    /// Admins may set up real providers.
    pub may_configure: bool,
    /// Where notifications are stored.
    pub intake: Intake,
    /// What whoever works them off in this process knows of those that come.
    pub arrivals: Arrivals,
    /// Those that nobody could have signed.
    pub refusals: Refusals,
    /// What an operator's timer says; without one nobody may.
    pub cron_secret: Option<SecretString>,
}
