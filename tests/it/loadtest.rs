//! `billing-ledger loadtest` against a stand-in that misbehaves as told: whatever a server does, what the generator
//! reports is what happened.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_util::task::AbortOnDropHandle;

const TOKEN: &str = "the.service.token";
const ADMIN_TOKEN: &str = "the.admins.token";

/// What the stand-in does with a request.
enum Answer {
    Status(u16),
    /// Answers, says that it closes, and does.
    LastOne,
    /// Closes the connection without a word.
    HangUp,
    After(Duration),
    Never,
}

#[derive(Clone, Debug)]
struct Seen {
    path: String,
    token: String,
    key: Option<String>,
    body: Value,
}

/// A server that answers as `answer` says, by the number of the request.
struct StandIn {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    _serving: AbortOnDropHandle<()>,
}

impl StandIn {
    async fn start(answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, all) = (Arc::new(answer), seen.clone());
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, all) = (answer.clone(), all.clone());
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while let Some(request) = read(&mut stream).await {
                        let number = {
                            let mut all = all.lock().unwrap();
                            all.push(request);
                            all.len() - 1
                        };
                        if !say(stream.get_mut(), answer(number)).await {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, seen, _serving: AbortOnDropHandle::new(serving) }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Runs the program against it: whether it says that all was well, and its report.
    async fn load(&self, arguments: &[&str]) -> (bool, Value) {
        let given = ["--url", &self.url, "--token", TOKEN, "--json", "--seconds", "1"];
        let output = loadtest(&[&given, arguments].concat()).await;
        let report = serde_json::from_slice(&output.stdout);
        (output.status.success(), report.unwrap_or_else(|error| panic!("{error}: {output:?}")))
    }
}

async fn loadtest(arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billing-ledger"));
    command.arg("loadtest").args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command.output().await.unwrap()
}

/// The next request; `None` where the connection has ended.
async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut headers = head.iter().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let mut body = vec![0; header("content-length")?.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen {
        path: head[0].clone(),
        token: header("authorization").unwrap_or_default(),
        key: header("idempotency-key"),
        body: serde_json::from_slice(&body).unwrap(),
    })
}

/// Whether the connection stays.
async fn say(stream: &mut TcpStream, answer: Answer) -> bool {
    let (status, close) = match answer {
        Answer::Status(status) => (status, ""),
        Answer::LastOne => (200, "connection: close\r\n"),
        Answer::HangUp => return false,
        Answer::After(wait) => {
            tokio::time::sleep(wait).await;
            (200, "")
        }
        Answer::Never => std::future::pending().await,
    };
    let text = format!("HTTP/1.1 {status} -\r\ncontent-length: 2\r\n{close}\r\n{{}}");
    stream.write_all(text.as_bytes()).await.is_ok() && close.is_empty()
}

fn count(report: &Value, what: &str) -> u64 {
    report[what].as_u64().unwrap_or_else(|| panic!("{what} in {report}"))
}

fn answered(report: &Value, status: &str) -> u64 {
    report["statuses"][status].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn every_request_is_accounted_for() {
    let server = StandIn::start(|n| match n % 20 {
        3 => Answer::Status(402),
        5 => Answer::Status(429),
        7 => Answer::Status(503),
        11 => Answer::LastOne,
        _ => Answer::Status(200),
    })
    .await;
    let (well, report) = server.load(&["--connections", "4", "--accounts", "50"]).await;
    let seen = server.seen();
    let sum: u64 = ["200", "402", "429", "503"].iter().map(|status| answered(&report, status)).sum();
    assert!(well, "refusals and closed connections are no failure: {report}");
    assert_eq!(sum, seen.len() as u64);
    assert_eq!(count(&report, "charges"), answered(&report, "200"));
    assert!(
        ["402", "429", "503"].iter().all(|status| answered(&report, status) > 0) && count(&report, "reconnects") > 0
    );
    assert!(seen.iter().all(|request| request.path == "POST /api/v1/usage HTTP/1.1"));
    assert!(seen.iter().all(|request| request.token == format!("Bearer {TOKEN}")));
    let accounts: BTreeSet<_> = seen.iter().map(|request| request.body["account"].as_str().unwrap()).collect();
    assert!(accounts.len() > 10 && accounts.range("load-00050"..).next().is_none(), "{accounts:?}");
}

#[tokio::test]
async fn a_lost_answer_is_counted_not_asked_again_and_fails_the_run() {
    let server = StandIn::start(|n| if n % 50 == 7 { Answer::HangUp } else { Answer::Status(200) }).await;
    let (well, report) = server.load(&["--connections", "3", "--hot", "--references"]).await;
    let seen = server.seen();
    assert!(!well);
    assert_eq!(count(&report, "lost"), (seen.len() as u64 + 42) / 50);
    assert_eq!(count(&report, "charges") + count(&report, "lost"), seen.len() as u64);
    let references: BTreeSet<_> = seen.iter().map(|request| request.body["reference"].to_string()).collect();
    assert_eq!(references.len(), seen.len(), "a request that may have been heard is never sent twice");
    assert!(seen.iter().all(|request| request.body["account"] == "load-00000"));
}

#[tokio::test]
async fn an_answer_that_a_sound_server_does_not_give_fails_the_run() {
    let server = StandIn::start(|n| Answer::Status(if n == 1 { 500 } else { 200 })).await;
    let (well, report) = server.load(&["--connections", "1"]).await;
    assert_eq!((well, answered(&report, "500")), (false, 1));
}

#[tokio::test]
async fn a_stall_is_felt_by_every_request_that_was_due_in_it() {
    let stall = Duration::from_millis(800);
    let server = StandIn::start(move |n| if n == 0 { Answer::After(stall) } else { Answer::Status(200) }).await;
    let (_, report) = server.load(&["--connections", "1", "--rate", "50"]).await;
    assert_eq!(count(&report, "charges"), 50);
    // The 26th was due half a second after the first. Counted from when it was sent, it would have taken no time.
    assert!(count(&report["latency"], "p50_us") >= 290_000, "{report}");
}

#[tokio::test]
async fn a_server_that_never_answers_does_not_hold_up_the_end() {
    let server = StandIn::start(|n| if n < 10 { Answer::Status(200) } else { Answer::Never }).await;
    let (well, report) = server.load(&["--connections", "2", "--rate", "40"]).await;
    assert!(!well);
    assert_eq!((count(&report, "charges"), count(&report, "unanswered"), count(&report, "not_sent")), (10, 2, 28));
}

#[tokio::test]
async fn an_admin_gives_every_account_credits_before_the_load() {
    let server = StandIn::start(|n| match n {
        2 => Answer::Status(503),
        5 => Answer::HangUp,
        _ => Answer::Status(200),
    })
    .await;
    let (well, _) = server.load(&["--admin-token", ADMIN_TOKEN, "--accounts", "40", "--connections", "2"]).await;
    let seen = server.seen();
    let admin = |request: &&Seen| request.token == format!("Bearer {ADMIN_TOKEN}");
    let given: Vec<_> = seen.iter().take_while(admin).collect();
    assert!(well);
    assert_eq!((given.len(), seen.iter().filter(admin).count()), (42, 42), "two of them asked again");
    for (what, distinct) in [
        ("paths", given.iter().map(|request| request.path.clone()).collect::<BTreeSet<_>>()),
        ("keys", given.iter().map(|request| request.key.clone().unwrap()).collect()),
    ] {
        assert_eq!(distinct.len(), 40, "{what}");
    }
    assert_eq!(given[0].path, "POST /api/v1/admin/accounts/load-00000/credits/adjust HTTP/1.1");
    assert_eq!(given[0].body, serde_json::json!({"amount": "1000.00", "reason": "load test"}));
}

#[tokio::test]
async fn an_admin_who_is_refused_stops_the_run_before_the_load() {
    let server = StandIn::start(|_| Answer::Status(403)).await;
    let output = loadtest(&["--url", &server.url, "--token", TOKEN, "--admin-token", ADMIN_TOKEN, "--hot"]).await;
    assert!(!output.status.success() && output.stdout.is_empty());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn another_machine_is_not_loaded_and_nobody_home_is_said() {
    for (url, reason) in [("http://192.0.2.1", "another machine"), ("http://127.0.0.1:1", "connecting to")] {
        let output = loadtest(&["--url", url, "--token", TOKEN]).await;
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && complaint.contains(reason), "{complaint}");
        assert!(!complaint.contains(TOKEN));
    }
}
