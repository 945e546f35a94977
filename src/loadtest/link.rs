//! One connection, kept alive from request to request.
//!
//! It shares its processors with the server it measures, so it does no more than it must: requests are bytes that were
//! made beforehand, and of an answer only the status and the length are looked at.

use std::io;
use std::net::SocketAddr;

use axum::http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::target::Asked;

/// The server of a load test sends fewer headers and shorter ones.
const HEADERS_MAX: usize = 32;
const HEAD_BYTES_MAX: usize = 16 << 10;
const READ_BYTES: usize = 4 << 10;

/// A connection; it ends when this is dropped.
pub(crate) struct Link {
    stream: TcpStream,
    /// Of the answer that is being read.
    received: Vec<u8>,
    /// The server has said that it will hang up.
    last: bool,
}

/// A request that has no answer.
pub(crate) enum Unanswered {
    /// The connection was gone before any of it was written; it may be asked again.
    NotSent,
    /// It was written, and the connection ended. Whether it was heard, nobody knows.
    Lost,
}

/// What an answer's head says.
struct Head {
    status: StatusCode,
    /// Of head and body.
    bytes: usize,
    last: bool,
}

impl Link {
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(READ_BYTES), last: false })
    }

    /// Asks, and reads the answer to its end.
    pub(crate) async fn ask(&mut self, request: &Asked) -> Result<StatusCode, Unanswered> {
        if self.last || self.has_ended() {
            return Err(Unanswered::NotSent);
        }
        match self.stream.write(request.bytes()).await {
            Ok(written) => match request.bytes().get(written..) {
                Some([]) => {}
                Some(rest) => self.stream.write_all(rest).await.map_err(|_| Unanswered::Lost)?,
                None => return Err(Unanswered::Lost),
            },
            Err(_) => return Err(Unanswered::NotSent),
        }
        let Head { status, bytes, last } = self.answer().await.map_err(|_| Unanswered::Lost)?;
        self.received.drain(..bytes.min(self.received.len()));
        self.last = last;
        Ok(status)
    }

    /// Whether the server hung up while nothing was asked.
    fn has_ended(&self) -> bool {
        match self.stream.try_read(&mut [0; 1]) {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            // An end, or a byte that nobody asked for.
            Ok(_) => true,
        }
    }

    async fn answer(&mut self) -> io::Result<Head> {
        let mut head = None;
        loop {
            if head.is_none() {
                head = parse(&self.received)?;
            }
            if let Some(head) = head.take_if(|head| head.bytes <= self.received.len()) {
                return Ok(head);
            }
            self.received.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// `None`: there is more to come.
fn parse(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = response.parse(received).map_err(io::Error::other)? else {
        return if received.len() < HEAD_BYTES_MAX { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
    };
    let value = |name| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
    let text = |header: &httparse::Header<'_>| std::str::from_utf8(header.value).map(str::to_owned).unwrap_or_default();
    // Nothing that is loaded answers in pieces; what says no length is not understood.
    let length = value("content-length").map(text).and_then(|length| length.trim().parse::<usize>().ok());
    let bytes = length.and_then(|length| head_bytes.checked_add(length)).ok_or(io::ErrorKind::InvalidData)?;
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(io::ErrorKind::InvalidData)?;
    let last = value("connection").is_some_and(|header| header.value.eq_ignore_ascii_case(b"close"));
    Ok(Some(Head { status, bytes, last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let answer = b"HTTP/1.1 402 Payment Required\r\nContent-Length: 5\r\nconnection: close\r\n\r\nhello";
        let head = parse(answer).unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.bytes, head.last), (402, answer.len(), true));
        assert!(parse(&answer[..40]).unwrap().is_none(), "half a head");
    }

    #[test]
    fn what_says_no_length_or_is_no_http_is_refused() {
        assert!(parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
        assert!(parse(b"SMTP ready\r\n\r\n").is_err());
    }
}
