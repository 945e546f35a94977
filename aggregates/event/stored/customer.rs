use super::*;

pub(super) fn stored() -> Stored {
    let described = |locale| {
        CustomerEvent::Described(Described { sealed: "c2VhbGVk".to_owned(), digest: "ab12".to_owned(), locale }).into()
    };
    vec![
        (described(Locale::ZhCn), r#"{"sealed":"c2VhbGVk","digest":"ab12","locale":"zh-CN"}"#),
        (described(Locale::En), r#"{"sealed":"c2VhbGVk","digest":"ab12","locale":"en"}"#),
        (
            CustomerEvent::Erased(Erased { reason: "asked for".to_owned(), at: time("2026-03-05T06:00:00Z") }).into(),
            r#"{"reason":"asked for","at":"2026-03-05T06:00:00Z"}"#,
        ),
    ]
}
