//! Where a server is reached.

use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::{Doing, Result};
use super::user::{ServerUser, remove_socket_folder};

/// Part of the socket's name; as each server has a socket folder of its own, all can have the same.
const PORT_WITHOUT_TCP: u16 = 5432;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) socket_dir: PathBuf,
    pub(super) port: u16,
}

impl Address {
    /// A new socket folder and, for TCP, a port that was free a moment ago.
    pub(super) fn init(user: &ServerUser, tcp: bool) -> Result<Self> {
        let port = if tcp { free_port()? } else { PORT_WITHOUT_TCP };
        Ok(Self { socket_dir: user.make_socket_folder()?, port })
    }

    /// The same address again with an empty folder. A killed server leaves its socket and a lock file behind, and
    /// where nobody collects zombies that lock looks held for ever.
    pub(super) fn renew_socket_folder(&self, user: &ServerUser) -> Result<()> {
        remove_socket_folder(&self.socket_dir);
        std::fs::DirBuilder::new().mode(0o700).create(&self.socket_dir).doing("make", &self.socket_dir)?;
        user.make_owner_of(&self.socket_dir)
    }

    pub(super) fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(self.port)
            .username("postgres")
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }

    pub(super) fn url(&self, database: &str) -> String {
        let socket_dir = percent_encoded(&self.socket_dir.to_string_lossy());
        let database = percent_encoded(database);
        format!("postgres://postgres@localhost:{}/{database}?host={socket_dir}&sslmode=disable", self.port)
    }
}

fn free_port() -> Result<u16> {
    let here = Path::new("127.0.0.1");
    let listener = TcpListener::bind(("127.0.0.1", 0)).doing("listen on", here)?;
    Ok(listener.local_addr().doing("listen on", here)?.port())
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlx_reads_the_url_back() {
        let address = Address { socket_dir: "/tmp/blpg-a b%c".into(), port: 6123 };
        let read: PgConnectOptions = address.url("books & more").parse().unwrap();
        assert_eq!(read.get_socket().map(PathBuf::as_path), Some(Path::new("/tmp/blpg-a b%c")));
        assert_eq!(read.get_database(), Some("books & more"));
        assert_eq!((read.get_username(), read.get_port()), ("postgres", 6123));
    }
}
