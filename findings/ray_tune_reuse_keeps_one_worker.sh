#!/usr/bin/env bash
# ray[tune] 2.60.0 (Python 3.11): with reuse_actors=True, trials that are shorter than the start of an actor run on one CPU of three.
#
# An actor that becomes free is given to any trial that waits, also to one whose own actor is being started; that actor is then ended, and
# the next trial starts another. While trials are shorter than the start (here .3 s and 6 s: an import of torch takes as long), no second
# actor ever comes up, whatever room there is. Setting reuse_actors was to save just these starts.
#
# Seen on 2026-11-28: 40 trials on three free CPUs: all 40 in one process. The same with trials of 8 s: three processes.
#
# Exits 0 while it is so, 1 when that has changed. Way out: a searcher that, while actors start, suggests no more trials than there are
# CPUs, and the next one only after a trial's actor has become free: Tune looks for an actor for the new trial first.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet 'ray[tune]==2.60.0'
export HOME="$folder/home" RAY_TMPDIR="$folder/r" RAY_USAGE_STATS_ENABLED=0 RAY_AIR_NEW_OUTPUT=0 TUNE_DISABLE_AUTO_CALLBACK_LOGGERS=1
mkdir -p "$HOME" "$RAY_TMPDIR"

cat > "$folder/trials.py" <<'PYTHON'
import os
import sys
import time

import ray
from ray import tune

log, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])


class Trainable(tune.Trainable):
    def setup(self, config):
        time.sleep(1 if config["number"] == 0 else 6)  # one is up before the others, as on any machine that is at work

    def step(self):
        time.sleep(seconds)
        with open(log, "a") as lines:
            lines.write(f"{os.getpid()}\n")
        return {"done": True, "score": 1}

    def reset_config(self, config):
        return True

    def save_checkpoint(self, folder):
        return None

    def load_checkpoint(self, folder):
        pass


ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
tune.Tuner(
    tune.with_resources(Trainable, {"cpu": 1}),
    param_space={"number": tune.grid_search(list(range(count)))},
    tune_config=tune.TuneConfig(reuse_actors=True),
    run_config=tune.RunConfig(verbose=0, storage_path=os.environ["HOME"]),
).fit()
PYTHON

processes() {
    : > "$folder/log"
    "$folder/venv/bin/python" "$folder/trials.py" "$folder/log" "$1" "$2" > "$folder/said" 2>&1 || { tail "$folder/said"; exit 1; }
    sort "$folder/log" | uniq -c | wc -l
}
short=$(processes 40 0.3)
long=$(processes 6 8)
echo "processes that trials ran in, of three CPUs: $short with 40 trials of .3 s, $long with 6 of 8 s"
[ "$short" = 1 ] && [ "$long" = 3 ]
