//! One order of credits, and everything that money may do to it: come as it should, twice or of another amount, be asked
//! back, go back, be refused. What has gone back and what may still go back never come to more than came in, and the
//! credits that are taken are those that the money which went back had paid for.

use std::collections::BTreeMap;

use super::*;
use crate::order::{OrderEvent, RefundRequested, Refunded, ReviewClosed};
use crate::product::CreditPackTerms;

const PRICE: i64 = 5;
const GRANTED: i64 = 7;

/// The books of one order, from events alone.
#[derive(Default)]
struct OrderBooks {
    /// That came in, by provider and id.
    paid: BTreeMap<(String, String), i64>,
    own: Option<(String, String)>,
    open: BTreeMap<RefundId, ((String, String), i64)>,
    back: BTreeMap<RefundId, ((String, String), i64, bool)>,
    granted: i64,
    taken_back: i64,
}

impl OrderBooks {
    fn enter(&mut self, event: &Event) -> Result<(), TestCaseError> {
        match event {
            Event::Order(event) => self.enter_order(event),
            Event::CreditAccount(CreditAccountEvent::Granted(granted)) => {
                self.granted += granted.amount.micros();
                Ok(())
            }
            Event::CreditAccount(CreditAccountEvent::ClawedBack(taken)) => {
                self.taken_back += taken.amount.micros() + taken.missing.micros() + taken.expired.micros();
                Ok(())
            }
            other => Err(TestCaseError::fail(format!("nobody asked for {other:?}"))),
        }
    }

    fn enter_order(&mut self, event: &OrderEvent) -> Result<(), TestCaseError> {
        match event {
            OrderEvent::Paid(paid) => {
                let name = (paid.payment.provider.clone(), paid.payment.payment_id.clone());
                prop_assert_eq!(self.back_of(&name), 0, "what went back pays for nothing");
                self.paid.insert(name.clone(), paid.payment.amount.minor());
                prop_assert!(self.own.replace(name).is_none(), "paid twice");
            }
            OrderEvent::PaymentMismatched(crate::order::PaymentMismatched { payment, .. })
            | OrderEvent::PaymentDuplicated(crate::order::PaymentDuplicated { payment, .. }) => {
                let name = (payment.provider.clone(), payment.payment_id.clone());
                prop_assert!(self.paid.insert(name, payment.amount.minor()).is_none(), "recorded twice");
            }
            OrderEvent::ReviewClosed(ReviewClosed { provider, payment_id, .. }) => {
                let name = (provider.clone(), payment_id.clone());
                prop_assert_eq!(self.back_of(&name) + self.open_of(&name), 0, "what goes back is decided");
            }
            OrderEvent::RefundRequested(RefundRequested { refund, provider, payment_id, amount, .. }) => {
                let asked = ((provider.clone(), payment_id.clone()), amount.minor());
                prop_assert!(self.open.insert(*refund, asked).is_none() && !self.back.contains_key(refund));
            }
            OrderEvent::RefundRefused(refused) => {
                prop_assert!(self.open.remove(&refused.refund).is_some(), "only what is open is refused");
            }
            OrderEvent::Refunded(Refunded { refund, provider, payment_id, amount, revoke, .. }) => {
                self.open.remove(refund);
                let gone = ((provider.clone(), payment_id.clone()), amount.minor(), *revoke);
                prop_assert!(self.back.insert(*refund, gone).is_none(), "went back twice");
            }
            _ => {}
        }
        Ok(())
    }

    fn back_of(&self, payment: &(String, String)) -> i64 {
        self.back.values().filter(|(of, ..)| of == payment).map(|(_, amount, _)| amount).sum()
    }

    fn open_of(&self, payment: &(String, String)) -> i64 {
        self.open.values().filter(|(of, _)| of == payment).map(|(_, amount)| amount).sum()
    }

    /// Once a unit of work is whole.
    fn check(&self) -> Result<(), TestCaseError> {
        for (payment, paid) in &self.paid {
            prop_assert!(self.back_of(payment) + self.open_of(payment) <= *paid, "more goes back than came in");
        }
        prop_assert_eq!(self.granted, if self.own.is_some() { GRANTED } else { 0 }, "paid is delivered, once");
        let Some(own) = &self.own else {
            prop_assert_eq!(self.taken_back, 0);
            return Ok(());
        };
        let whole = self.back.values().any(|(of, _, revoke)| of == own && *revoke);
        let share = GRANTED * self.back_of(own) / self.paid[own].max(1);
        prop_assert_eq!(self.taken_back, if whole { GRANTED } else { share });
        Ok(())
    }
}

fn placed() -> (OrderId, Command) {
    let order = id(101, OrderId::from_uuid);
    let place = PlaceOrder {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product: ProductId::numbered(1),
        name: "7 micro-credits".to_owned(),
        kind: ProductKind::CreditPack(CreditPackTerms {
            credits: Credits::from_micros(GRANTED).unwrap(),
            valid_days: None,
        }),
        time_zone: Tz::Asia__Shanghai,
        price: yuan(PRICE),
        provider: "one".to_owned(),
        expires_at: time("2010-11-05T00:00:00Z"),
    };
    (order, Command::Order(order, OrderCommand::Place(place)))
}

fn named() -> impl Strategy<Value = (String, String)> {
    (prop::sample::select(&["one", "one", "one", "other"][..]), 0..3_u32)
        .prop_map(|(provider, payment_id)| (provider.to_owned(), payment_id.to_string()))
}

/// Payments and refunds of one order; the others' strategies name two.
fn step(order: OrderId) -> impl Strategy<Value = Command> {
    let pay =
        (named(), prop_oneof![3 => Just(PRICE), 2 => 0..7_i64]).prop_map(move |((provider, payment_id), amount)| {
            let payment = Payment { provider, payment_id, amount: yuan(amount), method: None };
            Command::TakePayment(TakePayment { order, payment, license_key: None })
        });
    let accept = named().prop_map(move |(provider, payment_id)| {
        Command::AcceptReview(AcceptReview {
            order,
            provider,
            payment_id,
            reason: "fine".to_owned(),
            license_key: None,
        })
    });
    let of_one = refund_command().prop_map(move |command| match command {
        Command::Order(_, command) => Command::Order(order, command),
        Command::TakeRefund(gone) => Command::TakeRefund(TakeRefund { order, ..gone }),
        other => other,
    });
    prop_oneof![
        4 => pay,
        1 => accept,
        12 => of_one,
        1 => Just(Command::Order(order, OrderCommand::Expire)),
    ]
}

proptest! {
    #[test]
    fn of_each_payment_no_more_goes_back_than_came_in_and_credits_go_with_it(
        steps in prop::collection::vec((moment(), step(placed().0)), 1..80),
    ) {
        let mut desk = Desk::new(ACCOUNT);
        ids().into_iter().for_each(|id| desk.put(id, fresh(id)));
        let (mut books, began) = (OrderBooks::default(), time("2010-11-01T00:00:00Z"));
        desk.decide(began, &[placed().1]).unwrap();
        for (at, command) in steps {
            match desk.decide(at, std::slice::from_ref(&command)) {
                Ok(recorded) => recorded.iter().try_for_each(|recorded| books.enter(&recorded.event))?,
                Err(Halt::Refused(_)) => {}
                Err(Halt::Missing(ids)) => return Err(TestCaseError::fail(format!("{ids:?} were on the desk"))),
            }
            books.check()?;
        }
    }
}
