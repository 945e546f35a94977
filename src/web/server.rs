//! Sockets: accepts, serves, and stops without cutting anybody off in the middle of an answer.
//!
//! Bounded: connections, the time a client takes to send its headers, their size, and the time that stopping takes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

const CONNECTIONS_MAX: usize = 16_384;
/// Also how long a connection may idle; longer than the 60 s that load balancers keep theirs.
const HEADERS_WAIT: Duration = Duration::from_secs(75);
const HEADERS_BYTES_MAX: usize = 64 << 10;
const STOP_WAIT: Duration = Duration::from_secs(30);
/// When accepting fails there are no file descriptors left, and trying again at once does not make more.
const AFTER_FAILURE: Duration = Duration::from_millis(200);

/// Serves until `stop`, then finishes what was begun.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let accepting = accept(listener, &router, &connections, places);
    // `None`: told to stop. Accepting never ends by itself.
    if stop.run_until_cancelled(accepting).await.is_some() {
        tracing::error!("no more connections are accepted");
    }
    if tokio::time::timeout(STOP_WAIT, connections.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end within {} s", STOP_WAIT.as_secs());
    }
}

async fn accept(listener: TcpListener, router: &Router, connections: &GracefulShutdown, places: Arc<Semaphore>) {
    while let Ok(place) = places.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = connection(stream, ConnectInfo(peer), router.clone());
                let connection = connections.watch(connection);
                tokio::spawn(async move {
                    // A client that goes away in the middle of something is no news.
                    if let Err(error) = connection.await {
                        tracing::trace!(%error, "a connection broke");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
}

fn connection(
    stream: TcpStream,
    peer: ConnectInfo<SocketAddr>,
    router: Router,
) -> impl GracefulConnection<Output = hyper::Result<()>, Error = hyper::Error> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::trace!(%error, "answers may be held back");
    }
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WAIT)
        .max_buf_size(HEADERS_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
}
