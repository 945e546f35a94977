//! Loops that run beside the web: each has a bound, a back-off and a shutdown.
//!
//! ```text
//! projections.rs  keeps the read models up with the log
//! read_gate.rs    lets a read wait for them
//! ```

pub mod projections;
pub mod read_gate;
