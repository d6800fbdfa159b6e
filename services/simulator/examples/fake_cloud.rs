//! The fake EC2 and SSM as a program of its own, on the machine's clock: `fake_cloud ADDRESS ID=TYPE...`.
//!
//! Point the actuator at it with `AWS_ENDPOINT_URL=http://ADDRESS AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=test
//! AWS_SECRET_ACCESS_KEY=test`. `SPEED=10` makes machines ten times as fast as real ones.

use std::sync::Arc;

use anyhow::Context as _;
use common::clock::SystemClock;
use simulator::{
    cloud::{FakeCloud, Timing},
    wire,
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .context("say where to listen: fake_cloud 127.0.0.1:5000 i-0123456789abcdef0=t2.small")?;
    let fake = FakeCloud::new(Arc::new(SystemClock));
    let speed = std::env::var("SPEED").ok();
    let speed = speed.map_or(Ok(1), |text| text.parse())?;
    fake.set_timing(Timing::faster(speed));
    for instance in arguments {
        let (id, instance_type) = instance
            .split_once('=')
            .with_context(|| format!("{instance:?} is not ID=TYPE"))?;
        fake.add_instance(id, instance_type);
    }
    let listener = tokio::net::TcpListener::bind(&address).await?;
    wire::serve(listener, fake).await?;
    Ok(())
}
