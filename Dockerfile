# Cogitate in a container: one server, with vLLM in its own process or in front of upstreams.
#
#   docker build -t cogitate:cpu .                          any x86-64 machine; the last stage, so the default
#   docker build -t cogitate:gpu --target gpu .             NVIDIA GPUs, on vLLM's own image (26 GB unpacked)
#   docker build -t cogitate:vllm --target gpu-plugin .     the same, in the place of vllm/vllm-openai: its entry point is
#                                                           `vllm serve`, with strategies by the endpoint plugin
#   docker build -t cogitate:gateway --target gateway .     --engine openai alone, without PyTorch and vLLM: x86-64, arm64
#
# `docker compose up` builds and runs the first together with Redis: see docker-compose.yml.
#
# No model is in the image. The default one, for trying things out, is fetched at the first start into the volume at
# /home/cogitate/.cache, and so is any Hugging Face model named by COGITATE_MODEL. For a CPU image that starts without
# a network, bake the demo model in:
#
#   docker build -t cogitate:cpu --build-arg DEMO_MODEL=yes .
#
# The same image each time, with a list of what is in it (release.yml also signs it): --sbom=true --provenance=mode=max
#
# Behind a package mirror add --build-arg PIP_INDEX_URL=... --build-arg UV_DEFAULT_INDEX=... --build-arg TORCH_BACKEND=

# Tags name one release, but a registry may move them. For builds that are the same byte for byte add the digest that
# `docker buildx imagetools inspect IMAGE` prints, as a build argument, as release.yml does:
# PYTHON_IMAGE=python:3.11.16-slim-bookworm@sha256:...
ARG PYTHON_IMAGE=python:3.11.16-slim-bookworm
ARG VLLM_IMAGE=vllm/vllm-openai:v0.32.0


# The wheel of the project: pure Python, the same for both targets.
FROM ${PYTHON_IMAGE} AS wheel
ARG PIP_INDEX_URL
WORKDIR /src
COPY deploy/requirements/build.txt deploy/requirements/cpu.txt /tmp/
RUN pip install --no-cache-dir --requirement /tmp/build.txt --constraint /tmp/cpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY deploy/package deploy/package
COPY strategies strategies
COPY server server
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel .


# The CPU build of vLLM and its dependencies, in /opt/cogitate.
FROM ${PYTHON_IMAGE} AS cpu-packages
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
ARG UV_FIND_LINKS
# uv knows PyTorch's index of CPU builds; the public index has only the CUDA build. Empty: a mirror has both.
ARG TORCH_BACKEND=cpu
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv /opt/cogitate
# --no-deps: the list is complete and omits packages that would break (see its header). Compiled to bytecode here,
# because the root file system is read-only at run time.
RUN --mount=type=bind,source=deploy/requirements/cpu.txt,target=/tmp/requirements.txt \
    uv pip install --python /opt/cogitate ${TORCH_BACKEND:+"--torch-backend=$TORCH_BACKEND"} \
        --no-cache --compile-bytecode --no-deps --requirement /tmp/requirements.txt


# vLLM's image has vLLM, PyTorch and CUDA in the system's Python. Its packages keep their versions; missing ones are
# installed at the versions that this project pins; a conflict fails the build.
FROM ${VLLM_IMAGE} AS gpu
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN --mount=type=bind,source=deploy/requirements/cpu.txt,target=/tmp/ours.txt \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    uv pip list --system --format=freeze > /tmp/theirs.txt \
    && awk -F'==' '{ name = tolower($1); gsub(/[-_.]+/, "-", name) } \
        NR == FNR { theirs[name] = 1; next } \
        /^[A-Za-z0-9]/ && !(name in theirs)' /tmp/theirs.txt /tmp/ours.txt > /tmp/missing.txt \
    && uv pip install --system --no-cache --compile-bytecode --constraint /tmp/theirs.txt --constraint /tmp/missing.txt \
        /wheel/*.whl accelerate gguf \
    && rm /tmp/theirs.txt /tmp/missing.txt \
    && groupadd --gid 10001 cogitate \
    && useradd --uid 10001 --gid 10001 --create-home --no-log-init cogitate \
    && install --directory --owner=10001 --group=10001 /home/cogitate/.cache

# All writes go to one volume, so that the root file system can be read-only. The engine's log goes to `docker logs`, as
# the server's does.
ENV HOME=/home/cogitate \
    XDG_CACHE_HOME=/home/cogitate/.cache \
    HF_HOME=/home/cogitate/.cache/huggingface \
    VLLM_CONFIG_ROOT=/home/cogitate/.cache/vllm-config \
    TORCHINDUCTOR_CACHE_DIR=/home/cogitate/.cache/torchinductor \
    TRITON_CACHE_DIR=/home/cogitate/.cache/triton \
    CUDA_CACHE_PATH=/home/cogitate/.cache/cuda \
    COGITATE_ENGINE_LOG=- \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1
LABEL org.opencontainers.image.title="Cogitate" \
    org.opencontainers.image.description="Reasoning strategies at inference time, on vLLM, behind OpenAI's API (GPU)" \
    org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /home/cogitate
EXPOSE 8000
STOPSIGNAL SIGTERM
# Ready, not live: a container that still loads its model, or drains, should get no traffic. A large model takes minutes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 \
    CMD ["python3", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('COGITATE_PORT') or 8000), timeout=4); ask.request('GET', '/health/ready'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["cogitate"]
# Anything but a loopback address needs COGITATE_API_KEYS_FILE; without it the server says so and stops.
CMD ["serve", "--host", "0.0.0.0"]


# vLLM's own server with strategies, wherever `vllm serve` is expected. Keys, drain and the cache are `cogitate serve`'s.
FROM gpu AS gpu-plugin
# The plugin refuses settings that `vllm serve` has flags of its own for; empty is unset.
ENV VLLM_PLUGINS=cogitate \
    COGITATE_ENGINE_LOG=
ENTRYPOINT ["vllm", "serve"]
CMD ["--host", "0.0.0.0"]


# What --engine openai and OpenTelemetry need, at the pinned versions; no compiler and no PyTorch.
FROM ${PYTHON_IMAGE} AS gateway-packages
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
RUN pip install --no-cache-dir uv==0.13.9 && python -m venv --without-pip /opt/cogitate
# Tests of SymPy are a third of it. Compiled to bytecode here, because the root file system is read-only at run time.
RUN --mount=type=bind,source=deploy/requirements/cpu.txt,target=/tmp/pins.txt \
    --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    wheel="$(echo /wheel/*.whl)" \
    && uv pip install --python /opt/cogitate --no-cache --constraint /tmp/pins.txt "cogitate[otel] @ file://$wheel" \
    && find /opt/cogitate -path '*/sympy/*' -type d -name tests -prune -exec rm -r {} + \
    && /opt/cogitate/bin/python -m compileall -q -j 0 /opt/cogitate/lib


FROM ${PYTHON_IMAGE} AS gateway
RUN groupadd --gid 10001 cogitate \
    && useradd --uid 10001 --gid 10001 --create-home --no-log-init cogitate \
    && install --directory --owner=10001 --group=10001 /home/cogitate/.cache
COPY --from=gateway-packages /opt/cogitate /opt/cogitate
ENV PATH=/opt/cogitate/bin:$PATH \
    HOME=/home/cogitate \
    XDG_CACHE_HOME=/home/cogitate/.cache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1
LABEL org.opencontainers.image.title="Cogitate" \
    org.opencontainers.image.description="Reasoning strategies at inference time, behind OpenAI's API, over upstreams" \
    org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /home/cogitate
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=1m --retries=3 \
    CMD ["python3", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('COGITATE_PORT') or 8000), timeout=4); ask.request('GET', '/health/ready'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["cogitate"]
# Needs --upstream, or COGITATE_UPSTREAM, and COGITATE_API_KEYS_FILE.
CMD ["serve", "--engine", "openai", "--host", "0.0.0.0"]


FROM ${PYTHON_IMAGE} AS cpu
# libnuma1: vLLM's CPU kernels link to it. libtcmalloc-minimal4: preloaded below. g++: PyTorch compiles the model with
# it when the operator asks for that (--engine-args '{"enforce_eager": false}': slower to start, faster to decode).
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ libnuma1 libtcmalloc-minimal4 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 cogitate \
    && useradd --uid 10001 --gid 10001 --create-home --no-log-init cogitate \
    && install --directory --owner=10001 --group=10001 /home/cogitate/.cache
COPY --from=cpu-packages /opt/cogitate /opt/cogitate
ENV PATH=/opt/cogitate/bin:$PATH
RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip install --no-cache-dir --no-deps --no-index /wheel/*.whl

# Preloaded as vLLM's CPU guide recommends: a thread-friendly allocator and Intel's OpenMP.
ENV LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libtcmalloc_minimal.so.4:/opt/cogitate/lib/libiomp5.so \
    HOME=/home/cogitate \
    XDG_CACHE_HOME=/home/cogitate/.cache \
    HF_HOME=/home/cogitate/.cache/huggingface \
    VLLM_CONFIG_ROOT=/home/cogitate/.cache/vllm-config \
    TORCHINDUCTOR_CACHE_DIR=/home/cogitate/.cache/torchinductor \
    TRITON_CACHE_DIR=/home/cogitate/.cache/triton \
    COGITATE_ENGINE_LOG=- \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1
LABEL org.opencontainers.image.title="Cogitate" \
    org.opencontainers.image.description="Reasoning strategies at inference time, on vLLM, behind OpenAI's API (CPU)" \
    org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /home/cogitate
# Off by default: it adds 270 MB, and is not needed where a model is configured.
ARG DEMO_MODEL=no
RUN if [ "$DEMO_MODEL" = yes ]; then python -m cogitate.server.engine.demo_model "$XDG_CACHE_HOME"; fi
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=15m --retries=3 \
    CMD ["python3", "-c", "import http.client, os, sys; ask = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('COGITATE_PORT') or 8000), timeout=4); ask.request('GET', '/health/ready'); sys.exit(ask.getresponse().status != 200)"]
ENTRYPOINT ["cogitate"]
CMD ["serve", "--host", "0.0.0.0"]
