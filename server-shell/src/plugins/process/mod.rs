//! Plugins in processes of their own (plugins.md section 5.5, `Isolation = process`), and the probe of a library before it is loaded into
//! this one (section 5.4, step 6).
//!
//! The process is this program, started anew with a hidden command (`worker.rs`). It has two things from the server: one end of a pair of
//! sockets as its standard input, and the checked file as its standard output, so that nothing is opened by its path again. `message.rs` is
//! what is said over the socket, `frame.rs` in which form, `stream.rs` how threads that wait read and write that.
//!
//! In the server, `launch.rs` starts a process and has it load the library; `remote.rs` keeps one running and starts it anew when it
//! ends; `connection.rs` is the server's end of the socket. In the process, `to_server.rs` is the other end, and `forward.rs` takes what the
//! log and the counters of a plugin are in the server to there.

mod connection;
mod forward;
mod frame;
mod launch;
mod message;
mod remote;
mod stream;
mod to_server;
mod worker;

pub use connection::NotAsked;
pub use launch::{LIBRARY_PATH, NotLoadable, ProcessLimits, Remains, load_apart, probe};
pub use remote::{Remote, RemoteControls};
pub use worker::{HOST_SWITCH, PROBE_SWITCH, main as worker_main};
