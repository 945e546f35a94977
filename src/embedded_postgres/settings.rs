//! The server's settings: two files, written anew before each start.
//!
//! Nothing is passed on a command line (`pg_ctl -o` goes through a shell), so there is no quoting to get wrong.
//!
//! Authentication: the socket lies in a folder only the server's user (and root) may enter, so whoever reaches it
//! is let in (`trust`) and no password has to exist. A TCP port has no such door: everybody on the machine can
//! connect to it, so it asks for a SCRAM password. There is none until somebody sets one over the socket
//! (`ALTER ROLE ... PASSWORD`), and until then nobody comes in that way.

use std::path::Path;

use super::error::{Doing, EmbeddedPostgresError, Result};
use super::user::ServerUser;
use super::{Durability, Options};

pub(super) const SETTINGS_FILE: &str = "billing-ledger.conf";

pub(super) fn write(user: &ServerUser, data: &Path, options: &Options, socket_dir: &Path, port: u16) -> Result<()> {
    let settings = data.join(SETTINGS_FILE);
    std::fs::write(&settings, settings_text(options, socket_dir, port)?).doing("write", &settings)?;
    user.make_owner_of(&settings)?;
    let access = data.join("pg_hba.conf");
    std::fs::write(&access, access_text(options.tcp)).doing("write", &access)
}

fn settings_text(options: &Options, socket_dir: &Path, port: u16) -> Result<String> {
    // A server that was killed and whose folder was then removed would leave `posix` segments behind in memory for
    // ever; `mmap` keeps them in the folder. Slower for parallel queries, so not where somebody measures.
    let (durable, shared_buffers, dynamic_memory) = match options.durability {
        Durability::On => ("on", "256MB", "posix"),
        Durability::Off => ("off", "128MB", "mmap"),
    };
    let port = port.to_string();
    let socket_dir = socket_dir.to_string_lossy();
    let own = [
        ("unix_socket_directories", socket_dir.as_ref()),
        ("listen_addresses", if options.tcp { "127.0.0.1" } else { "" }),
        ("port", &port),
        ("password_encryption", "scram-sha-256"),
        ("fsync", durable),
        ("synchronous_commit", durable),
        ("full_page_writes", durable),
        ("shared_buffers", shared_buffers),
        ("dynamic_shared_memory_type", dynamic_memory),
        ("max_wal_size", "4GB"),
        ("autovacuum", "on"),
        // Compiling a plan costs more than our short statements take.
        ("jit", "off"),
        // A client that forgot its transaction must not hold back vacuum, or a test, for ever.
        ("idle_in_transaction_session_timeout", "60s"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("lc_messages", "C"),
        // One log for the server's whole life, the one `pg_ctl -l` names.
        ("logging_collector", "off"),
        ("log_destination", "stderr"),
        ("log_line_prefix", "%m [%p] %d "),
    ];
    let extra = options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut text = String::from("# Written at every start: changes here do not last.\n");
    // The last mention of a name wins, so the caller's word comes after ours.
    for (name, value) in own.into_iter().chain(extra) {
        text.push_str(&line(name, value)?);
    }
    Ok(text)
}

fn line(name: &str, value: &str) -> Result<String> {
    let refuse = |reason| Err(EmbeddedPostgresError::Setting { name: name.to_owned(), reason });
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.') {
        return refuse("a name has letters, digits, underscores and dots only");
    }
    if value.chars().any(char::is_control) {
        return refuse("a value has no control characters");
    }
    Ok(format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''")))
}

fn access_text(tcp: bool) -> String {
    let mut text = String::from("local all all trust\nlocal replication all trust\n");
    if tcp {
        text.push_str("host all all 127.0.0.1/32 scram-sha-256\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(durability: Durability, tcp: bool) -> Options {
        Options { data_dir: "/nowhere".into(), durability, settings: Vec::new(), tcp }
    }

    #[test]
    fn durability_is_three_settings() {
        for (durability, word) in [(Durability::On, "on"), (Durability::Off, "off")] {
            let text = settings_text(&options(durability, false), Path::new("/s"), 5432).unwrap();
            for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                assert!(text.contains(&format!("\n{name} = '{word}'\n")), "{text}");
            }
        }
    }

    #[test]
    fn the_callers_settings_come_last_and_are_quoted() {
        let mut options = options(Durability::On, false);
        options.settings = vec![("app.note".to_owned(), r"it's a \ slash".to_owned())];
        let text = settings_text(&options, Path::new("/s"), 5432).unwrap();
        assert!(text.ends_with("app.note = 'it''s a \\\\ slash'\n"), "{text}");
    }

    #[test]
    fn a_setting_cannot_bring_a_second_line() {
        for (name, value) in [("work_mem", "1MB'\nfsync = 'off"), ("x = 'y'\nz", "1"), ("", "1")] {
            assert!(matches!(line(name, value), Err(EmbeddedPostgresError::Setting { .. })), "{name:?}");
        }
    }

    #[test]
    fn without_tcp_there_is_no_way_in_but_the_socket() {
        assert!(!access_text(false).contains("host"));
        assert!(access_text(true).contains("host all all 127.0.0.1/32 scram-sha-256"));
        let text = settings_text(&options(Durability::On, false), Path::new("/s"), 5432).unwrap();
        assert!(text.contains("listen_addresses = ''\n"));
    }
}
