use super::*;
use crate::spec::{Given, time};

fn given(events: impl IntoIterator<Item = ProviderEvent>) -> Given<ProviderSettings> {
    crate::spec::given(events)
}

fn now() -> DateTime<Utc> {
    time("2026-01-05T06:00:00Z")
}

fn plain(text: &str) -> Setting {
    Setting::Plain(text.to_owned())
}

fn secret(sealed: &str, digest: &str) -> Setting {
    let (sealed, digest, last_four) = (sealed.to_owned(), digest.to_owned(), "beef".to_owned());
    Setting::Secret(SealedSecret { sealed, digest, last_four })
}

fn named(settings: &[(&str, Setting)]) -> BTreeMap<String, Setting> {
    settings.iter().map(|(name, setting)| ((*name).to_owned(), setting.clone())).collect()
}

fn configure(checked: &[(&str, Setting)], set: &[(&str, Setting)], remove: &[&str]) -> ProviderCommand {
    let checked = ProviderSettings { settings: named(checked) };
    let remove = remove.iter().map(|name| (*name).to_owned()).collect();
    ProviderCommand::Configure { checked, set: named(set), remove }
}

fn configured(set: &[(&str, Setting)], removed: &[&str]) -> ProviderEvent {
    let removed = removed.iter().map(|name| (*name).to_owned()).collect();
    ProviderEvent::Configured(Configured { set: named(set), removed, at: now() })
}

#[test]
fn only_what_changes_is_recorded() {
    let first = [("app_id", plain("1")), ("key", secret("s1", "d1"))];
    let second = [("app_id", plain("1")), ("key", secret("s3", "d3"))];
    let state = given([configured(&first, &[])])
        .when(now(), configure(&first, &[("app_id", plain("1")), ("key", secret("s2", "d1"))], &["other"]))
        .then_nothing()
        .when(now(), configure(&first, &second, &[]))
        .then([configured(&[("key", secret("s3", "d3"))], &[])])
        .when(now(), configure(&second, &[], &["app_id"]))
        .then([configured(&[], &["app_id"])])
        .state();
    assert_eq!(state.settings(), &named(&[("key", secret("s3", "d3"))]));
}

#[test]
fn what_is_plain_may_become_secret() {
    given([configured(&[("key", plain("k"))], &[])])
        .when(now(), configure(&[("key", plain("k"))], &[("key", secret("s", "d"))], &[]))
        .then([configured(&[("key", secret("s", "d"))], &[])]);
}

#[test]
fn removing_wins_over_setting() {
    given([configured(&[("a", plain("1"))], &[])])
        .when(now(), configure(&[("a", plain("1"))], &[("a", plain("2"))], &["a"]))
        .then([configured(&[], &["a"])]);
}

#[test]
fn a_change_is_of_the_settings_that_it_was_checked_with() {
    let (one, other) = ([("a", plain("1"))], [("b", plain("1"))]);
    given([configured(&one, &[])])
        .when(now(), configure(&[], &other, &[]))
        .then_refused(ProviderSettingsError::Changed)
        .when(now(), configure(&other, &other, &[]))
        .then_refused(ProviderSettingsError::Changed)
        .when(now(), configure(&one, &other, &[]))
        .then([configured(&other, &[])]);
}

#[test]
fn settings_are_bounded_in_number_name_and_length() {
    let long = "x".repeat(VALUE_BYTES_MAX + 1);
    let name = "n".repeat(NAME_BYTES_MAX + 1);
    for bad in [("", plain("v")), (&*name, plain("v")), ("UPPER", plain("v")), ("a", plain("")), ("a", plain(&long))] {
        given([]).when(now(), configure(&[], &[bad], &[])).then_refused(ProviderSettingsError::BadSetting);
    }
    let mut shown = secret("s", "d");
    if let Setting::Secret(secret) = &mut shown {
        secret.last_four = "12345".to_owned();
    }
    given([]).when(now(), configure(&[], &[("a", shown)], &[])).then_refused(ProviderSettingsError::BadSetting);
    let many: Vec<String> = (0..=SETTINGS_MAX).map(|n| format!("n{n}")).collect();
    let many: Vec<(&str, Setting)> = many.iter().map(|name| (name.as_str(), plain("v"))).collect();
    given([]).when(now(), configure(&[], &many, &[])).then_refused(ProviderSettingsError::BadSetting);
}

#[test]
fn every_provider_has_settings_of_its_own() {
    assert_ne!(AggregateId::provider_settings("alipay"), AggregateId::provider_settings("wechat"));
    // Stored: it can never change.
    assert_eq!(AggregateId::provider_settings("alipay").kind, AggregateKind::ProviderSettings);
}
