//! The contract: messages, clients and servers generated from the `.proto` files beside this crate.
//!
//! Invariant: nothing here is written by hand but module names, and no crate uses these types beyond its `grpc.rs`.

/// Every `.proto` file in one descriptor set, for server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! package {
    ($module:ident, $package:literal) => {
        #[allow(
            missing_docs,
            clippy::all,
            clippy::allow_attributes,
            reason = "generated code"
        )]
        pub mod $module {
            pub mod v1 {
                tonic::include_proto!($package);
            }
        }
    };
}

package!(predictor, "autoscaler.predictor.v1");
package!(decision, "autoscaler.decision.v1");
package!(actuator, "autoscaler.actuator.v1");
package!(scheduler, "autoscaler.scheduler.v1");
