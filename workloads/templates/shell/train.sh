#!/bin/sh
# Fits a line to noisy points by gradient descent in awk. Replace it by your own training.
#
# What makes it one that survives is marked: (1) it goes on from its checkpoint, (2) it saves one
# whole file under a new name and announces it, (3) SIGTERM ends it between rounds, all saved.
set -eu

rounds=40 seed=1 pause_s=0.1
while [ $# -gt 0 ]; do
  case $1 in
  --rounds) rounds=$2 ;;
  --seed) seed=$2 ;;
  --pause-s) pause_s=$2 ;;
  *)
    echo "unknown flag $1" >&2
    exit 125 # Never retried: it would fail again.
    ;;
  esac
  shift 2
done

# Says one line of PULSE, whole, by one append; outside Resus nothing is said.
say() {
  [ -z "${PULSE_EVENTS:-}" ] || printf '%s\n' "$1" >>"$PULSE_EVENTS"
}

# Steps of gradient descent from the weights $1 and $2; prints new weights and the error on points
# that were not trained on. The same seed makes the same points in every awk.
fit() {
  awk -v w="$1" -v b="$2" -v state="$seed" 'BEGIN {
    for (i = 0; i < 120; i++) { x[i] = 2 * next_random() - 1; y[i] = 3 * x[i] - 0.5 + 0.2 * (next_random() - 0.5) }
    for (step = 0; step < 25; step++) {
      dw = db = 0
      for (i = 0; i < 80; i++) { off = w * x[i] + b - y[i]; dw += off * x[i] / 40; db += off / 40 }
      w -= 0.05 * dw; b -= 0.05 * db
    }
    for (i = 80; i < 120; i++) { off = w * x[i] + b - y[i]; error += off * off / 40 }
    printf "%.17g %.17g %.6f\n", w, b, error
  }
  function next_random() { state = (state * 16807 + 11) % 2147483647; return state / 2147483647 }'
}

stop=
trap 'stop=1' TERM INT
folder=${PULSE_CHECKPOINT_DIR:-checkpoints}
mkdir -p "$folder"

round=0 w=0 b=0 error=
# (1) Resus names the newest checkpoint of which every byte is as it was saved.
if [ -n "${PULSE_RESUME_FROM:-}" ]; then
  read -r round w b error saved_seed <"$PULSE_RESUME_FROM"
  if [ "$saved_seed" != "$seed" ]; then
    echo "the checkpoint is of seed $saved_seed" >&2
    exit 125
  fi
fi
say '{"event_type":"status","payload":{"status":"running"}}'

while [ "$round" -lt "$rounds" ] && [ -z "$stop" ]; do
  fitted=$(fit "$w" "$b")
  w=${fitted%% *} error=${fitted##* } rest=${fitted#* } b=${rest%% *}
  round=$((round + 1))
  # (2) Whole or absent: written beside, renamed; then announced.
  file=$folder/round-$(printf '%09d' "$round").txt
  echo "$round $w $b $error $seed" >"$file.tmp"
  mv "$file.tmp" "$file"
  say '{"event_type":"checkpoint","payload":{"action":"saved","checkpoint_id":"round-'"$round"'","path":"'"$file"'","step":'"$round"'}}'
  say '{"event_type":"progress","payload":{"unit":"step","step":'"$round"',"total_steps":'"$rounds"'}}'
  say '{"event_type":"metric","payload":{"step":'"$round"',"metrics":{"held_out":'"$error"'}}}'
  echo "round $round held-out error $error"
  sleep "$pause_s"
done

# (3) Asked to leave: what was done is saved, and the run is told that this is no failure.
if [ -n "$stop" ]; then
  say '{"event_type":"run_complete","payload":{"status":"cancelled"}}'
else
  say '{"event_type":"run_complete","payload":{"status":"success","metrics":{"held_out":'"${error:-0}"'}}}'
fi
