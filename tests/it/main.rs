//! The ordinary tests of the whole: see tests/README.md for which test goes where.
// Tests print what they did and skipped; what they share is public among them.
#![allow(unreachable_pub, clippy::print_stdout)]

mod abuse;
mod chaos;
mod cluster;
mod crash;
mod layers;
mod process;
mod replay;
mod serving;
mod slt;
mod target;
mod wire;
