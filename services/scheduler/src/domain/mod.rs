//! What the scheduler works with, in its own terms. Pure.

mod decision;
mod event;
mod forecast;
mod knowledge;
mod machine;
mod observation;
mod reason;
mod resize;
mod result;
mod standing;

pub use decision::{Action, Decision, Policy, Question, ReviewQuestion, Sizing};
pub use event::{Event, EventKind};
pub use forecast::{Basis, Forecast, Issued, Promise};
pub use knowledge::{Knowledge, Missing};
pub use machine::{Instance, InstanceState, Target, TypeInfo};
pub use observation::{Evidence, Observation, Series};
pub use reason::ReasonCode;
pub use resize::{Ending, Outcome, Progress, Resize, Step};
pub use result::{ActionTaken, TargetResult, TickReport};
pub use standing::{
    Direction, KillSwitch, Limits, Pause, Reach, Reachability, Standing, Unanswered,
};
