//! A stand-in for the forward service, for development and tests: issues keys as seed 000 says, and misbehaves when told.
//!
//! ```text
//! mod.rs     options, start and stop
//! routes.rs  POST /api/admin/create-apikey, GET /requests, PUT /faults
//! keys.rs    who has which key: one per user, and per idempotency key
//! fault.rs   the ways to misbehave, each for so many requests
//! ```

pub mod fault;
mod keys;
mod routes;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::sign::SigningKey;
use crate::cut::{CutListener, Line};
use fault::Faults;
use keys::Keys;
pub use routes::Received;

/// How the stand-in behaves.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    pub admin_token: Option<SecretString>,
    pub signing_secret: Option<SecretString>,
    pub faults: Faults,
    /// How late an answer is that is told to be slow.
    pub slow: Duration,
}

impl Default for SimulatorOptions {
    fn default() -> Self {
        Self { admin_token: None, signing_secret: None, faults: Faults::default(), slow: Duration::from_secs(60) }
    }
}

struct Shared {
    admin_token: Option<SecretString>,
    signing: Option<SigningKey>,
    slow: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    keys: Keys,
    received: std::collections::VecDeque<Received>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A bound stand-in, ready to serve.
pub struct Simulator {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Simulator {
    /// Binds `listen`; port 0 picks one.
    ///
    /// # Errors
    /// When the address is taken, or the signing secret is not one.
    pub async fn bind(listen: SocketAddr, options: SimulatorOptions) -> anyhow::Result<Self> {
        let signing = options.signing_secret.as_ref().map(SigningKey::try_new).transpose()?;
        let state = Mutex::new(State { faults: options.faults, ..State::default() });
        let shared = Shared { admin_token: options.admin_token, signing, slow: options.slow, state };
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, shared: Arc::new(shared) })
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`. Connections that are still waiting for a slow answer are dropped.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self, shutdown: CancellationToken) -> std::io::Result<()> {
        let app = routes::router(self.shared).into_make_service_with_connect_info::<Line>();
        let serving = axum::serve(CutListener(self.listener), app);
        tokio::select! {
            served = async { serving.await } => served,
            () = shutdown.cancelled() => Ok(()),
        }
    }
}
