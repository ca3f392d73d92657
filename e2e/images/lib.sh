# What the image scripts share: where things are kept, outside the clone.
set -euo pipefail
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${WHERRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wherry}
BASE_IMAGE=localhost/node:24-bookworm-slim
ENVOY_VERSION=1.40.0
NODE_VERSION=$(sed -n 's/^ *"node": "\([0-9.]*\)".*/\1/p' "$REPO/package.json" | tail -n 1)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}

install_packages() {
  dpkg -s "$@" >/dev/null 2>&1 && return 0
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
