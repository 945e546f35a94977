//! What is owed: overdrafts, claw-backs, and what repays them.

use super::*;
use crate::ids::{OrderId, RefundId};
use crate::label::Labels;

fn labels() -> Labels<'static> {
    Labels::try_new(&None, &None).unwrap()
}

pub(super) fn overdraw(
    amount: &str,
) -> impl FnOnce(&CreditAccount) -> Result<Vec<CreditAccountEvent>, CreditAccountError> {
    let amount = credits(amount);
    move |account| account.overdraw(noon(), amount, labels())
}

pub(super) fn overdrawn(amount: &str, balance: &str, shortfall: &str) -> CreditAccountEvent {
    CreditAccountEvent::Overdrawn(Overdrawn {
        amount: credits(amount),
        balance: credits(balance),
        shortfall: credits(shortfall),
        meter: None,
        reference: None,
    })
}

pub(super) fn repaid(amount: &str, from: &[(u128, &str, &str)], balance: &str, shortfall: &str) -> CreditAccountEvent {
    CreditAccountEvent::Repaid(Repaid {
        amount: credits(amount),
        from: taken(from),
        balance: credits(balance),
        shortfall: credits(shortfall),
    })
}

fn order(number: u128) -> OrderId {
    id(number, OrderId::from_uuid)
}

fn refund() -> RefundId {
    id(70, RefundId::from_uuid)
}

fn claw_back(amount: &str) -> CreditAccountCommand {
    CreditAccountCommand::ClawBack { order: order(7), refund: refund(), amount: credits(amount) }
}

fn clawed_back(
    amount: &str,
    from: &[(u128, &str, &str)],
    missing: &str,
    balance: &str,
    shortfall: &str,
) -> CreditAccountEvent {
    CreditAccountEvent::ClawedBack(ClawedBack {
        order: order(7),
        refund: refund(),
        amount: credits(amount),
        from: taken(from),
        missing: credits(missing),
        expired: credits("0"),
        balance: credits(balance),
        shortfall: credits(shortfall),
    })
}

const LATER: &str = "2026-01-10T00:00:00Z";

/// Balance, available, frozen, shortfall.
fn standing(account: &CreditAccount) -> [String; 4] {
    [account.balance(), account.available(noon()), account.frozen(), account.shortfall()]
        .map(|amount| amount.to_string())
}

#[test]
fn an_overdraft_spends_all_there_is_and_owes_the_rest() {
    let account = given([granted(1, "3", SOON, "3"), granted(2, "2", None, "5")])
        .when_asked(overdraw("9"))
        .then([spent("5", &[(1, "3", "0"), (2, "2", "0")], "0"), overdrawn("4", "0", "4")])
        .when_asked(overdraw("1"))
        .then([overdrawn("1", "0", "5")])
        .state();
    assert_eq!(standing(&account), ["0.00", "0.00", "0.00", "5.00"]);
}

#[test]
fn an_overdraft_within_what_there_is_owes_nothing() {
    given([granted(1, "3", None, "3")]).when_asked(overdraw("3")).then([spent("3", &[(1, "3", "0")], "0")]);
}

#[test]
fn an_overdraft_of_an_account_that_never_had_anything_owes_all_of_it() {
    given([]).when_asked(overdraw("2.5")).then([overdrawn("2.5", "0", "2.5")]);
}

#[test]
fn an_overdraft_leaves_what_has_expired_on_the_books() {
    given([granted(1, "3", SOON, "3")])
        .when_asked(|account| account.overdraw(time("2026-01-10T00:00:00Z"), credits("2"), labels()))
        .then([overdrawn("2", "3", "2")]);
}

#[test]
fn a_debt_too_large_to_count_is_refused() {
    given([overdrawn("9223372036854.775807", "0", "9223372036854.775807")])
        .when_asked(overdraw("0.000001"))
        .then_refused(CreditAccountError::TooLarge)
        .when(noon(), claw_back("0.000001"))
        .then_refused(CreditAccountError::TooLarge);
}

#[test]
fn a_grant_repays_what_is_owed_at_once() {
    let account = given([overdrawn("4", "0", "4")])
        .when(noon(), grant(1, "3", None))
        .then([granted(1, "3", None, "3"), repaid("3", &[(1, "3", "0")], "0", "1")])
        .when(noon(), grant(2, "3", None))
        .then([granted(2, "3", None, "3"), repaid("1", &[(2, "1", "2")], "2", "0")])
        .when(noon(), grant(3, "3", None))
        .then([granted(3, "3", None, "5")])
        .state();
    assert_eq!(standing(&account), ["5.00", "5.00", "0.00", "0.00"]);
}

#[test]
fn a_claw_back_takes_the_orders_own_grant_first_and_then_the_newest() {
    let own = GrantId::of_order(order(7));
    let granted_own = CreditAccountEvent::Granted(Granted {
        grant: own,
        source: GrantSource::Order,
        amount: credits("2"),
        expires_at: None,
        balance: credits("5"),
        reason: None,
    });
    let expected = ClawedBack {
        order: order(7),
        refund: refund(),
        amount: credits("7"),
        from: vec![
            Taken { grant: own, amount: credits("2"), left: credits("0") },
            Taken { grant: name(3), amount: credits("4"), left: credits("0") },
            Taken { grant: name(1), amount: credits("1"), left: credits("2") },
        ],
        missing: credits("0"),
        expired: credits("0"),
        balance: credits("2"),
        shortfall: credits("0"),
    };
    // Spending would take them in another order: 3 expires first, and 1 is older than the order's own.
    given([granted(1, "3", None, "3"), granted_own, granted(3, "4", SOON, "9")])
        .when(noon(), claw_back("7"))
        .then([CreditAccountEvent::ClawedBack(expected)]);
}

#[test]
fn what_a_claw_back_does_not_find_is_owed() {
    let account = given([granted(1, "3", None, "3")])
        .when(noon(), claw_back("5"))
        .then([clawed_back("3", &[(1, "3", "0")], "2", "0", "2")])
        .when(noon(), claw_back("1"))
        .then([clawed_back("0", &[], "1", "0", "3")])
        .state();
    assert_eq!(standing(&account), ["0.00", "0.00", "0.00", "3.00"]);
}

#[test]
fn a_claw_back_takes_nothing_that_has_expired() {
    given([granted(1, "3", SOON, "3")]).when(time("2026-01-10T00:00:00Z"), claw_back("2")).then([clawed_back(
        "0",
        &[],
        "2",
        "3",
        "2",
    )]);
}

fn own_granted(amount: &str, source: GrantSource) -> CreditAccountEvent {
    CreditAccountEvent::Granted(Granted {
        grant: GrantId::of_order(order(7)),
        source,
        amount: credits(amount),
        expires_at: SOON.map(time),
        balance: credits(amount),
        reason: None,
    })
}

fn own_spent(amount: &str, left: &str) -> CreditAccountEvent {
    CreditAccountEvent::Spent(Spent {
        amount: credits(amount),
        from: vec![Taken { grant: GrantId::of_order(order(7)), amount: credits(amount), left: credits(left) }],
        balance: credits(left),
        meter: None,
        reference: None,
    })
}

fn own_expired(amount: &str) -> CreditAccountEvent {
    let (grant, amount, balance) = (GrantId::of_order(order(7)), credits(amount), credits("0"));
    CreditAccountEvent::Expired(Expired { grant, amount, balance })
}

/// Of what was asked: spared because it had expired, and owed.
fn spared(expired: &str, missing: &str, balance: &str, shortfall: &str) -> CreditAccountEvent {
    match clawed_back("0", &[], missing, balance, shortfall) {
        CreditAccountEvent::ClawedBack(clawed_back) => {
            CreditAccountEvent::ClawedBack(ClawedBack { expired: credits(expired), ..clawed_back })
        }
        other => panic!("{other:?} is no claw-back"),
    }
}

#[test]
fn what_merely_expired_of_the_orders_own_credits_is_not_owed() {
    for source in [GrantSource::Order, GrantSource::SubscriptionPeriod] {
        // 3 of 10 were used: no more than that is owed, however many refunds ask.
        given([own_granted("10", source), own_spent("3", "7"), own_expired("7")])
            .when(time(LATER), claw_back("5"))
            .then([spared("5", "0", "0", "0")])
            .when(time(LATER), claw_back("5"))
            .then([spared("2", "3", "0", "3")])
            .when(time(LATER), claw_back("1"))
            .then([spared("0", "1", "0", "4")]);
    }
}

#[test]
fn what_expired_is_not_owed_before_and_after_its_end_is_recorded() {
    given([own_granted("10", GrantSource::Order), own_spent("3", "7")])
        .when(time(LATER), claw_back("5"))
        .then([spared("5", "0", "7", "0")])
        .when(time(LATER), CreditAccountCommand::Expire { grant: GrantId::of_order(order(7)) })
        .then([own_expired("7")])
        .when(time(LATER), claw_back("5"))
        .then([spared("2", "3", "0", "3")]);
}

#[test]
fn only_what_somebody_paid_for_is_remembered_when_it_expires_and_only_so_much_of_it() {
    let account = given([granted(1, "3", SOON, "3"), own_granted("10", GrantSource::Admin), own_expired("10")]);
    assert_eq!(account.state().lapsed, []);
    let all = (0..=LAPSED_MAX as u128).flat_map(|number| {
        let (grant, amount) = (GrantId::of_order(order(number)), credits("1"));
        let (source, expires_at, reason) = (GrantSource::Order, SOON.map(time), None);
        let granted = Granted { grant, source, amount, expires_at, balance: amount, reason };
        let expired = Expired { grant, amount, balance: credits("0") };
        [CreditAccountEvent::Granted(granted), CreditAccountEvent::Expired(expired)]
    });
    let account = given(all).state();
    let oldest = account.lapsed.first().map(|lapsed| lapsed.grant);
    assert_eq!((account.lapsed.len(), oldest), (LAPSED_MAX, Some(GrantId::of_order(order(1)))));
}

#[test]
fn a_claw_back_of_nothing_changes_nothing() {
    given([granted(1, "3", None, "3")]).when(noon(), claw_back("0")).then_nothing();
}

#[test]
fn what_is_owed_keeps_its_meter_and_reference() {
    let (meter, reference) = (Some("tokens".to_owned()), Some("call-7".to_owned()));
    let expected = Overdrawn {
        amount: credits("1"),
        balance: credits("0"),
        shortfall: credits("1"),
        meter: meter.clone(),
        reference: reference.clone(),
    };
    given([])
        .when_asked(|account| account.overdraw(noon(), credits("1"), Labels::try_new(&meter, &reference).unwrap()))
        .then([CreditAccountEvent::Overdrawn(expected)]);
}
