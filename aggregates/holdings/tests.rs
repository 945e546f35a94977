use super::*;
use crate::spec::{Given, id, time};

fn given(events: impl IntoIterator<Item = HoldingsEvent>) -> Given<Holdings> {
    crate::spec::given(events)
}

fn held(number: u128, starts_at: &str, ends_at: &str) -> HeldPackage {
    let package = id(number, UserPackageId::from_uuid);
    HeldPackage { package, product: ProductId::numbered(1), starts_at: time(starts_at), ends_at: time(ends_at) }
}

fn added(held: HeldPackage) -> HoldingsEvent {
    let HeldPackage { package, product, starts_at, ends_at } = held;
    HoldingsEvent::PackageAdded(PackageAdded { package, product, starts_at, ends_at, at: starts_at })
}

fn running(holdings: &Holdings, at: &str) -> Vec<u128> {
    holdings.running(time(at)).map(|held| held.package.uuid().as_u128()).collect()
}

const START: &str = "2026-01-05T06:00:00Z";

#[test]
fn a_package_is_added_once() {
    let package = held(1, START, "2026-01-10T06:00:00Z");
    given([])
        .when(time(START), HoldingsCommand::AddPackage(package))
        .then([added(package)])
        .when(time("2026-01-06T00:00:00Z"), HoldingsCommand::AddPackage(package))
        .then_nothing();
}

#[test]
fn what_runs_is_named_soonest_end_first() {
    let holdings = given([
        added(held(3, START, "2026-01-20T06:00:00Z")),
        added(held(2, START, "2026-01-10T06:00:00Z")),
        added(held(4, START, "2026-01-10T06:00:00Z")),
        added(held(1, START, "2026-01-10T06:00:00Z")),
    ])
    .state();
    assert_eq!(running(&holdings, "2026-01-06T00:00:00Z"), [1, 2, 4, 3]);
}

#[test]
fn a_package_runs_from_its_start_until_just_before_its_end() {
    let holdings = given([added(held(1, START, "2026-01-10T06:00:00Z"))]).state();
    for (at, numbers) in [
        ("2026-01-05T05:59:59.999999Z", &[][..]),
        ("2026-01-05T06:00:00Z", &[1]),
        ("2026-01-10T05:59:59.999999Z", &[1]),
        ("2026-01-10T06:00:00Z", &[]),
    ] {
        assert_eq!(running(&holdings, at), numbers, "{at}");
    }
}

#[test]
fn what_has_ended_is_forgotten_when_something_is_added() {
    let holdings = given([
        added(held(1, START, "2026-01-10T06:00:00Z")),
        added(held(2, START, "2026-01-10T06:00:00.000001Z")),
        added(held(3, "2026-01-10T06:00:00Z", "2026-01-20T06:00:00Z")),
    ])
    .state();
    assert_eq!(holdings.packages.iter().map(|held| held.package.uuid().as_u128()).collect::<Vec<_>>(), [2, 3]);
}

fn package(number: u128) -> UserPackageId {
    id(number, UserPackageId::from_uuid)
}

fn moved(number: u128, starts_at: &str, ends_at: &str) -> HoldingsEvent {
    let (starts_at, ends_at) = (time(starts_at), time(ends_at));
    HoldingsEvent::PackageMoved(PackageMoved { package: package(number), starts_at, ends_at })
}

fn move_to(number: u128, starts_at: &str, ends_at: &str) -> HoldingsCommand {
    let (starts_at, ends_at) = (time(starts_at), time(ends_at));
    HoldingsCommand::MovePackage { package: package(number), starts_at, ends_at }
}

#[test]
fn a_package_that_moves_takes_its_new_turn() {
    let holdings =
        given([added(held(1, START, "2026-01-10T06:00:00Z")), added(held(2, START, "2026-01-20T06:00:00Z"))])
            .when(time(START), move_to(1, START, "2026-01-30T06:00:00Z"))
            .then([moved(1, START, "2026-01-30T06:00:00Z")])
            .when(time(START), move_to(1, START, "2026-01-30T06:00:00Z"))
            .then_nothing()
            .state();
    assert_eq!(running(&holdings, "2026-01-06T00:00:00Z"), [2, 1]);
    assert_eq!(running(&holdings, "2026-01-25T00:00:00Z"), [1]);
}

#[test]
fn what_is_not_here_is_neither_moved_nor_removed() {
    given([])
        .when(time(START), move_to(1, START, "2026-01-30T06:00:00Z"))
        .then_nothing()
        .when(time(START), HoldingsCommand::RemovePackage { package: package(1) })
        .then_nothing();
    // Whatever an event says.
    let holdings = given([moved(1, START, "2026-01-30T06:00:00Z")]).state();
    assert_eq!(holdings, Holdings::default());
}

#[test]
fn a_package_is_removed_once() {
    let gone = HoldingsEvent::PackageRemoved(PackageRemoved { package: package(1) });
    let holdings =
        given([added(held(1, START, "2026-01-10T06:00:00Z")), added(held(2, START, "2026-01-20T06:00:00Z"))]);
    assert!(
        holdings
            .when(time(START), HoldingsCommand::RemovePackage { package: package(9) })
            .then_nothing()
            .state()
            .has_package(package(1))
    );
    let holdings =
        given([added(held(1, START, "2026-01-10T06:00:00Z")), added(held(2, START, "2026-01-20T06:00:00Z"))])
            .when(time(START), HoldingsCommand::RemovePackage { package: package(1) })
            .then([gone])
            .when(time(START), HoldingsCommand::RemovePackage { package: package(1) })
            .then_nothing()
            .state();
    assert!(!holdings.has_package(package(1)) && holdings.has_package(package(2)));
}

#[test]
fn what_has_not_ended_of_a_product_includes_what_has_not_started() {
    let of_another = HeldPackage { product: ProductId::numbered(2), ..held(4, START, "2026-01-30T06:00:00Z") };
    let holdings = given([
        added(held(1, START, "2026-01-10T06:00:00Z")),
        HoldingsEvent::PackageAdded(PackageAdded {
            package: package(2),
            product: ProductId::numbered(1),
            starts_at: time("2026-01-10T06:00:00Z"),
            ends_at: time("2026-01-20T06:00:00Z"),
            at: time(START),
        }),
        added(held(3, START, "2026-01-06T06:00:00Z")),
        added(of_another),
    ])
    .state();
    let unended = |at| {
        let held = holdings.unended(ProductId::numbered(1), time(at));
        held.map(|held| held.package.uuid().as_u128()).collect::<Vec<_>>()
    };
    assert_eq!(unended(START), [3, 1, 2]);
    assert_eq!(unended("2026-01-06T06:00:00Z"), [1, 2]);
    assert_eq!(unended("2026-01-20T06:00:00Z"), [0; 0]);
}

fn license(number: u128) -> LicenseId {
    id(number, LicenseId::from_uuid)
}

fn chosen(number: u128) -> LicenseChosen {
    LicenseChosen { license: license(number), home: crate::spec::ACCOUNT }
}

#[test]
fn one_license_is_the_current_one() {
    let removed = |number| HoldingsEvent::LicenseRemoved(LicenseRemoved { license: license(number) });
    let holdings = given([])
        .when(time(START), HoldingsCommand::RemoveLicense { license: license(1) })
        .then_nothing()
        .when(time(START), HoldingsCommand::ChooseLicense(chosen(1)))
        .then([HoldingsEvent::LicenseChosen(chosen(1))])
        .when(time(START), HoldingsCommand::ChooseLicense(chosen(1)))
        .then_nothing()
        .when(time(START), HoldingsCommand::ChooseLicense(chosen(2)))
        .then([HoldingsEvent::LicenseChosen(chosen(2))])
        .when(time(START), HoldingsCommand::RemoveLicense { license: license(3) })
        .then_nothing()
        .state();
    assert_eq!(holdings.current_license(), Some(chosen(2)));
    let holdings = given([HoldingsEvent::LicenseChosen(chosen(2))])
        .when(time(START), HoldingsCommand::RemoveLicense { license: license(2) })
        .then([removed(2)])
        .state();
    assert_eq!(holdings.current_license(), None);
}

#[test]
fn when_the_current_license_is_gone_the_one_chosen_before_it_is_the_current_one() {
    let removed = |number| HoldingsEvent::LicenseRemoved(LicenseRemoved { license: license(number) });
    let remove = |number| HoldingsCommand::RemoveLicense { license: license(number) };
    let chosen_in_turn = || given([1, 2, 3, 1].map(|number| HoldingsEvent::LicenseChosen(chosen(number))));
    for (gone, current) in [(&[][..], Some(1)), (&[1], Some(3)), (&[3, 1], Some(2)), (&[1, 3, 2], None)] {
        let mut holdings = chosen_in_turn();
        for number in gone.iter().copied() {
            holdings = holdings.when(time(START), remove(number)).then([removed(number)]);
        }
        assert_eq!(holdings.state().current_license(), current.map(chosen), "without {gone:?}");
    }
}

#[test]
fn so_many_licenses_are_remembered_and_the_one_chosen_longest_ago_is_forgotten() {
    let all = (0..=LICENSES_MAX as u128).map(|number| HoldingsEvent::LicenseChosen(chosen(number + 1)));
    let holdings = given(all).state();
    assert_eq!(holdings.licenses.len(), LICENSES_MAX);
    assert_eq!((holdings.licenses.first(), holdings.current_license()), (Some(&chosen(2)), Some(chosen(65))));
}

#[test]
fn subscriptions_are_listed_oldest_first_and_each_once() {
    let subscription = |number| id(number, SubscriptionId::from_uuid);
    let add = |number| HoldingsCommand::AddSubscription { subscription: subscription(number) };
    let remove = |number| HoldingsCommand::RemoveSubscription { subscription: subscription(number) };
    let added = |number| HoldingsEvent::SubscriptionAdded(SubscriptionAdded { subscription: subscription(number) });
    let holdings = given([])
        .when(time(START), remove(2))
        .then_nothing()
        .when(time(START), add(2))
        .then([added(2)])
        .when(time(START), add(1))
        .then([added(1)])
        .when(time(START), add(2))
        .then_nothing();
    let holdings = holdings.state();
    assert_eq!(holdings.subscriptions(), [subscription(2), subscription(1)]);
    let removed = HoldingsEvent::SubscriptionRemoved(SubscriptionRemoved { subscription: subscription(2) });
    let holdings = given([added(2), added(1)]).when(time(START), remove(2)).then([removed]).state();
    assert_eq!(holdings.subscriptions(), [subscription(1)]);
}
