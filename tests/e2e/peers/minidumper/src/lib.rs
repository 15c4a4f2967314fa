// SPDX-License-Identifier: MIT
//! Inside the process that may crash: starts the server, connects to it and asks it for a dump when a signal comes.
use std::ffi::{c_char, CStr};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crash_handler::{CrashContext, CrashEventResult, CrashHandler};
use minidumper::{Client, SocketName};

static HANDLER: Mutex<Option<CrashHandler>> = Mutex::new(None);

/// Starts the server program, which makes a socket and the dump in the folder. Returns 0, or -1 with a line on stderr.
///
/// # Safety
/// Both are strings of C.
#[no_mangle]
pub unsafe extern "C" fn minidumper_watch(server: *const c_char, folder: *const c_char) -> i32 {
    match watch(&CStr::from_ptr(server).to_string_lossy(), &CStr::from_ptr(folder).to_string_lossy()) {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("minidumper: {error}");
            -1
        }
    }
}

fn watch(program: &str, folder: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Command::new(program).arg(folder).stdout(Stdio::piped()).spawn()?;
    let mut ready = [0; 1];
    server.stdout.take().ok_or("no pipe")?.read_exact(&mut ready)?;
    let client = Client::with_name(SocketName::path(&format!("{folder}/socket")))?;
    let event = unsafe {
        crash_handler::make_crash_event(move |context: &CrashContext| {
            CrashEventResult::Handled(client.request_dump(context).is_ok())
        })
    };
    let handler = CrashHandler::attach(event)?;
    handler.set_ptracer(Some(server.id()));
    *HANDLER.lock().map_err(|_| "poisoned")? = Some(handler);
    Ok(())
}
