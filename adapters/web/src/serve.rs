//! Serving a router to the network with the bounds that [`axum::serve`] can't set.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tower::Service;

use crate::guard::MAX_HEADER_BYTES;

/// How long a client may take to send the headers of a request.
const HEADER_READ_TIME: Duration = Duration::from_secs(10);
/// How long requests under way may take once the server is told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(30);
/// A machine that is out of descriptors gets some back as connections close.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(500);

/// Serves `router` over HTTP/1.1 until `shutdown` completes, then finishes the requests under way, at most 30 s.
///
/// A client has 10 s to send its headers, at most 32 KiB of them; the router itself bounds bodies. Each request carries
/// its socket's address, as [`router`](crate::router) needs it.
///
/// # Errors
/// The listener's, if its address can't be read. A connection that fails ends alone.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()> + Send) -> io::Result<()> {
    listener.local_addr()?;
    let (under_way, mut shutdown) = (GracefulShutdown::new(), std::pin::pin!(shutdown));
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => connect(stream, peer, router.clone(), &under_way),
                Err(error) => wait_out(&error).await,
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(LAST_REQUESTS, under_way.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way {} s after the server was told to stop", LAST_REQUESTS.as_secs());
    }
    Ok(())
}

fn connect(stream: TcpStream, peer: SocketAddr, router: Router, under_way: &GracefulShutdown) {
    // Replies are written whole; waiting to fill a packet would only delay them.
    let _: io::Result<()> = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIME)
        // Bounds the memory; what fits in by a whisker is refused by the router.
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let connection = under_way.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%peer, %error, "a connection failed");
        }
    });
}

async fn wait_out(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "no connection can be accepted");
        tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
    }
}
