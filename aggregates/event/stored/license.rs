use super::*;
use crate::feature::Feature;
use crate::ids::{AccountKey, UseId};
use crate::license::{Annotated, Bound, Consumed, GivenBack, Issued, LicenseEvent, LicenseKey, Revoked};

pub(super) fn stored() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let (order, product) = (id(5, OrderId::from_uuid), id(4, ProductId::from_uuid));
    let (account, use_id) = (id(6, AccountKey::from_uuid), id(7, UseId::from_uuid));
    let key = LicenseKey { sealed: "v1.c2VhbGVk".to_owned(), digest: "ab12".to_owned() };
    let features = [Feature::EmailVerify, Feature::EmailImport].into_iter().collect();
    let (feature, reference) = (Some(Feature::EmailVerify), Some("call-7".to_owned()));
    let sealed = Some("v1.bm90ZQ".to_owned());
    vec![
        (
            LicenseEvent::Issued(Issued { order, product, key, uses: 100, features, at }).into(),
            r#"{"order":"00000000-0000-0000-0000-000000000005","product":"00000000-0000-0000-0000-000000000004","key":{"sealed":"v1.c2VhbGVk","digest":"ab12"},"uses":100,"features":["email_verify","email_import"],"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            LicenseEvent::Bound(Bound { account, at }).into(),
            r#"{"account":"00000000-0000-0000-0000-000000000006","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            LicenseEvent::Consumed(Consumed { use_id, units: 3, left: 97, feature, reference, at }).into(),
            r#"{"use":"00000000-0000-0000-0000-000000000007","units":3,"left":97,"feature":"email_verify","reference":"call-7","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            LicenseEvent::GivenBack(GivenBack { use_id, units: 2, left: 99, outcome: None, at }).into(),
            r#"{"use":"00000000-0000-0000-0000-000000000007","units":2,"left":99,"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            LicenseEvent::GivenBack(GivenBack { use_id, units: 0, left: 97, outcome: sealed.clone(), at }).into(),
            r#"{"use":"00000000-0000-0000-0000-000000000007","units":0,"left":97,"outcome":"v1.bm90ZQ","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            LicenseEvent::Annotated(Annotated { by: account, sealed }).into(),
            r#"{"by":"00000000-0000-0000-0000-000000000006","sealed":"v1.bm90ZQ"}"#,
        ),
        (
            LicenseEvent::Revoked(Revoked { reason: "refunded".to_owned(), at }).into(),
            r#"{"reason":"refunded","at":"2026-01-05T06:20:00Z"}"#,
        ),
    ]
}
