//! What CloudWatch's agents on the machines hand in, as it was last asked for.

use std::{collections::HashMap, sync::Arc};

use aws_sdk_cloudwatch::types as cloudwatch;
use common::clock::Moment;

/// Dimensions of the agent's metric, by machine.
pub(super) type Dimensions = HashMap<String, Vec<Vec<cloudwatch::Dimension>>>;

/// What the agent hands in, as of a moment.
#[derive(Debug, Default)]
pub(super) struct AgentDimensions(pub(super) Option<(Moment, Arc<Dimensions>)>);
