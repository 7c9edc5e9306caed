//! The embedded test bench.
pub mod rng;
