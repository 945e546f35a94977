//! Notifications on their way: late, twice, out of order, changed or never, as the faults say; and again, ever later,
//! until they are acknowledged.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Happened, Outgoing, Sim, Trade, lock};

const WAITING_MAX: usize = 100_000;
const AT_ONCE_MAX: usize = 16;
/// Finished ones that are remembered.
const SENT_MAX: usize = 10_000;
const ATTEMPTS_MAX: u32 = 12;
const TIMEOUT: Duration = Duration::from_secs(15);
/// Until the second attempt; every further one waits twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long the first of two waits to be overtaken.
const HELD: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(3_600);

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// On their way at the moment.
    leaving: usize,
    sent: VecDeque<Sent>,
    lost: u64,
}

#[derive(Clone)]
struct Waiting {
    event: String,
    reference: String,
    happened: Happened,
    at: Instant,
    held: bool,
    /// How often it still goes out after it was acknowledged.
    copies: u32,
    attempts: u32,
    tampered: bool,
}

/// What became of a notification; each copy counts for itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    pub event: String,
    pub number: String,
    pub attempts: u32,
    pub acknowledged: bool,
    /// What the merchant answered last; none: it was not reached.
    pub status: Option<u16>,
}

/// How it stands, for whoever waits for it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Overview {
    waiting: usize,
    lost: u64,
    sent: Vec<Sent>,
}

pub(super) fn put(sim: &Sim, trade: &Trade, happened: Happened) {
    let event = uuid::Uuid::now_v7().to_string();
    if sim.0.face.notification(trade, &happened, &event).is_none() {
        return;
    }
    let faults = sim.faults();
    let mut state = lock(&sim.0.queue.state);
    if faults.lose || state.waiting.len() >= WAITING_MAX {
        state.lost += 1;
        return;
    }
    let due = Instant::now() + Duration::from_secs(faults.delay_seconds.into());
    let overtaken = state.waiting.iter_mut().find(|waiting| waiting.held).filter(|_| faults.reorder);
    let held = faults.reorder && overtaken.is_none();
    if let Some(overtaken) = overtaken {
        (overtaken.held, overtaken.at) = (false, due + FIRST_PAUSE * 2);
    }
    let at = if held { due + HELD } else { due };
    let (reference, copies) = (trade.reference.clone(), faults.repeat);
    let waiting = Waiting { event, reference, happened, at, held, copies, attempts: 0, tampered: faults.tamper };
    state.waiting.push(waiting);
    drop(state);
    sim.0.queue.wake.notify_one();
}

pub(super) fn overview(sim: &Sim) -> Overview {
    let state = lock(&sim.0.queue.state);
    Overview {
        waiting: state.waiting.len() + state.leaving,
        lost: state.lost,
        sent: state.sent.iter().cloned().collect(),
    }
}

/// Lets the time pass that notifications wait for.
pub(super) fn hurry(sim: &Sim) {
    let mut state = lock(&sim.0.queue.state);
    for waiting in &mut state.waiting {
        (waiting.at, waiting.held) = (Instant::now(), false);
    }
    drop(state);
    sim.0.queue.wake.notify_one();
}

/// Until `shutdown`.
pub(super) async fn send(sim: Sim, shutdown: CancellationToken) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).build()?;
    let mut sending: JoinSet<()> = JoinSet::new();
    while !shutdown.is_cancelled() {
        let next = take_due(&sim, AT_ONCE_MAX - sending.len().min(AT_ONCE_MAX));
        for waiting in next.due {
            let (sim, http) = (sim.clone(), http.clone());
            sending.spawn(async move { deliver(&sim, &http, waiting).await });
        }
        let pause = next.at.unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = sim.0.queue.wake.notified() => {}
            _ = sending.join_next(), if !sending.is_empty() => {}
            () = tokio::time::sleep_until(pause), if sending.len() < AT_ONCE_MAX => {}
        }
    }
    Ok(())
}

struct Next {
    due: Vec<Waiting>,
    /// When something else will be.
    at: Option<Instant>,
}

fn take_due(sim: &Sim, room: usize) -> Next {
    let mut state = lock(&sim.0.queue.state);
    let now = Instant::now();
    state.waiting.sort_by_key(|waiting| waiting.at);
    let due = state.waiting.iter().take_while(|waiting| waiting.at <= now).count().min(room);
    let due: Vec<Waiting> = state.waiting.drain(..due).collect();
    state.leaving += due.len();
    Next { due, at: state.waiting.first().map(|waiting| waiting.at) }
}

async fn deliver(sim: &Sim, http: &reqwest::Client, mut waiting: Waiting) {
    let trade = sim.books().trade(&waiting.reference).cloned();
    let outgoing = trade.as_ref().and_then(|it| sim.0.face.notification(it, &waiting.happened, &waiting.event));
    let (Some(trade), Some(outgoing)) = (trade, outgoing) else {
        lock(&sim.0.queue.state).leaving -= 1;
        return;
    };
    waiting.attempts += 1;
    let outgoing = if waiting.tampered { tampered(outgoing) } else { outgoing };
    let (status, acknowledged) = match post(sim, http, outgoing).await {
        Ok((status, body)) => (Some(status.as_u16()), sim.0.face.is_acknowledged(status, &body)),
        Err(error) => {
            tracing::debug!(provider = sim.0.name, error = %error.without_url(), "a notification was not taken");
            (None, false)
        }
    };
    let Waiting { event, attempts, .. } = waiting.clone();
    let mut state = lock(&sim.0.queue.state);
    state.leaving -= 1;
    let ends = acknowledged || attempts >= ATTEMPTS_MAX;
    if ends {
        if state.sent.len() >= SENT_MAX {
            state.sent.pop_front();
        }
        state.sent.push_back(Sent { event, number: trade.number, attempts, acknowledged, status });
    }
    if !ends {
        let doublings = attempts.saturating_sub(1).min(16);
        waiting.at = Instant::now() + (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
        state.waiting.push(waiting);
    } else if waiting.copies > 0 {
        (waiting.copies, waiting.attempts, waiting.at) = (waiting.copies - 1, 0, Instant::now());
        state.waiting.push(waiting);
    }
    drop(state);
    sim.0.queue.wake.notify_one();
}

async fn post(
    sim: &Sim,
    http: &reqwest::Client,
    outgoing: Outgoing,
) -> Result<(reqwest::StatusCode, axum::body::Bytes), reqwest::Error> {
    let Outgoing { method, url, headers, body } = outgoing;
    let mut call = http.request(method, address(sim, &url)).body(body);
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        if let Ok(value) = HeaderValue::from_str(&value) {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await?;
    let status = answer.status();
    Ok((status, answer.bytes().await?))
}

/// Where it goes: the host may have been replaced, and a path alone needs one.
fn address(sim: &Sim, url: &str) -> String {
    let Some(base) = sim.notify_base() else { return url.to_owned() };
    let path = match Url::parse(url) {
        Ok(url) => match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        },
        Err(_) => url.to_owned(),
    };
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

/// One byte is another one: of the body, or of the query where there is none.
fn tampered(mut outgoing: Outgoing) -> Outgoing {
    // A digit of what is told, so that it stays what can be parsed and says something else.
    let changed = |byte: u8| if byte == b'9' { b'8' } else { byte + 1 };
    let middle = outgoing.body.len() / 2;
    let at = outgoing.body.iter().skip(middle).position(u8::is_ascii_digit).map(|at| at + middle);
    if let Some(byte) = at.and_then(|at| outgoing.body.get_mut(at)) {
        *byte = changed(*byte);
    } else if let Some((path, query)) = outgoing.url.split_once('?') {
        let at = query.find("money=").map_or(0, |at| at + "money=".len());
        let (before, after) = query.split_at(at);
        let mut bytes = after.as_bytes().to_vec();
        if let Some(byte) = bytes.iter_mut().find(|byte| byte.is_ascii_digit()) {
            *byte = changed(*byte);
        }
        outgoing.url = format!("{path}?{before}{}", String::from_utf8_lossy(&bytes));
    }
    outgoing
}
