use super::*;
use crate::spec::{Given, time};

fn given(events: impl IntoIterator<Item = CustomerEvent>) -> Given<Customer> {
    crate::spec::given(events)
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

fn profile(sealed: &str, digest: &str, locale: Locale) -> Described {
    Described { sealed: sealed.to_owned(), digest: digest.to_owned(), locale }
}

fn describe(described: Described) -> CustomerCommand {
    CustomerCommand::Describe(described)
}

fn described(described: Described) -> CustomerEvent {
    CustomerEvent::Described(described)
}

#[test]
fn who_a_customer_is_is_recorded_when_it_changes() {
    let (first, renamed) = (profile("s1", "d1", Locale::ZhCn), profile("s2", "d2", Locale::ZhCn));
    let customer = given([])
        .when(now(), describe(first.clone()))
        .then([described(first)])
        .when(now(), describe(renamed.clone()))
        .then([described(renamed.clone())])
        .state();
    assert_eq!(customer.described(), Some(&renamed));
}

#[test]
fn the_same_name_and_address_sealed_anew_is_no_change() {
    given([described(profile("s1", "d1", Locale::ZhCn))])
        .when(now(), describe(profile("s1", "d1", Locale::ZhCn)))
        .then_nothing()
        .when(now(), describe(profile("s2", "d1", Locale::ZhCn)))
        .then_nothing();
}

#[test]
fn another_language_is_a_change() {
    let english = profile("s2", "d1", Locale::En);
    given([described(profile("s1", "d1", Locale::ZhCn))])
        .when(now(), describe(english.clone()))
        .then([described(english)]);
}

#[test]
fn a_profile_must_be_sealed_and_small() {
    let long = "x".repeat(SEALED_BYTES_MAX + 1);
    for (sealed, digest) in
        [("", "d"), ("s", ""), (&*long, "d"), ("s", &*"x".repeat(65)), ("a b", "d"), ("张三", "d"), ("s", "d\n")]
    {
        given([]).when(now(), describe(profile(sealed, digest, Locale::En))).then_refused(CustomerError::BadProfile);
    }
    let largest = profile(&long[1..], &"x".repeat(64), Locale::En);
    given([]).when(now(), describe(largest.clone())).then([described(largest)]);
}

#[test]
fn a_locale_is_written_as_it_is_said() {
    for locale in [Locale::ZhCn, Locale::En] {
        assert_eq!(serde_json::to_string(&locale).unwrap(), format!("{:?}", locale.as_str()));
    }
    assert_eq!(Locale::default(), Locale::ZhCn);
}

fn erase(reason: &str) -> CustomerCommand {
    CustomerCommand::Erase { reason: reason.to_owned() }
}

fn erased() -> CustomerEvent {
    CustomerEvent::Erased(Erased { reason: "asked for".to_owned(), at: now() })
}

#[test]
fn an_erased_customer_is_nobody_for_ever() {
    for before in [vec![], vec![described(profile("s1", "d1", Locale::En))]] {
        let customer = given(before)
            .when(now(), erase("asked for"))
            .then([erased()])
            .when(now(), describe(profile("s1", "d1", Locale::En)))
            .then_refused(CustomerError::Erased)
            .state();
        assert!(customer.is_erased() && customer.described().is_none());
    }
    assert!(!Customer::default().is_erased());
}

#[test]
fn erased_again_nothing_happens_whatever_the_reason() {
    given([erased()]).when(now(), erase("again")).then_nothing().when(now(), erase("")).then_nothing();
}

#[test]
fn who_erases_says_why() {
    given([]).when(now(), erase(" ")).then_refused(CustomerError::BadReason(BadReason));
}
