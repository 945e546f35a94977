//! A server of one's own: its life, its death, and what it refuses.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::super::*;
use super::folder;

fn options(folder: &tempfile::TempDir) -> Options {
    let data_dir = folder.path().join("pg");
    Options { data_dir, durability: Durability::Off, settings: Vec::new(), tcp: false }
}

fn start(options: &Options) -> EmbeddedPostgres {
    EmbeddedPostgres::start(options, &mut |_| ()).unwrap()
}

fn refusal(options: &Options) -> EmbeddedPostgresError {
    EmbeddedPostgres::start(options, &mut |_| ()).unwrap_err()
}

async fn connect(options: PgConnectOptions) -> PgConnection {
    options.disable_statement_logging().connect().await.unwrap()
}

async fn ask(server: &EmbeddedPostgres, sql: &str) -> String {
    let mut connection = connect(server.connect_options("postgres")).await;
    let answer = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    answer
}

async fn run(server: &EmbeddedPostgres, sql: &str) {
    let mut connection = connect(server.connect_options("postgres")).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_stopped_server_continues_with_its_data() {
    let folder = folder();
    let server = start(&options(&folder));
    run(&server, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('still here')").await;
    let socket_dir = server.socket_dir().to_path_buf();
    let pid = server.postmaster_pid().unwrap();
    server.stop().await.unwrap();
    assert!(!socket_dir.exists());
    assert!(!processes::is_alive(pid));

    let server = start(&options(&folder));
    assert_eq!(ask(&server, "SELECT word FROM kept").await, "still here");
    let pid = server.postmaster_pid().unwrap();
    drop(server);
    assert!(!processes::is_alive(pid));
}

#[tokio::test]
async fn a_killed_server_recovers_what_was_committed() {
    let folder = folder();
    let server = start(&Options { durability: Durability::On, ..options(&folder) });
    run(&server, "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('committed')").await;
    let mut open = connect(server.connect_options("postgres")).await;
    sqlx::raw_sql("BEGIN; INSERT INTO kept VALUES ('not committed')").execute(&mut open).await.unwrap();
    let url = server.url("postgres");

    server.kill().unwrap();
    assert_eq!(server.postmaster_pid(), None);
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut open).await.is_err());

    server.restart().unwrap();
    assert_eq!(server.url("postgres"), url);
    assert_eq!(ask(&server, "SELECT string_agg(word, ',') FROM kept").await, "committed");
    let log = std::fs::read_to_string(server.log_file()).unwrap();
    assert!(log.contains("was not properly shut down"), "{log}");
}

#[tokio::test]
async fn a_url_leads_child_processes_to_the_same_server() {
    let folder = folder();
    let server = start(&options(&folder));
    let mut connection = connect(server.url("postgres").parse().unwrap()).await;
    let sql = "SELECT current_setting('unix_socket_directories')";
    let answer: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    assert_eq!(Path::new(&answer), server.socket_dir());
}

#[tokio::test]
async fn settings_are_what_was_asked_for() {
    let folder = folder();
    let settings = vec![("work_mem".to_owned(), "5MB".to_owned()), ("jit".to_owned(), "on".to_owned())];
    let server = start(&Options { durability: Durability::On, settings, ..options(&folder) });
    for (name, value) in [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("listen_addresses", ""),
        ("work_mem", "5MB"),
        ("jit", "on"),
    ] {
        assert_eq!(ask(&server, &format!("SELECT current_setting('{name}')")).await, value, "{name}");
    }
    run(&server, "ALTER SYSTEM RESET ALL").await;
}

#[tokio::test]
async fn tcp_asks_for_a_password() {
    let folder = folder();
    let server = start(&Options { tcp: true, ..options(&folder) });
    let over_tcp = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(server.port()).username("postgres");
    let over_tcp = over_tcp.database("postgres").password("anything").ssl_mode(sqlx::postgres::PgSslMode::Disable);
    assert!(over_tcp.connect().await.is_err());
    run(&server, "ALTER ROLE postgres PASSWORD 'anything'").await;
    connect(over_tcp).await.ping().await.unwrap();
}

#[test]
fn a_server_whose_owner_was_killed_is_stopped_by_the_next() {
    let folder = folder();
    let orphan = start(&options(&folder));
    let (pid, socket_dir) = (orphan.postmaster_pid().unwrap(), orphan.socket_dir().to_path_buf());
    orphan._lock.unlock().unwrap();
    std::mem::forget(orphan);

    let server = start(&options(&folder));
    assert_ne!(server.postmaster_pid(), Some(pid));
    assert!(!processes::is_alive(pid) && !socket_dir.exists());
}

#[test]
fn an_interrupted_first_start_leaves_nothing_half_made() {
    let folder = folder();
    drop(start(&options(&folder)));
    let data = options(&folder).data_dir.join("data");
    std::fs::rename(&data, data.with_file_name("data.new")).unwrap();
    std::fs::remove_file(data.with_file_name("data.new").join("global/pg_control")).unwrap();
    drop(start(&options(&folder)));
}

#[test]
fn a_pid_file_that_names_somebody_else_is_no_hindrance() {
    let folder = folder();
    drop(start(&options(&folder)));
    let file = options(&folder).data_dir.join("data/postmaster.pid");
    std::fs::write(file, format!("{}\n/elsewhere\n1\n5432\n/tmp\n", std::process::id())).unwrap();
    let server = start(&options(&folder));
    assert!(server.postmaster_pid().is_some_and(|pid| pid.cast_unsigned() != std::process::id()));
}

#[test]
fn one_folder_serves_one_handle() {
    let folder = folder();
    let _first = start(&options(&folder));
    assert!(matches!(refusal(&options(&folder)), EmbeddedPostgresError::InUse { .. }));
}

#[test]
fn data_of_another_major_version_is_refused_and_left_alone() {
    let folder = folder();
    drop(start(&options(&folder)));
    let version = options(&folder).data_dir.join("data/PG_VERSION");
    std::fs::write(&version, "12\n").unwrap();
    let error = refusal(&options(&folder));
    assert!(matches!(error, EmbeddedPostgresError::WrongVersion { .. }));
    assert!(error.to_string().contains("was made by PostgreSQL 12 and the programs in"), "{error}");
    assert_eq!(std::fs::read_to_string(version).unwrap(), "12\n");
}

#[test]
fn a_folder_with_other_things_in_it_is_refused() {
    let folder = folder();
    std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    let options = Options { data_dir: folder.path().to_path_buf(), ..options(&folder) };
    assert!(matches!(refusal(&options), EmbeddedPostgresError::ForeignFolder { .. }));
    assert!(!folder.path().join("lock").exists());
}

#[test]
fn a_path_that_a_shell_would_read_is_refused() {
    let folder = folder();
    let options = Options { data_dir: folder.path().join("a$(touch b)"), ..options(&folder) };
    assert!(matches!(refusal(&options), EmbeddedPostgresError::UnsafePath { character: '$', .. }));
}

#[test]
fn a_failed_start_shows_what_the_server_said() {
    let folder = folder();
    let settings = vec![("shared_buffers".to_owned(), "plenty".to_owned())];
    let error = refusal(&Options { settings, ..options(&folder) }).to_string();
    assert!(error.contains("invalid value for parameter \"shared_buffers\": \"plenty\""), "{error}");
}

#[test]
fn a_closed_parent_is_named() {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::geteuid().is_root() {
        return; // Only root runs the server as somebody else.
    }
    let folder = folder();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    let error = refusal(&Options { data_dir: closed.join("pg"), ..options(&folder) });
    let EmbeddedPostgresError::NotTraversable { closed: named, .. } = &error else { panic!("{error}") };
    assert_eq!(named, &closed);
    assert!(error.to_string().contains("chmod o+x"), "{error}");
}
