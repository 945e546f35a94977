//! One notification: read, and its news taken. Whatever comes of it is a verdict; nothing of it is lost.
//!
//! What is told before what it is about is there (a refund before its payment, a payment before the ledger has noted the
//! provider's name for its order) waits, and is tried again ever later; the provider is asked meanwhile.

use std::time::Duration;

use aggregates::order::OrderError;
use aggregates::{Refusal, reason};
use chrono::Utc;

use super::WAITS_MAX;
use super::letter::Letter;
use super::table::{Claimed, NotificationState, Verdict};
use crate::dispatch::{DispatchError, Dispatcher, Heard, Named};
use crate::providers::{News, NoticeError, OrderName};
use crate::store::ExecuteError;
use crate::vault::{Vault, VaultError};

/// Between two attempts; the last one again and again.
const PAUSES: [u64; 7] = [1, 3, 10, 30, 120, 600, 3_600];

/// Verdicts that say whether there is more to say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Worked {
    state: NotificationState,
    reason: Option<String>,
    named: Option<Named>,
}

impl Worked {
    fn new(state: NotificationState, reason: impl Into<Option<String>>) -> Self {
        Self { state, reason: reason.into(), named: None }
    }

    fn waiting(why: impl Into<String>) -> Self {
        Self::new(NotificationState::Waiting, why.into())
    }

    fn review(why: impl Into<String>) -> Self {
        Self::new(NotificationState::Review, why.into())
    }

    fn about(mut self, named: &Named) -> Self {
        self.named = Some(named.clone());
        self
    }

    /// Of two pieces of one notification, what is to be said of both.
    fn and(self, other: Self) -> Self {
        let weight = |worked: &Self| match worked.state {
            NotificationState::Nothing => 0,
            NotificationState::Received | NotificationState::Done => 1,
            NotificationState::Review => 2,
            NotificationState::Waiting => 3,
        };
        let named = self.named.clone().or_else(|| other.named.clone());
        let heavier = if weight(&other) > weight(&self) { other } else { self };
        Self { named, ..heavier }
    }
}

/// Works on one notification, to its end.
pub async fn work_on(dispatch: &Dispatcher, vault: &Vault, claimed: &Claimed) -> Verdict {
    let worked = match letter(vault, claimed).await {
        Ok(letter) => of_letter(dispatch, claimed, &letter).await,
        Err(worked) => worked,
    };
    // What comes after a customer was erased is not kept either.
    let forget = match &worked.named {
        // Where that is not known `forget_erased` sees to it.
        Some(named) => dispatch.is_erased(&named.account).await.unwrap_or(false),
        None => false,
    };
    verdict(claimed, worked, forget)
}

async fn letter(vault: &Vault, claimed: &Claimed) -> Result<Letter, Worked> {
    let Some(sealed) = &claimed.sealed else {
        return Err(Worked::new(NotificationState::Nothing, "nothing of it was kept".to_owned()));
    };
    Letter::unseal(vault, sealed).await.map_err(|error| match error {
        VaultError::Database(_) => Worked::waiting("the vault could not be asked"),
        _ => Worked::review("what was kept of it cannot be opened"),
    })
}

async fn of_letter(dispatch: &Dispatcher, claimed: &Claimed, letter: &Letter) -> Worked {
    let Some(provider) = dispatch.providers().get(&claimed.provider) else {
        return Worked::waiting("its provider is not set up here at the moment");
    };
    let Some(open) = letter.open() else {
        return Worked::review("what was kept of it cannot be understood");
    };
    let news = match provider.read(&open.arrived()).await {
        Ok(news) => news,
        Err(NoticeError::Unavailable(why)) => return Worked::waiting(why),
        Err(error) => return Worked::review(error.to_string()),
    };
    let mut worked: Option<Worked> = None;
    for news in news {
        let of_one = of_news(dispatch, claimed, news).await;
        worked = Some(match worked {
            Some(before) => before.and(of_one),
            None => of_one,
        });
    }
    worked.unwrap_or_else(|| Worked::new(NotificationState::Nothing, "it tells of nothing".to_owned()))
}

async fn of_news(dispatch: &Dispatcher, claimed: &Claimed, news: News) -> Worked {
    let (provider, key) = (claimed.provider.as_str(), claimed.key.as_str());
    let name = order_of(&news);
    let heard = dispatch.take_news(provider, key, news.clone()).await;
    let heard = match heard {
        // The payment that this refund is of may be known there and not yet here.
        Err(error) if lacks_its_payment(&error) => match order_of(&news) {
            Some(name) => match dispatch.take_news(provider, key, News::Ask(name)).await {
                Ok(_) => dispatch.take_news(provider, key, news).await,
                Err(_) => Err(error),
            },
            None => Err(error),
        },
        heard => heard,
    };
    let worked = match heard {
        Ok(Heard::Recorded(named, _)) => Worked::new(NotificationState::Done, None).about(&named),
        Ok(Heard::NothingNew(named)) => {
            let why = "the provider was asked, and knows no more than this ledger".to_owned();
            Worked::new(NotificationState::Nothing, why).about(&named)
        }
        Ok(Heard::Nothing(why)) => Worked::new(NotificationState::Nothing, why.to_owned()),
        Ok(Heard::ForReview(why)) => Worked::review(why),
        Err(error) => of_error(&error),
    };
    // Whose it is has to be known whatever came of it: what was kept of it goes with them.
    match name {
        Some(name) if worked.named.is_none() => match dispatch.order_named(provider, &name).await {
            Ok(named) => worked.about(&named),
            Err(_) => worked,
        },
        _ => worked,
    }
}

fn order_of(news: &News) -> Option<OrderName> {
    match news {
        News::Refunded(refunded) => Some(refunded.order.clone()),
        News::Paid(paid) | News::PeriodPaid(paid) => Some(paid.order.clone()),
        News::RefundFailed { order, .. } | News::CollectsNoMore(order) | News::Ask(order) => Some(order.clone()),
        News::Nothing(_) | News::ForReview(_) => None,
    }
}

fn lacks_its_payment(error: &DispatchError) -> bool {
    let no_such_payment = Refusal::from(OrderError::NoSuchPayment);
    matches!(error, DispatchError::Execute(ExecuteError::Refused(refusal)) if *refusal == no_such_payment)
}

/// What may pass waits; what the ledger will always refuse is for a person, in its own words.
fn of_error(error: &DispatchError) -> Worked {
    match error {
        DispatchError::NotFound(what) => Worked::waiting(format!("there is no such {what} yet")),
        error if lacks_its_payment(error) => Worked::waiting("the payment that it is about is not known yet"),
        DispatchError::Execute(ExecuteError::Refused(refusal)) => {
            Worked::review(format!("{}: {refusal}", refusal.code()))
        }
        DispatchError::Execute(error) if !error.is_transient() => Worked::review(error.to_string()),
        DispatchError::Provider { source, .. } => Worked::waiting(source.to_string()),
        error => {
            tracing::warn!(%error, "a notification could not be worked on");
            Worked::waiting("the ledger could not take it")
        }
    }
}

fn verdict(claimed: &Claimed, worked: Worked, forget: bool) -> Verdict {
    let Worked { state, reason, named } = worked;
    let attempt = usize::try_from(claimed.attempts).unwrap_or(usize::MAX).saturating_sub(1);
    let pause = PAUSES.get(attempt).or(PAUSES.last()).copied().unwrap_or_default();
    let waited_too_long = state == NotificationState::Waiting && Utc::now() - claimed.received_at > WAITS_MAX;
    // Words of others may hold anything.
    let reason = reason.as_deref().map(reason::from_outside);
    let (state, reason) = if waited_too_long {
        let why = reason.unwrap_or_default();
        (NotificationState::Review, Some(format!("it has waited for {} days: {why}", WAITS_MAX.num_days())))
    } else {
        (state, reason)
    };
    // What is not worked off yet is still needed.
    let forget = forget && state != NotificationState::Waiting;
    let order = named.map(|named| (named.number, named.account.key()));
    Verdict { state, reason, order, again_in: Duration::from_secs(pause), forget }
}

/// For one that was not worked off to its end.
#[must_use]
pub fn not_finished(claimed: &Claimed, why: &str) -> Verdict {
    verdict(claimed, Worked::waiting(why), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_pieces_the_one_that_needs_most_is_told() {
        let nothing = || Worked::new(NotificationState::Nothing, None);
        let done = || Worked::new(NotificationState::Done, None);
        let waiting = || Worked::waiting("w");
        let review = || Worked::review("r");
        for (one, other, both) in [
            (nothing(), done(), done()),
            (done(), review(), review()),
            (waiting(), review(), waiting()),
            (done(), nothing(), done()),
        ] {
            assert_eq!(one.and(other), both);
        }
    }

    #[test]
    fn what_may_pass_waits_and_what_will_not_is_for_a_person() {
        let refused = |error: OrderError| DispatchError::from(error);
        for (error, state) in [
            (DispatchError::NotFound("order"), NotificationState::Waiting),
            (refused(OrderError::NoSuchPayment), NotificationState::Waiting),
            (refused(OrderError::PaymentDiffers), NotificationState::Review),
            (ExecuteError::Busy.into(), NotificationState::Waiting),
            (ExecuteError::Unrecordable("x".into()).into(), NotificationState::Review),
        ] {
            assert_eq!(of_error(&error).state, state, "{error}");
        }
    }
}
