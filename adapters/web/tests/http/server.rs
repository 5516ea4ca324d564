//! `serve` over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::world::World;

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

async fn serve(app: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let shutdown = async { stopped.await.unwrap_or_default() };
    Served { address, stop, server: tokio::spawn(doorwarden_web::serve(listener, app, shutdown)) }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has heard enough may close before all is sent.
    let _ = stream.write_all(request).await;
    let mut reply = vec![];
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

fn request(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn requests_are_answered_with_the_sockets_address_known() {
    let world = World::new().await;
    let app = world.app.route("/peer", get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string()));
    let served = serve(app).await;
    let health = exchange(served.address, &request("/auth/healthz", "")).await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n") && health.ends_with(r#"{"status":"up"}"#), "{health}");
    assert!(exchange(served.address, &request("/peer", "")).await.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn f13_headers_over_32_kib_are_refused() {
    let served = serve(World::new().await.app).await;
    let padded = |bytes: usize| request("/auth/healthz", &format!("x-padding: {}\r\n", "x".repeat(bytes)));
    let reply = exchange(served.address, &padded(32 * 1_024 - 200)).await;
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    let reply = exchange(served.address, &padded(33 * 1_024)).await;
    assert!(reply.starts_with("HTTP/1.1 431"), "{reply}");
}

#[tokio::test]
async fn f13_headers_may_take_ten_seconds() {
    let served = serve(World::new().await.app).await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(b"GET /auth/healthz HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    exchange(served.address, &request("/auth/healthz", "")).await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let mut rest = vec![];
    let _ = stream.read_to_end(&mut rest).await;
    assert!((9..=10).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert!(!String::from_utf8_lossy(&rest).contains("200"), "{rest:?}");
}

#[tokio::test]
async fn stopping_finishes_the_requests_under_way_and_takes_no_more() {
    let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = {
        let (entered, go_on) = (entered.clone(), go_on.clone());
        async move || {
            entered.notify_one();
            go_on.notified().await;
            "finished"
        }
    };
    let Served { address, stop, server } = serve(Router::new().route("/slow", get(slow))).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    let under_way = tokio::spawn(async move { exchange(address, &request("/slow", "")).await });
    entered.notified().await;
    stop.send(()).unwrap();
    let mut nothing = vec![];
    assert_eq!(idle.read_to_end(&mut nothing).await.unwrap(), 0, "an idle connection is closed");
    assert!(!server.is_finished());
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    go_on.notify_one();
    assert!(under_way.await.unwrap().ends_with("finished"));
    tokio::time::timeout(Duration::from_secs(5), server).await.unwrap().unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_a_request_that_never_ends_half_a_minute() {
    let Served { address, stop, server } = serve(Router::new().route("/ever", get(std::future::pending::<&str>))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request("/ever", "")).await.unwrap();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let started = tokio::time::Instant::now();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(started.elapsed() <= Duration::from_secs(31), "{:?}", started.elapsed());
}
