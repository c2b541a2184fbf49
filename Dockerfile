# An image that executes ftkit; see dev/cluster.md. Build it in the checkout: docker build -t ftkit .
FROM python:3.12-slim-bookworm
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /opt/ftkit
# the libraries change seldom and weigh 7 GB, ftkit changes often and weighs 1 MB: a layer each
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY ftkit ftkit
COPY templates templates
COPY jupyter-config jupyter-config
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 1000 ftkit && install -d -o ftkit /data
USER 1000
WORKDIR /data
# /data is the folder that all machines share: mount it
ENV FTKIT_RUNS=/data/runs FTKIT_CACHE=/data/cache FTKIT_LOG=json
CMD ["ftkit", "--help"]
