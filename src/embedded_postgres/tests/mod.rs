//! Real servers, started the way `dev` and the tests start them.

mod binaries;
#[cfg(feature = "dev-postgres")]
mod download;
mod server;

use std::os::unix::fs::PermissionsExt;

use super::user::ServerUser;

/// A folder that the server's user may enter, unlike the private one that `tempfile` makes by itself.
pub(super) fn folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o755))
        .tempdir_in(ServerUser::current().unwrap().temporary_folder())
        .unwrap()
}
