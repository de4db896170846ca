# The common image, shared by all missions: Linux packages, uv and the scripts of the platform,
# on the embedded base or on one of docker-stacks' images (Ubuntu with conda).
ARG BASE_IMAGE=science-platform/base:latest
FROM ${BASE_IMAGE}
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
USER root

# Ordinary files where build steps mount secrets: each step works with and without them.
RUN --mount=type=bind,source=common/base/build-config,target=/mnt \
    install -D --mode=0644 --target-directory=/etc/image-build /mnt/* \
    && install --mode=0644 /etc/ssl/certs/ca-certificates.crt /etc/image-build/ca.crt

# For build steps only: nothing of this is in the image's run-time environment.
ARG SSL_CERT_FILE=/etc/image-build/ca.crt PIP_CERT=/etc/image-build/ca.crt REQUESTS_CA_BUNDLE=/etc/image-build/ca.crt CURL_CA_BUNDLE=/etc/image-build/ca.crt GIT_SSL_CAINFO=/etc/image-build/ca.crt NODE_EXTRA_CA_CERTS=/etc/image-build/ca.crt CONDA_SSL_VERIFY=/etc/image-build/ca.crt APT_CONFIG=/etc/image-build/apt.conf WGETRC=/etc/image-build/wgetrc PIP_CONFIG_FILE=/etc/image-build/pip.conf UV_CONFIG_FILE=/etc/image-build/uv.toml CONDARC=/etc/image-build/condarc PIP_CACHE_DIR=/var/cache/image-build/pip UV_CACHE_DIR=/var/cache/image-build/uv CONDA_PKGS_DIRS=/var/cache/image-build/conda UV_LINK_MODE=copy PYTHONDONTWRITEBYTECODE=1

# The embedded base has the distribution's Python, whose headers a compiler needs; conda's brings them.
# docker-clean would empty the mounted package cache after each step. Left out are 100 MB that only
# work on compilers and on Python itself needs: sanitizers, a dump tool, static copies of libpython.
# hadolint ignore=SC2086
RUN --mount=type=secret,id=ca,target=/etc/image-build/ca.crt,mode=0444 \
    --mount=type=secret,id=apt,target=/etc/image-build/apt.conf,mode=0444 \
    --mount=type=secret,id=sources,target=/etc/image-build/sources.list,mode=0444 \
    --mount=type=cache,id=science-platform-apt-0,target=/var/cache/apt,sharing=locked \
    --mount=type=bind,source=common/image/packages.txt,target=/mnt/packages.txt \
    rm -f /etc/apt/apt.conf.d/docker-clean \
    && printf 'path-exclude=%s\n' '/usr/bin/*-lto-dump*' '/usr/lib/*/lib*san.so*' \
        '/usr/lib/gcc/*/lib*san.a' '/usr/lib/python3*/config-*/*.a' > /etc/dpkg/dpkg.cfg.d/common-image \
    && packages=$(sed 's/#.*//' /mnt/packages.txt) \
    && if [ ! -e /opt/conda/conda-meta/history ]; then packages="$packages python3-dev"; fi \
    && apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $packages \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log

RUN --mount=type=secret,id=ca,target=/etc/image-build/ca.crt,mode=0444 \
    --mount=type=secret,id=pip,target=/etc/image-build/pip.conf,mode=0444 \
    --mount=type=cache,id=science-platform-pip-0,target=/var/cache/image-build/pip \
    --mount=type=bind,source=common/base/uv.txt,target=/mnt/uv.txt \
    --mount=type=tmpfs,target=/mnt/uv \
    /opt/conda/bin/python -m pip install --disable-pip-version-check --root-user-action=ignore \
        --no-compile --require-hashes --requirement /mnt/uv.txt --target /mnt/uv \
    && install --mode=0755 /mnt/uv/bin/uv /usr/local/bin/uv

# Server and kernels ignore a stale ~/.local; a mission that wants it sets these two otherwise.
ENV PYTHONNOUSERSITE=1 JUPYTER_PREFER_ENV_PATH=1

# What changes often is one step, so one layer: some engines walk through the whole image for each.
ARG BASE_DIGEST=unknown
RUN --mount=type=bind,source=common/image,target=/mnt \
    install --directory --owner=1000 --group=100 --mode=2775 /opt/environments \
    && cp -r /mnt/common-env /mnt/common-scripts /opt/ \
    && chmod -R u=rwX,go=rX /opt/common-env /opt/common-scripts \
    && install --mode=0644 /mnt/etc/profile.d/environments.sh /etc/profile.d/ \
    && install -D --mode=0755 --target-directory=/usr/local/bin/before-notebook.d /mnt/before-notebook.d/* \
    && /opt/conda/bin/python -m compileall -q /opt/common-scripts/platform_env \
    && /opt/common-scripts/login-setup \
    && PYTHONPATH=/opt/common-scripts /opt/conda/bin/python -sB -m platform_env.environments.home_files \
    && echo "${BASE_DIGEST}" > /etc/image-build/base-digest

USER 1000
