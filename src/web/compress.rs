//! Long answers, made shorter for who can read them so. Only what was asked for by GET: the answer to a write is small,
//! and may lie beside a secret. Not a layer, for a layer wraps every answer, and most are writes.

use std::convert::Infallible;
use std::future::ready;

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use axum::response::Response;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

/// Below it, compressing costs more than sending.
const COMPRESSED_BYTES_MIN: u64 = 4 << 10;

/// `accepted` is what the client says it can read.
pub(super) async fn compressed(accepted: HeaderValue, response: Response) -> Response {
    let mut request = Request::new(());
    request.headers_mut().insert(header::ACCEPT_ENCODING, accepted);
    let mut response = Some(response);
    let given = service_fn(move |_: Request<()>| ready(Ok::<_, Infallible>(response.take().unwrap_or_default())));
    let worth_it = DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_BYTES_MIN));
    match CompressionLayer::new().compress_when(worth_it).layer(given).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}
