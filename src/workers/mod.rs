//! Loops with a bound and a shutdown.
//!
//! ```text
//! projections.rs  keeps the read models up with the log
//! read_gate.rs    lets a read wait for them
//! jobs.rs         claims jobs and runs their handlers
//! processes.rs    reads the log for the process managers
//! meters.rs       what the store has done and which jobs wait, for Prometheus
//! timers.rs       what must happen every hour
//! inbox.rs        works off what providers have said
//! ```

use std::time::Duration;

pub mod inbox;
pub mod jobs;
pub mod meters;
pub mod processes;
pub mod projections;
pub mod read_gate;
pub mod timers;

/// Connections of the loops, so that no flood of requests keeps a lease from being renewed.
pub const CONNECTIONS: u32 = 4;
/// No question to the database takes longer: a server that has fallen silent would hold a loop, and its shutdown, for
/// ever.
const DATABASE_WAIT: Duration = Duration::from_secs(15);

/// Gives up on a silent database. What was asked may have been done all the same.
async fn within<T, E: From<sqlx::Error>>(asking: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(DATABASE_WAIT, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into()),
    }
}

/// Trouble that lasts is said when it begins, when it changes and when it is over, and not at every look.
#[derive(Default)]
struct Trouble {
    said: Option<String>,
}

impl Trouble {
    fn is(&mut self, what: &'static str, error: &dyn std::fmt::Display) {
        let error = error.to_string();
        if self.said.as_ref() != Some(&error) {
            tracing::warn!(error, "{what}");
            self.said = Some(error);
        }
    }

    fn is_over(&mut self, what: &'static str) {
        if self.said.take().is_some() {
            tracing::info!("over: {what}");
        }
    }
}
