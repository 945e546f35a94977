//! One connection, kept alive from request to request.

use std::io;

use axum::http::StatusCode;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::target::{Asked, Target};

/// A connection; it ends when this is dropped.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    _connection: AbortOnDropHandle<()>,
}

/// A request that has no answer.
pub(super) enum Unanswered {
    /// The connection was gone before any of it was written; it may be asked again.
    NotSent(Box<Asked>),
    /// It was written, and the connection ended. Whether it was heard, nobody knows.
    Lost,
}

impl Link {
    pub(super) async fn open(target: &Target) -> io::Result<Self> {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // What ends a connection, the request that was under way on it hears.
        let connection = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, _connection: AbortOnDropHandle::new(connection) })
    }

    /// Asks, and reads the answer to its end.
    pub(super) async fn ask(&mut self, request: Asked) -> Result<StatusCode, Unanswered> {
        if self.sender.ready().await.is_err() {
            return Err(Unanswered::NotSent(Box::new(request)));
        }
        let answer = self.sender.try_send_request(request).await.map_err(|mut failed| match failed.take_message() {
            Some(request) => Unanswered::NotSent(Box::new(request)),
            None => Unanswered::Lost,
        })?;
        let (head, mut body) = answer.into_parts();
        while let Some(frame) = body.frame().await {
            frame.map_err(|_| Unanswered::Lost)?;
        }
        Ok(head.status)
    }
}
