//! Pages of strangers in a real browser, over plain http, where it says least of itself: none of them causes a tick.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    process::Command,
};

use crate::support::{Scheduler, World};

/// Names that the browser resolves to loopback. `scaler` has no dot, so it is a name of ours; and because it isn't
/// `localhost`, the browser sends no Sec-Fetch headers to it. Both are the worst case.
const OURS: &str = "scaler";
const STRANGER: &str = "evil.example";

/// Debian's or another one.
fn browser() -> PathBuf {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|path| path.exists())
        .unwrap_or_else(|| {
            panic!("a browser is missing: install Chromium or Chrome; on Debian `make test` does")
        })
}

/// Answers every request with `page`.
async fn stranger(page: String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let page = page.clone();
            tokio::spawn(async move {
                let mut request = [0; 8_192];
                let _ = socket.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    page.len()
                );
                let _ = socket.write_all((head + &page).as_bytes()).await;
            });
        }
    });
    port
}

/// Stands before the scheduler and keeps the head of each request that passes.
async fn recorder(scheduler: &Scheduler) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let address = scheduler.url.trim_start_matches("http://").to_owned();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (address, heads) = (address.clone(), Arc::clone(&heads));
            tokio::spawn(async move {
                let mut head = vec![0; 16_384];
                let length = socket.read(&mut head).await.unwrap_or(0);
                head.truncate(length);
                if length == 0 {
                    return;
                }
                heads
                    .lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&head).into_owned());
                let mut upstream = TcpStream::connect(address).await.unwrap();
                upstream.write_all(&head).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut socket, &mut upstream).await;
            });
        }
    });
    (port, seen)
}

/// Opens `url` for a few seconds of the page's time; what the page has become, as HTML.
async fn open(browser: &Path, url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Older pages than today's defaults are what a stranger would look for.
            "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
            "--virtual-time-budget=4000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!(
            "--host-resolver-rules=MAP {OURS} 127.0.0.1, MAP {STRANGER} 127.0.0.1"
        ))
        .arg(url)
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(60), command.output()).await;
    let output = output.unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn no_page_of_a_stranger_causes_a_tick() {
    let browser = browser();
    let world = World::start().await;
    let scheduler = world.scheduler("http_allow_get: true").await;
    let (port, seen) = recorder(&scheduler).await;
    let target = format!("http://{OURS}:{port}/autoscale");
    for (way, page) in [
        ("img", format!("<img src='{target}'>")),
        (
            "img without a referrer",
            format!("<meta name=referrer content=no-referrer><img src='{target}'>"),
        ),
        (
            "script",
            format!("<script src='{target}' referrerpolicy=no-referrer></script>"),
        ),
        (
            "iframe",
            format!("<iframe src='{target}' referrerpolicy=no-referrer></iframe>"),
        ),
        (
            "style sheet",
            format!("<link rel=stylesheet href='{target}' referrerpolicy=no-referrer>"),
        ),
        (
            "prefetch",
            format!("<link rel=prefetch href='{target}' referrerpolicy=no-referrer>"),
        ),
        (
            "fetch by GET",
            format!(
                "<script>fetch('{target}', {{mode: 'no-cors', referrerPolicy: 'no-referrer'}})</script>"
            ),
        ),
        (
            "fetch by POST",
            format!(
                "<script>fetch('{target}', {{method: 'POST', mode: 'no-cors', referrerPolicy: 'no-referrer'}})</script>"
            ),
        ),
        (
            "form",
            format!(
                "<meta name=referrer content=no-referrer><form method=post action='{target}'></form>\
                 <script>document.forms[0].submit()</script>"
            ),
        ),
        (
            "navigation",
            format!(
                "<meta name=referrer content=no-referrer><script>location = '{target}'</script>"
            ),
        ),
    ] {
        let before = seen.lock().unwrap().len();
        let stranger = stranger(page).await;
        open(&browser, &format!("http://{STRANGER}:{stranger}/")).await;
        let heads = seen.lock().unwrap()[before..].to_vec();
        // What never arrives proves nothing.
        assert!(
            heads.iter().any(|head| head.contains(" /autoscale ")),
            "{way}: the browser sent nothing: {heads:?}"
        );
        assert!(
            world.decision.requests.lock().unwrap().is_empty(),
            "{way} caused a tick: {heads:?}"
        );
    }
    // The same port acts for a script.
    let script = reqwest::get(format!("http://127.0.0.1:{port}/autoscale")).await;
    assert_eq!(script.unwrap().status(), 200);
    assert!(!world.decision.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_documentation_page_works_under_its_content_security_policy() {
    let browser = browser();
    let world = World::start().await;
    let scheduler = world.scheduler("").await;
    let (port, _) = recorder(&scheduler).await;
    let page = open(&browser, &format!("http://{OURS}:{port}/docs/")).await;
    // Only its scripts write that, from the document that they ask for.
    assert!(page.contains("/autoscale_status"), "{page}");
}
