//! Loops with a bound and a shutdown.
//!
//! ```text
//! jobs.rs       claims jobs and runs their handlers
//! processes.rs  reads the log for the process managers
//! timers.rs     what must happen every hour
//! ```

pub mod jobs;
pub mod processes;
pub mod timers;
