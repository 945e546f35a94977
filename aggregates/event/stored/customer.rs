use super::*;

pub(super) fn stored() -> Stored {
    let described = |locale| {
        CustomerEvent::Described(Described { sealed: "c2VhbGVk".to_owned(), digest: "ab12".to_owned(), locale }).into()
    };
    vec![
        (described(Locale::ZhCn), r#"{"sealed":"c2VhbGVk","digest":"ab12","locale":"zh-CN"}"#),
        (described(Locale::En), r#"{"sealed":"c2VhbGVk","digest":"ab12","locale":"en"}"#),
    ]
}
