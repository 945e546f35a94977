//! Payment providers, with their side of it simulated by another process.
//!
//! ```text
//! faults.rs   the same bad days with each of them     inbox.rs     stored before it is acknowledged; looked at; replayed
//! scene.rs    a ledger and a provider                 settings.rs  set up at run time, secrets never shown
//! plans.rs    periods that a provider collects
//! ```

mod faults;
mod inbox;
mod plans;
mod scene;
mod settings;
