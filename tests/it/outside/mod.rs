//! The ledger from the outside: the real binary, real sockets, a real mail conversation, and a forward service that is
//! another process. Nothing here reaches into the server; SQL only looks, and lets time pass in the job table.
//!
//! ```text
//! journey.rs        bought, paid, delivered, used up, renewed, expired: the whole story
//! deliveries.rs     the forward service and the mail server misbehave
//! killed.rs         kill -9 between any two steps
//! notifications.rs  the same payment fifty times, the wrong amount, too late, twice
//! refunds.rs        money goes back, and what it bought with it
//! bad_days.rs       a payment provider with a bad day
//! confirm.rs        was it paid?
//! bad_input/        what is malformed or not allowed: 4xx with a reason, and nothing recorded
//! licenses/         keys bought, given away, used up, tried by strangers
//! shop.rs           the catalogue, and what is bought of it, of every type
//! profiles.rs       name and address as the token says them
//! holds.rs          reserved, settled, released; raced for; over by themselves; overdrafts
//! cron.rs           an operator's own timer
//! reads.rs          reads see writes, repeats change nothing
//! dev.rs            `billing-ledger dev`
//! subscriptions.rs  periods paid, left unpaid, canceled; plans changed
//! erasure.rs        a customer is forgotten
//! providers/        payment providers, with their side of it simulated
//! oversight.rs      what admins and auditors see of a customer and an order
//! stats.rs          what was sold, in numbers
//! taken.rs          names drawn at random that something else has already
//!
//! harness.rs        an instance and its verbs        http.rs  who asks, what came back
//! program.rs        the binary as child processes    mail.rs  a mail server that can misbehave
//! plans.rs          products of every kind, without HTTP
//! barrier.rs        stops a server at a chosen write
//! ```

mod bad_days;
mod bad_input;
mod barrier;
mod books;
mod confirm;
mod cron;
mod deliveries;
mod dev;
mod erasure;
mod harness;
mod holds;
mod http;
mod journey;
mod killed;
mod licenses;
mod mail;
mod notifications;
mod oversight;
mod plans;
mod profiles;
mod program;
mod providers;
mod reads;
mod refunds;
mod secrets;
mod shop;
mod stats;
mod subscriptions;
mod taken;

use std::time::Duration;

/// Of one HTTP request; longer than anything here takes.
const TIMEOUT: Duration = Duration::from_secs(60);
