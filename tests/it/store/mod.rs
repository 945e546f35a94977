//! What the log promises whoever writes and reads it.
//!
//! ```text
//! model.rs          random work through two stores, against sums kept by hand
//! idempotency.rs    asked twice, recorded once          unique_keys.rs    one name, one holder
//! isolation.rs      one unit's trouble is its own       lost_ground.rs    what a lane believes after an accident
//! readers.rs        reading it back                     snapshots.rs      disposable
//! upcast.rs         older shapes                        newer_release.rs  events of a newer build
//! permissions.rs    what the database itself refuses  cold.rs           loading what is not in memory
//!
//! scene.rs          commands, and a lane that is held up     by_hand.rs   another writer, in plain SQL
//! ```

mod by_hand;
mod cold;
mod idempotency;
mod isolation;
mod lost_ground;
mod model;
mod newer_release;
mod permissions;
mod readers;
mod scene;
mod snapshots;
mod unique_keys;
mod upcast;
