// SPDX-License-Identifier: MIT
// Panics and crashes of Rust. With panic=abort and panic=unwind.
use std::thread;
use std::time::Duration;

mod deep {
    #[inline(always)]
    pub fn inlined_leaf(at: usize) -> u8 {
        unsafe { std::ptr::read_volatile(at as *const u8) }
    }

    #[inline(never)]
    pub fn outer_fn(at: usize) -> u8 {
        inlined_leaf(at).wrapping_add(1)
    }
}

#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let room = [depth; 64];
    std::hint::black_box(&room);
    recurse(depth + 1) + room[3]
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("second panic while the first unwinds");
    }
}

fn main() {
    let how = std::env::args().nth(1).unwrap_or_default();
    match how.as_str() {
        "thread" => {
            let worker = thread::Builder::new()
                .name("cart-worker".to_string())
                .spawn(|| {
                    let message = "first line of the message\nsecond line of it";
                    panic!("{}", message);
                })
                .unwrap();
            let _ = worker.join();
            thread::sleep(Duration::from_millis(200));
            println!("goes on");
        }
        "main" => panic!("main has panicked"),
        "expect" => {
            let result: Result<u32, String> = Err("a reason\nof two lines".to_string());
            result.expect("could not do it");
        }
        "double" => {
            let _bomb = Bomb;
            panic!("first panic");
        }
        "segv" => {
            let worker = thread::Builder::new()
                .name("rust-worker".to_string())
                .spawn(|| deep::outer_fn(0x10))
                .unwrap();
            let _ = worker.join();
        }
        "overflow" => {
            let worker = thread::Builder::new()
                .name("recursion".to_string())
                .spawn(|| println!("{}", recurse(0)))
                .unwrap();
            let _ = worker.join();
        }
        _ => {}
    }
}
