//! Read models on a real PostgreSQL.
//!
//! ```text
//! rows.rs      events in, views out: credits, packages, days, the statement
//! holds.rs     the same for what is held and owed
//! packages.rs  the same for packages bought again, held, given back, waiting
//! sales.rs     the same for the catalogue, orders, payments for review, deliveries
//! licenses.rs  licenses and what they were used for
//! once.rs      exactly once: races, crashes, another log
//! agree.rs     after random use, every read model is what the log folds to
//! rebuild.rs   made again, compared, swapped under whoever reads and writes
//! upgrade.rs   a database of the first release, brought up to date
//! gate.rs      reads that wait for what they must see
//! scene.rs     a ledger whose clock the test holds
//! ```

mod agree;
mod gate;
mod holds;
mod licenses;
mod once;
mod packages;
mod rebuild;
mod rows;
mod sales;
mod scene;
mod upgrade;
