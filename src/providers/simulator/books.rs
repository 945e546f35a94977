//! What a simulated provider knows: what it was asked to collect, what was paid, what went back.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;

/// Trades that are remembered; enough for tests, and no more than memory is good for.
const TRADES_MAX: usize = 100_000;

/// One thing to be paid.
#[derive(Debug, Clone, Serialize)]
pub struct Trade {
    /// The merchant's number.
    pub number: String,
    /// The provider's own name for it.
    pub reference: String,
    pub subject: String,
    /// In minor units.
    pub amount: i64,
    pub currency: String,
    /// Where the merchant wants to hear of it, where they said so.
    pub notify_url: Option<String>,
    pub created_at: DateTime<Utc>,
    pub closed: bool,
    pub paid: Vec<PaidThere>,
    pub refunds: Vec<RefundThere>,
    /// Whatever else the face wants to know again.
    pub more: BTreeMap<String, String>,
}

impl Trade {
    /// What pays for it.
    #[must_use]
    pub fn payment(&self) -> Option<&PaidThere> {
        self.paid.iter().find(|paid| paid.amount == self.amount).or_else(|| self.paid.first())
    }

    /// What went back of a payment so far.
    #[must_use]
    pub fn given_back(&self, payment_id: &str) -> i64 {
        let done = self.refunds.iter().filter(|refund| refund.payment_id == payment_id && !refund.pending);
        done.fold(0, |sum, refund| sum.saturating_add(refund.amount))
    }

    #[must_use]
    pub fn refund(&self, refund_no: &str) -> Option<&RefundThere> {
        self.refunds.iter().find(|refund| refund.refund_no == refund_no)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaidThere {
    /// The provider's name for the payment.
    pub payment_id: String,
    pub amount: i64,
    pub at: DateTime<Utc>,
    /// Counted per trade, from 1: which of several this is.
    pub nth: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefundThere {
    /// The merchant's number for it, or one of the provider's own where it was given back in its console.
    pub refund_no: String,
    /// The provider's name for it.
    pub refund_id: String,
    pub payment_id: String,
    pub amount: i64,
    pub pending: bool,
    pub at: DateTime<Utc>,
}

/// What the merchant asks for.
#[derive(Debug, Clone, Default)]
pub struct NewTrade {
    pub number: String,
    /// One is made up where the provider has none of its own.
    pub reference: Option<String>,
    pub subject: String,
    pub amount: i64,
    pub currency: String,
    pub notify_url: Option<String>,
    pub more: BTreeMap<String, String>,
}

/// Why money did not go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRefund {
    NoSuchPayment,
    /// This number names another refund.
    NumberTaken,
    MoreThanIsLeft,
}

#[derive(Debug, Default)]
pub struct Books {
    /// By the provider's name.
    trades: HashMap<String, Trade>,
    /// The merchant's number to the provider's name.
    by_number: HashMap<String, String>,
    counted: u64,
}

impl Books {
    /// A name of the provider's own: grows, and nobody guesses it.
    pub fn name(&mut self, prefix: &str) -> String {
        self.counted += 1;
        format!("{prefix}{:06}{}", self.counted, hex::encode(rand::random::<[u8; 8]>()))
    }

    /// Asked for again under the same number it is the same trade, unless `always_new`.
    pub fn open(&mut self, new: NewTrade, always_new: bool) -> Trade {
        if !always_new && let Some(known) = self.trade(&new.number) {
            return known.clone();
        }
        if self.trades.len() >= TRADES_MAX {
            self.trades.clear();
            self.by_number.clear();
        }
        let reference = new.reference.unwrap_or_else(|| new.number.clone());
        let trade = Trade {
            number: new.number,
            reference: reference.clone(),
            subject: new.subject,
            amount: new.amount,
            currency: new.currency,
            notify_url: new.notify_url,
            created_at: Utc::now(),
            closed: false,
            paid: Vec::new(),
            refunds: Vec::new(),
            more: new.more,
        };
        self.by_number.insert(trade.number.clone(), reference.clone());
        self.trades.insert(reference, trade.clone());
        trade
    }

    /// By the provider's name, or the merchant's number.
    #[must_use]
    pub fn trade(&self, name: &str) -> Option<&Trade> {
        self.trades.get(name).or_else(|| self.trades.get(self.by_number.get(name)?))
    }

    #[must_use]
    pub fn of_payment(&self, payment_id: &str) -> Option<&Trade> {
        self.trades.values().find(|trade| trade.paid.iter().any(|paid| paid.payment_id == payment_id))
    }

    /// By either side's name for the refund.
    #[must_use]
    pub fn of_refund(&self, name: &str) -> Option<(&Trade, &RefundThere)> {
        let is_it = |refund: &&RefundThere| refund.refund_no == name || refund.refund_id == name;
        self.trades.values().find_map(|trade| Some((trade, trade.refunds.iter().find(is_it)?)))
    }

    /// Oldest first.
    #[must_use]
    pub fn trades(&self) -> Vec<Trade> {
        let mut trades: Vec<Trade> = self.trades.values().cloned().collect();
        trades.sort_by(|a, b| (a.created_at, &a.number).cmp(&(b.created_at, &b.number)));
        trades
    }

    pub fn edit(&mut self, name: &str, change: impl FnOnce(&mut Trade)) -> Option<Trade> {
        let reference = self.trade(name)?.reference.clone();
        let trade = self.trades.get_mut(&reference)?;
        change(trade);
        Some(trade.clone())
    }

    /// Somebody pays.
    pub fn pay(&mut self, name: &str, prefix: &str, amount: Option<i64>) -> Option<(Trade, PaidThere)> {
        let payment_id = self.name(prefix);
        let mut paid = None;
        let trade = self.edit(name, |trade| {
            let amount = amount.unwrap_or(trade.amount);
            let nth = trade.paid.len() + 1;
            trade.paid.push(PaidThere { payment_id, amount, at: Utc::now(), nth });
            paid = trade.paid.last().cloned();
        })?;
        Some((trade, paid?))
    }

    /// Money goes back, once under each number, and never more than was paid. `None`: all that is left.
    ///
    /// # Errors
    /// Why it does not.
    pub fn give_back(
        &mut self,
        payment_id: &str,
        refund_no: &str,
        amount: Option<i64>,
        pending: bool,
    ) -> Result<(Trade, RefundThere, bool), NoRefund> {
        let trade = self.of_payment(payment_id).ok_or(NoRefund::NoSuchPayment)?.clone();
        let paid = trade.paid.iter().find(|paid| paid.payment_id == payment_id).ok_or(NoRefund::NoSuchPayment)?;
        if let Some(known) = trade.refund(refund_no).cloned() {
            let same = known.payment_id == payment_id && amount.is_none_or(|amount| amount == known.amount);
            return if same { Ok((trade, known, false)) } else { Err(NoRefund::NumberTaken) };
        }
        let asked = trade.refunds.iter().filter(|refund| refund.payment_id == payment_id);
        let left = asked.fold(paid.amount, |left, refund| left.saturating_sub(refund.amount));
        let amount = amount.unwrap_or(left);
        if amount <= 0 || amount > left {
            return Err(NoRefund::MoreThanIsLeft);
        }
        let refund = RefundThere {
            refund_no: refund_no.to_owned(),
            refund_id: self.name("rf"),
            payment_id: payment_id.to_owned(),
            amount,
            pending,
            at: Utc::now(),
        };
        let entered = refund.clone();
        let trade = self.edit(&trade.reference, |trade| trade.refunds.push(entered)).ok_or(NoRefund::NoSuchPayment)?;
        Ok((trade, refund, true))
    }
}
