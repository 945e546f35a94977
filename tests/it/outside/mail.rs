//! A mail server: enough of SMTP (RFC 5321) for a real conversation, and the ways one goes wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use mail_parser::MessageParser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::eventually;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailFault {
    /// 451 instead of taking the recipient.
    PutOff,
    /// Hangs up when the mail is announced.
    DropBeforeData,
    /// Takes the mail, and hangs up instead of saying so.
    DropAfterData,
    /// 550: this recipient never.
    Refuse,
}

/// A mail that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    /// As the envelope says.
    pub(crate) to: String,
    pub(crate) message_id: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

#[derive(Default)]
struct State {
    /// How to misbehave, and how often; `None` is for ever.
    faults: VecDeque<(MailFault, Option<u32>)>,
    taken: Vec<Mail>,
    /// Conversations that stand still.
    held: usize,
}

/// Where a conversation may be made to stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The mail was announced and nothing of it was sent.
    BeforeData,
    /// The mail was taken, and that was not said yet.
    AfterData,
}

pub(crate) struct MailServer {
    address: String,
    state: Arc<Mutex<State>>,
    hold: watch::Sender<Option<Moment>>,
    serving: JoinHandle<()>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (hold, held) = watch::channel(None);
        let state = Arc::<Mutex<State>>::default();
        let serving = tokio::spawn(serve(listener, state.clone(), held));
        Self { address, state, hold, serving }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// So many times, or until told otherwise.
    pub(crate) fn misbehave(&self, fault: MailFault, times: Option<u32>) {
        self.state.lock().expect("no panic").faults.push_back((fault, times));
    }

    pub(crate) fn behave(&self) {
        self.state.lock().expect("no panic").faults.clear();
    }

    /// From now on conversations stand still at this moment.
    pub(crate) fn hold(&self, moment: Moment) {
        self.hold.send_replace(Some(moment));
    }

    pub(crate) async fn holds_one(&self) {
        eventually("a conversation to be held", async || (self.state.lock().expect("no panic").held > 0).then_some(()))
            .await;
    }

    pub(crate) fn release(&self) {
        self.hold.send_replace(None);
    }

    pub(crate) fn taken(&self) -> Vec<Mail> {
        self.state.lock().expect("no panic").taken.clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, held: watch::Receiver<Option<Moment>>) {
    let mut conversations = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let conversation = Conversation::new(stream, state.clone(), held.clone());
        conversations.spawn(async move {
            // Who hangs up has nothing more to be told.
            conversation.run().await.ok();
        });
    }
}

struct Conversation {
    lines: BufReader<OwnedReadHalf>,
    answers: OwnedWriteHalf,
    state: Arc<Mutex<State>>,
    held: watch::Receiver<Option<Moment>>,
    to: String,
}

impl Conversation {
    fn new(stream: TcpStream, state: Arc<Mutex<State>>, held: watch::Receiver<Option<Moment>>) -> Self {
        let (from, answers) = stream.into_split();
        Self { lines: BufReader::new(from), answers, state, held, to: String::new() }
    }

    async fn run(mut self) -> std::io::Result<()> {
        self.say("220 mail.example.org ESMTP").await?;
        loop {
            let line = self.line().await?;
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "" => return Ok(()),
                "EHLO" => self.say("250-mail.example.org\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
                "RCPT" => match self.fault(&[MailFault::PutOff, MailFault::Refuse]) {
                    Some(MailFault::PutOff) => self.say("451 4.7.1 try again later").await?,
                    Some(_) => self.say("550 5.1.1 no such user").await?,
                    None => {
                        self.to = between(&line, '<', '>');
                        self.say("250 ok").await?;
                    }
                },
                "DATA" => {
                    if self.fault(&[MailFault::DropBeforeData]).is_some() || !self.pass(Moment::BeforeData).await {
                        return Ok(());
                    }
                    self.say("354 go on").await?;
                    let mail = self.mail().await?;
                    self.state.lock().expect("no panic").taken.push(mail);
                    if self.fault(&[MailFault::DropAfterData]).is_some() || !self.pass(Moment::AfterData).await {
                        return Ok(());
                    }
                    self.say("250 taken").await?;
                }
                "QUIT" => return self.say("221 bye").await,
                _ => self.say("250 ok").await?,
            }
        }
    }

    /// Stands still while this moment is held; `false` where the other side did not wait for it.
    async fn pass(&mut self, moment: Moment) -> bool {
        if *self.held.borrow() != Some(moment) {
            return true;
        }
        self.state.lock().expect("no panic").held += 1;
        let mut held = self.held.clone();
        let released = tokio::select! {
            released = held.wait_for(|held| *held != Some(moment)) => released.is_ok(),
            gone = self.lines.fill_buf() => !gone.unwrap_or_default().is_empty(),
        };
        self.state.lock().expect("no panic").held -= 1;
        released
    }

    /// The fault whose turn it is, if it is one of these.
    fn fault(&self, these: &[MailFault]) -> Option<MailFault> {
        let mut state = self.state.lock().expect("no panic");
        let (fault, times) = state.faults.front_mut().filter(|(fault, _)| these.contains(fault))?;
        let fault = *fault;
        let over = times.as_mut().is_some_and(|times| {
            *times -= 1;
            *times == 0
        });
        if over {
            state.faults.pop_front();
        }
        Some(fault)
    }

    /// Lines up to a single dot; a dot in front was doubled on the way.
    async fn mail(&mut self) -> std::io::Result<Mail> {
        let mut text = String::new();
        loop {
            let line = self.line().await?;
            match line.as_str() {
                "" => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                ".\r\n" => return Ok(read(&self.to, &text)),
                line => text.push_str(line.strip_prefix('.').unwrap_or(line)),
            }
        }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.lines.read_line(&mut line).await?;
        Ok(line)
    }

    async fn say(&mut self, answer: &str) -> std::io::Result<()> {
        self.answers.write_all(format!("{answer}\r\n").as_bytes()).await
    }
}

fn read(to: &str, text: &str) -> Mail {
    let message = MessageParser::default().parse(text.as_bytes()).expect("a message");
    Mail {
        to: to.to_owned(),
        message_id: message.message_id().expect("a Message-ID").to_owned(),
        subject: message.subject().expect("a subject").to_owned(),
        text: message.body_text(0).expect("a text").into_owned(),
        html: message.body_html(0).expect("a page").into_owned(),
    }
}

fn between(line: &str, from: char, to: char) -> String {
    let after = line.split_once(from).map_or("", |(_, after)| after);
    after.split_once(to).map_or("", |(between, _)| between).to_owned()
}
