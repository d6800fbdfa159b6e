//! A world to try the services in: what they meet outside is simulated, the services are the real ones.
//!
//! [`cloud`] is EC2 and SSM in memory; [`wire`] is the same over HTTP, as the AWS SDK meets it.

pub mod cloud;
pub mod wire;
