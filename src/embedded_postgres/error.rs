//! What can go wrong, each as a sentence somebody can act on.

use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedPostgresError {
    #[error(
        "no PostgreSQL {oldest} or newer was found: install one (Debian, Ubuntu: `apt-get install postgresql`; \
         macOS: `brew install postgresql@17`) or set {variable} to the folder that holds `postgres`, `initdb` and \
         `pg_ctl`. Looked at: {looked_at}"
    )]
    NotInstalled { oldest: u32, variable: &'static str, looked_at: String },

    #[error("{variable} is set to {folder}, but {reason}", folder = folder.display())]
    ExplicitBinaries { variable: &'static str, folder: PathBuf, reason: String },

    #[error(
        "PostgreSQL refuses to run as root and this machine has neither a user `postgres` nor a user `nobody` to run it \
         as: create one (`useradd --system postgres`) or start this program as an ordinary user"
    )]
    NoServerUser,

    #[error(
        "the database cannot live in {folder}: the server runs as user `{user}`, who may not enter {closed}. Choose a \
         folder whose parents everybody may enter, or `chmod o+x {closed}`",
        folder = folder.display(), closed = closed.display()
    )]
    NotTraversable { folder: PathBuf, closed: PathBuf, user: String },

    #[error(
        "the folder {folder} is not empty and holds no database of this program: nothing was touched, choose another",
        folder = folder.display()
    )]
    ForeignFolder { folder: PathBuf },

    #[error(
        "the path {folder} holds a character ({character:?}) that PostgreSQL's own programs pass through a shell: choose a plainer path",
        folder = folder.display()
    )]
    UnsafePath { folder: PathBuf, character: char },

    #[error("the socket would be {length} bytes long in {folder}, the system allows {longest}: set TMPDIR to a shorter path", folder = folder.display())]
    SocketPathTooLong { folder: PathBuf, length: usize, longest: usize },

    #[error(
        "the database in {folder} was made by PostgreSQL {data} and the programs in {bin} are PostgreSQL {binaries}: \
         point {variable} at PostgreSQL {data}, or move the folder away to begin with an empty database",
        folder = folder.display(), bin = bin.display()
    )]
    WrongVersion { folder: PathBuf, data: String, binaries: u32, bin: PathBuf, variable: &'static str },

    #[error("the database in {folder} is in use by another running process: stop that one first", folder = folder.display())]
    InUse { folder: PathBuf },

    #[error("`{name}` cannot be set for the server: {reason}")]
    Setting { name: String, reason: &'static str },

    #[error("`{program}` failed ({status}): {output}")]
    Program { program: String, status: String, output: String },

    #[error("PostgreSQL did not start: {output}\nThe end of its log, {log}:\n{tail}", log = log.display())]
    Start { output: String, log: PathBuf, tail: String },

    #[error("PostgreSQL (process {pid}) did not stop within {seconds} seconds")]
    Stop { pid: i32, seconds: u64 },

    #[error("could not {doing} {path}: {source}", path = path.display())]
    File { doing: &'static str, path: PathBuf, source: std::io::Error },

    #[error(
        "could not download PostgreSQL from {url}: {reason}. Install it instead (Debian, Ubuntu: `apt-get install postgresql`)"
    )]
    Download { url: String, reason: String },

    #[error("the test database server refused to {doing}: {source}")]
    Database { doing: &'static str, source: sqlx::Error },

    #[error("the template database `{identifier}` could not be made: {source}")]
    Template { identifier: String, source: Box<dyn std::error::Error + Send + Sync> },

    #[error("a background thread ended before its work was done: {0}")]
    Thread(String),
}

pub(super) type Result<T> = std::result::Result<T, EmbeddedPostgresError>;

/// Names the file and the deed in an I/O error; alone it would say "permission denied" of nothing.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for std::io::Result<T> {
    fn doing(self, doing: &'static str, path: &Path) -> Result<T> {
        self.map_err(|source| EmbeddedPostgresError::File { doing, path: path.to_path_buf(), source })
    }
}
