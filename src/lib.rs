//! The billing ledger: an event-sourced log of orders, packages, licenses and credits on PostgreSQL.
//!
//! ```text
//! store/              the log: group commit, conflicts, snapshots, reading forward
//! verify/             proof that the log is what was written
//! embedded_postgres/  a private PostgreSQL for development, tests and benchmarks
//! bench/              the store under load, beside its peers
//! cli/                one file per subcommand
//! ```

pub mod bench;
pub mod cli;
pub mod embedded_postgres;
pub mod store;
pub mod verify;
