//! An SMTP server that speaks the real protocol, keeps what it is sent, and has accidents when told.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use mail_parser::MessageParser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// What happens to the next conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accident {
    /// Hangs up before a word is said.
    Absent,
    /// Answers the sender with this line.
    AtSender(&'static str),
    /// Answers the recipient with this line.
    AtRecipient(&'static str),
    /// Answers the finished mail with this line; it is not kept.
    AtData(&'static str),
    /// Never answers the sender.
    Silent,
    /// Hangs up in the middle of the mail.
    DropsBeforeData,
    /// Takes the mail and hangs up without saying so.
    DropsAfterData,
}

#[derive(Default)]
struct State {
    accidents: VecDeque<Accident>,
    mails: Vec<Vec<u8>>,
    conversations: usize,
}

/// Ends when it is dropped.
pub(crate) struct SmtpServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    _ends: DropGuard,
}

/// A mail as its reader sees it.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) id: String,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

impl SmtpServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (state, end) = (Arc::new(Mutex::new(State::default())), CancellationToken::new());
        tokio::spawn(serve(listener, state.clone(), end.clone()));
        Self { address, state, _ends: end.drop_guard() }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// In order, one for each conversation to come.
    pub(crate) fn plan(&self, accidents: &[Accident]) {
        self.state().accidents.extend(accidents);
    }

    pub(crate) fn accidents_left(&self) -> usize {
        self.state().accidents.len()
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state().mails.iter().map(|bytes| read(bytes)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

pub(crate) fn read(bytes: &[u8]) -> Mail {
    let message = MessageParser::default().parse(bytes).expect("a message");
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address()).expect("a recipient");
    Mail {
        id: message.message_id().expect("a Message-ID").to_owned(),
        to: to.to_owned(),
        subject: message.subject().expect("a subject").to_owned(),
        text: message.body_text(0).expect("text").into_owned(),
        html: message.body_html(0).expect("HTML").into_owned(),
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, end: CancellationToken) {
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.expect("a connection").0,
            () = end.cancelled() => return,
        };
        let (state, end) = (state.clone(), end.clone());
        tokio::spawn(async move {
            tokio::select! {
                // A client that hangs up ends its conversation, and nothing else.
                _ = talk(stream, state) => {}
                () = end.cancelled() => {}
            }
        });
    }
}

struct Line {
    from: tokio::io::Lines<BufReader<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

impl Line {
    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.to.write_all(format!("{line}\r\n").as_bytes()).await
    }
}

async fn talk(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (from, to) = stream.into_split();
    let mut line = Line { from: BufReader::new(from).lines(), to };
    let absent = {
        let mut state = state.lock().expect("no panic");
        state.conversations += 1;
        state.accidents.pop_front_if(|accident| *accident == Accident::Absent).is_some()
    };
    if absent {
        return Ok(());
    }
    line.say("220 fake.example ESMTP").await?;
    let mut accident = None;
    while let Some(command) = line.from.next_line().await? {
        let verb = command.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match (verb.as_str(), accident) {
            ("EHLO", _) => line.say("250-fake.example\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
            ("MAIL", _) => {
                accident = state.lock().expect("no panic").accidents.pop_front();
                match accident {
                    Some(Accident::AtSender(answer)) => line.say(answer).await?,
                    Some(Accident::Silent) => std::future::pending().await,
                    _ => line.say("250 sender fine").await?,
                }
            }
            ("RCPT", Some(Accident::AtRecipient(answer))) => line.say(answer).await?,
            ("RCPT", _) => line.say("250 recipient fine").await?,
            ("DATA", Some(Accident::DropsBeforeData)) => {
                line.say("354 go on").await?;
                line.from.next_line().await?;
                return Ok(());
            }
            ("DATA", accident) => {
                line.say("354 go on").await?;
                let mail = data(&mut line).await?;
                if let Some(Accident::AtData(answer)) = accident {
                    line.say(answer).await?;
                    continue;
                }
                state.lock().expect("no panic").mails.push(mail);
                if accident == Some(Accident::DropsAfterData) {
                    return Ok(());
                }
                line.say("250 taken").await?;
            }
            ("NOOP" | "RSET", _) => line.say("250 fine").await?,
            ("QUIT", _) => return line.say("221 bye").await,
            _ => line.say("502 what?").await?,
        }
    }
    Ok(())
}

async fn data(line: &mut Line) -> std::io::Result<Vec<u8>> {
    let mut mail = Vec::new();
    while let Some(text) = line.from.next_line().await? {
        if text == "." {
            return Ok(mail);
        }
        mail.extend_from_slice(text.strip_prefix('.').unwrap_or(&text).as_bytes());
        mail.extend_from_slice(b"\r\n");
    }
    Err(std::io::ErrorKind::UnexpectedEof.into())
}
