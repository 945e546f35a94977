use super::*;

pub(super) fn stored() -> Stored {
    let added = PackageAdded {
        package: id(3, UserPackageId::from_uuid),
        product: ProductId::numbered(4),
        starts_at: time("2026-01-05T06:00:00Z"),
        ends_at: time("2026-02-04T06:00:00Z"),
        at: time("2026-01-05T06:00:00Z"),
    };
    vec![(
        HoldingsEvent::PackageAdded(added).into(),
        r#"{"package":"00000000-0000-0000-0000-000000000003","product":"00000000-0000-0000-0000-000000000004","starts_at":"2026-01-05T06:00:00Z","ends_at":"2026-02-04T06:00:00Z","at":"2026-01-05T06:00:00Z"}"#,
    )]
}
