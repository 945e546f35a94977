//! For tests of a provider: its simulator on a socket, an ear where the ledger would listen, and a browser.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Faults, KeyFile, Sim, Simulator};
use crate::providers::Arrived;
use crate::providers::registry::Spec;
use crate::providers::settings::Values;

const HEARD_WITHIN: Duration = Duration::from_secs(10);

pub(in crate::providers) struct Stage {
    /// What the ledger has to be told.
    pub(in crate::providers) settings: Values,
    pub(in crate::providers) sim: Sim,
    /// It follows no redirection.
    pub(in crate::providers) browser: reqwest::Client,
    spec: &'static Spec,
    heard: mpsc::UnboundedReceiver<Heard>,
    keys: TempDir,
    _stop: DropGuard,
}

/// What came to the ledger's address.
#[derive(Debug)]
pub(in crate::providers) struct Heard {
    method: Method,
    pub(in crate::providers) uri: Uri,
    headers: HeaderMap,
    pub(in crate::providers) body: Bytes,
}

impl Heard {
    pub(in crate::providers) fn arrived(&self) -> Arrived<'_> {
        let Self { method, uri, headers, body } = self;
        Arrived { method, path: uri.path(), query: uri.query(), headers, body }
    }
}

impl Stage {
    /// `acknowledge`: what the ledger answers.
    pub(in crate::providers) async fn new(spec: &'static Spec, acknowledge: (StatusCode, &'static str)) -> Self {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let keys = tempfile::tempdir().unwrap();
        let simulator = Simulator::bind(spec, here, keys.path()).await.unwrap();
        let (settings, sim, stop) = (simulator.settings().clone(), simulator.sim(), CancellationToken::new());
        tokio::spawn(simulator.serve(stop.clone()));
        let listener = TcpListener::bind(here).await.unwrap();
        sim.notify_at(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
        let (tell, heard) = mpsc::unbounded_channel();
        let ear = move |method: Method, uri: Uri, headers: HeaderMap, said: Bytes| {
            tell.send(Heard { method, uri, headers, body: said }).unwrap();
            async move { acknowledge }
        };
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(ear)).await });
        let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { settings, sim, browser, spec, heard, keys, _stop: stop.drop_guard() }
    }

    pub(in crate::providers) fn base(&self) -> &str {
        self.sim.base()
    }

    pub(in crate::providers) fn keys(&self) -> KeyFile {
        KeyFile::open(self.keys.path(), self.spec.name).unwrap()
    }

    pub(in crate::providers) async fn faults(&self, faults: Faults) {
        let asked = self.browser.put(format!("{}/faults", self.base())).json(&faults);
        asked.send().await.unwrap().error_for_status().unwrap();
    }

    /// To its controls: `/pay/…`, `/give-back/…`.
    pub(in crate::providers) async fn post(&self, path: &str, body: &str) {
        let answer = self.browser.post(format!("{}{path}", self.base())).body(body.to_owned()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    }

    /// The next notification, at the address that the ledger has for them.
    pub(in crate::providers) async fn heard(&mut self) -> Heard {
        let heard = tokio::time::timeout(HEARD_WITHIN, self.heard.recv()).await.unwrap().unwrap();
        let webhook = self.spec.webhooks.iter().find(|webhook| webhook.path == heard.uri.path()).unwrap();
        assert!(webhook.methods.contains(&heard.method), "{heard:?}");
        heard
    }

    pub(in crate::providers) fn is_silent(&mut self) -> bool {
        self.heard.try_recv().is_err()
    }
}
