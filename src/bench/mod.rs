//! `billing-ledger bench store`: the store under load, beside what people use today, in one run on one PostgreSQL.
//!
//! ```text
//! workload.rs      the accounts and the charge that every system does
//! load.rs          callers against our store: closed loop for throughput, open loop for latency
//! handwritten.rs   the SQL transaction that one writes by hand, through pgbench
//! raw.rs           the ceiling: the same rows inserted in batches, and nothing else
//! size.rs          bytes on disk
//! report.rs        the table and its JSON
//! target.rs        the database all of them share
//! ```

// Throughput and time are floats; money never is.
#![allow(clippy::float_arithmetic, clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]

pub mod handwritten;
pub mod load;
pub mod raw;
pub mod report;
pub mod size;
pub mod target;
pub mod workload;
