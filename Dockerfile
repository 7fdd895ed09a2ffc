# The monitor for a camera host: `sentinel-edge` with its model and golden baseline; no network, no root, no TensorFlow.
#
#   docker build -t vfi-monitor .
#   docker run --user "$(id -u):$(id -g)" -v IN:/app/incoming_data -v OUT:/app/status_output vfi-monitor
#
# The secrets `pipconf` and `ca` are optional: pip settings and a CA bundle, for builds behind a proxy or a mirror.

# What ci.yml tests and publishes has it by digest: requirements/Dockerfile, given as --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.11-slim

# ---- libraries: /opt/sentinel, an environment without pip, every file checked against its sha256 ----
FROM ${PYTHON_IMAGE} AS libraries
WORKDIR /build
COPY requirements/runtime.txt requirements/build.txt requirements/
# pip and the wheel builder live in /build/tools, apart from the environment they fill.
RUN --mount=type=secret,id=pipconf,target=/etc/pip.conf \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_REQUIRE_HASHES=1 PIP_ONLY_BINARY=:all: \
    && python3 -m venv tools \
    && tools/bin/pip install --quiet --no-compile -r requirements/build.txt \
    && python3 -m venv --without-pip /opt/sentinel \
    && tools/bin/pip --python /opt/sentinel/bin/python install --quiet --no-compile -r requirements/runtime.txt
# What no run of the monitor opens: the libraries' own tests, type stubs, headers and static libraries; ONNX Runtime's
# model tools, which need packages that are not here, and its second copy of the engine, for programs in C.
RUN packages=$(echo /opt/sentinel/lib/python3*/site-packages) \
    && find "$packages" -type d \( -name tests -o -name include \) -prune -exec rm -rf {} + \
    && find "$packages" -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -name '*.a' \) -delete \
    && rm -rf "$packages"/onnxruntime/transformers "$packages"/onnxruntime/quantization "$packages"/onnxruntime/tools \
        "$packages"/onnxruntime/datasets "$packages"/onnxruntime/capi/libonnxruntime.so.* \
        /opt/sentinel/bin/[Aa]ctivate* /opt/sentinel/bin/f2py /opt/sentinel/bin/numpy-config /opt/sentinel/bin/onnxruntime_test

# ---- program: everything that changes with a release of Sentinel itself, as a tree to lay over the final image ----
FROM libraries AS program
COPY pyproject.toml README.md LICENSE THIRD-PARTY.md ./
COPY sentinel_edge sentinel_edge
COPY models models
COPY baseline baseline
RUN export PIP_NO_INDEX=1 PIP_NO_DEPS=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    && tools/bin/pip wheel --quiet --no-build-isolation --wheel-dir wheels . \
    && tools/bin/pip --python /opt/sentinel/bin/python install --quiet --no-compile --prefix /tree/opt/sentinel wheels/*.whl \
    && mkdir -p /tree/app/incoming_data /tree/app/status_output \
    # One copy of model and baseline, where a volume can take its place; the package finds it there too.
    && package=$(echo /tree/opt/sentinel/lib/python3*/site-packages/sentinel_edge) \
    && mv "$package"/_assets/models "$package"/_assets/baseline /tree/app/ \
    && ln -s /app/models /app/baseline "$package"/_assets/ \
    # A named volume takes over these permissions, so any user id can write to it.
    && chmod 0777 /tree/app/status_output

# ---- the image ----
FROM ${PYTHON_IMAGE}
# The base's own pip is of no use on a camera host, only to an intruder.
RUN rm -rf /usr/local/bin/pip* /usr/local/bin/wheel* /usr/local/lib/python3*/site-packages/* \
    /usr/local/lib/python3*/ensurepip /usr/lib/python3*/ensurepip /usr/share/python-wheels
# ONNX Runtime's official builds report usage to their maker unless told not to.
# OpenBLAS would start a thread for every core at import, and the monitor does no linear algebra.
ENV PATH=/opt/sentinel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    OPENBLAS_NUM_THREADS=1 \
    PAGER=cat \
    SENTINEL_INCOMING=/app/incoming_data \
    SENTINEL_OUTPUT=/app/status_output \
    SENTINEL_BASELINE=/app/baseline/golden.npz

# The large layer first: an update of Sentinel then moves only the small one.
COPY --from=libraries /opt/sentinel /opt/sentinel
COPY --from=program /tree/ /
# Bytecode of just the modules that the start of some command imports, Python's own among them: a read-only container can
# never keep it, and a start without it takes twice as long. `dict(COMMANDS)` loads every command, which `run` does only
# when it is asked for. Not checked against file times, which a registry or a rebuild may change.
RUN /opt/sentinel/bin/python -c 'import sys, sentinel_edge.cli.run as cli; dict(cli.COMMANDS); \
    print(*(module.__file__ for module in sys.modules.values() \
        if (getattr(module, "__file__", None) or "").endswith(".py")), sep="\n")' >/tmp/modules \
    && /opt/sentinel/bin/python -m compileall -q --invalidation-mode unchecked-hash -i /tmp/modules \
    && rm /tmp/modules

WORKDIR /app
# No entry in /etc/passwd is needed: `docker run --user` may name any id.
USER 10001:10001
ENTRYPOINT ["sentinel-edge"]
CMD ["check"]

# Last, so that a new revision alone makes no new layer.
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE_URL=unknown
LABEL org.opencontainers.image.title="Sentinel Edge" \
      org.opencontainers.image.description="Watches the frames behind a camera model: PASS or FAIL, and the cause" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE_URL}"
