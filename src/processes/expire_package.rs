//! Records that a package's run is over. A package that has ended pays nothing even before this has happened.

use aggregates::{AccountId, AggregateId, Command, State, UserPackageCommand, UserPackageId};
use anyhow::Context;
use async_trait::async_trait;

use super::expire_order::{is_refusal, settle};
use super::kinds;
use crate::dispatch::{Actor, Dispatcher, ids};
use crate::jobs::{Handler, Job, Outcome};

pub struct ExpirePackage {
    dispatcher: Dispatcher,
}

impl ExpirePackage {
    #[must_use]
    pub fn new(dispatcher: Dispatcher) -> Self {
        Self { dispatcher }
    }

    async fn expire(&self, job: &Job) -> anyhow::Result<Outcome> {
        let account = AccountId::try_new(job.account_id.as_deref().context("a package is somebody's")?)?;
        let package: UserPackageId = job.key.parse()?;
        let State::UserPackage(state) = self.dispatcher.look(&account, AggregateId::user_package(package)).await?
        else {
            return Ok(Outcome::Done);
        };
        let Some((_, _, ends_at)) = state.run() else { return Ok(Outcome::Done) };
        // Its end may have moved since it was activated.
        if self.dispatcher.clock().now() < ends_at {
            return Ok(Outcome::NotBefore(ends_at));
        }
        let id = ids::derived("expire_package", &[&package.to_string(), &ends_at.to_rfc3339()]);
        let commands = vec![Command::UserPackage(package, UserPackageCommand::Expire)];
        match self.dispatcher.execute(&account, &Actor::system("package_expiry"), id, commands).await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) if is_refusal(&error) => Ok(Outcome::failed("the package cannot be expired")),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Handler for ExpirePackage {
    fn kind(&self) -> &'static str {
        kinds::EXPIRE_PACKAGE
    }

    async fn run(&self, job: &Job) -> Outcome {
        settle(self.expire(job).await)
    }
}
