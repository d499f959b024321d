# syntax=docker/dockerfile:1
# The one binary and the shipped model. PROCESSOR=gpu makes one that can also run on NVIDIA's GPUs.

ARG PROCESSOR=cpu

FROM rust:1.95-bookworm AS build-cpu
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked -p tapewire-cli && cp target/release/tapewire /tapewire

# CUDA's image has no Rust. Kernels are compiled for compute capability 8.0 (Ampere), which newer
# GPUs translate when they load them.
FROM nvidia/cuda:12.9.1-devel-ubuntu22.04 AS build-gpu
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates git libssl-dev pkg-config
COPY --from=rust:1.95-bookworm /usr/local/rustup /usr/local/rustup
COPY --from=rust:1.95-bookworm /usr/local/cargo /usr/local/cargo
ARG CUDA_COMPUTE_CAP=80
ENV PATH=/usr/local/cargo/bin:$PATH RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo \
    CUDA_COMPUTE_CAP=$CUDA_COMPUTE_CAP
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target,id=target-gpu \
    cargo build --release --locked -p tapewire-cli --features cuda && cp target/release/tapewire /tapewire

FROM debian:bookworm-slim AS base-cpu
FROM nvidia/cuda:12.9.1-runtime-ubuntu22.04 AS base-gpu

FROM build-${PROCESSOR} AS build

FROM base-${PROCESSOR}
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home tapewire \
    && install -d -o tapewire -g tapewire /var/lib/tapewire
COPY --from=build /tapewire /usr/local/bin/tapewire
COPY models/shipped /usr/share/tapewire/models
ENV TAPEWIRE_MODELS_DIR=/usr/share/tapewire/models TAPEWIRE_STATE_DIR=/var/lib/tapewire \
    HF_HOME=/var/lib/tapewire/huggingface TAPEWIRE_LISTEN=0.0.0.0:9464
USER tapewire
WORKDIR /var/lib/tapewire
EXPOSE 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["curl", "-fsS", "http://127.0.0.1:9464/health"]
ENTRYPOINT ["tapewire"]
CMD ["run"]
