//! What is true of the ledger from the outside: real servers, real processes, real accidents.
//!
//! ```text
//! store/        what the log promises whoever writes and reads it
//! projections/  read models: rows, exactly once, rebuilt
//! crash/        the same promises while processes, servers and connections die
//! web/          the HTTP edge over a real socket
//! outbound/     what leaves: API keys, mail, timers; with accidents on the way
//! outside/      the whole ledger over HTTP: the real binary, real mail, a forward service that misbehaves
//! loadtest.rs   what the load generator reports is what happened
//! readme.rs     the README's tour works as it is written
//! verify.rs     every change of the log is found, at its place
//! support/      databases, processes, a proxy that cuts, and how to look at a log
//! ```
//!
//! Nothing here sleeps to let something happen: a test waits for what it waits for (`support::eventually`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

mod crash;
mod loadtest;
mod outbound;
mod outside;
mod projections;
mod readme;
mod store;
mod support;
mod verify;
mod web;
