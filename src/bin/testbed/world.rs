//! What happens around the nodes: network, faults, services, chance.

pub mod nemesis;
pub mod network;
pub mod processor;
pub mod rng;
pub mod services;
pub mod topology;
