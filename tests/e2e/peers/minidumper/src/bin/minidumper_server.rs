// SPDX-License-Identifier: MIT
//! minidumper_server FOLDER: says "r" on stdout when it listens on FOLDER/socket, writes FOLDER/crash.dmp when its client
//! crashes, ends with its client.
use std::fs::File;
use std::io::{Error, Write};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use minidumper::{LoopAction, MinidumpBinary, Server, ServerHandler, SocketName};

struct Handler(PathBuf);

impl ServerHandler for Handler {
    fn create_minidump_file(&self) -> Result<(File, PathBuf), Error> {
        let path = self.0.join("crash.dmp");
        Ok((File::create(&path)?, path))
    }

    fn on_minidump_created(&self, result: Result<MinidumpBinary, minidumper::Error>) -> LoopAction {
        if let Err(error) = result {
            eprintln!("minidumper: {error}");
        }
        LoopAction::Exit
    }

    fn on_message(&self, _kind: u32, _buffer: Vec<u8>) {}

    fn on_client_disconnected(&self, clients: usize) -> LoopAction {
        if clients == 0 {
            LoopAction::Exit
        } else {
            LoopAction::Continue
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: minidumper_server FOLDER")?;
    let mut server = Server::with_name(SocketName::path(&format!("{folder}/socket")))?;
    std::io::stdout().write_all(b"r")?;
    std::io::stdout().flush()?;
    server.run(Box::new(Handler(folder.into())), &AtomicBool::new(false), None)?;
    Ok(())
}
