//! Processes come, go and are killed; the server is there while one of them is.

use std::io::{Read, Write};

use super::super::super::processes::{is_alive, kill_server};
use super::*;

/// Not a test of its own: what `Member` runs.
#[tokio::test]
async fn another_process() {
    let Some(state) = std::env::var_os(MEMBER_VARIABLE).map(PathBuf::from) else {
        return;
    };
    let linger_seconds = std::env::var(LINGER_VARIABLE).unwrap().parse().unwrap();
    let member_of = state.clone();
    let shared = blocking(move || Shared::join(Some(&member_of), linger_seconds)).await.unwrap();
    let database = shared.database("entries", migrate).await.unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "\nready: {} {}", postmaster(&state).unwrap(), database.name()).unwrap();
    out.flush().unwrap();
    // Until it is killed, or whoever started it is.
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
}

#[test]
fn processes_share_one_server_and_it_is_gone_when_the_last_was_killed() {
    let state = State::new();
    let (first, second) = (Member::arrives(&state, 0), Member::arrives(&state, 0));
    let server = first.postmaster;
    assert_eq!(server, second.postmaster);
    assert_ne!(first.database, second.database);
    let socket_dir = std::fs::read_to_string(state.join("server/socket-dir")).unwrap();

    first.dies();
    assert!(is_alive(server));
    second.dies();
    until("server and folder are gone", || !is_alive(server) && !state.exists());
    assert!(!Path::new(socket_dir.trim()).exists());

    let next = Member::arrives(&state, 0);
    assert_ne!(next.postmaster, server);
    let server = next.postmaster;
    next.dies();
    until("the next server is gone too", || !is_alive(server) && !state.exists());
}

#[test]
fn a_runner_with_a_process_per_test_keeps_its_server() {
    let state = State::new();
    let servers: Vec<i32> = (0..4)
        .map(|_| {
            let member = Member::arrives(&state, LINGER_SECONDS);
            let server = member.postmaster;
            member.dies();
            server
        })
        .collect();
    assert!(servers.iter().all(|server| Some(server) == servers.first()), "{servers:?}");
    until("the server is gone", || !state.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_arrives_while_the_folder_is_cleared_gets_a_new_one() {
    let state = State::new();
    std::fs::create_dir(&*state).unwrap();
    // What the watchdog does at its end, slowly enough to be met in the middle of it.
    let watchdog = std::fs::File::create(state.join("lock")).unwrap();
    watchdog.lock().unwrap();
    let arriving = tokio::spawn({
        let state = state.to_path_buf();
        async move { join(&state).await }
    });
    until("it waits for the lock", || waits_for_a_lock(&state.join("lock")));
    std::fs::remove_dir_all(&*state).unwrap();
    drop(watchdog);

    let shared = arriving.await.unwrap();
    assert!(shared.database("entries", migrate).await.is_ok());
}

/// The kernel lists a waiting lock with an arrow. Elsewhere nobody lists it, and the test meets an easier case.
fn waits_for_a_lock(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(locks) = std::fs::read_to_string("/proc/locks") else {
        return true;
    };
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    locks.lines().any(|line| line.contains("->") && line.contains(&inode))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_died_is_replaced() {
    let state = State::new();
    let first = join(&state).await;
    drop(first.database("entries", migrate).await.unwrap());
    kill_server(postmaster(&state).unwrap()).unwrap();

    let second = join(&state).await;
    assert!(!first.address.socket_dir.exists());
    drop(second.database("entries", migrate).await.unwrap());
}

#[test]
fn a_folder_that_somebody_else_made_is_refused() {
    let folder = folder();
    let state = folder.path().join("state");
    std::os::unix::fs::symlink(folder.path(), &state).unwrap();
    let refused = Shared::join(Some(&state), 0).map(|_| ()).unwrap_err();
    assert!(matches!(refused, EmbeddedPostgresError::ForeignFolder { .. }));
}
