# One small image per service: `docker build --target predictor .`, or decision, actuator, scheduler.
#
# Stages stand in the order in which the classic builder needs them: it builds every stage above its target, so the
# predictor's come before anything that needs the AWS SDK.

FROM rust:1.95-bookworm AS toolchain
# xgboost-rs and aws-lc compile C and C++ with cmake; bindgen needs libclang.
RUN apt-get update \
    && apt-get install -y --no-install-recommends clang cmake g++ libclang-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# Manifests with empty crates: the layers of compiled dependencies change only when these do.
COPY Cargo.toml Cargo.lock ./
COPY proto/Cargo.toml proto/
COPY services/actuator/Cargo.toml services/actuator/
COPY services/autoscaler/Cargo.toml services/autoscaler/
COPY services/lib/common/Cargo.toml services/lib/common/
COPY services/decision/Cargo.toml services/decision/
COPY services/lib/forecasting/Cargo.toml services/lib/forecasting/
COPY services/lib/prometheus/Cargo.toml services/lib/prometheus/
COPY services/lib/sizing/Cargo.toml services/lib/sizing/
COPY services/lib/testkit/Cargo.toml services/lib/testkit/
COPY services/lib/traces/Cargo.toml services/lib/traces/
COPY services/predictor/Cargo.toml services/predictor/
COPY services/scheduler/Cargo.toml services/scheduler/
COPY services/simulator/Cargo.toml services/simulator/
COPY services/trainer/Cargo.toml services/trainer/
RUN find proto services -name Cargo.toml -execdir mkdir src \; -execdir touch src/lib.rs \; \
    && mkdir services/predictor/benches \
    && echo 'fn main() {}' | tee proto/build.rs >services/predictor/benches/forecast.rs

FROM toolchain AS predictor-dependencies
RUN cargo build --release --locked --package predictor

FROM predictor-dependencies AS predictor-build
COPY proto proto
COPY artifacts artifacts
COPY services/lib/common services/lib/common
COPY services/lib/forecasting services/lib/forecasting
COPY services/predictor services/predictor
# The empty crates were compiled after these files were written: only a newer time makes cargo compile them again.
RUN find proto services -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package predictor

# What every service runs on. A service's addresses are set by its image, and win over a mounted file's: what a
# container listens on is decided where its ports are published.
FROM debian:bookworm-slim AS runtime
COPY --from=toolchain /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
WORKDIR /var/lib/autoscaler
RUN mkdir keys && chown 10001:10001 . keys
USER 10001:10001

FROM runtime AS predictor
# XGBoost computes with OpenMP.
USER 0:0
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
USER 10001:10001
COPY --from=predictor-build /source/target/release/predictor /usr/local/bin/
ENV AUTOSCALER__PREDICTOR__LISTEN=0.0.0.0:50051 \
    AUTOSCALER__PREDICTOR__METRICS_LISTEN=0.0.0.0:9101
EXPOSE 50051 9101
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["predictor", "health"]
ENTRYPOINT ["predictor"]

# On top of the predictor's, so that what they share is compiled once.
FROM predictor-dependencies AS services-dependencies
RUN cargo build --release --locked --package decision --package actuator --package scheduler --features scheduler/aws

FROM services-dependencies AS services-build
COPY proto proto
# The actuator carries it to the machines.
COPY deploy/setup-monitoring.sh deploy/
COPY services services
RUN find proto services -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package decision --package actuator --package scheduler --features scheduler/aws

FROM runtime AS decision
COPY --from=services-build /source/target/release/decision /usr/local/bin/
# Declared after its owner is set: a named volume begins with the owner of what it covers.
VOLUME /var/lib/autoscaler
ENV AUTOSCALER__DECISION__LISTEN=0.0.0.0:50052 \
    AUTOSCALER__DECISION__METRICS_LISTEN=0.0.0.0:9102 \
    AUTOSCALER__DECISION__DATABASE=/var/lib/autoscaler/decision.db
EXPOSE 50052 9102
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["decision", "health"]
ENTRYPOINT ["decision"]

FROM runtime AS actuator
COPY --from=services-build /source/target/release/actuator /usr/local/bin/
VOLUME /var/lib/autoscaler
ENV AUTOSCALER__ACTUATOR__LISTEN=0.0.0.0:50053 \
    AUTOSCALER__ACTUATOR__METRICS_LISTEN=0.0.0.0:9103 \
    AUTOSCALER__ACTUATOR__DATABASE=/var/lib/autoscaler/actuator.db
EXPOSE 50053 9103
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["actuator", "health"]
ENTRYPOINT ["actuator"]

FROM runtime AS scheduler
COPY --from=services-build /source/target/release/scheduler /usr/local/bin/
ENV AUTOSCALER__SCHEDULER__LISTEN=0.0.0.0:50054 \
    AUTOSCALER__SCHEDULER__METRICS_LISTEN=0.0.0.0:9104 \
    AUTOSCALER__SCHEDULER__HTTP_LISTEN=0.0.0.0:8000
EXPOSE 8000 50054 9104
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s CMD ["scheduler", "health"]
ENTRYPOINT ["scheduler"]
