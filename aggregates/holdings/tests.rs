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
