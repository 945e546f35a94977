//! Every movement of an account's credits, newest first. It has no table: the log itself is the statement, and an index
//! leads straight to an aggregate's newest events.

pub mod query;
#[cfg(test)]
mod tests;
