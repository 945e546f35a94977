//! One function per command.

use chrono::{DateTime, Utc};

use super::command::SubscriptionCommand;
use super::error::SubscriptionError;
use super::event::{
    CancelScheduled, CancelWithdrawn, Ended, PaidPeriod, PastDue, Plan, PlanChangeScheduled, PlanChanged, Renewed,
    Started, SubscriptionEnd, SubscriptionEvent,
};
use super::{Count, Subscribed, Subscription};
use crate::ids::OrderId;
use crate::reason;

type Decision = Result<Vec<SubscriptionEvent>, SubscriptionError>;

impl Subscription {
    pub(super) fn answer(&self, at: DateTime<Utc>, command: &SubscriptionCommand) -> Decision {
        match command {
            SubscriptionCommand::Start { order, plan } => self.start(at, *order, plan),
            SubscriptionCommand::Renew { order, plan } => self.renew(at, *order, plan),
            SubscriptionCommand::ChangePlan { order: Some(order), plan } => self.upgrade(at, *order, plan),
            SubscriptionCommand::ChangePlan { order: None, plan } => self.change_for_nothing(at, plan),
            SubscriptionCommand::ScheduleChange { plan } => self.schedule_change(at, plan),
            SubscriptionCommand::Cancel { now, sealed } => self.cancel(at, *now, sealed.as_deref()),
            SubscriptionCommand::WithdrawCancel => self.withdraw_cancel(at),
            SubscriptionCommand::PeriodOver => self.period_over(at),
            SubscriptionCommand::TakeBack { order, reason } => self.take_back(at, *order, reason),
        }
    }

    fn start(&self, at: DateTime<Utc>, order: OrderId, plan: &Plan) -> Decision {
        if let Self::Started(subscribed) = self {
            let is_the_first = subscribed.paid_by(order) == Some(0);
            return if is_the_first { Ok(vec![]) } else { Err(SubscriptionError::Exists) };
        }
        let period = period(1, order, at, Count { from: at, months: 0 }, plan)?;
        Ok(vec![SubscriptionEvent::Started(Started { plan: *plan, period })])
    }

    fn renew(&self, at: DateTime<Utc>, order: OrderId, plan: &Plan) -> Decision {
        if self.subscribed()?.paid_by(order).is_some() {
            return Ok(vec![]);
        }
        let subscribed = self.open(at)?;
        let PaidPeriod { number, ends_at, .. } = subscribed.period;
        let number = number.checked_add(1).ok_or(SubscriptionError::TimeOutOfRange)?;
        // Days have no place in a month to come back to: months after them are counted from where they end.
        let period = period(number, order, ends_at, subscribed.count, plan)?;
        Ok(vec![SubscriptionEvent::Renewed(Renewed { plan: *plan, period })])
    }

    /// The difference was paid.
    fn upgrade(&self, at: DateTime<Utc>, order: OrderId, plan: &Plan) -> Decision {
        let subscribed = self.subscribed()?;
        if subscribed.changes.iter().any(|change| change.order == order) {
            return Ok(vec![]);
        }
        let _open = self.open(at)?;
        plan.lapses_at(subscribed.period.ends_at).ok_or(SubscriptionError::TimeOutOfRange)?;
        Ok(changed(at, plan, Some(order), None))
    }

    fn change_for_nothing(&self, at: DateTime<Utc>, plan: &Plan) -> Decision {
        let subscribed = self.open(at)?;
        if subscribed.expires_at.is_some() || subscribed.period.ends_at <= at {
            return Err(SubscriptionError::PastDue);
        }
        subscribed.check_next(plan)?;
        if subscribed.plan == *plan { Ok(vec![]) } else { Ok(changed(at, plan, None, None)) }
    }

    fn schedule_change(&self, at: DateTime<Utc>, plan: &Plan) -> Decision {
        let subscribed = self.open(at)?;
        subscribed.check_next(plan)?;
        let known = match subscribed.plan.product == plan.product {
            true => subscribed.next.is_none(),
            false => subscribed.next == Some(*plan),
        };
        if known {
            return Ok(vec![]);
        }
        Ok(vec![SubscriptionEvent::PlanChangeScheduled(PlanChangeScheduled { plan: *plan, at })])
    }

    fn cancel(&self, at: DateTime<Utc>, now: bool, sealed: Option<&str>) -> Decision {
        sealed.map_or(Ok(()), reason::check_sealed)?;
        let subscribed = self.subscribed()?;
        let sealed = sealed.map(str::to_owned);
        match (subscribed.ended, subscribed.cancel.is_some()) {
            (Some(SubscriptionEnd::Expired), _) => Err(SubscriptionError::Ended),
            (Some(SubscriptionEnd::Canceled), _) => Ok(vec![]),
            // There is no paid time left to wait for.
            (None, _) if now || subscribed.period.ends_at <= at => Ok(vec![canceled(at, None, sealed)]),
            (None, true) => Ok(vec![]),
            (None, false) => Ok(vec![SubscriptionEvent::CancelScheduled(CancelScheduled { sealed, at })]),
        }
    }

    fn withdraw_cancel(&self, at: DateTime<Utc>) -> Decision {
        match &self.open(at)?.cancel {
            None => Ok(vec![]),
            Some(_) => Ok(vec![SubscriptionEvent::CancelWithdrawn(CancelWithdrawn { at })]),
        }
    }

    fn period_over(&self, at: DateTime<Utc>) -> Decision {
        let subscribed = self.subscribed()?;
        let PaidPeriod { ends_at, .. } = subscribed.period;
        if subscribed.ended.is_some() {
            return Ok(vec![]);
        }
        if at < ends_at {
            return Err(SubscriptionError::NotOver { ends_at });
        }
        if let Some(CancelScheduled { sealed, at: _ }) = &subscribed.cancel {
            return Ok(vec![canceled(at, None, sealed.clone())]);
        }
        let expires_at = subscribed.lapses_at().ok_or(SubscriptionError::TimeOutOfRange)?;
        let past_due = SubscriptionEvent::PastDue(PastDue { expires_at, at });
        let unpaid = subscribed.expires_at.is_none().then_some(past_due);
        let expired = (expires_at <= at).then(|| expired(at));
        Ok(unpaid.into_iter().chain(expired).collect())
    }

    fn take_back(&self, at: DateTime<Utc>, order: OrderId, reason: &str) -> Decision {
        reason::check(reason)?;
        let subscribed = self.subscribed()?;
        if subscribed.ended.is_some() {
            return Ok(vec![]);
        }
        if let Some(period) = subscribed.paid_by(order) {
            let ended = || canceled(at, Some(reason.to_owned()), None);
            return Ok((!subscribed.has_gone_on(period, at)).then(ended).into_iter().collect());
        }
        // A change of an earlier period has had its time: later periods were paid at their own price.
        let change = subscribed.changes.iter().find(|change| change.order == order);
        let change = change.filter(|change| change.period == subscribed.period.number);
        Ok(change.map(|change| changed(at, &change.before, None, Some(order))).unwrap_or_default())
    }

    /// It can still be renewed, changed, or canceled.
    fn open(&self, at: DateTime<Utc>) -> Result<&Subscribed, SubscriptionError> {
        let subscribed = self.live()?;
        if subscribed.is_over(at) { Err(SubscriptionError::Ended) } else { Ok(subscribed) }
    }
}

impl Subscribed {
    /// What is agreed on before it is paid for.
    fn check_next(&self, plan: &Plan) -> Result<(), SubscriptionError> {
        if plan.price.currency() != self.plan.price.currency() {
            return Err(SubscriptionError::OtherCurrency);
        }
        plan.lapses_at(self.period.ends_at).map(drop).ok_or(SubscriptionError::TimeOutOfRange)
    }
}

fn period(
    number: u32,
    order: OrderId,
    starts_at: DateTime<Utc>,
    count: Count,
    plan: &Plan,
) -> Result<PaidPeriod, SubscriptionError> {
    let further = count.further(starts_at, plan.terms.period);
    let further = further.filter(|(ends_at, _)| plan.lapses_at(*ends_at).is_some());
    let (ends_at, _) = further.ok_or(SubscriptionError::TimeOutOfRange)?;
    Ok(PaidPeriod { number, order, starts_at, ends_at })
}

fn changed(at: DateTime<Utc>, plan: &Plan, order: Option<OrderId>, undoes: Option<OrderId>) -> Vec<SubscriptionEvent> {
    vec![SubscriptionEvent::PlanChanged(PlanChanged { plan: *plan, order, undoes, at })]
}

fn canceled(at: DateTime<Utc>, reason: Option<String>, sealed: Option<String>) -> SubscriptionEvent {
    SubscriptionEvent::Ended(Ended { how: SubscriptionEnd::Canceled, reason, sealed, at })
}

fn expired(at: DateTime<Utc>) -> SubscriptionEvent {
    SubscriptionEvent::Ended(Ended { how: SubscriptionEnd::Expired, reason: None, sealed: None, at })
}
