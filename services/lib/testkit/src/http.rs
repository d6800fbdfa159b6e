//! Plain HTTP without a client library, so that nothing of ours vouches for itself.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, ToSocketAddrs},
};

/// The answer's head and body.
pub async fn get(address: impl ToSocketAddrs, path: &str) -> String {
    ask(
        address,
        &format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"),
    )
    .await
}

/// The answer's head and body; `headers` end with a line break each.
pub async fn post(address: impl ToSocketAddrs, headers: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("POST / HTTP/1.0\r\n{headers}Content-Length: {length}\r\n\r\n");
    ask(address, &(head + body)).await
}

/// What `/metrics` says.
pub async fn metrics(address: impl ToSocketAddrs) -> String {
    get(address, "/metrics").await
}

async fn ask(address: impl ToSocketAddrs, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}
