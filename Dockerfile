# The container image of Ovenbird: see docs/container.md. Needs BuildKit, which every Docker since 23 builds with.
#
#   docker build -t ovenbird .                                    compiles; no Rust is needed on this machine
#   docker build -t ovenbird --target ci .                        the same layers without an entry point: GitLab, `container:`
#   docker build -t ovenbird --build-arg BINARY=prebuilt -f Dockerfile FOLDER       takes the binary FOLDER/ovenbird
ARG BINARY=build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches are BuildKit's: a second build compiles only what has changed.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && install -D target/release/ovenbird /out/ovenbird

FROM scratch AS prebuilt
COPY ovenbird /out/ovenbird

FROM ${BINARY} AS binary

# What Ovenbird starts, without what only a machine with a screen needs. The layer does not change with the binary.
FROM debian:bookworm-slim AS runtime
# Left out are whole files that no guest of ours can load: firmware for other kinds of machine, and for other keys.
RUN set -eu; \
    for path in /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/lintian /usr/share/bug \
        /usr/share/icons /usr/share/applications; do \
        echo "path-exclude=$path/*"; \
    done > /etc/dpkg/dpkg.cfg.d/ovenbird; \
    echo 'path-include=/usr/share/doc/*/copyright' >> /etc/dpkg/dpkg.cfg.d/ovenbird; \
    export DEBIAN_FRONTEND=noninteractive; \
    apt-get -q update; \
    apt-get -q install -y --no-install-recommends \
        ansible-core ca-certificates debian-archive-keyring dosfstools e2fsprogs fdisk git mmdebstrap mtools ovmf \
        qemu-efi-aarch64 qemu-system-arm qemu-system-x86 qemu-utils uidmap; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
# Tells `ovenbird` that it may hand what it makes in the workspace to the workspace's owner: docs/container.md.
ENV OVENBIRD_CONTAINER=1
COPY --from=binary /out/ovenbird /usr/local/bin/ovenbird
# What changes with every build comes last. IMAGE is the name, with tag or digest, that `plan --format gitlab` writes into
# a child pipeline: that of the `ci` stage in a registry.
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
ARG SOURCE=
ARG IMAGE=
ENV OVENBIRD_IMAGE=${IMAGE}
LABEL org.opencontainers.image.title="Ovenbird" \
      org.opencontainers.image.description="A CI-native machine-image builder" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.source="${SOURCE}"
HEALTHCHECK NONE

# For those who start a shell in it: GitLab, `container:`.
FROM runtime AS ci
CMD ["bash"]

# The exec form: a shell in between would get the runner's signals instead of us.
FROM runtime AS action
ENTRYPOINT ["/usr/local/bin/ovenbird"]
