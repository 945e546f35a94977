//! A way to the server that can be cut at a chosen statement.
//!
//! The proxy reads what the client says, message by message, and so knows when a statement is sent to be executed. A
//! trap names part of that statement's text and a moment; when it springs, that connection stands still until the test
//! says how it goes on. All other connections, and that one before and after, are passed through.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::PATIENCE;

/// When a trap springs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The client has sent the statement; the server has not seen it.
    BeforeForwarding,
    /// The server has it all; nothing of its answer is passed on.
    BeforeAnswer,
}

/// How a connection goes on after a trap.
#[derive(Debug)]
enum Fate {
    Continue,
    /// Both sides are closed.
    Cut,
    /// The client's side is closed; to the server it looks as if the client were still there.
    CutClientOnly,
}

/// A connection that stands still.
#[derive(Debug)]
pub(crate) struct Sprung {
    fate: oneshot::Sender<Fate>,
}

impl Sprung {
    pub(crate) fn let_go(self) {
        self.decide(Fate::Continue);
    }

    pub(crate) fn cut(self) {
        self.decide(Fate::Cut);
    }

    pub(crate) fn cut_client_only(self) {
        self.decide(Fate::CutClientOnly);
    }

    fn decide(self, fate: Fate) {
        // A connection that ended by itself has no fate left to decide.
        drop(self.fate.send(fate));
    }
}

/// A trap that is set.
#[derive(Debug)]
pub(crate) struct Springs {
    statement: &'static str,
    springs: oneshot::Receiver<Sprung>,
}

impl Springs {
    /// Waits until somebody steps into it.
    pub(crate) async fn sprung(self) -> Sprung {
        match tokio::time::timeout(PATIENCE, self.springs).await {
            Ok(sprung) => sprung.expect("the proxy lives"),
            Err(_) => panic!("waited {PATIENCE:?} for somebody to say {}", self.statement),
        }
    }
}

struct Trap {
    statement: &'static str,
    moment: Moment,
    sprung: oneshot::Sender<Sprung>,
}

#[derive(Default)]
struct Shared {
    traps: Mutex<Vec<Trap>>,
    /// Server sides whose client was cut off: closed with the proxy.
    left_open: Mutex<Vec<UnixStream>>,
}

/// Listens on 127.0.0.1 and passes on to the server's socket; ends, with all its connections, when it is dropped.
pub(crate) struct Proxy {
    connect: PgConnectOptions,
    shared: Arc<Shared>,
    open: watch::Sender<bool>,
    _accepting: AbortOnDropHandle<()>,
}

impl Proxy {
    /// In front of the server and database of `to`.
    pub(crate) async fn start(to: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let socket = to.get_socket().expect("a server with a socket").join(format!(".s.PGSQL.{}", to.get_port()));
        let connect = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(port)
            .username(to.get_username())
            .database(to.get_database().expect("a database"))
            .ssl_mode(PgSslMode::Disable);
        let shared = Arc::new(Shared::default());
        let (open, is_open) = watch::channel(true);
        let accepting = tokio::spawn(accept(listener, socket, shared.clone(), is_open));
        Self { connect, shared, open, _accepting: AbortOnDropHandle::new(accepting) }
    }

    /// How to connect through it.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.connect.clone()
    }

    /// Sets a trap for the next statement whose text contains `statement`. It springs once.
    pub(crate) fn trap(&self, statement: &'static str, moment: Moment) -> Springs {
        let (sprung, springs) = oneshot::channel();
        self.shared.traps.lock().expect("no panic").push(Trap { statement, moment, sprung });
        Springs { statement, springs }
    }

    /// While it is closed, new connections are hung up on.
    pub(crate) fn close(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }
}

async fn accept(listener: TcpListener, socket: std::path::PathBuf, shared: Arc<Shared>, open: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if !*open.borrow() {
            continue;
        }
        let (socket, shared) = (socket.clone(), shared.clone());
        connections.spawn(async move {
            if let Ok(server) = UnixStream::connect(socket).await {
                pass(client, server, &shared).await;
            }
        });
    }
}

/// Passes both ways until one side hangs up or a trap ends it.
async fn pass(mut client: TcpStream, mut server: UnixStream, shared: &Shared) {
    let mut listener = Listener::default();
    let (mut from_client, mut from_server) = ([0; 16 << 10], [0; 16 << 10]);
    loop {
        tokio::select! {
            n = read(&mut client, &mut from_client) => {
                let Some(n) = n else { return };
                let Some(trap) = listener.hear(&from_client[..n]).into_iter().find_map(|text| shared.springs(&text)) else {
                    if !write(&mut server, &from_client[..n]).await { return }
                    continue;
                };
                if trap.moment == Moment::BeforeAnswer && !write(&mut server, &from_client[..n]).await {
                    return;
                }
                match stand_still(trap.sprung).await {
                    Fate::Continue if trap.moment == Moment::BeforeForwarding => {
                        if !write(&mut server, &from_client[..n]).await { return }
                    }
                    Fate::Continue => {}
                    Fate::Cut => return,
                    Fate::CutClientOnly => {
                        shared.left_open.lock().expect("no panic").push(server);
                        return;
                    }
                }
            }
            n = read(&mut server, &mut from_server) => {
                let Some(n) = n else { return };
                if !write(&mut client, &from_server[..n]).await { return }
            }
        }
    }
}

async fn read(from: &mut (impl AsyncRead + Unpin), into: &mut [u8]) -> Option<usize> {
    from.read(into).await.ok().filter(|n| *n > 0)
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> bool {
    to.write_all(bytes).await.is_ok()
}

async fn stand_still(sprung: oneshot::Sender<Sprung>) -> Fate {
    let (fate, decided) = oneshot::channel();
    // A test that has gone wants nothing any more.
    if sprung.send(Sprung { fate }).is_err() {
        return Fate::Continue;
    }
    decided.await.unwrap_or(Fate::Continue)
}

impl Shared {
    fn springs(&self, text: &str) -> Option<Trap> {
        let mut traps = self.traps.lock().expect("no panic");
        let at = traps.iter().position(|trap| text.contains(trap.statement))?;
        Some(traps.swap_remove(at))
    }
}

/// Understands enough of a client's messages to know which statements it asks to be executed.
#[derive(Default)]
struct Listener {
    bytes: Vec<u8>,
    started: bool,
    prepared: HashMap<Vec<u8>, String>,
    bound: Option<String>,
    /// Asked for, and executed by the server once it hears `Sync`.
    asked: Option<String>,
}

impl Listener {
    /// The statements that are complete with these bytes.
    fn hear(&mut self, bytes: &[u8]) -> Vec<String> {
        self.bytes.extend_from_slice(bytes);
        let mut executed = Vec::new();
        while let Some((kind, body)) = self.message() {
            executed.extend(self.understand(kind, &body));
        }
        executed
    }

    /// The next message that is there as a whole. The first one of a connection has no kind.
    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let header = usize::from(self.started);
        let length = self.bytes.get(header..header + 4)?;
        let length = u32::from_be_bytes(length.try_into().expect("four bytes")) as usize;
        let message = self.bytes.get(..header + length)?.to_vec();
        self.bytes.drain(..header + length);
        let kind = if self.started { message[0] } else { 0 };
        self.started = true;
        Some((kind, message[header + 4..].to_vec()))
    }

    fn understand(&mut self, kind: u8, body: &[u8]) -> Option<String> {
        let mut strings = body.split(|byte| *byte == 0).map(<[u8]>::to_vec);
        let mut next = || strings.next().unwrap_or_default();
        match kind {
            b'Q' => return Some(String::from_utf8_lossy(&next()).into_owned()),
            b'P' => {
                let (name, text) = (next(), next());
                self.prepared.insert(name, String::from_utf8_lossy(&text).into_owned());
            }
            b'B' => {
                let (_portal, name) = (next(), next());
                self.bound = self.prepared.get(&name).cloned();
            }
            b'E' => self.asked = self.bound.take(),
            b'S' => return self.asked.take(),
            _ => {}
        }
        None
    }
}
