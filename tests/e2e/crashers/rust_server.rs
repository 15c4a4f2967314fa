// SPDX-License-Identifier: MIT
// A server in Rust with a part in C: its log goes through an asynchronous logger, as with slog-async, and a request makes
// the C part crash.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

extern "C" {
    fn resize_image(width: i32) -> i32;
}

#[inline(never)]
fn handle(path: &str, log: &mpsc::Sender<String>) -> i32 {
    log.send(format!("INFO handling {path}")).unwrap();
    let width = path.rsplit('/').next().and_then(|text| text.parse().ok()).unwrap_or(1);
    log.send(format!("INFO resizing to {width}")).unwrap();
    thread::sleep(Duration::from_millis(100)); // the logger's thread gets its turn
    unsafe { resize_image(width) }
}

fn main() {
    let (log, lines) = mpsc::channel::<String>();
    thread::Builder::new()
        .name("async-log".to_string())
        .spawn(move || {
            for line in lines {
                eprintln!("{line}");
            }
        })
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let log = log.clone();
        thread::Builder::new()
            .name("request".to_string())
            .spawn(move || {
                let mut bytes = [0u8; 1024];
                let length = stream.read(&mut bytes).unwrap_or(0);
                let text = String::from_utf8_lossy(&bytes[..length]).to_string();
                let path = text.split_whitespace().nth(1).unwrap_or("/").to_string();
                let size = handle(&path, &log);
                let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{size}\n");
            })
            .unwrap();
    }
}
