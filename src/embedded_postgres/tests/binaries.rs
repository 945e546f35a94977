//! The order of the search, on a machine made of sentences.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::super::EmbeddedPostgresError;
use super::super::find::{BIN_VARIABLE, Machine, Probe, Version, find, parse_version};

#[derive(Default)]
struct Pretend {
    variables: HashMap<&'static str, &'static str>,
    pg_config: Option<&'static str>,
    servers: HashMap<&'static str, &'static str>,
    unusable: Vec<&'static str>,
}

impl Machine for Pretend {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).map(OsString::from)
    }

    fn folders_in(&self, folder: &Path) -> Vec<PathBuf> {
        let all = self.servers.keys().chain(&self.unusable).map(Path::new);
        let below = all.filter_map(|bin| bin.strip_prefix(folder).ok()?.components().next());
        below.map(|first| folder.join(first)).collect()
    }

    fn pg_config_bindir(&self) -> Option<PathBuf> {
        self.pg_config.map(PathBuf::from)
    }

    fn probe(&self, bin: &Path) -> Probe {
        let bin = bin.to_str().unwrap();
        if self.unusable.contains(&bin) {
            return Probe::Unusable("it does not run".to_owned());
        }
        self.servers.get(bin).map_or(Probe::Absent, |full| {
            let major = full.split('.').next().unwrap().parse().unwrap();
            Probe::Server(Version { major, full: (*full).to_owned() })
        })
    }

    fn cache(&self) -> PathBuf {
        PathBuf::from("/cache")
    }
}

/// Every place there is, in the order in which they are asked.
const PLACES: [&str; 7] = [
    "/opt/pg/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/lib/postgresql/9.6/bin",
    "/opt/homebrew/opt/postgresql@16/bin",
    "/Applications/Postgres.app/Contents/Versions/16/bin",
    "/somewhere/on/path",
    "/cache/17.6.0/bin",
];

#[test]
fn the_places_are_asked_in_order() {
    for first in 0..PLACES.len() {
        let servers = PLACES[first..].iter().map(|place| (*place, "16.1")).collect();
        let variables = HashMap::from([("PATH", "relative:/somewhere/on/path:/usr/bin")]);
        let pg_config = Some("/opt/pg/bin");
        let machine = Pretend { variables, pg_config, servers, ..Pretend::default() };
        assert_eq!(find(&machine).unwrap().bin, Path::new(PLACES[first]));
    }
}

#[test]
fn newest_is_a_number_not_a_word() {
    let servers =
        HashMap::from([("/cache/9.6.1/bin", "14.0"), ("/cache/17.6.0/bin", "17.6"), ("/cache/17.10.0/bin", "17.10")]);
    let machine = Pretend { servers, ..Pretend::default() };
    assert_eq!(find(&machine).unwrap().version.full, "17.10");
}

#[test]
fn an_explicit_folder_wins() {
    let variables = HashMap::from([(BIN_VARIABLE, "/mine")]);
    let servers = HashMap::from([("/mine", "14.2"), ("/usr/lib/postgresql/17/bin", "17.1")]);
    let machine = Pretend { variables, servers, ..Pretend::default() };
    assert_eq!(find(&machine).unwrap().bin, Path::new("/mine"));
}

#[test]
fn an_explicit_folder_that_does_not_serve_is_an_error_and_no_reason_to_look_elsewhere() {
    let variables = HashMap::from([(BIN_VARIABLE, "/mine")]);
    let servers = HashMap::from([("/usr/lib/postgresql/17/bin", "17.1")]);
    let error = find(&Pretend { variables, servers, ..Pretend::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "BILLING_LEDGER_PG_BIN is set to /mine, but it does not hold all of postgres, initdb, pg_ctl"
    );
}

#[test]
fn what_is_too_old_or_does_not_run_is_passed_over() {
    let servers = HashMap::from([("/opt/pg/bin", "12.22"), ("/usr/lib/postgresql/14/bin", "14.1")]);
    let unusable = vec!["/usr/lib/postgresql/18/bin"];
    let machine = Pretend { pg_config: Some("/opt/pg/bin"), servers, unusable, ..Pretend::default() };
    assert_eq!(find(&machine).unwrap().version.full, "14.1");
}

#[test]
fn with_nothing_found_the_error_says_what_to_install_and_where_we_looked() {
    let servers = HashMap::from([("/opt/pg/bin", "12.22")]);
    let unusable = vec!["/usr/lib/postgresql/18/bin"];
    let error = find(&Pretend { pg_config: Some("/opt/pg/bin"), servers, unusable, ..Pretend::default() }).unwrap_err();
    assert!(matches!(error, EmbeddedPostgresError::NotInstalled { .. }));
    let text = error.to_string();
    for part in [
        "no PostgreSQL 14 or newer was found",
        "`apt-get install postgresql`",
        "/opt/pg/bin (version 12.22 is older than 14)",
        "/usr/lib/postgresql/18/bin (it does not run)",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn versions_are_read_as_the_server_says_them() {
    for (answer, major, full) in [
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", 15, "15.18"),
        ("postgres (PostgreSQL) 19beta1\n", 19, "19beta1"),
        ("postgres (PostgreSQL) 20devel", 20, "20devel"),
    ] {
        assert_eq!(parse_version(answer), Some(Version { major, full: full.to_owned() }));
    }
    assert_eq!(parse_version("command not found"), None);
}
