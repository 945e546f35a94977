//! Processes die, servers die, connections die, callers lose patience. What was acknowledged is there once; what was
//! not is there once or not at all; and no reader is ever shown a log with a hole.

mod cancel;
mod gap;
mod kill_postgres;
mod kill_process;
mod overdraft;
mod two_processes;
mod unknown_outcome;
