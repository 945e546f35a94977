use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::*;

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECRET: &str = "a secret that is long enough to be one";

fn layers(set: &[(&str, &str)]) -> Layers {
    let given = [("DATABASE_URL", "postgres://ledger@db/ledger"), ("JWT_SECRET", SECRET), ("LEDGER_MASTER_KEY", KEY)];
    let find = |name: &str| {
        let last = given.iter().chain(set).rfind(|(set, _)| *set == name);
        last.map(|(_, value)| (*value).to_owned())
    };
    let mut layers = Layers::load(None, &find).unwrap();
    layers.add_providers(set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    layers
}

fn serve(set: &[(&str, &str)]) -> Result<Settings, String> {
    Settings::for_serve(&layers(set)).map_err(|error| error.to_string())
}

fn file(text: &str) -> Result<Layers, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.toml");
    std::fs::write(&path, text).unwrap();
    Layers::load(Some(&path), &|_| None).map_err(|error| error.to_string())
}

#[test]
fn what_is_not_set_has_the_documented_default() {
    let settings = serve(&[]).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.public_url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!(settings.time_zone, chrono_tz::Asia::Shanghai);
    assert_eq!((settings.order_ttl_seconds, settings.video_max_concurrent), (900, 3));
    assert_eq!(settings.forward.url.as_str(), "http://localhost:3000/");
    assert_eq!(settings.currency.code(), "CNY");
    assert!(!settings.sandbox);
    assert!(settings.trusted_proxies.is_empty());
}

#[test]
fn proxies_are_trusted_by_address_or_network() {
    let settings = serve(&[("TRUSTED_PROXIES", "10.0.0.1, ::ffff:10.0.0.2,2001:db8::1")]).unwrap();
    let trusted: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.0.0.1/32", "10.0.0.2/32", "2001:db8::1/128"]);
    let settings =
        serve(&[("TRUSTED_PROXIES", "10.1.2.3/16,::ffff:10.0.0.0/104,::ffff:0:0/95, 2001:db8::/32")]).unwrap();
    let trusted: Vec<String> = settings.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(trusted, ["10.1.0.0/16", "10.0.0.0/8", "::fffe:0:0/95", "2001:db8::/32"]);
    for bad in ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "::/129", "10.0.0.0/8/8"] {
        assert!(serve(&[("TRUSTED_PROXIES", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn a_missing_setting_is_named_in_one_line() {
    for name in ["DATABASE_URL", "JWT_SECRET", "LEDGER_MASTER_KEY"] {
        let error = serve(&[(name, "")]).unwrap_err();
        assert!(error.starts_with(&format!("{name} is not set")) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_malformed_setting_is_named_and_its_value_is_not_repeated() {
    for (name, value) in [
        ("DATABASE_URL", "mysql://hunter2@db"),
        ("LISTEN", "hunter2"),
        ("PUBLIC_URL", "hunter2.example"),
        ("JWT_SECRET", "hunter2"),
        ("LEDGER_MASTER_KEY", "hunter2"),
        ("BILLING_TIMEZONE", "Mars/hunter2"),
        ("ORDER_TTL_SECONDS", "hunter2"),
        ("FORWARD_API_URL", "ftp://hunter2"),
        ("FORWARD_API_URL", "http://me:hunter2@forward"),
        ("SMTP_URL", "http://hunter2"),
        ("MAIL_FROM", "hunter2"),
        ("VIDEO_MAX_CONCURRENT", "-1"),
        ("SANDBOX", "hunter2"),
        ("DEFAULT_CATALOGUE", "hunter2"),
        ("CURRENCY", "hunter2"),
        ("RATE_LIMIT_PER_SECOND", "0"),
        ("TRUSTED_PROXIES", "10.0.0.1, hunter2"),
        ("CRON_SECRET", "hunter2"),
    ] {
        let error = serve(&[(name, value)]).unwrap_err();
        assert!(error.starts_with(name) && error.lines().count() == 1 && !error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_secret_that_can_be_guessed_is_refused_in_the_same_words_wherever_it_is() {
    let long = "x".repeat(32);
    for name in ["JWT_SECRET", "CRON_SECRET"] {
        let error = serve(&[(name, &long[..31])]).unwrap_err();
        assert!(error.starts_with(name) && error.contains("has to have at least 32 bytes"), "{error}");
        assert!(serve(&[(name, &long)]).is_ok(), "{name}");
    }
    assert!(serve(&[]).unwrap().cron_secret.is_none());
}

#[test]
fn a_new_ledger_has_something_to_sell_unless_told_otherwise() {
    assert!(serve(&[]).unwrap().default_catalogue);
    for (said, fills) in [("true", true), ("1", true), ("false", false), ("off", false)] {
        assert_eq!(serve(&[("DEFAULT_CATALOGUE", said)]).unwrap().default_catalogue, fills, "{said}");
    }
}

#[test]
fn the_environment_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.toml");
    std::fs::write(&path, "billing_timezone = \"UTC\"\norder_ttl_seconds = 60\nsandbox = true\n").unwrap();
    let environment = |name: &str| match name {
        "ORDER_TTL_SECONDS" => Some("61".to_owned()),
        "DATABASE_URL" => Some("postgres://ledger@db/ledger".to_owned()),
        "JWT_SECRET" => Some(SECRET.to_owned()),
        "LEDGER_MASTER_KEY" => Some(KEY.to_owned()),
        _ => None,
    };
    let settings = Settings::for_serve(&Layers::load(Some(&path), &environment).unwrap()).unwrap();
    assert_eq!(settings.time_zone, chrono_tz::UTC);
    assert_eq!(settings.order_ttl_seconds, 61);
    assert!(settings.sandbox);
}

#[test]
fn an_unknown_name_in_the_file_is_an_error() {
    let error = file("order_ttl = 60\n").unwrap_err();
    assert!(error.ends_with("\"order_ttl\" is not a setting"), "{error}");
    assert!(file("creem_api_key = \"x\"\n").is_ok());
}

#[test]
fn a_broken_file_is_not_quoted() {
    let error = file("jwt_secret = \"hunter2\n").unwrap_err();
    assert!(error.contains("line 1") && !error.contains("hunter2") && error.lines().count() == 1, "{error}");
    let error = file("[jwt_secret]\nx = \"hunter2\"\n").unwrap_err();
    assert!(error.contains("jwt_secret") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_master_key_is_hex_or_base64() {
    let bytes: [u8; 32] = hex::decode(KEY).unwrap().try_into().unwrap();
    for text in [KEY, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"] {
        assert_eq!(serve(&[("LEDGER_MASTER_KEY", text)]).unwrap().master_key.expose(), &bytes);
    }
}

#[test]
fn nothing_secret_is_in_the_dump() {
    let settings = serve(&[
        ("DATABASE_URL", "postgres://ledger:hunter2@db/ledger"),
        ("JWT_SECRET", "hunter2 hunter2 hunter2 hunter2 hunter2"),
        ("FORWARD_API_ADMIN_TOKEN", "hunter2"),
        ("SMTP_URL", "smtp://me:hunter2@mail"),
        ("CRON_SECRET", "hunter2 hunter2 hunter2 hunter2 hunter2"),
        ("CREEM_API_KEY", "hunter2"),
    ])
    .unwrap();
    let dump = format!("{settings:?}");
    assert!(!dump.contains("hunter2") && !dump.contains("1, 2, 3"), "{dump}");
    assert_eq!(settings.providers["CREEM_API_KEY"].expose_secret(), "hunter2");
}

#[test]
fn serving_refuses_what_only_development_may_have() {
    let dev = format!("dev-{KEY}");
    for name in ["JWT_SECRET", "LEDGER_MASTER_KEY", "FORWARD_API_SIGNING_SECRET", "CRON_SECRET"] {
        let error = serve(&[(name, &dev)]).unwrap_err();
        assert!(error.starts_with(name) && error.contains("development secret"), "{error}");
    }
    let error = serve(&[("SANDBOX", "true"), ("CREEM_API_KEY", "real")]).unwrap_err();
    assert!(error.starts_with("SANDBOX and CREEM_API_KEY"), "{error}");
    assert!(serve(&[("SANDBOX", "true")]).unwrap().sandbox);
}

#[test]
fn there_is_one_way_to_check_a_token() {
    let error = serve(&[("JWT_JWKS_URL", "https://issuer/keys")]).unwrap_err();
    assert!(error.starts_with("JWT_SECRET and JWT_JWKS_URL"), "{error}");
    let settings = serve(&[("JWT_SECRET", ""), ("JWT_JWKS_URL", "https://issuer/keys")]).unwrap();
    assert!(matches!(settings.tokens.key, TokenKey::KeySet(url) if url.as_str() == "https://issuer/keys"));
}

#[test]
fn development_secrets_are_made_once_and_only_their_owner_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let database = || "postgres://postgres@localhost/postgres".to_owned();
    let start = || Settings::for_dev(&data, database(), Layers::default()).unwrap();
    let (first, second) = (start(), start());
    assert_eq!(first.master_key.expose(), second.master_key.expose());
    assert!(first.sandbox);
    let TokenKey::Secret(secret) = &first.tokens.key else { panic!("a secret") };
    assert!(secret.expose_secret().starts_with("dev-"));
    let file = data.join(SECRETS_FILE);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "no draft is left behind");
}

#[test]
fn published_keys_check_the_tokens_of_a_development_instance_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut layers = Layers::default();
    layers.over("JWT_JWKS_URL", Some("https://issuer/keys".to_owned()));
    let settings = Settings::for_dev(folder.path(), "postgres://postgres@localhost/postgres".to_owned(), layers);
    assert!(matches!(settings.unwrap().tokens.key, TokenKey::KeySet(_)));
}

#[test]
fn who_only_asks_for_a_token_makes_no_secrets() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Layers::default().with_existing_dev_secrets(folder.path()).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
