//! Starts `watchdog.sh`, the process that outlives the last test by a moment and takes the server with it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::super::error::{Doing, Result};
use super::home::Home;

const SCRIPT: &str = include_str!("watchdog.sh");

/// Called while setting up. The locked file becomes the watchdog's standard input and so stays locked for its life.
///
/// It has none of our pipes, or whoever reads the test's output would wait for it; and a process group of its own,
/// or an interrupt from the keyboard would end it with the tests.
pub(super) fn ensure(home: &Home, data: &Path, linger_seconds: u32) -> Result<()> {
    let Some(post) = home.watchdog_post()? else {
        return Ok(());
    };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "billing-ledger-test-watchdog"]);
    command.arg(home.state()).arg(data).arg(linger_seconds.to_string());
    command.stdin(Stdio::from(post)).stdout(Stdio::null()).stderr(Stdio::null());
    command.current_dir("/").process_group(0);
    let watchdog = command.spawn().doing("run", Path::new("/bin/sh"))?;
    tracing::debug!(pid = watchdog.id(), "the test server has a watchdog");
    Ok(())
}
