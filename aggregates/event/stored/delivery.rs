use super::*;

pub(super) fn stored() -> Stored {
    let at = time("2026-01-05T06:20:00Z");
    let (order, user_package) = (id(5, OrderId::from_uuid), id(3, UserPackageId::from_uuid));
    let (step, reason) = (DeliveryStep::CreateKey, "HTTP 502".to_owned());
    vec![
        (
            DeliveryEvent::Requested(Requested { order, user_package, at }).into(),
            r#"{"order":"00000000-0000-0000-0000-000000000005","user_package":"00000000-0000-0000-0000-000000000003","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::KeyCreated(KeyCreated { key_id: "k-1".to_owned(), last_four: "a1b2".to_owned(), at }).into(),
            r#"{"key_id":"k-1","last_four":"a1b2","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::MailSent(MailSent { message_id: "<1@mail.example>".to_owned(), at }).into(),
            r#"{"message_id":"<1@mail.example>","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::AttemptFailed(AttemptFailed { step, attempt: 3, reason, at }).into(),
            r#"{"step":"create_key","attempt":3,"reason":"HTTP 502","at":"2026-01-05T06:20:00Z"}"#,
        ),
        (
            DeliveryEvent::GivenUp(GivenUp { step: DeliveryStep::SendMail, attempts: 3, at }).into(),
            r#"{"step":"send_mail","attempts":3,"at":"2026-01-05T06:20:00Z"}"#,
        ),
        (DeliveryEvent::Retried(Retried { step, at }).into(), r#"{"step":"create_key","at":"2026-01-05T06:20:00Z"}"#),
        (
            DeliveryEvent::Withdrawn(Withdrawn { step, reason: "误购".to_owned(), at }).into(),
            r#"{"step":"create_key","reason":"误购","at":"2026-01-05T06:20:00Z"}"#,
        ),
    ]
}
