//! The edge on real sockets: a scripted scanner behind it, a scripted next hop after it, and MTAs in front of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod dialogue;
mod ends;
mod hop;
mod house;
mod limits;
mod lmtp;
mod measure;
mod milter;
mod milter_talk;
mod scanner;
mod smtp;
mod talk;
