//! What the tests of this binary share.
//!
//! ```text
//! database.rs   a migrated database on the shared server; a server of one's own that may be killed
//! follower.rs   readers that go along while others write, and say what they were not shown
//! forward.rs    the forward service's stand-in, over a real socket
//! hold.rs       holds back the insert of one account's events
//! log.rs        the log as SQL has it: what is recorded, what it folds to
//! process.rs    the real binary: workers and what they acknowledged, `verify`
//! proxy.rs      a way to the server that can be cut at a chosen statement
//! smtp.rs       a mail server that has accidents when told
//! units.rs      accounts, grants, spends
//! ```

pub(crate) mod database;
pub(crate) mod follower;
pub(crate) mod forward;
pub(crate) mod hold;
pub(crate) mod log;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod smtp;
pub(crate) mod units;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use database::{Server, database, open_store, plain_pool};

/// Longer than anything here takes on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something; `what` names it where it does not come in time.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(it) = condition().await {
            return it;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
