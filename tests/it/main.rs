//! The ordinary tests of the whole: see tests/README.md for which test goes where.

mod abuse;
mod crash;
mod layers;
mod process;
mod replay;
mod serving;
mod slt;
mod target;
mod wire;
