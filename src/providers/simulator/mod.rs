//! What all simulators have in common: a provider's side of it, on this machine, with the provider's real signatures.
//!
//! ```text
//!   ledger ──► the provider's API (its face), signatures checked ──► books
//!   somebody pays at /pay/… ──► books ──► queue ──► notification, signed at every attempt ──► ledger
//!                                                        ▲ again, ever later, until it is acknowledged
//! ```
//!
//! ```text
//! mod.rs     the face that a provider's folder brings, start and stop      keys.rs   keys and secrets, made on first use
//! books.rs   what is to be paid, was paid, went back                       queue.rs  notifications on their way
//! faults.rs  what goes wrong, as it was set                                control.rs  pay, give back, look, misbehave
//! stage.rs   for tests of a provider: its simulator, an ear, a browser
//! ```
//!
//! For development and tests: it forgets everything but its keys when it ends.

mod books;
mod control;
mod faults;
mod keys;
mod queue;
#[cfg(test)]
mod stage;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

pub use books::{Books, NewTrade, NoRefund, PaidThere, RefundThere, Trade};
pub use faults::Faults;
pub use keys::KeyFile;
pub use queue::Sent;
#[cfg(test)]
pub(in crate::providers) use stage::Stage;

use super::registry::Spec;
use super::settings::Values;
use crate::cut::{CutListener, Line};

/// A body longer than this is no call of the ledger's.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What a provider's folder brings.
pub struct Simulated {
    pub face: Arc<dyn Face>,
    /// What the ledger has to be told so that it takes this for the provider.
    pub settings: Values,
}

/// A call of the provider's API, as far as faults care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Create,
    Query,
    Refund,
    Other,
}

/// Something that the provider may tell the merchant of.
#[derive(Debug, Clone)]
pub enum Happened {
    Paid(PaidThere),
    Refunded(RefundThere),
}

/// A notification, signed.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub method: Method,
    /// Where to; what the provider was told, or the path where the ledger listens for it (`/webhooks/crossmint`).
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// One provider's side: its API and its signatures. Faults, books and retries are not its business.
pub trait Face: Send + Sync + 'static {
    /// The provider's own API. Every call's signature is checked as the provider does.
    fn api(&self, sim: Sim) -> Router;

    /// Which kind of call this is.
    fn call(&self, method: &Method, uri: &Uri, body: &[u8]) -> Call;

    /// What is sent of what happened. Signed anew each time, but with the id that `event` gives it. `None`: this provider
    /// says nothing of it.
    fn notification(&self, trade: &Trade, happened: &Happened, event: &str) -> Option<Outgoing>;

    /// Whether this answer stops it from sending again.
    fn is_acknowledged(&self, status: StatusCode, body: &[u8]) -> bool;
}

/// A running simulator; clones share it.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

struct Inner {
    name: &'static str,
    face: Arc<dyn Face>,
    /// Where it is reached.
    base: String,
    books: Mutex<Books>,
    faults: Mutex<Faults>,
    /// Takes the place of scheme, host and port of whatever a notification is sent to.
    notify_base: Mutex<Option<Url>>,
    queue: queue::Queue,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sim {
    /// Its address, without a slash at the end: payment pages are at `{base}/pay/{reference}`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.0.base
    }

    /// Never held across an `await`.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        lock(&self.0.books)
    }

    /// What goes wrong at the moment.
    #[must_use]
    pub fn faults(&self) -> Faults {
        lock(&self.0.faults).clone()
    }

    fn notify_base(&self) -> Option<Url> {
        lock(&self.0.notify_base).clone()
    }

    /// Where notifications go, whatever host they name.
    pub fn notify_at(&self, base: Url) {
        *lock(&self.0.notify_base) = Some(base);
    }

    /// Tells the merchant, unless this provider does not.
    pub fn tell(&self, trade: &Trade, happened: Happened) {
        queue::put(self, trade, happened);
    }
}

/// Bound, ready to serve.
pub struct Simulator {
    listener: TcpListener,
    sim: Sim,
    settings: Values,
}

impl Simulator {
    /// Binds `listen`; port 0 picks one. Keys are in `keys_dir`, made where they are not.
    ///
    /// # Errors
    /// When the address is taken, or the keys can be neither read nor made.
    pub async fn bind(spec: &Spec, listen: SocketAddr, keys_dir: &Path) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let base = format!("http://{}", listener.local_addr()?);
        let mut keys = KeyFile::open(keys_dir, spec.name)?;
        let Simulated { face, settings } = (spec.simulate)(&mut keys, &base)?;
        keys.save()?;
        let inner = Inner {
            name: spec.name,
            face,
            base,
            books: Mutex::default(),
            faults: Mutex::default(),
            notify_base: Mutex::default(),
            queue: queue::Queue::default(),
        };
        Ok(Self { listener, sim: Sim(Arc::new(inner)), settings })
    }

    /// Without a slash at the end.
    #[must_use]
    pub fn base(&self) -> &str {
        self.sim.base()
    }

    /// What the ledger has to be told so that it takes this for the provider.
    #[must_use]
    pub fn settings(&self) -> &Values {
        &self.settings
    }

    #[must_use]
    pub fn sim(&self) -> Sim {
        self.sim.clone()
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self { listener, sim, .. } = self;
        let api = sim.0.face.api(sim.clone()).layer(from_fn_with_state(sim.clone(), misbehave));
        let app = api.merge(control::routes(sim.clone())).into_make_service_with_connect_info::<Line>();
        let sending = queue::send(sim, shutdown.clone());
        let serving = axum::serve(CutListener(listener), app);
        tokio::select! {
            served = async { serving.await } => Ok(served?),
            sent = sending => sent,
            () = shutdown.cancelled() => Ok(()),
        }
    }
}

/// Calls that fail before anything happened, or after everything did and before anybody was told.
async fn misbehave(
    State(sim): State<Sim>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let call = sim.0.face.call(&parts.method, &parts.uri, &body);
    let fault = lock(&sim.0.faults).of(call);
    if fault == Some(faults::CallFault::Fails) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "simulated trouble").into_response();
    }
    let answer = next.run(Request::from_parts(parts, Body::from(body))).await;
    if fault == Some(faults::CallFault::LosesItsAnswer) {
        line.cut();
    }
    answer
}

/// Text of a header, for faces.
#[must_use]
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// JSON as a body, as it is signed.
#[must_use]
pub fn json_bytes(value: &serde_json::Value) -> Bytes {
    Bytes::from(value.to_string())
}
