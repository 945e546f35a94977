use super::*;
use crate::holdings::{
    LicenseChosen, LicenseRemoved, PackageMoved, PackageRemoved, SubscriptionAdded, SubscriptionRemoved,
};
use crate::ids::{LicenseId, SubscriptionId};
use crate::spec::ACCOUNT;

pub(super) fn stored() -> Stored {
    let added = PackageAdded {
        package: id(3, UserPackageId::from_uuid),
        product: ProductId::numbered(4),
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
        at: time("2026-01-05T06:00:00Z"),
    };
    let package = added.package;
    let license = id(9, LicenseId::from_uuid);
    let subscription = id(8, SubscriptionId::from_uuid);
    let mut all: Stored = vec![(
        HoldingsEvent::PackageAdded(added).into(),
        r#"{"package":"00000000-0000-0000-0000-000000000003","product":"00000000-0000-0000-0000-000000000004","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","at":"2026-01-05T06:00:00Z"}"#,
    )];
    all.extend([
        (
            HoldingsEvent::PackageMoved(PackageMoved {
                package,
                starts_at: time("2026-01-04T06:00:00Z"),
                ends_at: time("2026-02-03T06:00:00Z"),
            })
            .into(),
            r#"{"package":"00000000-0000-0000-0000-000000000003","starts_at":"2026-01-04T06:00:00Z","ends_at":"2026-02-03T06:00:00Z"}"#,
        ),
        (
            HoldingsEvent::PackageRemoved(PackageRemoved { package: id(4, UserPackageId::from_uuid) }).into(),
            r#"{"package":"00000000-0000-0000-0000-000000000004"}"#,
        ),
        (
            HoldingsEvent::LicenseRemoved(LicenseRemoved { license }).into(),
            r#"{"license":"00000000-0000-0000-0000-000000000009"}"#,
        ),
        (
            HoldingsEvent::LicenseChosen(LicenseChosen { license, home: ACCOUNT }).into(),
            r#"{"license":"00000000-0000-0000-0000-000000000009","home":"00000000-0000-0000-0000-00000000acc0"}"#,
        ),
        (
            HoldingsEvent::SubscriptionRemoved(SubscriptionRemoved { subscription }).into(),
            r#"{"subscription":"00000000-0000-0000-0000-000000000008"}"#,
        ),
        (
            HoldingsEvent::SubscriptionAdded(SubscriptionAdded { subscription }).into(),
            r#"{"subscription":"00000000-0000-0000-0000-000000000008"}"#,
        ),
    ]);
    all
}
