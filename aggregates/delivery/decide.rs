//! One function per command. Whoever reports an outcome may say it again: that changes nothing.

use chrono::{DateTime, Utc};

use super::command::DeliveryCommand;
use super::error::DeliveryError;
use super::event::{
    AttemptFailed, DeliveryEvent, DeliveryStep, GivenUp, KeyCreated, MailSent, Requested, Retried, Withdrawn,
};
use super::{Delivery, Progress};
use crate::ids::{OrderId, UserPackageId};
use crate::label;
use crate::reason;

type Decision = Result<Vec<DeliveryEvent>, DeliveryError>;

impl Delivery {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &DeliveryCommand) -> Decision {
        match command {
            DeliveryCommand::Request { order, user_package } => self.request(at, *order, *user_package),
            DeliveryCommand::KeyCreated { key_id, last_four } => self.progress()?.key_created(at, key_id, last_four),
            DeliveryCommand::MailSent { message_id } => self.progress()?.mail_sent(at, message_id),
            DeliveryCommand::AttemptFailed { step, attempt, reason } => {
                self.progress()?.attempt_failed(at, *step, *attempt, reason)
            }
            DeliveryCommand::GiveUp { step } => Ok(self.progress()?.give_up(at, *step)),
            DeliveryCommand::Retry => self.progress()?.retry(at),
            DeliveryCommand::Withdraw { reason } => self.withdraw(at, reason),
        }
    }

    fn request(&self, at: DateTime<Utc>, order: OrderId, user_package: UserPackageId) -> Decision {
        match self {
            Self::Requested(known) if (known.order, known.user_package) == (order, user_package) => Ok(vec![]),
            Self::Requested(_) => Err(DeliveryError::Differs),
            Self::NotRequested => Ok(vec![DeliveryEvent::Requested(Requested { order, user_package, at })]),
        }
    }

    fn withdraw(&self, at: DateTime<Utc>, why: &str) -> Decision {
        reason::check(why)?;
        let step = self.progress().ok().and_then(|progress| progress.next);
        let withdrawn = step.map(|step| Withdrawn { step, reason: why.to_owned(), at });
        Ok(withdrawn.map(DeliveryEvent::Withdrawn).into_iter().collect())
    }
}

impl Progress {
    fn key_created(&self, at: DateTime<Utc>, key_id: &str, last_four: &str) -> Decision {
        if let Some(known) = &self.key {
            let same = (known.key_id.as_str(), known.last_four.as_str()) == (key_id, last_four);
            return if same { Ok(vec![]) } else { Err(DeliveryError::KeyDiffers) };
        }
        label::check(key_id)?;
        if !(1..=4).contains(&last_four.chars().count()) || last_four.chars().any(char::is_control) {
            return Err(DeliveryError::NotLastFour);
        }
        let (key_id, last_four) = (key_id.to_owned(), last_four.to_owned());
        Ok(vec![DeliveryEvent::KeyCreated(KeyCreated { key_id, last_four, at })])
    }

    fn mail_sent(&self, at: DateTime<Utc>, message_id: &str) -> Decision {
        if self.key.is_none() {
            return Err(DeliveryError::NoKeyYet);
        }
        if self.next.is_none() && !self.withdrawn {
            return Ok(vec![]);
        }
        label::check(message_id)?;
        Ok(vec![DeliveryEvent::MailSent(MailSent { message_id: message_id.to_owned(), at })])
    }

    fn attempt_failed(&self, at: DateTime<Utc>, step: DeliveryStep, attempt: u32, reason: &str) -> Decision {
        if self.next != Some(step) || attempt <= self.failed {
            return Ok(vec![]);
        }
        reason::check(reason)?;
        Ok(vec![DeliveryEvent::AttemptFailed(AttemptFailed { step, attempt, reason: reason.to_owned(), at })])
    }

    fn give_up(&self, at: DateTime<Utc>, step: DeliveryStep) -> Vec<DeliveryEvent> {
        if self.next != Some(step) || self.given_up {
            return vec![];
        }
        vec![DeliveryEvent::GivenUp(GivenUp { step, attempts: self.failed, at })]
    }

    fn retry(&self, at: DateTime<Utc>) -> Decision {
        if self.withdrawn {
            return Err(DeliveryError::Withdrawn);
        }
        let step = self.next.ok_or(DeliveryError::Done)?;
        if self.failed == 0 && !self.given_up {
            return Ok(vec![]);
        }
        Ok(vec![DeliveryEvent::Retried(Retried { step, at })])
    }
}
