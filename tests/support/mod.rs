//! What the promises are tried with: real servers, the real binary, a real client, and the few
//! stand-ins that must misbehave on command.
//!
//! Everything here is blocking and owns its threads, so that it serves tests with and without an
//! async runtime alike, and a test that blocks its runtime never stalls a stand-in. Nothing here
//! knows what is promised; nothing listens beyond loopback; nothing outlives the test process.

pub mod aimock;
pub mod arrivals;
pub mod aws_front;
pub mod aws_metadata;
pub mod connect_recorder;
pub mod crowd;
pub mod environment;
pub mod full_pipe;
pub mod http;
pub mod keyward;
pub mod misbehaving;
pub mod moto;
pub mod openbao;
pub mod openbao_api;
pub mod pausing_proxy;
pub mod postgres;
pub mod process;
pub mod python;
pub mod runtime;
pub mod tls;
pub mod upstream;
pub mod vendors;
