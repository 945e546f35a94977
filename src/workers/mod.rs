//! Loops with a bound and a shutdown.
//!
//! ```text
//! projections.rs  keeps the read models up with the log
//! read_gate.rs    lets a read wait for them
//! jobs.rs         claims jobs and runs their handlers
//! processes.rs    reads the log for the process managers
//! meters.rs       what the store has done and which jobs wait, for Prometheus
//! timers.rs       what must happen every hour
//! ```

pub mod jobs;
pub mod meters;
pub mod processes;
pub mod projections;
pub mod read_gate;
pub mod timers;
