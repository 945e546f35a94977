//! What comes between a reservation and its end: midnight, the end of a package or a grant, a refund.

use super::*;

/// Until midnight of the day after in Shanghai, and half a year.
fn long(number: u128, amount: &str) -> Reserve {
    Reserve { expires_at: time("2026-07-01T00:00:00Z"), ..reserve(number, amount) }
}

#[test]
fn a_hold_is_charged_to_the_day_it_was_made_on_whatever_midnight_has_passed() {
    let mut account = Account::new().bought(1, "5", 30);
    assert_eq!(account.says(&long(1, "4")), "done");
    account.at("2026-01-05T16:00:00Z");
    assert_eq!((account.left_today(1), account.charge("5")), ("5.00".to_owned(), "done"));
    let recorded = account.ask(&Settle { hold: hold(1), amount: credits("3"), by: Party::Account }).unwrap();
    let Event::UserPackage(UserPackageEvent::Settled(settled)) = &recorded[0].event else { panic!("{recorded:?}") };
    assert_eq!((settled.day, settled.day_left), (crate::spec::day("2026-01-05"), credits("2")));
    // Nothing of the day before can be used today.
    assert_eq!((account.left_today(1), account.charge("0.01")), ("0.00".to_owned(), "E4001"));
}

#[test]
fn what_comes_back_on_the_same_day_can_be_used_again() {
    let mut account = Account::new().bought(1, "5", 30);
    assert_eq!((account.says(&long(1, "5")), account.charge("0.01")), ("done", "E4001"));
    assert_eq!((account.settle(1, "2"), account.charge("3"), account.charge("0.01")), ("done", "done", "E4001"));
}

#[test]
fn a_package_that_has_ended_is_settled_all_the_same() {
    let mut account = Account::new().bought(1, "5", 1);
    assert_eq!(account.says(&long(1, "5")), "done");
    account.at("2026-01-07T00:00:00Z");
    assert_eq!(account.says(&Buy(package(1), UserPackageCommand::Expire)), "done");
    assert_eq!((account.settle(1, "2"), account.charge("0.01")), ("done", "E4001"));
}

#[test]
fn a_package_that_was_revoked_is_settled_all_the_same() {
    for finish in [Account::settle as fn(&mut Account, u128, &str) -> _, |account, number, _| account.release(number)] {
        let mut account = Account::new().bought(1, "5", 30);
        assert_eq!(account.says(&long(1, "5")), "done");
        let revoke = UserPackageCommand::Revoke { reason: "refunded".to_owned() };
        assert_eq!(account.says(&Buy(package(1), revoke)), "done");
        assert_eq!((finish(&mut account, 1, "2"), account.charge("0.01")), ("done", "E4001"));
    }
}

#[test]
fn a_grant_that_has_expired_is_settled_all_the_same_and_what_comes_back_expires() {
    let mut account = Account::new().granted(1, "9", Some("2026-01-06T00:00:00Z"));
    assert_eq!(account.says(&long(1, "6")), "done");
    account.at("2026-01-07T00:00:00Z");
    let expire = vec![Command::CreditAccount(CreditAccountCommand::Expire { grant: grant(1) })];
    assert_eq!(account.says(&expire), "nothing");
    let recorded = account.ask(&Settle { hold: hold(1), amount: credits("4"), by: Party::Account }).unwrap();
    let kinds: Vec<_> = recorded.iter().map(|recorded| recorded.event.event_type()).collect();
    assert_eq!(kinds, ["settled", "expired", "settled"]);
    let state: CreditAccount = account.state(AggregateId::credit_account(ACCOUNT));
    assert_eq!((state.balance(), state.frozen()), (credits("0"), credits("0")));
}

#[test]
fn a_refund_takes_nothing_that_is_held_and_is_repaid_when_it_comes_back() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(account.says(&long(1, "6")), "done");
    let claw_back = CreditAccountCommand::ClawBack {
        order: id(7, OrderId::from_uuid),
        refund: id(70, RefundId::from_uuid),
        amount: credits("9"),
    };
    assert_eq!(account.says(&vec![Command::CreditAccount(claw_back)]), "done");
    assert_eq!(account.credits(), ["0.00", "6.00", "6.00"]);
    assert_eq!(account.settle(1, "2"), "done");
    assert_eq!(account.credits(), ["0.00", "0.00", "2.00"]);
}

#[test]
fn what_was_owed_before_a_release_is_repaid_and_the_rest_is_available() {
    let mut account = Account::new().granted(1, "9", None);
    assert_eq!(account.says(&long(1, "6")), "done");
    let overdraw = Charge { amount: credits("5"), meter: None, reference: None, overdraft: Overdraft::Allow };
    assert_eq!(account.says(&overdraw), "done");
    assert_eq!(account.credits(), ["0.00", "6.00", "2.00"]);
    assert_eq!((account.release(1), account.credits()), ("done", ["4.00", "0.00", "0.00"].map(str::to_owned)));
}

#[test]
fn a_clock_that_goes_back_leaves_a_hold_as_it_was() {
    let mut account = Account::new().granted(1, "9", None).bought(1, "5", 30);
    assert_eq!(account.at("2026-01-06T04:00:00Z").says(&long(1, "8")), "done");
    assert_eq!(
        (account.at(NOON).settle(1, "7"), account.credits()),
        ("done", ["7.00", "0.00", "0.00"].map(str::to_owned))
    );
}
