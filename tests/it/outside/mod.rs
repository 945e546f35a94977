//! The ledger from the outside: the real binary, real sockets, a real mail conversation, and a forward service that is
//! another process. Nothing here reaches into the server; SQL only looks, and lets time pass in the job table.
//!
//! ```text
//! journey.rs        bought, paid, delivered, used up, renewed, expired: the whole story
//! deliveries.rs     the forward service and the mail server misbehave
//! killed.rs         kill -9 between any two steps
//! notifications.rs  the same payment fifty times, the wrong amount, too late, twice
//! bad_input/        what is malformed or not allowed: 4xx with a reason, and nothing recorded
//! profiles.rs       name and address as the token says them
//! holds.rs          reserved, settled, released; raced for; over by themselves; overdrafts
//! cron.rs           an operator's own timer
//! reads.rs          reads see writes, repeats change nothing
//! dev.rs            `billing-ledger dev`
//!
//! harness.rs        an instance and its verbs        http.rs  who asks, what came back
//! program.rs        the binary as child processes    mail.rs  a mail server that can misbehave
//! barrier.rs        stops a server at a chosen write
//! ```

mod bad_input;
mod barrier;
mod books;
mod cron;
mod deliveries;
mod dev;
mod harness;
mod holds;
mod http;
mod journey;
mod killed;
mod mail;
mod notifications;
mod profiles;
mod program;
mod reads;
mod secrets;

use std::time::Duration;

/// Of one HTTP request; longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(60);
