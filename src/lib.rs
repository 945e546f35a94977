//! The billing ledger: an event-sourced log of orders, packages, licenses and credits on PostgreSQL.
//!
//! ```text
//! store/              the log: group commit, conflicts, snapshots, verification
//! embedded_postgres/  a private PostgreSQL for development, tests and benchmarks
//! cli/                one file per subcommand
//! ```

pub mod embedded_postgres;
pub mod store;
