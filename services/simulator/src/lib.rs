//! A world to try the services in: what they meet outside is simulated, the services are the real ones.
//!
//! [`world`] is all of it, with the clock that moves it: machines ([`fleet`]) with what they have to do ([`workload`], or a
//! recorded [`trace`]) and what they cost ([`prices`]), and an account of what came of it ([`ledger`]). Services see it as
//! they see the real one: as EC2 ([`cloud`], and [`wire`] for the AWS SDK) and as [`prometheus`].
//!
//! [`closed_loop`] needs no world: it plays recorded demand through ways of choosing sizes and says what came of each;
//! [`measuring`] is the command that prints it.
//!
//! [`resizes`] is told what the services do to the machines. [`services`] runs the real ones in this process, without a socket; `autoscaler demo` runs them over gRPC.
//!
//! Invariant: the same seed gives the same world, whenever it is asked.

pub mod closed_loop;
pub mod cloud;
pub mod fleet;
pub mod ledger;
pub mod measuring;
pub mod prices;
pub mod prometheus;
pub mod resizes;
pub mod scenario;
pub mod services;
pub mod source;
pub mod trace;
pub mod wire;
pub mod workload;
pub mod world;
