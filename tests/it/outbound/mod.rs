//! What leaves the ledger: calls and mail, through real sockets, with accidents.
//!
//! ```text
//! vault.rs      keys and secrets in the database
//! job_table.rs  claims, timers, what is kept
//! jobs.rs       leases, back-off, dead letters, retry by hand
//! processes.rs  each event is answered once; orders and packages end by themselves
//! forward.rs    the forward service's client against its stand-in
//! mail.rs       SMTP and the folder
//! inbox.rs      the inbox's table: leases, what is kept
//! settings.rs   how providers are set up, without an edge
//! expiry.rs     a provider in trouble, and an order whose time is over
//! delivery.rs   bought, paid, key created, mailed: whatever happens on the way
//! timers.rs     grants and holds end by themselves
//! licenses.rs   a use is settled once
//! renewals.rs   a provider collects what a further period costs
//! apart.rs      a process of workers alone, and a master key that is another one
//! scene.rs      a ledger with its workers, a forward service and a mail server
//! ```

mod apart;
mod delivery;
mod expiry;
mod forward;
mod inbox;
mod job_table;
mod jobs;
mod licenses;
mod mail;
mod processes;
mod renewals;
mod scene;
mod settings;
mod timers;
mod vault;
