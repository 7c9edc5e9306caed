//! What happens around the nodes: network, faults, chance.

pub mod nemesis;
pub mod network;
pub mod rng;
pub mod topology;
