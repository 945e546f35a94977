//! The forward service's stand-in, over a real socket.

use std::net::SocketAddr;
use std::time::Duration;

use billing_ledger::forward::simulator::{Received, Simulator, SimulatorOptions};
use billing_ledger::forward::{ForwardClient, ForwardOptions};
use secrecy::SecretString;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const ADMIN_TOKEN: &str = "admin-token";
pub(crate) const SIGNING_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Shorter than the client's patience below, or as long as forever.
const SLOW: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends when it is dropped.
pub(crate) struct ForwardService {
    address: SocketAddr,
    http: reqwest::Client,
    _ends: DropGuard,
}

impl ForwardService {
    pub(crate) async fn start() -> Self {
        let options = SimulatorOptions {
            admin_token: Some(SecretString::from(ADMIN_TOKEN)),
            signing_secret: Some(SecretString::from(SIGNING_SECRET)),
            slow: SLOW,
            ..SimulatorOptions::default()
        };
        let simulator = Simulator::bind("127.0.0.1:0".parse().expect("an address"), options).await.expect("a port");
        let (address, end) = (simulator.address(), CancellationToken::new());
        tokio::spawn(simulator.serve(end.clone()));
        Self { address, http: reqwest::Client::new(), _ends: end.drop_guard() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As the ledger is configured, with less patience.
    pub(crate) fn options(&self) -> ForwardOptions {
        ForwardOptions {
            admin_token: Some(SecretString::from(ADMIN_TOKEN)),
            signing_secret: Some(SecretString::from(SIGNING_SECRET)),
            timeout: PATIENCE,
            ..ForwardOptions::new(self.url().parse().expect("an address"))
        }
    }

    pub(crate) fn client(&self) -> ForwardClient {
        ForwardClient::try_new(&self.options()).expect("a client")
    }

    pub(crate) async fn misbehave(&self, faults: &'static str) {
        let answer = self.http.put(format!("{}/faults", self.url())).body(faults).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    pub(crate) async fn requests(&self) -> Vec<Received> {
        let answer = self.http.get(format!("{}/requests", self.url())).send().await.expect("an answer");
        answer.json().await.expect("a list")
    }
}
