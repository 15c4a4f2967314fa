/* SPDX-License-Identifier: MIT */
/* What the samples tell; of test_panic.c. */
{"asan", "sanitizer thread=/0 aborts { AddressSanitizer: heap-use-after-free on address 0x602000000011 at pc "
         "0x5560a84b4955 bp 0x7ffe8c60e220 sp 0x7ffe8c60e218 @ |main /srv/app/c.cpp:18:0 x4 }\n"},
    {"cpp-pure", "cpp thread=/0 aborts { pure virtual method called: pure virtual method called }\n"},
    {"cpp-throw", "cpp thread=/0 aborts { std::runtime_error: boom\nmulti\n/dev/fd/3: line 47:  5850 Aborted           "
                  "      ./c throw }\n"},
    {"glibc-assert", "glibc thread=/0 aborts { assertion failed: c: c.cpp:15: int main(int, char**): Assertion "
                     "`a==\"x\"' failed. @ |int main(int, char**) c.cpp:15:0 x1 }\n"},
    {"glibc-free", "glibc thread=/0 aborts { heap corruption: free(): double free detected in tcache 2 }\n"},
    {"glog-fatal", "cpp thread=/0 aborts { check failure: dead @ |main :0:0 x4 }\n"},
    {"go-deadlock", "go thread=goroutine 1/1 aborts { fatal error: all goroutines are asleep - deadlock! @ main|main "
                    "/srv/app/m.go:10:0 x1 }\n"},
    {"go-goroutine-panic", "go thread=goroutine 18/18 aborts { panic: runtime error: index out of range [9] with "
                           "length 1 @ main|f /srv/app/m.go:3:0 x2 }\n"},
    {"go-nested",
     "go thread=goroutine 1/1 aborts { panic: err\nmulti } { panic: second @ main|main.func1 /srv/app/m.go:8:0 x4 }\n"},
    {"go-nil", "go thread=goroutine 1/1 aborts { panic: runtime error: invalid memory address or nil pointer "
               "dereference @ main|main /srv/app/m.go:4:0 x1 }\n"},
    {"go-overflow",
     "go thread=goroutine 1/1 aborts { fatal error: stack overflow @ main|rec /srv/app/m.go:5:0 x24 }\n"},
    {"go-panic", "go thread=goroutine 1/1 aborts { panic: runtime error: index out of range [9] with length 1 @ main|f "
                 "/srv/app/m.go:3:0 x2 }\n"},
    {"go-zerolog", "go thread=goroutine 1/1 aborts { panic: dead @ github.com/rs/zerolog|(*Logger).Panic.func1 "
                   "/usr/share/gocode/src/github.com/rs/zerolog/log.go:359:0 x4 }\n"},
    {"java", "java thread=main/0 { java.lang.RuntimeException: inner @ J|f J.java:1:0 x9 } { "
             "java.lang.IllegalStateException: outer\nmulti @ J|f J.java:1:0 x2 }\n"},
    {"node-cause", "node thread=/0 aborts { Error: inner @ |Object.<anonymous> /srv/app/n.js:2:51 x7 } { TypeError: "
                   "outer @ |Object.<anonymous> /srv/app/n.js:2:22 x3 }\n"},
    {"node-heap", "node thread=/0 aborts { FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of "
                  "memory @ |node::OOMErrorHandler(char const*, v8::OOMDetails const&) :0:0 x10 }\n"},
    {"node-members", "node thread=/0 aborts { Error: multi\nline @ |Object.<anonymous> /srv/app/n.js:7:24 x7 }\n"},
    {"node-rejection",
     "node thread=/0 aborts { UnhandledPromiseRejection: This error originated either by throwing inside of an async "
     "function without a catch block, or by rejecting a promise which was not handled with .catch(). The promise "
     "rejected with the reason \"why\". @ |throwUnhandledRejectionsMode node:internal/process/promises:389:7 x3 }\n"},
    {"node-throw", "node thread=/0 aborts { Error: boom @ |Object.<anonymous> /srv/app/lg.js:6:22 x7 }\n"},
    {"node-thrown", "node thread=/0 aborts { thrown: text @ | /srv/app/n.js:3:0 x1 }\n"},
    {"python", "python thread=/0 { KeyError: 'k' @ |<module> /srv/app/lg.py:6:0 x1 }\n"
               "python thread=/0 { ValueError: x @ |<module> /srv/app/lg.py:8:0 x1 }\n"},
    {"python-fault", "python thread=/140220375055232 aborts { Fatal Python error: Segmentation fault @ |string_at "
                     "/usr/lib/python3.11/ctypes/__init__.py:519:0 x2 }\n"},
    {"python-group", "python thread=/0 { ValueError: 1 @ |g /srv/app/e.py:10:0 x1 } { ExceptionGroup: in (1 "
                     "sub-exception) } { ValueError: 2 @ |g /srv/app/e.py:10:0 x1 } { ExceptionGroup: eg (2 "
                     "sub-exceptions) @ |<module> /srv/app/e.py:12:0 x1 }\n"},
    {"python-note", "python thread=/0 { ValueError: x\na note\nmore @ |<module> /srv/app/e.py:14:0 x1 }\n"},
    {"python-syntax", "python thread=/0 { SyntaxError: invalid syntax @ | /srv/app/s.py:1:0 x1 }\n"},
    {"python-thread-chain", "python thread=work er/0 { KeyError: 'k' @ |f /srv/app/e.py:4:0 x1 } { E: multi\nline @ |f "
                            "/srv/app/e.py:5:0 x3 }\n"},
    {"rust163-panic-fmt", "rust thread=main/0 { panic: value 42 too big @ |p::main /srv/app/p.rs:10:13 x2 }\n"},
    {"rust163-panic-main", "rust thread=main/0 { panic: index out of bounds: the len is 1 but the index is 7 @ "
                           "|p::inner /srv/app/p.rs:2:34 x3 }\n"},
    {"rust163-panic-noname", "rust thread=<unnamed>/0 { panic: need a value @ |core::option::Option<T>::expect "
                             "/usr/src/rustc-1.63.0/library/core/src/option.rs:738:21 x2 }\n"},
    {"rust163-panic-thread", "rust thread=worker-1/0 { panic: index out of bounds: the len is 1 but the index is 7 @ "
                             "|p::inner /srv/app/p.rs:2:34 x2 }\n"},
    {"rust163-panic-unwrap",
     "rust thread=main/0 { panic: called `Result::unwrap()` on an `Err` value: \"multi\\nline\" @ "
     "|core::result::Result<T,E>::unwrap /usr/src/rustc-1.63.0/library/core/src/result.rs:1098:23 x3 }\n"},
    {"rust195-double",
     "rust thread=main/5144 aborts { panic: first @ |d::main ./d.rs:5:30 x2 } { panic: second @ |<d::D as "
     "core::ops::drop::Drop>::drop /srv/app/d.rs:1:49 x21 } { panic: panic in a destructor during cleanup @ | "
     "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/panicking.rs:233:5 x1 }\n"},
    {"rust195-overflow",
     "rust thread=main/5150 aborts { stack overflow: thread 'main' (5150) has overflowed its stack }\n"},
    {"rust195-panic-fmt", "rust thread=main/29568 { panic: value 42 too big @ |p::main ./p.rs:10:13 x2 }\n"},
    {"rust195-panic-full", "rust thread=main/29570 { panic: index out of bounds: the len is 1 but the index is 7 @ "
                           "|p::inner /srv/app/p.rs:2:34 x20 }\n"},
    {"rust195-panic-main", "rust thread=main/29541 { panic: index out of bounds: the len is 1 but the index is 7 @ "
                           "|p::inner ./p.rs:2:34 x3 }\n"},
    {"rust195-panic-nobt",
     "rust thread=main/29576 { panic: index out of bounds: the len is 1 but the index is 7 @ | p.rs:2:34 x1 }\n"},
    {"rust195-panic-noname",
     "rust thread=<unnamed>/29554 { panic: need a value @ |core::option::Option<T>::expect "
     "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/option.rs:971:21 x2 }\n"},
    {"rust195-panic-thread", "rust thread=worker-1/29544 { panic: index out of bounds: the len is 1 but the index is 7 "
                             "@ |p::inner ./p.rs:2:34 x2 }\n"},
    {"rust195-panic-unwrap",
     "rust thread=main/29551 { panic: called `Result::unwrap()` on an `Err` value: \"multi\\nline\" @ "
     "|core::result::Result<T,E>::unwrap "
     "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/result.rs:1233:23 x3 }\n"},
    {"rust195-two", "rust thread=w/5155 { panic: a\nb @ | d.rs:8:76 x1 }\n"
                    "rust thread=<unnamed>/5157 { panic: multi\nline\ngoes on @ | d.rs:8:148 x1 }\n"},
