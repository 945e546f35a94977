//! Subscriptions, whatever is asked of them: each paid order grants one period and its credits once, periods of one
//! subscription follow each other without a hole, and nothing happens after an end.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::credit_account::Granted;
use crate::ids::SubscriptionId;
use crate::order::{Delivered, Fulfilled, OrderEvent};
use crate::product::{Period, PlanChangeTerms, PlanTerms, RenewalTerms, UpgradePolicy};
use crate::subscription::{
    PaidPeriod, Plan, Renewed, Started, SubscriptionCommand, SubscriptionError, SubscriptionEvent,
};

const BUYS: u128 = 6;
const PLANS: u32 = 3;

fn buy(number: u128) -> OrderId {
    id(200 + number, OrderId::from_uuid)
}

fn subscriptions() -> impl Iterator<Item = SubscriptionId> {
    (1..=BUYS).map(|number| SubscriptionId::of_order(buy(number)))
}

fn plan(product: u32) -> Plan {
    let period = if product == 1 { Period::Days(10) } else { Period::Months(product - 1) };
    let terms = PlanTerms {
        period,
        credits: Credits::whole(product * 10),
        valid_days: None,
        upgrade_policy: UpgradePolicy::Immediate,
        grace_days: product,
    };
    Plan { product: ProductId::numbered(product), terms, price: yuan(i64::from(product)) }
}

fn plans() -> impl Strategy<Value = Plan> {
    (1..=PLANS).prop_map(plan)
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    (0..200_i64).prop_map(|days| time("2026-01-31T06:00:00Z") + TimeDelta::hours(days * 12))
}

fn place(number: u128, bought: ProductId, kind: ProductKind, price: Money) -> Command {
    let place = PlaceOrder {
        number: "ORD20260105060000deadbeef".parse().unwrap(),
        product: bought,
        name: "plan".to_owned(),
        kind,
        time_zone: Tz::Asia__Shanghai,
        price,
        provider: "one".to_owned(),
        expires_at: time("2027-01-01T00:00:00Z"),
    };
    Command::Order(buy(number), OrderCommand::Place(place))
}

fn pay(number: u128, price: Money) -> Command {
    let payment = Payment { provider: "one".to_owned(), payment_id: number.to_string(), amount: price, method: None };
    Command::TakePayment(TakePayment { order: buy(number), payment, license_key: None })
}

/// What a change of plan was sold for, unlike what any plan has.
fn bought_by(number: u128) -> Credits {
    Credits::from_micros(i64::try_from(number).unwrap()).unwrap()
}

fn asked() -> impl Strategy<Value = Vec<Command>> {
    let some = || prop::sample::select(subscriptions().collect::<Vec<_>>());
    let buying = (1..=BUYS, plans()).prop_map(|(number, Plan { product, terms, price })| {
        vec![place(number, product, ProductKind::Subscription(terms), price), pay(number, price)]
    });
    let upgrading = (1..=BUYS, some(), plans()).prop_map(|(number, subscription, Plan { product, terms, price })| {
        let (from, credits) = (ProductId::numbered(1), bought_by(number));
        let change = PlanChangeTerms { subscription, plan: terms, price, from, credits };
        vec![place(number, product, ProductKind::PlanChange(change), yuan(1)), pay(number, yuan(1))]
    });
    let renewing = (1..=BUYS, some(), plans()).prop_map(|(number, subscription, Plan { product, terms, price })| {
        let kind = ProductKind::Renewal(RenewalTerms { subscription, plan: terms });
        vec![place(number, product, kind, price), pay(number, price)]
    });
    let command = prop_oneof![
        plans().prop_map(|plan| SubscriptionCommand::ScheduleChange { plan }),
        plans().prop_map(|plan| SubscriptionCommand::ChangePlan { order: None, plan }),
        any::<bool>().prop_map(|now| SubscriptionCommand::Cancel { now, sealed: None }),
        Just(SubscriptionCommand::WithdrawCancel),
        Just(SubscriptionCommand::PeriodOver),
        Just(SubscriptionCommand::PeriodOver),
        (1..=BUYS).prop_map(|number| SubscriptionCommand::TakeBack { order: buy(number), reason: "r".to_owned() }),
    ];
    let asking = (some(), command).prop_map(|(id, command)| vec![Command::Subscription(id, command)]);
    prop_oneof![3 => buying, 1 => upgrading, 1 => renewing, 3 => asking]
}

fn touched() -> impl Iterator<Item = AggregateId> {
    let bought = (1..=BUYS).flat_map(|number| {
        [AggregateId::order(buy(number)), AggregateId::subscription(SubscriptionId::of_order(buy(number)))]
    });
    bought.chain([AggregateId::credit_account(ACCOUNT), AggregateId::holdings(ACCOUNT)])
}

#[derive(Default)]
struct Periods {
    last: BTreeMap<AggregateId, PaidPeriod>,
    ended: BTreeSet<AggregateId>,
    paid: BTreeSet<OrderId>,
}

impl Periods {
    fn enter(&mut self, id: AggregateId, event: &SubscriptionEvent) -> Result<(), TestCaseError> {
        prop_assert!(!self.ended.contains(&id), "nothing happens after an end");
        match event {
            SubscriptionEvent::Started(Started { period, .. }) => {
                prop_assert_eq!(period.number, 1);
                self.pay(id, *period)?;
            }
            SubscriptionEvent::Renewed(Renewed { period, .. }) => {
                let before = self.last.get(&id).copied();
                let follows = before.map(|before| (before.number + 1, before.ends_at));
                prop_assert_eq!(Some((period.number, period.starts_at)), follows, "no hole, and nothing twice");
                self.pay(id, *period)?;
            }
            SubscriptionEvent::Ended(_) => drop(self.ended.insert(id)),
            _ => {}
        }
        Ok(())
    }

    fn pay(&mut self, id: AggregateId, period: PaidPeriod) -> Result<(), TestCaseError> {
        prop_assert!(period.starts_at < period.ends_at);
        prop_assert!(self.paid.insert(period.order), "an order pays for one period");
        self.last.insert(id, period);
        Ok(())
    }
}

proptest! {
    #[test]
    fn each_paid_order_grants_one_period_and_periods_leave_no_hole(
        units in prop::collection::vec((moment(), asked()), 1..60),
    ) {
        let mut desk = Desk::new(ACCOUNT);
        touched().for_each(|id| desk.put(id, fresh(id)));
        let (mut periods, mut granted) = (Periods::default(), BTreeSet::new());
        for (at, commands) in units {
            let recorded = match desk.decide(at, &commands) {
                Ok(recorded) => recorded,
                Err(Halt::Refused(refusal)) => {
                    let of_a_payment = commands.len() > 1;
                    let refused_money = of_a_payment && matches!(&refusal, crate::Refusal::Subscription(_));
                    prop_assert!(!refused_money, "money that has come is not refused: {:?}", refusal);
                    continue;
                }
                Err(Halt::Missing(ids)) => return Err(TestCaseError::fail(format!("{ids:?} were on the desk"))),
            };
            for recorded in &recorded {
                match &recorded.event {
                    Event::Subscription(event) => periods.enter(recorded.aggregate, event)?,
                    Event::CreditAccount(CreditAccountEvent::Granted(Granted { grant, .. })) => {
                        prop_assert!(granted.insert(*grant), "an order grants once");
                    }
                    Event::Order(OrderEvent::Fulfilled(Fulfilled {
                        delivered: Delivered::PlanChange(_), credits, ..
                    })) => {
                        let number = (1..=BUYS).find(|number| AggregateId::order(buy(*number)) == recorded.aggregate);
                        prop_assert_eq!(*credits, number.map(bought_by), "what was sold is granted");
                    }
                    Event::Order(OrderEvent::Fulfilled(Fulfilled { delivered: Delivered::Subscription(_), .. })) => {
                        let grant = (1..=BUYS).map(buy).find(|order| AggregateId::order(*order) == recorded.aggregate);
                        let order = grant.unwrap();
                        prop_assert!(periods.paid.contains(&order) && granted.contains(&GrantId::of_order(order)));
                    }
                    _ => {}
                }
            }
            check_holdings(&desk, &periods)?;
        }
    }

    #[test]
    fn before_its_end_a_period_is_never_over(days in 0..400_i64, product in 1..=PLANS) {
        let mut subscription = crate::Subscription::default();
        let at = time("2026-01-31T06:00:00Z");
        let start = SubscriptionCommand::Start { order: buy(1), plan: plan(product) };
        for event in crate::Decider::decide(&subscription, at, &start).unwrap() {
            crate::Decider::apply(&mut subscription, &event);
        }
        let ends_at = subscription.period().unwrap().ends_at;
        let asked_at = at + TimeDelta::days(days);
        let over = crate::Decider::decide(&subscription, asked_at, &SubscriptionCommand::PeriodOver);
        prop_assert_eq!(over.is_err(), asked_at < ends_at);
        if let Err(error) = over {
            prop_assert_eq!(error, SubscriptionError::NotOver { ends_at });
        }
    }
}

/// What lives is held, and nothing else.
fn check_holdings(desk: &Desk, periods: &Periods) -> Result<(), TestCaseError> {
    let State::Holdings(holdings) = &desk.slot(&AggregateId::holdings(ACCOUNT)).unwrap().state else {
        return Err(TestCaseError::fail("no holdings"));
    };
    let held: BTreeSet<_> = holdings.subscriptions().iter().copied().map(AggregateId::subscription).collect();
    let live: BTreeSet<_> = periods.last.keys().filter(|id| !periods.ended.contains(id)).copied().collect();
    prop_assert_eq!(held, live);
    Ok(())
}
