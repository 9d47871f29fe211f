# Keyward in an image without a shell: one binary, the C library it needs, the certificate
# authorities. It runs as an ordinary user and writes nothing, so run it with a read-only root:
#
#     docker build -t keyward .
#     docker run --rm -i --read-only --cap-drop ALL --security-opt no-new-privileges \
#         --ulimit memlock=1048576 -e OPENAI_API_KEY keyward
#
# The binary is linked to glibc, which is what the memory proof has measured.
FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
COPY --from=build /src/target/release/keyward /usr/local/bin/keyward
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/keyward"]
CMD ["serve"]

# For `docker-compose.yml`, with the configuration of that file. It belongs to root and only root
# may write it: Keyward refuses any other.
FROM runtime AS compose
COPY --chmod=0644 deploy/compose/keyward.yaml /etc/keyward/config.yaml

# The last stage is what `docker build` makes without a target.
FROM runtime AS keyward
