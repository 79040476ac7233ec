#!/usr/bin/env bash
# Try the mutants of tests/prove/mutants.toml in a clone, since cosmic-ray changes files in place.
# Fails if more than 15 % of them survive; build/mutants.txt lists the survivors.
set -euo pipefail
cd "$(dirname "$0")/../.."
export LOA_PYTHON=$PWD/.venv/bin/python
[ -x build/cosmic-ray/bin/cosmic-ray ] || { python3 -m venv build/cosmic-ray && build/cosmic-ray/bin/pip install --quiet 'cosmic-ray==8.7.0'; }
cosmic=$PWD/build/cosmic-ray/bin out=$PWD/build/mutants.txt clone=$(mktemp -d)
trap 'rm -rf "$clone"' EXIT
git clone --quiet --shared . "$clone"
cd "$clone"
export PYTHONPATH=$clone
"$cosmic/cosmic-ray" init tests/prove/mutants.toml mutants.sqlite
"$cosmic/cosmic-ray" baseline tests/prove/mutants.toml
"$cosmic/cosmic-ray" exec tests/prove/mutants.toml mutants.sqlite
"$cosmic/cr-report" --surviving-only mutants.sqlite >"$out"
"$cosmic/cr-rate" --fail-over 15 mutants.sqlite
