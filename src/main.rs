//! Parses arguments and calls one function.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    billing_ledger::cli::run(billing_ledger::cli::Arguments::parse())
}
