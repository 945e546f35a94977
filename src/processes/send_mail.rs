//! Mails a customer their key, then forgets it.
//!
//! ```text
//!   already sent? ── open the key ──► render, send ──► record mail_sent ──► erase the key
//! ```
//!
//! Cut off between sending and recording, the mail goes out again under the same Message-ID. Cut off before the key is
//! erased, the next attempt only erases it. Nothing is mailed of a delivery that was withdrawn; its key is forgotten too.

use std::time::Duration;

use aggregates::delivery::Progress;
use aggregates::order::Placed;
use aggregates::{AggregateId, DeliveryCommand, DeliveryStep, Order, PackageTerms, ProductKind, State, UserPackage};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::create_api_key::kept_key;
use super::delivery::{Case, Trouble, record_failure, record_giving_up};
use super::kinds;
use crate::dispatch::{DispatchError, Dispatcher, Profile};
use crate::forward::IssuedKey;
use crate::jobs::{Handler, Job, Outcome};
use crate::mail::{Mailer, PackageReady, Recipient};
use crate::vault::Vault;

const STEP: DeliveryStep = DeliveryStep::SendMail;
/// A mail that has left is recorded if at all possible: otherwise it leaves again.
const RECORD_TRIES: u32 = 5;
const RECORD_PAUSE: Duration = Duration::from_millis(200);

/// The addresses a mail shows.
#[derive(Debug, Clone)]
pub struct MailLinks {
    /// Where the API key is used: `FORWARD_API_URL`, so customers must be able to reach that address too.
    pub api_url: String,
    pub dashboard_url: String,
}

pub struct SendMail {
    dispatcher: Dispatcher,
    vault: Vault,
    mailer: Mailer,
    links: MailLinks,
}

impl SendMail {
    #[must_use]
    pub fn new(dispatcher: Dispatcher, vault: Vault, mailer: Mailer, links: MailLinks) -> Self {
        Self { dispatcher, vault, mailer, links }
    }

    async fn deliver(&self, case: &Case) -> Result<(), Trouble> {
        let progress = case.progress(&self.dispatcher).await?;
        if progress.next == Some(STEP) {
            // Before the key is missed: it went with the rest.
            let profile = case.profile(&self.dispatcher).await?;
            let key = kept_key(&self.vault, case).await?.ok_or(Trouble::KeyGone)?;
            let message_id = self.send(case, &progress, &key, profile).await?;
            self.record_sent(case, message_id).await?;
        }
        Ok(self.vault.erase(case.delivery.uuid()).await?)
    }

    async fn send(
        &self,
        case: &Case,
        progress: &Progress,
        key: &IssuedKey,
        profile: Profile,
    ) -> Result<String, Trouble> {
        let placed = self.placed(case, progress).await?;
        let (starts_at, ends_at) = self.run(case, progress).await?;
        let ProductKind::Package(PackageTerms { duration_days, daily_limit, .. }) = placed.kind else {
            return Err(Trouble::NotThere);
        };
        let name = profile.name.unwrap_or_default();
        let content = PackageReady {
            customer_name: &name,
            order_number: placed.number.as_str(),
            package_name: &placed.name,
            price: &format!("{} {}", placed.price, placed.price.currency().code()),
            daily_limit: &daily_limit.to_string(),
            duration_days,
            starts_at: &local(starts_at, placed.time_zone),
            ends_at: &local(ends_at, placed.time_zone),
            time_zone: placed.time_zone.name(),
            api_key: &key.key,
            api_url: &self.links.api_url,
            dashboard_url: &self.links.dashboard_url,
        };
        let to = Recipient { name: name.clone(), email: profile.email.ok_or(Trouble::NobodyKnown)? };
        Ok(self.mailer.package_ready(case.delivery.uuid(), &to, profile.locale, &content).await?)
    }

    async fn placed(&self, case: &Case, progress: &Progress) -> Result<Placed, Trouble> {
        match self.dispatcher.look(&case.account, AggregateId::order(progress.order)).await? {
            State::Order(Order::NotPlaced) => Err(Trouble::NotThere),
            State::Order(order) => order.placed().cloned().map_err(|_| Trouble::NotThere),
            _ => Err(Trouble::NotThere),
        }
    }

    /// Of what this order bought: days added to a package begin when those before them are over.
    async fn run(&self, case: &Case, progress: &Progress) -> Result<(DateTime<Utc>, DateTime<Utc>), Trouble> {
        let package: UserPackage =
            match self.dispatcher.look(&case.account, AggregateId::user_package(progress.user_package)).await? {
                State::UserPackage(package) => package,
                _ => return Err(Trouble::NotThere),
            };
        package.run_of(progress.order).ok_or(Trouble::NotThere)
    }

    async fn record_sent(&self, case: &Case, message_id: String) -> Result<(), DispatchError> {
        let sent = DeliveryCommand::MailSent { message_id };
        let mut tries = 1;
        loop {
            match case.record(&self.dispatcher, &["mail_sent"], sent.clone()).await {
                Err(DispatchError::Execute(error)) if error.is_transient() && tries < RECORD_TRIES => {
                    tokio::time::sleep(RECORD_PAUSE * tries).await;
                    tries += 1;
                }
                recorded => return recorded,
            }
        }
    }
}

fn local(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%Y-%m-%d %H:%M").to_string()
}

#[async_trait]
impl Handler for SendMail {
    fn kind(&self) -> &'static str {
        kinds::SEND_MAIL
    }

    async fn run(&self, job: &Job) -> Outcome {
        let Ok(case) = Case::of(job) else { return Outcome::give_up("the job names no delivery") };
        self.deliver(&case).await.map_or_else(Trouble::outcome, |()| Outcome::Done)
    }

    async fn failed(&self, job: &Job, reason: &str) -> anyhow::Result<()> {
        record_failure(&self.dispatcher, job, STEP, reason).await
    }

    async fn gave_up(&self, job: &Job, _reason: &str) -> anyhow::Result<()> {
        record_giving_up(&self.dispatcher, job, STEP).await
    }
}
