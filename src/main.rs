//! Parses arguments and calls one function.

use std::process::ExitCode;

use clap::Parser;

/// A request allocates and frees many small things on several threads; a tenth of a charge over HTTP is spent on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One TLS library for HTTP, mail and PostgreSQL; an error would mean that it is the default already.
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    billing_ledger::cli::run(billing_ledger::cli::Arguments::parse())
}
