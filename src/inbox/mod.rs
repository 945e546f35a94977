//! What payment providers say: stored as it arrived before it is acknowledged, then worked off, exactly once in effect and
//! in any order.
//!
//! ```text
//!   arrived ──► verified ──► stored, once under its key ──► acknowledged      received ──► read ──► commands ──► done
//!      └── not verified ──► counted, a few samples kept, refused                  │           └── nothing to do: nothing
//!                                                                                 ├── too early, or trouble: waiting, again
//!                                                                                 └── a person has to look: review, as
//!                                                                                     for all that cannot be read
//! ```
//!
//! ```text
//! letter.rs   a notification as it arrived, sealed and shown        intake.rs   many stored in one statement
//! table.rs    the rows: claimed, settled, replayed, forgotten       refused.rs  those that nobody could have signed
//! work.rs     one notification: read, and its news taken            arrivals.rs  storing goes before working off
//! ```
//!
//! Bytes are kept, not what was made of them: a notification can be read again by a newer release.

mod arrivals;
mod intake;
mod letter;
mod refused;
mod table;
mod work;

pub use arrivals::Arrivals;
pub use intake::{Intake, IntakeError};
pub use letter::{Letter, Shown};
pub use refused::{RefusalCount, Refusals, RefusedView, prune};
pub use table::{
    Claimed, InboxFilter, NotificationState, NotificationView, Settled, Verdict, claim, forget, forget_erased,
    forget_nobodys, list, one, replay, settle,
};
pub use work::{not_finished, work_on};

/// A notification that nobody can make sense of after so long is for a person.
pub const WAITS_MAX: chrono::TimeDelta = chrono::TimeDelta::days(3);
